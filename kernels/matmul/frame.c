/* Problems turned so that tiles write rows of c, and the operands of each matrix of a batch. */
#include "kernels/matmul/frame.h"

#include <math.h>
#include <string.h>

#include "base/element.h"
#include "base/size.h"

#define EXCHANGE(type, x, y)                                                                                           \
    do {                                                                                                               \
        type kept = (x);                                                                                               \
        (x) = (y);                                                                                                     \
        (y) = kept;                                                                                                    \
    } while (0)

void hone_matmul_frame_straight(const hone_matmul_problem *problem, hone_matmul_frame *out)
{
    *out = (hone_matmul_frame){
        .type = hone_matmul_arithmetic(problem),
        .bytes = hone_dtype_bits(hone_matmul_arithmetic(problem)) / 8,
        .type_a = problem->type_a,
        .type_b = problem->type_b,
        .type_c = problem->type_c,
        .bytes_a = hone_dtype_bits(problem->type_a) / 8,
        .bytes_b = hone_dtype_bits(problem->type_b) / 8,
        .bytes_c = hone_dtype_bits(problem->type_c) / 8,
        .pointers = problem->pointers,
        .reads_c = problem->reads_c,
        .a_zero = problem->zeros & HONE_MATMUL_ZERO_A,
        .b_zero = problem->zeros & HONE_MATMUL_ZERO_B,
        .m = problem->m,
        .n = problem->n,
        .k = problem->k,
        .items = hone_matmul_batch(problem),
        .a_m = problem->m > 1 ? problem->a_row : problem->k,
        .a_k = problem->k > 1 ? problem->a_column : 1,
        .b_k = problem->k > 1 ? problem->b_row : problem->n,
        .b_n = problem->n > 1 ? problem->b_column : 1,
        .c_m = problem->m > 1 ? problem->c_row : problem->n,
        .c_n = problem->n > 1 ? problem->c_column : 1,
        .batch_rank = problem->batch_rank,
        .step_count = problem->step_count,
        .type_scale = problem->type_scale,
        .bits_b = hone_dtype_bits(problem->type_b),
        .zeros = problem->zeros & HONE_MATMUL_ZERO_GROUPS,
        .group_k = problem->group_k,
        .group_n = problem->group_n,
        .scale = problem->scale,
        .zero = problem->zero,
    };
    memcpy(out->batch, problem->batch, sizeof out->batch);
    memcpy(out->a_batch, problem->a_batch, sizeof out->a_batch);
    memcpy(out->b_batch, problem->b_batch, sizeof out->b_batch);
    memcpy(out->c_batch, problem->c_batch, sizeof out->c_batch);
    memcpy(out->step, problem->step, sizeof out->step);
    for (int i = 0; i < out->step_count; i++) out->step[i].type = (int32_t)hone_matmul_step_type(problem, i);
    if (hone_matmul_packed_b(problem)) {
        out->b_width = out->b_k = hone_matmul_layout_width(problem->b_layout);
        out->b_n = 1;
        out->b_group = hone_matmul_layout_group(problem->b_layout);
        for (int i = 0; i < HONE_BATCH_MAX; i++) out->b_batch[i] *= hone_matmul_b_places(problem); /* of matrices */
    } else if (hone_matmul_is_scaled(problem) && out->k <= 1) {
        out->b_k = hone_round_up(out->n, 2); /* lines of four bits begin with a byte */
    }
}

void hone_matmul_frame_make(const hone_matmul_problem *problem, hone_matmul_frame *out)
{
    hone_matmul_frame_straight(problem, out);
    if (out->b_width || out->type_scale) return;
    if (out->m > 1 && (out->n <= 1 || (out->c_n != 1 && out->c_m == 1))) hone_matmul_frame_swap(out);
}

void hone_matmul_frame_swap(hone_matmul_frame *frame)
{
    frame->swapped = !frame->swapped;
    EXCHANGE(hone_dtype, frame->type_a, frame->type_b);
    EXCHANGE(int, frame->bytes_a, frame->bytes_b);
    frame->bits_b = 8 * frame->bytes_b;
    EXCHANGE(bool, frame->a_zero, frame->b_zero);
    EXCHANGE(int64_t, frame->m, frame->n);
    EXCHANGE(int64_t, frame->a_m, frame->b_n);
    EXCHANGE(int64_t, frame->a_k, frame->b_k);
    EXCHANGE(int64_t, frame->c_m, frame->c_n);
    for (int i = 0; i < HONE_BATCH_MAX; i++) EXCHANGE(int64_t, frame->a_batch[i], frame->b_batch[i]);
    for (int i = 0; i < frame->step_count; i++) {
        hone_epilogue_step *step = &frame->step[i];
        EXCHANGE(int64_t, step->row_stride, step->column_stride);
        step->kind = hone_step_mirrored((hone_step_kind)step->kind);
    }
    if (frame->m <= 1) frame->a_m = frame->k, frame->c_m = frame->n;
    if (frame->n <= 1) frame->b_n = frame->c_n = 1;
}

/* A scalar in memory is a double. */
static double scalar(const hone_arguments *arguments, int index)
{
    const hone_scalar *s = &arguments->scalars[index];
    return s->at ? *(const double *)hone_span_host(s->at) : s->value;
}

double hone_matmul_alpha(const hone_arguments *arguments)
{
    return scalar(arguments, HONE_MATMUL_ALPHA);
}

double hone_matmul_beta(const hone_matmul_frame *frame, const hone_arguments *arguments)
{
    return frame->reads_c ? scalar(arguments, HONE_MATMUL_BETA) : 0;
}

int32_t hone_matmul_a_zero(const hone_matmul_frame *frame, const hone_arguments *arguments)
{
    const int index = frame->swapped ? HONE_MATMUL_B_ZERO : HONE_MATMUL_A_ZERO;
    return frame->a_zero ? (int32_t)hone_element_rounded(frame->type_a, scalar(arguments, index)) : 0;
}

int32_t hone_matmul_b_zero(const hone_matmul_frame *frame, const hone_arguments *arguments)
{
    const int index = frame->swapped ? HONE_MATMUL_A_ZERO : HONE_MATMUL_B_ZERO;
    return frame->b_zero ? (int32_t)hone_element_rounded(frame->type_b, scalar(arguments, index)) : 0;
}

int64_t hone_matmul_items(const hone_matmul_frame *frame, const hone_arguments *arguments)
{
    return frame->pointers ? arguments->items : frame->items;
}

/* Offset, in elements, of matrix `index` of the batch. */
static int64_t offset_of(const hone_matmul_frame *frame, const int64_t *stride, int64_t index)
{
    int64_t offset = 0;
    for (int i = frame->batch_rank - 1; i >= 0; i--) {
        offset += index % frame->batch[i] * stride[i];
        index /= frame->batch[i];
    }
    return offset;
}

/* Scales or zeros of one matrix of weights. */
static const char *groups_at(const hone_matmul_frame *frame, const hone_arguments *arguments, int role,
                             const hone_matmul_groups *lie, int64_t index)
{
    const char *at = hone_span_host(&arguments->at[role]);
    return at + offset_of(frame, lie->batch, index) * (hone_dtype_bits(frame->type_scale) / 8);
}

void hone_matmul_item_at(const hone_matmul_frame *frame, const hone_arguments *arguments, int64_t index,
                         hone_matmul_item *out)
{
    const int a = frame->swapped ? HONE_MATMUL_B : HONE_MATMUL_A, b = HONE_MATMUL_A + HONE_MATMUL_B - a;
    out->a = hone_span_host(&arguments->at[a]);
    out->b = hone_span_host(&arguments->at[b]);
    out->c = hone_span_host(&arguments->at[HONE_MATMUL_C]);
    if (frame->pointers) {
        out->a = ((const char *const *)(const void *)out->a)[index];
        out->b = ((const char *const *)(const void *)out->b)[index];
        out->c = ((char *const *)(void *)out->c)[index];
    } else if (index) {
        out->a += offset_of(frame, frame->a_batch, index) * frame->bytes_a;
        out->b += offset_of(frame, frame->b_batch, index) * frame->bits_b / 8;
        out->c += offset_of(frame, frame->c_batch, index) * frame->bytes_c;
    }
    out->scale = out->zero = NULL;
    if (frame->type_scale) out->scale = groups_at(frame, arguments, HONE_MATMUL_B_SCALES, &frame->scale, index);
    if (frame->zeros) out->zero = groups_at(frame, arguments, HONE_MATMUL_B_ZEROS, &frame->zero, index);
    for (int i = 0; i < frame->step_count; i++) {
        const hone_epilogue_step *step = &frame->step[i];
        char *at = NULL;
        if (hone_step_operand_of((hone_step_kind)step->kind) != HONE_OPERAND_NONE) {
            at = hone_span_host(&arguments->at[HONE_MATMUL_STEP0 + i]);
            if (index && !frame->pointers)
                at += offset_of(frame, step->batch_stride, index) * (hone_dtype_bits((hone_dtype)step->type) / 8);
        }
        out->step[i] = (hone_epilogue_now){(hone_step_kind)step->kind, scalar(arguments, HONE_MATMUL_VALUE0 + i), at,
                                           step->row_stride, step->column_stride, (hone_dtype)step->type};
    }
}

/* Narrower vectors pay for more instructions: where the rates are equal, the wider ones win. */
double hone_matmul_peak_of(const hone_be_device *device, hone_isa isa, hone_dtype type, int lanes)
{
    static const double reached[HONE_ISA_COUNT] = {0.6, 0.85, 1};
    const double measured = device->ceilings_known ? device->ceilings.flops[isa][type][HONE_WIDTH_ONE] : 0;
    const double presumed = 2.0 * 3e9 * lanes * (isa == HONE_ISA_AVX512 ? 1 : 2);
    return reached[isa] * (measured > 0 ? measured : presumed);
}

double hone_matmul_peak(const hone_be_device *device, const hone_matmul_tile *tile)
{
    return hone_matmul_peak_of(device, tile->isa, hone_matmul_widened(tile->type), tile->kit->lanes);
}

/* Two instructions a vector, beside the multiplications' own. */
double hone_matmul_widen_seconds(const hone_be_device *device, const hone_matmul_tile *tile, double elements)
{
    return elements * 2 / hone_matmul_peak(device, tile);
}

/* An addition takes four cycles wherever hone runs, and vectors of 256 bits begin two a cycle. */
double hone_matmul_latency_seconds(const hone_be_device *device, hone_dtype type)
{
    const double measured = device->ceilings_known ? device->ceilings.flops[HONE_ISA_AVX2][type][HONE_WIDTH_ONE] : 0;
    return measured > 0 ? 8 * 2.0 * 256 / hone_dtype_bits(type) / measured : 4 / 3e9;
}

double hone_matmul_tiles_seconds(const hone_be_device *device, const hone_matmul_tile *tile, int64_t m, int64_t n,
                                 int64_t k, int64_t k_blocks)
{
    /* Measured: what a step takes beyond its multiplications, 0.8 of one for 14 rows, 0.35 for 8; and a tile, where
     * registers hold no more than its sums. */
    const int    lanes = tile->kit->lanes;
    const bool   wide = tile->isa == HONE_ISA_AVX512;
    const bool   full = tile->m * (tile->n / lanes) > 24;
    /* of short k the next does not begin meanwhile */
    const double load = 0.05, around = k < 5 ? 20e-9 : !wide || k < 8 ? 10e-9 : full ? 15e-9 : 5e-9;
    if (m <= 0 || n <= 0) return 0;
    const double slot = 2 * lanes / hone_matmul_peak(device, tile);
    const double waits = hone_matmul_latency_seconds(device, tile->type) / slot;
    const double strips = (double)hone_divide_up(m, tile->m), rows = (double)m / strips;
    double       steps = 0;
    const int64_t panels = n / tile->n;
    for (int whole = 0; whole < 2; whole++) {
        const double count = whole ? (double)panels : n % tile->n ? 1 : 0;
        const double vectors = (double)(whole ? tile->n / lanes : hone_divide_up(n % tile->n, lanes));
        if (count > 0) steps += count * (fmax(fmax(rows * vectors, vectors + rows / 2), waits) + load * rows);
    }
    /* Parts of vectors are stored by masks, which are slow of AVX2: measured at 4 and 7 columns. */
    const double masked = wide || n % lanes == 0 ? 0 : 4e-9 * (double)m * (double)k_blocks;
    return strips * steps * (double)k * slot +
           strips * (double)hone_divide_up(n, tile->n) * (double)k_blocks * around + masked;
}

/* Of the size of a cache: as measured, or presumed. */
static double cache_bytes(const hone_be_device *device, int level)
{
    static const double presumed[HONE_LEVEL_MEMORY] = {32 << 10, 1 << 20, 16 << 20};
    return device->cpu.cache_bytes[level] ? (double)device->cpu.cache_bytes[level] : presumed[level];
}

int hone_matmul_level(const hone_be_device *device, double footprint)
{
    int level = 0;
    for (; level < HONE_LEVEL_MEMORY; level++)
        if (footprint <= cache_bytes(device, level)) break;
    return level;
}

/* Bytes a second of one level, by so many threads. */
static double read_rate(const hone_be_device *device, int level, int threads)
{
    static const double presumed[HONE_LEVEL_COUNT] = {150e9, 80e9, 30e9, 12e9};
    const double *measured = device->ceilings.read[level];
    double rate = device->ceilings_known && measured[HONE_WIDTH_ONE] > 0 ? measured[HONE_WIDTH_ONE] : presumed[level];
    if (threads > 1) {
        rate *= threads;
        if (device->ceilings_known && measured[HONE_WIDTH_ALL] > 0 && rate > measured[HONE_WIDTH_ALL])
            rate = measured[HONE_WIDTH_ALL];
    }
    return rate;
}

bool hone_matmul_lines_collide(int64_t count, int64_t apart, double cache_bytes)
{
    enum { WAYS = 8, LINE = 64 };
    int64_t sets = (int64_t)cache_bytes / WAYS / LINE;
    for (int64_t stride = hone_max(apart, -apart); stride && stride % (2 * LINE) == 0 && sets > 1; stride /= 2)
        sets /= 2;
    return count > sets * WAYS;
}

double hone_matmul_far(const hone_be_device *device, double footprint)
{
    const double last = cache_bytes(device, HONE_LEVEL_MEMORY - 1);
    return fmin(fmax(log(footprint / (last / 6)) / log(6), 0), 1);
}

double hone_matmul_near_seconds(const hone_be_device *device, double bytes, double footprint)
{
    const int level = hone_matmul_level(device, footprint), last = HONE_LEVEL_MEMORY - 1;
    return bytes * (1 - hone_matmul_far(device, footprint)) / read_rate(device, level < last ? level : last, 1);
}

double hone_matmul_far_seconds(const hone_be_device *device, double bytes, double footprint)
{
    return bytes * hone_matmul_far(device, footprint) / read_rate(device, HONE_LEVEL_MEMORY, 1);
}

double hone_matmul_read_seconds_by(const hone_be_device *device, double bytes, double footprint, int threads)
{
    const int level = hone_matmul_level(device, footprint), last = HONE_LEVEL_MEMORY - 1;
    const double far = hone_matmul_far(device, footprint);
    return bytes * (1 - far) / read_rate(device, level < last ? level : last, threads) +
           bytes * far / read_rate(device, HONE_LEVEL_MEMORY, threads);
}

double hone_matmul_read_seconds(const hone_be_device *device, double bytes, double footprint)
{
    return hone_matmul_read_seconds_by(device, bytes, footprint, 1);
}

/* A measured copy reads a third line for these two; that of memory may go past the caches. */
double hone_matmul_write_near_seconds(const hone_be_device *device, double bytes, double footprint)
{
    const int    level = (int)hone_min(hone_matmul_level(device, footprint), HONE_LEVEL_MEMORY - 1);
    const double copy = device->ceilings_known ? device->ceilings.copy[level][HONE_WIDTH_ONE] : 0;
    if (copy <= 0) return 2 * hone_matmul_near_seconds(device, bytes, footprint);
    return 2 * bytes * (1 - hone_matmul_far(device, footprint)) / copy * 2 / 3;
}

double hone_matmul_write_seconds(const hone_be_device *device, double bytes, double footprint)
{
    return hone_matmul_write_near_seconds(device, bytes, footprint) +
           2 * hone_matmul_far_seconds(device, bytes, footprint);
}

void hone_matmul_config_rank(hone_config *configs, double *seconds, int *count, int cap, const hone_config *config,
                             double estimate)
{
    int at = *count < cap ? (*count)++ : cap;
    for (; at > 0 && estimate < seconds[at - 1]; at--)
        if (at < cap) configs[at] = configs[at - 1], seconds[at] = seconds[at - 1];
    if (at < cap) configs[at] = *config, seconds[at] = estimate;
}

double hone_matmul_fork_seconds(const hone_be_device *device, double threads)
{
    if (threads <= 1) return 0;
    return device->ceilings_known && device->ceilings.fork_seconds > 0 ? device->ceilings.fork_seconds : 5e-6;
}

double hone_matmul_launch_seconds(const hone_matmul_frame *frame, const hone_arguments *arguments, double seconds)
{
    return frame->pointers ? seconds * (double)arguments->items / fmax((double)frame->items, 1) : seconds;
}
