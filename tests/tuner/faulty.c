/* Plain loops, and every way to go wrong: see faulty.h. */
#include "tests/tuner/faulty.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/matmul/problem.h"

#define FAULTY_NAME(name, text) text,
static const char *const names[] = {FAULTY_LIST(FAULTY_NAME)};
#undef FAULTY_NAME
#define FAULTY_VALUE(name, text) name,
static const int64_t values[] = {FAULTY_LIST(FAULTY_VALUE)};
#undef FAULTY_VALUE

static const hone_parameter parameters[] = {
    {.name = "fault", .standard = FAULTY_NONE, .count = FAULTY_COUNT, .values = values, .names = names,
     .meaning = "in which way it fails"}};
static const hone_space space = {.count = 1, .parameters = parameters};

typedef struct prepared {
    hone_matmul_problem problem;
    faulty              fault;
    int                 launches;
} prepared;

const char *faulty_name(faulty which)
{
    return names[which];
}

static const char *refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (p->type_c != HONE_F32 || p->step_count || p->reads_c || p->pointers || p->batch_rank ||
        hone_matmul_packed_b(p))
        return "it multiplies plain matrices";
    return NULL;
}

static int suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap > 0) hone_config_standard(&space, configs);
    return cap > 0;
}

static double estimate(const hone_request *request, const hone_config *config)
{
    (void)config;
    return request->op->cost(request->problem).flops * 1e-9;
}

static void crash(void)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would answer */
    raise(SIGSEGV);
}

static hone_status prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                           void **ready, hone_needs *needs)
{
    (void)details;
    *needs = (hone_needs){0};
    if (config->value[0] == FAULTY_CRASH_PREPARE) crash();
    prepared *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    memcpy(&it->problem, request->problem, sizeof it->problem);
    it->fault = (faulty)config->value[0];
    *ready = it;
    return HONE_OK;
}

static hone_status eat(void)
{
    enum { BITE = 64 << 20 };
    for (;;)
        if (mmap(NULL, BITE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
            return hone_fail(HONE_ERROR_MEMORY, "there is no memory left");
}

static void talk_nonsense(void)
{
    char nonsense[4096];
    for (size_t i = 0; i < sizeof nonsense; i++) nonsense[i] = (char)(i * 37);
    if (write(3, nonsense, sizeof nonsense) < 0) _exit(9);
}

static void multiply(const hone_matmul_problem *p, const float *a, const float *b, float *c, double alpha, float off)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            float sum = off;
            for (int64_t k = 0; k < p->k; k++)
                sum += a[i * p->a_row + k * p->a_column] * b[k * p->b_row + j * p->b_column];
            c[i * p->c_row + j * p->c_column] = (float)alpha * sum;
        }
}

static bool is_tired(void)
{
    const char *file = getenv("HONE_TEST_TIRED");
    return file && !access(file, F_OK);
}

static hone_status launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    prepared                  *it = ready;
    const hone_matmul_problem *p = &it->problem;
    float *a = hone_span_host(&arguments->at[HONE_MATMUL_A]), *b = hone_span_host(&arguments->at[HONE_MATMUL_B]),
          *c = hone_span_host(&arguments->at[HONE_MATMUL_C]);
    bool late = ++it->launches > FAULTY_LATE;
    (void)stream, (void)scratch;
    if (it->fault == FAULTY_LIE && late) return HONE_OK;
    multiply(p, a, b, c, arguments->scalars[HONE_MATMUL_ALPHA].value, it->fault == FAULTY_WRONG ? 1 : 0);
    switch (it->fault) {
    case FAULTY_SLOW: usleep(5000); break;
    case FAULTY_TIRED: if (is_tired()) usleep(150000); break;
    case FAULTY_CRASH_LATE: if (!late) break; /* fall through */
    case FAULTY_CRASH: crash(); break;
    case FAULTY_EXIT: _exit(0);
    case FAULTY_HANG_LATE: if (!late) break; /* fall through */
    case FAULTY_HANG:
        for (;;) pause();
    case FAULTY_EAT: return eat();
    case FAULTY_KILLED: raise(SIGKILL); break;
    case FAULTY_GUARD_LATE: if (!late) break; /* fall through */
    case FAULTY_GUARD: c[(p->m - 1) * p->c_row + (p->n - 1) * p->c_column + 16] = 1; break;
    case FAULTY_INPUT_LATE: if (late) a[0] += 1; break;
    case FAULTY_MAD: talk_nonsense(); break;
    case FAULTY_STATUS_LATE: if (!late) break; /* fall through */
    case FAULTY_STATUS: return hone_fail(HONE_ERROR_DEVICE, "it was made to fail");
    default: break;
    }
    return HONE_OK;
}

static void release(void *ready)
{
    hone_free(ready);
}

const hone_kernel faulty_kernel = {.name = "test.faulty", .op = "matmul", .op_version = 2,
                                   .problem_size = sizeof(hone_matmul_problem), .backend = "cpu", .version = 1,
                                   .properties = HONE_ONE_THREAD, .refuses = refuses, .space = &space,
                                   .suggest = suggest, .estimate = estimate, .prepare = prepare, .launch = launch,
                                   .release = release};
static const hone_kernel *const kernels[] = {&faulty_kernel, NULL};
const hone_module faulty_module = {HONE_MODULE_ABI, "faulty", NULL, NULL, kernels};
