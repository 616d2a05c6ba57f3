/* onednn.matmul, .gemm, .packed and .pack, and onednn2.matmul ...: matmul by oneDNN, its version 3 and its
 * version 2, each where it is here; a module (kernels/module.h).
 *
 * matmul is oneDNN's primitive: strides, a batch in one go, a bias, and an activation where its meaning is ours. It is
 * made for alpha = 1, and for beta = 1 where c is read. Other values, which are known at the launch alone, and what
 * oneDNN has no words for (nothing to sum over), go through its call, with the steps behind it. gemm is that call,
 * dnnl_sgemm, for each matrix of the batch. packed is the primitive for a b that pack has brought into one of oneDNN's
 * own layouts; for other values of alpha and beta its product goes by way of scratch. Where oneDNN knows only its
 * reference code for a problem, the row refuses.
 *
 * All of them multiply f32; matmul bf16, f16 (version 3) and whole numbers of 8 bits as well: for other values of alpha
 * and beta their product goes by way of scratch, in f32 or s32, and element by element from there.
 *
 * oneDNN allocates in its calls, a few hundred bytes at a time. */
#include <string.h>

#include "base/element.h"
#include "kernels/common/step.h"
#include "kernels/matmul/onednn.h"
#include "kernels/matmul_pack/problem.h"

static const hone_host *host;

enum { MATMUL, GEMM, PACKED, WAYS };

typedef struct onednn_plan {
    onednn_library *library;
    hone_blas_shape shape;
    int             threads;
    bool            prepared, whole; /* there is a primitive; and it does the whole batch */
    onednn_product  product;
    onednn_product  aside; /* PACKED, and what is not all f32: the product alone, without what comes behind */
    bool            typed; /* not all f32 */
    size_t          aside_bytes;
    int             way, b_layout;
} onednn_plan;

typedef struct calling {
    const onednn_plan    *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
    int                  *status; /* oneDNN's word of the first call that failed; ONEDNN_DONE: none */
} calling;

/* --- dnnl_sgemm ------------------------------------------------------------------------------------------------- */

static void multiply(const void *self, int64_t m, int64_t n, double alpha, const char *a, const char *b, double beta,
                     char *c, int64_t ldc)
{
    const calling         *call = self;
    const hone_blas_shape *s = &call->plan->shape;
    if (*call->status != ONEDNN_DONE) return;
    *call->status = call->plan->library->sgemm(s->a_transposed ? 'T' : 'N', s->b_transposed ? 'T' : 'N', m, n,
                                               s->frame.k, (float)alpha, (const void *)a, s->lda, (const void *)b,
                                               s->ldb, (float)beta, (void *)c, ldc);
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

/* From the product in f32 or s32, dense in scratch, to c of any type. */
static void finish_typed(const onednn_plan *plan, const hone_matmul_item *item, const void *product, double alpha,
                         double beta)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    const hone_dtype         type = hone_dtype_floats(f->type_a) ? HONE_F32 : HONE_S32;
    for (int64_t i = 0; i < f->m; i++)
        for (int64_t j = 0; j < f->n; j++) {
            const int64_t at = i * plan->shape.ldc + j;
            float         x = (float)alpha * (float)hone_element_load(type, product, i * f->n + j);
            if (beta != 0) x += (float)beta * (float)hone_element_load(f->type_c, item->c, at);
            for (int s = 0; s < f->step_count; s++) {
                const hone_epilogue_now *step = &item->step[s];
                const double t = step->at ? hone_element_load(step->type, step->at, j * step->column_stride) : 0;
                x = hone_step_f32(step->kind, x, (float)step->value, (float)t);
            }
            hone_element_store(f->type_c, item->c, at, (double)x);
        }
}

static void call_each(void *argument)
{
    const calling           *c = argument;
    const onednn_plan       *plan = c->plan;
    const hone_matmul_frame *f = &plan->shape.frame;
    const int64_t            items = hone_matmul_items(f, c->arguments);
    for (int64_t i = 0; i < items && *c->status == ONEDNN_DONE; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, c->arguments, i, &item);
        hone_blas_product(&plan->shape, multiply, c, c->alpha, &item, c->beta);
        if (*c->status == ONEDNN_DONE) finish(plan, &item);
    }
}

/* --- launching -------------------------------------------------------------------------------------------------- */

static hone_status run_one(onednn_plan *plan, onednn_product *product, const hone_matmul_item *item, void *c,
                           void *scratch)
{
    void *const at[ONEDNN_OPERANDS] = {[ONEDNN_A] = (void *)(uintptr_t)item->a,
                                       [ONEDNN_B] = (void *)(uintptr_t)item->b,
                                       [ONEDNN_C] = c,
                                       [ONEDNN_BIAS] = plan->shape.frame.step_count ? item->step[0].at : NULL,
                                       [ONEDNN_SCRATCH] = scratch};
    if (hone_onednn_product_run(product, at) == HONE_OK) return HONE_OK;
    return host->fail(HONE_ERROR_DEVICE, "%s: the primitive failed", plan->library->identity);
}

/* Behind the product of PACKED's `aside`, which lies at the beginning of scratch, its own scratch follows. */
static hone_status run_primitive(onednn_plan *plan, const calling *call, char *scratch)
{
    const hone_matmul_frame *f = &plan->shape.frame;
    const bool               plain = call->alpha == 1 && call->beta == (f->reads_c ? 1 : 0);
    const int64_t            items = plan->whole && plain ? 1 : hone_matmul_items(f, call->arguments);
    hone_status              status = HONE_OK;
    for (int64_t i = 0; i < items && status == HONE_OK; i++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, call->arguments, i, &item);
        if (plain) {
            status = run_one(plan, &plan->product, &item, item.c, scratch + plan->aside_bytes);
        } else {
            status = run_one(plan, &plan->aside, &item, scratch, scratch + plan->aside_bytes);
            if (status != HONE_OK) break;
            if (plan->typed) {
                finish_typed(plan, &item, scratch, call->alpha, call->beta);
                continue;
            }
            hone_blas_combine(&plan->shape, f->m, f->n, call->alpha, scratch, call->beta, item.c);
            finish(plan, &item);
        }
    }
    return status;
}

static hone_status onednn_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                 hone_span scratch)
{
    onednn_plan             *plan = ready;
    const hone_matmul_frame *f = &plan->shape.frame;
    int                      done = ONEDNN_DONE;
    calling call = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments), &done};
    (void)stream;
    if (!f->m || !f->n || !hone_matmul_items(f, arguments)) return HONE_OK;
    if (plan->prepared &&
        (plan->way == PACKED || plan->typed || (call.alpha == 1 && call.beta == (f->reads_c ? 1 : 0))))
        return run_primitive(plan, &call, hone_span_host(&scratch));
    hone_onednn_with(plan->library, plan->threads, call_each, &call);
    if (done == ONEDNN_DONE) return HONE_OK;
    return host->fail(HONE_ERROR_DEVICE, "%s: its call sgemm failed with status %d", plan->library->identity, done);
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

/* Does the way read this b? */
static const char *b_refused(const hone_matmul_problem *p, const onednn_library *library, int way)
{
    if (way != PACKED) return hone_matmul_packed_b(p) ? HONE_MATMUL_PACKED_REFUSED : NULL;
    if (!hone_matmul_packed_b(p)) return "it is for a b that is packed; it offers a layout for that";
    const int layout = hone_onednn_layout_find(p->b_layout);
    if (!layout || p->pointers) return HONE_MATMUL_PACKED_REFUSED;
    if (!p->m || !p->n || !p->k) return "there is nothing to multiply";
    if (p->b_bytes != hone_onednn_layout_bytes(library, layout, p->k, p->n)) return "b is not as long as it would be";
    return NULL;
}

/* Of what is not all f32. */
static const char *types_refused(const hone_matmul_problem *p, const onednn_library *library, int way)
{
    if (way != MATMUL) return way == PACKED ? "it packs f32 alone" : "its call multiplies f32 alone";
    if (p->type_c == HONE_F64) return "it multiplies f32 and narrower types, no f64";
    if (p->zeros) return "it is told of no zero points";
    if (hone_matmul_integers(p) && p->reads_c) return "it adds no c to sums of whole numbers";
    if (!hone_matmul_integers(p) && p->type_a != p->type_b) return "a and b are of different types";
    if (!hone_matmul_integers(p) && p->type_c != p->type_a && p->type_c != HONE_F32)
        return "c is neither of a's type nor f32";
    if (p->type_a == HONE_BF16 && p->k % 2) return "it makes NaN of an infinity in bf16 where k is odd";
    if (p->type_a == HONE_F16 && library->major == 2) return "its version 2 has no f16 on a CPU";
    if (!p->k || !hone_matmul_batch(p)) return "there is nothing to multiply";
    return NULL;
}

static const char *plan_make(const hone_request *request, onednn_library *library, int way, onednn_plan *out)
{
    const hone_matmul_problem *p = request->problem;
    const char                *why;
    out->library = library;
    out->way = way;
    out->b_layout = way == PACKED ? hone_onednn_layout_find(p->b_layout) : 0;
    out->threads = hone_blas_threads(request);
    out->typed = hone_matmul_not_all(p, HONE_F32) != NULL;
    if (out->typed && (why = types_refused(p, library, way))) return why;
    if (way == GEMM && p->step_count) return "the call has no steps behind the product";
    if ((why = b_refused(p, library, way))) return why;
    if ((why = hone_blas_shape_make(p, &out->shape))) return why;
    if (out->typed && out->shape.frame.type_b == HONE_U8) return "where c lies across, b would be u8";
    return steps_refused(library, &out->shape.frame);
}

static const char *refuses(const hone_request *request, onednn_library *library, int way)
{
    onednn_plan plan;
    const char *why = hone_blas_isa_refuses(request);
    return why ? why : plan_make(request, library, way, &plan);
}

static double estimate(const hone_request *request, onednn_library *library, int way)
{
    onednn_plan plan;
    if (plan_make(request, library, way, &plan)) return 0;
    return hone_blas_estimate(request, &plan.shape, library->share, way == GEMM ? 4e-7 : 6e-7);
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
    *out = (onednn_ask){.rank = 2 + batch_rank, .threads = plan->threads, .type_a = f->type_a, .type_b = f->type_b,
                        .type_c = f->type_c, .adds_c = f->reads_c};
    ask_operand(f, f->a_batch, batch_rank, f->m, f->k, s->a_transposed, s->lda, out->a_size, out->a_stride);
    ask_operand(f, f->b_batch, batch_rank, f->k, f->n, s->b_transposed, s->ldb, out->b_size, out->b_stride);
    out->b_layout = plan->b_layout;
    ask_operand(f, f->c_batch, batch_rank, f->m, f->n, false, s->ldc, out->c_size, out->c_stride);
    for (int i = 0; i < f->step_count; i++)
        if (f->step[i].kind == HONE_STEP_BIAS)
            out->bias = true, out->type_bias = (hone_dtype)f->step[i].type;
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
    plan->whole = plan->way != PACKED && takes_batch(f);
    ask_make(plan, plan->whole ? f->batch_rank : 0, &ask);
    hone_status status = hone_onednn_product_make(plan->library, &ask, &plan->product, why);
    if (status == HONE_ERROR_UNSUPPORTED && plan->whole) {
        plan->whole = false;
        ask_make(plan, 0, &ask);
        status = hone_onednn_product_make(plan->library, &ask, &plan->product, why);
    }
    plan->prepared = status == HONE_OK;
    if (status != HONE_OK || (plan->way != PACKED && !plan->typed)) return status;
    ask_make(plan, 0, &ask);
    if (plan->typed) ask.type_c = hone_dtype_floats(f->type_a) ? HONE_F32 : HONE_S32;
    ask.bias = ask.adds_c = false;
    ask.activation = HONE_STEP_NONE;
    ask.c_stride[0] = f->n;
    plan->aside_bytes = (size_t)(f->m * f->n * f->bytes + 63) / 64 * 64;
    return hone_onednn_product_make(plan->library, &ask, &plan->aside, why);
}

static void plan_end(onednn_plan *plan)
{
    hone_onednn_product_end(&plan->product);
    hone_onednn_product_end(&plan->aside);
    host->release(plan);
}

static hone_status prepare(const hone_request *request, onednn_library *library, int way, void **ready,
                           hone_needs *needs)
{
    hone_status  status = HONE_OK;
    onednn_plan *plan = host->allocate(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    const char *why = plan_make(request, library, way, plan);
    if (why)
        status = HONE_ERROR_UNSUPPORTED;
    else if (way != GEMM)
        status = make_product(plan, &why);
    if (status != HONE_OK) {
        plan_end(plan);
        return status == HONE_ERROR_MEMORY ? host->fail(status, "%s: no memory for a primitive", library->identity)
                                           : host->fail(status, "%s: %s", library->identity, why);
    }
    const size_t most = plan->product.scratch_bytes > plan->aside.scratch_bytes ? plan->product.scratch_bytes
                                                                                : plan->aside.scratch_bytes;
    *needs = (hone_needs){.scratch_bytes = plan->aside_bytes + most};
    *ready = plan;
    return HONE_OK;
}

static void onednn_release(void *ready)
{
    plan_end(ready);
}

/* --- layouts and packing ---------------------------------------------------------------------------------------- */

static int layouts(const hone_request *request, const onednn_library *library, int role, hone_layout *out, int cap)
{
    const hone_matmul_problem *p = request->problem;
    onednn_plan                plan;
    onednn_ask                 ask;
    if (role != HONE_MATMUL_B || cap < 1 || p->pointers || !p->m || !p->n || !p->k) return 0;
    if (hone_blas_isa_refuses(request) ||
        plan_make(request, &hone_onednn_libraries[library->major == 2 ? ONEDNN_2 : ONEDNN_3], MATMUL, &plan) ||
        plan.typed || plan.shape.frame.swapped)
        return 0;
    ask_make(&plan, 0, &ask);
    memset(out, 0, sizeof *out);
    const int layout = hone_onednn_layout_wanted(library, &ask, &out->bytes);
    if (!layout) return 0;
    strncpy(out->name, hone_onednn_layout_name(layout), sizeof out->name - 1);
    return 1;
}

typedef struct pack_plan {
    const onednn_library    *library;
    hone_matmul_pack_problem p;
    onednn_product           product;
    bool                     prepared;
} pack_plan;

static const char *pack_refuses(const hone_request *request, const onednn_library *library)
{
    const hone_matmul_pack_problem *p = request->problem;
    const int                       layout = hone_onednn_layout_find(p->layout);
    const char                     *why = hone_blas_isa_refuses(request);
    if (why) return why;
    if (!layout) return "the layout is not oneDNN's";
    if (p->type != HONE_F32) return "it packs f32 alone";
    if (!p->k || !p->n || !p->count) return NULL;
    if ((p->row <= 0 && p->k > 1) || (p->column <= 0 && p->n > 1)) return "the plain side repeats or turns round";
    return p->bytes == hone_onednn_layout_bytes(library, layout, p->k, p->n) ? NULL : "it would be of another length";
}

static double pack_estimate(const hone_request *request)
{
    const hone_matmul_pack_problem *p = request->problem;
    const double                    bytes = (double)p->count * (double)p->bytes;
    return 1e-6 + 3 * hone_matmul_read_seconds(request->device, 2 * bytes, 2 * bytes);
}

static hone_status pack_prepare(const hone_request *request, const onednn_library *library, void **ready,
                                hone_needs *needs)
{
    hone_status status = HONE_OK;
    pack_plan  *plan = host->allocate(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    const char *why = pack_refuses(request, library);
    plan->library = library;
    plan->p = *(const hone_matmul_pack_problem *)request->problem;
    if (why) {
        status = HONE_ERROR_UNSUPPORTED;
    } else if (plan->p.k && plan->p.n && plan->p.count) {
        const hone_matmul_pack_problem *p = &plan->p;
        const onednn_ask ask = {.rank = 2, .threads = hone_blas_threads(request), .b_size = {p->k, p->n},
                                .b_stride = {p->k > 1 ? p->row : p->n * (p->column > 0 ? p->column : 1),
                                             p->n > 1 ? p->column : 1},
                                .b_layout = hone_onednn_layout_find(p->layout)};
        status = hone_onednn_reorder_make(library, &ask, p->unpack, &plan->product, &why);
        plan->prepared = status == HONE_OK;
    }
    if (status != HONE_OK) {
        host->release(plan);
        return status == HONE_ERROR_MEMORY ? host->fail(status, "%s: no memory for a reorder", library->identity)
                                           : host->fail(status, "%s: %s", library->identity, why);
    }
    *needs = (hone_needs){.scratch_bytes = plan->product.scratch_bytes};
    *ready = plan;
    return HONE_OK;
}

static hone_status pack_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    pack_plan                      *plan = ready;
    const hone_matmul_pack_problem *p = &plan->p;
    char                           *from = hone_span_host(&arguments->at[HONE_PACK_FROM]);
    char                           *to = hone_span_host(&arguments->at[HONE_PACK_TO]);
    const int64_t                   plain = p->matrix * (int64_t)sizeof(float);
    (void)stream;
    for (int64_t i = 0; i < p->count && plan->prepared; i++) {
        void *const at[ONEDNN_OPERANDS] = {[ONEDNN_A] = from + i * (p->unpack ? p->bytes : plain),
                                           [ONEDNN_C] = to + i * (p->unpack ? plain : p->bytes),
                                           [ONEDNN_SCRATCH] = hone_span_host(&scratch)};
        if (hone_onednn_product_run(&plan->product, at) != HONE_OK)
            return host->fail(HONE_ERROR_DEVICE, "%s: the reorder failed", plan->library->identity);
    }
    return HONE_OK;
}

static void pack_release(void *ready)
{
    pack_plan *plan = ready;
    if (plan->prepared) hone_onednn_product_end(&plan->product);
    host->release(plan);
}

#define ONEDNN_PACK_FUNCTIONS(which, row_layouts, row_refuses, row_estimate, row_prepare)                              \
    static int row_layouts(const hone_request *request, int role, hone_layout *out, int cap)                           \
    {                                                                                                                  \
        return layouts(request, &hone_onednn_libraries[which], role, out, cap);                                        \
    }                                                                                                                  \
    static const char *row_refuses(const hone_request *request)                                                        \
    {                                                                                                                  \
        return pack_refuses(request, &hone_onednn_libraries[which]);                                                   \
    }                                                                                                                  \
    static double row_estimate(const hone_request *request, const hone_config *config)                                 \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return pack_estimate(request);                                                                                 \
    }                                                                                                                  \
    static hone_status row_prepare(const hone_request *request, const hone_config *config,                             \
                                   const hone_details *details, void **ready, hone_needs *needs)                       \
    {                                                                                                                  \
        (void)config, (void)details;                                                                                   \
        return pack_prepare(request, &hone_onednn_libraries[which], ready, needs);                                     \
    }

ONEDNN_PACK_FUNCTIONS(ONEDNN_3, layouts3, pack3_refuses, pack3_estimate, pack3_prepare)
ONEDNN_PACK_FUNCTIONS(ONEDNN_2, layouts2, pack2_refuses, pack2_estimate, pack2_prepare)

/* --- the rows --------------------------------------------------------------------------------------------------- */

/* The functions of a kernel that are not told whose they are: one set a library and a way. */
#define ONEDNN_ROW_FUNCTIONS(which, way, row_refuses, row_estimate, row_prepare)                                     \
    static const char *row_refuses(const hone_request *request)                                                        \
    {                                                                                                                  \
        return refuses(request, &hone_onednn_libraries[which], way);                                                 \
    }                                                                                                                  \
    static double row_estimate(const hone_request *request, const hone_config *config)                                 \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return estimate(request, &hone_onednn_libraries[which], way);                                                \
    }                                                                                                                  \
    static hone_status row_prepare(const hone_request *request, const hone_config *config,                             \
                                   const hone_details *details, void **ready, hone_needs *needs)                       \
    {                                                                                                                  \
        (void)config, (void)details;                                                                                   \
        return prepare(request, &hone_onednn_libraries[which], way, ready, needs);                                   \
    }

ONEDNN_ROW_FUNCTIONS(ONEDNN_3, MATMUL, matmul3_refuses, matmul3_estimate, matmul3_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_3, GEMM, gemm3_refuses, gemm3_estimate, gemm3_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_3, PACKED, packed3_refuses, packed3_estimate, packed3_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_2, PACKED, packed2_refuses, packed2_estimate, packed2_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_2, MATMUL, matmul2_refuses, matmul2_estimate, matmul2_prepare)
ONEDNN_ROW_FUNCTIONS(ONEDNN_2, GEMM, gemm2_refuses, gemm2_estimate, gemm2_prepare)

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
#define ONEDNN_ROW(row_name, row_identity, row_layouts, row_refuses, row_estimate, row_prepare)                        \
    {                                                                                                                  \
        .name = row_name, .op = "matmul", .op_version = 2, .problem_size = sizeof(hone_matmul_problem),                \
        .backend = "cpu", .version = 1, .properties = 0, .identity = row_identity, .refuses = row_refuses,             \
        .suggest = hone_blas_suggest, .estimate = row_estimate, .prepare = row_prepare, .layouts = row_layouts,        \
        .launch = onednn_launch, .release = onednn_release                                                             \
    }

static const hone_kernel rows[ONEDNN_LIBRARIES][WAYS] = {
    [ONEDNN_3] = {[MATMUL] =
                      ONEDNN_ROW("onednn.matmul", identity3, NULL, matmul3_refuses, matmul3_estimate, matmul3_prepare),
                  [GEMM] = ONEDNN_ROW("onednn.gemm", identity3, NULL, gemm3_refuses, gemm3_estimate, gemm3_prepare),
                  [PACKED] = ONEDNN_ROW("onednn.packed", identity3, layouts3, packed3_refuses, packed3_estimate,
                                        packed3_prepare)},
    [ONEDNN_2] = {[MATMUL] =
                      ONEDNN_ROW("onednn2.matmul", identity2, NULL, matmul2_refuses, matmul2_estimate, matmul2_prepare),
                  [GEMM] = ONEDNN_ROW("onednn2.gemm", identity2, NULL, gemm2_refuses, gemm2_estimate, gemm2_prepare),
                  [PACKED] = ONEDNN_ROW("onednn2.packed", identity2, layouts2, packed2_refuses, packed2_estimate,
                                        packed2_prepare)},
};

#define ONEDNN_PACK_ROW(row_name, row_identity, row_refuses, row_estimate, row_prepare)                                \
    {                                                                                                                  \
        .name = row_name, .op = "matmul_pack", .op_version = 1, .problem_size = sizeof(hone_matmul_pack_problem),      \
        .backend = "cpu", .version = 1, .properties = 0, .identity = row_identity, .refuses = row_refuses,             \
        .suggest = hone_blas_suggest, .estimate = row_estimate, .prepare = row_prepare, .launch = pack_launch,         \
        .release = pack_release                                                                                        \
    }

static const hone_kernel pack_rows[ONEDNN_LIBRARIES] = {
    [ONEDNN_3] = ONEDNN_PACK_ROW("onednn.pack", identity3, pack3_refuses, pack3_estimate, pack3_prepare),
    [ONEDNN_2] = ONEDNN_PACK_ROW("onednn2.pack", identity2, pack2_refuses, pack2_estimate, pack2_prepare),
};

const hone_module *hone_module_open(const hone_host *given)
{
    static const hone_kernel *found[ONEDNN_LIBRARIES * (WAYS + 1) + 1];
    static const hone_module  module = {HONE_MODULE_ABI, "onednn", NULL, NULL, found};
    int                       count = 0;
    if (given->abi != HONE_MODULE_ABI) return &module; /* which tells its own, and is refused */
    host = given;
    hone_onednn_find(host);
    for (int i = 0; i < ONEDNN_LIBRARIES; i++)
        if (*hone_onednn_libraries[i].identity) {
            if (hone_onednn_libraries[i].engine) found[count++] = &rows[i][MATMUL];
            found[count++] = &rows[i][GEMM];
            if (!hone_onednn_packs(&hone_onednn_libraries[i])) continue;
            found[count++] = &rows[i][PACKED];
            found[count++] = &pack_rows[i];
        }
    if (count) return &module;
    host->fail(HONE_ERROR_NOT_FOUND, "no oneDNN that can be used is here; one comes with `apt-get install libdnnl2`");
    return NULL;
}
