/* cblas.openblas, cblas.blis, cblas.mkl, cblas.reference: matmul by the CBLAS libraries of this machine, each a row of
 * its own; a module (kernels/module.h).
 *
 * A row runs on the calling thread alone: the library's own count of threads is 1 while it works for us, and what it
 * was afterwards (cblas.h says how each is kept to that; for a count that the whole process shares, a short lock counts
 * who is in). The problem is turned so that c lies along its rows. Batches are done one by one.
 *
 * CBLAS takes alpha = 0 and k = 0 for leave to read nothing. Where NaN is in a or b it must come out all the same, so
 * for alpha = 0 the product is made in blocks beside c. */
#include <limits.h>
#include <string.h>

#include "kernels/matmul/cblas.h"
#include "kernels/matmul/frame.h"

static const hone_host *host;

/* --- the count of threads --------------------------------------------------------------------------------------- */

/* Gives what leave() wants back. */
static int enter(cblas_library *it)
{
    if (it->threads == CBLAS_LOCAL_COUNT) return it->set_local_count(1);
    if (it->threads != CBLAS_SHARED_COUNT) return 0;
    pthread_mutex_lock(&it->lock);
    if (it->inside++ == 0) {
        it->outside_count = it->count();
        if (it->outside_count != 1) it->set_count(1);
    }
    pthread_mutex_unlock(&it->lock);
    return 0;
}

static void leave(cblas_library *it, int kept)
{
    if (it->threads == CBLAS_LOCAL_COUNT) it->set_local_count(kept);
    if (it->threads != CBLAS_SHARED_COUNT) return;
    pthread_mutex_lock(&it->lock);
    if (--it->inside == 0 && it->outside_count != 1) it->set_count(it->outside_count);
    pthread_mutex_unlock(&it->lock);
}

/* --- a call ----------------------------------------------------------------------------------------------------- */

typedef struct cblas_plan {
    cblas_library    *library;
    hone_matmul_frame frame;
    int               a_transposed, b_transposed; /* CBLAS_PLAIN, CBLAS_TRANSPOSED */
    int               lda, ldb, ldc;
} cblas_plan;

/* How a matrix lies, and its leading dimension; strides of extents of 1 are nobody's. NULL: CBLAS takes it. */
static const char *lies(int64_t row, int64_t column, int64_t rows, int64_t columns, int *transposed, int *ld)
{
    int64_t leading;
    if ((column == 1 || columns <= 1) && (row >= columns || rows <= 1)) {
        *transposed = CBLAS_PLAIN;
        leading = rows <= 1 ? columns : row;
    } else if ((row == 1 || rows <= 1) && (column >= rows || columns <= 1)) {
        *transposed = CBLAS_TRANSPOSED;
        leading = columns <= 1 ? rows : column;
    } else {
        return "an operand is contiguous along neither direction, or repeats or turns round its rows";
    }
    if (leading > INT_MAX) return "a leading dimension has more than 31 bits";
    *ld = (int)(leading > 1 ? leading : 1);
    return NULL;
}

static const char *plan_make(const hone_request *request, cblas_library *library, cblas_plan *out)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame         *f = &out->frame;
    int                        c_transposed;
    const char                *why;
    out->library = library;
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (p->type_c != HONE_F32 && p->type_c != HONE_F64) return "CBLAS multiplies f32 and f64";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (p->step_count) return "CBLAS has no steps behind the product";
    hone_matmul_frame_make(p, f);
    if (f->m > INT_MAX || f->n > INT_MAX || f->k > INT_MAX) return "an extent has more than 31 bits";
    if ((why = lies(f->a_m, f->a_k, f->m, f->k, &out->a_transposed, &out->lda))) return why;
    if ((why = lies(f->b_k, f->b_n, f->k, f->n, &out->b_transposed, &out->ldb))) return why;
    if ((why = lies(f->c_m, f->c_n, f->m, f->n, &c_transposed, &out->ldc))) return why;
    if (c_transposed != CBLAS_PLAIN) return "c is contiguous along neither direction";
    return NULL;
}

/* Element (i, j) of c is product (i, j) of these. */
static void multiply(const cblas_plan *plan, int m, int n, double alpha, const char *a, const char *b, double beta,
                     char *c, int ldc)
{
    const int            k = (int)plan->frame.k, ta = plan->a_transposed, tb = plan->b_transposed;
    const cblas_library *it = plan->library;
    if (plan->frame.type == HONE_F32)
        it->sgemm(CBLAS_ROW_MAJOR, ta, tb, m, n, k, (float)alpha, (const void *)a, plan->lda, (const void *)b,
                  plan->ldb, (float)beta, (void *)c, ldc);
    else
        it->dgemm(CBLAS_ROW_MAJOR, ta, tb, m, n, k, alpha, (const void *)a, plan->lda, (const void *)b, plan->ldb, beta,
                  (void *)c, ldc);
}

/* c = alpha * product + beta * c, element by element, where CBLAS would leave the product out. */
static void combine(const cblas_plan *plan, int m, int n, double alpha, const char *product, double beta, char *c)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            const int64_t at = (int64_t)i * plan->ldc + j, from = (int64_t)i * n + j;
            if (plan->frame.type == HONE_F32) {
                float x = (float)alpha * ((const float *)(const void *)product)[from], *out = (float *)(void *)c + at;
                *out = beta != 0 ? x + (float)beta * *out : x;
            } else {
                double x = alpha * ((const double *)(const void *)product)[from], *out = (double *)(void *)c + at;
                *out = beta != 0 ? x + beta * *out : x;
            }
        }
}

static void in_blocks(const cblas_plan *plan, double alpha, const hone_matmul_item *item, double beta)
{
    enum { BLOCK = 32 };
    const hone_matmul_frame *f = &plan->frame;
    char                     product[BLOCK * BLOCK * 8] __attribute__((aligned(64)));
    memset(product, 0, sizeof product);
    for (int64_t i = 0; i < f->m; i += BLOCK)
        for (int64_t j = 0; j < f->n; j += BLOCK) {
            const int m = (int)(f->m - i < BLOCK ? f->m - i : BLOCK), n = (int)(f->n - j < BLOCK ? f->n - j : BLOCK);
            if (f->k)
                multiply(plan, m, n, 1, item->a + i * f->a_m * f->bytes, item->b + j * f->b_n * f->bytes, 0, product,
                         n);
            combine(plan, m, n, alpha, product, beta, item->c + (i * f->c_m + j) * f->bytes);
        }
}

static hone_status cblas_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const cblas_plan        *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    const double             alpha = hone_matmul_alpha(arguments), beta = hone_matmul_beta(f, arguments);
    const int64_t            items = hone_matmul_items(f, arguments);
    (void)stream, (void)scratch;
    if (!f->m || !f->n || !items) return HONE_OK;
    const int kept = enter(plan->library);
    for (int64_t i = 0; i < items; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, i, &item);
        if (alpha == 0 || !f->k)
            in_blocks(plan, alpha, &item, beta);
        else
            multiply(plan, (int)f->m, (int)f->n, alpha, item.a, item.b, beta, item.c, plan->ldc);
    }
    leave(plan->library, kept);
    return HONE_OK;
}

/* --- before it -------------------------------------------------------------------------------------------------- */

static const char *refuses(const hone_request *request, cblas_library *library)
{
    cblas_plan plan;
    if (request->device->cpu.isa < hone_cblas_cpu()) return "HONE_ISA asks for less than what this library will use";
    if (library->threads == CBLAS_FIXED_COUNT && library->count() > 1)
        return "it is set to several threads, and there is no safe way to keep it to one";
    return plan_make(request, library, &plan);
}

static double peak_of(const hone_be_device *device, hone_dtype type)
{
    const double measured = device->ceilings_known ? device->ceilings.flops[device->cpu.isa][type][HONE_WIDTH_ONE] : 0;
    const double lanes = (device->cpu.isa == HONE_ISA_PORTABLE ? 4 : 8) * (type == HONE_F64 ? 0.5 : 1);
    return measured > 0 ? measured : 2 * 2 * 3e9 * lanes;
}

/* A share of the peak, both operands packed once more, and what a call costs. */
static double estimate(const hone_request *request, const cblas_library *library)
{
    cblas_plan   plan;
    const double call = 1e-6;
    if (plan_make(request, (cblas_library *)library, &plan)) return 0;
    const hone_matmul_frame *f = &plan.frame;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, bytes = f->bytes, items = (double)f->items;
    const double all = bytes * (m * k + k * n + m * n);
    const double flops = 2 * k * (m > 4 ? m : 4) * (n > 8 ? n : 8);
    const double move = hone_matmul_read_seconds(request->device, 2 * bytes * (m * k + k * n + m * n), all * items);
    return items * (call + move + flops / (library->share * peak_of(request->device, f->type)));
}

static int cblas_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    memset(configs, 0, sizeof *configs);
    return 1;
}

static hone_status prepare(const hone_request *request, cblas_library *library, void **ready, hone_needs *needs)
{
    cblas_plan *plan = host->allocate(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    const char *why = plan_make(request, library, plan);
    if (why) {
        host->release(plan);
        return host->fail(HONE_ERROR_UNSUPPORTED, "%s: %s", library->identity, why);
    }
    *needs = (hone_needs){0};
    *ready = plan;
    return HONE_OK;
}

static void cblas_release(void *ready)
{
    host->release(ready);
}

/* The functions of a kernel that are not told whose they are: one set a library. */
#define CBLAS_ROW_FUNCTIONS(which, row_identity, row_refuses, row_estimate, row_prepare)                               \
    static const char *row_identity(const hone_be_device *device)                                                      \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        return hone_cblas_libraries[which].identity;                                                                   \
    }                                                                                                                  \
    static const char *row_refuses(const hone_request *request)                                                        \
    {                                                                                                                  \
        return refuses(request, &hone_cblas_libraries[which]);                                                         \
    }                                                                                                                  \
    static double row_estimate(const hone_request *request, const hone_config *config)                                 \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return estimate(request, &hone_cblas_libraries[which]);                                                        \
    }                                                                                                                  \
    static hone_status row_prepare(const hone_request *request, const hone_config *config,                             \
                                   const hone_details *details, void **ready, hone_needs *needs)                       \
    {                                                                                                                  \
        (void)config, (void)details;                                                                                   \
        return prepare(request, &hone_cblas_libraries[which], ready, needs);                                           \
    }

CBLAS_ROW_FUNCTIONS(CBLAS_OPENBLAS, openblas_identity, openblas_refuses, openblas_estimate, openblas_prepare)
CBLAS_ROW_FUNCTIONS(CBLAS_BLIS, blis_identity, blis_refuses, blis_estimate, blis_prepare)
CBLAS_ROW_FUNCTIONS(CBLAS_MKL, mkl_identity, mkl_refuses, mkl_estimate, mkl_prepare)
CBLAS_ROW_FUNCTIONS(CBLAS_REFERENCE, reference_identity, reference_refuses, reference_estimate, reference_prepare)

/* No promise about bits: which kernels a library uses, and where their edges fall, is its own affair. */
#define CBLAS_ROW(row_name, kind, row_identity, row_refuses, row_estimate, row_prepare)                                \
    {                                                                                                                  \
        .name = row_name, .op = "matmul", .op_version = 2, .problem_size = sizeof(hone_matmul_problem),                \
        .backend = "cpu", .version = 1, .properties = HONE_ONE_THREAD | kind, .identity = row_identity,                \
        .refuses = row_refuses, .suggest = cblas_suggest, .estimate = row_estimate, .prepare = row_prepare,            \
        .launch = cblas_launch, .release = cblas_release                                                               \
    }

static const hone_kernel rows[CBLAS_LIBRARIES] = {
    [CBLAS_OPENBLAS] =
        CBLAS_ROW("cblas.openblas", 0, openblas_identity, openblas_refuses, openblas_estimate, openblas_prepare),
    [CBLAS_BLIS] = CBLAS_ROW("cblas.blis", 0, blis_identity, blis_refuses, blis_estimate, blis_prepare),
    [CBLAS_MKL] = CBLAS_ROW("cblas.mkl", 0, mkl_identity, mkl_refuses, mkl_estimate, mkl_prepare),
    [CBLAS_REFERENCE] = CBLAS_ROW("cblas.reference", HONE_IS_REFERENCE, reference_identity, reference_refuses,
                                  reference_estimate, reference_prepare),
};

const hone_module *hone_module_open(const hone_host *given)
{
    static const hone_kernel *found[CBLAS_LIBRARIES + 1];
    static const hone_module  module = {HONE_MODULE_ABI, "cblas", NULL, NULL, found};
    int                       count = 0;
    if (given->abi != HONE_MODULE_ABI) return &module; /* which tells its own, and is refused */
    host = given;
    hone_cblas_find(host);
    for (int i = 0; i < CBLAS_LIBRARIES; i++)
        if (hone_cblas_libraries[i].sgemm) found[count++] = &rows[i];
    if (count) return &module;
    host->fail(HONE_ERROR_NOT_FOUND, "no CBLAS is here; one comes with `apt-get install libopenblas0-pthread`");
    return NULL;
}
