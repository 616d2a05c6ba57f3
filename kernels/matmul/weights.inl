/* The text of the micro-kernels of weights (weights.h), for one instruction set. Set before including it:
 *
 *   WEIGHTS_KIT                    its table
 *   WEIGHTS_NAME                   its name as text
 *   WEIGHTS_ISA                    the instruction set
 *   WEIGHTS_ROWS, WEIGHTS_VECTORS  rows, and vectors of columns, whose sums registers hold: 64 columns in whole passes
 *   WEIGHTS_UNITS(x, mask, code)   (x & mask) ^ code, of vectors of words
 *   WEIGHTS_LOOKUP                 1: WEIGHTS_FOUND(x, table) is the float of `table` that the low four bits tell
 *   WEIGHTS_PAIR(low, high, to)    of two rows of 64 numbers of four bits one of bytes: low[j] | high[j] << 4
 *   WEIGHTS_WEAVE(lines, to)       to[j] = the bytes j of four lines of 64, the first lowest */
#include <string.h>

#include "base/size.h"

typedef uint32_t weights_bits __attribute__((vector_size(sizeof(vec_f32))));

enum { LINE = HONE_MATMUL_WEIGHTS_WIDTH, PASS = WEIGHTS_VECTORS * VEC_LANES_F32 };
_Static_assert(LINE % PASS == 0, "whole passes");

/* A number of `bits` bits that stands at bit `at` of a word, at most 23 - bits: beside the exponent of 2^(23 - at) it
 * counts units. Of a signed one the highest bit turns round, and it counts from its least value on. */
typedef struct weights_code {
    weights_bits mask, code;
    vec_f32      offset;
} weights_code;

static inline weights_bits bits_of(uint32_t x)
{
    return (weights_bits)vec_broadcast_f32(((union { uint32_t bits; float real; }){x}).real);
}

static inline __attribute__((always_inline)) weights_code code_of(int bits, int at, int is_signed)
{
    const uint32_t half = is_signed ? 1u << (bits - 1) : 0, exponent = (uint32_t)(127 + 23 - at) << 23;
    return (weights_code){bits_of(((1u << bits) - 1) << at), bits_of(exponent ^ half << at),
                          vec_broadcast_f32((float)(1 << (23 - at)) + (float)half)};
}

static inline __attribute__((always_inline)) vec_f32 coded(weights_bits x, const weights_code *code)
{
    return (vec_f32)WEIGHTS_UNITS(x, code->mask, code->code) - code->offset;
}

static inline weights_bits words_load(const uint32_t *p)
{
    return (weights_bits)vec_load_f32((const float *)(const void *)p);
}

/* Number i of each word. Few codes, so that they stay in registers: words are shifted, once for several numbers. */
typedef struct weights_codes {
    weights_code at[5];
#if WEIGHTS_LOOKUP
    vec_f32 table;
#endif
} weights_codes;

static inline __attribute__((always_inline)) weights_codes codes_of(int bits, int is_signed)
{
    weights_codes codes;
    for (int i = 0; i < 5; i++) codes.at[i] = code_of(bits, i * bits > 23 - bits ? 0 : i * bits, is_signed);
#if WEIGHTS_LOOKUP
    float table[16];
    for (int i = 0; i < 16; i++) table[i] = (float)(is_signed && i > 7 ? i - 16 : i);
    codes.table = vec_load_f32(table);
#endif
    return codes;
}

static inline __attribute__((always_inline)) vec_f32 number(weights_bits x, const int bits, const int i,
                                                            const weights_codes *codes)
{
    if (bits == 8) return coded(i < 2 ? x : x >> 16, &codes->at[i % 2]);
#if WEIGHTS_LOOKUP
    const weights_bits y = i < 2 ? x : x >> (i / 2 * 8);
    return i % 2 ? coded(y, &codes->at[1]) : WEIGHTS_FOUND(y, codes->table);
#else
    return i < 5 ? coded(x, &codes->at[i]) : coded(x >> 12, &codes->at[i - 3]);
#endif
}

static inline __attribute__((always_inline)) void run_add(const hone_matmul_weights_job *job, const uint32_t *b,
                                                          const float *a, int64_t words, int64_t run, int pass,
                                                          const int bits, const int rows, const weights_codes *codes)
{
    const int group = 32 / bits;
    vec_f32   sum[WEIGHTS_ROWS][WEIGHTS_VECTORS];
    HONE_UNROLL
    for (int r = 0; r < rows; r++)
        HONE_UNROLL
        for (int v = 0; v < WEIGHTS_VECTORS; v++)
            sum[r][v] = vec_broadcast_f32(0);
    for (int64_t w = 0; w < words; w++, b += LINE, a += group) {
        HONE_UNROLL
        for (int at = 0; at < PASS * 4; at += 64)
            __builtin_prefetch((const char *)b + job->ahead + at, 0, 3);
        weights_bits word[WEIGHTS_VECTORS];
        HONE_UNROLL
        for (int v = 0; v < WEIGHTS_VECTORS; v++) word[v] = words_load(b + v * VEC_LANES_F32);
        HONE_UNROLL
        for (int i = 0; i < group; i++) {
            vec_f32 x[WEIGHTS_VECTORS];
            HONE_UNROLL
            for (int v = 0; v < WEIGHTS_VECTORS; v++) x[v] = number(word[v], bits, i, codes);
            HONE_UNROLL
            for (int r = 0; r < rows; r++) {
                const vec_f32 y = vec_broadcast_f32(a[r * job->a_m + i]);
                HONE_UNROLL
                for (int v = 0; v < WEIGHTS_VECTORS; v++)
                    sum[r][v] = vec_fma_f32(y, x[v], sum[r][v]);
            }
        }
    }
    const float *scale = job->scale + run * job->scale_line + pass;
    const float *zero = job->zero ? job->zero + run * job->zero_line + pass : NULL;
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        float *sums = job->sums + r * LINE + pass;
        HONE_UNROLL
        for (int v = 0; v < WEIGHTS_VECTORS; v++) {
            const int at = v * VEC_LANES_F32;
            vec_f32   x = sum[r][v];
            if (zero) {
                const vec_f32 less = vec_broadcast_f32(-job->a_sums[r * job->a_sums_m + run]);
                x = vec_fma_f32(less, vec_load_f32(zero + at), x);
            }
            vec_store_f32(sums + at, vec_fma_f32(x, vec_load_f32(scale + at), vec_load_f32(sums + at)));
        }
    }
}

static inline __attribute__((always_inline)) void runs_add(const hone_matmul_weights_job *job, const int bits,
                                                           const int rows)
{
    const weights_codes codes = codes_of(bits, job->is_signed);
    for (int pass = 0; pass < LINE; pass += PASS) {
        const uint32_t *b = (const uint32_t *)job->b + pass;
        const float    *a = job->a;
        for (int64_t run = 0; run < job->runs; run++, b += job->words * LINE, a += job->words * (32 / bits))
            run_add(job, b, a, run + 1 < job->runs ? job->words : job->last, run, pass, bits, rows, &codes);
    }
}

#define WEIGHTS_CASE(rows)                                                                                             \
    case rows:                                                                                                         \
        if (rows > WEIGHTS_ROWS) return;                                                                               \
        if (job->bits == 4)                                                                                            \
            runs_add(job, 4, (rows <= WEIGHTS_ROWS ? rows : WEIGHTS_ROWS));                                            \
        else                                                                                                           \
            runs_add(job, 8, (rows <= WEIGHTS_ROWS ? rows : WEIGHTS_ROWS));                                            \
        break;

static void multiply(const hone_matmul_weights_job *job)
{
#ifdef HONE_SANITIZED
    runs_add(job, job->bits, (int)job->m);
#else
    switch (job->m) {
        WEIGHTS_CASE(1) WEIGHTS_CASE(2) WEIGHTS_CASE(3) WEIGHTS_CASE(4) WEIGHTS_CASE(5) WEIGHTS_CASE(6)
    }
#endif
}

/* --- words of a plain b ------------------------------------------------------------------------------------------ */

/* Element (k, j), its bits alone. */
static inline uint32_t element(const hone_matmul_words_job *job, int64_t k, int64_t j)
{
    const int64_t  at = job->first + k * job->from_k + j * job->from_n;
    const uint8_t *from = job->from;
    return job->bits == 8 ? from[at] : from[at >> 1] >> (4 * (at & 1)) & 15;
}

/* Word by word: edges, and what is contiguous neither way, or begins within a byte. */
static void words_one_by_one(const hone_matmul_words_job *job, int64_t line)
{
    const int group = 32 / job->bits;
    for (int64_t j = 0; j < hone_round_up(job->n, LINE); j++) {
        uint32_t word = 0;
        for (int i = 0; i < group && line * group + i < job->k && j < job->n; i++)
            word |= element(job, line * group + i, j) << (job->bits * i);
        job->to[j / LINE * job->to_panel + line * LINE + j % LINE] = word;
    }
}

/* Columns are contiguous along k: words lie there, to be turned. */
static void words_across(const hone_matmul_words_job *job, int64_t lines)
{
    enum { LANES = VEC_LANES_F32 };
    const char   *from = (const char *)job->from + job->first * job->bits / 8;
    const int64_t column = job->from_n * job->bits / 8, columns = hone_round_up(job->n, LINE);
    for (int64_t j = 0; j < columns; j += LANES)
        for (int64_t line = 0; line < lines; line += LANES) {
            const int n = (int)hone_max(hone_min(job->n - j, LANES), 0);
            const int count = (int)hone_min(lines - line, LANES);
            uint32_t *to = job->to + j / LINE * job->to_panel + line * LINE + j % LINE;
            vec_f32   square[LANES];
            HONE_UNROLL
            for (int i = 0; i < LANES; i++) {
                const char *at = from + (j + i) * column + line * 4;
                uint32_t    edge[LANES] = {0};
                if (i < n && count < LANES) memcpy(edge, at, (size_t)count * 4);
                square[i] = i < n && count == LANES ? (vec_f32)words_load((const void *)at)
                                                    : (vec_f32)words_load(edge);
            }
            vec_transpose_f32(square);
            HONE_UNROLL
            for (int i = 0; i < LANES; i++)
                if (i < count) vec_store_f32((float *)(void *)(to + i * LINE), square[i]);
        }
}

/* Rows are contiguous along n: four of bytes are woven, of four bits two at a time become one of bytes. Rows are
 * followed, through all panels. */
static void words_along(const hone_matmul_words_job *job, int64_t lines)
{
    const uint8_t *from = (const uint8_t *)job->from + job->first * job->bits / 8;
    const int      group = 32 / job->bits;
    const int64_t  row = job->from_k * job->bits / 8;
    uint8_t        edge[8][LINE] = {{0}}, both[4][LINE];
    for (int64_t line = 0; line < lines; line++)
        for (int64_t j = 0; j < job->n; j += LINE) {
            const int64_t  n = hone_min(job->n - j, LINE);
            const uint8_t *x[8];
            for (int i = 0; i < group; i++) {
                x[i] = from + (line * group + i) * row + j * job->bits / 8;
                if (n < LINE) x[i] = memcpy(edge[i], x[i], (size_t)((n * job->bits + 7) / 8));
            }
            for (int p = 0; p < 4 && job->bits == 4; p++) {
                WEIGHTS_PAIR(x[2 * p], x[2 * p + 1], both[p]);
                x[p] = both[p];
            }
            WEIGHTS_WEAVE(x, job->to + j / LINE * job->to_panel + line * LINE);
        }
}

static void words(const hone_matmul_words_job *job)
{
    const int     group = 32 / job->bits;
    const int64_t lines = (job->k + group - 1) / group;
    const bool    bytes = job->bits == 8 || (job->first % 2 == 0 && (job->from_k == 1 || job->from_k % 2 == 0));
    const bool    across = bytes && job->from_k == 1, along = bytes && !across && job->from_n == 1;
    const int64_t whole = across || along ? job->k / group : 0;
    if (across) words_across(job, whole);
    if (along) words_along(job, whole);
    for (int64_t line = whole; line < lines; line++) words_one_by_one(job, line);
}

const hone_matmul_weights_kit WEIGHTS_KIT = {
    .name = WEIGHTS_NAME, .isa = WEIGHTS_ISA, .lanes = VEC_LANES_F32, .rows = WEIGHTS_ROWS, .multiply = multiply,
    .words = words};
