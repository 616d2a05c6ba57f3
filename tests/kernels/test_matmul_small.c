/* The micro-kernels of cpu.small that this machine can run, against plain loops: every number of rows and columns that
 * registers hold, in runs of several matrices and strips, each operand of each matrix against a page that may not be
 * touched. And the cut: every size of c is covered once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "backends/cpu/cpu.h"
#include "base/random.h"
#include "base/size.h"
#include "kernels/matmul/problem.h"
#include "kernels/matmul/small.h"
#include "tests/kernels/guarded.h"

enum { MATRICES = 3 };

static const struct {
    const char              *name;
    const hone_matmul_small_set *small;
} smalls[] = {
#ifdef __x86_64__
    {"f32_avx512", &hone_matmul_small_f32_avx512}, {"f32_avx512_half", &hone_matmul_small_f32_avx512_half},
    {"f64_avx512", &hone_matmul_small_f64_avx512}, {"f64_avx512_half", &hone_matmul_small_f64_avx512_half},
    {"f32_avx2", &hone_matmul_small_f32_avx2},     {"f64_avx2", &hone_matmul_small_f64_avx2},
#endif
    {"f32_any", &hone_matmul_small_f32_any},       {"f64_any", &hone_matmul_small_f64_any}};
enum { SMALLS = sizeof smalls / sizeof smalls[0] };

/* The same matrix of several products, each between guards. */
typedef struct matrices {
    guarded memory[MATRICES];
    bool    wide; /* doubles */
    int64_t rows, columns, row, column;
    char   *at[MATRICES];
} matrices;

static void *place(const matrices *x, int which, int64_t i, int64_t j)
{
    return x->at[which] + (i * x->row + j * x->column) * (x->wide ? 8 : 4);
}

static double get(const matrices *x, int which, int64_t i, int64_t j)
{
    return x->wide ? *(double *)place(x, which, i, j) : (double)*(float *)place(x, which, i, j);
}

static void set(matrices *x, int which, int64_t i, int64_t j, double value)
{
    if (x->wide)
        *(double *)place(x, which, i, j) = value;
    else
        *(float *)place(x, which, i, j) = (float)value;
}

static void lay(matrices *x, int64_t rows, int64_t columns, int64_t row, int64_t column, int at_end)
{
    const int64_t span = rows && columns ? (rows - 1) * row + (columns - 1) * column + 1 : 0;
    x->rows = rows, x->columns = columns, x->row = row, x->column = column;
    for (int i = 0; i < MATRICES; i++) x->at[i] = guarded_at(&x->memory[i], (size_t)(span * (x->wide ? 8 : 4)), at_end);
}

static void fill(matrices *x, hone_random *r)
{
    for (int which = 0; which < MATRICES; which++)
        for (int64_t i = 0; i < x->rows; i++)
            for (int64_t j = 0; j < x->columns; j++) set(x, which, i, j, hone_random_signed(hone_random_next(r)));
}

static void try_part(int at, int across, int rows, int64_t n, int64_t k, matrices all[4], hone_random *r)
{
    static const double alphas[] = {1, 1, 2, -3}, betas[] = {0, 1, -2, 0};
    const hone_matmul_small_set *small = smalls[at].small;
    const uint64_t bits = hone_random_next(r);
    const int64_t strips = 1 + (int64_t)(bits & 1), m = rows * strips, gap = (int64_t)(bits >> 1 & 3);
    const int at_end = (int)(bits >> 3 & 1);
    const double alpha = alphas[bits >> 4 & 3], beta = betas[bits >> 6 & 3];
    matrices *a = &all[0], *b = &all[1], *c = &all[2], *before = &all[3];

    switch (bits >> 8 & 3) {
    case 0: lay(a, m, k, 1, m + gap, at_end); break;
    case 1: lay(a, m, k, 2 * k + gap, 2, at_end); break;
    default: lay(a, m, k, k + gap, 1, at_end);
    }
    lay(b, k, n, n + gap, 1, at_end);
    lay(c, m, n, n + gap, 1, at_end);
    lay(before, m, n, n, 1, at_end);
    fill(a, r), fill(b, r), fill(before, r);
    for (int which = 0; beta != 0 && which < MATRICES; which++)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) set(c, which, i, j, get(before, which, i, j));

    /* the pointers are behind where the part begins, as if it were the one at row 1, column 2 */
    const int64_t bytes = c->wide ? 8 : 4, a_at = a->row * bytes, b_at = 2 * bytes, c_at = (c->row + 2) * bytes;
    const char *as[MATRICES], *bs[MATRICES];
    char *cs[MATRICES];
    for (int i = 0; i < MATRICES; i++) as[i] = a->at[i] - a_at, bs[i] = b->at[i] - b_at, cs[i] = c->at[i] - c_at;
    small->multiply(
        &(hone_matmul_small_part){.across = across, .rows = rows, .strips = strips, .row = 1, .column = 2, .n = n,
                                  .k = k, .a_m = a->row, .a_k = a->column, .b_k = b->row, .c_m = c->row, .a_at = a_at,
                                  .b_at = b_at, .c_at = c_at},
        &(hone_matmul_small_run){MATRICES, as, bs, cs, alpha, beta});

    for (int which = 0; which < MATRICES; which++) {
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0, size = 0;
                for (int64_t l = 0; l < k; l++) {
                    sum += get(a, which, i, l) * get(b, which, l, j);
                    size += fabs(get(a, which, i, l) * get(b, which, l, j));
                }
                const double old = beta != 0 ? beta * get(before, which, i, j) : 0, truth = alpha * sum + old;
                const double unit = c->wide ? DBL_EPSILON / 2 : (double)FLT_EPSILON / 2;
                const double bound = (8 * sqrt((double)k + 1) + 2) * unit * (fabs(alpha) * size + fabs(old));
                if (!(fabs(get(c, which, i, j) - truth) <= bound))
                    fail_msg("%s %d of %dx%dx%d c[%d][%d]: %.17g, not %.17g within %g (alpha %g, beta %g)",
                             smalls[at].name, which, (int)m, (int)n, (int)k, (int)i, (int)j, get(c, which, i, j), truth,
                             bound, alpha, beta);
            }
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) memset(place(c, which, i, j), 0xff, (size_t)bytes);
        for (size_t i = 0; i < c->memory[which].bytes; i++)
            if (c->memory[which].map[c->memory[which].page + i] != (char)0xff)
                fail_msg("%s %dx%dx%d wrote beside c", smalls[at].name, (int)m, (int)n, (int)k);
    }
}

static void parts_multiply(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 5, 19};
    hone_random r = hone_random_seeded(6);
    (void)state;
    for (int at = 0; at < SMALLS; at++) {
        const hone_matmul_small_set *small = smalls[at].small;
        if (small->isa > hone_cpu_isa()) {
            printf("%s: skipped, this CPU does not have its instructions\n", smalls[at].name);
            continue;
        }
        matrices all[4];
        for (int i = 0; i < 4; i++) {
            all[i] = (matrices){.wide = small->type == HONE_F64};
            for (int j = 0; j < MATRICES; j++) all[i].memory[j] = guarded_make(32000);
        }
        int count = 0;
        for (int across = 1; across <= HONE_MATMUL_SMALL_ACROSS_MAX; across++)
            for (int rows = 1; rows <= small->rows[across - 1]; rows++)
                for (int64_t n = (across - 1) * small->lanes + 1; n <= across * small->lanes; n++, count++)
                    try_part(at, across, rows, n, ks[hone_random_below(&r, 5)], all, &r);
        printf("%s: %d cases\n", smalls[at].name, count);
        assert_true(count > 0);
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < MATRICES; j++) guarded_free(&all[i].memory[j]);
    }
}

/* Every c up to 64 x 64, each element another number, by every instruction set, whole and by room. Row i is
 * 4096 + i, column j is 1 + j: the products of a column begin at 4096 (1 + j) and end before those of the next. */
static void sizes_are_covered(void **state)
{
    extern const hone_kernel hone_matmul_small;
    enum { SIDE = 64, FIRST = SIDE * SIDE };
    static double a[SIDE], b[SIDE], c[SIDE * SIDE + 1];
    static float a32[SIDE], b32[SIDE];
    (void)state;
    for (int i = 0; i < SIDE; i++) {
        a[i] = FIRST + i, b[i] = 1 + i;
        a32[i] = (float)(FIRST + i), b32[i] = (float)(1 + i);
    }
    for (int isa = 0; isa <= (int)hone_cpu_isa(); isa++)
        for (int64_t m = 1; m <= SIDE; m++)
            for (int64_t n = 1; n <= SIDE; n++)
                for (int type = HONE_F32; type <= HONE_F64; type += HONE_F64 - HONE_F32) {
                    hone_be_device device = {.name = "cpu:0", .threads = 1, .cpu = {.isa = (hone_isa)isa, .cores = 1}};
                    hone_matmul_problem p = {.type_a = (uint8_t)type, .type_b = (uint8_t)type, .type_c = (uint8_t)type,
                                             .m = m, .n = n, .k = 1, .a_row = 1, .a_column = 1, .b_row = n,
                                             .b_column = 1, .c_row = n, .c_column = 1};
                    const hone_request request = {&device, &hone_matmul_op, &p, 1, 1, 0, 0};
                    const bool wide = type == HONE_F64;
                    hone_span at[3] = {{.host = wide ? (void *)a : (void *)a32},
                                       {.host = wide ? (void *)b : (void *)b32}, {.host = c}};
                    hone_scalar scalars[HONE_SCALARS_MAX] = {{.value = 1}};
                    const hone_arguments now = {3, HONE_SCALARS_MAX, at, scalars, 0};
                    hone_be_stream stream = {&device, {NULL, 1}};
                    hone_needs needs = {0};
                    void *ready;
                    if (m * n % 3 == 0) { /* by room */
                        p.step_count = 1;
                        p.step[0].kind = HONE_STEP_RELU;
                    }
                    memset(c, 0xff, sizeof c);
                    assert_null(hone_matmul_small.refuses(&request));
                    assert_int_equal(hone_matmul_small.prepare(&request, NULL, NULL, &ready, &needs), HONE_OK);
                    assert_int_equal(hone_matmul_small.launch(ready, &stream, &now, (hone_span){0}), HONE_OK);
                    hone_matmul_small.release(ready);
                    for (int64_t i = 0; i < m * n; i++)
                        if ((wide ? c[i] : (double)((float *)c)[i]) != a[i / n] * b[i % n])
                            fail_msg("isa %d %dx%d: element %d is another", isa, (int)m, (int)n, (int)i);
                    assert_true(wide ? isnan(c[m * n]) : isnan(((float *)c)[m * n]));
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_multiply), cmocka_unit_test(sizes_are_covered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
