/* What a grouped matmul is tried with: random problems, data for its arguments, and routings of every kind. */
#include <string.h>

#include "base/random.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

static int64_t between(hone_random *r, int64_t least, int64_t most)
{
    return least + (int64_t)hone_random_below(r, (uint64_t)(most - least + 1));
}

static bool chance(hone_random *r, int percent)
{
    return hone_random_below(r, 100) < (uint64_t)percent;
}

/* --- problems ------------------------------------------------------------------------------------------------- */

/* A random matmul without what groups have no place for. */
static void one_of(hone_random *r, double flops, bool sums, hone_matmul_problem *one)
{
    hone_matmul_random(hone_random_next(r), flops, one);
    one->batch_rank = 0;
    memset(one->batch, 0, sizeof one->batch);
    memset(one->a_batch, 0, sizeof one->a_batch);
    memset(one->b_batch, 0, sizeof one->b_batch);
    memset(one->c_batch, 0, sizeof one->c_batch);
    if (sums) {
        one->step_count = 0;
        memset(one->step, 0, sizeof one->step);
    }
    for (int i = 0; i < one->step_count; i++) memset(one->step[i].batch_stride, 0, sizeof one->step[i].batch_stride);
}

void hone_matmul_grouped_random(uint64_t seed, double flops, void *problem)
{
    hone_matmul_grouped_problem *p = problem;
    hone_random                  random = hone_random_seeded(seed), *r = &random;
    for (;;) { /* until what was drawn has a place here: most has */
        memset(p, 0, sizeof *p);
        p->offsets = chance(r, 50) ? HONE_S32 : HONE_S64;
        p->sums = chance(r, 25);
        p->groups = chance(r, 3) ? 0 : chance(r, 15) ? between(r, 10, 40) : between(r, 1, 9);
        one_of(r, flops / (p->sums ? (double)p->groups + 1 : 1), p->sums, &p->one);
        if (!hone_matmul_grouped_usual(p, &p->group_stride, p->step_group)) continue;
        if (chance(r, 25)) p->group_stride += between(r, 1, 9);
        if (!p->sums && chance(r, 5)) p->group_stride = 0;
        for (int i = 0; i < p->one.step_count; i++)
            if (p->step_group[i] && chance(r, 40)) p->step_group[i] = chance(r, 50) ? 0 : p->step_group[i] * 3 + 1;
        if (hone_matmul_grouped_check(p) == HONE_OK) return;
    }
}

/* --- data ----------------------------------------------------------------------------------------------------- */

bool hone_matmul_grouped_exact(const void *problem, hone_data_kind kind)
{
    const hone_matmul_grouped_problem *p = problem;
    return hone_matmul_exact(&p->one, kind);
}

static void offset_put(const hone_matmul_grouped_problem *p, const hone_arguments *into, int64_t index, int64_t value)
{
    char   *at = hone_span_host(&into->at[HONE_MATMUL_GROUPED_OFFSETS]);
    int32_t narrow = (int32_t)value;
    if (p->offsets == HONE_S64)
        memcpy(at + index * (int64_t)sizeof value, &value, sizeof value);
    else
        memcpy(at + index * (int64_t)sizeof narrow, &narrow, sizeof narrow);
}

/* Rows among groups: uneven, some without any. Random data, which times are taken with, leave no row out; of the others
 * some have rows before the first group and behind the last, and wide integers one group with all of them. */
static void route(const hone_matmul_grouped_problem *p, hone_data_kind kind, uint64_t seed, const hone_arguments *into)
{
    hone_random   random = hone_random_seeded(seed), *r = &random;
    const int64_t rows = hone_matmul_grouped_rows(p);
    const bool    all = kind == HONE_DATA_RANDOM, one = kind == HONE_DATA_WIDE && chance(r, 50);
    int64_t       first = 0, last = rows;
    if (!all && rows) {
        first = chance(r, 50) ? between(r, 0, rows / 4) : 0;
        last = chance(r, 50) ? between(r, first + (rows - first) / 2, rows) : rows;
        if (chance(r, 10)) last = first;
    }
    const int64_t chosen = one && p->groups ? between(r, 0, p->groups - 1) : -1;
    const uint64_t shares = hone_random_next(r);
    double         total = 0, so_far = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t g = 0; g < p->groups; g++) {
            const uint64_t bits = hone_random_at(shares, (uint64_t)g);
            double         share = 4 + (double)(bits >> 8 & 15); /* of 64 groups the largest has about twice the mean */
            if (p->groups > 2 && (bits & 15) == 0) share = 0;
            if (chosen >= 0) share = g == chosen;
            if (pass == 0) {
                total += share;
            } else {
                offset_put(p, into, g, first + (int64_t)((double)(last - first) * (total > 0 ? so_far / total : 0)));
                so_far += share;
            }
        }
    offset_put(p, into, p->groups, total > 0 || p->groups == 0 ? (p->groups ? last : first) : first);
}

hone_status hone_matmul_grouped_generate(const void *problem, hone_data_kind kind, uint64_t seed,
                                         const hone_arguments *into, hone_scalar *scalars)
{
    const hone_matmul_grouped_problem *p = problem;
    hone_role                          roles[HONE_ROLES_MAX];
    hone_matmul_grouped_roles(p, roles);
    HONE_TRY(
        hone_matmul_generate_for(&p->one, roles, HONE_MATMUL_STEP0 + p->one.step_count, kind, seed, into, scalars));
    route(p, kind, hone_random_at(seed, 77), into);
    return HONE_OK;
}
