/* A PKCS#11 module for tests: SoftHSM with faults. It hands out SoftHSM's function list with a few entries replaced by ones that look into the file
 * KEYSERVICE_TEST_FAULTS first. A line "C_Encrypt 0x30 2" makes the next two calls of C_Encrypt return 0x30; "C_GetTokenInfo hang" makes calls wait
 * while the line stands; "C_WrapKey flip" spoils the answer, "C_GetTokenInfo flip" says that one PIN try is left. Every call of a replaced function is appended to the file's name with ".calls".
 * Built by the tests: gcc -shared -fPIC -o fault_module.so fault_module.c -ldl */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong_t;
typedef void *function_t;

enum { FIRST = 8, COUNT = 68 };
enum { GET_TOKEN_INFO = 6, LOGIN = 18, ENCRYPT_INIT = 29, ENCRYPT = 30, DECRYPT = 34, WRAP_KEY = 60, GENERATE_RANDOM = 64 };

static unsigned char list[FIRST + COUNT * sizeof(function_t)];
static function_t original[COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Returns 0 to go on, or the code to return; *flip is set when the answer is to be spoiled. */
static ulong_t fault(const char *name, int *flip)
{
    const char *path = getenv("KEYSERVICE_TEST_FAULTS");
    char calls[4096], wanted[64], action[64];
    int first = 1;
    if (!path) return 0;
    for (;;) {
        ulong_t code = 0;
        int hang = 0;
        pthread_mutex_lock(&lock);
        if (first) {
            snprintf(calls, sizeof calls, "%s.calls", path);
            FILE *log = fopen(calls, "a");
            if (log) { fprintf(log, "%s\n", name); fclose(log); }
            first = 0;
        }
        FILE *file = fopen(path, "r+");
        if (file) {
            int times = 0;
            if (fscanf(file, "%63s %63s %d", wanted, action, &times) >= 2 && !strcmp(wanted, name)) {
                if (!strcmp(action, "hang")) hang = 1;
                else if (!strcmp(action, "flip")) { if (flip) *flip = 1; }
                else if (times > 0) {
                    code = strtoul(action, NULL, 0);
                    rewind(file);
                    fprintf(file, "%s %s %d ", wanted, action, times - 1);
                }
            }
            fclose(file);
        }
        pthread_mutex_unlock(&lock);
        if (!hang) return code;
        usleep(2000);
    }
}

#define CALL(index, type, ...) ((type)original[index])(__VA_ARGS__)

static ulong_t get_token_info(ulong_t slot, void *info)
{
    enum { FLAGS = 96, USER_PIN_FINAL_TRY = 0x20000 };
    int flip = 0;
    ulong_t code = fault("C_GetTokenInfo", &flip);
    if (!code) code = CALL(GET_TOKEN_INFO, ulong_t (*)(ulong_t, void *), slot, info);
    if (flip && !code) *(ulong_t *)((char *)info + FLAGS) |= USER_PIN_FINAL_TRY;
    return code;
}

static ulong_t login(ulong_t session, ulong_t user, unsigned char *pin, ulong_t length)
{
    ulong_t code = fault("C_Login", NULL);
    return code ? code : CALL(LOGIN, ulong_t (*)(ulong_t, ulong_t, unsigned char *, ulong_t), session, user, pin, length);
}

static ulong_t encrypt_init(ulong_t session, void *mechanism, ulong_t key)
{
    ulong_t code = fault("C_EncryptInit", NULL);
    return code ? code : CALL(ENCRYPT_INIT, ulong_t (*)(ulong_t, void *, ulong_t), session, mechanism, key);
}

static ulong_t encrypt(ulong_t session, unsigned char *in, ulong_t length, unsigned char *out, ulong_t *out_length)
{
    ulong_t code = fault("C_Encrypt", NULL);
    return code ? code : CALL(ENCRYPT, ulong_t (*)(ulong_t, unsigned char *, ulong_t, unsigned char *, ulong_t *), session, in, length, out, out_length);
}

static ulong_t decrypt(ulong_t session, unsigned char *in, ulong_t length, unsigned char *out, ulong_t *out_length)
{
    ulong_t code = fault("C_Decrypt", NULL);
    return code ? code : CALL(DECRYPT, ulong_t (*)(ulong_t, unsigned char *, ulong_t, unsigned char *, ulong_t *), session, in, length, out, out_length);
}

static ulong_t wrap_key(ulong_t session, void *mechanism, ulong_t wrapping, ulong_t key, unsigned char *out, ulong_t *length)
{
    int flip = 0;
    ulong_t code = fault("C_WrapKey", &flip);
    if (code) return code;
    code = CALL(WRAP_KEY, ulong_t (*)(ulong_t, void *, ulong_t, ulong_t, unsigned char *, ulong_t *), session, mechanism, wrapping, key, out, length);
    if (flip && !code && out && *length) out[0] ^= 1;
    return code;
}

static ulong_t generate_random(ulong_t session, unsigned char *out, ulong_t length)
{
    ulong_t code = fault("C_GenerateRandom", NULL);
    return code ? code : CALL(GENERATE_RANDOM, ulong_t (*)(ulong_t, unsigned char *, ulong_t), session, out, length);
}

static void replace(int index, function_t function)
{
    memcpy(list + FIRST + index * sizeof(function_t), &function, sizeof function);
}

ulong_t C_GetFunctionList(void **result)
{
    unsigned char *softhsm;
    ulong_t (*get)(void **);
    void *library = dlopen(getenv("KEYSERVICE_TEST_MODULE"), RTLD_NOW | RTLD_LOCAL);
    if (!library || !(get = (ulong_t (*)(void **))dlsym(library, "C_GetFunctionList")) || get((void **)&softhsm)) return 5;
    memcpy(list, softhsm, sizeof list);
    memcpy(original, softhsm + FIRST, sizeof original);
    replace(GET_TOKEN_INFO, (function_t)get_token_info);
    replace(LOGIN, (function_t)login);
    replace(ENCRYPT_INIT, (function_t)encrypt_init);
    replace(ENCRYPT, (function_t)encrypt);
    replace(DECRYPT, (function_t)decrypt);
    replace(WRAP_KEY, (function_t)wrap_key);
    replace(GENERATE_RANDOM, (function_t)generate_random);
    *result = list;
    return 0;
}
