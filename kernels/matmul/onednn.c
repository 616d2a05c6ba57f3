/* onednn.matmul, onednn.gemm, and onednn2.matmul, onednn2.gemm: matmul in f32 by oneDNN, its version 3 and its version
 * 2, each where it is here; a module (kernels/module.h).
 *
 * matmul is oneDNN's primitive: strides, a batch in one go, a bias, and an activation where its meaning is ours. It is
 * made for alpha = 1, and for beta = 1 where c is read. Other values, which are known at the launch alone, and what
 * oneDNN has no words for (nothing to sum over), go through its call, with the steps behind it. gemm is that call,
 * dnnl_sgemm, for each matrix of the batch. Where oneDNN knows only its reference code for a problem, the row refuses.
 *
 * oneDNN allocates in its calls, a few hundred bytes at a time. */
#include <string.h>

#include "kernels/common/step.h"
#include "kernels/matmul/onednn.h"

static const hone_host *host;

typedef struct onednn_plan {
    onednn_library *library;
    hone_blas_shape shape;
    int             threads;
    bool            prepared, whole; /* there is a primitive; and it does the whole batch */
    onednn_product  product;
} onednn_plan;

/* --- dnnl_sgemm ------------------------------------------------------------------------------------------------- */

static void multiply(const void *self, int64_t m, int64_t n, double alpha, const char *a, const char *b, double beta,
                     char *c, int64_t ldc)
{
    const onednn_plan     *plan = self;
    const hone_blas_shape *s = &plan->shape;
    plan->library->sgemm(s->a_transposed ? 'T' : 'N', s->b_transposed ? 'T' : 'N', m, n, s->frame.k, (float)alpha,
                         (const void *)a, s->lda, (const void *)b, s->ldb, (float)beta, (void *)c, ldc);
}

/* What the primitive would have done behind the product. */
static void finish(const onednn_plan *plan, const hone_matmul_item *item)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    for (int64_t i = 0; i < f->m && f->step_count; i++)
        for (int64_t j = 0; j < f->n; j++) {
            float *x = (float *)(void *)item->c + i * plan->shape.ldc + j;
            for (int s = 0; s < f->step_count; s++) {
                const hone_epilogue_now *step = &item->step[s];
                const float t = step->at ? ((const float *)step->at)[j * step->column_stride] : 0;
                *x = hone_step_f32(step->kind, *x, (float)step->value, t);
            }
        }
}

typedef struct calling {
    const onednn_plan      *plan;
    const hone_arguments   *arguments;
    double                  alpha, beta;
} calling;

static void call_each(void *argument)
{
    const calling           *c = argument;
    const onednn_plan       *plan = c->plan;
    const hone_matmul_frame *f = &plan->shape.frame;
    const int64_t            items = hone_matmul_items(f, c->arguments);
    for (int64_t i = 0; i < items; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, c->arguments, i, &item);
        hone_blas_product(&plan->shape, multiply, plan, c->alpha, &item, c->beta);
        finish(plan, &item);
    }
}

/* --- launching -------------------------------------------------------------------------------------------------- */

static hone_status run_primitive(onednn_plan *plan, const hone_arguments *arguments, hone_span scratch)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    const int64_t            items = plan->whole ? 1 : hone_matmul_items(f, arguments);
    for (int64_t i = 0; i < items; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, i, &item);
        void *const at[ONEDNN_OPERANDS] = {[ONEDNN_A] = (void *)(uintptr_t)item.a,
                                           [ONEDNN_B] = (void *)(uintptr_t)item.b,
                                           [ONEDNN_C] = item.c,
                                           [ONEDNN_BIAS] = f->step_count ? item.step[0].at : NULL,
                                           [ONEDNN_SCRATCH] = hone_span_host(&scratch)};
        if (hone_onednn_product_run(&plan->product, at) != HONE_OK)
            return host->fail(HONE_ERROR_DEVICE, "%s: the primitive failed", plan->library->identity);
    }
    return HONE_OK;
}

static hone_status onednn_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                 hone_span scratch)
{
    onednn_plan             *plan = ready;
    const hone_matmul_frame *f = &plan->shape.frame;
    calling call = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    (void)stream;
    if (!f->m || !f->n || !hone_matmul_items(f, arguments)) return HONE_OK;
    if (plan->prepared && call.alpha == 1 && call.beta == (f->reads_c ? 1 : 0))
        return run_primitive(plan, arguments, scratch);
    hone_onednn_with(plan->library, plan->threads, call_each, &call);
    return HONE_OK;
}

/* --- what it takes ---------------------------------------------------------------------------------------------- */

static const char *steps_refused(const onednn_library *library, const hone_matmul_frame *f)
{
    for (int i = 0; i < f->step_count; i++) {
        const hone_epilogue_step *step = &f->step[i];
        const hone_step_kind      kind = (hone_step_kind)step->kind;
        if (kind == HONE_STEP_BIAS && i == 0 && (step->column_stride == 1 || f->n <= 1)) continue;
        const char *why = hone_onednn_activation_refused(library, kind);
        if (why) return why;
        if (i != f->step_count - 1) return "its product has at most one activation, which is the last of all";
    }
    return NULL;
}

static const char *plan_make(const hone_request *request, onednn_library *library, bool steps, onednn_plan *out)
{
    const hone_matmul_problem *p = request->problem;
    const char                *why;
    out->library = library;
    out->threads = hone_blas_threads(request);
    if (p->type_a != HONE_F32 || p->type_b != HONE_F32 || p->type_c != HONE_F32) return "it multiplies f32 alone";
    if (!steps && p->step_count) return "the call has no steps behind the product";
    if ((why = hone_blas_shape_make(p, &out->shape))) return why;
    return steps_refused(library, &out->shape.frame);
}

static const char *refuses(const hone_request *request, onednn_library *library, bool steps)
{
    onednn_plan plan;
    const char *why = hone_blas_isa_refuses(request);
    return why ? why : plan_make(request, library, steps, &plan);
}

static double estimate(const hone_request *request, onednn_library *library, bool steps)
{
    onednn_plan plan;
    if (plan_make(request, library, steps, &plan)) return 0;
    return hone_blas_estimate(request, &plan.shape, library->share, steps ? 6e-7 : 4e-7);
}

/* --- making it ready -------------------------------------------------------------------------------------------- */

/* One operand of a product: matrices of rows x columns, so far apart in each direction of the batch. */
static void ask_operand(const hone_matmul_frame *f, const int64_t *batch_stride, int batch_rank, int64_t rows,
                        int64_t columns, bool transposed, int64_t ld, int64_t *size, int64_t *stride)
{
    int64_t       *last = size + batch_rank, *last_stride = stride + batch_rank;
    const int64_t  all = transposed ? columns * ld : rows * ld;
    last[0] = rows, last[1] = columns;
    last_stride[0] = transposed ? 1 : ld, last_stride[1] = transposed ? ld : 1;
    for (int i = 0; i < batch_rank; i++) {
        const bool repeated = batch_stride[i] == 0 || f->batch[i] == 1;
        size[i] = repeated ? 1 : f->batch[i];
        stride[i] = repeated ? all : batch_stride[i];
    }
}

static void ask_make(const onednn_plan *plan, int batch_rank, onednn_ask *out)
{
    const hone_blas_shape   *s = &plan->shape;
    const hone_matmul_frame *f = &s->frame;
    *out = (onednn_ask){.rank = 2 + batch_rank, .threads = plan->threads, .adds_c = f->reads_c};
    ask_operand(f, f->a_batch, batch_rank, f->m, f->k, s->a_transposed, s->lda, out->a_size, out->a_stride);
    ask_operand(f, f->b_batch, batch_rank, f->k, f->n, s->b_transposed, s->ldb, out->b_size, out->b_stride);
    ask_operand(f, f->c_batch, batch_rank, f->m, f->n, false, s->ldc, out->c_size, out->c_stride);
    for (int i = 0; i < f->step_count; i++)
        if (f->step[i].kind == HONE_STEP_BIAS)
            out->bias = true;
        else
            out->activation = (hone_step_kind)f->step[i].kind;
}

/* Is the batch of equal biases, and of matrices that oneDNN can be told? */
static bool takes_batch(const hone_matmul_frame *f)
{
    if (f->pointers || !f->batch_rank) return false;
    for (int i = 0; i < f->batch_rank; i++)
        if ((f->step_count && f->step[0].batch_stride[i]) || f->a_batch[i] < 0 || f->b_batch[i] < 0 ||
            f->c_batch[i] < 0)
            return false;
    return true;
}

/* The whole batch in one primitive where oneDNN does that well, else a primitive for one of its matrices. */
static hone_status make_product(onednn_plan *plan, const char **why)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    onednn_ask               ask;
    if (!f->m || !f->n || !f->k || !f->items) return HONE_OK;
    plan->whole = takes_batch(f);
    ask_make(plan, plan->whole ? f->batch_rank : 0, &ask);
    hone_status status = hone_onednn_product_make(plan->library, &ask, &plan->product, why);
    if (status == HONE_ERROR_UNSUPPORTED && plan->whole) {
        plan->whole = false;
        ask_make(plan, 0, &ask);
        status = hone_onednn_product_make(plan->library, &ask, &plan->product, why);
    }
    plan->prepared = status == HONE_OK;
    return status;
}

static hone_status prepare(const hone_request *request, onednn_library *library, bool steps, void **ready,
                           hone_needs *needs)
{
    hone_status  status = HONE_OK;
    onednn_plan *plan = host->allocate(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    const char *why = plan_make(request, library, steps, plan);
    if (why)
        status = HONE_ERROR_UNSUPPORTED;
    else if (steps)
        status = make_product(plan, &why);
    if (status != HONE_OK) {
        host->release(plan);
        return status == HONE_ERROR_MEMORY ? host->fail(status, "%s: no memory for a primitive", library->identity)
                                           : host->fail(status, "%s: %s", library->identity, why);
    }
    *needs = (hone_needs){.scratch_bytes = plan->product.scratch_bytes};
    *ready = plan;
    return HONE_OK;
}

static void onednn_release(void *ready)
{
    onednn_plan *plan = ready;
    if (plan->prepared) hone_onednn_product_end(&plan->product);
    host->release(plan);
}

/* --- the rows --------------------------------------------------------------------------------------------------- */

/* The functions of a kernel that are not told whose they are: one set a library and a way. */
#define ONEDNN_ROW_FUNCTIONS(which, steps, row_refuses, row_estimate, row_prepare)                                     \
    static const char *row_refuses(const hone_request *request)                                                        \
    {                                                                                                                  \
        return refuses(request, &hone_onednn_libraries[which], steps);                                                 \
    }                                                                                                                  \
    static double row_estimate(const hone_request *request, const hone_config *config)                                 \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return estimate(request, &hone_onednn_libraries[which], steps);                                                \
    }                                                                                                                  \
    static hone_status row_prepare(const hone_request *request, const hone_config *config,                             \
                                   const hone_details *details, void **ready, hone_needs *needs)                       \
    {                                                                                                                  \
        (void)config, (void)details;                                                                                   \
        return prepare(request, &hone_onednn_libraries[which], steps, ready, needs);                                   \
    }

ONEDNN_ROW_FUNCTIONS(ONEDNN_3, true, matmul3_refuses, matmul3_estimate, matmul3_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_3, false, gemm3_refuses, gemm3_estimate, gemm3_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_2, true, matmul2_refuses, matmul2_estimate, matmul2_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_2, false, gemm2_refuses, gemm2_estimate, gemm2_prepare)

static const char *identity3(const hone_be_device *device)
{
    (void)device;
    return hone_onednn_libraries[ONEDNN_3].identity;
}

static const char *identity2(const hone_be_device *device)
{
    (void)device;
    return hone_onednn_libraries[ONEDNN_2].identity;
}

/* No promise about bits: which kernels a library uses, and where their edges fall, is its own affair. */
#define ONEDNN_ROW(row_name, row_identity, row_refuses, row_estimate, row_prepare)                                     \
    {                                                                                                                  \
        .name = row_name, .op = "matmul", .op_version = 2, .problem_size = sizeof(hone_matmul_problem),                \
        .backend = "cpu", .version = 1, .properties = 0,              .identity = row_identity,                       \
        .refuses = row_refuses, .suggest = hone_blas_suggest, .estimate = row_estimate, .prepare = row_prepare,        \
        .launch = onednn_launch, .release = onednn_release                                                             \
    }

enum { MATMUL, GEMM, WAYS };

static const hone_kernel rows[ONEDNN_LIBRARIES][WAYS] = {
    [ONEDNN_3] = {[MATMUL] = ONEDNN_ROW("onednn.matmul", identity3, matmul3_refuses, matmul3_estimate, matmul3_prepare),
                  [GEMM] = ONEDNN_ROW("onednn.gemm", identity3, gemm3_refuses, gemm3_estimate, gemm3_prepare)},
    [ONEDNN_2] = {[MATMUL] =
                      ONEDNN_ROW("onednn2.matmul", identity2, matmul2_refuses, matmul2_estimate, matmul2_prepare),
                  [GEMM] = ONEDNN_ROW("onednn2.gemm", identity2, gemm2_refuses, gemm2_estimate, gemm2_prepare)},
};

const hone_module *hone_module_open(const hone_host *given)
{
    static const hone_kernel *found[ONEDNN_LIBRARIES * WAYS + 1];
    static const hone_module  module = {HONE_MODULE_ABI, "onednn", NULL, NULL, found};
    int                       count = 0;
    if (given->abi != HONE_MODULE_ABI) return &module; /* which tells its own, and is refused */
    host = given;
    hone_onednn_find(host);
    for (int i = 0; i < ONEDNN_LIBRARIES; i++)
        if (*hone_onednn_libraries[i].identity) {
            if (hone_onednn_libraries[i].engine) found[count++] = &rows[i][MATMUL];
            found[count++] = &rows[i][GEMM];
        }
    if (count) return &module;
    host->fail(HONE_ERROR_NOT_FOUND, "no oneDNN that can be used is here; one comes with `apt-get install libdnnl2`");
    return NULL;
}
