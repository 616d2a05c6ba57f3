/* The inner loops of cpu.flash, over the vocabulary of one simd_<isa>.h: see flash.h. FLASH_ROWS is how many rows a
 * strip has at most. Included once by a file, after FLASH_KIT, FLASH_NAME, FLASH_ISA and FLASH_COST were said. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernels/attention/flash.h"
#include "kernels/common/simd_exp2.h"
#include "kernels/common/simd_typed.h"

enum { LANES = VEC_LANES_F32, WIDTH = 2 * VEC_LANES_F32, LINE = HONE_ATTENTION_LINE };
_Static_assert(WIDTH <= 32 && LANES <= 16, "lines have room for a panel more than keys");

static const float LOG2_E = 0x1.715476p+0f, LN_2 = 0x1.62e43p-1f;

/* --- multiplying -------------------------------------------------------------------------------------------------- */

/* to[r] = factor[r] * to[r] + sum over t of a[r][t] * b[t], `vectors` of columns; without factors sums begin at 0. */
static inline __attribute__((always_inline)) void multiply(const float *a, const float *b, int64_t depth,
                                                           const float *factor, float *to, int64_t to_line,
                                                           const int rows, const int vectors)
{
    vec_f32 sum[FLASH_ROWS][2];
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = vec_broadcast_f32(0.0f);
            if (factor) sum[r][v] = vec_load_f32(to + r * to_line + v * LANES) * vec_broadcast_f32(factor[r]);
        }
    }
    for (int64_t t = 0; t < depth; t++, a++, b += WIDTH) {
        vec_f32 column[2];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) column[v] = vec_load_f32(b + v * LANES);
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            const vec_f32 x = vec_broadcast_f32(a[r * LINE]);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = vec_fma_f32(x, column[v], sum[r][v]);
        }
    }
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) vec_store_f32(to + r * to_line + v * LANES, sum[r][v]);
    }
}

#define FLASH_MULTIPLY(name, rows, vectors)                                                                            \
    static __attribute__((noinline)) void name(const float *a, const float *b, int64_t depth, const float *factor,     \
                                               float *to, int64_t to_line)                                             \
    {                                                                                                                  \
        if (factor)                                                                                                    \
            multiply(a, b, depth, factor, to, to_line, rows, vectors);                                                 \
        else                                                                                                           \
            multiply(a, b, depth, NULL, to, to_line, rows, vectors);                                                   \
    }
FLASH_MULTIPLY(multiply_all_2, FLASH_ROWS, 2)
FLASH_MULTIPLY(multiply_all_1, FLASH_ROWS, 1)
FLASH_MULTIPLY(multiply_4_2, 4, 2)
FLASH_MULTIPLY(multiply_4_1, 4, 1)
FLASH_MULTIPLY(multiply_1_2, 1, 2)
FLASH_MULTIPLY(multiply_1_1, 1, 1)

/* Rows of a strip that are multiplied together: those there are, and some that nobody looks at. */
static int rows_of(int rows)
{
    return rows == 1 ? 1 : rows <= 4 ? 4 : FLASH_ROWS;
}

/* One panel: `columns` of it count. */
static inline void multiply_panel(int rows, int64_t columns, const float *a, const float *b, int64_t depth,
                                  const float *factor, float *to, int64_t to_line)
{
    const bool wide = columns > LANES;
    switch (rows) {
    case 1: (wide ? multiply_1_2 : multiply_1_1)(a, b, depth, factor, to, to_line); break;
    case 4: (wide ? multiply_4_2 : multiply_4_1)(a, b, depth, factor, to, to_line); break;
    default: (wide ? multiply_all_2 : multiply_all_1)(a, b, depth, factor, to, to_line); break;
    }
}

/* --- packing ------------------------------------------------------------------------------------------------------ */

static inline __attribute__((always_inline)) vec_f32 load_whole(const char *p, const hone_dtype type)
{
    switch (type) {
    case HONE_BF16: return vec_load_bf16((const stored_bf16 *)(const void *)p);
    case HONE_F16: return vec_load_f16((const stored_f16 *)(const void *)p);
    default: return vec_load_f32((const float *)(const void *)p);
    }
}

/* n elements, `element` bytes apart, times `scale`, as floats in a row. */
static inline __attribute__((always_inline)) void load_line_of(float *to, const char *from, int64_t element, int64_t n,
                                                               vec_f32 scale, const hone_dtype type)
{
    const int bytes = vec_bytes_of(type);
    char      near[LANES * 4];
    char     *room = near;
    vec_forget(room);
    for (int64_t i = 0; i < n; i += LANES) {
        const int          count = (int)hone_min(n - i, LANES);
        const vec_mask_f32 first = vec_first_f32(count);
        const char        *x = from + i * element;
        if (element == bytes && count == LANES) {
            vec_store_f32(to + i, load_whole(x, type) * scale);
            continue;
        }
        if (element != bytes) {
            vec_move_typed(room, bytes, x, element, count, bytes);
            x = room;
        }
        vec_store_first_f32(to + i, first, vec_load_typed_f32(x, type, first) * scale);
    }
}

static void load_line(float *to, const char *from, int64_t element, hone_dtype type, int64_t n, float scale)
{
    const vec_f32 times = vec_broadcast_f32(scale);
    switch (type) {
    case HONE_BF16: load_line_of(to, from, element, n, times, HONE_BF16); break;
    case HONE_F16: load_line_of(to, from, element, n, times, HONE_F16); break;
    default: load_line_of(to, from, element, n, times, HONE_F32); break;
    }
}

/* As many keys as there are lanes, and elements, turned. */
static inline __attribute__((always_inline)) void turn_whole(const char *at, int64_t line, float *panel,
                                                             const hone_dtype type)
{
    vec_f32 x[LANES];
    HONE_UNROLL
    for (int i = 0; i < LANES; i++) x[i] = load_whole(at + i * line, type);
    vec_transpose_f32(x);
    HONE_UNROLL
    for (int i = 0; i < LANES; i++) vec_store_f32(panel + i * WIDTH, x[i]);
}

/* Fewer keys, elements, or both; from lines of floats. What is not there is 0. */
static void turn_part(const float *lines, int first, int end, int64_t elements, float *panel)
{
    vec_f32 x[LANES];
    for (int i = 0; i < LANES; i++) {
        x[i] = vec_broadcast_f32(0.0f);
        if (i >= first && i < end) x[i] = vec_load_first_f32(lines + i * LINE, vec_first_f32(elements));
    }
    vec_transpose_f32(x);
    for (int i = 0; i < LANES && i < elements; i++) vec_store_f32(panel + i * WIDTH, x[i]);
}

static void pack_k(const hone_attention_lines *k, int64_t from, int64_t to, int64_t d, float *panels, float *room)
{
    for (int64_t key = from / LANES * LANES; key < to; key += LANES) {
        const char *at = k->at + key * k->line;
        float      *panel = panels + key / WIDTH * WIDTH * d + key % WIDTH;
        const int   first = (int)hone_max(from - key, 0), end = (int)hone_min(to - key, LANES);
        int64_t     t = 0;
        if (k->element == vec_bytes_of(k->type) && first == 0 && end == LANES)
            switch (k->type) {
            case HONE_BF16:
                for (; t + LANES <= d; t += LANES) turn_whole(at + t * 2, k->line, panel + t * WIDTH, HONE_BF16);
                break;
            case HONE_F16:
                for (; t + LANES <= d; t += LANES) turn_whole(at + t * 2, k->line, panel + t * WIDTH, HONE_F16);
                break;
            default:
                for (; t + LANES <= d; t += LANES) turn_whole(at + t * 4, k->line, panel + t * WIDTH, HONE_F32);
                break;
            }
        if (t == d) continue;
        for (int i = first; i < end; i++)
            load_line(room + i * LINE, at + i * k->line + t * k->element, k->element, k->type, d - t, 1);
        for (int64_t done = t; t < d; t += LANES)
            turn_part(room + (t - done), first, end, d - t, panel + t * WIDTH);
    }
}

static void pack_v(const hone_attention_lines *v, int64_t from, int64_t to, int64_t d_v, int64_t panel_keys,
                   float *panels)
{
    for (int64_t key = from; key < to; key++)
        for (int64_t column = 0; column < d_v; column += WIDTH) {
            float        *panel = panels + (column * panel_keys + key * WIDTH);
            const int64_t count = hone_min(d_v - column, WIDTH);
            load_line(panel, v->at + key * v->line + column * v->element, v->element, v->type, count, 1);
            if (count % LANES) memset(panel + count, 0, (size_t)(LANES - count % LANES) * sizeof *panel);
        }
}

/* --- one strip ---------------------------------------------------------------------------------------------------- */

/* No lane is NaN here. */
static float lanes_most(vec_f32 x)
{
    float  near[LANES];
    float *lane = near;
    vec_forget(lane);
    vec_store_f32(lane, x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
    return lane[0];
}

static float lanes_sum(vec_f32 x)
{
    float  near[LANES];
    float *lane = near;
    vec_forget(lane);
    vec_store_f32(lane, x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

static float power(float x)
{
    return vec_exp2_f32(vec_broadcast_f32(x))[0];
}

static vec_f32 load_bias(const hone_attention_strip *s, const char *at, int count)
{
    char               near[LANES * 4];
    char              *room = near;
    const int          bytes = vec_bytes_of(s->bias_type);
    const vec_mask_f32 first = vec_first_f32(count);
    vec_forget(room);
    if (s->bias_element == bytes) return vec_load_typed_f32(at, s->bias_type, first);
    vec_move_typed(room, bytes, at, s->bias_element, count, bytes);
    return vec_load_typed_f32(room, s->bias_type, first);
}

/* Soft cap, bias and slopes, of the scores of one row that it sees: columns low .. high-1 of the block. */
static void adjust(const hone_attention_strip *s, const hone_attention_row *row, float *scores, int64_t low,
                   int64_t high)
{
    const vec_f32 cap = vec_broadcast_f32(s->cap), log2_e = vec_broadcast_f32(LOG2_E);
    const vec_f32 slope = vec_broadcast_f32(-row->slope * LOG2_E), none = vec_broadcast_f32(0.0f);
    float         near[LANES];
    float        *lane = near;
    vec_forget(lane);
    for (int i = 0; i < LANES; i++) lane[i] = (float)i;
    const vec_f32 lanes = vec_load_f32(lane);
    for (int64_t c = low; c < high; c += LANES) {
        const int          count = (int)hone_min(high - c, LANES);
        const vec_mask_f32 first = vec_first_f32(count);
        vec_f32            x = vec_load_first_f32(scores + c, first);
        if (s->cap != 0) x = vec_tanh_f32(x) * cap;
        if (s->bias_type)
            x = vec_fma_f32(load_bias(s, row->bias + (s->key + c) * s->bias_element, count), log2_e, x);
        if (s->alibi) {
            const vec_f32 apart = lanes + vec_broadcast_f32((float)(s->key + c - row->place));
            x = vec_fma_f32(vec_if_less_f32(apart, none, none - apart, apart), slope, x);
        }
        vec_store_first_f32(scores + c, first, x);
    }
}

/* Scores become weights beside the row's largest score so far, in columns from .. to-1 and to the end of their vectors;
 * what is not seen is 0. Gives what all sums so far are to be multiplied by. */
static float weigh(const hone_attention_strip *s, hone_attention_row *row, float *scores, int64_t from, int64_t to)
{
    const int64_t begin = from / LANES * LANES, end = hone_round_up(to, LANES);
    const int64_t low = hone_min(hone_max(row->low - s->key, begin), end);
    const int64_t high = hone_max(hone_min(row->high - s->key, to), low);
    for (int64_t c = begin; c < low; c++) scores[c] = -INFINITY;
    for (int64_t c = high; c < end; c++) scores[c] = -INFINITY;
    if (s->cap != 0 || s->bias_type || s->alibi) adjust(s, row, scores, low, high);
    vec_f32 most = vec_broadcast_f32(-INFINITY), more = most;
    int64_t c = begin;
    for (; c + LANES < end; c += 2 * LANES) {
        most = vec_larger_f32(vec_load_f32(scores + c), most);
        more = vec_larger_f32(vec_load_f32(scores + c + LANES), more);
    }
    if (c < end) most = vec_larger_f32(vec_load_f32(scores + c), most);
    const float now = lanes_most(vec_larger_f32(more, most)), before = row->most;
    row->most = now > before ? now : before;
    const float   factor = row->most == before ? 1.0f : power(before - row->most);
    const vec_f32 least = vec_broadcast_f32(row->most == -INFINITY ? 0.0f : row->most);
    vec_f32       sum = vec_broadcast_f32(0.0f), other = sum;
    for (c = begin; c + LANES < end; c += 2 * LANES) {
        const vec_f32 x = vec_exp2_f32(vec_load_f32(scores + c) - least);
        const vec_f32 y = vec_exp2_f32(vec_load_f32(scores + c + LANES) - least);
        vec_store_f32(scores + c, x);
        vec_store_f32(scores + c + LANES, y);
        sum += x, other += y;
    }
    if (c < end) {
        const vec_f32 x = vec_exp2_f32(vec_load_f32(scores + c) - least);
        vec_store_f32(scores + c, x);
        sum += x;
    }
    row->total = row->total * factor + lanes_sum(sum + other);
    return factor;
}

static void load_queries(const hone_attention_strip *s, int rows)
{
    for (int r = 0; r < rows; r++) {
        float *line = s->q_lines + r * LINE;
        if (r < s->rows)
            load_line(line, s->row[r].q, s->q_element, s->type, s->d, s->scale);
        else
            memset(line, 0, (size_t)s->d * sizeof *line);
    }
}

static void strip(const hone_attention_strip *s)
{
    const int rows = rows_of(s->rows);
    float     factor[HONE_ATTENTION_ROWS_MAX];
    int64_t   from = s->keys, to = 0;
    for (int r = 0; r < s->rows; r++) {
        if (s->row[r].high <= s->row[r].low) continue;
        from = hone_min(from, s->row[r].low - s->key);
        to = hone_max(to, s->row[r].high - s->key);
    }
    from = hone_max(from, 0), to = hone_min(to, s->keys);
    if (from >= to) return;
    load_queries(s, rows);
    for (int64_t c = from / WIDTH * WIDTH; c < to; c += WIDTH)
        multiply_panel(rows, to - c, s->q_lines, s->k + c * s->d, s->d, NULL, s->scores + c, LINE);
    for (int r = 0; r < rows; r++) {
        factor[r] = 0;
        if (r < s->rows)
            factor[r] = weigh(s, &s->row[r], s->scores + r * LINE, from, to);
        else
            memset(s->scores + r * LINE + from, 0, (size_t)(to - from) * sizeof *s->scores);
    }
    for (int64_t c = 0; c < s->d_v; c += WIDTH)
        multiply_panel(rows, s->d_v - c, s->scores + from, s->v + (c * s->panel_keys + from * WIDTH), to - from, factor,
                       s->sums + c, s->sums_line);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static bool finish(const hone_attention_strip *s, bool sinks)
{
    const int bytes = vec_bytes_of(s->type);
    char      near[LANES * 4];
    char     *room = near;
    vec_f32   strange = vec_broadcast_f32(0.0f);
    vec_forget(room);
    for (int r = 0; r < s->rows; r++) {
        const hone_attention_row *row = &s->row[r];
        float                     most = row->most, total = row->total, factor = 1;
        if (sinks && row->exists) {
            const float sink = row->sink * LOG2_E;
            most = sink > most ? sink : most;
            if (most != row->most) factor = power(row->most - most);
            total *= factor;
            if (sink != -INFINITY) total += power(sink - most);
        }
        const bool nothing = total == 0;
        if (row->lse) *row->lse = nothing ? -INFINITY : logf(total) + most * LN_2;
        const vec_f32 share = vec_broadcast_f32(factor / total), zero = vec_broadcast_f32(0.0f);
        for (int64_t c = 0; c < s->d_v; c += LANES) {
            const int          count = (int)hone_min(s->d_v - c, LANES);
            const vec_mask_f32 first = vec_first_f32(count);
            vec_f32            x = zero;
            char              *to = row->out + c * s->out_element;
            if (!nothing) x = vec_load_first_f32(s->sums + r * s->sums_line + c, first) * share;
            strange = vec_fma_f32(x, zero, strange);
            if (s->out_element == bytes) {
                vec_store_typed_f32(to, s->type, first, x);
            } else {
                vec_store_typed_f32(room, s->type, first, x);
                vec_move_typed(to, s->out_element, room, bytes, count, bytes);
            }
        }
    }
    return lanes_sum(strange) == 0;
}

const hone_attention_flash_kit FLASH_KIT = {FLASH_NAME, FLASH_ISA, LANES,  WIDTH,  FLASH_ROWS,
                                            FLASH_COST, pack_k,    pack_v, strip, finish};
