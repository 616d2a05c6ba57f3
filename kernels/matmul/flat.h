/* The micro-kernels of a flat b: few columns, its rows close together. So b is read as one run of numbers, in full
 * vectors, and what is multiplied by it is spread to fit: of 8 lanes and 3 columns,
 *
 *     b:   0 0 0 1 1 1 2 2 │ 2 3 3 3 4 4 4 5 │ 5 5 6 6 6 7 7 7     the step of k of each lane: so many lanes of a
 *     sums j 0 1 2 0 1 2 0 1 │ ...                                 row of a, which a permutation puts there
 *
 * and at the end of k each sum is what stands `columns` apart, added in an order that columns and lanes tell. Pure, one
 * set an instruction set and type of a and b; sums are floats or doubles. The bits of a result depend on k, and on
 * where k is cut, alone. */
#ifndef HONE_KERNELS_MATMUL_FLAT_H
#define HONE_KERNELS_MATMUL_FLAT_H

#include "kernels/matmul/tile.h"

enum { HONE_MATMUL_FLAT_COLUMNS = 12, HONE_MATMUL_FLAT_ROWS = 8 };
enum { HONE_MATMUL_FLAT_SUMS = 25 };                                 /* vectors: the most rows x columns of any kit */
enum { HONE_MATMUL_FLAT_INDEX_BYTES = HONE_MATMUL_FLAT_COLUMNS * 64 };

/* to = (adds ? to : 0) + a * b. 2 .. HONE_MATMUL_FLAT_COLUMNS columns, and for n of them at most rows[n] rows. Rows of
 * a are contiguous along k; b is k x n without gaps. Nothing but those m x k, k x n and m x n elements is touched. */
typedef struct hone_matmul_flat_job {
    int64_t     m, n, k;
    const void *a;
    int64_t     a_m;
    const void *b;
    const void *index; /* made by `index` for n */
    void       *to;
    int64_t     to_m;
    bool        adds;
} hone_matmul_flat_job;

typedef struct hone_matmul_flat_kit {
    const char *name; /* "f32_avx512" */
    hone_isa    isa;
    hone_dtype  type;
    int         lanes;
    double      cost; /* of a multiplication and its permutation, in full multiplications */
    int         rows[HONE_MATMUL_FLAT_COLUMNS + 1];
    void (*index)(int n, void *room); /* HONE_MATMUL_FLAT_INDEX_BYTES, once for many jobs */
    void (*multiply)(const hone_matmul_flat_job *job);
} hone_matmul_flat_kit;

/* `rows` of a kit, as its file sets them for flat.inl. */
#define FLAT_ROWS                                                                                                      \
    {                                                                                                                  \
        0, 0, FLAT_R2, FLAT_R3, FLAT_R4, FLAT_R5, FLAT_R6, FLAT_R7, FLAT_R8, FLAT_R9, FLAT_R10, FLAT_R11, FLAT_R12     \
    }

/* The rows of flats.def that this architecture has, best first. */
extern const hone_matmul_flat_kit *const hone_matmul_flats[];
extern const int                         hone_matmul_flat_count;

#define HONE_FLAT(name) extern const hone_matmul_flat_kit name;
#include "kernels/matmul/flats.def"
#undef HONE_FLAT

#endif
