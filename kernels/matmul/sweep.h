/* The micro-kernels that sweep along b: up to four rows of c at a time are written from their first column to their
 * last, so that each line of c is touched once and is whole before it leaves the nearest cache. Pure, one set an
 * instruction set.
 *
 *     a: a strip        b: k lines  ┌─────┬─────┬──                c: ┌─────┬─────┬──
 *     ═════════                     │panel│panel│ →                   │sums │sums │ →     then the next strip
 *                                   └─────┴─────┴──                   └─────┴─────┴──
 *
 * The vectors of a line are dealt out evenly among the panels: none has few sums, which would wait for each other. Up
 * to four steps of k are straight text, with a held in registers. A sum runs over k in order, one fused step each; but
 * with `chains` four sums, each of every fourth step, are added in the end. */
#ifndef HONE_KERNELS_MATMUL_SWEEP_H
#define HONE_KERNELS_MATMUL_SWEEP_H

#include "kernels/matmul/tile.h"

enum { HONE_MATMUL_SWEEP_ROWS = 4, HONE_MATMUL_SWEEP_ACROSS = 8, HONE_MATMUL_SWEEP_CHAINS = 4 };
enum { HONE_MATMUL_SWEEP_LITERAL = 4 }; /* steps of k that are straight text */
enum { HONE_MATMUL_SWEEP_CHAINED = 3 }; /* sums, in vectors: at most so many for chains */

/* c = alpha * a * b + beta * c; with beta 0, c is not read. The columns of b and c are contiguous. Nothing but those
 * m x k, k x n and m x n elements is read or written. */
typedef struct hone_matmul_sweep_job {
    int64_t     m, n, k;
    const void *a;
    int64_t     a_m, a_k;
    const void *b;
    int64_t     b_k;
    void       *c;
    int64_t     c_m;
    double      alpha, beta;
    int         across; /* vectors of a panel, at most; registers may hold fewer */
    bool        chains; /* where m x the vectors of a line are no more than HONE_MATMUL_SWEEP_CHAINED */
} hone_matmul_sweep_job;

typedef struct hone_matmul_sweep_kit {
    const char *name; /* "f32_avx512" */
    hone_isa    isa;
    hone_dtype  type;
    int         across[HONE_MATMUL_SWEEP_ROWS + 1]; /* the most vectors beside 1 .. 4 rows */
    void (*multiply)(const hone_matmul_sweep_job *job);
    const hone_matmul_kit *kit;
} hone_matmul_sweep_kit;

/* The rows of sweeps.def that this architecture has, best first. */
extern const hone_matmul_sweep_kit *const hone_matmul_sweeps[];
extern const int                          hone_matmul_sweep_count;

#define HONE_SWEEP(name) extern const hone_matmul_sweep_kit name;
#include "kernels/matmul/sweeps.def"
#undef HONE_SWEEP

#endif
