/* cblas.openblas, cblas.blis, cblas.mkl, cblas.reference: matmul by the CBLAS libraries of this machine, each a row of
 * its own; a module (kernels/module.h).
 *
 * The library's own count of threads is the request's while it works for us (1 beside a pool of the caller's), and what
 * it was afterwards (cblas.h says how each is kept to that; for a count that the whole process shares, a short lock
 * counts who is in). The problem is turned so that c lies along its rows (blas.h). Batches are done one by one. */
#include <limits.h>
#include <string.h>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/cblas.h"

static const hone_host *host;

/* --- the count of threads --------------------------------------------------------------------------------------- */

/* Gives what leave() wants back. A count that the whole process shares is never raised while another of our calls is
 * in: that one may have been asked to keep to one thread. */
static int enter(cblas_library *it, int threads)
{
    if (it->threads == CBLAS_LOCAL_COUNT) return it->set_local_count(threads);
    if (it->threads != CBLAS_SHARED_COUNT) return 0;
    pthread_mutex_lock(&it->lock);
    if (it->inside++ == 0)
        it->outside_count = it->inside_count = it->count();
    else if (threads > it->inside_count)
        threads = it->inside_count;
    if (threads != it->inside_count) it->set_count(it->inside_count = threads);
    pthread_mutex_unlock(&it->lock);
    return 0;
}

static void leave(cblas_library *it, int kept)
{
    if (it->threads == CBLAS_LOCAL_COUNT) it->set_local_count(kept);
    if (it->threads != CBLAS_SHARED_COUNT) return;
    pthread_mutex_lock(&it->lock);
    if (--it->inside == 0 && it->outside_count != it->inside_count) it->set_count(it->outside_count);
    pthread_mutex_unlock(&it->lock);
}

/* --- a call ----------------------------------------------------------------------------------------------------- */

typedef struct cblas_plan {
    cblas_library  *library;
    hone_blas_shape shape;
    int             threads;
} cblas_plan;

static const char *plan_make(const hone_request *request, cblas_library *library, cblas_plan *out)
{
    const hone_matmul_problem *p = request->problem;
    const hone_matmul_frame   *f = &out->shape.frame;
    const char                *why;
    out->library = library;
    out->threads = hone_blas_threads(request);
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (p->type_c != HONE_F32 && p->type_c != HONE_F64) return "CBLAS multiplies f32 and f64";
    if (p->step_count) return "CBLAS has no steps behind the product";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if ((why = hone_blas_shape_make(p, &out->shape))) return why;
    if (f->m > INT_MAX || f->n > INT_MAX || f->k > INT_MAX) return "an extent has more than 31 bits";
    if (out->shape.lda > INT_MAX || out->shape.ldb > INT_MAX || out->shape.ldc > INT_MAX)
        return "a leading dimension has more than 31 bits";
    return NULL;
}

/* Element (i, j) of c is product (i, j) of these. */
static void multiply(const void *self, int64_t m, int64_t n, double alpha, const char *a, const char *b, double beta,
                     char *c, int64_t ldc)
{
    const cblas_plan      *plan = self;
    const hone_blas_shape *s = &plan->shape;
    const cblas_library   *it = plan->library;
    const int k = (int)s->frame.k, lda = (int)s->lda, ldb = (int)s->ldb;
    const int              ta = s->a_transposed ? CBLAS_TRANSPOSED : CBLAS_PLAIN,
              tb = s->b_transposed ? CBLAS_TRANSPOSED : CBLAS_PLAIN;
    if (s->frame.type == HONE_F32)
        it->sgemm(CBLAS_ROW_MAJOR, ta, tb, (int)m, (int)n, k, (float)alpha, (const void *)a, lda, (const void *)b, ldb,
                  (float)beta, (void *)c, (int)ldc);
    else
        it->dgemm(CBLAS_ROW_MAJOR, ta, tb, (int)m, (int)n, k, alpha, (const void *)a, lda, (const void *)b, ldb, beta,
                  (void *)c, (int)ldc);
}

static hone_status cblas_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const cblas_plan        *plan = ready;
    const hone_matmul_frame *f = &plan->shape.frame;
    const double             alpha = hone_matmul_alpha(arguments), beta = hone_matmul_beta(f, arguments);
    const int64_t            items = hone_matmul_items(f, arguments);
    (void)stream, (void)scratch;
    if (!f->m || !f->n || !items) return HONE_OK;
    const int kept = enter(plan->library, plan->threads);
    for (int64_t i = 0; i < items; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, i, &item);
        hone_blas_product(&plan->shape, multiply, plan, alpha, &item, beta);
    }
    leave(plan->library, kept);
    return HONE_OK;
}

/* --- before it -------------------------------------------------------------------------------------------------- */

static const char *refuses(const hone_request *request, cblas_library *library)
{
    cblas_plan plan;
    const char *why = hone_blas_isa_refuses(request);
    if (why) return why;
    if (library->threads == CBLAS_FIXED_COUNT &&
        (library->count() > 1 ? library->count() : 1) != hone_blas_threads(request))
        return "it is set to another number of threads, and there is no safe way to change that";
    return plan_make(request, library, &plan);
}

static double estimate(const hone_request *request, const cblas_library *library)
{
    cblas_plan plan;
    if (plan_make(request, (cblas_library *)library, &plan)) return 0;
    return hone_blas_estimate(request, &plan.shape, library->share, 1e-6);
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
        .backend = "cpu", .version = 1, .properties = kind, .identity = row_identity,                \
        .refuses = row_refuses, .suggest = hone_blas_suggest, .estimate = row_estimate, .prepare = row_prepare,        \
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
