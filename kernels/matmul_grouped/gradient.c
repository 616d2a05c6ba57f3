/* The backward pass of a grouped matmul, as grouped matmuls: like matmul's own (kernels/matmul/gradient.c), D going
 * back through the steps. Then
 *
 *     rows   da[rows of g] = alpha * D[rows of g] * b[g]^T       rows again, with b turned
 *            db[g] = alpha * a[rows of g]^T * D[rows of g]       sums
 *     sums   da[:, k of g] = alpha * D[g] * b[k of g]^T          rows, of all three turned
 *            db[k of g] = alpha * a[:, k of g]^T * D[g]          rows
 *
 * What goes through the steps is done to the rows of groups alone (k = 0: the product is 0, and the steps do the rest).
 * Gradients of rows that belong to no group are left as they are. */
#include <string.h>

#include "base/status.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

/* A matrix of the backward pass. */
typedef struct view {
    hone_source from;
    hone_dtype  type;
    int64_t     row, column;
} view;

typedef struct factor {
    hone_step_kind kind;
    int            scalar; /* 1 + a scalar of the forward problem; 0: none */
    view           operand;
} factor;

typedef struct builder {
    const hone_matmul_grouped_problem *p;
    hone_gradient                     *out;
    view                               d;
    int                                waiting;
    factor                             factors[HONE_STEPS_MAX];
} builder;

/* --- one problem of the pass ------------------------------------------------------------------------------------ */

static void source(hone_gradient_step *step, int role, hone_source from)
{
    from.role = role;
    step->source[step->source_count++] = from;
}

static hone_gradient_step *begin(builder *b)
{
    if (b->out->count == HONE_GRADIENT_STEPS_MAX) {
        hone_fail(HONE_ERROR_UNSUPPORTED, "matmul_grouped: the gradient of this problem takes more than %d products",
                  HONE_GRADIENT_STEPS_MAX);
        return NULL;
    }
    hone_gradient_step *step = &b->out->step[b->out->count];
    memset(step, 0, sizeof *step);
    step->op = "matmul_grouped";
    step->output = HONE_MATMUL_C;
    step->scalar[HONE_MATMUL_ALPHA] = 1;
    return step;
}

/* The next grouped problem, of the forward one's groups; filled in by the caller, ended by done(). NULL, and the
 * sentence, where there is no room for it. */
static hone_matmul_grouped_problem *begin_grouped(builder *b, bool sums, hone_dtype type, int64_t m, int64_t n,
                                                  int64_t k)
{
    hone_gradient_step *step = begin(b);
    if (!step) return NULL;
    hone_matmul_grouped_problem *q = (hone_matmul_grouped_problem *)(void *)step->problem.bytes;
    q->groups = b->p->groups;
    q->offsets = b->p->offsets;
    q->sums = sums;
    q->one = hone_matmul_plain(type, m, n, k);
    source(step, HONE_MATMUL_GROUPED_OFFSETS, (hone_source){0, HONE_FROM_FORWARD, HONE_MATMUL_GROUPED_OFFSETS});
    return q;
}

static hone_gradient_step *now(builder *b)
{
    return &b->out->step[b->out->count];
}

static hone_status done(builder *b, hone_status (*check)(const void *), int gradient_of)
{
    hone_gradient_step *step = now(b);
    if (check(step->problem.bytes))
        return hone_fail_within(HONE_ERROR_UNSUPPORTED, "matmul_grouped: a part of the gradient is no legal problem");
    step->gradient_of = gradient_of;
    b->out->count++;
    return HONE_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

/* Of the rows of groups: D times the factors, where `to` says. */
static hone_status elementwise(builder *b, const factor *factors, int count, int64_t row, int64_t column,
                               hone_dtype type, int gradient_of)
{
    const hone_matmul_problem   *one = &b->p->one;
    hone_matmul_grouped_problem *q = begin_grouped(b, false, b->d.type, one->m, one->n, 0);
    if (!q) return HONE_ERROR_UNSUPPORTED;
    q->one.type_c = (uint8_t)type;
    q->one.c_row = row, q->one.c_column = column;
    q->one.step_count = (uint8_t)(1 + count);
    for (int i = 0; i <= count; i++) {
        const view *operand = i ? &factors[i - 1].operand : &b->d;
        q->one.step[i].kind = i ? factors[i - 1].kind : HONE_STEP_RESIDUAL;
        if (i) now(b)->scalar_from[HONE_MATMUL_VALUE0 + i] = factors[i - 1].scalar;
        if (hone_step_operand_of((hone_step_kind)q->one.step[i].kind) == HONE_OPERAND_NONE) continue;
        q->one.step[i].row_stride = operand->row;
        q->one.step[i].column_stride = operand->column;
        source(now(b), HONE_MATMUL_STEP0 + i, operand->from);
    }
    hone_matmul_grouped_usual(q, &q->group_stride, q->step_group);
    return done(b, hone_matmul_grouped_check, gradient_of);
}

static void now_d(builder *b, int64_t row, int64_t column)
{
    b->d.from = (hone_source){0, HONE_FROM_STEP, b->out->count - 1};
    b->d.row = row, b->d.column = column;
}

/* Multiplies D by the factors that wait. */
static hone_status settle(builder *b)
{
    enum { AT_ONCE = HONE_STEPS_MAX - 1 };
    for (int from = 0; from < b->waiting; from += AT_ONCE) {
        const int count = b->waiting - from < AT_ONCE ? b->waiting - from : AT_ONCE;
        HONE_TRY(elementwise(b, b->factors + from, count, b->p->one.n, 1, b->d.type, -1));
        now_d(b, b->p->one.n, 1);
    }
    b->waiting = 0;
    return HONE_OK;
}

/* c[g] = the rows of D in g, summed: a of ones. */
static hone_status column_sums(builder *b, int64_t column, int64_t group, hone_dtype type, int gradient_of)
{
    const hone_matmul_problem   *one = &b->p->one;
    hone_matmul_grouped_problem *q = begin_grouped(b, true, b->d.type, 1, one->n, one->m);
    if (!q) return HONE_ERROR_UNSUPPORTED;
    q->one.type_c = (uint8_t)type;
    q->one.a_row = q->one.a_column = 0;
    q->one.b_row = b->d.row, q->one.b_column = b->d.column;
    q->one.c_column = column;
    q->group_stride = group;
    source(now(b), HONE_MATMUL_A, (hone_source){0, HONE_FROM_ONE, 0});
    source(now(b), HONE_MATMUL_B, b->d.from);
    return done(b, hone_matmul_grouped_check, gradient_of);
}

static hone_status bias(builder *b, int index)
{
    const hone_matmul_grouped_problem *p = b->p;
    const hone_matmul_problem         *one = &p->one;
    const hone_dtype                   type = hone_matmul_step_type(one, index);
    const int64_t                      column = one->step[index].column_stride;
    if (!one->n || !p->groups) return HONE_OK;
    HONE_TRY(settle(b));
    if (p->step_group[index] || p->groups == 1)
        return column_sums(b, column, p->step_group[index], type, HONE_MATMUL_STEP0 + index);
    /* One for all groups: those of each, and then their sum. */
    HONE_TRY(column_sums(b, 1, one->n, HONE_F64 == type ? HONE_F64 : HONE_F32, -1));
    const hone_source made = {0, HONE_FROM_STEP, b->out->count - 1};
    hone_gradient_step *step = begin(b);
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *q = (hone_matmul_problem *)(void *)step->problem.bytes;
    step->op = "matmul";
    *q = hone_matmul_plain(type == HONE_F64 ? HONE_F64 : HONE_F32, 1, one->n, p->groups);
    q->type_c = (uint8_t)type;
    q->a_row = q->a_column = 0;
    q->c_column = column;
    source(step, HONE_MATMUL_A, (hone_source){0, HONE_FROM_ONE, 0});
    source(step, HONE_MATMUL_B, made);
    return done(b, hone_matmul_check, HONE_MATMUL_STEP0 + index);
}

static hone_status bias_rows(builder *b, int index)
{
    const hone_matmul_problem *one = &b->p->one;
    if (!one->m) return HONE_OK;
    HONE_TRY(settle(b));
    hone_matmul_grouped_problem *q = begin_grouped(b, false, b->d.type, one->m, 1, one->n);
    if (!q) return HONE_ERROR_UNSUPPORTED;
    q->one.type_c = (uint8_t)hone_matmul_step_type(one, index);
    q->one.a_row = b->d.row, q->one.a_column = b->d.column;
    q->one.b_row = q->one.b_column = 0;
    q->one.c_row = one->step[index].row_stride;
    source(now(b), HONE_MATMUL_A, b->d.from);
    source(now(b), HONE_MATMUL_B, (hone_source){0, HONE_FROM_ONE, 0});
    return done(b, hone_matmul_grouped_check, HONE_MATMUL_STEP0 + index);
}

static view step_view(const hone_matmul_grouped_problem *p, int index)
{
    const hone_epilogue_step *s = &p->one.step[index];
    return (view){{0, HONE_FROM_FORWARD, HONE_MATMUL_STEP0 + index}, hone_matmul_step_type(&p->one, index),
                  s->row_stride, s->column_stride};
}

static hone_status activation(builder *b, int index, hone_step_kind slope)
{
    const hone_matmul_problem *one = &b->p->one;
    factor                     f = {.kind = slope};
    if (index > 0 && one->step[index - 1].kind == HONE_STEP_STORE)
        f.operand = step_view(b->p, index - 1);
    else if (slope == HONE_STEP_RELU_GRADIENT && index == one->step_count - 1)
        f.operand = (view){{0, HONE_FROM_FORWARD, HONE_MATMUL_C}, (hone_dtype)one->type_c, one->c_row, one->c_column};
    else
        return hone_fail(HONE_ERROR_UNSUPPORTED,
                         "matmul_grouped: the gradient needs what went into step %d ('%s'); keep it by a 'store' step "
                         "right before",
                         index, hone_step_name(one->step[index].kind));
    b->factors[b->waiting++] = f;
    return HONE_OK;
}

static hone_status residual(builder *b, int index)
{
    const hone_epilogue_step *s = &b->p->one.step[index];
    if (!b->p->one.m || !b->p->one.n) return HONE_OK;
    HONE_TRY(settle(b));
    return elementwise(b, NULL, 0, s->row_stride, s->column_stride, hone_matmul_step_type(&b->p->one, index),
                       HONE_MATMUL_STEP0 + index);
}

static hone_status back(builder *b, int index)
{
    const hone_step_kind kind = (hone_step_kind)b->p->one.step[index].kind;
    switch (kind) {
    case HONE_STEP_BIAS: return bias(b, index);
    case HONE_STEP_BIAS_ROWS: return bias_rows(b, index);
    case HONE_STEP_RESIDUAL: return residual(b, index);
    case HONE_STEP_RELU: return activation(b, index, HONE_STEP_RELU_GRADIENT);
    case HONE_STEP_GELU: return activation(b, index, HONE_STEP_GELU_GRADIENT);
    case HONE_STEP_GELU_ERF: return activation(b, index, HONE_STEP_GELU_ERF_GRADIENT);
    case HONE_STEP_SILU: return activation(b, index, HONE_STEP_SILU_GRADIENT);
    case HONE_STEP_SCALE:
        b->factors[b->waiting++] = (factor){.kind = kind, .scalar = 1 + HONE_MATMUL_VALUE0 + index};
        return HONE_OK;
    case HONE_STEP_SHIFT:
    case HONE_STEP_STORE: return HONE_OK;
    default: break;
    }
    return hone_fail(HONE_ERROR_UNSUPPORTED, "matmul_grouped: no gradient of step %d ('%s') is defined", index,
                     hone_step_name(kind));
}

/* --- products --------------------------------------------------------------------------------------------------- */

/* c = alpha * a * b of these matrices, with alpha as in the forward problem. */
static hone_status product(builder *b, bool sums, const view *a, const view *other, int64_t group, const view *to,
                           int64_t to_group, int64_t m, int64_t n, int64_t k, int gradient_of)
{
    hone_matmul_grouped_problem *q = begin_grouped(b, sums, a->type, m, n, k);
    if (!q) return HONE_ERROR_UNSUPPORTED;
    q->one.type_b = (uint8_t)other->type, q->one.type_c = (uint8_t)to->type;
    q->one.a_row = a->row, q->one.a_column = a->column;
    q->one.b_row = other->row, q->one.b_column = other->column;
    q->one.c_row = to->row, q->one.c_column = to->column;
    q->group_stride = sums ? to_group : group;
    now(b)->scalar_from[HONE_MATMUL_ALPHA] = 1 + HONE_MATMUL_ALPHA;
    source(now(b), HONE_MATMUL_A, a->from);
    source(now(b), HONE_MATMUL_B, other->from);
    return done(b, hone_matmul_grouped_check, gradient_of);
}

static view turned(view v)
{
    return (view){v.from, v.type, v.column, v.row};
}

/* Sums: c has a matrix for each group, and beta's gradient is that of a batch. */
static hone_status old_sums(builder *b)
{
    const hone_matmul_grouped_problem *p = b->p;
    hone_gradient_step                *step = begin(b);
    if (!step) return HONE_ERROR_UNSUPPORTED;
    hone_matmul_problem *q = (hone_matmul_problem *)(void *)step->problem.bytes;
    step->op = "matmul";
    *q = hone_matmul_plain(b->d.type, p->one.m, p->one.n, 0);
    q->c_row = p->one.c_row, q->c_column = p->one.c_column;
    q->batch_rank = 1;
    q->batch[0] = p->groups;
    q->c_batch[0] = p->group_stride;
    q->step_count = 2;
    q->step[0] = (hone_epilogue_step){HONE_STEP_RESIDUAL, 0, q->c_row, q->c_column, {p->group_stride}};
    q->step[1].kind = HONE_STEP_SCALE;
    hone_matmul_dense_batch(q, 0, q->a_batch);
    hone_matmul_dense_batch(q, q->n, q->b_batch);
    step->scalar_from[HONE_MATMUL_VALUE0 + 1] = 1 + HONE_MATMUL_BETA;
    source(step, HONE_MATMUL_STEP0, b->d.from);
    return done(b, hone_matmul_check, HONE_MATMUL_C);
}

hone_status hone_matmul_grouped_gradient(const void *problem, hone_gradient *out)
{
    const hone_matmul_grouped_problem *p = problem;
    const hone_matmul_problem         *one = &p->one;
    builder                            b = {.p = p, .out = out};
    out->count = 0;
    HONE_TRY(hone_matmul_grouped_check(p));
    HONE_CHECK(p->sums || p->group_stride || p->groups < 2, HONE_ERROR_UNSUPPORTED,
               "matmul_grouped: all %" PRId64 " groups have one b; that is a matmul, whose gradient is defined",
               p->groups);
    b.d = (view){{0, HONE_FROM_GRADIENT, HONE_MATMUL_C}, (hone_dtype)one->type_c, one->c_row, one->c_column};
    for (int i = one->step_count - 1; i >= 0; i--) HONE_TRY(back(&b, i));
    HONE_TRY(settle(&b));
    const view at_a = {{0, HONE_FROM_FORWARD, HONE_MATMUL_A}, (hone_dtype)one->type_a, one->a_row, one->a_column};
    const view at_b = {{0, HONE_FROM_FORWARD, HONE_MATMUL_B}, (hone_dtype)one->type_b, one->b_row, one->b_column};
    const view a_turned = turned(at_a), b_turned = turned(at_b), d_turned = turned(b.d);
    if (p->sums) {
        if (one->m && one->k)
            HONE_TRY(product(&b, false, &at_b, &d_turned, p->group_stride, &a_turned, 0, one->k, one->m, one->n,
                             HONE_MATMUL_A));
        if (one->k && one->n)
            HONE_TRY(product(&b, false, &a_turned, &b.d, p->group_stride, &at_b, 0, one->k, one->n, one->m,
                             HONE_MATMUL_B));
        return one->reads_c ? old_sums(&b) : HONE_OK;
    }
    if (one->m && one->k)
        HONE_TRY(product(&b, false, &b.d, &b_turned, p->group_stride, &at_a, 0, one->m, one->k, one->n, HONE_MATMUL_A));
    if (one->k && one->n && p->groups)
        HONE_TRY(product(&b, true, &a_turned, &b.d, 0, &at_b, p->group_stride, one->k, one->n, one->m, HONE_MATMUL_B));
    if (!one->reads_c) return HONE_OK;
    const factor beta = {.kind = HONE_STEP_SCALE, .scalar = 1 + HONE_MATMUL_BETA};
    return elementwise(&b, &beta, 1, one->c_row, one->c_column, b.d.type, HONE_MATMUL_C);
}
