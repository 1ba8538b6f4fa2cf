/* Ends a process by SIGKILL before it changes a file for the nth time, by LD_PRELOAD: KEYSERVICE_TEST_KILL_AT says which change (from 0), and
 * KEYSERVICE_TEST_KILL_UNDER the directory whose files count. Only the process that was started with it dies, not what that one starts.
 * Built by the tests: gcc -shared -fPIC -o kill_at_write.so kill_at_write.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *under;
static int left;
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t), (*real_write)(int, const void *, size_t);
static int (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("KEYSERVICE_TEST_KILL_AT");
    real_pwrite = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    real_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real_rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (at) left = atoi(at);
    if (at) under = getenv("KEYSERVICE_TEST_KILL_UNDER");
    unsetenv("LD_PRELOAD");
}

static void change(const char *path)
{
    if (under && strncmp(path, under, strlen(under)) == 0 && __sync_fetch_and_sub(&left, 1) == 0) kill(getpid(), SIGKILL);
}

static void change_of(int file)
{
    char link[64], path[4096];
    struct stat64 state;
    int saved = errno;
    if (!under || fstat64(file, &state) != 0 || !S_ISREG(state.st_mode)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return;
    path[length] = 0;
    change(path);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    change_of(file);
    return real_pwrite(file, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off64_t offset) { return pwrite64(file, bytes, length, offset); }

ssize_t write(int file, const void *bytes, size_t length)
{
    change_of(file);
    return real_write(file, bytes, length);
}

int rename(const char *from, const char *to)
{
    change(to);
    return real_rename(from, to);
}
