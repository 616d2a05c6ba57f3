/* The door of matmul: tensors become a problem, its arguments and its scalars.
 *
 * What a tensor says about itself is checked in every call (view.c), what the problem means once a plan (the op's own
 * check), and that what is written overlaps nothing, in every call again, since that rests on addresses. */
#include <string.h>

#include "base/element.h"
#include "base/overlap.h"
#include "base/size.h"
#include "kernels/matmul/parts.h"
#include "runtime/hall.h"
#include "runtime/ops/matmul.h"
#include "runtime/ops/weights.h"

enum { LEAD_MAX = HONE_RANK_MAX - 2 };

typedef hone_rt_matmul_call matmul_call;

static const char *const operand_names[HONE_MATMUL_OPERANDS] = {"matmul: a",
                                                                "matmul: b",
                                                                "matmul: c",
                                                                "matmul: the operand of step 0",
                                                                "matmul: the operand of step 1",
                                                                "matmul: the operand of step 2",
                                                                "matmul: the operand of step 3",
                                                                "matmul: b_scales",
                                                                "matmul: b_zeros"};

static const hone_matmul_options plain = HONE_MATMUL_OPTIONS;

/* --- shapes ---------------------------------------------------------------------------------------------------- */

static hone_status check_options(const hone_matmul_options *o)
{
    HONE_CHECK(o->size == sizeof *o, HONE_ERROR_ARGUMENT,
               "matmul: options.size is %zu, where sizeof(hone_matmul_options) is %zu; start from HONE_MATMUL_OPTIONS",
               o->size, sizeof *o);
    HONE_CHECK(o->step_count >= 0 && o->step_count <= HONE_STEPS_MAX, HONE_ERROR_ARGUMENT,
               "matmul: %d steps; there may be 0 .. %d", o->step_count, HONE_STEPS_MAX);
    HONE_CHECK((o->accuracy & ~HONE_ACCURACY_ALL) == 0, HONE_ERROR_ARGUMENT,
               "matmul: accuracy is 0x%x, which has bits that are no HONE_ACCURACY", o->accuracy);
    HONE_CHECK(o->b_group >= 0, HONE_ERROR_ARGUMENT,
               "matmul: b_group is %" PRId64 "; it is how many k share a scale, 0 for all", o->b_group);
    HONE_CHECK(o->b_scales || (!o->b_zeros && !o->b_group), HONE_ERROR_ARGUMENT,
               "matmul: %s is told, but b_scales is NULL; it goes with scales", o->b_zeros ? "b_zeros" : "b_group");
    return HONE_OK;
}

static hone_status check_matrix(const hone_tensor *t, int at, int rank_max)
{
    HONE_CHECK(t->rank >= 2, HONE_ERROR_SHAPE, "%s has rank %d; a matrix has 2, a batch of them more",
               operand_names[at], t->rank);
    HONE_CHECK(t->rank <= rank_max, HONE_ERROR_SHAPE, "%s has rank %d, c has %d; only c's batch may be larger",
               operand_names[at], t->rank, rank_max);
    return HONE_OK;
}

static hone_status check_products(const hone_tensor *a, const hone_tensor *b, const hone_tensor *c)
{
    int64_t m = c->shape[c->rank - 2], n = c->shape[c->rank - 1];
    int64_t a_m = a->shape[a->rank - 2], a_k = a->shape[a->rank - 1];
    int64_t b_k = b->shape[b->rank - 2], b_n = b->shape[b->rank - 1];
    HONE_CHECK(a_k == b_k, HONE_ERROR_SHAPE,
               "matmul: a has %" PRId64 " columns, b has %" PRId64 " rows; they must agree", a_k, b_k);
    HONE_CHECK(m == a_m, HONE_ERROR_SHAPE, "matmul: c has %" PRId64 " rows, a has %" PRId64 "; they must agree", m,
               a_m);
    HONE_CHECK(n == b_n, HONE_ERROR_SHAPE, "matmul: c has %" PRId64 " columns, b has %" PRId64 "; they must agree", n,
               b_n);
    return HONE_OK;
}

/* The leading dimensions of an operand, `own` of them, as strides along c's `lead`: 0 where it repeats. */
static hone_status broadcast(const matmul_call *call, int at, int own, int64_t *stride)
{
    const hone_tensor *t = call->tensor[at], *c = call->tensor[HONE_MATMUL_C];
    int                lead = c->rank - 2;
    for (int i = 0; i < lead; i++) {
        int     from = i - (lead - own);
        int64_t extent = from < 0 ? 1 : t->shape[from];
        HONE_CHECK(extent == c->shape[i] || (extent == 1 && at != HONE_MATMUL_C), HONE_ERROR_SHAPE,
                   "%s: its batch extent %d is %" PRId64 ", c's is %" PRId64 "; it must be that, or 1",
                   operand_names[at], from, extent, c->shape[i]);
        stride[i] = extent == 1 ? 0 : t->stride[from];
    }
    return HONE_OK;
}

/* Zero points: only whether they are 0 is part of the problem. */
static hone_status add_zeros(matmul_call *call, const hone_matmul_options *o)
{
    const double     values[] = {o->a_zero, o->b_zero};
    const hone_dtype types[] = {call->tensor[HONE_MATMUL_A]->dtype, call->tensor[HONE_MATMUL_B]->dtype};
    for (int i = 0; i < 2; i++) {
        if (values[i] == 0) continue;
        HONE_CHECK(hone_dtype_floats(types[i]) || hone_element_rounded(types[i], values[i]) == values[i],
                   HONE_ERROR_ARGUMENT, "matmul: %s is %g; it should be a whole number that %s, which is %s, can hold",
                   i ? "b_zero" : "a_zero", values[i], i ? "b" : "a", hone_dtype_name(types[i]));
        call->problem.zeros |= (uint8_t)(i ? HONE_MATMUL_ZERO_B : HONE_MATMUL_ZERO_A);
    }
    if (!call->problem.zeros) return HONE_OK;
    for (int i = call->scalars; i < HONE_MATMUL_VALUES; i++) call->scalar[i] = (hone_scalar){0, NULL};
    call->scalars = HONE_MATMUL_VALUES;
    call->scalar[HONE_MATMUL_A_ZERO].value = o->a_zero;
    call->scalar[HONE_MATMUL_B_ZERO].value = o->b_zero;
    return HONE_OK;
}

static hone_status add_step(matmul_call *call, const hone_step *given, int index)
{
    hone_epilogue_step *step = &call->problem.step[index];
    const hone_tensor  *t = given->tensor, *c = call->tensor[HONE_MATMUL_C];
    int                 at = HONE_MATMUL_STEP0 + index;
    HONE_CHECK(given->kind > HONE_STEP_NONE && given->kind <= HONE_STEP_B_SILU_GRADIENT, HONE_ERROR_ARGUMENT,
               "matmul: step %d is of the kind %d, which is none", index, (int)given->kind);
    hone_step_operand wants = hone_step_operand_of(given->kind);
    step->kind = given->kind;
    call->scalar[HONE_MATMUL_VALUE0 + index].value = given->value;
    if (wants == HONE_OPERAND_NONE) return HONE_OK; /* a tensor given needlessly is not looked at */
    int own = hone_operand_is_matrix(wants) ? 2 : 1;
    HONE_CHECK(t, HONE_ERROR_ARGUMENT, "%s is NULL; the step needs one", operand_names[at]);
    HONE_CHECK(t->rank >= own && t->rank - own <= c->rank - 2, HONE_ERROR_SHAPE,
               "%s has rank %d; the step takes %s, with no more batch dimensions than c", operand_names[at], t->rank,
               own == 2 ? "a matrix" : "a vector");
    /* What vectors are, f32 beside whole numbers; and may be, f32 beside a c of fewer bits: the op's own check. */
    hone_dtype usual = hone_matmul_step_type(&call->problem, index);
    const int          beside = hone_step_of_a(given->kind)   ? HONE_MATMUL_A
                                : hone_step_of_b(given->kind) ? HONE_MATMUL_B
                                                              : HONE_MATMUL_C;
    const hone_tensor *other = call->tensor[beside];
    HONE_CHECK(t->dtype == usual || (own == 1 && t->dtype == HONE_F32), HONE_ERROR_TYPE,
               usual == other->dtype ? "%s is %s, %c is %s; they must agree%s" : "%s is %s, %c is %s; it must be f32",
               operand_names[at], hone_dtype_name(t->dtype), "abc"[beside], hone_dtype_name(other->dtype),
               own == 1 ? ", or it be f32 beside bf16 or f16" : "");
    step->type = t->dtype == usual ? 0 : (int32_t)t->dtype;
    if (own == 1) other = c;
    int64_t rows = other->shape[other->rank - 2], columns = other->shape[other->rank - 1];
    int64_t last = t->shape[t->rank - 1], length = wants == HONE_OPERAND_ROWS ? rows : columns;
    HONE_CHECK(last == length, HONE_ERROR_SHAPE,
               "%s has %" PRId64 " elements along its last dimension; %c wants %" PRId64, operand_names[at], last,
               own == 1 ? 'c' : "abc"[beside], length);
    HONE_CHECK(own == 1 || t->shape[t->rank - 2] == rows, HONE_ERROR_SHAPE,
               "%s has %" PRId64 " rows, %c has %" PRId64 "; they must agree", operand_names[at],
               t->shape[t->rank - 2], "abc"[beside], rows);
    int64_t stride = t->stride[t->rank - 1];
    if (wants == HONE_OPERAND_ROWS)
        step->row_stride = stride;
    else
        step->column_stride = stride;
    if (own == 2) step->row_stride = t->stride[t->rank - 2];
    call->tensor[at] = t;
    return HONE_OK;
}

/* Scales or zeros of weights: a matrix of groups of k by columns. */
static hone_status add_groups(matmul_call *call, const hone_tensor *t, int at, hone_matmul_groups *lie)
{
    const hone_matmul_problem *p = &call->problem;
    const hone_tensor         *c = call->tensor[HONE_MATMUL_C];
    const int64_t              groups = hone_matmul_group_count(p->k, p->group_k);
    HONE_TRY(check_matrix(t, at, c->rank));
    HONE_CHECK(t->dtype == (hone_dtype)p->type_scale, HONE_ERROR_TYPE, "%s is %s, b_scales is %s; they must agree",
               operand_names[at], hone_dtype_name(t->dtype), hone_dtype_name((hone_dtype)p->type_scale));
    HONE_CHECK(t->shape[t->rank - 2] == groups && t->shape[t->rank - 1] == p->n, HONE_ERROR_SHAPE,
               "%s is %" PRId64 "x%" PRId64 "; %" PRId64 " k in groups of %" PRId64 ", and %" PRId64
               " columns, want %" PRId64 "x%" PRId64, operand_names[at], t->shape[t->rank - 2], t->shape[t->rank - 1],
               p->k, p->group_k ? p->group_k : p->k, p->n, groups, p->n);
    lie->row = t->stride[t->rank - 2];
    lie->column = t->stride[t->rank - 1];
    call->tensor[at] = t;
    return HONE_OK;
}

static hone_status add_scales(matmul_call *call, const hone_matmul_options *o)
{
    hone_matmul_problem *p = &call->problem;
    if (!o->b_scales) return HONE_OK;
    p->type_scale = (uint8_t)o->b_scales->dtype;
    HONE_CHECK(p->type_scale, HONE_ERROR_TYPE, "matmul: b_scales has the type 0, which is none");
    p->group_k = o->b_group < p->k ? o->b_group : 0; /* one that holds all k has one form */
    p->group_n = 1;
    HONE_TRY(add_groups(call, o->b_scales, HONE_MATMUL_B_SCALES, &p->scale));
    if (!o->b_zeros) return HONE_OK;
    p->zeros |= HONE_MATMUL_ZERO_GROUPS;
    return add_groups(call, o->b_zeros, HONE_MATMUL_B_ZEROS, &p->zero);
}

/* --- equal questions, equal problems ---------------------------------------------------------------------------- */

/* A stride along an extent of 1 means nothing, nor does any of an empty matrix: the one a dense row-major matrix would
 * have stands for all, so that a problem has one form, and its text is the one that people write. */
void hone_rt_matmul_settle(int64_t rows, int64_t columns, int64_t *row, int64_t *column)
{
    if (rows == 0 || columns == 0) {
        *row = columns;
        *column = 1;
    }
    if (columns == 1) *column = 1;
    if (rows == 1) *row = *column == 1 ? columns : 1;
}

/* The same for elements of four bits, whose lines begin with a byte. */
void hone_rt_matmul_settle_as(hone_dtype type, int64_t rows, int64_t columns, int64_t *row, int64_t *column)
{
    const int bits = hone_dtype_bits(type);
    hone_rt_matmul_settle(rows, columns, row, column);
    if (bits == 4 && columns == 1 && rows > 1 && *row == 1)
        *column = hone_matmul_line(bits, rows);
    else if (bits == 4 && (rows <= 1 || columns == 0) && *column == 1)
        *row = hone_matmul_line(bits, columns);
}

/* The batch with its extents of 1 dropped, and neighbours merged that every operand steps through evenly. */
static hone_status merge_batch(matmul_call *call, int lead, int64_t strides[HONE_MATMUL_OPERANDS][LEAD_MAX])
{
    hone_matmul_problem *p = &call->problem;
    const int64_t       *extent = call->tensor[HONE_MATMUL_C]->shape;
    int64_t              merged[LEAD_MAX];
    int                  count = 0;
    for (int i = 0; i < lead; i++) {
        if (extent[i] == 1) continue;
        bool even = count > 0;
        for (int o = 0; o < call->operands && even; o++)
            even = !call->tensor[o] || strides[o][count - 1] == strides[o][i] * extent[i];
        int to = even ? count - 1 : count++;
        merged[to] = even ? merged[to] * extent[i] : extent[i];
        for (int o = 0; o < call->operands; o++) strides[o][to] = strides[o][i];
    }
    HONE_CHECK(count <= HONE_BATCH_MAX, HONE_ERROR_UNSUPPORTED,
               "matmul: %d batch dimensions that do not merge; there may be %d. Copy an operand to a denser layout",
               count, HONE_BATCH_MAX);
    p->batch_rank = (uint8_t)count;
    for (int i = 0; i < count; i++) {
        p->batch[i] = merged[i];
        p->a_batch[i] = strides[HONE_MATMUL_A][i];
        p->b_batch[i] = strides[HONE_MATMUL_B][i];
        p->c_batch[i] = strides[HONE_MATMUL_C][i];
        if (call->tensor[HONE_MATMUL_B_SCALES]) p->scale.batch[i] = strides[HONE_MATMUL_B_SCALES][i];
        if (call->tensor[HONE_MATMUL_B_ZEROS]) p->zero.batch[i] = strides[HONE_MATMUL_B_ZEROS][i];
        for (int s = 0; s < p->step_count; s++)
            if (call->tensor[HONE_MATMUL_STEP0 + s]) p->step[s].batch_stride[i] = strides[HONE_MATMUL_STEP0 + s][i];
    }
    return HONE_OK;
}

/* Does stepping by a batch's stride go on where the last row ended? */
static bool rows_go_on(int64_t m, int64_t row, int64_t batch)
{
    return m == 1 || batch == m * row;
}

/* A batch that shares b, and whose rows follow one another, is one taller product: [batch, time, features] x weights.
 */
static void fold_batch_into_rows(hone_matmul_problem *p)
{
    if (p->batch_rank != 1 || p->b_batch[0] != 0 || p->scale.batch[0] != 0 || p->zero.batch[0] != 0) return;
    if (!rows_go_on(p->m, p->a_row, p->a_batch[0]) || !rows_go_on(p->m, p->c_row, p->c_batch[0])) return;
    for (int s = 0; s < p->step_count; s++) {
        const hone_epilogue_step *step = &p->step[s];
        switch (hone_step_operand_of((hone_step_kind)step->kind)) {
        case HONE_OPERAND_NONE: break;
        case HONE_OPERAND_COLUMNS:
        case HONE_OPERAND_B:
            if (step->batch_stride[0] != 0) return;
            break;
        case HONE_OPERAND_ROWS:
        case HONE_OPERAND_A:
        case HONE_OPERAND_MATRIX:
            if (!rows_go_on(p->m, step->row_stride, step->batch_stride[0])) return;
            break;
        }
    }
    if (p->m == 1) {
        p->a_row = p->a_batch[0];
        p->c_row = p->c_batch[0];
        for (int s = 0; s < p->step_count; s++) {
            hone_step_operand operand = hone_step_operand_of((hone_step_kind)p->step[s].kind);
            if (operand == HONE_OPERAND_ROWS || operand == HONE_OPERAND_MATRIX || operand == HONE_OPERAND_A)
                p->step[s].row_stride = p->step[s].batch_stride[0];
        }
    }
    p->m *= p->batch[0];
    p->batch_rank = 0;
    p->batch[0] = p->a_batch[0] = p->c_batch[0] = 0;
    for (int s = 0; s < p->step_count; s++) p->step[s].batch_stride[0] = 0;
}

/* The step whose operand this is; NULL: it is none's. */
static const hone_epilogue_step *step_at(const hone_matmul_problem *p, int o)
{
    return o >= HONE_MATMUL_STEP0 && o < HONE_MATMUL_STEP0 + HONE_STEPS_MAX ? &p->step[o - HONE_MATMUL_STEP0] : NULL;
}

static hone_status add_batch(matmul_call *call)
{
    int64_t strides[HONE_MATMUL_OPERANDS][LEAD_MAX];
    int     lead = call->tensor[HONE_MATMUL_C]->rank - 2;
    if (lead == 0) return HONE_OK;
    for (int o = 0; o < call->operands; o++) {
        const hone_tensor *t = call->tensor[o];
        if (!t) {
            memset(strides[o], 0, sizeof strides[o]);
            continue;
        }
        const hone_epilogue_step *step = step_at(&call->problem, o);
        const bool vector = step && !hone_operand_is_matrix(hone_step_operand_of((hone_step_kind)step->kind));
        HONE_TRY(broadcast(call, o, t->rank - (vector ? 1 : 2), strides[o]));
    }
    HONE_TRY(merge_batch(call, lead, strides));
    fold_batch_into_rows(&call->problem);
    return HONE_OK;
}

/* --- the call as a whole ---------------------------------------------------------------------------------------- */

/* The view of a packed b: bytes in a row, whatever its tensor says. */
static void view_weights(matmul_call *call, const hone_rt_weights *weights)
{
    call->weights = weights;
    call->view[HONE_MATMUL_B] = (hone_rt_view){weights->span, 0, (int64_t)weights->span.bytes};
}

/* With `weights` b is their tensor. */
static hone_status describe(matmul_call *call, const hone_be_device *device, const hone_tensor *a, const hone_tensor *b,
                            const hone_rt_weights *weights, const hone_tensor *c, const hone_matmul_options *options,
                            hone_rt_data data)
{
    hone_matmul_problem *p = &call->problem;
    HONE_CHECK(a && b && c, HONE_ERROR_ARGUMENT, "matmul: %s is NULL", !a ? "a" : !b ? "b" : "c");
    if (!options) options = &plain;
    HONE_TRY(check_options(options));
    memset(call, 0, offsetof(hone_rt_matmul_call, view));
    call->operands = options->b_zeros    ? HONE_MATMUL_B_ZEROS + 1
                     : options->b_scales ? HONE_MATMUL_B_SCALES + 1
                                         : HONE_MATMUL_STEP0 + options->step_count;
    call->scalars = HONE_MATMUL_VALUE0 + options->step_count;
    call->tensor[HONE_MATMUL_A] = a;
    call->tensor[HONE_MATMUL_B] = b;
    call->tensor[HONE_MATMUL_C] = c;
    call->scalar[HONE_MATMUL_ALPHA] = (hone_scalar){options->alpha, NULL};
    call->scalar[HONE_MATMUL_BETA] = (hone_scalar){options->beta, NULL};
    HONE_TRY(add_zeros(call, options));
    for (int s = 0; s < options->step_count; s++) call->scalar[HONE_MATMUL_VALUE0 + s] = (hone_scalar){0, NULL};

    if (weights) view_weights(call, weights);
    for (int o = 0; o < HONE_MATMUL_STEP0; o++)
        if (o != HONE_MATMUL_B || !weights)
            HONE_TRY(hone_rt_view_of(call->tensor[o], device, data, operand_names[o], &call->view[o]));
    HONE_TRY(check_matrix(c, HONE_MATMUL_C, HONE_RANK_MAX));
    HONE_TRY(check_matrix(a, HONE_MATMUL_A, c->rank));
    HONE_TRY(check_matrix(b, HONE_MATMUL_B, c->rank));
    HONE_TRY(check_products(a, b, c));

    p->type_a = (uint8_t)a->dtype;
    p->type_b = (uint8_t)b->dtype;
    p->type_c = (uint8_t)c->dtype;
    p->reads_c = options->beta != 0;
    p->accuracy = options->accuracy;
    p->m = c->shape[c->rank - 2];
    p->n = c->shape[c->rank - 1];
    p->k = a->shape[a->rank - 1];
    p->a_row = a->stride[a->rank - 2];
    p->a_column = a->stride[a->rank - 1];
    p->b_row = b->stride[b->rank - 2];
    p->b_column = b->stride[b->rank - 1];
    p->c_row = c->stride[c->rank - 2];
    p->c_column = c->stride[c->rank - 1];
    p->step_count = (uint8_t)options->step_count;
    HONE_TRY(add_scales(call, options));
    for (int s = 0; s < options->step_count; s++) HONE_TRY(add_step(call, &options->steps[s], s));
    for (int o = HONE_MATMUL_STEP0; o < call->operands; o++)
        if (call->tensor[o])
            HONE_TRY(hone_rt_view_of(call->tensor[o], device,
                                     data == HONE_RT_DATA_IGNORED ? HONE_RT_DATA_OPTIONAL : data, operand_names[o],
                                     &call->view[o]));
    HONE_TRY(add_batch(call));
    call->empty = call->view[HONE_MATMUL_C].high == 0;
    call->four_bits = call->view[HONE_MATMUL_B].high - call->view[HONE_MATMUL_B].low;
    hone_rt_matmul_settle(p->m, p->k, &p->a_row, &p->a_column);
    if (!weights) {
        hone_rt_matmul_settle_as((hone_dtype)p->type_b, p->k, p->n, &p->b_row, &p->b_column);
    } else {
        memcpy(p->b_layout, weights->layout.name, sizeof p->b_layout);
        p->b_bytes = weights->layout.bytes;
    }
    hone_rt_matmul_settle(p->m, p->n, &p->c_row, &p->c_column);
    if (call->tensor[HONE_MATMUL_B_SCALES]) hone_matmul_groups_settle(p, &p->scale);
    if (call->tensor[HONE_MATMUL_B_ZEROS]) hone_matmul_groups_settle(p, &p->zero);
    for (int s = 0; s < p->step_count; s++) {
        const hone_step_operand form = hone_step_operand_of((hone_step_kind)p->step[s].kind);
        if (hone_operand_is_matrix(form))
            hone_rt_matmul_settle(form == HONE_OPERAND_B ? p->k : p->m, form == HONE_OPERAND_A ? p->k : p->n,
                                  &p->step[s].row_stride, &p->step[s].column_stride);
    }
    for (int o = 0; o < call->operands; o++) call->span[o] = call->tensor[o] ? call->view[o].span : (hone_span){0};
    return HONE_OK;
}

/* 1 for the types that are packed more densely. */
static unsigned bytes_of(hone_dtype type)
{
    int bits = hone_dtype_bits(type);
    return bits < 8 ? 1 : (unsigned)bits / 8;
}

static uintptr_t address(const hone_rt_view *view)
{
    return view->span.buffer ? (uintptr_t)view->span.buffer->host + view->span.offset : (uintptr_t)view->span.host;
}

static hone_strided strided(const matmul_call *call, int o)
{
    static const int64_t along = 1;
    const hone_tensor   *t = call->tensor[o];
    if (o == HONE_MATMUL_B && !call->weights && hone_dtype_bits(t->dtype) < 8) { /* all bytes from first to last */
        const hone_rt_view *view = &call->view[o];
        return (hone_strided){(const void *)(address(view) + (uintptr_t)view->low), 1, 1, &call->four_bits, &along};
    }
    if (o == HONE_MATMUL_B && call->weights)
        return (hone_strided){(const void *)address(&call->view[o]), 1, 1, &call->view[o].high, &along};
    return (hone_strided){(const void *)address(&call->view[o]), bytes_of(t->dtype), t->rank, t->shape,
                          t->stride};
}

/* A residual that lies exactly where c does is added in place. */
static bool in_place(const matmul_call *call, int o)
{
    const hone_matmul_problem *p = &call->problem;
    const hone_epilogue_step  *step = step_at(p, o);
    if (!step || address(&call->view[o]) != address(&call->view[HONE_MATMUL_C])) return false;
    return step->kind == HONE_STEP_RESIDUAL && step->row_stride == p->c_row && step->column_stride == p->c_column &&
           !memcmp(step->batch_stride, p->c_batch, sizeof p->c_batch);
}

static hone_status check_pair(const matmul_call *call, int written, int other)
{
    const hone_rt_view *w = &call->view[written], *o = &call->view[other];
    if (w->span.buffer != o->span.buffer && (w->span.buffer ? !w->span.buffer->host : !o->span.buffer->host) &&
        (w->span.buffer || o->span.buffer))
        return HONE_OK; /* memory of a device that the host cannot reach is shared by nothing else */
    uintptr_t w_at = address(w), o_at = address(o);
    if (w_at + (uintptr_t)w->high <= o_at + (uintptr_t)o->low || o_at + (uintptr_t)o->high <= w_at + (uintptr_t)w->low)
        return HONE_OK;
    if (written == HONE_MATMUL_C && in_place(call, other)) return HONE_OK;
    hone_strided a = strided(call, written), b = strided(call, other);
    HONE_CHECK(hone_overlap_of(&a, &b) != HONE_OVERLAPS, HONE_ERROR_OVERLAP,
               "%s at %p shares memory with %s at %p; what is written must lie apart", operand_names[written], a.at,
               operand_names[other] + sizeof "matmul: " - 1, b.at);
    return HONE_OK;
}

/* Is the operand written by a step: a store, or sums? */
static bool is_store(const matmul_call *call, int o)
{
    const hone_epilogue_step *step = step_at(&call->problem, o);
    return step && (step->kind == HONE_STEP_STORE || hone_step_is_sum((hone_step_kind)step->kind));
}

static hone_status check_overlap(const matmul_call *call)
{
    for (int o = 0; o < call->operands; o++)
        if (o != HONE_MATMUL_C && call->tensor[o]) HONE_TRY(check_pair(call, HONE_MATMUL_C, o));
    for (int w = HONE_MATMUL_STEP0; w < call->operands; w++) {
        if (!is_store(call, w)) continue;
        for (int o = 0; o < call->operands; o++)
            if (o != w && o != HONE_MATMUL_C && call->tensor[o] && !(is_store(call, o) && o < w))
                HONE_TRY(check_pair(call, w, o));
    }
    return HONE_OK;
}

/* Three classes, so that equal problems do not make a plan for each power of two: a cache line, a vector of 16 bytes,
 * an element. */
static unsigned alignment_class(uintptr_t addresses, unsigned element_bytes)
{
    return addresses % 64 == 0 ? 64 : addresses % 16 == 0 ? 16 : element_bytes;
}

/* What every operand is aligned to by its type alone. */
static unsigned element_bytes(const matmul_call *call)
{
    const hone_matmul_problem *p = &call->problem;
    unsigned                   a = bytes_of((hone_dtype)p->type_a), b = bytes_of((hone_dtype)p->type_b),
             c = bytes_of((hone_dtype)p->type_c);
    return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

static unsigned alignment_of(const matmul_call *call)
{
    return hone_rt_matmul_alignment(call, 0);
}

static hone_status matmul_on(hone_rt_stream *stream, const hone_tensor *a, const hone_tensor *b,
                             const hone_rt_weights *weights, hone_tensor *c, const hone_matmul_options *options)
{
    matmul_call call;
    HONE_TRY(describe(&call, stream->be->device, a, b, weights, c, options, HONE_RT_DATA_NEEDED));
    if (call.empty) return hone_matmul_op.check(&call.problem);
    HONE_TRY(check_overlap(&call));
    hone_arguments arguments = {call.operands, call.scalars, call.span, call.scalar, 0};
    return hone_rt_run(stream, &hone_matmul_op, &call.problem, alignment_of(&call), &arguments);
}

hone_status hone_matmul(hone_stream *handle, const hone_tensor *a, const hone_tensor *b, hone_tensor *c,
                        const hone_matmul_options *options)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul", &stream));
    hone_status status = matmul_on(stream, a, b, NULL, c, options);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_matmul_prepacked(hone_stream *handle, const hone_tensor *a, hone_matmul_weights *packed,
                                  hone_tensor *c, const hone_matmul_options *options)
{
    hone_rt_stream  *stream;
    hone_rt_weights *weights;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul prepacked", &stream));
    hone_status status = hone_rt_weights_get(packed, stream->be->device, "matmul prepacked", &weights);
    if (status == HONE_OK) status = matmul_on(stream, a, &weights->b, weights, c, options);
    hone_rt_stream_leave(handle);
    return status;
}

hone_status hone_rt_matmul_describe(hone_rt_matmul_call *call, const hone_be_device *device, const hone_tensor *a,
                                    const hone_tensor *b, const hone_tensor *c, const hone_matmul_options *options,
                                    hone_rt_data data)
{
    return describe(call, device, a, b, NULL, c, options, data);
}

hone_status hone_rt_matmul_check_overlap(const hone_rt_matmul_call *call)
{
    return check_overlap(call);
}

unsigned hone_rt_matmul_alignment(const hone_rt_matmul_call *call, uintptr_t also)
{
    uintptr_t all = also;
    for (int o = 0; o < call->operands; o++)
        if (call->tensor[o]) all |= address(&call->view[o]);
    return alignment_class(all, element_bytes(call));
}

/* --- arrays of pointers ------------------------------------------------------------------------------------------ */

static int64_t next_power_of_two(int64_t count)
{
    return count <= 1 ? 1 : (int64_t)1 << (64 - __builtin_clzll((unsigned long long)(count - 1)));
}

/* Turns a described call into one over arrays: matrices only, and steps that all products share. */
static hone_status make_many(matmul_call *call, int64_t count)
{
    hone_matmul_problem *p = &call->problem;
    HONE_CHECK(count >= 0 && count <= (int64_t)1 << 40, HONE_ERROR_ARGUMENT,
               "matmul many: %" PRId64 " products; 0 .. 2^40", count);
    for (int o = 0; o < HONE_MATMUL_STEP0; o++) {
        HONE_CHECK(call->tensor[o]->rank == 2, HONE_ERROR_SHAPE, "%s has rank %d; matmul many takes matrices",
                   operand_names[o], call->tensor[o]->rank);
        HONE_CHECK(!call->tensor[o]->buffer, HONE_ERROR_UNSUPPORTED,
                   "%s is in a buffer; matmul many takes pointers to host memory", operand_names[o]);
    }
    for (int s = 0; s < p->step_count; s++)
        HONE_CHECK(!hone_operand_is_matrix(hone_step_operand_of((hone_step_kind)p->step[s].kind)) &&
                       !hone_step_is_sum((hone_step_kind)p->step[s].kind),
                   HONE_ERROR_UNSUPPORTED,
                   "matmul many: step %d has an operand of its own for each product; only biases are shared", s);
    p->pointers = 1;
    p->batch_rank = 1;
    p->batch[0] = next_power_of_two(count);
    return HONE_OK;
}

static hone_status gather(const void *const *at, int64_t count, const char *what, uintptr_t element_bytes,
                          uintptr_t *all)
{
    HONE_CHECK(at || count == 0, HONE_ERROR_ARGUMENT, "matmul many: the array %s is NULL", what);
    for (int64_t i = 0; i < count; i++) {
        uintptr_t address_i = (uintptr_t)at[i];
        HONE_CHECK(address_i, HONE_ERROR_ARGUMENT, "matmul many: %s[%" PRId64 "] is NULL", what, i);
        HONE_CHECK(address_i % element_bytes == 0, HONE_ERROR_ARGUMENT,
                   "matmul many: %s[%" PRId64 "] at %p is not aligned to its %zu-byte elements", what, i, at[i],
                   (size_t)element_bytes);
        *all |= address_i;
    }
    return HONE_OK;
}

static hone_status many_on(hone_rt_stream *stream, int64_t count, const hone_tensor *a, const void *const *a_at,
                           const hone_tensor *b, const void *const *b_at, const hone_tensor *c, void *const *c_at,
                           const hone_matmul_options *options)
{
    matmul_call call;
    uintptr_t   all = 0;
    HONE_TRY(describe(&call, stream->be->device, a, b, NULL, c, options, HONE_RT_DATA_IGNORED));
    for (int o = HONE_MATMUL_STEP0; o < call.operands; o++)
        HONE_CHECK(!call.tensor[o] || call.tensor[o]->data || call.tensor[o]->buffer, HONE_ERROR_ARGUMENT,
                   "%s has no memory", operand_names[o]);
    HONE_TRY(make_many(&call, count));
    if (call.empty || count == 0) return hone_matmul_op.check(&call.problem);
    HONE_TRY(gather(a_at, count, "a_at", bytes_of(a->dtype), &all));
    HONE_TRY(gather(b_at, count, "b_at", bytes_of(b->dtype), &all));
    HONE_TRY(gather((const void *const *)c_at, count, "c_at", bytes_of(c->dtype), &all));
    const void *const arrays[] = {a_at, b_at, c_at};
    for (int o = 0; o < HONE_MATMUL_STEP0; o++)
        call.span[o] = (hone_span){NULL, (void *)(uintptr_t)arrays[o], 0, (size_t)count * sizeof(void *)};
    for (int o = HONE_MATMUL_STEP0; o < call.operands; o++)
        if (call.tensor[o]) all |= address(&call.view[o]);
    hone_arguments arguments = {call.operands, call.scalars, call.span, call.scalar, count};
    return hone_rt_run(stream, &hone_matmul_op, &call.problem, alignment_class(all, element_bytes(&call)), &arguments);
}

hone_status hone_matmul_many(hone_stream *handle, int64_t count, const hone_tensor *a, const void *const *a_at,
                             const hone_tensor *b, const void *const *b_at, const hone_tensor *c, void *const *c_at,
                             const hone_matmul_options *options)
{
    hone_rt_stream *stream;
    HONE_TRY(hone_rt_stream_enter(handle, "matmul many", &stream));
    hone_status status = many_on(stream, count, a, a_at, b, b_at, c, c_at, options);
    hone_rt_stream_leave(handle);
    return status;
}

/* --- level 1 ---------------------------------------------------------------------------------------------------- */

static hone_status plan_of(hone_rt_device *device, const matmul_call *call, hone_plan **out)
{
    hone_rt_plan *plan;
    bool          placed = !call->problem.pointers;
    for (int o = 0; o < call->operands; o++)
        if (call->tensor[o] && !call->tensor[o]->data && !call->tensor[o]->buffer &&
            !(o == HONE_MATMUL_B && call->weights))
            placed = false;
    unsigned alignment = placed ? alignment_of(call) : element_bytes(call);
    hone_request request = hone_rt_request(device->context, device->be, &hone_matmul_op, &call->problem, alignment);
    HONE_TRY(hone_rt_plan_for(device->context, &request, &plan));
    return hone_rt_plan_handle(plan, out);
}

hone_status hone_matmul_plan(hone_device *handle, const hone_tensor *a, const hone_tensor *b, const hone_tensor *c,
                             const hone_matmul_options *options, hone_plan **out)
{
    hone_rt_device *device;
    matmul_call     call;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "matmul plan: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "matmul plan", &device));
    HONE_TRY(describe(&call, device->be, a, b, NULL, c, options, HONE_RT_DATA_OPTIONAL));
    return plan_of(device, &call, out);
}

hone_status hone_matmul_prepacked_plan(hone_device *handle, const hone_tensor *a, hone_matmul_weights *packed,
                                    const hone_tensor *c, const hone_matmul_options *options, hone_plan **out)
{
    hone_rt_device  *device;
    hone_rt_weights *weights;
    matmul_call      call;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "matmul prepacked plan: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "matmul prepacked plan", &device));
    HONE_TRY(hone_rt_weights_get(packed, device->be, "matmul prepacked plan", &weights));
    HONE_TRY(describe(&call, device->be, a, &weights->b, weights, c, options, HONE_RT_DATA_OPTIONAL));
    return plan_of(device, &call, out);
}

hone_status hone_matmul_many_plan(hone_device *handle, int64_t count, const hone_tensor *a, const hone_tensor *b,
                                  const hone_tensor *c, const hone_matmul_options *options, hone_plan **out)
{
    hone_rt_device *device;
    matmul_call     call;
    HONE_CHECK(out, HONE_ERROR_ARGUMENT, "matmul many plan: where to put it (out) is NULL");
    *out = NULL;
    HONE_TRY(hone_rt_device_get(handle, "matmul many plan", &device));
    HONE_TRY(describe(&call, device->be, a, b, NULL, c, options, HONE_RT_DATA_IGNORED));
    HONE_TRY(make_many(&call, count));
    return plan_of(device, &call, out);
}
