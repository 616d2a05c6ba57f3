/* The table of tiles, made of tiles.def. */
#include "kernels/matmul/frame.h"

#include <stdio.h>
#include <string.h>

#define NAME_PREFIX (sizeof "hone_matmul_tile_" - 1)

const hone_matmul_tile hone_matmul_tiles[] = {
#define HONE_TILE(function, isa, type, m, n, kit) {&#function[NAME_PREFIX], isa, type, m, n, function, &kit},
#include "kernels/matmul/tiles.def"
#undef HONE_TILE
};

const int hone_matmul_tile_count = (int)(sizeof hone_matmul_tiles / sizeof hone_matmul_tiles[0]);

const hone_matmul_tile *hone_matmul_tile_for(const hone_be_device *device, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_tile_count; i++)
        if (hone_matmul_tiles[i].type == type && hone_matmul_tiles[i].isa <= device->cpu.isa)
            return &hone_matmul_tiles[i];
    return NULL;
}

const hone_matmul_tile *hone_matmul_tile_kept(const hone_matmul_tile *tile)
{
    const hone_dtype type = hone_matmul_widened(tile->type);
    for (int i = 0; i < hone_matmul_tile_count && type != tile->type; i++) {
        const hone_matmul_tile *it = &hone_matmul_tiles[i];
        if (it->type == type && it->isa == tile->isa && it->m == tile->m && it->n == tile->n) return it;
    }
    return tile;
}

const hone_matmul_kit *hone_matmul_kit_beside(const hone_matmul_tile *tile, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_tile_count; i++)
        if (hone_matmul_tiles[i].type == type && hone_matmul_tiles[i].isa == tile->isa) return hone_matmul_tiles[i].kit;
    return NULL;
}

const char *const hone_matmul_tile_names[] = {
    "best",
#define HONE_TILE(function, isa, type, m, n, kit) &#function[NAME_PREFIX],
#include "kernels/matmul/tiles.def"
#undef HONE_TILE
};

const int64_t hone_matmul_tile_values[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                           12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
_Static_assert(HONE_MATMUL_TILE_CHOICES <= sizeof hone_matmul_tile_values / sizeof hone_matmul_tile_values[0],
               "a value for each tile");

const hone_matmul_tile *hone_matmul_tile_named(const hone_be_device *device, hone_dtype type, int64_t value)
{
    if (!value) return hone_matmul_tile_for(device, type);
    const hone_matmul_tile *tile = &hone_matmul_tiles[value - 1];
    return tile->type == type && tile->isa <= device->cpu.isa ? tile : NULL;
}

static bool fits(const hone_matmul_tile *tile, const hone_matmul_problem *problem)
{
    return !hone_matmul_packed_b(problem) ||
           (hone_matmul_layout_width(problem->b_layout) && hone_matmul_layout_width(problem->b_layout) % tile->n == 0 &&
            hone_matmul_layout_group(problem->b_layout) == 1);
}

/* The type of what tiles read as b: of operands of two types, that of the one which is b in the problem's frame. */
static hone_dtype type_of_b(const hone_matmul_problem *problem)
{
    hone_matmul_frame frame;
    if (problem->type_a == problem->type_b) return (hone_dtype)problem->type_b;
    hone_matmul_frame_make(problem, &frame);
    return frame.type_b;
}

const hone_matmul_tile *hone_matmul_tile_of(const hone_be_device *device, const hone_matmul_problem *problem,
                                            int64_t value)
{
    const hone_dtype type = type_of_b(problem);
    for (int64_t i = value ? value : 1; i < (value ? value + 1 : HONE_MATMUL_TILE_CHOICES); i++) {
        const hone_matmul_tile *tile = hone_matmul_tile_named(device, type, i);
        if (tile && fits(tile, problem)) return tile;
    }
    return NULL;
}

const char *hone_matmul_tile_refuses(const hone_request *request, const hone_config *config)
{
    const hone_matmul_problem *problem = request->problem;
    if (hone_matmul_tile_of(request->device, problem, config->value[0])) return NULL;
    return hone_matmul_packed_b(problem) ? HONE_MATMUL_WIDTH_REFUSED : HONE_MATMUL_TILE_REFUSED;
}

int64_t hone_matmul_tile_stands(const hone_request *request, const hone_config *config)
{
    return hone_matmul_tile_of(request->device, request->problem, config->value[0]) - hone_matmul_tiles + 1;
}

int64_t hone_matmul_tile_best(const hone_request *request, const hone_matmul_frame *frame)
{
    int64_t best = 0;
    double  least = 0;
    for (int64_t value = 1; value < HONE_MATMUL_TILE_CHOICES; value++) {
        const hone_matmul_tile *tile = hone_matmul_tile_of(request->device, request->problem, value);
        if (!tile) continue;
        const double seconds = hone_matmul_tiles_seconds(request->device, tile, frame->m, frame->n, frame->k, 1);
        if (best && seconds >= least) continue;
        best = value;
        least = seconds;
    }
    return best;
}

int hone_matmul_tile_layouts(const hone_request *request, int role, hone_layout *out, int cap)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame          frame;
    int                        count = 0;
    if (role != HONE_MATMUL_B || hone_matmul_packed_b(p)) return 0;
    hone_matmul_frame_make(p, &frame);
    const int64_t best = hone_matmul_tile_best(request, &frame);
    for (int64_t i = 0; best && i <= hone_matmul_tile_count && count < cap; i++) {
        const hone_matmul_tile *tile = &hone_matmul_tiles[(i ? i : best) - 1];
        hone_layout             layout;
        bool                    known = false;
        if (tile->type != p->type_b || tile->isa > request->device->cpu.isa) continue;
        memset(&layout, 0, sizeof layout);
        snprintf(layout.name, sizeof layout.name, "n%d", tile->n);
        for (int j = 0; j < count; j++) known |= !strcmp(out[j].name, layout.name);
        if (known ||
            !hone_matmul_layout_bytes(tile->n, 1, hone_dtype_bits(tile->type), p->k, p->n, &layout.bytes))
            continue;
        out[count++] = layout;
    }
    return count;
}
