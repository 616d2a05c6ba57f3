/* Matmul problems drawn at random, for the judge and the tests: sizes about the edges of tiles, every kind of stride,
 * batches that broadcast, all steps in any order, weights in groups of every size. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <hone/accuracy.h>

#include "base/random.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/matmul/parts.h"

static bool chance(hone_random *r, int percent)
{
    return hone_random_below(r, 100) < (uint64_t)percent;
}

static int64_t between(hone_random *r, int64_t least, int64_t most)
{
    return least + (int64_t)hone_random_below(r, (uint64_t)(most - least + 1));
}

/* 0, 1, multiples of what tiles are made of and their neighbours, primes, and anything. */
static int64_t extent(hone_random *r, int64_t most)
{
    static const int16_t steps[] = {2, 4, 6, 8, 12, 14, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384};
    static const int16_t primes[] = {2,  3,  5,  7,  11, 13, 17, 19,  23,  29,  31,
                                     37, 41, 43, 47, 61, 67, 97, 127, 131, 257, 509};
    int64_t              value;
    switch (hone_random_below(r, 16)) {
    case 0: value = chance(r, 25) ? 0 : 1; break;
    case 1: value = 1; break;
    case 2:
    case 3:
    case 4: value = primes[hone_random_below(r, sizeof primes / sizeof *primes)]; break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
        value = steps[hone_random_below(r, sizeof steps / sizeof *steps)] * between(r, 1, 3) + between(r, -1, 1);
        break;
    default: value = between(r, 1, most); break;
    }
    return value <= most ? value : between(r, 1, most);
}

static double work(const hone_matmul_problem *p)
{
    return (double)hone_matmul_batch(p) * (double)p->m * (double)p->n * (2.0 * (double)p->k + 1 + p->step_count);
}

static void sizes(hone_random *r, double flops, hone_matmul_problem *p)
{
    int64_t side = (int64_t)fmin(fmax(2 * cbrt(flops / 2), 4), 1024), *extents[] = {&p->m, &p->n, &p->k};
    p->m = extent(r, side);
    p->n = extent(r, side);
    p->k = extent(r, side);
    if (chance(r, 8)) { /* a long k */
        p->m = extent(r, 4);
        p->n = extent(r, 4);
        p->k = extent(r, (int64_t)fmin(fmax(flops / 32, 8), 20000));
    }
    if (chance(r, 8)) *extents[hone_random_below(r, 3)] = 1;
    if (chance(r, 30)) {
        p->batch_rank = (uint8_t)between(r, 1, chance(r, 60) ? 1 : HONE_BATCH_MAX);
        for (int i = 0; i < p->batch_rank; i++)
            p->batch[i] = chance(r, 3) ? 0 : between(r, 1, p->batch_rank == 1 ? 7 : 3);
    }
    if (chance(r, 8) && !hone_matmul_is_scaled(p)) {
        p->pointers = 1;
        p->batch_rank = 1;
        memset(p->batch, 0, sizeof p->batch);
        p->batch[0] = chance(r, 4) ? 0 : between(r, 1, 9);
    }
    while (work(p) > flops) {
        int64_t *widest = &p->m;
        for (int i = 1; i < 3; i++)
            if (*extents[i] > *widest) widest = extents[i];
        if (*widest <= 1) return; /* a batch of ones: as little as it gets */
        *widest = hone_max(1, *widest * 3 / 4);
    }
}

/* Strides of batch, rows and columns: nested in some order, perhaps with room between, backwards, repeating (inputs
 * alone), or meaningless where there is only one. */
static void lay_out(hone_random *r, const hone_matmul_problem *p, int64_t rows, int64_t columns, bool repeats,
                    int64_t *row, int64_t *column, int64_t batch[HONE_BATCH_MAX])
{
    int64_t *stride[HONE_BATCH_MAX + 2], shape[HONE_BATCH_MAX + 2];
    int      count = 0;
    for (int i = 0; i < p->batch_rank && !p->pointers; i++, count++) {
        stride[count] = &batch[i];
        shape[count] = p->batch[i];
    }
    stride[count] = row, shape[count++] = rows;
    stride[count] = column, shape[count++] = columns;

    int order[HONE_BATCH_MAX + 2]; /* slowest first */
    for (int i = 0; i < count; i++) order[i] = i;
    if (chance(r, 12)) /* any */
        for (int i = count - 1; i > 0; i--) {
            int j = (int)hone_random_below(r, (uint64_t)i + 1), other = order[i];
            order[i] = order[j];
            order[j] = other;
        }
    else if (chance(r, 30)) { /* transposed */
        order[count - 1] = count - 2;
        order[count - 2] = count - 1;
    }
    int64_t next = chance(r, 8) ? between(r, 2, 3) : 1;
    bool    plain = chance(r, 40);
    for (int i = count - 1; i >= 0; i--) {
        int at = order[i];
        *stride[at] = next;
        next *= hone_max(shape[at], 1) + (!plain && chance(r, 25) ? between(r, 1, 9) : 0);
        if (plain) continue;
        if (chance(r, 5)) *stride[at] = -*stride[at];
        if (repeats && chance(r, at < count - 2 ? 25 : 3)) *stride[at] = 0;
        if (shape[at] <= 1 && chance(r, 10)) *stride[at] = between(r, -9, 9) * 1001;
    }
}

static hone_epilogue_step step(hone_random *r, const hone_matmul_problem *p)
{
    hone_epilogue_step s;
    int64_t            none;
    do s.kind = (int32_t)between(r, HONE_STEP_BIAS, HONE_STEP_SHIFT);
    while (p->pointers && hone_step_operand_of((hone_step_kind)s.kind) == HONE_OPERAND_MATRIX);
    memset(s.batch_stride, 0, sizeof s.batch_stride);
    s.row_stride = s.column_stride = 0;
    s.type = 0;
    bool input = s.kind != HONE_STEP_STORE;
    switch (hone_step_operand_of((hone_step_kind)s.kind)) {
    case HONE_OPERAND_COLUMNS: lay_out(r, p, 1, p->n, input, &none, &s.column_stride, s.batch_stride); break;
    case HONE_OPERAND_ROWS: lay_out(r, p, p->m, 1, input, &s.row_stride, &none, s.batch_stride); break;
    case HONE_OPERAND_MATRIX:
        lay_out(r, p, p->m, p->n, input, &s.row_stride, &s.column_stride, s.batch_stride);
        if (input && chance(r, 30)) { /* as c lies: such a residual can be c */
            s.row_stride = p->c_row;
            s.column_stride = p->c_column;
            memcpy(s.batch_stride, p->c_batch, sizeof s.batch_stride);
        }
        break;
    default: break;
    }
    bool vector = hone_step_operand_of((hone_step_kind)s.kind) != HONE_OPERAND_MATRIX;
    bool fewer = p->type_c == HONE_BF16 || p->type_c == HONE_F16; /* bits than f32 has */
    if (fewer && vector && hone_step_operand_of((hone_step_kind)s.kind) != HONE_OPERAND_NONE && chance(r, 50))
        s.type = HONE_F32;
    if (vector && chance(r, 60)) memset(s.batch_stride, 0, sizeof s.batch_stride); /* shared by the batch */
    return s;
}

/* A step of a or of b. */
static hone_epilogue_step operand_step(hone_random *r, const hone_matmul_problem *p)
{
    hone_epilogue_step s;
    int64_t            none;
    memset(&s, 0, sizeof s);
    s.kind = (int32_t)(chance(r, 50) ? between(r, HONE_STEP_SUM_A, HONE_STEP_SUM_B)
                                     : between(r, HONE_STEP_A_RELU_GRADIENT, HONE_STEP_B_SILU_GRADIENT));
    const uint8_t type = hone_step_of_a((hone_step_kind)s.kind) ? p->type_a : p->type_b;
    switch (hone_step_operand_of((hone_step_kind)s.kind)) {
    case HONE_OPERAND_COLUMNS: lay_out(r, p, 1, p->n, false, &none, &s.column_stride, s.batch_stride); break;
    case HONE_OPERAND_ROWS: lay_out(r, p, p->m, 1, false, &s.row_stride, &none, s.batch_stride); break;
    case HONE_OPERAND_A: lay_out(r, p, p->m, p->k, true, &s.row_stride, &s.column_stride, s.batch_stride); break;
    default: lay_out(r, p, p->k, p->n, true, &s.row_stride, &s.column_stride, s.batch_stride); break;
    }
    if (hone_step_is_sum((hone_step_kind)s.kind) && (type == HONE_BF16 || type == HONE_F16) && chance(r, 50))
        s.type = HONE_F32;
    return s;
}

/* Of four bits: lines of whole bytes, some with room behind. */
static void lay_out_halves(hone_random *r, hone_matmul_problem *p)
{
    int64_t next, *line = &p->b_row, *along = &p->b_column, lines = p->k, length = p->n;
    if (chance(r, 50)) {
        line = &p->b_column, along = &p->b_row;
        lines = p->n, length = p->k;
    }
    *along = 1;
    *line = hone_round_up(hone_max(length, 1), 2) + (chance(r, 25) ? 2 * between(r, 1, 5) : 0);
    next = hone_max(lines, 1) * *line;
    if (chance(r, 5)) *line = -*line;
    if (chance(r, 3)) *line = 0;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        p->b_batch[i] = chance(r, 25) ? 0 : next;
        next *= hone_max(p->batch[i], 1);
    }
}

/* Where scales and zeros of weights lie, and how many share one. */
static void groups(hone_random *r, hone_matmul_problem *p)
{
    static const uint8_t usual[] = {32, 64, 128, 16, 8, 1, 3, 100};
    p->group_k = chance(r, 25) ? 0 : chance(r, 80) ? usual[hone_random_below(r, sizeof usual)] : between(r, 1, 300);
    p->group_n = 1;
    if (chance(r, 15)) { /* as the gradient of a has them, and blocks */
        p->group_n = p->group_k;
        p->group_k = chance(r, 60) ? 1 : between(r, 0, 40);
    }
    int64_t rows = hone_matmul_group_count(p->k, p->group_k), columns = hone_matmul_group_count(p->n, p->group_n);
    lay_out(r, p, rows, columns, true, &p->scale.row, &p->scale.column, p->scale.batch);
    if (p->zeros & HONE_MATMUL_ZERO_GROUPS)
        lay_out(r, p, rows, columns, true, &p->zero.row, &p->zero.column, p->zero.batch);
}

/* b in one of hone's own layouts: widths of tiles, and others that none has. */
static void pack_b(hone_random *r, hone_matmul_problem *p)
{
    static const uint8_t widths[] = {4, 8, 16, 32, 32, 48, 64};
    int64_t              width = chance(r, 85) ? widths[hone_random_below(r, sizeof widths)] : between(r, 1, 70);
    int64_t              matrices = 1;
    int64_t group = p->type_b == HONE_F64 || p->type_b == HONE_F32 || chance(r, 40) ? 1 : chance(r, 50) ? 2 : 4;
    if (hone_dtype_bits((hone_dtype)p->type_b) == 4 && group == 4 && chance(r, 70)) group = 8;
    snprintf(p->b_layout, sizeof p->b_layout, group > 1 ? "n%dk%d" : "n%d", (int)width, (int)group);
    hone_matmul_layout_bytes(width, group, hone_dtype_bits((hone_dtype)p->type_b), p->k, p->n, &p->b_bytes);
    p->b_row = p->b_column = 0;
    for (int i = p->batch_rank - 1; i >= 0 && !p->pointers; i--) {
        p->b_batch[i] = chance(r, 25) ? 0 : matrices;
        matrices *= hone_max(p->batch[i], 1);
    }
}

static void types(hone_random *r, hone_matmul_problem *p)
{
    static const uint8_t summed_in_f32[] = {HONE_F32, HONE_BF16, HONE_F16};
    static const uint8_t of_whole[] = {HONE_S32, HONE_F32, HONE_S8, HONE_U8};
    static const uint8_t of_weights[] = {HONE_S4, HONE_U4, HONE_S8, HONE_U8};
    if (chance(r, 44)) return; /* f32 alone */
    if (chance(r, 16)) { /* weights */
        p->type_b = of_weights[between(r, 0, 3)];
        if (chance(r, 50)) p->type_a = p->type_c = p->type_scale = summed_in_f32[between(r, 1, 2)];
        if (chance(r, 40)) p->type_c = HONE_F32;
        if (chance(r, 60)) p->type_scale = HONE_F32;
        if (!p->type_scale) p->type_scale = chance(r, 50) ? HONE_F32 : p->type_a;
        if (chance(r, 10)) p->type_a = summed_in_f32[between(r, 0, 2)];
        if (chance(r, 50)) p->zeros = HONE_MATMUL_ZERO_GROUPS;
        return;
    }
    if (chance(r, 30)) { /* whole numbers */
        p->type_a = chance(r, 50) ? HONE_U8 : HONE_S8;
        p->type_b = HONE_S8;
        p->type_c = of_whole[between(r, 0, 3)];
        p->zeros = (uint8_t)(chance(r, 50) ? between(r, 0, 3) : 0);
        return;
    }
    if (chance(r, 45)) {
        p->type_a = p->type_b = p->type_c = HONE_F64;
        return;
    }
    p->type_a = p->type_b = p->type_c = summed_in_f32[between(r, 1, 2)];
    if (p->type_a == HONE_F16 && chance(r, 30)) p->accuracy = HONE_ACCURACY_F16_ACCUMULATE;
    if (chance(r, 30)) p->type_c = HONE_F32;
    if (chance(r, 20)) p->type_a = summed_in_f32[between(r, 0, 2)];
    if (chance(r, 20)) p->type_b = summed_in_f32[between(r, 0, 2)];
    if (chance(r, 10)) p->type_c = summed_in_f32[between(r, 0, 2)];
}

void hone_matmul_random(uint64_t seed, double flops, void *problem)
{
    hone_random          random = hone_random_seeded(seed), *r = &random;
    hone_matmul_problem *p = problem;
    *p = hone_matmul_plain(HONE_F32, 0, 0, 0);
    types(r, p);
    sizes(r, flops, p);
    p->reads_c = chance(r, 35);
    lay_out(r, p, p->m, p->k, true, &p->a_row, &p->a_column, p->a_batch);
    if (hone_dtype_bits((hone_dtype)p->type_b) == 4)
        lay_out_halves(r, p);
    else
        lay_out(r, p, p->k, p->n, true, &p->b_row, &p->b_column, p->b_batch);
    if (hone_matmul_is_scaled(p)) groups(r, p);
    lay_out(r, p, p->m, p->n, false, &p->c_row, &p->c_column, p->c_batch);
    int steps = chance(r, 50) ? (int)between(r, 1, HONE_STEPS_MAX) : 0;
    for (int i = 0; i < steps; i++) p->step[p->step_count++] = step(r, p);
    if (chance(r, 8)) pack_b(r, p);
    const bool legal = !hone_matmul_packed_b(p) && !p->pointers && !hone_matmul_integers(p) &&
                       !hone_matmul_is_scaled(p) && p->m && p->n;
    for (int more = legal && chance(r, 12) ? (int)between(r, 1, 3) : 0; more > 0 && p->step_count < HONE_STEPS_MAX;
         more--)
        p->step[p->step_count++] = operand_step(r, p);
    HONE_ASSERT(hone_matmul_check(p) == HONE_OK);
}
