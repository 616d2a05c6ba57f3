/* A problem as the tiles see it: what the CPU kernels of matmul share around their loops.
 *
 * Tiles write rows of c. Where c (or b) lies along its columns, the transposed problem is done instead: a frame holds
 * the problem with a and b, m and n, and all strides so exchanged, and finds the operands of each matrix of a batch.
 * With a packed b nothing is exchanged: tiles read it where it lies, and c by room where it must be. */
#ifndef HONE_KERNELS_MATMUL_FRAME_H
#define HONE_KERNELS_MATMUL_FRAME_H

#include "base/size.h"
#include "kernels/kernel.h"
#include "kernels/matmul/problem.h"
#include "kernels/matmul/tile.h"

typedef struct hone_matmul_frame {
    hone_dtype         type;  /* what the arithmetic is done in: f32 for bf16 and f16 too */
    int                bytes; /* of one of its elements */
    hone_dtype         type_a, type_b, type_c;    /* what lies in memory */
    int                bytes_a, bytes_b, bytes_c; /* of one element there */
    bool               swapped, pointers, reads_c;
    bool               a_zero, b_zero; /* there are zero points */
    int64_t            m, n, k, items;
    int64_t            a_m, a_k, b_k, b_n, c_m, c_n;
    int64_t            b_width; /* of the panels of a packed b: b_k then, and b_n is 1; 0: b is plain */
    int64_t            b_group; /* ... and how many k stand together in them: 1, 2 or 4 */
    int                batch_rank;
    int64_t            batch[HONE_BATCH_MAX], a_batch[HONE_BATCH_MAX], b_batch[HONE_BATCH_MAX], c_batch[HONE_BATCH_MAX];
    int                step_count;
    hone_epilogue_step step[HONE_STEPS_MAX];
    hone_dtype         type_scale; /* of weights, never swapped: of their scales and zeros; 0: b is what it says */
    int                bits_b;     /* of one of b's elements: where it is 4, bytes_b is 0 */
    bool               zeros;
    int64_t            group_k, group_n; /* 0: all */
    hone_matmul_groups scale, zero;
} hone_matmul_frame;

/* The operands of one matrix of the batch, at its element (0, 0). */
typedef struct hone_matmul_item {
    const char       *a, *b;
    char             *c;
    hone_epilogue_now step[HONE_STEPS_MAX];
    const char       *scale, *zero; /* of weights; zero NULL: they have none */
} hone_matmul_item;

/* With strides of extents below 2, which nobody follows, set so that they are contiguous. */
void hone_matmul_frame_make(const hone_matmul_problem *problem, hone_matmul_frame *out);
void hone_matmul_frame_straight(const hone_matmul_problem *problem, hone_matmul_frame *out); /* nothing exchanged */
void hone_matmul_frame_swap(hone_matmul_frame *frame);

/* Is c stored in fewer bits than its sums have? Then it is written once, when they are whole. */
static inline bool hone_matmul_narrows(const hone_matmul_frame *frame)
{
    return frame->bytes_c < frame->bytes;
}

/* Bytes of all a, b and c, as they lie. */
static inline double hone_matmul_footprint(const hone_matmul_frame *f)
{
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k;
    return (double)f->items * (f->bytes_a * m * k + f->bits_b * k * n / 8 + f->bytes_c * m * n);
}

/* Kernels that widen what they read take c of the type of a and b, or of that of their sums; NULL: so it is. */
static inline const char *hone_matmul_sums_refused(const hone_matmul_problem *p)
{
    const hone_dtype sums = hone_matmul_arithmetic(p), c = (hone_dtype)p->type_c;
    if (hone_matmul_is_scaled(p)) return HONE_MATMUL_SCALED_REFUSED;
    if (hone_matmul_widened((hone_dtype)p->type_a) != sums || hone_matmul_widened((hone_dtype)p->type_b) != sums ||
        hone_matmul_widened(c) != sums)
        return "an operand is of a type that it does not widen";
    return NULL;
}

/* The same for kernels of which a and b are of one type, and read as they are. */
static inline const char *hone_matmul_types_refused(const hone_matmul_problem *p)
{
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    if (hone_matmul_is_scaled(p)) return HONE_MATMUL_SCALED_REFUSED;
    if (p->type_a != p->type_b) return "a and b are of different types";
    return hone_matmul_sums_refused(p);
}

/* Where tiles read b from row k and this column on, the rows b_k apart; of a packed b all columns of a tile lie in one
 * panel, since its width is a multiple of the tile's. */
static inline const char *hone_matmul_b_at(const hone_matmul_frame *frame, const char *b, int64_t k, int64_t column)
{
    if (!frame->b_width) return b + (k * frame->b_k + column * frame->b_n) * frame->bytes_b;
    return b + (hone_matmul_layout_column(frame->b_width, frame->k, column) + k * frame->b_width) * frame->bytes_b;
}

/* Opens each page of what will be read next and lies in one piece, a panel of a packed b: the CPU's own prefetching
 * stops where a page ends, and would wait for memory at the beginning of each. */
static inline void hone_matmul_pages_ahead(const char *at, int64_t bytes)
{
    enum { PAGE = 4096, OPENED = 256, LINE = 64 };
    for (int64_t page = 0; page < bytes; page += PAGE)
        for (int64_t line = 0; line < OPENED; line += LINE) __builtin_prefetch(at + page + line, 0, 2);
}

/* The scalars of a launch, alpha and beta; beta is 0 where the problem does not read c. */
double hone_matmul_alpha(const hone_arguments *arguments);
double hone_matmul_beta(const hone_matmul_frame *frame, const hone_arguments *arguments);

/* The zero points of the frame's a and b, whole numbers of their types; 0 where there is none. */
int32_t hone_matmul_a_zero(const hone_matmul_frame *frame, const hone_arguments *arguments);
int32_t hone_matmul_b_zero(const hone_matmul_frame *frame, const hone_arguments *arguments);

int64_t hone_matmul_items(const hone_matmul_frame *frame, const hone_arguments *arguments);
void    hone_matmul_item_at(const hone_matmul_frame *frame, const hone_arguments *arguments, int64_t index,
                            hone_matmul_item *out);

/* Operations a second that one thread reaches with this tile, by the measured or presumed rate of the device. */
double hone_matmul_peak(const hone_be_device *device, const hone_matmul_tile *tile);
/* The same for vectors of so many lanes. */
double hone_matmul_peak_of(const hone_be_device *device, hone_isa isa, hone_dtype type, int lanes);
/* How long a sum waits for its last addition before it takes the next. */
double hone_matmul_latency_seconds(const hone_be_device *device, hone_dtype type);
/* Seconds that the tiles of one m x n x k product take whose operands are at hand, by one thread: where the registers
 * hold too few sums to hide an addition's latency, each step of k takes as long as that; each step loads a row and a
 * column of its tile; and each tile takes a while to begin and to end. */
double hone_matmul_tiles_seconds(const hone_be_device *device, const hone_matmul_tile *tile, int64_t m, int64_t n,
                                 int64_t k, int64_t k_blocks);
/* Seconds that so many elements take to be widened on their way into registers. */
double hone_matmul_widen_seconds(const hone_be_device *device, const hone_matmul_tile *tile, double elements);
/* The value of the tile parameter that takes the least of them for this problem. */
int64_t hone_matmul_tile_best(const hone_request *request, const hone_matmul_frame *frame);
/* The smallest cache that holds `footprint` bytes: HONE_LEVEL_*. */
int hone_matmul_level(const hone_be_device *device, double footprint);
/* Do `count` lines, `apart` bytes from one to the next, fall on so few sets of a cache of eight ways that it cannot
 * hold them all? */
bool hone_matmul_lines_collide(int64_t count, int64_t apart, double cache_bytes);
/* How much of so large a footprint comes from memory, 0 .. 1. The last cache belongs to others too: none up to a sixth
 * of it, all where it is full, and between them as their logarithms. Read once by a thread alone, 9, 14, 18 and 30 MiB
 * beside a cache of 32 took what 10 %, 40 %, 60 % and 90 % from memory would; beside a neighbour at work, more. */
double hone_matmul_far(const hone_be_device *device, double footprint);
/* Seconds to read this much that lies together in the smallest cache that holds `footprint`; by one thread, or shared
 * by several, of which each has its own part. */
double hone_matmul_read_seconds(const hone_be_device *device, double bytes, double footprint);
double hone_matmul_read_seconds_by(const hone_be_device *device, double bytes, double footprint, int threads);
/* The two parts of it: caches are read beside multiplying, memory is not. */
double hone_matmul_near_seconds(const hone_be_device *device, double bytes, double footprint);
double hone_matmul_far_seconds(const hone_be_device *device, double bytes, double footprint);
/* Seconds that this much takes to be written there, line after line: each line is read first, and goes back. */
double hone_matmul_write_seconds(const hone_be_device *device, double bytes, double footprint);
double hone_matmul_write_near_seconds(const hone_be_device *device, double bytes, double footprint); /* ... in caches */

/* Seconds that handing work to so many threads takes, and back; 0 for one. */
double hone_matmul_fork_seconds(const hone_be_device *device, double threads);

/* Of work that takes `seconds` on one thread: what it takes when it is dealt out (deal.h) to so many. */
double hone_matmul_dealt_seconds(const hone_be_device *device, int threads, int64_t units, double seconds);

typedef double hone_matmul_estimate_fn(const hone_request *request, const hone_config *config);
/* What a kernel's estimate is for one thread: by that its launches are dealt out. */
double hone_matmul_alone_seconds(const hone_request *request, const hone_config *config,
                                 hone_matmul_estimate_fn *estimate);
/* ... and how many threads then take part. */
int hone_matmul_threads(const hone_request *request, const hone_config *config, hone_matmul_estimate_fn *estimate,
                        int64_t units);

/* What a launch is believed to take, where all matrices that the problem expects take `seconds`. */
double hone_matmul_launch_seconds(const hone_matmul_frame *frame, const hone_arguments *arguments, double seconds);

/* How much longer memory, or the last cache, takes to be read down some columns, so many bytes of each line, than along
 * its lines: each line is on another page. Measured with one row and lines of 4 to 16 KiB: 2.2 to 2.9 for 512
 * bytes, 3.4 for 256, 4.1 for 192, 5.3 for 128. */
static inline double hone_matmul_far_down(double bytes)
{
    return 1 + 600 / bytes;
}
static inline double hone_matmul_near_down(double bytes)
{
    return 1 + 100 / bytes;
}

/* How much longer caches take to be read along rows that lie so many bytes apart, if they do not begin with a line:
 * vectors lie across two. Measured with one row and two: 1.3 to 1.5. */
static inline double hone_matmul_across_lines(int64_t apart)
{
    return apart % 64 ? 1.4 : 1;
}

/* The time of two things that run beside each other. */
static inline double hone_matmul_beside(double a, double b)
{
    return a > b ? a + b / 10 : b + a / 10;
}

/* Keeps the `cap` best of the configurations seen, in the order of their estimates; equals stay as they came. */
void hone_matmul_config_rank(hone_config *configs, double *seconds, int *count, int cap, const hone_config *config,
                             double estimate);

#endif
