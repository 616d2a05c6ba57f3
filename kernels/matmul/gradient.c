/* The backward pass of c = steps(alpha * a * b + beta * c0), as matmuls.
 *
 * D, what is known of the gradient, starts as that of c and goes back through the steps: a scale or an activation
 * multiplies it, a bias is D summed over what the bias was repeated along, a residual is D itself. What is left at the
 * beginning gives
 *
 *     da = alpha * D * b^T      db = alpha * a^T * D      dc0 = beta * D
 *
 * Three shapes of matmul do all of it:
 *
 *     elementwise   k = 0: the product is 0, and the steps +residual (D) +gelu_gradient +scale ... do the rest
 *     sum           D, its kept dimensions as rows and the summed ones as k, times a 1 that repeats
 *     product       where a or b was repeated over the batch, the batch becomes a part of k
 *
 * Summed dimensions must be one stride apart: where they are not, D (or a, or b) is first copied into an order in which
 * they are. Operands without elements (a and b where k = 0) have no source.
 *
 * The slope of an activation is taken at its input, so that must have been kept: by a store step right before it. A
 * relu that is the last step is told from c itself. What a store step wrote is for this pass; it has no gradient of its
 * own.
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
        if (hone_step_operand_of((hone_step_kind)p->step[i].kind) == HONE_OPERAND_NONE) continue;
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

/* D summed over some dimensions; `stride` says where the others go, and what type they are of. */
static hone_status sum(builder *b, unsigned summed, const int64_t *stride, hone_dtype type, int gradient_of)
{
    view    d = b->d;
    int64_t along;
    int     kept[DIMENSIONS_MAX], count = 0;
    if (elements_of(&d, summed) == 1 && d.type == type && d.rank <= DIMENSIONS_MAX)
        return elementwise(b, &d, NULL, 0, stride, gradient_of);
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
    return done(b, step, gradient_of);
}

/* alpha * x * y^T over the last dimension of both and all of the batch that the result repeats: where `batch`, the
 * result's batch strides, are 0. x is [..] rows x k, y is [..] columns x k. */
static hone_status product(builder *b, view x, view y, hone_dtype type, int64_t row, int64_t column,
                           const int64_t *batch, int gradient_of)
{
    int      batches = x.rank - 2, rows = batches, inner = batches + 1;
    unsigned summed = 1u << inner;
    int64_t  along_x, along_y;
    for (int i = 0; i < batches; i++)
        if (batch[i] == 0 && x.shape[i] != 1) summed |= 1u << i;
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

/* --- back through the steps ------------------------------------------------------------------------------------- */

static view step_view(const hone_matmul_problem *p, int index)
{
    const hone_epilogue_step *s = &p->step[index];
    return view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_STEP0 + index, hone_matmul_step_type(p, index), p->m, p->n,
                   s->row_stride, s->column_stride, s->batch_stride);
}

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

/* The gradient of an operand that was added: D, summed over what it was repeated along. */
static hone_status added(builder *b, int index)
{
    const hone_matmul_problem *p = b->p;
    view                       operand = step_view(p, index);
    hone_step_operand          form = hone_step_operand_of((hone_step_kind)p->step[index].kind);
    unsigned                   summed = 0;
    if (form == HONE_OPERAND_COLUMNS) summed |= 1u << (operand.rank - 2);
    if (form == HONE_OPERAND_ROWS) summed |= 1u << (operand.rank - 1);
    for (int i = 0; i < p->batch_rank; i++)
        if (operand.stride[i] == 0 && operand.shape[i] != 1) summed |= 1u << i;
    if (elements_of(&operand, ~summed) == 0) return HONE_OK;
    HONE_TRY(settle(b));
    return sum(b, summed, operand.stride, operand.type, HONE_MATMUL_STEP0 + index);
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
    case HONE_STEP_SCALE_ROWS:
        return hone_fail(HONE_ERROR_UNSUPPORTED,
                         "matmul: step %d ('%s') has a scale for each place, whose gradient no matmul gives; 'scale', "
                         "with one for all, has none", index, hone_step_name(kind));
    case HONE_STEP_RELU_GRADIENT:
    case HONE_STEP_GELU_GRADIENT:
    case HONE_STEP_GELU_ERF_GRADIENT:
    case HONE_STEP_SILU_GRADIENT: break;
    }
    return hone_fail(HONE_ERROR_UNSUPPORTED,
                     "matmul: step %d ('%s') is a gradient itself; its own gradient is not defined", index,
                     hone_step_name(kind));
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
    HONE_TRY(settle(&b));

    view at_a = view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_A, p->type_a, p->m, p->k, p->a_row, p->a_column, p->a_batch);
    view at_b = view_of(p, HONE_FROM_FORWARD, HONE_MATMUL_B, p->type_b, p->k, p->n, p->b_row, p->b_column, p->b_batch);
    if (p->m && p->k) HONE_TRY(product(&b, b.d, at_b, at_a.type, p->a_row, p->a_column, p->a_batch, HONE_MATMUL_A));
    if (p->k && p->n)
        HONE_TRY(product(&b, swapped(at_a), swapped(b.d), at_b.type, p->b_row, p->b_column, p->b_batch, HONE_MATMUL_B));
    if (p->reads_c) {
        factor  beta = {.kind = HONE_STEP_SCALE, .scalar = 1 + HONE_MATMUL_BETA};
        int64_t stride[DIMENSIONS_MAX] = {0};
        memcpy(stride, p->c_batch, (size_t)p->batch_rank * sizeof *stride);
        stride[p->batch_rank] = p->c_row, stride[p->batch_rank + 1] = p->c_column;
        HONE_TRY(elementwise(&b, &b.d, &beta, 1, stride, HONE_MATMUL_C));
    }
    return HONE_OK;
}
