/* What attention is tried with: problems drawn at random, with edges of sizes and masks well covered, and data for
 * their arguments and scalars. */
#include <math.h>
#include <string.h>

#include "base/element.h"
#include "base/random.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/attention/problem.h"

static bool chance(hone_random *r, int percent)
{
    return hone_random_below(r, 100) < (uint64_t)percent;
}

static int64_t between(hone_random *r, int64_t least, int64_t most)
{
    return least + (int64_t)hone_random_below(r, (uint64_t)(most - least + 1));
}

/* --- problems --------------------------------------------------------------------------------------------------- */

/* 1, what strips, panels and blocks are made of and their neighbours, and anything. */
static int64_t extent(hone_random *r, int64_t most)
{
    static const int16_t steps[] = {4, 6, 8, 14, 16, 28, 32, 48, 64, 96, 112, 128, 192, 256, 512};
    int64_t              value;
    switch (hone_random_below(r, 8)) {
    case 0: value = 1; break;
    case 1:
    case 2:
    case 3:
    case 4:
        value = steps[hone_random_below(r, sizeof steps / sizeof *steps)] * between(r, 1, 2) + between(r, -1, 1);
        break;
    default: value = between(r, 1, most); break;
    }
    return value <= most ? value : between(r, 1, most);
}

static double work(const hone_attention_problem *p)
{
    return (double)p->batch * (double)p->heads * (double)p->q_len * (double)p->k_len * (double)(p->d + p->d_v) * 2;
}

static void sizes(hone_random *r, double flops, hone_attention_problem *p)
{
    const int64_t side = (int64_t)fmin(fmax(sqrt(flops) / 4, 8), 1500);
    p->batch = chance(r, 50) ? 1 : between(r, 1, 4);
    p->kv_heads = chance(r, 40) ? 1 : between(r, 1, 4);
    p->heads = p->kv_heads * (chance(r, 60) ? 1 : between(r, 1, 9));
    p->d = chance(r, 70) ? 8 * between(r, 1, 12) : between(r, 1, 130);
    p->d_v = chance(r, 80) ? p->d : between(r, 1, 130);
    p->q_len = extent(r, side);
    p->k_len = chance(r, 50) ? p->q_len : extent(r, side);
    if (chance(r, 15)) { /* decoding */
        p->q_len = between(r, 1, 8);
        p->k_len = extent(r, 4 * side);
    }
    while (work(p) > flops) {
        int64_t *const shrinks[] = {&p->q_len, &p->k_len, &p->batch, &p->d, &p->d_v};
        int64_t       *widest = shrinks[0];
        for (size_t i = 1; i < sizeof shrinks / sizeof *shrinks; i++)
            if (*shrinks[i] > *widest) widest = shrinks[i];
        if (*widest > 1)
            *widest = *widest * 3 / 4;
        else if (p->heads > p->kv_heads)
            p->heads = p->kv_heads;
        else
            break;
    }
    if (chance(r, 2)) p->k_len = 0;
    if (chance(r, 2)) *(chance(r, 50) ? &p->q_len : &p->batch) = 0;
}

static void masks(hone_random *r, hone_attention_problem *p)
{
    const int64_t most = hone_max(hone_max(p->q_len, p->k_len), 1);
    p->before = p->after = HONE_ATTENTION_ALL;
    if (chance(r, 45)) p->after = 0;
    else if (chance(r, 20)) p->after = between(r, 0, most);
    if (chance(r, 25)) p->before = chance(r, 50) ? between(r, 0, 40) : between(r, 0, most);
    p->alibi = chance(r, 15);
    p->first = (p->before >= 0 || p->after >= 0 || p->alibi) && chance(r, 30);
}

/* Strides of four dimensions: nested in some order, perhaps with room between, backwards, or repeating. */
static void lay_out(hone_random *r, const hone_attention_problem *p, int role, int64_t *stride)
{
    const int dimensions = role == HONE_ATTENTION_LSE ? 3 : 4;
    const bool written = role == HONE_ATTENTION_OUT || role == HONE_ATTENTION_LSE;
    int64_t    dense[4], extents[4], next = chance(r, 8) ? 2 : 1;
    int        order[4] = {0, 1, 2, 3};
    hone_attention_extents(p, role, extents);
    bool fits = hone_attention_dense(p, role, chance(r, 50), dense);
    HONE_ASSERT(fits);
    memcpy(stride, dense, (size_t)dimensions * sizeof *dense);
    if (chance(r, 70)) return;
    for (int i = dimensions - 1; i > 0; i--) {
        int j = chance(r, 15) ? (int)hone_random_below(r, (uint64_t)i + 1) : i, other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (int i = dimensions - 1; i >= 0; i--) {
        const int at = order[i];
        stride[at] = next;
        next *= hone_max(extents[at], 1) + (chance(r, 25) ? between(r, 1, 9) : 0);
        if (chance(r, 6)) stride[at] = -stride[at];
        if (!written && chance(r, role == HONE_ATTENTION_BIAS ? 30 : at == 0 ? 20 : 2)) stride[at] = 0;
        if (extents[at] <= 1) stride[at] = 0;
    }
}

void hone_attention_random(uint64_t seed, double flops, void *problem)
{
    hone_random             random = hone_random_seeded(seed), *r = &random;
    hone_attention_problem *p = problem;
    memset(p, 0, sizeof *p);
    p->type = chance(r, 55) ? HONE_F32 : chance(r, 50) ? HONE_BF16 : HONE_F16;
    if (chance(r, 25)) p->lengths = chance(r, 50) ? HONE_ATTENTION_PADDED : HONE_ATTENTION_PACKED;
    sizes(r, flops, p);
    masks(r, p);
    p->lse = chance(r, 40);
    p->sinks = chance(r, 15);
    p->cap = chance(r, 12);
    if (p->lengths != HONE_ATTENTION_PACKED && chance(r, 20)) p->bias_type = chance(r, 50) ? HONE_F32 : p->type;
    for (int role = HONE_ATTENTION_Q; role <= HONE_ATTENTION_BIAS; role++)
        if (role <= HONE_ATTENTION_OUT || (role == HONE_ATTENTION_LSE ? p->lse : p->bias_type))
            lay_out(r, p, role, hone_attention_strides(p, role));
    HONE_ASSERT(hone_attention_check(p) == HONE_OK);
}

/* --- data --------------------------------------------------------------------------------------------------------- */

/* One element of an input made NaN or infinite. */
static void plant(const hone_role *role, const hone_span *span, uint64_t bits, bool only_nan)
{
    static const double strange[] = {NAN, INFINITY, -INFINITY, -INFINITY};
    const int64_t       count = hone_role_count(role);
    if (count == 0) return;
    const int64_t at = (int64_t)((bits >> 2 & 0xffffffffu) * (uint64_t)count >> 32);
    hone_element_store(role->type, hone_span_host(span), hone_role_offset(role, at),
                       only_nan ? NAN : strange[bits & 3]);
}

/* Masks as many write them: of some rows nothing is seen, of others a part. */
static void hide(const hone_role *role, const hone_span *span, hone_random *r)
{
    const int64_t count = hone_role_count(role);
    for (int64_t i = 0, some = count / 8; i < some; i++)
        hone_element_store(role->type, hone_span_host(span),
                           hone_role_offset(role, (int64_t)hone_random_below(r, (uint64_t)count)), -INFINITY);
    const int64_t keys = count ? role->shape[role->rank - 1] : 0, row = count ? between(r, 0, count / keys - 1) : 0;
    for (int64_t i = 0; i < keys; i++)
        hone_element_store(role->type, hone_span_host(span), hone_role_offset(role, row * keys + i), -INFINITY);
}

/* Lengths: whole, none, and between. Offsets: cut at random, sometimes beginning late and ending early. */
static void measure_out(const hone_attention_problem *p, const hone_span *span, int64_t most, hone_random *r)
{
    int32_t *at = hone_span_host(span);
    if (p->lengths == HONE_ATTENTION_PADDED) {
        for (int64_t i = 0; i < p->batch; i++)
            at[i] = (int32_t)(chance(r, 40) ? most : chance(r, 10) ? 0 : between(r, 0, most));
        return;
    }
    const int64_t even = most / hone_max(p->batch, 1);
    for (int64_t i = 0; i <= p->batch; i++) {
        int64_t cut = i == p->batch ? most : i * even + (i ? between(r, -even / 3, even / 3) : 0);
        if (i > 0 && chance(r, 8)) cut = at[i - 1];
        at[i] = (int32_t)hone_max(cut, i ? at[i - 1] : 0);
    }
    if (chance(r, 15)) at[0] = (int32_t)hone_min(at[0] + 1, at[hone_min(p->batch, 1)]);
    if (p->batch && chance(r, 15)) at[p->batch] = (int32_t)hone_max(at[p->batch] - 1, at[p->batch - 1]);
}

hone_status hone_attention_generate(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                    hone_scalar *scalars)
{
    const hone_attention_problem *p = problem;
    hone_random                   random = hone_random_seeded(hone_random_at(seed, 99)), *r = &random;
    hone_role                     roles[HONE_ROLES_MAX];
    const int                     count = hone_attention_roles(p, roles);
    const bool                    strange = kind == HONE_DATA_NOT_FINITE;
    /* Weights that are nearly even, and such as pick a few; not where what is infinite would meet a weight too small
     * for f32. */
    static const double factors[] = {1, 1, 4, 12, -2, 0.25};
    const double        factor = strange ? 1 : factors[hone_random_below(r, sizeof factors / sizeof *factors)];
    for (int i = 0; i < count; i++) {
        if (!(roles[i].direction & HONE_IN)) continue;
        const hone_span *span = &into->at[i];
        if (i >= HONE_ATTENTION_Q_LENGTHS) {
            measure_out(p, span, i == HONE_ATTENTION_Q_LENGTHS ? p->q_len : p->k_len, r);
            continue;
        }
        hone_values values = {.largest = i == HONE_ATTENTION_BIAS || i == HONE_ATTENTION_SINKS ? 3 : 1};
        if (i == HONE_ATTENTION_SLOPES)
            values.largest = chance(r, 50) && !strange ? 1 : 20 / (double)(p->k_len + p->q_len + 20);
        hone_role_fill(&roles[i], span, 0, &values, hone_random_at(seed, (uint64_t)i));
        if (i == HONE_ATTENTION_BIAS && chance(r, 50)) hide(&roles[i], span, r);
        if (strange && i <= HONE_ATTENTION_BIAS)
            plant(&roles[i], span, hone_random_at(seed + 1, (uint64_t)i), i == HONE_ATTENTION_V && p->bias_type);
    }
    scalars[HONE_ATTENTION_SCALE] = (hone_scalar){factor / sqrt((double)p->d), NULL};
    scalars[HONE_ATTENTION_CAP] = (hone_scalar){p->cap ? 0.5 + (double)hone_random_below(r, 8) : 0, NULL};
    return HONE_OK;
}
