/* Every micro-kernel of a flat b that this machine can run against plain loops: over all numbers of rows and columns
 * and all remainders of k, with each operand against a page that may not be touched; what is no number; and bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "backends/cpu/cpu.h"
#include "kernels/matmul/flat.h"
#include "tests/kernels/array.h"

enum { ARRAYS = 4, BYTES = 30000 };

typedef struct scene {
    array   a, b, before, to;
    int64_t index[HONE_MATMUL_FLAT_INDEX_BYTES / sizeof(int64_t)];
} scene;

/* NULL: this CPU does not have the instructions. */
static const hone_matmul_flat_kit *scene_open(scene *s, int at)
{
    const hone_matmul_flat_kit *kit = hone_matmul_flats[at];
    array *all[ARRAYS] = {&s->a, &s->b, &s->before, &s->to};
    if (kit->isa > hone_cpu_isa()) {
        printf("%s: skipped, this CPU does not have its instructions\n", kit->name);
        return NULL;
    }
    for (int i = 0; i < ARRAYS; i++) *all[i] = (array){.memory = guarded_make(BYTES), .type = kit->type};
    s->before.type = s->to.type = hone_matmul_widened(kit->type);
    return kit;
}

static void scene_close(scene *s)
{
    array *all[ARRAYS] = {&s->a, &s->b, &s->before, &s->to};
    for (int i = 0; i < ARRAYS; i++) guarded_free(&all[i]->memory);
}

static void lay_out(scene *s, int64_t m, int64_t n, int64_t k, int64_t a_m, int64_t to_m, hone_random *r)
{
    const int at_end = (int)hone_random_below(r, 2);
    lay(&s->a, k ? (m - 1) * a_m + k : 0, at_end, r);
    lay(&s->b, k * n, at_end, r);
    lay(&s->before, (m - 1) * to_m + n, at_end, r);
    lay(&s->to, (m - 1) * to_m + n, at_end, NULL);
}

static void multiplies(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 40};
    hone_random r = hone_random_seeded(21);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_flat_count; at++) {
        const hone_matmul_flat_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int n = 2; n <= HONE_MATMUL_FLAT_COLUMNS; n++) {
            assert_in_range(kit->rows[n], 1, HONE_MATMUL_FLAT_ROWS);
            assert_in_range(kit->rows[n] * n, 1, HONE_MATMUL_FLAT_SUMS);
            kit->index(n, s.index);
            for (int64_t m = 1; m <= kit->rows[n]; m++)
                for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
                    const int64_t k = ks[i], a_m = k + (int64_t)hone_random_below(&r, 3);
                    const int64_t to_m = n + (int64_t)hone_random_below(&r, 3);
                    const bool adds = hone_random_below(&r, 2);
                    lay_out(&s, m, n, k, a_m, to_m, &r);
                    for (int64_t x = 0; adds && x < s.to.count; x++) set(&s.to, x, get(&s.before, x));
                    kit->multiply(&(hone_matmul_flat_job){m, n, k, s.a.at, a_m, s.b.at, s.index, s.to.at, to_m, adds});
                    for (int64_t y = 0; y < m; y++)
                        for (int64_t x = 0; x < n; x++) {
                            double truth = adds ? get(&s.before, y * to_m + x) : 0;
                            for (int64_t z = 0; z < k; z++) truth += get(&s.a, y * a_m + z) * get(&s.b, z * n + x);
                            if (!(get(&s.to, y * to_m + x) == truth))
                                fail_msg("%s %dx%dx%d: [%d][%d] is %g, not %g", kit->name, (int)m, n, (int)k, (int)y,
                                         (int)x, get(&s.to, y * to_m + x), truth);
                        }
                    for (int64_t y = 0; y + 1 < m; y++)
                        for (int64_t x = n; x < to_m; x++)
                            if (adds)
                                assert_true(get(&s.to, y * to_m + x) == get(&s.before, y * to_m + x));
                            else
                                assert_true(isnan(get(&s.to, y * to_m + x)));
                }
        }
        scene_close(&s);
    }
}

/* Infinity and NaN reach the sums that they belong to, and no other: whole vectors and what remains alike. */
static void keeps_them_apart(void **state)
{
    enum { K = 37 };
    hone_random r = hone_random_seeded(22);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_flat_count; at++) {
        const hone_matmul_flat_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int n = 2; n <= HONE_MATMUL_FLAT_COLUMNS; n++)
            for (int z = 0; z < K; z++) {
                const int64_t m = kit->rows[n], row = z % m, column = z % n;
                kit->index(n, s.index);
                lay_out(&s, m, n, K, K, n, &r);
                set(&s.a, row * K + z, (double)INFINITY);
                for (int x = 0; x < n; x++) set(&s.b, z * n + x, x == column ? (double)NAN : 1);
                kit->multiply(&(hone_matmul_flat_job){m, n, K, s.a.at, K, s.b.at, s.index, s.to.at, n, false});
                for (int64_t y = 0; y < m; y++)
                    for (int64_t x = 0; x < n; x++) {
                        const double is = get(&s.to, y * n + x);
                        assert_true(x == column ? isnan(is) : y == row ? is == (double)INFINITY : isfinite(is));
                    }
            }
        scene_close(&s);
    }
}

/* A result has the same bits in whichever of the rows it stands, and beside however many. */
static void bits_do_not_move(void **state)
{
    enum { K = 77 };
    hone_random r = hone_random_seeded(23);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_flat_count; at++) {
        const hone_matmul_flat_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int n = 2; n <= HONE_MATMUL_FLAT_COLUMNS; n++) {
            double first[HONE_MATMUL_FLAT_COLUMNS];
            kit->index(n, s.index);
            lay_out(&s, 1, n, K, 0, n, &r);
            for (int64_t i = 0; i < s.a.count; i++) set(&s.a, i, hone_random_signed(hone_random_next(&r)));
            for (int64_t i = 0; i < s.b.count; i++) set(&s.b, i, hone_random_signed(hone_random_next(&r)));
            for (int64_t m = 1; m <= kit->rows[n]; m++) {
                lay(&s.to, m * n, 1, NULL);
                kit->multiply(&(hone_matmul_flat_job){m, n, K, s.a.at, 0, s.b.at, s.index, s.to.at, n, false});
                for (int64_t i = 0; i < m * n; i++) {
                    if (i < n && m == 1) first[i] = get(&s.to, i);
                    assert_true(get(&s.to, i) == first[i % n]);
                }
            }
        }
        scene_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(multiplies), cmocka_unit_test(keeps_them_apart),
                                       cmocka_unit_test(bits_do_not_move)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
