/* The backward pass of c = steps(alpha * a * b + beta * c0), as matmuls.
 *
 * D, what is known of the gradient, starts as that of c and goes back through the steps: a scale or an activation
 * multiplies it, a bias is D summed over what the bias was repeated along, a residual is D itself, scales are D times
 * what went into them, summed. What is left at the beginning gives
 *
 *     da = alpha * D * b^T      db = alpha * a^T * D      dc0 = beta * D
 *
 * Four shapes of matmul do all of it:
 *
 *     elementwise   k = 0: the product is 0, and the steps +residual (D) +gelu_gradient +scale ... do the rest
 *     sum           D, its kept dimensions as rows and the summed ones as k, times a 1 that repeats
 *     dots          D by what went into a scale: kept dimensions as a batch, the summed ones as k
 *     product       where a or b was repeated over the batch, the batch becomes a part of k
 *
 * and the products take over what else they can: numbers that D waits for are done to the result (scale), and the
 * gradient of a bias behind which no scale is left is the sum of what is read anyway (sum_a, sum_b), where all extents
 * are long enough for the kernel that knows such steps. Slopes are done to D once, into a residual's gradient where
 * there is one: both products would evaluate them (a_gelu_gradient, b_gelu_gradient), which took 25 ms and 34 ms of 100
 * each for 2048x3072 elements, and the pass of its own 14 ms.
 *
 * Summed dimensions must be one stride apart: where they are not, D (or a, or b) is first copied into an order in which
 * they are. Operands without elements (a and b where k = 0) have no source.
 *
 * The slope of an activation is taken at its input, so that must have been kept: by a store step right before it. A
 * relu that is the last step is told from c itself. What a store step wrote is for this pass; it has no gradient of its
 * own.
 *
 * Weights of few bits are whole numbers, which have no gradient, and neither have their scales and zeros here: they are
 * frozen, and what is trained stands beside them. da is a product with them transposed, groups and all.
 *
 * Each gradient is of its argument's type, and what lies between is of c's: sums are f32 (f64) inside each product. */
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "kernels/matmul/parts.h"

enum { DIMENSIONS_MAX = HONE_BATCH_MAX + 2 };

/* A tensor of the backward pass: batch, rows, columns; and whether a dimension is summed over. */
typedef struct view {
    hone_source from;
    hone_dtype  type;
    int         rank;
    int64_t     shape[DIMENSIONS_MAX], stride[DIMENSIONS_MAX];
} view;

/* Factors of D that wait for the next elementwise product. */
typedef struct factor {
    hone_step_kind kind;
    int            scalar; /* 1 + a scalar of the forward problem; 0: none */
    view           operand;
} factor;

typedef struct builder {
    const hone_matmul_problem *p;
    hone_gradient             *out;
    view                       d;
    int                        waiting;
    factor                     factors[HONE_STEPS_MAX];
    int                        bias, bias_rows; /* 1 + the step whose gradient the product for b (a) makes; 0: none */
} builder;

/* --- views ------------------------------------------------------------------------------------------------------ */

static view view_of(const hone_matmul_problem *p, hone_source_kind kind, int index, hone_dtype type, int64_t rows,
                    int64_t columns, int64_t row, int64_t column, const int64_t *batch)
{
    view v = {.from = {0, kind, index}, .type = type, .rank = p->batch_rank + 2};
    for (int i = 0; i < p->batch_rank; i++) {
        v.shape[i] = p->batch[i];
        v.stride[i] = batch[i];
    }
    v.shape[v.rank - 2] = rows, v.stride[v.rank - 2] = row;
    v.shape[v.rank - 1] = columns, v.stride[v.rank - 1] = column;
    return v;
}

/* Dense strides for these extents, where `last` dimensions are fastest, in their order, after all others. */
static void dense(const view *v, unsigned last, int64_t stride[DIMENSIONS_MAX])
{
    int64_t next = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int d = v->rank - 1; d >= 0; d--)
            if ((last >> d & 1) == (pass == 0)) {
                stride[d] = next;
                next *= hone_max(v->shape[d], 1);
            }
}

/* Do these dimensions make up one, and with which stride? */
static bool one_stride(const view *v, unsigned summed, int64_t *out)
{
    bool    first = true;
    int64_t next = 0;
    *out = 1;
    for (int d = v->rank - 1; d >= 0; d--) {
        if (!(summed >> d & 1) || v->shape[d] == 1) continue;
        if (first)
            *out = v->stride[d];
        else if (v->stride[d] != next)
            return false;
        next = v->stride[d] * v->shape[d];
        first = false;
    }
    return true;
}

static int64_t elements_of(const view *v, unsigned dimensions)
{
    int64_t count = 1;
    for (int d = 0; d < v->rank; d++)
        if (dimensions >> d & 1) count *= v->shape[d];
    return count;
}

/* --- steps of the pass ------------------------------------------------------------------------------------------ */

static hone_matmul_problem *problem_of(hone_gradient_step *step)
{
    return (hone_matmul_problem *)step->problem.bytes;
}

/* The next backward problem, dense batch strides of nothing, all of one type: filled in by the caller, ended by done().
 * NULL, and the sentence, where there is no room for it. */
static hone_gradient_step *begin(builder *b, hone_dtype type, int64_t m, int64_t n, int64_t k)
{
    if (b->out->count == HONE_GRADIENT_STEPS_MAX) {
        hone_fail(HONE_ERROR_UNSUPPORTED, "matmul: the gradient of this problem takes more than %d products",
                  HONE_GRADIENT_STEPS_MAX);
        return NULL;
    }
    hone_gradient_step *step = &b->out->step[b->out->count];
    memset(step, 0, sizeof *step);
    step->op = "matmul";
    step->output = HONE_MATMUL_C;
    step->scalar[HONE_MATMUL_ALPHA] = 1;
    *problem_of(step) = hone_matmul_plain(type, m, n, k);
    return step;
}

static hone_status done(builder *b, hone_gradient_step *step, int gradient_of)
{
    hone_status status = hone_matmul_check(step->problem.bytes);
    if (status) return hone_fail_within(HONE_ERROR_UNSUPPORTED, "matmul: a part of the gradient is no legal problem");
    step->gradient_of = gradient_of;
    b->out->count++;
    return HONE_OK;
}

static void source(hone_gradient_step *step, int role, hone_source from)
{
    from.role = role;
    step->source[step->source_count++] = from;
}

/* Elementwise: `from` times the factors, laid out as `stride` says. */
static hone_status elementwise(builder *b, const view *from, const factor *factors, int count, const int64_t *stride,
                               int gradient_of)
{
    int                 batch = from->rank - 2, row = batch, column = batch + 1;
    hone_gradient_step *step = begin(b, from->type, from->shape[row], from->shape[column], 0);
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *p = problem_of(step);
    p->batch_rank = (uint8_t)batch;
    memcpy(p->batch, from->shape, (size_t)batch * sizeof *p->batch);
    memcpy(p->c_batch, stride, (size_t)batch * sizeof *p->c_batch);
    hone_matmul_dense_batch(p, p->n, p->b_batch); /* of no elements: as usual, so that its text is short */
    p->c_row = stride[row];
    p->c_column = stride[column];
    p->step_count = (uint8_t)(1 + count);
    for (int i = 0; i <= count; i++) {
        const view *operand = i ? &factors[i - 1].operand : from;
        p->step[i].kind = i ? factors[i - 1].kind : HONE_STEP_RESIDUAL;
        if (i) step->scalar_from[HONE_MATMUL_VALUE0 + i] = factors[i - 1].scalar;
        hone_step_operand form = hone_step_operand_of((hone_step_kind)p->step[i].kind);
        if (form == HONE_OPERAND_NONE) continue;
        if (!hone_operand_is_matrix(form) && operand->type != from->type) p->step[i].type = (int32_t)operand->type;
        p->step[i].row_stride = operand->stride[row];
        p->step[i].column_stride = operand->stride[column];
        memcpy(p->step[i].batch_stride, operand->stride, (size_t)batch * sizeof *operand->stride);
        source(step, HONE_MATMUL_STEP0 + i, operand->from);
    }
    return done(b, step, gradient_of);
}

/* The same elements with the dimensions of `last` fastest: a copy of its own. */
static hone_status reordered(builder *b, view *v, unsigned last)
{
    int64_t stride[DIMENSIONS_MAX] = {0};
    dense(v, last, stride);
    HONE_TRY(elementwise(b, v, NULL, 0, stride, -1));
    memcpy(v->stride, stride, sizeof stride);
    v->from = (hone_source){0, HONE_FROM_STEP, b->out->count - 1};
    return HONE_OK;
}

/* Multiplies D by the factors that wait. */
static hone_status settle(builder *b)
{
    for (int from = 0; from < b->waiting; from += HONE_STEPS_MAX - 1) {
        int     count = (int)hone_min(b->waiting - from, HONE_STEPS_MAX - 1);
        int64_t stride[DIMENSIONS_MAX] = {0};
        dense(&b->d, 0, stride);
        HONE_TRY(elementwise(b, &b->d, b->factors + from, count, stride, -1));
        memcpy(b->d.stride, stride, sizeof stride);
        b->d.from = (hone_source){0, HONE_FROM_STEP, b->out->count - 1};
    }
    b->waiting = 0;
    return HONE_OK;
}

/* The numbers that wait for D, done to what follows from it. */
static void scales_of(const builder *b, hone_gradient_step *step)
{
    hone_matmul_problem *p = problem_of(step);
    for (int i = 0; i < b->waiting; i++) {
        if (b->factors[i].kind != HONE_STEP_SCALE) continue;
        step->scalar_from[HONE_MATMUL_VALUE0 + p->step_count] = b->factors[i].scalar;
        p->step[p->step_count++].kind = HONE_STEP_SCALE;
    }
}

/* D summed over some dimensions, and the numbers that wait; `stride` says where the others go, and what type they are
 * of. */
static hone_status sum(builder *b, unsigned summed, const int64_t *stride, hone_dtype type, int gradient_of)
{
    view    d = b->d;
    int64_t along;
    int     kept[DIMENSIONS_MAX], count = 0;
    if (elements_of(&d, summed) == 1 && d.type == type && d.rank <= DIMENSIONS_MAX)
        return elementwise(b, &d, b->factors, b->waiting, stride, gradient_of);
    if (!one_stride(&d, summed, &along)) {
        HONE_TRY(reordered(b, &d, summed));
        one_stride(&d, summed, &along);
    }
    for (int i = 0; i < d.rank; i++)
        if (!(summed >> i & 1) && d.shape[i] != 1) kept[count++] = i;
    hone_gradient_step *step = begin(b, d.type, count ? d.shape[kept[count - 1]] : 1, 1, elements_of(&d, summed));
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *p = problem_of(step);
    p->type_c = (uint8_t)type;
    p->a_row = count ? d.stride[kept[count - 1]] : 0;
    p->a_column = along;
    p->b_row = p->b_column = 0; /* the 1, again and again */
    p->c_row = count ? stride[kept[count - 1]] : 1;
    p->batch_rank = (uint8_t)(count ? count - 1 : 0);
    for (int i = 0; i < p->batch_rank; i++) {
        p->batch[i] = d.shape[kept[i]];
        p->a_batch[i] = d.stride[kept[i]];
        p->c_batch[i] = stride[kept[i]];
    }
    source(step, HONE_MATMUL_A, d.from);
    source(step, HONE_MATMUL_B, (hone_source){0, HONE_FROM_ONE, 0});
    scales_of(b, step);
    return done(b, step, gradient_of);
}

/* Each element of the kept dimensions: D by x, summed over the others. */
static hone_status dots(builder *b, view x, unsigned summed, const view *out, int gradient_of)
{
    view    d = b->d;
    int64_t along_d, along_x;
    int     kept[DIMENSIONS_MAX], count = 0;
    if (!one_stride(&d, summed, &along_d)) {
        HONE_TRY(reordered(b, &d, summed));
        one_stride(&d, summed, &along_d);
    }
    if (!one_stride(&x, summed, &along_x)) {
        HONE_TRY(reordered(b, &x, summed));
        one_stride(&x, summed, &along_x);
    }
    for (int i = 0; i < d.rank; i++)
        if (!(summed >> i & 1) && d.shape[i] != 1) kept[count++] = i;
    HONE_CHECK(count <= HONE_BATCH_MAX, HONE_ERROR_UNSUPPORTED,
               "matmul: the gradient of step %d has %d dimensions of its own; at most %d go",
               gradient_of - HONE_MATMUL_STEP0, count, HONE_BATCH_MAX);
    hone_gradient_step *step = begin(b, d.type, 1, 1, elements_of(&d, summed));
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *p = problem_of(step);
    p->type_b = (uint8_t)x.type, p->type_c = (uint8_t)out->type;
    p->a_column = along_d, p->b_row = along_x;
    p->batch_rank = (uint8_t)count;
    for (int i = 0; i < count; i++) {
        p->batch[i] = d.shape[kept[i]];
        p->a_batch[i] = d.stride[kept[i]];
        p->b_batch[i] = x.stride[kept[i]];
        p->c_batch[i] = out->stride[kept[i]];
    }
    source(step, HONE_MATMUL_A, d.from);
    source(step, HONE_MATMUL_B, x.from);
    return done(b, step, gradient_of);
}

static view swapped(view v)
{
    int     row = v.rank - 2, column = v.rank - 1;
    int64_t shape = v.shape[row], stride = v.stride[row];
    v.shape[row] = v.shape[column], v.stride[row] = v.stride[column];
    v.shape[column] = shape, v.stride[column] = stride;
    return v;
}

static view step_view(const hone_matmul_problem *p, int index)
{
    const hone_epilogue_step *s = &p->step[index];
    return view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_STEP0 + index, hone_matmul_step_type(p, index), p->m, p->n,
                   s->row_stride, s->column_stride, s->batch_stride);
}

/* --- what products do beside multiplying -------------------------------------------------------------------------- */

enum { LEAST = 32 }; /* extents below are for kernels that have no steps of a and b, and are much the faster there */

/* What the product for a (b) sums over: columns (rows) of D, and what of the batch a (b) was repeated along. */
static unsigned summed_by(const hone_matmul_problem *p, int gradient_of)
{
    const int64_t *batch = gradient_of == HONE_MATMUL_A ? p->a_batch : p->b_batch;
    unsigned       summed = 1u << (p->batch_rank + (gradient_of == HONE_MATMUL_A));
    for (int i = 0; i < p->batch_rank; i++)
        if (batch[i] == 0 && p->batch[i] != 1) summed |= 1u << i;
    return summed;
}

static bool long_enough(const hone_matmul_problem *p)
{
    return p->m >= LEAST && p->n >= LEAST && p->k >= LEAST && hone_matmul_batch(p) > 0 && !hone_matmul_is_scaled(p);
}

static bool is_factor(hone_step_kind kind)
{
    switch (kind) {
    case HONE_STEP_RELU:
    case HONE_STEP_GELU:
    case HONE_STEP_GELU_ERF:
    case HONE_STEP_SILU:
    case HONE_STEP_SCALE:
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return true;
    default: return false;
    }
}

/* May the product that reads D, summed over these dimensions, write the gradient of this bias? D must have all its
 * factors by now, none of them a number, as those are done to the result alone. */
static bool sums_by_the_way(const builder *b, int index, unsigned summed)
{
    const hone_matmul_problem *p = b->p;
    const bool                 rows = p->step[index].kind == HONE_STEP_BIAS_ROWS;
    if (!long_enough(p) || (rows ? b->bias_rows : b->bias)) return false;
    if (summed != summed_by(p, rows ? HONE_MATMUL_A : HONE_MATMUL_B)) return false;
    for (int i = 0; i < index; i++)
        if (is_factor((hone_step_kind)p->step[i].kind)) return false;
    for (int i = 0; i < b->waiting; i++)
        if (!hone_step_is_slope(b->factors[i].kind)) return false;
    return true;
}

/* Are the factors that wait numbers, which products do to their results? A bias takes one step more. */
static bool factors_by_the_way(const builder *b)
{
    for (int i = 0; i < b->waiting; i++)
        if (b->factors[i].kind != HONE_STEP_SCALE) return false;
    return b->waiting < HONE_STEPS_MAX;
}

/* What waits for D, and the gradient of a bias, as steps of the product that reads D as a (b). */
static void by_the_way(builder *b, hone_gradient_step *step, bool as_a, unsigned summed)
{
    hone_matmul_problem *p = problem_of(step);
    const int            bias = as_a ? b->bias_rows : b->bias;
    int                  kept = 0;
    scales_of(b, step);
    if (!bias) return;
    const view          t = step_view(b->p, bias - 1);
    hone_epilogue_step *to = &p->step[p->step_count++];
    to->kind = as_a ? HONE_STEP_SUM_A : HONE_STEP_SUM_B;
    if (t.type != b->d.type) to->type = (int32_t)t.type;
    to->row_stride = as_a ? t.stride[t.rank - 2] : 0;
    to->column_stride = as_a ? 0 : t.stride[t.rank - 1];
    for (int i = 0; i < t.rank - 2; i++)
        if (!(summed >> i & 1)) to->batch_stride[kept++] = t.stride[i];
    step->also = HONE_MATMUL_STEP0 + p->step_count - 1;
    step->also_of = HONE_MATMUL_STEP0 + bias - 1;
}

/* The scales of weights in the product with their transpose: rows and columns, and their groups, change places. */
static void transpose_groups(const hone_matmul_problem *forward, hone_matmul_problem *p)
{
    const hone_matmul_groups *from[] = {&forward->scale, &forward->zero};
    hone_matmul_groups       *to[] = {&p->scale, &p->zero};
    p->type_scale = forward->type_scale;
    p->zeros = forward->zeros;
    p->group_k = forward->group_n, p->group_n = forward->group_k;
    for (int i = 0; i < 2; i++) {
        to[i]->row = from[i]->column, to[i]->column = from[i]->row;
        memcpy(to[i]->batch, from[i]->batch, sizeof to[i]->batch);
    }
}

/* alpha * x * y^T over the last dimension of both and all of the batch that the result repeats: where `batch`, the
 * result's batch strides, are 0. x is [..] rows x k, y is [..] columns x k. */
static hone_status product(builder *b, view x, view y, hone_dtype type, int64_t row, int64_t column,
                           const int64_t *batch, int gradient_of)
{
    int      batches = x.rank - 2, rows = batches, inner = batches + 1;
    unsigned summed = 1u << inner;
    bool     y_scaled = hone_matmul_is_scaled(b->p) && gradient_of == HONE_MATMUL_A;
    int64_t  along_x, along_y;
    for (int i = 0; i < batches; i++)
        if (batch[i] == 0 && x.shape[i] != 1) summed |= 1u << i;
    HONE_CHECK(!y_scaled || summed == 1u << inner, HONE_ERROR_UNSUPPORTED,
               "matmul: the batch shares a, so that its gradient is summed over weights with scales of their own; give "
               "each matrix of the batch an a");
    if (!one_stride(&x, summed, &along_x)) {
        HONE_TRY(reordered(b, &x, summed));
        one_stride(&x, summed, &along_x);
    }
    if (!one_stride(&y, summed, &along_y)) {
        HONE_TRY(reordered(b, &y, summed));
        one_stride(&y, summed, &along_y);
    }
    hone_gradient_step *step = begin(b, x.type, x.shape[rows], y.shape[rows], elements_of(&x, summed));
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *p = problem_of(step);
    p->type_b = (uint8_t)y.type, p->type_c = (uint8_t)type;
    p->a_row = x.stride[rows], p->a_column = along_x;
    p->b_row = along_y, p->b_column = y.stride[rows];
    p->c_row = row, p->c_column = column;
    for (int i = 0; i < batches; i++) {
        if (summed >> i & 1) continue;
        p->batch[p->batch_rank] = x.shape[i];
        p->a_batch[p->batch_rank] = x.stride[i];
        p->b_batch[p->batch_rank] = y.stride[i];
        p->c_batch[p->batch_rank++] = batch[i];
    }
    step->scalar_from[HONE_MATMUL_ALPHA] = 1 + HONE_MATMUL_ALPHA;
    source(step, HONE_MATMUL_A, x.from);
    source(step, HONE_MATMUL_B, y.from);
    by_the_way(b, step, gradient_of == HONE_MATMUL_A, summed);
    if (y_scaled) {
        transpose_groups(b->p, p);
        source(step, HONE_MATMUL_B_SCALES, (hone_source){0, HONE_FROM_FORWARD, HONE_MATMUL_B_SCALES});
        if (p->zeros) source(step, HONE_MATMUL_B_ZEROS, (hone_source){0, HONE_FROM_FORWARD, HONE_MATMUL_B_ZEROS});
    }
    return done(b, step, gradient_of);
}

/* --- back through the steps ------------------------------------------------------------------------------------- */

static hone_status activation(builder *b, int index, hone_step_kind slope)
{
    const hone_matmul_problem *p = b->p;
    factor                     f = {.kind = slope};
    if (index > 0 && p->step[index - 1].kind == HONE_STEP_STORE)
        f.operand = step_view(p, index - 1);
    else if (slope == HONE_STEP_RELU_GRADIENT && index == p->step_count - 1)
        f.operand =
            view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_C, p->type_c, p->m, p->n, p->c_row, p->c_column, p->c_batch);
    else
        return hone_fail(
            HONE_ERROR_UNSUPPORTED,
            "matmul: the gradient needs what went into step %d ('%s'); keep it by a 'store' step right before", index,
            hone_step_name(p->step[index].kind));
    b->factors[b->waiting++] = f;
    return HONE_OK;
}

/* The dimensions that a step's operand was repeated along. */
static unsigned repeated(const hone_matmul_problem *p, int index, const view *operand)
{
    const hone_step_operand form = hone_step_operand_of((hone_step_kind)p->step[index].kind);
    unsigned                summed = 0;
    if (form == HONE_OPERAND_COLUMNS) summed |= 1u << (operand->rank - 2);
    if (form == HONE_OPERAND_ROWS) summed |= 1u << (operand->rank - 1);
    for (int i = 0; i < p->batch_rank; i++)
        if (operand->stride[i] == 0 && operand->shape[i] != 1) summed |= 1u << i;
    return summed;
}

/* The gradient of an operand that was added: D, summed over what it was repeated along. */
static hone_status added(builder *b, int index)
{
    const hone_matmul_problem *p = b->p;
    view                       operand = step_view(p, index);
    hone_step_operand          form = hone_step_operand_of((hone_step_kind)p->step[index].kind);
    unsigned                   summed = repeated(p, index, &operand);
    if (elements_of(&operand, ~summed) == 0) return HONE_OK;
    if (form != HONE_OPERAND_MATRIX && sums_by_the_way(b, index, summed)) {
        *(form == HONE_OPERAND_ROWS ? &b->bias_rows : &b->bias) = 1 + index;
        return HONE_OK;
    }
    /* D with its factors is what a residual wants, so that it is written there, and read from there. */
    if (form == HONE_OPERAND_MATRIX && summed == 0 && b->waiting > 0 && b->waiting < HONE_STEPS_MAX) {
        HONE_TRY(elementwise(b, &b->d, b->factors, b->waiting, operand.stride, HONE_MATMUL_STEP0 + index));
        memcpy(b->d.stride, operand.stride, sizeof operand.stride);
        b->d.from = (hone_source){0, HONE_FROM_GRADIENT, HONE_MATMUL_STEP0 + index};
        b->waiting = 0;
        return HONE_OK;
    }
    bool numbers = b->waiting < HONE_STEPS_MAX;
    for (int i = 0; i < b->waiting; i++) numbers &= b->factors[i].kind == HONE_STEP_SCALE;
    if (!numbers) HONE_TRY(settle(b));
    return sum(b, summed, operand.stride, operand.type, HONE_MATMUL_STEP0 + index);
}

/* x * t[j]: D by what went into it gives t's, and t is one more factor of D. */
static hone_status scaled(builder *b, int index)
{
    const hone_matmul_problem *p = b->p;
    view                       operand = step_view(p, index);
    const unsigned             summed = repeated(p, index, &operand);
    HONE_CHECK(index > 0 && p->step[index - 1].kind == HONE_STEP_STORE, HONE_ERROR_UNSUPPORTED,
               "matmul: the gradient needs what went into step %d ('%s'); keep it by a 'store' step right before",
               index, hone_step_name(p->step[index].kind));
    HONE_TRY(settle(b));
    if (elements_of(&operand, ~summed))
        HONE_TRY(dots(b, step_view(p, index - 1), summed, &operand, HONE_MATMUL_STEP0 + index));
    b->factors[b->waiting++] = (factor){.kind = (hone_step_kind)p->step[index].kind, .operand = operand};
    return HONE_OK;
}

static hone_status back(builder *b, int index)
{
    hone_step_kind kind = (hone_step_kind)b->p->step[index].kind;
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_RESIDUAL: return added(b, index);
    case HONE_STEP_RELU: return activation(b, index, HONE_STEP_RELU_GRADIENT);
    case HONE_STEP_GELU: return activation(b, index, HONE_STEP_GELU_GRADIENT);
    case HONE_STEP_GELU_ERF: return activation(b, index, HONE_STEP_GELU_ERF_GRADIENT);
    case HONE_STEP_SILU: return activation(b, index, HONE_STEP_SILU_GRADIENT);
    case HONE_STEP_SCALE:
        b->factors[b->waiting++] = (factor){.kind = kind, .scalar = 1 + HONE_MATMUL_VALUE0 + index};
        return HONE_OK;
    case HONE_STEP_SHIFT:
    case HONE_STEP_STORE:
    case HONE_STEP_NONE: return HONE_OK;
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS: return scaled(b, index);
    default: break;
    }
    return hone_fail(HONE_ERROR_UNSUPPORTED,
                     "matmul: step %d ('%s') is part of a backward product itself; its own gradient is not defined",
                     index, hone_step_name(kind));
}

hone_status hone_matmul_gradient(const void *problem, hone_gradient *out)
{
    const hone_matmul_problem *p = problem;
    builder                    b = {.p = p, .out = out};
    out->count = 0;
    HONE_TRY(hone_matmul_check(p));
    HONE_CHECK(!hone_matmul_integers(p), HONE_ERROR_UNSUPPORTED,
               "matmul: a is %s and b is %s: whole numbers have no gradient; ask for that of a product of real numbers",
               hone_dtype_name((hone_dtype)p->type_a), hone_dtype_name((hone_dtype)p->type_b));
    HONE_CHECK(!p->pointers, HONE_ERROR_UNSUPPORTED,
               "matmul: no gradient of arrays of pointers is defined; use a batch");
    HONE_CHECK(!hone_matmul_packed_b(p), HONE_ERROR_UNSUPPORTED,
               "matmul: b is packed as %s, and gradients are those of a plain b; unpack it", p->b_layout);
    b.d = view_of(p, HONE_FROM_GRADIENT, HONE_MATMUL_C, p->type_c, p->m, p->n, p->c_row, p->c_column, p->c_batch);
    for (int i = p->step_count - 1; i >= 0; i--) HONE_TRY(back(&b, i));
    if (!factors_by_the_way(&b)) HONE_TRY(settle(&b));

    view at_a = view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_A, p->type_a, p->m, p->k, p->a_row, p->a_column, p->a_batch);
    view at_b = view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_B, p->type_b, p->k, p->n, p->b_row, p->b_column, p->b_batch);
    if (p->m && p->k) HONE_TRY(product(&b, b.d, at_b, at_a.type, p->a_row, p->a_column, p->a_batch, HONE_MATMUL_A));
    if (p->k && p->n && !hone_matmul_is_scaled(p))
        HONE_TRY(product(&b, swapped(at_a), swapped(b.d), at_b.type, p->b_row, p->b_column, p->b_batch, HONE_MATMUL_B));
    if (p->reads_c) {
        if (b.waiting > HONE_STEPS_MAX - 2) HONE_TRY(settle(&b)); /* D itself is one step, beta another */
        b.factors[b.waiting++] = (factor){.kind = HONE_STEP_SCALE, .scalar = 1 + HONE_MATMUL_BETA};
        int64_t stride[DIMENSIONS_MAX] = {0};
        memcpy(stride, p->c_batch, (size_t)p->batch_rank * sizeof *stride);
        stride[p->batch_rank] = p->c_row, stride[p->batch_rank + 1] = p->c_column;
        HONE_TRY(elementwise(&b, &b.d, b.factors, b.waiting, stride, HONE_MATMUL_C));
    }
    return HONE_OK;
}
