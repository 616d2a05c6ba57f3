/* The micro-kernels of cpu.inner: products by instructions that do a short inner product in each lane of 32 bits.
 *
 * A word is 4 bytes: as many neighbours along k as fit, a group. A lane's sum grows by the inner product of a word of a
 * with a word of b:
 *
 *     u8s8   4 unsigned bytes by 4 signed ones, exactly (vpdpbusd)
 *     s16    2 whole numbers of 16 bits by 2, exactly (vpmaddwd, an addition): bytes, widened
 *     bf16   2 by 2, summed in floats (vdpbf16ps)
 *     f16    2 by 2, each of the two summed in f16 for a run of words (vfmadd231ph), and the runs in floats: where the
 *            caller allows it (hone/accuracy.h)
 *
 * Bytes of the wrong sign become right on their way by moving them by 128, a flip of their highest bit; what that and
 * zero points add to a sum follows from the sums of a's rows and of b's columns. Widened ones lose their zero points
 * at once.
 *
 *     a: m lines of words, a_m apart           b plain: lines of k                      b packed: lines of words
 *     ┌ k0..k3 ┬ k4..k7 ┬ ...                   k0 │ j0 j1 j2 ...                        │ j0 k0..k3 │ j1 k0..k3 │ ...
 *     └────────┴────────┴ ...                   k1 │ j0 j1 j2 ...                        │ j0 k4..k7 │ j1 k4..k7 │ ...
 *
 * A tile reads b either way; a plain one is put into words in registers, beside the multiplications, and may be kept.
 */
#ifndef HONE_KERNELS_MATMUL_INNER_H
#define HONE_KERNELS_MATMUL_INNER_H

#include "kernels/kernel.h"
#include "kernels/matmul/problem.h"

typedef enum hone_matmul_word {
    HONE_WORD_U8S8,
    HONE_WORD_S16,
    HONE_WORD_BF16,
    HONE_WORD_F16,
    HONE_WORD_COUNT
} hone_matmul_word;

enum { HONE_MATMUL_INNER_BYTES_MAX = 2048 }; /* of one tile of sums */

/* What bytes become on their way into words: their highest bit flipped or not, and of widened ones `less` taken off. */
typedef struct hone_matmul_change {
    int flip; /* 0 or 0x80 */
    int less;
} hone_matmul_change;

/* What a tile writes: its sums; or, of whole numbers, floats: times alpha, times, plus; or bf16, of such sums alone. */
typedef enum hone_matmul_inner_end { HONE_INNER_SUMS, HONE_INNER_FLOATS, HONE_INNER_NARROW } hone_matmul_inner_end;

/* c = a * b, or c + a * b: sums of 32 bits, in the order of k, whatever stands beside them. Strides of a and c, and of
 * a packed b, count words; a ends with whole words, zeros behind its k. Nothing but those elements is read or written.
 */
typedef struct hone_matmul_inner_job {
    int64_t            m, n, words; /* of k: the last group may be a part of one */
    const void        *a;
    int64_t            a_m, a_k;
    const void        *b;
    int64_t            b_k;
    int64_t            lines;  /* of a plain b, b_k bytes apart; 0: it is packed */
    hone_matmul_change change; /* of a plain b */
    int64_t            ahead;  /* of a plain b: so many bytes further along each line are asked for; 0: nothing is */
    void              *panel;  /* where the words of a plain b are kept, in lines of the tile's n; or NULL */
    bool               adds;   /* to what c holds */
    void              *c;
    int64_t            c_m;
    hone_matmul_inner_end end; /* what becomes of the sums: c, or what is said there, in `out` */
    float              alpha;
    const float       *times, *plus; /* of floats: a number each column is multiplied by, then one it grows by */
    void              *out;
    int64_t            out_bytes; /* from one row of it to the next */
    const int32_t     *column, *row; /* added to the sums of each column, of each row; NULL: nothing is */
} hone_matmul_inner_job;

/* Words of some lines along k, `length` elements each. lines: to[line * to_line + word]. panels: panel after panel of
 * `width` lines, to[panel * to_line + word * width + line % width], the last one filled up to whole vectors by zeros.
 */
typedef struct hone_matmul_inner_pack {
    int64_t            lines, length;
    const void        *from;
    int64_t            from_line, from_at; /* strides, in elements */
    hone_matmul_change change;
    void              *to;
    int64_t            to_line, width;
} hone_matmul_inner_pack;

typedef void hone_matmul_inner_fn(const hone_matmul_inner_job *job);
typedef void hone_matmul_inner_pack_fn(const hone_matmul_inner_pack *job);

/* What serves the tiles of one word on one instruction set. */
typedef struct hone_matmul_inner_kit {
    hone_matmul_word           word;
    int                        lanes;
    hone_matmul_inner_pack_fn *lines, *panels;
    void (*scale)(void *sums, int64_t rows, int64_t columns, int64_t line,
                  double alpha); /* sums of bf16 in place: times alpha; NULL for the others, which tiles scale */
} hone_matmul_inner_kit;

typedef struct hone_matmul_inner {
    const char                  *name; /* "u8s8_avx512_6x64" */
    hone_isa                     isa;
    unsigned                     needs; /* HONE_CPU_... */
    int                          m, n;
    hone_matmul_inner_fn        *multiply;
    const hone_matmul_inner_kit *kit;
} hone_matmul_inner;

/* The rows of inners.def that this architecture has, in their order. */
extern const hone_matmul_inner hone_matmul_inners[];
extern const int               hone_matmul_inner_count;

/* Words of whole numbers. */
static inline bool hone_matmul_word_whole(hone_matmul_word word)
{
    return word == HONE_WORD_U8S8 || word == HONE_WORD_S16;
}

/* Elements of a word. */
static inline int hone_matmul_word_group(hone_matmul_word word)
{
    return word == HONE_WORD_U8S8 ? 4 : 2;
}

#define HONE_INNER(function, isa, needs, m, n, kit)                                                                    \
    hone_matmul_inner_fn               function;                                                                       \
    extern const hone_matmul_inner_kit kit;
#include "kernels/matmul/inners.def"
#undef HONE_INNER

#endif
