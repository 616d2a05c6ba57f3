/* The micro-kernels that fold sums: few columns, and rows of a that are contiguous along k. A vector of b holds some
 * steps of k, a `group` of 2, 4, ... lanes, of as many columns as fit; b is copied so once, for all rows. Loading a
 * group of a row of a fills a vector with copies of it, at no cost. Of 8 lanes and a group of 4:
 *
 *     a:  a0 a1 a2 a3 a0 a1 a2 a3          so all lanes are busy with 4 columns, or 2, where a vector across them would
 *     b:  b0 b1 b2 b3 B0 B1 B2 B3          be half empty; at the end of k the lanes of each group are added:
 * neighbours, column 0    column 1             then the sums of neighbours, and so on
 *
 * Pure, one set an instruction set; the bits of a result depend on k, on where k is cut and on the group alone. */
#ifndef HONE_KERNELS_MATMUL_FOLD_H
#define HONE_KERNELS_MATMUL_FOLD_H

#include "kernels/matmul/tile.h"

enum { HONE_MATMUL_FOLD_VECTORS = 8, HONE_MATMUL_FOLD_ROWS = 12 };

/* to: for each group of k, the last one filled up with zeros, `vectors` vectors; zeros for columns beyond n. */
typedef struct hone_matmul_fold_pack_job {
    int64_t     n, k;
    int         group, vectors;
    const void *from;
    int64_t     from_k, from_n;
    void       *to;
} hone_matmul_fold_pack_job;

/* c = alpha * a * b + beta * c; with beta 0, c is not read. b is packed; the columns of c are contiguous. Of a and c
 * nothing but those m x k and m x n elements is read or written. */
typedef struct hone_matmul_fold_job {
    int64_t     m, n, k;
    int         group, vectors;
    const void *a;
    int64_t     a_m;
    const void *b;
    void       *c;
    int64_t     c_m;
    double      alpha, beta;
    int         rows; /* at a time, at most */
} hone_matmul_fold_job;

typedef struct hone_matmul_fold_kit {
    const char *name; /* "f32_avx512" */
    hone_isa    isa;
    hone_dtype  type;
    int         rows[HONE_MATMUL_FOLD_VECTORS + 1]; /* the most beside 1 .. 8 vectors */
    void (*pack)(const hone_matmul_fold_pack_job *job);
    void (*multiply)(const hone_matmul_fold_job *job);
    const hone_matmul_kit *kit;
} hone_matmul_fold_kit;

/* The most vectors beside a group: wide groups serve few columns each. 0: the group is longer than a vector. */
#define HONE_MATMUL_FOLD_MOST(lanes, group)                                                                            \
    ((group) > (lanes) ? 0 : 2 * (group) >= (lanes) ? 8 : 4 * (group) == (lanes) ? 6 : 3)

/* The rows of folds.def that this architecture has, best first. */
extern const hone_matmul_fold_kit *const hone_matmul_folds[];
extern const int                         hone_matmul_fold_count;

#define HONE_FOLD(name) extern const hone_matmul_fold_kit name;
#include "kernels/matmul/folds.def"
#undef HONE_FOLD

#endif
