/* A disk with faults under a process that is under test, by LD_PRELOAD: the calls by which SQLite makes its files durable look into a page of
 * memory that the test writes (the file KEYSERVICE_TEST_DISK, mapped shared). Only files whose path contains KEYSERVICE_TEST_DISK_FILES are concerned.
 * Words of that page, 32 bits each: */
enum {
    SYNC_ERROR,    /* errno of fsync and fdatasync; the data may be written or not, as on a real disk */
    SYNC_DELAY,    /* milliseconds that each sync takes longer */
    SYNC_HOLD,     /* 1: a sync does not return while this stands */
    FULL,          /* 1: nothing gets longer: the first half of a write that would is written, then ENOSPC */
    WRITE_ERROR,   /* errno of every write */
    READ_ERROR,    /* errno of every pread */
    SYNCS,         /* counted here: syncs that were asked for */
    FAULTS,        /* counted here: calls that were failed, delayed or held */
    WORDS
};
/* Built by the tests: gcc -shared -fPIC -o disk_faults.so disk_faults.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile int *word;
static const char *files;
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off64_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t), (*real_write)(int, const void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);

__attribute__((constructor)) static void open_page(void)
{
    const char *path = getenv("KEYSERVICE_TEST_DISK");
    int page;
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
    real_pwrite = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    real_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_pread = (ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    files = getenv("KEYSERVICE_TEST_DISK_FILES");
    page = path && files ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (page < 0) return;
    void *map = mmap(NULL, WORDS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    close(page);
    if (map != MAP_FAILED) word = map;
}

static int concerned(int file)
{
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, files) != NULL;
}

static void count(int which) { __sync_fetch_and_add(word + which, 1); }

static int failed(int error) { count(FAULTS); errno = error; return -1; }

static int sync_with(int (*real)(int), int file)
{
    if (!word || !concerned(file)) return real(file);
    count(SYNCS);
    if (word[SYNC_DELAY] > 0) {
        struct timespec pause = { word[SYNC_DELAY] / 1000, word[SYNC_DELAY] % 1000 * 1000000L };
        count(FAULTS);
        nanosleep(&pause, NULL);
    }
    if (word[SYNC_HOLD]) count(FAULTS);
    while (word[SYNC_HOLD]) usleep(1000);
    return word[SYNC_ERROR] ? failed(word[SYNC_ERROR]) : real(file);
}

int fsync(int file) { return sync_with(real_fsync, file); }

int fdatasync(int file) { return sync_with(real_fdatasync, file); }

/* Bytes of a write that still fit on a full disk, or -1 when there is no such bound. */
static ssize_t room(int file, size_t length, off64_t offset)
{
    struct stat64 state;
    if (!word[FULL] || fstat64(file, &state) != 0 || !S_ISREG(state.st_mode) || offset + (off64_t)length <= state.st_size) return -1;
    return (ssize_t)(length / 2);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    if (!word || !(word[FULL] | word[WRITE_ERROR]) || !concerned(file)) return real_pwrite(file, bytes, length, offset);
    if (word[WRITE_ERROR]) return failed(word[WRITE_ERROR]);
    ssize_t fits = room(file, length, offset);
    if (fits < 0) return real_pwrite(file, bytes, length, offset);
    if (fits == 0) return failed(ENOSPC);
    count(FAULTS);
    return real_pwrite(file, bytes, (size_t)fits, offset);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    if (!word || !(word[FULL] | word[WRITE_ERROR]) || !concerned(file)) return real_write(file, bytes, length);
    if (word[WRITE_ERROR]) return failed(word[WRITE_ERROR]);
    return room(file, length, lseek64(file, 0, SEEK_CUR)) < 0 ? real_write(file, bytes, length) : failed(ENOSPC);
}

ssize_t pread64(int file, void *bytes, size_t length, off64_t offset)
{
    if (word && word[READ_ERROR] && concerned(file)) return failed(word[READ_ERROR]);
    return real_pread(file, bytes, length, offset);
}

int ftruncate64(int file, off64_t length)
{
    struct stat64 state;
    if (word && word[FULL] && concerned(file) && fstat64(file, &state) == 0 && length > state.st_size) return failed(ENOSPC);
    return real_ftruncate(file, length);
}
