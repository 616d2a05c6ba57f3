/* xsmm.jit: small matmuls by kernels that LIBXSMM writes for one shape when a plan is made; a module
 * (kernels/module.h).
 *
 * LIBXSMM is part of this module where it was found when hone was built, else it is looked for as a shared library. Its
 * kernels are for alpha = 1 and beta = 0 or 1, and for matrices that lie along their columns: the problem's transpose.
 * Other values of alpha and beta go by way of scratch. Batches are shared among the threads of whoever calls. It packs
 * nothing, so that what does not fit a cache is left to others.
 *
 * Kernels are kept by LIBXSMM for as long as the process; where it is part of this module, what it would do at the end
 * of the process (it frees them, whoever still runs them) and to the environment is left out at link time. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul/blas.h"
#include "kernels/module.h"

enum { TRANSPOSED_A = 1, TRANSPOSED_B = 2 };

typedef void xsmm_kernel(const void *a, const void *b, void *c);
typedef xsmm_kernel *xsmm_dispatch(int m, int n, int k, const int *lda, const int *ldb, const int *ldc,
                                   const void *alpha, const void *beta, const int *flags, const int *prefetch);

static const hone_host *host;

static struct {
    char identity[96];
    void (*init)(void);
    const char *(*target)(void);
    xsmm_dispatch *f32, *f64;
    double         share;
} xsmm;

typedef struct xsmm_plan {
    hone_blas_shape shape;
    xsmm_kernel    *straight, *aside; /* into c with beta 0, or 1 where c is read; into scratch. NULL: k is 0 */
    double          seconds;
} xsmm_plan;

/* --- launching -------------------------------------------------------------------------------------------------- */

typedef struct batch {
    const xsmm_plan      *plan;
    const hone_arguments *arguments;
    int64_t               items;
    int                   chunks;
} batch;

static void run_chunk(void *argument, int chunk)
{
    const batch  *b = argument;
    const int64_t end = b->items * (chunk + 1) / b->chunks;
    for (int64_t i = b->items * chunk / b->chunks; i < end; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(&b->plan->shape.frame, b->arguments, i, &item);
        b->plan->straight(item.b, item.a, item.c);
    }
}

static void run_aside(const xsmm_plan *plan, const hone_arguments *arguments, double alpha, double beta, void *product)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    const int64_t            items = hone_matmul_items(f, arguments);
    if (!plan->aside) memset(product, 0, (size_t)(f->m * f->n * f->bytes));
    for (int64_t i = 0; i < items; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, i, &item);
        if (plan->aside) plan->aside(item.b, item.a, product);
        hone_blas_combine(&plan->shape, f->m, f->n, alpha, product, beta, item.c);
    }
}

static hone_status xsmm_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    enum { SHARES = 4 }; /* chunks a thread */
    const xsmm_plan         *plan = ready;
    const hone_matmul_frame *f = &plan->shape.frame;
    const double             alpha = hone_matmul_alpha(arguments), beta = hone_matmul_beta(f, arguments);
    batch                    b = {plan, arguments, hone_matmul_items(f, arguments), 1};
    if (!f->m || !f->n || !b.items) return HONE_OK;
    if (!plan->straight || alpha != 1 || beta != (f->reads_c ? 1 : 0)) {
        run_aside(plan, arguments, alpha, beta, hone_span_host(&scratch));
        return HONE_OK;
    }
    if (stream->team.count > 1 && b.items > 1)
        b.chunks = (int)hone_min(b.items, (int64_t)SHARES * stream->team.count);
    if (b.chunks > 1)
        host->each(&stream->team, b.chunks, plan->seconds * (double)b.items, run_chunk, &b);
    else
        run_chunk(&b, 0);
    return HONE_OK;
}

/* --- what it takes ---------------------------------------------------------------------------------------------- */

static const char *plan_make(const hone_request *request, xsmm_plan *out)
{
    enum { ELEMENTS_MAX = 1 << 20 };
    const hone_matmul_problem *p = request->problem;
    const hone_blas_shape     *s = &out->shape;
    const hone_matmul_frame   *f = &s->frame;
    const char                *why;
    memset(out, 0, sizeof *out);
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (p->type_c != HONE_F32 && p->type_c != HONE_F64) return "LIBXSMM's kernels here multiply f32 and f64";
    if (p->step_count) return "LIBXSMM's kernels have no steps behind the product";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if ((why = hone_blas_shape_make(p, &out->shape))) return why;
    if (s->b_transposed) return "LIBXSMM writes no kernel for a column-major b (its a, transposed)";
    if (f->m > ELEMENTS_MAX || f->n > ELEMENTS_MAX || f->k > ELEMENTS_MAX ||
        f->m * f->k + f->k * f->n + f->m * f->n > ELEMENTS_MAX)
        return "LIBXSMM's kernels pack nothing: a, b and c are more than 2^20 elements together";
    if (s->lda > INT_MAX || s->ldb > INT_MAX || s->ldc > INT_MAX) return "a leading dimension has more than 31 bits";
    return NULL;
}

static const char *xsmm_refuses(const hone_request *request)
{
    xsmm_plan   plan;
    const char *why = hone_blas_isa_refuses(request);
    return why ? why : plan_make(request, &plan);
}

static double xsmm_estimate(const hone_request *request, const hone_config *config)
{
    xsmm_plan    plan;
    hone_request alone = *request;
    (void)config;
    if (plan_make(request, &plan)) return 0;
    if (plan.shape.frame.items <= 1) alone.threads = 1;
    return hone_blas_estimate(&alone, &plan.shape, xsmm.share, 3e-8);
}

/* --- making it ready -------------------------------------------------------------------------------------------- */

/* c = a * b of the frame: of matrices that lie along their columns, c' = b' * a'. */
static xsmm_kernel *write_kernel(const hone_blas_shape *s, bool adds, int64_t ldc)
{
    const hone_matmul_frame *f = &s->frame;
    const int    lda = (int)s->ldb, ldb = (int)s->lda, ld = (int)ldc, prefetch = 0;
    const int    flags = s->a_transposed ? TRANSPOSED_B : 0;
    const float  one = 1, beta = adds ? 1 : 0;
    const double one_f64 = 1, beta_f64 = adds ? 1 : 0;
    if (f->type == HONE_F32)
        return xsmm.f32((int)f->n, (int)f->m, (int)f->k, &lda, &ldb, &ld, &one, &beta, &flags, &prefetch);
    return xsmm.f64((int)f->n, (int)f->m, (int)f->k, &lda, &ldb, &ld, &one_f64, &beta_f64, &flags, &prefetch);
}

static hone_status xsmm_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                void **ready, hone_needs *needs)
{
    (void)config, (void)details;
    xsmm_plan *plan = host->allocate(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    const char              *why = plan_make(request, plan);
    const hone_matmul_frame *f = &plan->shape.frame;
    if (!why && f->m && f->n && f->k && f->items) {
        plan->straight = write_kernel(&plan->shape, f->reads_c, plan->shape.ldc);
        plan->aside = write_kernel(&plan->shape, false, f->n);
        if (!plan->straight || !plan->aside) why = "LIBXSMM writes no kernel for it";
    }
    if (why) {
        host->release(plan);
        return host->fail(HONE_ERROR_UNSUPPORTED, "%s: %s", xsmm.identity, why);
    }
    plan->seconds = xsmm_estimate(request, NULL) / (f->items > 1 ? (double)f->items : 1);
    *needs = (hone_needs){.scratch_bytes = (size_t)(f->m * f->n * f->bytes)};
    *ready = plan;
    return HONE_OK;
}

static void xsmm_release(void *ready)
{
    host->release(ready); /* the kernels stay LIBXSMM's */
}

static const char *xsmm_identity(const hone_be_device *device)
{
    (void)device;
    return xsmm.identity;
}

/* --- finding it ------------------------------------------------------------------------------------------------- */

#ifdef HONE_XSMM_VERSION
void        libxsmm_init(void);
const char *libxsmm_get_target_arch(void);
/* Functions of its own types, which a call cannot tell from these. */
xsmm_kernel *libxsmm_smmdispatch(int m, int n, int k, const int *lda, const int *ldb, const int *ldc,
                                 const void *alpha, const void *beta, const int *flags, const int *prefetch);
xsmm_kernel *libxsmm_dmmdispatch(int m, int n, int k, const int *lda, const int *ldb, const int *ldc,
                                 const void *alpha, const void *beta, const int *flags, const int *prefetch);

/* Instead of libc's, for LIBXSMM's code in this module alone. */
int __wrap_atexit(void (*function)(void));
int __wrap_putenv(char *text);

int __wrap_atexit(void (*function)(void))
{
    (void)function;
    return 0;
}

int __wrap_putenv(char *text)
{
    (void)text;
    return 0;
}

static const char *find(char *version, size_t capacity)
{
    xsmm.init = libxsmm_init;
    xsmm.target = libxsmm_get_target_arch;
    xsmm.f32 = libxsmm_smmdispatch;
    xsmm.f64 = libxsmm_dmmdispatch;
    snprintf(version, capacity, "%s", HONE_XSMM_VERSION);
    return NULL;
}
#else
static const char *find(char *version, size_t capacity)
{
    void *object = dlopen("libxsmm.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object)
        return "LIBXSMM was not there when hone was built (apt-get install libxsmm-dev), and is none that is shared";
    *(void **)&xsmm.init = dlsym(object, "libxsmm_init");
    *(void **)&xsmm.target = dlsym(object, "libxsmm_get_target_arch");
    *(void **)&xsmm.f32 = dlsym(object, "libxsmm_smmdispatch");
    *(void **)&xsmm.f64 = dlsym(object, "libxsmm_dmmdispatch");
    snprintf(version, capacity, "1");
    return xsmm.init && xsmm.target && xsmm.f32 && xsmm.f64 ? NULL : "libxsmm.so.1 lacks a function of its version";
}
#endif

/* LIBXSMM_TARGET may ask for less than this CPU has. */
static void judge_target(const char *target)
{
    static const char *const levels[HONE_ISA_COUNT][7] = {{NULL},
                                                          {"hsw", NULL},
                                                          {"skx", "clx", "cpx", "spr", "knl", "knm", NULL}};
    int level = HONE_ISA_PORTABLE; /* of a name that is none of these, too */
    for (int isa = HONE_ISA_COUNT - 1; isa > 0; isa--)
        for (const char *const *name = levels[isa]; *name; name++)
            if (!strcmp(*name, target)) level = isa;
    if (level >= (int)hone_blas_cpu()) return;
    xsmm.share /= 2;
    host->log(HONE_LOG_WARNING,
              "LIBXSMM writes kernels for a %s, and leaves instructions of this CPU unused; before the program starts: "
              "export LIBXSMM_TARGET=%s",
              target, hone_blas_cpu() == HONE_ISA_AVX512 ? "skx" : "hsw");
}

/* A product of 2 x 2, of rows. */
static bool multiplies(void)
{
    static const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
    float              c[4] = {0};
    hone_blas_shape    s = {.frame = {.type = HONE_F32, .m = 2, .n = 2, .k = 2}, .lda = 2, .ldb = 2, .ldc = 2};
    xsmm_kernel       *kernel = write_kernel(&s, false, 2);
    if (!kernel) return false;
    kernel(b, a, c);
    return c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50;
}

static const char *open_xsmm(void)
{
    char        version[32];
    const char *why = find(version, sizeof version);
    if (why) return why;
    xsmm.share = 0.9;
    xsmm.init();
    if (!multiplies()) return "LIBXSMM's kernel of 2 x 2 is wrong, or it writes none on this machine";
    snprintf(xsmm.identity, sizeof xsmm.identity, "libxsmm %s %s", version, xsmm.target());
    judge_target(xsmm.target());
    return NULL;
}

const hone_module *hone_module_open(const hone_host *given)
{
    static const hone_kernel row = {
        .name = "xsmm.jit", .op = "matmul", .op_version = 2, .problem_size = sizeof(hone_matmul_problem),
        .backend = "cpu", .version = 1, .properties = 0, .identity = xsmm_identity, .refuses = xsmm_refuses,
        .suggest = hone_blas_suggest, .estimate = xsmm_estimate, .prepare = xsmm_prepare, .launch = xsmm_launch,
        .release = xsmm_release};
    static const hone_kernel *const rows[] = {&row, NULL};
    static const hone_module        module = {HONE_MODULE_ABI, "xsmm", NULL, NULL, rows};
    if (given->abi != HONE_MODULE_ABI) return &module; /* which tells its own, and is refused */
    host = given;
    const char *why = open_xsmm();
    if (!why) return &module;
    host->fail(HONE_ERROR_NOT_FOUND, "%s", why);
    return NULL;
}
