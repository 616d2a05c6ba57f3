/* The micro-kernels of cpu.small: tiny products, many in one call.
 *
 * A matrix c is cut once, before any launch, into parts: a group of columns, some vectors wide, the last of them
 * masked; and strips of equally many rows in it. A call does one part of a whole run of matrices, so that finding the
 * right loop costs once a run. The columns of b and of c are contiguous.
 *
 * A sum runs over k in order, one fused step each: the bits are those of tile.h. */
#ifndef HONE_KERNELS_MATMUL_SMALL_H
#define HONE_KERNELS_MATMUL_SMALL_H

#include "kernels/matmul/tile.h"

enum {
    HONE_MATMUL_SMALL_ACROSS_MAX = 3,
    HONE_MATMUL_SMALL_PARTS_MAX = 64
};

typedef struct hone_matmul_small_part  hone_matmul_small_part;
typedef struct hone_matmul_small_run   hone_matmul_small_run;
typedef struct hone_matmul_small_set       hone_matmul_small_set;
typedef void hone_matmul_small_fn(const hone_matmul_small_part *part, const hone_matmul_small_run *run);

struct hone_matmul_small_part {
    hone_matmul_small_fn *multiply;
    int     across;                /* vectors */
    int     rows;                  /* of a strip */
    int64_t strips;                /* one under the other */
    int64_t row, column, n;        /* where it begins, and how many columns it has */
    int64_t k, a_m, a_k, b_k, c_m; /* of the problem, in elements */
    int64_t a_at, b_at, c_at;      /* from a matrix's element (0, 0) to where the part begins, in bytes */
};

/* c = alpha * a * b + beta * c for each matrix; with beta 0, c is not read. Nothing else is read or written. */
struct hone_matmul_small_run {
    int64_t            count;
    const char *const *a, *const *b; /* their elements (0, 0) */
    char *const       *c;
    double             alpha, beta;
};

/* Those of one type on one instruction set, for vectors of one length. */
struct hone_matmul_small_set {
    hone_isa                 isa;
    hone_dtype               type;
    int                      lanes;
    int                      rows[HONE_MATMUL_SMALL_ACROSS_MAX]; /* the most, for 1, 2, 3 vectors across; 0: none */
    hone_matmul_small_fn    *multiply;
    const hone_matmul_small_set *half; /* the same with shorter vectors; NULL: there is none */
    const hone_matmul_kit   *kit;
};

#ifdef __x86_64__
extern const hone_matmul_small_set hone_matmul_small_f32_avx512, hone_matmul_small_f64_avx512;
extern const hone_matmul_small_set hone_matmul_small_f32_avx512_half, hone_matmul_small_f64_avx512_half;
extern const hone_matmul_small_set hone_matmul_small_f32_avx2, hone_matmul_small_f64_avx2;
#endif
extern const hone_matmul_small_set hone_matmul_small_f32_any, hone_matmul_small_f64_any;

#endif
