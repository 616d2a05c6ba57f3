/* The attention op: what is legal, what its arguments are, what it costs, and the table that tells the rest of hone.
 * The text of a problem lives in text.c, its meaning in reference.c, what it is tried with in random.c. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "kernels/attention/problem.h"

hone_attention_problem hone_attention_plain(hone_dtype type, int64_t batch, int64_t heads, int64_t rows, int64_t keys,
                                            int64_t d)
{
    hone_attention_problem p;
    memset(&p, 0, sizeof p); /* padding too: problems are compared as bytes */
    p.type = (uint8_t)type;
    p.batch = batch, p.heads = p.kv_heads = heads;
    p.q_len = rows, p.k_len = keys, p.d = p.d_v = d;
    p.before = p.after = HONE_ATTENTION_ALL;
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_OUT; role++) {
        int64_t stride[4];
        bool    fits = hone_attention_dense(&p, role, false, stride);
        HONE_ASSERT(fits);
        memcpy(hone_attention_strides(&p, role), stride, sizeof stride);
    }
    return p;
}

/* --- arguments -------------------------------------------------------------------------------------------------- */

void hone_attention_extents(const hone_attention_problem *p, int role, int64_t extent[4])
{
    const int64_t batch = p->lengths == HONE_ATTENTION_PACKED ? 1 : p->batch;
    const int64_t of[][4] = {
        [HONE_ATTENTION_Q] = {batch, p->q_len, p->heads, p->d},
        [HONE_ATTENTION_K] = {batch, p->k_len, p->kv_heads, p->d},
        [HONE_ATTENTION_V] = {batch, p->k_len, p->kv_heads, p->d_v},
        [HONE_ATTENTION_OUT] = {batch, p->q_len, p->heads, p->d_v},
        [HONE_ATTENTION_LSE] = {batch, p->heads, p->q_len, 1},
        [HONE_ATTENTION_BIAS] = {batch, p->heads, p->q_len, p->k_len},
    };
    memcpy(extent, of[role], sizeof of[role]);
}

int64_t *hone_attention_strides(hone_attention_problem *p, int role)
{
    switch (role) {
    case HONE_ATTENTION_Q: return p->q_stride;
    case HONE_ATTENTION_K: return p->k_stride;
    case HONE_ATTENTION_V: return p->v_stride;
    case HONE_ATTENTION_OUT: return p->out_stride;
    case HONE_ATTENTION_LSE: return p->lse_stride;
    case HONE_ATTENTION_BIAS: return p->bias_stride;
    default: return NULL;
    }
}

bool hone_attention_dense(const hone_attention_problem *p, int role, bool heads_first, int64_t stride[4])
{
    static const int rows_outside[] = {3, 2, 1, 0}, heads_outside[] = {3, 1, 2, 0};
    const int       *order = heads_first && role <= HONE_ATTENTION_OUT ? heads_outside : rows_outside;
    int64_t          extent[4], next = 1;
    hone_attention_extents(p, role, extent);
    for (int i = 0; i < 4; i++) {
        const int at = order[i];
        stride[at] = extent[at] > 1 ? next : 0;
        if (!hone_extent_mul(next, hone_max(extent[at], 1), &next)) return false;
    }
    return true;
}

static hone_role role_of(const hone_attention_problem *p, int index)
{
    static const char *const names[] = {"q", "k", "v", "out", "lse", "bias", "slopes", "sinks", "q lengths",
                                        "k lengths"};
    hone_role role = {.name = names[index], .direction = HONE_IN, .type = HONE_F32, .rank = 1};
    if (index <= HONE_ATTENTION_BIAS) {
        int64_t        extent[4];
        const int64_t *stride = hone_attention_strides((hone_attention_problem *)(uintptr_t)p, index);
        const bool     packed = p->lengths == HONE_ATTENTION_PACKED;
        hone_attention_extents(p, index, extent);
        role.rank = 0;
        for (int i = packed; i < (index == HONE_ATTENTION_LSE ? 3 : 4); i++, role.rank++) {
            role.shape[role.rank] = extent[i];
            role.stride[role.rank] = stride[i];
        }
        if (index <= HONE_ATTENTION_OUT) role.type = (hone_dtype)p->type;
        if (index == HONE_ATTENTION_OUT || index == HONE_ATTENTION_LSE) role.direction = HONE_OUT;
    }
    bool there = true;
    switch (index) {
    case HONE_ATTENTION_LSE: there = p->lse; break;
    case HONE_ATTENTION_BIAS:
        there = p->bias_type != 0;
        role.type = (hone_dtype)p->bias_type;
        break;
    case HONE_ATTENTION_SLOPES:
    case HONE_ATTENTION_SINKS:
        there = index == HONE_ATTENTION_SLOPES ? p->alibi : p->sinks;
        role.shape[0] = p->heads;
        role.stride[0] = 1;
        break;
    case HONE_ATTENTION_Q_LENGTHS:
    case HONE_ATTENTION_K_LENGTHS:
        there = p->lengths != HONE_ATTENTION_EVEN;
        role.type = HONE_S32;
        role.shape[0] = p->batch + (p->lengths == HONE_ATTENTION_PACKED);
        role.stride[0] = 1;
        break;
    default: break;
    }
    if (!there) return (hone_role){.name = names[index], .direction = HONE_UNUSED, .type = HONE_F32};
    return role;
}

int hone_attention_roles(const void *problem, hone_role roles[HONE_ROLES_MAX])
{
    for (int i = 0; i < HONE_ATTENTION_OPERANDS; i++) roles[i] = role_of(problem, i);
    return HONE_ATTENTION_OPERANDS;
}

static int attention_scalars(const void *problem, const char *names[HONE_SCALARS_MAX], double neutral[HONE_SCALARS_MAX])
{
    const hone_attention_problem *p = problem;
    names[HONE_ATTENTION_SCALE] = "scale";
    neutral[HONE_ATTENTION_SCALE] = 1 / sqrt((double)p->d);
    names[HONE_ATTENTION_CAP] = "cap";
    neutral[HONE_ATTENTION_CAP] = p->cap ? 30 : 0;
    return HONE_ATTENTION_VALUES;
}

/* --- legal? ----------------------------------------------------------------------------------------------------- */

static bool summed_in_f32(uint8_t type)
{
    return type == HONE_F32 || type == HONE_BF16 || type == HONE_F16;
}

static hone_status check_sizes(const hone_attention_problem *p)
{
    HONE_CHECK(p->batch >= 0 && p->heads >= 0 && p->q_len >= 0 && p->k_len >= 0, HONE_ERROR_SHAPE,
               "attention: batch %" PRId64 ", heads %" PRId64 ", q_len %" PRId64 ", k_len %" PRId64
               "; no extent may be negative", p->batch, p->heads, p->q_len, p->k_len);
    HONE_CHECK(p->kv_heads >= 1 && p->d >= 1 && p->d_v >= 1, HONE_ERROR_SHAPE,
               "attention: kv_heads %" PRId64 ", head sizes %" PRId64 " and %" PRId64 "; they should be 1 or more",
               p->kv_heads, p->d, p->d_v);
    HONE_CHECK(p->heads % p->kv_heads == 0, HONE_ERROR_SHAPE,
               "attention: %" PRId64 " heads of q, %" PRId64 " of k and v; the first should be a multiple of the "
               "second", p->heads, p->kv_heads);
    HONE_CHECK(p->before >= HONE_ATTENTION_ALL && p->after >= HONE_ATTENTION_ALL, HONE_ERROR_ARGUMENT,
               "attention: the window is %" PRId64 " before and %" PRId64 " after; each should be 0 or more, or -1, "
               "which is all", p->before, p->after);
    if (p->lengths == HONE_ATTENTION_EVEN) return HONE_OK;
    HONE_CHECK(p->q_len <= INT32_MAX && p->k_len <= INT32_MAX && p->batch < INT32_MAX, HONE_ERROR_OVERFLOW,
               "attention: %" PRId64 " sequences of %" PRId64 " queries and %" PRId64
               " keys; lengths and offsets count "
               "in 31 bits",
               p->batch, p->q_len, p->k_len);
    return HONE_OK;
}

static hone_status check_strides(const hone_attention_problem *p)
{
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_BIAS; role++) {
        static const char *const names[] = {"q", "k", "v", "out", "lse", "bias"};
        const int64_t           *stride = hone_attention_strides((hone_attention_problem *)(uintptr_t)p, role);
        const bool there = role == HONE_ATTENTION_LSE ? p->lse : role != HONE_ATTENTION_BIAS || p->bias_type;
        int64_t    extent[4];
        hone_attention_extents(p, role, extent);
        for (int i = 0; i < (role == HONE_ATTENTION_LSE ? 3 : 4); i++)
            HONE_CHECK(stride[i] == 0 || (there && extent[i] > 1), HONE_ERROR_ARGUMENT,
                       "attention: stride %d of %s is %" PRId64 ", but there is nothing to go along", i, names[role],
                       stride[i]);
    }
    return HONE_OK;
}

hone_status hone_attention_check(const void *problem)
{
    const hone_attention_problem *p = problem;
    hone_role                     roles[HONE_ROLES_MAX];
    HONE_CHECK(summed_in_f32(p->type), HONE_ERROR_TYPE, "attention: q is %s; it should be f32, bf16 or f16",
               hone_dtype_name((hone_dtype)p->type));
    HONE_CHECK(p->bias_type == 0 || p->bias_type == HONE_F32 || p->bias_type == p->type, HONE_ERROR_TYPE,
               "attention: the bias is %s, q is %s; it should be that or f32",
               hone_dtype_name((hone_dtype)p->bias_type), hone_dtype_name((hone_dtype)p->type));
    HONE_CHECK(p->lengths <= HONE_ATTENTION_PACKED && p->first <= 1 && p->cap <= 1 && p->lse <= 1 && p->alibi <= 1 &&
                   p->sinks <= 1, HONE_ERROR_ARGUMENT, "attention: a flag of the problem is neither 0 nor 1");
    HONE_TRY(check_sizes(p));
    HONE_CHECK(p->lengths != HONE_ATTENTION_PACKED || !p->bias_type, HONE_ERROR_UNSUPPORTED,
               "attention: a bias goes with batches of sequences; of packed ones, whose rows follow each other, it "
               "would be mostly empty");
    HONE_CHECK(!p->first || p->before >= 0 || p->after >= 0 || p->alibi, HONE_ERROR_ARGUMENT,
               "attention: 'first' is said, but nothing asks where queries and keys meet");
    HONE_TRY(check_strides(p));
    int count = hone_attention_roles(p, roles);
    for (int i = 0; i < count; i++)
        HONE_CHECK(hone_role_fits(&roles[i]), HONE_ERROR_OVERFLOW,
                   "attention: %s spans more bytes than 63 bits can count", roles[i].name);
    for (int i = 0; i < count; i++)
        HONE_CHECK(!(roles[i].direction & HONE_OUT) || !hone_role_overlaps_itself(&roles[i]), HONE_ERROR_OVERLAP,
                   "attention: %s is written, but its strides put two elements at one place", roles[i].name);
    return HONE_OK;
}

/* --- cost ------------------------------------------------------------------------------------------------------- */

/* The sum over i in 0 .. rows-1 of i + from, held within 0 .. most. */
static double ramp(double rows, double from, double most)
{
    const double none = fmin(fmax(-from, 0), rows), all = fmin(fmax(rows - (most - from), 0), rows - none);
    const double between = rows - none - all;
    return all * most + between * (none + from) + between * (between - 1) / 2;
}

double hone_attention_seen(const hone_attention_problem *p, double rows, double keys)
{
    const double shift = p->first ? 0 : keys - rows;
    const double high = p->after < 0 ? rows * keys : ramp(rows, shift + (double)p->after + 1, keys);
    const double low = p->before < 0 ? 0 : ramp(rows, shift - (double)p->before, keys);
    return fmax(high - low, 0);
}

/* Each element once, however often it is repeated. */
static double bytes_of(const hone_role *role)
{
    double bytes = hone_dtype_bits(role->type) / 8.0;
    for (int d = 0; d < role->rank; d++)
        if (role->stride[d] != 0 || role->shape[d] == 0) bytes *= (double)role->shape[d];
    return bytes;
}

/* Products that are not masked: both of d and of d_v, nothing for the softmax. Of lengths nothing is known here: padded
 * sequences count as whole, packed ones as equally long. */
static hone_cost attention_cost(const void *problem)
{
    const hone_attention_problem *p = problem;
    hone_role                     roles[HONE_ROLES_MAX];
    hone_cost                     cost = {0, 0, 0};
    const int    count = hone_attention_roles(p, roles);
    const double sequences = (double)p->batch, share = p->lengths == HONE_ATTENTION_PACKED ? fmax(sequences, 1) : 1;
    const double seen = hone_attention_seen(p, (double)p->q_len / share, (double)p->k_len / share);
    cost.flops = 2 * sequences * (double)p->heads * seen * ((double)p->d + (double)p->d_v);
    for (int i = 0; i < count; i++) {
        if (roles[i].direction & HONE_IN) cost.bytes_read += bytes_of(&roles[i]);
        if (roles[i].direction & HONE_OUT) cost.bytes_written += bytes_of(&roles[i]);
    }
    return cost;
}

/* Results are quotients of sums of exponentials: no data make them whole. */
static bool attention_exact(const void *problem, hone_data_kind kind)
{
    (void)problem, (void)kind;
    return false;
}

/* --- suites ------------------------------------------------------------------------------------------------------ */

static const char *const smoke[] = {"f32 causal b1 h2 q70 k70 d32", "f32 b2 h4 q33 k65 d24 kv=2 dv=40 +lse+alibi",
                                    "bf16 causal b1 h2 q1 k129 d64", NULL};
static const char *const quick[] = {"f32 b1 h12 q512 k512 d64", "f32 causal b1 h12 q512 k512 d64",
                                    "bf16 causal b1 h12 q512 k512 d64", "f32 causal b1 h8 q512 k512 d64 kv=1 +lse",
                                    NULL};
static const char *const full[] = {
    "f32 b1 h12 q512 k512 d64", "f32 b1 h12 q1024 k1024 d64", "f32 b1 h12 q4096 k4096 d64",
    "f32 b1 h32 q1024 k1024 d128", "f32 causal b1 h12 q512 k512 d64", "f32 causal b1 h12 q1024 k1024 d64",
    "f32 causal b1 h12 q4096 k4096 d64", "f32 causal b1 h32 q1024 k1024 d128",
    "f32 causal b1 h12 q4096 k4096 d64 before=256", "f32 causal b1 h16 q1024 k1024 d64 kv=2",
    "f32 causal b1 h12 q1023 k1023 d72", "bf16 causal b1 h12 q1024 k1024 d64", "f16 causal b1 h12 q1024 k1024 d64",
    "bf16 b1 h32 q1 k4096 d128 kv=8", NULL};

static const char *const *attention_suite(const char *name)
{
    if (!strcmp(name, "smoke")) return smoke;
    if (!strcmp(name, "quick")) return quick;
    if (!strcmp(name, "full")) return full;
    return NULL;
}

const hone_op hone_attention_op = {
    .name = "attention",
    .version = 1,
    .problem_size = sizeof(hone_attention_problem),
    .check = hone_attention_check,
    .print = hone_attention_print,
    .parse = hone_attention_parse,
    .roles = hone_attention_roles,
    .scalars = attention_scalars,
    .cost = attention_cost,
    .random = hone_attention_random,
    .generate = hone_attention_generate,
    .exact = attention_exact,
    .reference = hone_attention_truth,
    .suite = attention_suite,
};
