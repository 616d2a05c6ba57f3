/* The tiles of matmul and what serves them: pure micro-kernels, one set an instruction set.
 *
 *   tile          multiplies a strip of a by a panel of b into a tile of c
 *   kit: pack     copies a block into lines that a tile reads well
 *        finish   does the steps of the epilogue to a tile, and stores it where it belongs
 *
 * A tile takes at most m rows and n columns of its size, and all k of a block. Rows of a may lie anywhere (two
 * strides); the columns of b and of c are contiguous. So one tile reads operands in place, and reads packed copies:
 *
 *                      b: k lines, b_k apart          panel: k lines of the tile's n
 *                      ┌─────── n ───────┐
 *     a: m lines,      │                 │            A sum runs over k in order, one fused step each, wherever it
 *     a_m apart        │                 │            stands in a tile: the bits of a result depend neither on its
 *     ┌────── k ─────┐ ├─────────────────┤            neighbours, nor on packing, nor on threads.
 *     │              │ │ c: m lines,     │
 *     └──────────────┘ │ c_m apart       │
 *                      └─────────────────┘
 */
#ifndef HONE_KERNELS_MATMUL_TILE_H
#define HONE_KERNELS_MATMUL_TILE_H

#include "kernels/common/epilogue.h"
#include "kernels/kernel.h"
#include "kernels/matmul/problem.h"

#define HONE_MATMUL_TILE_BYTES_MAX 2048 /* of one tile of c */

/* c = alpha * a * b + beta * c; with beta 0, c is not read. Strides are in elements, and may be 0 or negative. Nothing
 * but those m x k, k x n and m x n elements is read or written. b is of the tile's type; a, c and the panel are of the
 * type of its arithmetic: floats, where b is stored in 16 bits. */
typedef struct hone_matmul_tile_job {
    int64_t     m, n, k;
    const void *a;
    int64_t     a_m, a_k;
    const void *b;
    int64_t     b_k;
    void       *c;
    int64_t     c_m;
    double      alpha, beta; /* of an f32 tile: floats */
    void       *panel;       /* NULL, or where b is kept as it is read, in whole vectors: zeros beyond n */
    const void *ahead; /* with a panel: of the lines b_k apart from here on, the tile's n are fetched into the cache */
} hone_matmul_tile_job;

/* to[line][at] = from[line][at] for at < length, 0 for length <= at < width. From the tile's type to its arithmetic's.
 */
typedef struct hone_matmul_pack_job {
    int64_t     lines, length, width;
    const void *from;
    int64_t     from_line, from_at; /* strides, in elements; quick where one of them is 1 */
    void       *to;
    int64_t     to_line;
} hone_matmul_pack_job;

/* c = steps(from + beta * c); with beta 0, c is not read but by a residual step that says so. `from` is of the type of
 * arithmetic; c and the steps' operands are of their own. */
typedef struct hone_matmul_finish_job {
    int64_t                  m, n;
    const void              *from;
    int64_t                  from_m;
    void                    *c;
    int64_t                  c_m, c_n;
    double                   beta;
    int64_t                  row, column; /* where in the steps' operands the tile stands */
    int                      step_count;
    const hone_epilogue_now *steps;
    hone_dtype               c_type;
} hone_matmul_finish_job;

typedef void hone_matmul_tile_fn(const hone_matmul_tile_job *job);
typedef void hone_matmul_pack_fn(const hone_matmul_pack_job *job);
typedef void hone_matmul_finish_fn(const hone_matmul_finish_job *job);

/* What serves the tiles of one type on one instruction set. `finish` takes any type that fits into arithmetic's. */
typedef struct hone_matmul_kit {
    int                    lanes; /* of a vector */
    hone_matmul_pack_fn   *pack;
    hone_matmul_finish_fn *finish;
} hone_matmul_kit;

typedef struct hone_matmul_tile {
    const char            *name; /* "f32_avx512_14x32" */
    hone_isa               isa;
    hone_dtype             type; /* of b, where it lies */
    int                    m, n;
    hone_matmul_tile_fn   *multiply;
    const hone_matmul_kit *kit;
} hone_matmul_tile;

/* The rows of tiles.def that this architecture has, in their order. */
extern const hone_matmul_tile hone_matmul_tiles[];
extern const int              hone_matmul_tile_count;

/* What products of this type are summed in. */
static inline hone_dtype hone_matmul_widened(hone_dtype type)
{
    return type == HONE_BF16 || type == HONE_F16 ? HONE_F32 : type;
}

/* The tile of the same size that reads the panels this one keeps: itself, where nothing is widened. */
const hone_matmul_tile *hone_matmul_tile_kept(const hone_matmul_tile *tile);

/* What packs an `a` of this type for a tile whose b may be of another: of the same instruction set. */
const hone_matmul_kit *hone_matmul_kit_beside(const hone_matmul_tile *tile, hone_dtype type);

/* The first row for this type that the device can run; NULL: none. */
const hone_matmul_tile *hone_matmul_tile_for(const hone_be_device *device, hone_dtype type);

/* Tiles as a tunable parameter: value 0 is the first that fits, and value i + 1 is row i. NULL: that one does not fit.
 */
extern const int64_t     hone_matmul_tile_values[];
extern const char *const hone_matmul_tile_names[];
const hone_matmul_tile *hone_matmul_tile_named(const hone_be_device *device, hone_dtype type, int64_t value);

/* The same for a problem whose b may be packed: its panels must be as wide as the tile, or a multiple of that. */
const hone_matmul_tile *hone_matmul_tile_of(const hone_be_device *device, const hone_matmul_problem *problem,
                                            int64_t value);
#define HONE_MATMUL_WIDTH_REFUSED "b is packed, in panels that are no multiple of a tile's width"

/* The constraint of kernels whose first parameter is the tile, and what stands for "best": the tile itself. */
const char *hone_matmul_tile_refuses(const hone_request *request, const hone_config *config);
int64_t     hone_matmul_tile_stands(const hone_request *request, const hone_config *config);

/* The `layouts` of kernels that read b by tiles: panels as wide as each tile that fits, best first. */
int hone_matmul_tile_layouts(const hone_request *request, int role, hone_layout *out, int cap);

enum {
    HONE_MATMUL_TILE_CHOICES = 1
#define HONE_TILE(function, isa, type, m, n, kit) +1
#include "kernels/matmul/tiles.def"
#undef HONE_TILE
};
#define HONE_MATMUL_TILE_PARAMETER                                                                                     \
    {"tile", 0, HONE_MATMUL_TILE_CHOICES, hone_matmul_tile_values, hone_matmul_tile_names,                             \
     "the micro-kernel: how much of c its registers hold"}
#define HONE_MATMUL_TILE_REFUSED "the tile is of another type, or of an instruction set that this device lacks"

#define HONE_TILE(function, isa, type, m, n, kit)                                                                      \
    hone_matmul_tile_fn function;                                                                                      \
    extern const hone_matmul_kit kit;
#include "kernels/matmul/tiles.def"
#undef HONE_TILE

#endif
