/* The micro-kernels of weights of few bits: few rows of a against a b whose elements are whole numbers of 8 or 4 bits
 * with scales. Pure, one set an instruction set.
 *
 *     words      32 bits each: as many consecutive k of one column as fit, the least lowest. A line is one word of each
 *                of 64 columns, and lines follow along k. It is what b packed as n64k8 (n64k4 of 8 bits) has in memory
 *     run        consecutive k of whole words that share their scales: the products of one are summed in registers,
 *                and scaled once
 *
 *                 64 columns
 *              ┌──────────────┐  a line: 8 k of 4 bits
 *              ├──────────────┤
 *              │  ... a run   │→ sums += scale * (a * words - zero * (sum of a))
 *              └──────────────┘
 *
 * A word becomes numbers without being converted: bits that stand where a float of a fixed exponent has its units need
 * but that exponent beside them, and the float's offset taken away, which is exact. Where a vector of 16 floats can be
 * indexed, four bits find their number there. */
#ifndef HONE_KERNELS_MATMUL_WEIGHTS_H
#define HONE_KERNELS_MATMUL_WEIGHTS_H

#include "kernels/matmul/tile.h"

enum { HONE_MATMUL_WEIGHTS_WIDTH = 64 };

/* sums += scale * (a * b - zero * a_sums), run by run: at most the kit's rows, of 64 columns. a has as many k as the
 * words have: zeros where those go beyond the matrix. */
typedef struct hone_matmul_weights_job {
    int64_t      m;
    int           bits, is_signed;
    int64_t      runs, words, last; /* words of a run, and of the last one */
    const void  *b;
    int64_t      ahead;             /* so many bytes further along b is asked for */
    const float *a;
    int64_t      a_m;
    const float *scale, *zero;      /* a line of 64 each run, so many elements apart; zero NULL: there are none */
    int64_t      scale_line, zero_line;
    const float *a_sums;            /* with zero: of each run, for each row */
    int64_t      a_sums_m;
    float       *sums;              /* lines of 64 */
} hone_matmul_weights_job;

/* Words of a block of a plain b: k x n of it, a panel of 64 columns after the other; what is beyond becomes 0. Strides
 * in elements. */
typedef struct hone_matmul_words_job {
    int64_t     k, n;
    int         bits;
    const void *from;           /* where b begins, and which of its elements is the block's first */
    int64_t     first, from_k, from_n;
    uint32_t   *to;
    int64_t     to_panel;       /* words from one panel to the next */
} hone_matmul_words_job;

typedef struct hone_matmul_weights_kit {
    const char *name; /* "avx512" */
    hone_isa    isa;
    int         lanes, rows;
    void (*multiply)(const hone_matmul_weights_job *job);
    void (*words)(const hone_matmul_words_job *job);
} hone_matmul_weights_kit;

/* The best that the device can run. */
const hone_matmul_weights_kit *hone_matmul_weights_for(const hone_be_device *device);

#ifdef __x86_64__
extern const hone_matmul_weights_kit hone_matmul_weights_avx512, hone_matmul_weights_avx2;
#endif
extern const hone_matmul_weights_kit hone_matmul_weights_any;

#endif
