/* The micro-kernels of thin problems: few rows of a against a large b, which is read once, in the order in which it
 * lies. Pure, one set an instruction set.
 *
 *   across   rows of b are contiguous along n. So many steps of k, `depth`, of some columns of b are held in registers,
 *            and each row of a passes over them:             b: depth lines ┌──┐→ along the lines, then the next depth
 *                                                                           └──┘
 *   dots     columns of b, and rows of a, are contiguous along k. The lanes of a vector are steps of k; at the end of k
 *            they are added by a tree, the same for each result.
 *
 * Sums, and a where it is packed or passed to dots, are floats or doubles; b, and a where it is packed from, may be
 * stored in 16 bits.
 *
 * Neither asks how many rows, columns or threads there are when it adds: the bits of a result depend on k, and on where
 * k is cut, alone. */
#ifndef HONE_KERNELS_MATMUL_THIN_H
#define HONE_KERNELS_MATMUL_THIN_H

#include "kernels/matmul/tile.h"

enum { HONE_MATMUL_THIN_ROWS = 64, HONE_MATMUL_DOTS_ROWS = 5, HONE_MATMUL_DOTS_COLUMNS = 8 };
enum { HONE_MATMUL_THIN_AHEAD = 1024 }; /* bytes: enough to hide memory, on the machines seen */

/* sums += a * b. a is packed: for each `depth` steps of k (the last may be fewer), m lines of depth. Of b, nothing but
 * those k x n elements is read. sums: m lines of n, rounded up to whole vectors; sums_m is in elements, too. */
typedef struct hone_matmul_across_job {
    int64_t     m, n, k;
    const void *a;
    const void *b;
    int64_t     b_k;
    void       *sums;
    int64_t     sums_m;
    bool        ahead; /* what lies HONE_MATMUL_THIN_AHEAD bytes further along each line is asked for */
} hone_matmul_across_job;

/* to[k / depth][i][k % depth] = from[i][k], for i < m; nothing is written for k beyond. */
typedef struct hone_matmul_thin_pack_job {
    int64_t     m, k;
    const void *from;
    int64_t     from_m, from_k;
    void       *to;
} hone_matmul_thin_pack_job;

/* sums[i][j] = (first ? 0 : sums[i][j]) + the products along k of row i of a and column j of b, one vector each. At
 * most HONE_MATMUL_DOTS_ROWS rows, and for so many at most dots_columns[rows] columns. */
typedef struct hone_matmul_dots_job {
    int64_t     m, n, k;
    const void *a;
    int64_t     a_m;
    const void *b;
    int64_t     b_n;
    void       *sums; /* m x n vectors */
    bool        first, ahead; /* ahead: as in across; for one row only */
} hone_matmul_dots_job;

/* to[i][j] = (lanes of sums[i][j]) + (adds ? to[i][j] : 0) */
typedef struct hone_matmul_add_lanes_job {
    int64_t     m, n;
    const void *sums;
    void       *to;
    int64_t     to_m, to_n;
    int         adds;
} hone_matmul_add_lanes_job;

typedef struct hone_matmul_thin_kit {
    const char *name; /* "f32_avx512" */
    hone_isa    isa;
    hone_dtype  type;
    int         depth, width; /* of across: steps of k, and columns, in registers */
    void (*across)(const hone_matmul_across_job *job);
    void (*pack)(const hone_matmul_thin_pack_job *job);
    void (*dots)(const hone_matmul_dots_job *job);
    void (*add_lanes)(const hone_matmul_add_lanes_job *job);
    void (*scale)(void *x, int64_t count, double by);   /* x *= by, of whole vectors */
    void (*add)(void *x, const void *y, int64_t count); /* x += y */
    int dots_rows, dots_columns[HONE_MATMUL_DOTS_ROWS + 1];
    const hone_matmul_kit *kit;
} hone_matmul_thin_kit;

/* The rows of thins.def that this architecture has, best first. */
extern const hone_matmul_thin_kit *const hone_matmul_thins[];
extern const int                     hone_matmul_thin_count;

/* The best for this type that the device can run; NULL: none. */
const hone_matmul_thin_kit *hone_matmul_thin_for(const hone_be_device *device, hone_dtype type);

#define HONE_THIN(name) extern const hone_matmul_thin_kit name;
#include "kernels/matmul/thins.def"
#undef HONE_THIN

#endif
