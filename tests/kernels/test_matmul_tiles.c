/* Every tile that this machine can run, and what serves it, against plain loops: over all sizes up to the tile's own,
 * with each operand against a page that may not be touched. */
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
#include "base/element.h"
#include "base/random.h"
#include "base/size.h"
#include "kernels/matmul/tile.h"
#include "tests/kernels/guarded.h"

/* A matrix between guards, with room between its lines that must stay as it is. */
typedef struct matrix {
    guarded    memory;
    hone_dtype type;
    int64_t    rows, columns, row, column;
    char      *at;
} matrix;

static size_t element(const matrix *x)
{
    return (size_t)hone_dtype_bits(x->type) / 8;
}

static double get(const matrix *x, int64_t i, int64_t j)
{
    return hone_element_load(x->type, x->at, i * x->row + j * x->column);
}

static void set(matrix *x, int64_t i, int64_t j, double value)
{
    hone_element_store(x->type, x->at, i * x->row + j * x->column, value);
}

static void lay(matrix *x, int64_t rows, int64_t columns, int64_t row, int64_t column, int at_end)
{
    int64_t span = 0;
    x->rows = rows, x->columns = columns, x->row = row, x->column = column;
    if (rows > 0 && columns > 0) span = (rows - 1) * row + (columns - 1) * column + 1;
    x->at = guarded_at(&x->memory, (size_t)span * element(x), at_end);
}

/* How many bytes of its pages are not as lay() left them. */
static int64_t touched(const matrix *x)
{
    int64_t count = 0;
    for (size_t i = 0; i < x->memory.bytes; i++) count += x->memory.map[x->memory.page + i] != (char)0xff;
    return count;
}

typedef enum data { INTEGERS, RANDOM } data;

static void fill(matrix *x, data kind, hone_random *r)
{
    for (int64_t i = 0; i < x->rows; i++)
        for (int64_t j = 0; j < x->columns; j++) {
            const uint64_t bits = hone_random_next(r);
            set(x, i, j, kind == INTEGERS ? (double)(bits % 15) - 7 : hone_random_signed(bits));
        }
}

/* What a, c and kept panels are made of. */
static hone_dtype sums_of(const hone_matmul_tile *tile)
{
    return hone_matmul_widened(tile->type);
}

static double unit(const hone_matmul_tile *tile)
{
    return sums_of(tile) == HONE_F64 ? DBL_EPSILON / 2 : (double)FLT_EPSILON / 2;
}

typedef struct tile_case {
    int64_t m, n, k, gap;
    bool    a_transposed, keeps, at_end;
    double  alpha, beta;
    data    kind;
} tile_case;

static void try_tile(const hone_matmul_tile *tile, matrix *a, matrix *b, matrix *c, matrix *before, matrix *panel,
                     const tile_case *t, hone_random *r)
{
    const int64_t whole = hone_round_up(t->n, tile->kit->lanes);
    if (t->a_transposed)
        lay(a, t->m, t->k, 1, t->m + t->gap, t->at_end);
    else
        lay(a, t->m, t->k, t->k + t->gap, 1, t->at_end);
    lay(b, t->k, t->n, t->n + t->gap, 1, t->at_end);
    lay(c, t->m, t->n, t->n + t->gap, 1, t->at_end);
    lay(before, t->m, t->n, t->n, 1, t->at_end);
    lay(panel, t->k, whole, tile->n, 1, t->at_end);
    fill(a, t->kind, r), fill(b, t->kind, r), fill(before, t->kind, r);
    for (int64_t i = 0; t->beta != 0 && i < t->m; i++)
        for (int64_t j = 0; j < t->n; j++) set(c, i, j, get(before, i, j));

    tile->multiply(&(hone_matmul_tile_job){
        .m = t->m, .n = t->n, .k = t->k, .a = a->at, .a_m = a->row, .a_k = a->column, .b = b->at, .b_k = b->row,
        .c = c->at, .c_m = c->row, .alpha = t->alpha, .beta = t->beta, .panel = t->keeps ? panel->at : NULL,
        .ahead = b->at});

    for (int64_t i = 0; i < t->m; i++)
        for (int64_t j = 0; j < t->n; j++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < t->k; k++) {
                sum += get(a, i, k) * get(b, k, j);
                size += fabs(get(a, i, k) * get(b, k, j));
            }
            const double old = t->beta != 0 ? t->beta * get(before, i, j) : 0, truth = t->alpha * sum + old;
            const double terms = fabs(t->alpha) * size + fabs(old);
            const double bound = t->kind == INTEGERS ? 0 : (8 * sqrt((double)t->k + 1) + 2) * unit(tile) * terms;
            const double got = get(c, i, j);
            if (!(fabs(got - truth) <= bound))
                fail_msg(
                    "%s %dx%dx%d c[%d][%d]: %.17g, not %.17g within %g (alpha %g, beta %g, panel %d, a transposed %d)",
                    tile->name, (int)t->m, (int)t->n, (int)t->k, (int)i, (int)j, got, truth, bound, t->alpha, t->beta,
                    t->keeps, t->a_transposed);
        }
    for (int64_t i = 0; i < t->m; i++)
        for (int64_t j = 0; j < t->n; j++) memset(c->at + (i * c->row + j) * (int64_t)element(c), 0xff, element(c));
    if (touched(c)) fail_msg("%s %dx%dx%d wrote beside c", tile->name, (int)t->m, (int)t->n, (int)t->k);

    for (int64_t k = 0; t->keeps && k < t->k; k++)
        for (int64_t j = 0; j < whole; j++)
            assert_true(get(panel, k, j) == (j < t->n ? get(b, k, j) : 0));
}

static void tiles_multiply(void **state)
{
    static const int64_t ks[] = {0, 1, 2, 5, 37};
    static const double alphas[] = {1, 1, 2, -3}, betas[] = {0, 1, -2, 0};
    hone_random r = hone_random_seeded(2);
    (void)state;
    for (int at = 0; at < hone_matmul_tile_count; at++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[at];
        if (tile->isa > hone_cpu_isa()) {
            printf("%s: skipped, this CPU does not have its instructions\n", tile->name);
            continue;
        }
        assert_true((size_t)tile->m * (size_t)tile->n * (size_t)hone_dtype_bits(sums_of(tile)) / 8 <=
                    HONE_MATMUL_TILE_BYTES_MAX);
        matrix a, b, c, before, panel, *all[] = {&a, &b, &c, &before, &panel};
        for (int i = 0; i < 5; i++) *all[i] = (matrix){.memory = guarded_make(40000), .type = sums_of(tile)};
        b.type = tile->type;

        int64_t count = 0;
        for (int64_t m = 1; m <= tile->m; m++)
            for (int64_t n = 1; n <= tile->n; n++)
                for (int i = 0; i < 5; i++) {
                    const uint64_t bits = hone_random_next(&r);
                    const tile_case t = {m, n, ks[i], (int64_t)(bits % 3), bits & 8, bits & 16, bits & 32,
                                         alphas[bits >> 6 & 3], betas[bits >> 8 & 3], bits & 1024 ? INTEGERS : RANDOM};
                    try_tile(tile, &a, &b, &c, &before, &panel, &t, &r);
                    count++;
                }
        for (int keeps = 0; keeps < 2; keeps++) { /* a long k, whole and one short */
            const tile_case t = {tile->m, tile->n - keeps, 251, 0, keeps, keeps, 1, 1, 0, RANDOM};
            matrix big = {.memory = guarded_make(400000), .type = sums_of(tile)};
            guarded_free(&a.memory), guarded_free(&b.memory), guarded_free(&panel.memory);
            a = b = panel = big;
            a.memory = guarded_make(400000), b.memory = guarded_make(400000), b.type = tile->type;
            try_tile(tile, &a, &b, &c, &before, &panel, &t, &r);
        }
        printf("%s: %d cases\n", tile->name, (int)count + 2);
        for (int i = 0; i < 5; i++) guarded_free(&all[i]->memory);
    }
}

/* Values that are no number go where arithmetic sends them, and only there. */
static void tiles_keep_nan(void **state)
{
    (void)state;
    for (int at = 0; at < hone_matmul_tile_count; at++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[at];
        if (tile->isa > hone_cpu_isa()) continue;
        matrix a = {.memory = guarded_make(40000), .type = sums_of(tile)}, b = a, c = a;
        b.memory = guarded_make(40000), c.memory = guarded_make(40000), b.type = tile->type;
        lay(&a, 3, 4, 4, 1, 1), lay(&b, 4, tile->n, tile->n, 1, 1), lay(&c, 3, tile->n, tile->n, 1, 1);
        hone_random r = hone_random_seeded(3);
        fill(&a, RANDOM, &r), fill(&b, RANDOM, &r);
        set(&a, 1, 2, (double)NAN);
        set(&b, 3, 0, (double)INFINITY);
        tile->multiply(&(hone_matmul_tile_job){.m = 3, .n = tile->n, .k = 4, .a = a.at, .a_m = 4, .a_k = 1, .b = b.at,
                                               .b_k = tile->n, .c = c.at, .c_m = tile->n, .alpha = 0, .beta = 0});
        for (int64_t i = 0; i < 3; i++)
            for (int64_t j = 0; j < tile->n; j++) {
                if (i == 1 || j == 0)
                    assert_true(isnan(get(&c, i, j)));
                else
                    assert_true(get(&c, i, j) == 0);
            }
        guarded_free(&a.memory), guarded_free(&b.memory), guarded_free(&c.memory);
    }
}

static void packs_copy(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33, 50};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    hone_random r = hone_random_seeded(4);
    (void)state;
    for (int at = 0; at < hone_matmul_tile_count; at++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[at];
        const hone_matmul_tile *kept = hone_matmul_tile_kept(tile);
        assert_true(kept->type == sums_of(tile) && kept->isa == tile->isa && kept->m == tile->m && kept->n == tile->n);
        if (tile->isa > hone_cpu_isa() || (at && tile->kit->pack == tile[-1].kit->pack)) continue;
        matrix from = {.memory = guarded_make(100000), .type = sums_of(tile)}, to = from;
        to.memory = guarded_make(100000), from.type = tile->type;
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++)
                for (int way = 0; way < 6; way++) {
                    const int64_t lines = sizes[i], length = sizes[j], width = length + way / 3 * (length % 4);
                    const int64_t gap = (int64_t)hone_random_below(&r, 3);
                    const int at_end = (int)hone_random_below(&r, 2);
                    if (way % 3 == 0) lay(&from, lines, length, length + gap, 1, at_end);
                    if (way % 3 == 1) lay(&from, lines, length, 1, lines + gap, at_end);
                    if (way % 3 == 2) lay(&from, lines, length, 2 * length + gap, 2, at_end);
                    lay(&to, lines, width, width + gap, 1, at_end);
                    fill(&from, RANDOM, &r);
                    tile->kit->pack(
                        &(hone_matmul_pack_job){lines, length, width, from.at, from.row, from.column, to.at, to.row});
                    for (int64_t line = 0; line < lines; line++)
                        for (int64_t x = 0; x < width; x++)
                            if (get(&to, line, x) != (x < length ? get(&from, line, x) : 0))
                                fail_msg("%s: %d lines of %d, way %d: [%d][%d] is %g", tile->name, (int)lines,
                                         (int)length, way, (int)line, (int)x, get(&to, line, x));
                    for (int64_t line = 0; line < lines; line++)
                        memset(to.at + line * to.row * (int64_t)element(&to), 0xff, (size_t)width * element(&to));
                    assert_int_equal(touched(&to), 0);
                }
        guarded_free(&from.memory), guarded_free(&to.memory);
    }
}

static double step_truth(hone_step_kind kind, double x, double t)
{
    const double u = sqrt(2 / M_PI) * (t + 0.044715 * t * t * t), s = 1 / (1 + exp(-t));
    switch (kind) {
    case HONE_STEP_BIAS:
    case HONE_STEP_BIAS_ROWS:
    case HONE_STEP_SHIFT:
    case HONE_STEP_RESIDUAL: return x + t;
    case HONE_STEP_RELU: return x > 0 ? x : 0;
    case HONE_STEP_GELU: return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case HONE_STEP_GELU_ERF: return x / 2 * erfc(-x / sqrt(2));
    case HONE_STEP_SILU: return x / (1 + exp(-x));
    case HONE_STEP_SCALE_COLUMNS:
    case HONE_STEP_SCALE_ROWS:
    case HONE_STEP_SCALE: return x * t;
    case HONE_STEP_RELU_GRADIENT: return x * (t > 0);
    case HONE_STEP_GELU_GRADIENT:
        return x * ((1 + tanh(u)) / 2 + t / 2 / cosh(u) / cosh(u) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * t * t));
    case HONE_STEP_GELU_ERF_GRADIENT: return x * (erfc(-t / sqrt(2)) / 2 + t * exp(-t * t / 2) / sqrt(2 * M_PI));
    case HONE_STEP_SILU_GRADIENT: return x * (s * (1 + t * (1 - s)));
    default: return x;
    }
}

/* What storing in 16 bits adds. */
static double rounding(hone_dtype type)
{
    return type == HONE_BF16 ? 0x1p-8 : type == HONE_F16 ? 0x1p-10 : 0;
}

static void finishes_step(void **state)
{
    hone_random r = hone_random_seeded(5);
    (void)state;
    for (int at = 0; at < hone_matmul_tile_count; at++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[at];
        if (tile->isa > hone_cpu_isa()) continue;
        matrix from = {.memory = guarded_make(50000), .type = sums_of(tile)}, c = from, t = from, before = from;
        c.memory = guarded_make(50000), t.memory = guarded_make(50000), before.memory = guarded_make(50000);
        const bool f64 = tile->type == HONE_F64;
        const hone_dtype types[] = {sums_of(tile), f64 ? HONE_F64 : HONE_BF16, f64 ? HONE_F64 : HONE_F16};
        for (int kind = HONE_STEP_NONE; kind <= HONE_STEP_SHIFT; kind++)
            for (int turn = 0; turn < 40; turn++) {
                const int64_t m = 1 + (int64_t)hone_random_below(&r, (uint64_t)tile->m);
                const int64_t n = 1 + (int64_t)hone_random_below(&r, (uint64_t)tile->n);
                const bool along = turn & 1, at_end = turn & 2;
                const double beta = turn % 3 - 1;
                const hone_step_operand operand = hone_step_operand_of((hone_step_kind)kind);
                c.type = before.type = types[turn % 4 < 2 ? 0 : turn / 4 % 3];
                t.type = kind == HONE_STEP_BIAS || kind == HONE_STEP_BIAS_ROWS ? types[turn / 2 % 3] : c.type;
                lay(&from, m, n, tile->n, 1, at_end);
                lay(&before, m, n, n, 1, at_end);
                if (along)
                    lay(&c, m, n, n + 1, 1, at_end), lay(&t, m, n, n + 2, 1, at_end);
                else
                    lay(&c, m, n, 1, m + 1, at_end), lay(&t, m, n, 2, 2 * m, at_end);
                if (operand == HONE_OPERAND_COLUMNS) lay(&t, 1, n, 0, along ? 1 : 3, at_end);
                if (operand == HONE_OPERAND_ROWS) lay(&t, m, 1, along ? 1 : 3, 0, at_end);
                fill(&from, RANDOM, &r), fill(&before, RANDOM, &r), fill(&t, RANDOM, &r);
                for (int64_t i = 0; i < t.rows; i++)
                    for (int64_t j = 0; j < t.columns; j++) set(&t, i, j, get(&t, i, j) * 4);
                for (int64_t i = 0; i < m; i++)
                    for (int64_t j = 0; j < n; j++) {
                        set(&from, i, j, get(&from, i, j) * 6);
                        if (beta != 0) set(&c, i, j, get(&before, i, j));
                    }

                /* the tile stands two rows down and one column right in its operands, which begin before the guard */
                hone_epilogue_now step = {(hone_step_kind)kind, 1.5, NULL, t.row, t.column, t.type};
                if (operand != HONE_OPERAND_NONE)
                    step.at = t.at - (2 * t.row + t.column) * (int64_t)element(&t);
                tile->kit->finish(&(hone_matmul_finish_job){m, n, from.at, from.row, c.at, c.row, c.column, beta, 2, 1,
                                                       kind ? 1 : 0, &step, c.type});
                for (int64_t i = 0; i < m; i++)
                    for (int64_t j = 0; j < n; j++) {
                        const double x = get(&from, i, j) + (beta != 0 ? beta * get(&before, i, j) : 0);
                        const double operand_at = operand == HONE_OPERAND_NONE
                                                      ? 1.5
                                                      : get(&t, operand == HONE_OPERAND_COLUMNS ? 0 : i,
                                                            operand == HONE_OPERAND_ROWS ? 0 : j);
                        const double truth = step_truth((hone_step_kind)kind, x, operand_at);
                        const double slack = 16 * unit(tile) * (1 + fabs(x)) + rounding(c.type) * fabs(truth);
                        if (!(fabs(get(&c, i, j) - truth) <= slack))
                            fail_msg("%s step %d: %.17g (operand %g) becomes %.17g, not %.17g", tile->name, kind, x,
                                     operand_at, get(&c, i, j), truth);
                        if (kind == HONE_STEP_STORE)
                            assert_true(fabs(operand_at - x) <=
                                        16 * unit(tile) * (1 + fabs(x)) + rounding(t.type) * fabs(x));
                    }
            }
        guarded_free(&from.memory), guarded_free(&c.memory), guarded_free(&t.memory), guarded_free(&before.memory);
    }
}

/* What is far out: infinities and NaN, and arguments whose squares overflow. */
static void finishes_far(void **state)
{
    (void)state;
    for (int at = 0; at < hone_matmul_tile_count; at++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[at];
        if (tile->isa > hone_cpu_isa()) continue;
        matrix x = {.memory = guarded_make(4096), .type = sums_of(tile)}, t = x, c = x;
        t.memory = guarded_make(4096), c.memory = guarded_make(4096);
        lay(&x, 1, 4, 4, 1, 1), lay(&t, 1, 4, 4, 1, 1), lay(&c, 1, 4, 4, 1, 1);
        static const double far[] = {1e30, -1e30, 50, (double)NAN};
        for (int64_t j = 0; j < 4; j++) set(&x, 0, j, far[j]), set(&t, 0, j, far[j]);
        for (int kind = HONE_STEP_RELU; kind <= HONE_STEP_SILU_GRADIENT; kind++) {
            if (kind >= HONE_STEP_RESIDUAL && kind <= HONE_STEP_STORE) continue;
            const bool slope = kind >= HONE_STEP_RELU_GRADIENT;
            const hone_epilogue_now step = {(hone_step_kind)kind, 0, slope ? t.at : NULL, 4, 1, t.type};
            tile->kit->finish(&(hone_matmul_finish_job){1, 4, x.at, 4, c.at, 4, 1, 0, 0, 0, 1, &step, c.type});
            assert_true(get(&c, 0, 0) == get(&x, 0, 0));
            assert_true(get(&c, 0, 1) == 0);
            assert_true(get(&c, 0, 2) == 50);
            if (kind != HONE_STEP_RELU_GRADIENT || slope) assert_true(isnan(get(&c, 0, 3)));
        }
        guarded_free(&x.memory), guarded_free(&t.memory), guarded_free(&c.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_multiply), cmocka_unit_test(tiles_keep_nan), cmocka_unit_test(packs_copy),
        cmocka_unit_test(finishes_step),  cmocka_unit_test(finishes_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
