/* The inside of cpu.packed (packed.c) for kernels that cut their work up otherwise: a piece of c, done by one thread.
 */
#ifndef HONE_KERNELS_MATMUL_PACKED_H
#define HONE_KERNELS_MATMUL_PACKED_H

#include "kernels/matmul/frame.h"
#include "kernels/matmul/reads.h"

/* How a problem is cut: the sizes of a configuration, evened out. */
typedef struct hone_matmul_packed_cut {
    int64_t m_pieces, n_pieces; /* pieces of one matrix */
    int64_t nc;                 /* columns of a piece, at most: whole panels */
    int64_t k_blocks, kc;
    size_t  a_bytes, b_bytes;   /* of a room: copies, */
    size_t  c_bytes;            /* and sums that wait for the next block of k; 0: they wait in c */
    size_t  reads_bytes;        /* and sums of a's rows and of b's columns; 0: nobody asks for them */
} hone_matmul_packed_cut;

typedef struct hone_matmul_packed_plan {
    hone_matmul_frame       frame;
    const hone_matmul_tile *tile, *kept; /* kept: reads what the other one keeps of b */
    const hone_matmul_kit  *a_kit;
    hone_matmul_reads       reads;
    bool                    pack_a, pack_b, columns;
    int                     threads;
    int64_t                 shares;
    double                  item_seconds; /* about: of one matrix, on one thread */
    hone_matmul_packed_cut  cut;
    hone_matmul_packed_cut whole; /* for a residual that is c itself: k in one block, so that c keeps its values until
                                     then */
} hone_matmul_packed_plan;

typedef struct hone_matmul_packed_work {
    const hone_matmul_packed_plan *plan;
    const hone_matmul_packed_cut  *cut;
    const hone_arguments          *arguments;
    double                         alpha, beta;
} hone_matmul_packed_work;

/* One piece of c as its thread sees it. */
typedef struct hone_matmul_packed_piece {
    hone_matmul_item item;
    int64_t          i, j, m, n; /* where it begins, and how large it is */
    int64_t          k;          /* all of it */
    char            *strip, *block, *sums; /* room for a_bytes, b_bytes and c_bytes; sums NULL: they wait in c */
    hone_matmul_reading reading;           /* of item, taken out of it */
    char               *columns, *rows;    /* sums of b and of a along k; NULL: this piece makes none */
} hone_matmul_packed_piece;

static inline int64_t hone_matmul_packed_strips(const hone_matmul_tile *tile, int64_t rows)
{
    return hone_divide_up(rows, tile->m);
}

/* Lines of a row-major strip are this far apart: a cache line more than they are long, so that they spread over the
 * cache's sets. */
static inline int64_t hone_matmul_packed_line(const hone_matmul_frame *frame, int64_t kc)
{
    return hone_round_up(kc, 64 / frame->bytes) + 64 / frame->bytes;
}

/* k is done in blocks of at most the cut's kc, evened out. Of the plan what stands before `threads` is read, of the cut
 * nc and kc; of work no arguments. */
void hone_matmul_packed_piece_run(const hone_matmul_packed_work *work, const hone_matmul_packed_piece *piece);

#endif
