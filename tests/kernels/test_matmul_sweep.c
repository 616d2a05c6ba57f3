/* Every micro-kernel that sweeps along b and that this machine can run against plain loops: over numbers of rows, of
 * columns about whole vectors, and of steps, with each operand against a page that may not be touched; and what is no
 * number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "kernels/matmul/sweep.h"
#include "tests/kernels/array.h"

enum { ARRAYS = 4, BYTES = 60000 };

typedef struct scene {
    array a, b, before, c;
} scene;

/* NULL: this CPU does not have the instructions. */
static const hone_matmul_sweep_kit *scene_open(scene *s, int at)
{
    const hone_matmul_sweep_kit *kit = hone_matmul_sweeps[at];
    array *all[ARRAYS] = {&s->a, &s->b, &s->before, &s->c};
    if (kit->isa > hone_cpu_isa()) {
        printf("%s: skipped, this CPU does not have its instructions\n", kit->name);
        return NULL;
    }
    for (int i = 0; i < ARRAYS; i++) *all[i] = (array){.memory = guarded_make(BYTES), .type = kit->type};
    return kit;
}

static void scene_close(scene *s)
{
    array *all[ARRAYS] = {&s->a, &s->b, &s->before, &s->c};
    for (int i = 0; i < ARRAYS; i++) guarded_free(&all[i]->memory);
}

/* One product, its operands laid out with gaps, against plain loops; `turned`: columns of a are contiguous. */
static void multiply(scene *s, const hone_matmul_sweep_kit *kit, hone_matmul_sweep_job job, int turned, hone_random *r)
{
    const int at_end = (int)hone_random_below(r, 2);
    const int64_t m = job.m, n = job.n, k = job.k, gap = (int64_t)hone_random_below(r, 3);
    job.a_m = turned ? 1 : k + gap, job.a_k = turned ? m + gap : 1, job.b_k = n + gap, job.c_m = n + gap;
    lay(&s->a, k ? (m - 1) * job.a_m + (k - 1) * job.a_k + 1 : 0, at_end, r);
    lay(&s->b, k ? (k - 1) * job.b_k + n : 0, at_end, r);
    lay(&s->before, (m - 1) * job.c_m + n, at_end, r);
    lay(&s->c, (m - 1) * job.c_m + n, at_end, NULL);
    for (int64_t i = 0; job.beta != 0 && i < s->c.count; i++) set(&s->c, i, get(&s->before, i));
    job.a = s->a.at, job.b = s->b.at, job.c = s->c.at;
    kit->multiply(&job);
    for (int64_t y = 0; y < m; y++)
        for (int64_t x = 0; x < n; x++) {
            double truth = 0;
            for (int64_t z = 0; z < k; z++)
                truth += get(&s->a, y * job.a_m + z * job.a_k) * get(&s->b, z * job.b_k + x);
            truth = job.alpha * truth + (job.beta != 0 ? job.beta * get(&s->before, y * job.c_m + x) : 0);
            if (!(get(&s->c, y * job.c_m + x) == truth))
                fail_msg("%s %dx%dx%d, %d across: [%d][%d] is %g, not %g", kit->name, (int)m, (int)n, (int)k,
                         job.across, (int)y, (int)x, get(&s->c, y * job.c_m + x), truth);
        }
    for (int64_t y = 0; y + 1 < m; y++)
        for (int64_t x = n; x < job.c_m; x++)
            if (job.beta != 0)
                assert_true(get(&s->c, y * job.c_m + x) == get(&s->before, y * job.c_m + x));
            else
                assert_true(isnan(get(&s->c, y * job.c_m + x)));
}

static void multiplies(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 3, 4, 5, 9};
    hone_random r = hone_random_seeded(41);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_sweep_count; at++) {
        const hone_matmul_sweep_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        for (int64_t m = 1; m <= 10; m++)
            for (int64_t vectors = 1; vectors <= 18; vectors += vectors < 10 ? 1 : 4)
                for (int less = 0; less < 3; less++) {
                    const int64_t n = vectors * kit->kit->lanes - (less == 2 ? kit->kit->lanes - 1 : less);
                    const int64_t k = ks[hone_random_below(&r, sizeof ks / sizeof ks[0])];
                    const double alpha = hone_random_below(&r, 3) ? 1 : -2;
                    const double beta = (double)hone_random_below(&r, 3) - 1;
                    const int across = 1 + (int)hone_random_below(&r, HONE_MATMUL_SWEEP_ACROSS);
                    multiply(&s, kit, (hone_matmul_sweep_job){.m = m, .n = n, .k = k, .alpha = alpha, .beta = beta,
                                                              .across = across},
                             (int)hone_random_below(&r, 2), &r);
                }
        for (int64_t m = 1; m <= HONE_MATMUL_SWEEP_CHAINED; m++)
            for (int64_t n = 1; m * ((n - 1) / kit->kit->lanes + 1) <= HONE_MATMUL_SWEEP_CHAINED; n++)
                for (int64_t k = 5; k < 13; k++)
                    multiply(&s, kit, (hone_matmul_sweep_job){.m = m, .n = n, .k = k, .alpha = 1, .across = 2,
                                                              .chains = true}, 0, &r);
        scene_close(&s);
    }
}

/* Infinity and NaN reach the sums that they belong to, and no other. */
static void keeps_them_apart(void **state)
{
    enum { M = 7, K = 9 };
    hone_random r = hone_random_seeded(42);
    scene s;
    (void)state;
    for (int at = 0; at < hone_matmul_sweep_count; at++) {
        const hone_matmul_sweep_kit *kit = scene_open(&s, at);
        if (!kit) continue;
        const int64_t n = 3 * kit->kit->lanes - 1;
        for (int64_t k = 2; k <= K; k++)
            for (int64_t z = 0; z < k; z++) {
                const int64_t row = hone_random_below(&r, M), column = (int64_t)hone_random_below(&r, (uint64_t)n);
                lay(&s.a, M * k, 1, &r);
                lay(&s.b, k * n, 1, &r);
                lay(&s.c, M * n, 1, NULL);
                set(&s.a, row * k + z, (double)INFINITY);
                for (int64_t x = 0; x < n; x++) set(&s.b, z * n + x, x == column ? (double)NAN : 1);
                kit->multiply(&(hone_matmul_sweep_job){M, n, k, s.a.at, k, 1, s.b.at, n, s.c.at, n, 1, 0, 2, false});
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
