/* Every micro-kernel that folds sums and that this machine can run against plain loops: over all groups, numbers of
 * vectors and of rows, and all remainders of k, with each operand against a page that may not be touched; and what is
 * no number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "kernels/matmul/fold.h"
#include "tests/kernels/array.h"

enum { ARRAYS = 5, BYTES = 60000 };

typedef struct scene {
    array a, b, packed, before, c;
} scene;

/* NULL: this CPU does not have the instructions. */
static const hone_matmul_fold_kit *scene_open(scene *s, int at)
{
    const hone_matmul_fold_kit *kit = hone_matmul_folds[at];
    array *all[ARRAYS] = {&s->a, &s->b, &s->packed, &s->before, &s->c};
    if (kit->isa > hone_cpu_isa()) {
        printf("%s: skipped, this CPU does not have its instructions\n", kit->name);
        return NULL;
    }
    for (int i = 0; i < ARRAYS; i++) *all[i] = (array){.memory = guarded_make(BYTES), .type = kit->type};
    return kit;
}

static void scene_close(scene *s)
{
    array *all[ARRAYS] = {&s->a, &s->b, &s->packed, &s->before, &s->c};
    for (int i = 0; i < ARRAYS; i++) guarded_free(&all[i]->memory);
}

/* Copies b, of n columns and k rows, into so many vectors a group of k. */
static void pack(scene *s, const hone_matmul_fold_kit *kit, int64_t n, int64_t k, int group, int64_t from_k,
                 int64_t from_n)
{
    const int vectors = (int)((n * group + kit->kit->lanes - 1) / kit->kit->lanes);
    const int64_t steps = (k + group - 1) / group, line = vectors * kit->kit->lanes / group;
    lay(&s->packed, steps * vectors * kit->kit->lanes, 1, NULL);
    kit->pack(&(hone_matmul_fold_pack_job){n, k, group, vectors, s->b.at, from_k, from_n, s->packed.at});
    for (int64_t z = 0; z < steps * group; z++)
        for (int64_t x = 0; x < n; x++) {
            const double is = get(&s->packed, z / group * line * group + x * group + z % group);
            const double truth = z < k ? get(&s->b, z * from_k + x * from_n) : 0;
            if (!(is == truth || (isnan(is) && isnan(truth))))
                fail_msg("%s, group %d: b[%d][%d] of %dx%d is %g, not %g", kit->name, group, (int)z, (int)x, (int)k,
                         (int)n, is, truth);
        }
}

/* One product, its operands laid out with gaps or without, against plain loops. */
static void multiply(scene *s, const hone_matmul_fold_kit *kit, int64_t m, int64_t n, int64_t k, int group,
                     hone_random *r)
{
    const int at_end = (int)hone_random_below(r, 2), turned = (int)hone_random_below(r, 3) == 0;
    const int64_t gap = (int64_t)hone_random_below(r, 2) * 2, from_k = turned ? 1 : n + gap, from_n = turned ? k : 1;
    hone_matmul_fold_job job = {.m = m, .n = n, .k = k, .group = group, .a_m = k + gap, .c_m = n + gap};
    job.vectors = (int)((n * group + kit->kit->lanes - 1) / kit->kit->lanes);
    job.alpha = hone_random_below(r, 3) ? 1 : -2;
    job.beta = (double)hone_random_below(r, 3) - 1;
    job.rows = hone_random_below(r, 4) ? HONE_MATMUL_FOLD_ROWS : 4;
    lay(&s->a, k ? (m - 1) * job.a_m + k : 0, at_end, r);
    lay(&s->b, k ? (k - 1) * from_k + (n - 1) * from_n + 1 : 0, at_end, r);
    pack(s, kit, n, k, group, from_k, from_n);
    lay(&s->before, (m - 1) * job.c_m + n, at_end, r);
    lay(&s->c, (m - 1) * job.c_m + n, at_end, NULL);
    for (int64_t i = 0; job.beta != 0 && i < s->c.count; i++) set(&s->c, i, get(&s->before, i));
    job.a = s->a.at, job.b = s->packed.at, job.c = s->c.at;
    kit->multiply(&job);
    for (int64_t y = 0; y < m; y++)
        for (int64_t x = 0; x < n; x++) {
            double truth = 0;
            for (int64_t z = 0; z < k; z++) truth += get(&s->a, y * job.a_m + z) * get(&s->b, z * from_k + x * from_n);
            truth = job.alpha * truth + (job.beta != 0 ? job.beta * get(&s->before, y * job.c_m + x) : 0);
            if (!(get(&s->c, y * job.c_m + x) == truth))
                fail_msg("%s %dx%dx%d, group %d: [%d][%d] is %g, not %g", kit->name, (int)m, (int)n, (int)k, group,
                         (int)y, (int)x, get(&s->c, y * job.c_m + x), truth);
        }
    for (int64_t y = 0; y + 1 < m; y++)
        for (int64_t x = n; x < job.c_m; x++)
            if (job.beta != 0)
                assert_true(get(&s->c, y * job.c_m + x) == get(&s->before, y * job.c_m + x));
            else
                assert_true(isnan(get(&s->c, y * job.c_m + x)));
}

/* The most columns of a group. */
static int64_t most(const hone_matmul_fold_kit *kit, int group)
{
    return HONE_MATMUL_FOLD_MOST(kit->kit->lanes, group) * kit->kit->lanes / group;
}

static void multiplies(void **state)
{
    hone_random r = hone_random_seeded(51);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_fold_count; at++) {
        const hone_matmul_fold_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int group = 2; group <= kit->kit->lanes; group *= 2)
            for (int64_t n = 1; n <= most(kit, group); n++) {
                for (int64_t k = 0; k <= 2 * group + 1; k++) multiply(&s, kit, 1 + k % 5, n, k, group, &r);
                for (int64_t m = 1; m <= 2 * HONE_MATMUL_FOLD_ROWS; m++)
                    multiply(&s, kit, m, n, 1 + (int64_t)hone_random_below(&r, 40), group, &r);
            }
        scene_close(&s);
    }
}

/* Infinity and NaN reach the sums that they belong to, and no other: whole groups and what remains alike. */
static void keeps_them_apart(void **state)
{
    enum { M = 15, K = 19 };
    hone_random r = hone_random_seeded(52);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_fold_count; at++) {
        const hone_matmul_fold_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int group = 2; group <= kit->kit->lanes; group *= 2)
            for (int64_t n = 1; n <= most(kit, group); n++) {
                const int64_t z = (int64_t)hone_random_below(&r, K), row = (int64_t)hone_random_below(&r, M);
                const int64_t column = (int64_t)hone_random_below(&r, (uint64_t)n);
                lay(&s.a, M * K, 1, &r);
                lay(&s.b, K * n, 1, &r);
                set(&s.a, row * K + z, (double)INFINITY);
                for (int64_t x = 0; x < n; x++) set(&s.b, z * n + x, x == column ? (double)NAN : 1);
                pack(&s, kit, n, K, group, n, 1);
                lay(&s.c, M * n, 1, NULL);
                const int vectors = (int)((n * group + kit->kit->lanes - 1) / kit->kit->lanes);
                kit->multiply(&(hone_matmul_fold_job){M, n, K, group, vectors, s.a.at, K, s.packed.at, s.c.at, n, 1, 0,
                                                      HONE_MATMUL_FOLD_ROWS});
                for (int64_t y = 0; y < M; y++)
                    for (int64_t x = 0; x < n; x++) {
                        const double is = get(&s.c, y * n + x);
                        assert_true(x == column ? isnan(is) : y == row ? is == (double)INFINITY : isfinite(is));
                    }
            }
        scene_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(multiplies), cmocka_unit_test(keeps_them_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
