/* Every thin micro-kernel that this machine can run against plain loops: over all numbers of rows and columns and all
 * remainders of vectors and depths, with each operand against a page that may not be touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "backends/cpu/cpu.h"
#include "base/size.h"
#include "kernels/matmul/thin.h"
#include "tests/kernels/array.h"

static const hone_matmul_thin_kit *kit_at(int at)
{
    const hone_matmul_thin_kit *kit = hone_matmul_thins[at];
    if (kit->isa <= hone_cpu_isa()) return kit;
    printf("%s: skipped, this CPU does not have its instructions\n", kit->name);
    return NULL;
}

/* Lines of b lie `gap` further apart than they are long; sums begin as they are, lines of whole vectors. */
static void goes_across(void **state)
{
    static const int64_t ms[] = {1, 2, 3, 5, 17}, ks[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 29};
    hone_random r = hone_random_seeded(11);
    (void)state;
    for (int at = 0; at < hone_matmul_thin_count; at++) {
        const hone_matmul_thin_kit *kit = kit_at(at);
        if (!kit) continue;
        array a, packed, b, sums, before, *all[] = {&a, &packed, &b, &sums, &before};
        for (int i = 0; i < 5; i++)
            *all[i] = (array){.memory = guarded_make(60000), .type = hone_matmul_widened(kit->type)};
        a.type = b.type = kit->type;
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 13; j++)
                for (int64_t n = 1; n <= 2 * kit->width + 3; n += 1 + (int64_t)hone_random_below(&r, 4)) {
                    const int64_t m = ms[i], k = ks[j], line = hone_round_up(n, kit->kit->lanes) + 1;
                    const int64_t gap = (int64_t)hone_random_below(&r, 3), b_k = n + gap;
                    const int at_end = (int)hone_random_below(&r, 2);
                    const bool across = hone_random_below(&r, 2);
                    lay(&a, m * k, at_end, &r);
                    lay(&packed, hone_round_up(k, kit->depth) * m, at_end, NULL);
                    lay(&b, k ? (k - 1) * b_k + n : 0, at_end, &r);
                    lay(&before, m * line - 1, at_end, &r);
                    lay(&sums, m * line - 1, at_end, NULL);
                    for (int64_t x = 0; x < m * line - 1; x++) set(&sums, x, get(&before, x));
                    kit->pack(&(hone_matmul_thin_pack_job){m, k, a.at, across ? 1 : k, across ? m : 1, packed.at});
                    kit->across(&(hone_matmul_across_job){m, n, k, packed.at, b.at, b_k, sums.at, line,
                                                          hone_random_below(&r, 2)});
                    for (int64_t y = 0; y < m; y++)
                        for (int64_t x = 0; x < n; x++) {
                            double truth = get(&before, y * line + x);
                            for (int64_t z = 0; z < k; z++)
                                truth += get(&a, across ? z * m + y : y * k + z) * get(&b, z * b_k + x);
                            if (!(get(&sums, y * line + x) == truth))
                                fail_msg("%s across %dx%dx%d: sums[%d][%d] is %g, not %g", kit->name, (int)m, (int)n,
                                         (int)k, (int)y, (int)x, get(&sums, y * line + x), truth);
                        }
                }
        for (int i = 0; i < 5; i++) guarded_free(&all[i]->memory);
    }
}

/* Over k in two parts, and into sums that are kept or not. */
static void multiplies_along(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 7, 8, 15, 16, 17, 40};
    hone_random r = hone_random_seeded(12);
    (void)state;
    for (int at = 0; at < hone_matmul_thin_count; at++) {
        const hone_matmul_thin_kit *kit = kit_at(at);
        if (!kit) continue;
        array a, b, lanes, to, before, *all[] = {&a, &b, &lanes, &to, &before};
        for (int i = 0; i < 5; i++)
            *all[i] = (array){.memory = guarded_make(30000), .type = hone_matmul_widened(kit->type)};
        b.type = kit->type;
        for (int64_t m = 1; m <= kit->dots_rows; m++)
            for (int64_t n = 1; n <= kit->dots_columns[m]; n++)
                for (int j = 0; j < 9; j++) {
                    const int64_t k = ks[j], cut = k / 3, a_m = k + (int64_t)hone_random_below(&r, 3);
                    const int64_t b_n = k + (int64_t)hone_random_below(&r, 3), to_m = n + 1;
                    const int at_end = (int)hone_random_below(&r, 2), adds = (int)hone_random_below(&r, 2);
                    lay(&a, k ? (m - 1) * a_m + k : 0, at_end, &r);
                    lay(&b, k ? (n - 1) * b_n + k : 0, at_end, &r);
                    lay(&lanes, m * n * kit->kit->lanes, at_end, NULL);
                    lay(&before, m * to_m - 1, at_end, &r);
                    lay(&to, m * to_m - 1, at_end, NULL);
                    for (int64_t x = 0; adds && x < to.count; x++) set(&to, x, get(&before, x));
                    kit->dots(&(hone_matmul_dots_job){m, n, cut, a.at, a_m, b.at, b_n, lanes.at, 1, 0});
                    kit->dots(&(hone_matmul_dots_job){m, n, k - cut, a.at + cut * element(&a), a_m,
                                                      b.at + cut * element(&b), b_n, lanes.at, 0,
                                                      hone_random_below(&r, 2)});
                    kit->add_lanes(&(hone_matmul_add_lanes_job){m, n, lanes.at, to.at, to_m, 1, adds});
                    for (int64_t y = 0; y < m; y++)
                        for (int64_t x = 0; x < n; x++) {
                            double truth = adds ? get(&before, y * to_m + x) : 0;
                            for (int64_t z = 0; z < k; z++) truth += get(&a, y * a_m + z) * get(&b, x * b_n + z);
                            if (!(get(&to, y * to_m + x) == truth))
                                fail_msg("%s dots %dx%dx%d: [%d][%d] is %g, not %g", kit->name, (int)m, (int)n, (int)k,
                                         (int)y, (int)x, get(&to, y * to_m + x), truth);
                        }
                    for (int64_t y = 0; y + 1 < m; y++) assert_true(adds || isnan(get(&to, y * to_m + n)));
                }
        for (int i = 0; i < 5; i++) guarded_free(&all[i]->memory);
    }
}

/* A result has the same bits wherever it stands among its neighbours. */
static void bits_do_not_move(void **state)
{
    hone_random r = hone_random_seeded(13);
    (void)state;
    for (int at = 0; at < hone_matmul_thin_count; at++) {
        const hone_matmul_thin_kit *kit = kit_at(at);
        if (!kit) continue;
        enum { K = 77 };
        array a, b, lanes, to, *all[] = {&a, &b, &lanes, &to};
        for (int i = 0; i < 4; i++)
            *all[i] = (array){.memory = guarded_make(30000), .type = hone_matmul_widened(kit->type)};
        b.type = kit->type;
        lay(&a, K, 1, &r), lay(&b, K, 1, &r);
        for (int64_t i = 0; i < K; i++) {
            set(&a, i, hone_random_signed(hone_random_next(&r)));
            set(&b, i, hone_random_signed(hone_random_next(&r)));
        }
        double first = 0;
        for (int64_t m = 1; m <= kit->dots_rows; m++)
            for (int64_t n = 1; n <= kit->dots_columns[m]; n++) {
                lay(&lanes, m * n * kit->kit->lanes, 1, NULL), lay(&to, m * n, 1, NULL);
                kit->dots(&(hone_matmul_dots_job){m, n, K, a.at, 0, b.at, 0, lanes.at, 1, 0});
                kit->add_lanes(&(hone_matmul_add_lanes_job){m, n, lanes.at, to.at, n, 1, 0});
                if (m == 1 && n == 1) first = get(&to, 0);
                for (int64_t i = 0; i < m * n; i++) assert_true(get(&to, i) == first);
            }
        for (int i = 0; i < 4; i++) guarded_free(&all[i]->memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_across), cmocka_unit_test(multiplies_along), cmocka_unit_test(bits_do_not_move)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
