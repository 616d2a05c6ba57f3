/* Modules planted for tests, one for each value of PLANTED: a sound one, and those that fail in each way. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/matmul/problem.h"
#include "kernels/module.h"

/* The numbers of tests/modules/modules.cmake. */
#define SOUND                 0
#define WRONG_ABI             1
#define NO_FUNCTION           2
#define CRASH_IN_CONSTRUCTOR  3
#define CRASH                 4
#define ABORT                 5
#define EXIT                  6
#define HANG_IN_CONSTRUCTOR   7
#define HANG                  8
#define IDLE                  9
#define ROW_LACKS             10
#define BACKEND               11
#define CHATTER               12
#define LACKS_SYMBOL          13
#define LACKS_LIBRARY         14

#if PLANTED == LACKS_SYMBOL || PLANTED == LACKS_LIBRARY
void planted_elsewhere(void); /* of no library that is here, or of one that is taken away */
#endif

static const hone_host *host;

#if PLANTED == CRASH_IN_CONSTRUCTOR || PLANTED == HANG_IN_CONSTRUCTOR
__attribute__((constructor)) static void construct(void)
{
    if (PLANTED == CRASH_IN_CONSTRUCTOR) raise(SIGSEGV);
    for (;;) pause();
}
#endif

/* Products of 1 x 1 in f32, and nothing else. */
static const char *refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (p->m != 1 || p->n != 1 || p->k != 1 || p->type_c != HONE_F32 || p->step_count || p->reads_c || p->pointers ||
        p->batch_rank || hone_matmul_packed_b(p))
        return "it multiplies two numbers";
    return NULL;
}

static int suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap > 0) memset(configs, 0, sizeof *configs);
    return cap > 0;
}

static double estimate(const hone_request *request, const hone_config *config)
{
    (void)request, (void)config;
    return 1e-12;
}

static hone_status prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                           void **ready, hone_needs *needs)
{
    (void)request, (void)config, (void)details;
    *needs = (hone_needs){0};
    *ready = host->allocate(1, 100);
    return *ready ? HONE_OK : HONE_ERROR_MEMORY;
}

static hone_status launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    (void)ready, (void)stream, (void)scratch;
    const float *a = hone_span_host(&arguments->at[HONE_MATMUL_A]), *b = hone_span_host(&arguments->at[HONE_MATMUL_B]);
    *(float *)hone_span_host(&arguments->at[HONE_MATMUL_C]) =
        (float)arguments->scalars[HONE_MATMUL_ALPHA].value * *a * *b;
    return HONE_OK;
}

static void release(void *ready)
{
    host->release(ready);
}

#if PLANTED != NO_FUNCTION
const hone_module *hone_module_open(const hone_host *given)
{
    static const hone_kernel kernel = {.name = "planted.sound", .op = "matmul", .op_version = 2,
                                       .problem_size = sizeof(hone_matmul_problem), .backend = "cpu", .version = 1,
                                       .properties = HONE_ONE_THREAD, .refuses = refuses, .suggest = suggest,
                                       .estimate = estimate, .prepare = prepare,
                                       .launch = PLANTED == ROW_LACKS ? NULL : launch, .release = release};
    static const hone_kernel *const kernels[] = {&kernel, NULL};
    static const hone_backend       backend;
    static const hone_module module = {PLANTED == WRONG_ABI ? HONE_MODULE_ABI + 6 : HONE_MODULE_ABI, "planted",
                                       PLANTED == BACKEND ? &backend : NULL, NULL, kernels};
    host = given;
    switch (PLANTED) {
    case CRASH: raise(SIGSEGV); break;
    case ABORT: abort();
    case EXIT: exit(5);
    default: break;
    case HANG:
        for (;;) pause();
    case IDLE: host->fail(HONE_ERROR_NOT_FOUND, "there is nothing to multiply"); return NULL;
    case CHATTER:
        for (int i = 0; i < 5000 && !strcmp(program_invocation_short_name, "hone-probe"); i++)
            printf("proven\nrefused nonsense\n"), fprintf(stderr, "proven\n");
        fflush(stdout);
        break;
    }
#if PLANTED == LACKS_SYMBOL || PLANTED == LACKS_LIBRARY
    planted_elsewhere();
#endif
    host->log(HONE_LOG_WARNING, "planted, and number %d", 1);
    return &module;
}
#endif
