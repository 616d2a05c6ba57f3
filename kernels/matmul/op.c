/* The matmul op: what is legal, what its arguments are, what it costs, and the table that tells the rest of hone.
 * The text of a problem lives in text.c, its meaning in reference.c, what it is tried with in data.c and random.c, its
 * backward pass in gradient.c. */
#include <math.h>
#include <string.h>

#include <hone/accuracy.h>

#include "base/size.h"
#include "base/status.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_pack/problem.h"

static bool step_transcendental(int64_t kind)
{
    return !hone_step_exact((hone_step_kind)kind);
}

hone_matmul_problem hone_matmul_plain(hone_dtype type, int64_t m, int64_t n, int64_t k)
{
    hone_matmul_problem p;
    memset(&p, 0, sizeof p); /* padding too: problems are compared as bytes */
    p.type_a = p.type_b = p.type_c = (uint8_t)type;
    p.m = m, p.n = n, p.k = k;
    p.a_row = k, p.b_row = p.c_row = n;
    p.a_column = p.b_column = p.c_column = 1;
    return p;
}

/* --- arguments -------------------------------------------------------------------------------------------------- */

static hone_role role_of(const hone_matmul_problem *p, const char *name, hone_direction direction, int dimensions,
                         const int64_t *shape, const int64_t *stride, const int64_t *batch)
{
    hone_role role = {.name = name, .direction = direction, .type = (hone_dtype)p->type_c};
    if (!p->pointers && batch)
        for (int i = 0; i < p->batch_rank; i++, role.rank++) {
            role.shape[role.rank] = p->batch[i];
            role.stride[role.rank] = batch[i];
        }
    for (int i = 0; i < dimensions; i++, role.rank++) {
        role.shape[role.rank] = shape[i];
        role.stride[role.rank] = stride[i];
    }
    return role;
}

static hone_role step_form(const hone_matmul_problem *p, int index)
{
    static const char *const  names[HONE_STEPS_MAX] = {"step 0", "step 1", "step 2", "step 3"};
    const hone_epilogue_step *step = &p->step[index];
    bool           written = step->kind == HONE_STEP_STORE || hone_step_is_sum((hone_step_kind)step->kind);
    hone_direction direction = written ? HONE_OUT : HONE_IN;
    switch (hone_step_operand_of((hone_step_kind)step->kind)) {
    case HONE_OPERAND_COLUMNS:
        return role_of(p, names[index], direction, 1, &p->n, &step->column_stride, step->batch_stride);
    case HONE_OPERAND_ROWS: return role_of(p, names[index], direction, 1, &p->m, &step->row_stride, step->batch_stride);
    case HONE_OPERAND_MATRIX:
        return role_of(p, names[index], direction, 2, (int64_t[]){p->m, p->n},
                       (int64_t[]){step->row_stride, step->column_stride}, step->batch_stride);
    case HONE_OPERAND_A:
        return role_of(p, names[index], direction, 2, (int64_t[]){p->m, p->k},
                       (int64_t[]){step->row_stride, step->column_stride}, step->batch_stride);
    case HONE_OPERAND_B:
        return role_of(p, names[index], direction, 2, (int64_t[]){p->k, p->n},
                       (int64_t[]){step->row_stride, step->column_stride}, step->batch_stride);
    case HONE_OPERAND_NONE: break;
    }
    return role_of(p, names[index], HONE_UNUSED, 0, NULL, NULL, NULL);
}

/* The scales or zeros of weights. */
static hone_role groups_role(const hone_matmul_problem *p, const char *name, const hone_matmul_groups *lie)
{
    hone_role role = role_of(p, name, HONE_IN, 2,
                             (int64_t[]){hone_matmul_group_count(p->k, p->group_k),
                                         hone_matmul_group_count(p->n, p->group_n)},
                             (int64_t[]){lie->row, lie->column}, lie->batch);
    role.type = (hone_dtype)p->type_scale;
    return role;
}

static hone_role step_role(const hone_matmul_problem *p, int index)
{
    hone_role role = step_form(p, index);
    role.type = hone_matmul_step_type(p, index);
    return role;
}

/* A packed b: hone's own as panels, a kernel's own as bytes. */
static hone_role packed_role(const hone_matmul_problem *p)
{
    int64_t width = hone_matmul_layout_width(p->b_layout), group = hone_matmul_layout_group(p->b_layout);
    int64_t batch[HONE_BATCH_MAX] = {0}, groups = hone_divide_up(p->k, group);
    for (int i = 0; i < p->batch_rank && !p->pointers; i++)
        batch[i] = p->b_batch[i] * (width ? hone_matmul_b_places(p) : p->b_bytes);
    if (width && group > 1)
        return role_of(p, "b", HONE_IN, 3, (int64_t[]){hone_divide_up(p->n, width), groups, width * group},
                       (int64_t[]){groups * width * group, width * group, 1}, batch);
    if (width)
        return role_of(p, "b", HONE_IN, 3, (int64_t[]){hone_divide_up(p->n, width), p->k, width},
                       (int64_t[]){p->k * width, width, 1}, batch);
    hone_role role = role_of(p, "b", HONE_IN, 1, &p->b_bytes, (int64_t[]){1}, batch);
    role.opaque = true;
    return role;
}

int hone_matmul_roles(const void *problem, hone_role roles[HONE_ROLES_MAX])
{
    const hone_matmul_problem *p = problem;
    roles[HONE_MATMUL_A] =
        role_of(p, "a", HONE_IN, 2, (int64_t[]){p->m, p->k}, (int64_t[]){p->a_row, p->a_column}, p->a_batch);
    if (hone_matmul_packed_b(p))
        roles[HONE_MATMUL_B] = packed_role(p);
    else
        roles[HONE_MATMUL_B] =
            role_of(p, "b", HONE_IN, 2, (int64_t[]){p->k, p->n}, (int64_t[]){p->b_row, p->b_column}, p->b_batch);
    roles[HONE_MATMUL_C] = role_of(p, "c", p->reads_c ? HONE_IN_OUT : HONE_OUT, 2, (int64_t[]){p->m, p->n},
                                   (int64_t[]){p->c_row, p->c_column}, p->c_batch);
    roles[HONE_MATMUL_A].type = (hone_dtype)p->type_a;
    roles[HONE_MATMUL_B].type = roles[HONE_MATMUL_B].opaque ? HONE_U8 : (hone_dtype)p->type_b;
    for (int i = HONE_MATMUL_A; i <= HONE_MATMUL_C; i++) {
        roles[i].indirect = p->pointers;
        roles[i].items = p->pointers ? p->batch[0] : 0;
    }
    for (int i = 0; i < p->step_count; i++) {
        roles[HONE_MATMUL_STEP0 + i] = step_role(p, i);
        if (p->step[i].kind != HONE_STEP_RESIDUAL) continue;
        roles[HONE_MATMUL_STEP0 + i].may_alias = 1u << HONE_MATMUL_C;
        roles[HONE_MATMUL_C].may_alias |= 1u << (HONE_MATMUL_STEP0 + i);
    }
    if (!hone_matmul_is_scaled(p)) return HONE_MATMUL_STEP0 + p->step_count;
    for (int i = p->step_count; i < HONE_STEPS_MAX; i++)
        roles[HONE_MATMUL_STEP0 + i] = role_of(p, "no step", HONE_UNUSED, 0, NULL, NULL, NULL);
    roles[HONE_MATMUL_B_SCALES] = groups_role(p, "b_scales", &p->scale);
    if (!(p->zeros & HONE_MATMUL_ZERO_GROUPS)) return HONE_MATMUL_B_SCALES + 1;
    roles[HONE_MATMUL_B_ZEROS] = groups_role(p, "b_zeros", &p->zero);
    return HONE_MATMUL_B_ZEROS + 1;
}

static int matmul_scalars(const void *problem, const char *names[HONE_SCALARS_MAX], double neutral[HONE_SCALARS_MAX])
{
    static const char *const   values[HONE_STEPS_MAX] = {"value 0", "value 1", "value 2", "value 3"};
    const hone_matmul_problem *p = problem;
    names[HONE_MATMUL_ALPHA] = "alpha";
    neutral[HONE_MATMUL_ALPHA] = 1;
    names[HONE_MATMUL_BETA] = "beta";
    neutral[HONE_MATMUL_BETA] = p->reads_c ? 1 : 0;
    for (int i = 0; i < p->step_count; i++) {
        names[HONE_MATMUL_VALUE0 + i] = values[i];
        neutral[HONE_MATMUL_VALUE0 + i] = p->step[i].kind == HONE_STEP_SCALE ? 1 : 0;
    }
    if (!p->zeros || hone_matmul_is_scaled(p)) return HONE_MATMUL_VALUE0 + p->step_count;
    for (int i = p->step_count; i < HONE_STEPS_MAX; i++) {
        names[HONE_MATMUL_VALUE0 + i] = values[i];
        neutral[HONE_MATMUL_VALUE0 + i] = 0;
    }
    names[HONE_MATMUL_A_ZERO] = "a_zero";
    names[HONE_MATMUL_B_ZERO] = "b_zero";
    neutral[HONE_MATMUL_A_ZERO] = p->zeros & HONE_MATMUL_ZERO_A ? (p->type_a == HONE_U8 ? 128 : 3) : 0;
    neutral[HONE_MATMUL_B_ZERO] = p->zeros & HONE_MATMUL_ZERO_B ? 3 : 0;
    return HONE_MATMUL_VALUES;
}

/* --- legal? ----------------------------------------------------------------------------------------------------- */

/* Of a step of a or b. */
static hone_status check_operand_step(const hone_matmul_problem *p, int index)
{
    const hone_step_kind kind = (hone_step_kind)p->step[index].kind;
    const char          *name = hone_step_name(kind);
    HONE_CHECK(!hone_matmul_integers(p) && !hone_matmul_is_scaled(p), HONE_ERROR_UNSUPPORTED,
               "matmul: step %d is '%s', and a or b is of whole numbers; such steps are for products of real ones",
               index, name);
    HONE_CHECK(!p->pointers, HONE_ERROR_UNSUPPORTED,
               "matmul: step %d is '%s', whose operand is each product's own; arrays of pointers are told for a, b and "
               "c alone",
               index, name);
    HONE_CHECK(!hone_step_of_b(kind) || !hone_matmul_packed_b(p), HONE_ERROR_UNSUPPORTED,
               "matmul: step %d is '%s', and b is packed as %s; steps of b are for a plain one", index, name,
               p->b_layout);
    HONE_CHECK(!hone_step_is_sum(kind) || (p->m && p->n), HONE_ERROR_SHAPE,
               "matmul: step %d is '%s', and c is %" PRId64 "x%" PRId64 ": without elements of c nothing is read, and "
               "nothing is summed",
               index, name, p->m, p->n);
    return HONE_OK;
}

static hone_status check_step(const hone_matmul_problem *p, int index)
{
    const hone_epilogue_step *step = &p->step[index];
    const char               *name = hone_step_name(step->kind);
    hone_step_operand         form = hone_step_operand_of((hone_step_kind)step->kind);
    HONE_CHECK(name[0] != '?', HONE_ERROR_ARGUMENT,
               "matmul: step %d is of kind %" PRId32 ", and there is none of that number", index, step->kind);
    const uint8_t beside = hone_step_of_a((hone_step_kind)step->kind)   ? p->type_a
                           : hone_step_of_b((hone_step_kind)step->kind) ? p->type_b
                                                                        : p->type_c;
    HONE_CHECK(step->type == 0 || (step->type == HONE_F32 && (beside == HONE_BF16 || beside == HONE_F16) &&
                                   (form == HONE_OPERAND_COLUMNS || form == HONE_OPERAND_ROWS)),
               HONE_ERROR_TYPE,
               "matmul: the operand of step %d ('%s') is %s, %c is %s; it should be %c's type, or f32 where that has "
               "fewer bits and the operand is a vector", index, name, hone_dtype_name((hone_dtype)step->type),
               hone_step_of_a((hone_step_kind)step->kind)   ? 'a'
               : hone_step_of_b((hone_step_kind)step->kind) ? 'b'
                                                            : 'c',
               hone_dtype_name((hone_dtype)beside),
               hone_step_of_a((hone_step_kind)step->kind)   ? 'a'
               : hone_step_of_b((hone_step_kind)step->kind) ? 'b'
                                                            : 'c');
    if (hone_step_of_operand((hone_step_kind)step->kind)) HONE_TRY(check_operand_step(p, index));
    HONE_CHECK(
        !p->pointers || form != HONE_OPERAND_MATRIX, HONE_ERROR_UNSUPPORTED,
        "matmul: step %d is '%s', whose operand is a matrix; with arrays of pointers only biases and steps without an "
        "operand go",
        index, name);
    HONE_CHECK(hone_operand_is_matrix(form) || form == HONE_OPERAND_ROWS || step->row_stride == 0, HONE_ERROR_ARGUMENT,
               "matmul: step %d ('%s') has a row stride of %" PRId64 ", but no rows", index, name, step->row_stride);
    HONE_CHECK(hone_operand_is_matrix(form) || form == HONE_OPERAND_COLUMNS || step->column_stride == 0,
               HONE_ERROR_ARGUMENT, "matmul: step %d ('%s') has a column stride of %" PRId64 ", but no columns", index,
               name, step->column_stride);
    for (int i = 0; i < HONE_BATCH_MAX; i++)
        HONE_CHECK(step->batch_stride[i] == 0 || (form != HONE_OPERAND_NONE && i < p->batch_rank && !p->pointers),
                   HONE_ERROR_ARGUMENT,
                   "matmul: step %d ('%s') has a batch stride of %" PRId64 ", but nothing to go along", index, name,
                   step->batch_stride[i]);
    return HONE_OK;
}

static hone_status too_wide(const hone_matmul_problem *p)
{
    return hone_fail(HONE_ERROR_OVERFLOW,
                     "matmul: b of %" PRId64 "x%" PRId64 " elements in layout '%s' spans more bytes "
                     "than 63 bits can count",
                     p->k, p->n, p->b_layout);
}

/* The bytes that one b takes in hone's own layout. */
static hone_status own_bytes(const hone_matmul_problem *p, int64_t *out)
{
    int64_t width = hone_matmul_layout_width(p->b_layout), group = hone_matmul_layout_group(p->b_layout);
    int     bits = hone_dtype_bits((hone_dtype)p->type_b);
    return hone_matmul_layout_bytes(width, group, bits, p->k, p->n, out) ? HONE_OK : too_wide(p);
}

static hone_status check_layout(const hone_matmul_problem *p)
{
    static const char none[HONE_LAYOUT_NAME_MAX];
    int64_t           bytes, plain, reach;
    if (!hone_matmul_packed_b(p)) {
        HONE_CHECK(p->b_bytes == 0 && !memcmp(p->b_layout, none, sizeof none), HONE_ERROR_ARGUMENT,
                   "matmul: b is plain, but %" PRId64 " bytes of a packed one, or a layout, are told", p->b_bytes);
        return HONE_OK;
    }
    HONE_CHECK(
        hone_matmul_layout_legal(p->b_layout), HONE_ERROR_ARGUMENT,
        "matmul: '%.*s' is no layout of b: hone's own are n1 .. n%d (n32 or n32k4, say), those of a kernel have a ':'",
        HONE_LAYOUT_NAME_MAX, p->b_layout, HONE_MATMUL_WIDTH_MAX);
    bool own = hone_matmul_layout_width(p->b_layout) != 0;
    HONE_CHECK(p->b_row == 0 && p->b_column == 0, HONE_ERROR_ARGUMENT,
               "matmul: b is packed as %s, but has strides (%" PRId64 ", %" PRId64 ")", p->b_layout, p->b_row,
               p->b_column);
    HONE_CHECK(own || !p->pointers, HONE_ERROR_UNSUPPORTED,
               "matmul: arrays of pointers to b as '%s': they go with a plain b, or with hone's own layouts",
               p->b_layout);
    bytes = p->b_bytes;
    if (own) HONE_TRY(own_bytes(p, &bytes));
    HONE_CHECK(p->b_bytes == bytes && bytes >= 0, HONE_ERROR_ARGUMENT,
               "matmul: one b takes %" PRId64 " bytes as %s, where %" PRId64 " are told", own ? bytes : 0, p->b_layout,
               p->b_bytes);
    /* Both this b and the plain one that it comes from must be within reach. */
    if (!hone_extent_mul(p->k, p->n, &plain) || !hone_extent_mul(plain, 8, &plain)) return too_wide(p);
    for (int i = 0; i < p->batch_rank; i++) {
        HONE_CHECK(p->b_batch[i] >= 0, HONE_ERROR_ARGUMENT,
                   "matmul: batch stride %d of a packed b is %" PRId64 "; it counts matrices, and may not be negative",
                   i, p->b_batch[i]);
        if (!hone_extent_mul(p->b_batch[i], hone_max(bytes, plain), &reach) ||
            !hone_extent_mul(reach, hone_max(p->batch[i], 1), &reach))
            return too_wide(p);
    }
    return HONE_OK;
}

/* f32, bf16 or f16, whose products are summed in f32. */
static bool summed_in_f32(uint8_t type)
{
    return type == HONE_F32 || type == HONE_BF16 || type == HONE_F16;
}

/* What weights are kept in. */
static bool few_bits(uint8_t type)
{
    return type == HONE_S8 || type == HONE_U8 || type == HONE_S4 || type == HONE_U4;
}

static hone_status check_scaled_types(const hone_matmul_problem *p)
{
    HONE_CHECK(few_bits(p->type_b) && summed_in_f32(p->type_a) && summed_in_f32(p->type_c) &&
                   summed_in_f32(p->type_scale),
               HONE_ERROR_TYPE,
               "matmul: a is %s, b is %s with scales of %s, and c is %s; b should be s8, u8, s4 or u4, each of the "
               "others f32, bf16 or f16",
               hone_dtype_name((hone_dtype)p->type_a), hone_dtype_name((hone_dtype)p->type_b),
               hone_dtype_name((hone_dtype)p->type_scale), hone_dtype_name((hone_dtype)p->type_c));
    HONE_CHECK((p->zeros & ~HONE_MATMUL_ZERO_GROUPS) == 0, HONE_ERROR_ARGUMENT,
               "matmul: zero points of a or b are told, but b has scales; its zeros are a matrix beside them");
    return HONE_OK;
}

static hone_status check_types(const hone_matmul_problem *p)
{
    if (hone_matmul_is_scaled(p)) return check_scaled_types(p);
    bool all_f64 = p->type_a == HONE_F64 && p->type_b == HONE_F64 && p->type_c == HONE_F64;
    bool legal = all_f64 || (summed_in_f32(p->type_a) && summed_in_f32(p->type_b) && summed_in_f32(p->type_c));
    bool whole = (p->type_a == HONE_U8 || p->type_a == HONE_S8) && p->type_b == HONE_S8;
    if (whole)
        legal = p->type_c == HONE_S32 || p->type_c == HONE_F32 || p->type_c == HONE_S8 || p->type_c == HONE_U8;
    HONE_CHECK(
        legal, HONE_ERROR_TYPE,
        "matmul: a is %s, b is %s and c is %s; they should all be f64, or each of them f32, bf16 or f16, or a u8 "
        "or s8, b s8, and c s32, f32, s8 or u8; beside real numbers b may be s8, u8, s4 or u4 with scales",
        hone_dtype_name((hone_dtype)p->type_a), hone_dtype_name((hone_dtype)p->type_b),
        hone_dtype_name((hone_dtype)p->type_c));
    HONE_CHECK(whole ? p->zeros <= 3 : p->zeros == 0, HONE_ERROR_ARGUMENT,
               "matmul: zero points are told, but a is %s and b is %s; whole numbers have them",
               hone_dtype_name((hone_dtype)p->type_a), hone_dtype_name((hone_dtype)p->type_b));
    return HONE_OK;
}

/* Elements of four bits: each line begins with a byte. */
static hone_status check_halves(const hone_matmul_problem *p)
{
    const int bits = hone_dtype_bits((hone_dtype)p->type_b);
    if (bits >= 8 || hone_matmul_packed_b(p)) return HONE_OK;
    HONE_CHECK(hone_matmul_lines_whole(bits, p->k, p->n, p->b_row, p->b_column), HONE_ERROR_ARGUMENT,
               "matmul: b is %s, two in a byte, and its strides are %" PRId64 " and %" PRId64
               "; one should be 1 and the other even, so that each line begins with a byte",
               hone_dtype_name((hone_dtype)p->type_b), p->b_row, p->b_column);
    for (int i = 0; i < p->batch_rank; i++)
        HONE_CHECK(p->b_batch[i] % 2 == 0, HONE_ERROR_ARGUMENT,
                   "matmul: b is %s, two in a byte, and its batch stride %d is %" PRId64 "; it should be even",
                   hone_dtype_name((hone_dtype)p->type_b), i, p->b_batch[i]);
    return HONE_OK;
}

static hone_status check_groups(const hone_matmul_problem *p)
{
    static const hone_matmul_groups none;
    bool                            zeros = p->zeros & HONE_MATMUL_ZERO_GROUPS;
    if (!hone_matmul_is_scaled(p)) {
        HONE_CHECK(p->group_k == 0 && p->group_n == 0 && !memcmp(&p->scale, &none, sizeof none) &&
                       !memcmp(&p->zero, &none, sizeof none),
                   HONE_ERROR_ARGUMENT, "matmul: groups of scales are told, but b has none");
        return HONE_OK;
    }
    HONE_CHECK(!p->pointers, HONE_ERROR_UNSUPPORTED,
               "matmul: arrays of pointers do not go with weights of few bits; use a batch");
    HONE_CHECK(p->group_k >= 0 && p->group_n >= 0, HONE_ERROR_ARGUMENT,
               "matmul: groups of %" PRId64 " k and %" PRId64 " columns share a scale; neither may be negative",
               p->group_k, p->group_n);
    HONE_CHECK(zeros || !memcmp(&p->zero, &none, sizeof none), HONE_ERROR_ARGUMENT,
               "matmul: it is told where zeros lie, but there are none");
    for (int i = p->batch_rank; i < HONE_BATCH_MAX; i++)
        HONE_CHECK(p->scale.batch[i] == 0 && p->zero.batch[i] == 0, HONE_ERROR_ARGUMENT,
                   "matmul: batch strides %d of scales and zeros are %" PRId64 " and %" PRId64
                   ", but the batch has fewer dimensions", i, p->scale.batch[i], p->zero.batch[i]);
    return check_halves(p);
}

hone_status hone_matmul_check(const void *problem)
{
    const hone_matmul_problem *p = problem;
    hone_role                  roles[HONE_ROLES_MAX];
    HONE_TRY(check_types(p));
    HONE_CHECK(p->m >= 0 && p->n >= 0 && p->k >= 0, HONE_ERROR_SHAPE,
               "matmul: the size is %" PRId64 "x%" PRId64 "x%" PRId64 "; no extent may be negative", p->m, p->n, p->k);
    static const uint8_t no_more[sizeof p->zero_too];
    HONE_CHECK(p->reads_c <= 1 && p->pointers <= 1 && p->zeros <= 7 && !memcmp(p->zero_too, no_more, sizeof no_more),
               HONE_ERROR_ARGUMENT, "matmul: a flag of the problem is neither 0 nor 1");
    HONE_CHECK((p->accuracy & ~HONE_ACCURACY_ALL) == 0, HONE_ERROR_ARGUMENT,
               "matmul: accuracy is %#x; the flags there are make up %#x", p->accuracy, HONE_ACCURACY_ALL);
    HONE_CHECK(p->batch_rank <= HONE_BATCH_MAX, HONE_ERROR_SHAPE, "matmul: the batch has %d dimensions; at most %d go",
               p->batch_rank, HONE_BATCH_MAX);
    HONE_CHECK(p->step_count <= HONE_STEPS_MAX, HONE_ERROR_ARGUMENT, "matmul: %d steps; at most %d go", p->step_count,
               HONE_STEPS_MAX);
    HONE_CHECK(!p->pointers || p->batch_rank == 1, HONE_ERROR_SHAPE,
               "matmul: arrays of pointers are a batch of one dimension, not of %d", p->batch_rank);
    int64_t matrices = 1;
    for (int i = 0; i < HONE_BATCH_MAX; i++) {
        bool used = i < p->batch_rank;
        HONE_CHECK(used ? p->batch[i] >= 0 : p->batch[i] == 0, HONE_ERROR_SHAPE,
                   "matmul: batch extent %d is %" PRId64 "%s", i, p->batch[i],
                   used ? "; it may not be negative" : ", but the batch has fewer dimensions");
        HONE_CHECK(hone_extent_mul(matrices, hone_max(p->batch[i], 1), &matrices), HONE_ERROR_OVERFLOW,
                   "matmul: the batch has more matrices than 63 bits can count");
        HONE_CHECK((used && !p->pointers) || (p->a_batch[i] == 0 && p->b_batch[i] == 0 && p->c_batch[i] == 0),
                   HONE_ERROR_ARGUMENT, "matmul: batch strides %d are %" PRId64 ", %" PRId64 ", %" PRId64 ", %s", i,
                   p->a_batch[i], p->b_batch[i], p->c_batch[i],
                   p->pointers ? "but pointers tell where" : "but the batch has fewer dimensions");
    }
    HONE_TRY(check_layout(p));
    HONE_TRY(check_groups(p));
    for (int i = 0; i < p->step_count; i++) HONE_TRY(check_step(p, i));
    static const hone_epilogue_step none;
    for (int i = p->step_count; i < HONE_STEPS_MAX; i++)
        HONE_CHECK(memcmp(&p->step[i], &none, sizeof none) == 0, HONE_ERROR_ARGUMENT,
                   "matmul: step %d is told, but there are %d steps", i, p->step_count);

    int count = hone_matmul_roles(p, roles);
    for (int i = 0; i < count; i++)
        HONE_CHECK(hone_role_fits(&roles[i]), HONE_ERROR_OVERFLOW,
                   "matmul: %s of a %" PRId64 "x%" PRId64 "x%" PRId64 " product of %" PRId64
                   " matrices spans more bytes than 63 bits can count", roles[i].name, p->m, p->n, p->k, matrices);
    for (int i = 0; i < count; i++)
        HONE_CHECK(!(roles[i].direction & HONE_OUT) || !hone_role_overlaps_itself(&roles[i]), HONE_ERROR_OVERLAP,
                   "matmul: %s is written, but its strides put two elements at one place", roles[i].name);
    return HONE_OK;
}

/* --- cost ------------------------------------------------------------------------------------------------------- */

/* Each element once, however often it is repeated. */
static double bytes_of(const hone_role *role)
{
    double bytes = hone_dtype_bits(role->type) / 8.0;
    for (int d = 0; d < role->rank; d++)
        if (role->stride[d] != 0 || role->shape[d] == 0) bytes *= (double)role->shape[d];
    return role->indirect ? bytes * (double)role->items : bytes;
}

static hone_cost matmul_cost(const void *problem)
{
    const hone_matmul_problem *p = problem;
    hone_role                  roles[HONE_ROLES_MAX];
    hone_cost                  cost = {0, 0, 0};
    double                     elements = (double)hone_matmul_batch(p) * (double)p->m * (double)p->n;
    int                        count = hone_matmul_roles(p, roles);
    cost.flops = 2 * elements * (double)p->k;
    for (int i = 0; i < p->step_count; i++) {
        const hone_step_kind kind = (hone_step_kind)p->step[i].kind;
        const double         matrices = (double)hone_matmul_batch(p);
        double               times = elements;
        if (hone_step_of_a(kind)) times = matrices * (double)p->m * (double)p->k;
        if (hone_step_of_b(kind)) times = matrices * (double)p->k * (double)p->n;
        if (kind != HONE_STEP_STORE) cost.flops += times * (step_transcendental(kind) ? 20 : 1);
    }
    for (int i = 0; i < count; i++) {
        if (roles[i].direction & HONE_IN) cost.bytes_read += bytes_of(&roles[i]);
        if (roles[i].direction & HONE_OUT) cost.bytes_written += bytes_of(&roles[i]);
    }
    return cost;
}

/* --- layouts ----------------------------------------------------------------------------------------------------- */

static hone_status matmul_lay_out(const void *problem, int role, const hone_layout *layout, void *out)
{
    hone_matmul_problem p;
    int64_t             matrices = 1;
    memcpy(&p, problem, sizeof p);
    HONE_CHECK(role == HONE_MATMUL_B, HONE_ERROR_UNSUPPORTED, "matmul: argument %d has no layouts; b has", role);
    HONE_CHECK(!hone_matmul_packed_b(&p), HONE_ERROR_ARGUMENT, "matmul: b is packed already, as %s", p.b_layout);
    HONE_CHECK(layout->name[0], HONE_ERROR_ARGUMENT, "matmul: the layout of b has no name");
    memcpy(p.b_layout, layout->name, sizeof p.b_layout);
    p.b_row = p.b_column = 0;
    p.b_bytes = layout->bytes;
    if (hone_matmul_layout_legal(p.b_layout) && hone_matmul_layout_width(p.b_layout))
        HONE_TRY(own_bytes(&p, &p.b_bytes));
    for (int i = p.batch_rank - 1; i >= 0 && !p.pointers; i--) {
        if (p.b_batch[i] == 0) continue;
        p.b_batch[i] = matrices;
        if (!hone_extent_mul(matrices, hone_max(p.batch[i], 1), &matrices)) return too_wide(&p);
    }
    HONE_TRY(hone_matmul_check(&p));
    memcpy(out, &p, sizeof p);
    return HONE_OK;
}

static bool matmul_take_apart(const void *problem, hone_packing *out)
{
    const hone_matmul_problem *p = problem;
    if (!hone_matmul_packed_b(p) || hone_matmul_layout_width(p->b_layout)) return false;
    hone_matmul_problem      *plain = (hone_matmul_problem *)(void *)out->plain.bytes;
    hone_matmul_pack_problem *pack = (hone_matmul_pack_problem *)(void *)out->pack.bytes;
    memset(out, 0, sizeof *out);
    out->role = HONE_MATMUL_B;
    out->op = "matmul_pack";
    *plain = *p;
    memset(plain->b_layout, 0, sizeof plain->b_layout);
    plain->b_bytes = 0;
    plain->b_row = p->n;
    plain->b_column = 1;
    int64_t matrices = 1;
    bool    empty = false; /* of an empty batch there is no b */
    for (int i = 0; i < p->batch_rank; i++) {
        plain->b_batch[i] = p->b_batch[i] * p->k * p->n;
        matrices += p->batch[i] ? (p->batch[i] - 1) * p->b_batch[i] : 0;
        empty |= p->batch[i] == 0;
    }
    if (empty) matrices = 0;
    pack->type = p->type_b;
    pack->k = p->k, pack->n = p->n;
    pack->row = p->n, pack->column = 1;
    memcpy(pack->layout, p->b_layout, sizeof pack->layout);
    pack->bytes = p->b_bytes;
    pack->count = matrices;
    pack->matrix = matrices > 1 ? p->k * p->n : 0;
    return true;
}

/* Most problems have no batch and no steps, and no scales; these stand at the end, the scales last. */
static size_t matmul_significant(const void *problem)
{
    const hone_matmul_problem *p = problem;
    if (hone_matmul_is_scaled(p)) return sizeof *p;
    if (p->step_count) return offsetof(hone_matmul_problem, step) + p->step_count * sizeof p->step[0];
    return p->batch_rank ? offsetof(hone_matmul_problem, step) : offsetof(hone_matmul_problem, batch);
}

const hone_op hone_matmul_op = {
    .name = "matmul",
    .version = 2, /* 2: b may be packed */
    .problem_size = sizeof(hone_matmul_problem),
    .significant = matmul_significant,
    .check = hone_matmul_check,
    .print = hone_matmul_print,
    .parse = hone_matmul_parse,
    .roles = hone_matmul_roles,
    .scalars = matmul_scalars,
    .cost = matmul_cost,
    .random = hone_matmul_random,
    .generate = hone_matmul_generate,
    .exact = hone_matmul_exact,
    .reference = hone_matmul_truth,
    .lay_out = matmul_lay_out,
    .take_apart = matmul_take_apart,
    .gradient = hone_matmul_gradient,
    .suite = hone_matmul_suite,
};
