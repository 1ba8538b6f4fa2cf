/* The peer of bar P2: what a C program gets out of a PKCS#11 module for the same work, one session, no service around it.
 *
 *   hsm_loop MODULE TOKEN-LABEL PIN-FILE AAD-BYTES [beside-a-thread]
 *
 * Makes an AES-256 session key, writes "ready", and for every number N on a line of stdin makes N data keys (44 random bytes for key and IV,
 * then EncryptInit and Encrypt of AES-GCM) and answers "wall-ns cpu-ns". With a fifth argument an idle thread stands
 * beside the loop: glibc takes shortcuts (malloc, mutexes, stdio) in a process that never had a second thread, and no service is such a process.
 * Built by the benchmark: gcc -O2 -o hsm_loop hsm_loop.c -ldl -lpthread */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long number;
typedef struct { number type; void *value; number length; } attribute;
typedef struct { number type; void *parameter; number length; } mechanism;
typedef struct { unsigned char *iv; number iv_length, iv_bits; unsigned char *aad; number aad_length, tag_bits; } gcm;
typedef struct { void *callbacks[4]; number flags; void *reserved; } initialize;
typedef struct { unsigned char label[32]; unsigned char rest[1024]; } token_info;

static void **calls; /* CK_FUNCTION_LIST after its version */
#define CALL(index, ...) ((number (*)())calls[index])(__VA_ARGS__)
enum { INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, ENCRYPT_INIT = 29, ENCRYPT = 30, GENERATE_KEY = 58, GENERATE_RANDOM = 64 };

static void check(number code, const char *what)
{
    if (code) { fprintf(stderr, "%s: 0x%lx\n", what, code); exit(1); }
}

static void *idle(void *nothing)
{
    for (;;) pause();
    return nothing;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) { fprintf(stderr, "usage: hsm_loop MODULE LABEL PIN-FILE AAD-BYTES [beside-a-thread]\n"); return 2; }
    void *library = dlopen(argv[1], RTLD_NOW), *list;
    number (*get)(void **) = library ? (number (*)(void **))dlsym(library, "C_GetFunctionList") : NULL;
    if (!get || get(&list)) { fprintf(stderr, "no module: %s\n", argv[1]); return 1; }
    calls = (void **)((char *)list + 8);
    initialize arguments = { .flags = 2 };
    check(CALL(INITIALIZE, &arguments), "C_Initialize");

    number slots[64], count = 64, slot = 0, session, key;
    int found = 0;
    check(CALL(GET_SLOT_LIST, (unsigned char)1, slots, &count), "C_GetSlotList");
    for (number i = 0; i < count && !found; i++) {
        token_info info;
        check(CALL(GET_TOKEN_INFO, slots[i], &info), "C_GetTokenInfo");
        if (!memcmp(info.label, argv[2], strlen(argv[2]))) { slot = slots[i]; found = 1; }
    }
    if (!found) { fprintf(stderr, "no token %s\n", argv[2]); return 1; }
    check(CALL(OPEN_SESSION, slot, (number)4, NULL, NULL, &session), "C_OpenSession");
    char pin[256];
    FILE *file = fopen(argv[3], "r");
    if (!file || !fgets(pin, sizeof pin, file)) { fprintf(stderr, "no PIN\n"); return 1; }
    fclose(file);
    check(CALL(LOGIN, session, (number)1, pin, (number)strcspn(pin, "\r\n")), "C_Login");

    number secret = 4, aes = 0x1f, size = 32;
    unsigned char yes = 1, no = 0;
    attribute template[] = { { 0, &secret, sizeof secret }, { 0x100, &aes, sizeof aes }, { 1, &no, 1 }, { 2, &yes, 1 }, { 0x103, &yes, 1 }, { 0x162, &no, 1 },
        { 0x104, &yes, 1 }, { 0x105, &yes, 1 }, { 0x161, &size, sizeof size } };
    mechanism make = { 0x1080, NULL, 0 };
    check(CALL(GENERATE_KEY, session, &make, template, (number)(sizeof template / sizeof *template), &key), "C_GenerateKey");

    static unsigned char drawn[44], out[64], aad[8192];
    gcm parameters = { drawn + 32, 12, 96, aad, (number)atoi(argv[4]), 128 };
    mechanism encrypt = { 0x1087, &parameters, sizeof parameters };
    pthread_t thread;
    if (argc == 6 && pthread_create(&thread, NULL, idle, NULL)) return 1;
    puts("ready");
    fflush(stdout);
    for (long wanted; scanf("%ld", &wanted) == 1;) {
        double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
        for (long i = 0; i < wanted; i++) {
            number length = sizeof out;
            check(CALL(GENERATE_RANDOM, session, drawn, (number)sizeof drawn), "C_GenerateRandom");
            check(CALL(ENCRYPT_INIT, session, &encrypt, key), "C_EncryptInit");
            check(CALL(ENCRYPT, session, drawn, (number)32, out, &length), "C_Encrypt");
        }
        printf("%.0f %.0f\n", now(CLOCK_MONOTONIC) - wall, now(CLOCK_THREAD_CPUTIME_ID) - cpu);
        fflush(stdout);
    }
    return 0;
}
