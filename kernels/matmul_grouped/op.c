/* The op matmul_grouped: what is legal, what its arguments are, what it costs, and its table. Text in text.c, data in
 * data.c, meaning in reference.c, the backward pass in gradient.c; group.c makes matmuls of its groups. */
#include <string.h>

#include "base/element.h"
#include "base/status.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

/* --- arguments ------------------------------------------------------------------------------------------------ */

/* The same for each group. */
static void each_group(const hone_matmul_grouped_problem *p, hone_role *role, int64_t stride)
{
    memmove(role->shape + 1, role->shape, (size_t)role->rank * sizeof *role->shape);
    memmove(role->stride + 1, role->stride, (size_t)role->rank * sizeof *role->stride);
    role->shape[0] = p->groups;
    role->stride[0] = stride;
    role->rank++;
}

int hone_matmul_grouped_roles(const void *problem, hone_role roles[HONE_ROLES_MAX])
{
    const hone_matmul_grouped_problem *p = problem;
    const int                          count = hone_matmul_roles(&p->one, roles);
    each_group(p, &roles[p->sums ? HONE_MATMUL_C : HONE_MATMUL_B], p->group_stride);
    for (int i = 0; i < p->one.step_count; i++)
        if (hone_step_operand_of((hone_step_kind)p->one.step[i].kind) == HONE_OPERAND_COLUMNS)
            each_group(p, &roles[HONE_MATMUL_STEP0 + i], p->step_group[i]);
    for (int i = count; i < HONE_MATMUL_GROUPED_OFFSETS; i++)
        roles[i] = (hone_role){.name = "no step", .direction = HONE_UNUSED, .type = (hone_dtype)p->one.type_c};
    roles[HONE_MATMUL_GROUPED_OFFSETS] = (hone_role){.name = "offsets",
                                                     .direction = HONE_IN,
                                                     .type = (hone_dtype)p->offsets,
                                                     .rank = 1,
                                                     .shape = {p->groups + 1},
                                                     .stride = {1}};
    return HONE_MATMUL_GROUPED_OPERANDS;
}

static int grouped_scalars(const void *problem, const char *names[HONE_SCALARS_MAX], double neutral[HONE_SCALARS_MAX])
{
    const hone_matmul_grouped_problem *p = problem;
    return hone_matmul_op.scalars(&p->one, names, neutral);
}

/* --- legal? --------------------------------------------------------------------------------------------------- */

static hone_status check_one(const hone_matmul_grouped_problem *p)
{
    const hone_matmul_problem *one = &p->one;
    HONE_TRY(hone_matmul_check(one));
    HONE_CHECK(hone_dtype_floats((hone_dtype)one->type_a) && hone_dtype_floats((hone_dtype)one->type_b) &&
                   hone_dtype_floats((hone_dtype)one->type_c),
               HONE_ERROR_TYPE,
               "matmul_grouped: a is %s, b is %s and c is %s; they should all be f64, or each of them f32, bf16 or f16",
               hone_dtype_name((hone_dtype)one->type_a), hone_dtype_name((hone_dtype)one->type_b),
               hone_dtype_name((hone_dtype)one->type_c));
    HONE_CHECK(!one->batch_rank && !one->pointers, HONE_ERROR_UNSUPPORTED,
               "matmul_grouped: there is a batch, or arrays of pointers; the groups are the batch");
    HONE_CHECK(!hone_matmul_packed_b(one), HONE_ERROR_UNSUPPORTED,
               "matmul_grouped: b is packed, as %.*s; groups take it plain", HONE_LAYOUT_NAME_MAX, one->b_layout);
    for (int i = 0; i < one->step_count; i++)
        HONE_CHECK(one->step[i].kind <= HONE_STEP_SHIFT, HONE_ERROR_UNSUPPORTED,
                   "matmul_grouped: step %d is '%s', which groups do not do", i, hone_step_name(one->step[i].kind));
    HONE_CHECK(!p->sums || !one->step_count, HONE_ERROR_UNSUPPORTED,
               "matmul_grouped: %d steps; where groups cut k there are none", one->step_count);
    return HONE_OK;
}

hone_status hone_matmul_grouped_check(const void *problem)
{
    const hone_matmul_grouped_problem *p = problem;
    static const uint8_t               zero[sizeof p->zero];
    hone_role                          roles[HONE_ROLES_MAX];
    HONE_CHECK(p->sums <= 1 && !memcmp(p->zero, zero, sizeof zero), HONE_ERROR_ARGUMENT,
               "matmul_grouped: a flag of the problem is neither 0 nor 1");
    HONE_CHECK(p->offsets == HONE_S32 || p->offsets == HONE_S64, HONE_ERROR_TYPE,
               "matmul_grouped: the offsets are %s; they should be s32 or s64",
               hone_dtype_name((hone_dtype)p->offsets));
    HONE_CHECK(p->groups >= 0 && p->groups < INT64_MAX / 16, HONE_ERROR_SHAPE,
               "matmul_grouped: there are %" PRId64 " groups; 0 .. 2^59", p->groups);
    HONE_TRY(check_one(p));
    for (int i = 0; i < HONE_STEPS_MAX; i++) {
        const bool along = i < p->one.step_count && hone_step_operand_of((hone_step_kind)p->one.step[i].kind) ==
                                                        HONE_OPERAND_COLUMNS;
        HONE_CHECK(along || p->step_group[i] == 0, HONE_ERROR_ARGUMENT,
                   "matmul_grouped: step %d goes on by %" PRId64 " a group, but has no vector along the columns", i,
                   p->step_group[i]);
    }
    const int count = hone_matmul_grouped_roles(p, roles);
    for (int i = 0; i < count; i++)
        HONE_CHECK(hone_role_fits(&roles[i]), HONE_ERROR_OVERFLOW,
                   "matmul_grouped: %s of %" PRId64 " groups of a %" PRId64 "x%" PRId64 "x%" PRId64
                   " product spans more bytes than 63 bits can count",
                   roles[i].name, p->groups, p->one.m, p->one.n, p->one.k);
    HONE_CHECK(!hone_role_overlaps_itself(&roles[HONE_MATMUL_C]), HONE_ERROR_OVERLAP,
               "matmul_grouped: c is written, but its strides put two elements at one place");
    return HONE_OK;
}

/* --- cost ----------------------------------------------------------------------------------------------------- */

static double bytes_of(const hone_role *role)
{
    double bytes = hone_dtype_bits(role->type) / 8.0;
    for (int d = 0; d < role->rank; d++)
        if (role->stride[d] != 0 || role->shape[d] == 0) bytes *= (double)role->shape[d];
    return bytes;
}

/* With rows in every group. */
static hone_cost grouped_cost(const void *problem)
{
    const hone_matmul_grouped_problem *p = problem;
    hone_role                          roles[HONE_ROLES_MAX];
    hone_cost                          cost = {hone_matmul_op.cost(&p->one).flops, 0, 0};
    const int                          count = hone_matmul_grouped_roles(p, roles);
    for (int i = 0; i < count; i++) {
        if (roles[i].direction & HONE_IN) cost.bytes_read += bytes_of(&roles[i]);
        if (roles[i].direction & HONE_OUT) cost.bytes_written += bytes_of(&roles[i]);
    }
    return cost;
}

static size_t grouped_significant(const void *problem)
{
    const hone_matmul_grouped_problem *p = problem;
    return offsetof(hone_matmul_grouped_problem, one) + hone_matmul_op.significant(&p->one);
}

/* --- suites --------------------------------------------------------------------------------------------------- */

static const char *const smoke[] = {"f32 nn 33x65x127 +bias+relu groups=5", "f64 tn 9x40x56 groups=3 sums=1", NULL};

static const char *const quick[] = {"f32 nn 512x768x512 groups=8", "f32 nn 64x768x512 +bias groups=16", NULL};

/* The experts' products of models as they are published: rows are tokens times the experts that each goes to. */
static const char *const moe[] = {
    "f32 nn 4096x1408x2048 groups=64",         /* DeepSeek-MoE 16B: 64 experts of 2048 x 1408, */
    "f32 nn 4096x2048x1408 groups=64",         /* ... and back, */
    "f32 nn 384x1408x2048 groups=64",          /* and few tokens at a time */
    "f32 nn 96x1408x2048 groups=64",
    "bf16 nn 4096x1408x2048 groups=64",
    "bf16 nn 4096x768x2048 +silu groups=128",  /* Qwen3 30B-A3B: 128 experts of 2048 x 768 */
    "bf16 nn 64x768x2048 groups=128",
    "f32 nn 1024x3072x768 +bias+gelu groups=8", /* Switch Transformer base: experts of 768 x 3072 */
    "f32 nt 1024x768x3072 groups=8",           /* gradients: of the input, */
    "f32 tn 768x3072x1024 groups=8 sums=1",    /* of the weights */
    NULL};

static const char *const *grouped_suite(const char *name)
{
    static const struct {
        const char        *name;
        const char *const *problems;
    } suites[] = {{"smoke", smoke}, {"quick", quick}, {"moe", moe}};
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (strcmp(suites[i].name, name) == 0) return suites[i].problems;
    return NULL;
}

const hone_op hone_matmul_grouped_op = {
    .name = "matmul_grouped",
    .version = 1,
    .problem_size = sizeof(hone_matmul_grouped_problem),
    .significant = grouped_significant,
    .check = hone_matmul_grouped_check,
    .print = hone_matmul_grouped_print,
    .parse = hone_matmul_grouped_parse,
    .roles = hone_matmul_grouped_roles,
    .scalars = grouped_scalars,
    .cost = grouped_cost,
    .random = hone_matmul_grouped_random,
    .generate = hone_matmul_grouped_generate,
    .exact = hone_matmul_grouped_exact,
    .reference = hone_matmul_grouped_truth,
    .gradient = hone_matmul_grouped_gradient,
    .suite = grouped_suite,
};
