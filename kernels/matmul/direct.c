/* cpu.direct: the matmul kernel for small problems, and for batches of them. Nothing is copied: tiles read a wherever
 * it lies, and b in place, where the columns of b (or, exchanged, the rows of a) are contiguous. Of 16-bit operands
 * (stored.h) a, which tiles read element by element, is copied into floats, one matrix at a time; b is widened as it is
 * read.
 *
 * All of k is done at once, so that a call is little more than its tiles. The columns of one tile of one matrix are a
 * unit of work. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"

enum { TILE, PARAMETER_COUNT };
enum { WIDE_BYTES_MAX = 1 << 20 }; /* of a matrix a that is copied */

static const hone_parameter parameters[PARAMETER_COUNT] = {[TILE] = HONE_MATMUL_TILE_PARAMETER};

static const hone_constraint constraint = {1u << TILE, hone_matmul_tile_refuses};
static const hone_sameness same = {TILE, 0, hone_matmul_tile_stands};
static const hone_space space = {PARAMETER_COUNT, parameters, 1, &constraint, 1, &same};

typedef struct direct_plan {
    hone_matmul_frame       frame;
    const hone_matmul_tile *tile;
    int                     threads;
    int64_t                 strips, panels;
    int64_t                 rows, longer; /* of a strip; the first `longer` strips have one more */
    double                  seconds;      /* that one thread takes, as estimated */
    bool                    widens, down; /* a is copied, and lies along its columns: so does the copy */
    int64_t                 line;         /* of the copy, in elements */
    size_t                  a_bytes;      /* that it takes */
} direct_plan;

static void plan_make(const hone_request *request, const hone_config *config, direct_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    hone_matmul_frame_make(request->problem, f);
    if (f->b_n != 1 && f->a_m == 1) hone_matmul_frame_swap(f);
    out->tile = hone_matmul_tile_of(request->device, request->problem, config->value[TILE]);
    out->threads = request->threads;
    out->strips = hone_divide_up(f->m, out->tile->m);
    out->panels = hone_divide_up(f->n, out->tile->n);
    out->rows = out->strips ? f->m / out->strips : 0;
    out->longer = out->strips ? f->m % out->strips : 0;
    out->widens = f->bytes_a < f->bytes;
    out->down = f->a_m == 1 && f->a_k != 1;
    out->line = hone_round_up(out->down ? f->m : f->k, 16) + 16; /* a cache line more, to spread over its sets */
    out->a_bytes = out->widens ? (size_t)((out->down ? f->k : f->m) * out->line * f->bytes) : 0;
}

static const char *direct_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    const char *types = hone_matmul_types_refused(p);
    if (types) return types;
    if (!hone_matmul_tile_for(request->device, p->type_b)) return "no tile for this type";
    if (!hone_matmul_tile_of(request->device, p, 0)) return HONE_MATMUL_WIDTH_REFUSED;
    direct_plan plan;
    plan_make(request, &(hone_config){{0}}, &plan);
    if (plan.frame.b_n != 1) return "neither the columns of b nor the rows of a are contiguous";
    if (plan.widens && (double)plan.frame.m * (double)plan.frame.k * plan.frame.bytes > WIDE_BYTES_MAX)
        return "a matrix a of 16-bit numbers would take more than a MiB as floats";
    return NULL;
}

/* Do `count` lines lie on so many pages, or a power of two of pages apart, that translations are looked up anew? */
static bool pages_collide(int64_t count, int64_t apart)
{
    enum { PAGE = 4096, KEPT = 3072 };
    int64_t each = 1;
    for (int64_t stride = hone_max(apart, -apart); stride && stride % (2 * PAGE) == 0; stride /= 2) each *= 2;
    return hone_max(apart, -apart) >= PAGE && count * each > KEPT;
}

/* The tiles, and beside them what comes from caches; what comes from memory is waited for. b is read down its panels,
 * once from afar, and again for each strip from where a panel stays; a once a panel; c is written in pieces of lines.
 */
static double direct_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    direct_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    const hone_matmul_tile *tile = plan.tile;
    if (!f->m || !f->n || !f->items) return 0;

    const double k = (double)f->k, m = (double)f->m, n = (double)f->n, items = (double)f->items;
    const double strips = (double)plan.strips, panels = (double)plan.panels;
    const double a = f->bytes_a * m * k, b = f->bytes_b * k * n, c = f->bytes_c * m * n;
    const double all = hone_matmul_footprint(f);
    const double width = f->bytes_b * fmin(n, tile->n), panel = width * k;
    const double l2 = device->cpu.cache_bytes[HONE_LEVEL_L2] ? (double)device->cpu.cache_bytes[HONE_LEVEL_L2] : 1 << 20;
    const double l1 =
        device->cpu.cache_bytes[HONE_LEVEL_L1] ? (double)device->cpu.cache_bytes[HONE_LEVEL_L1] : 32 << 10;
    const bool   down = !f->b_width && k > 1;

    double tiles = hone_matmul_tiles_seconds(device, tile, f->m, f->n, f->k, 1);
    if (f->a_k == 1 && hone_matmul_lines_collide(plan.rows + (plan.longer > 0), f->a_m * f->bytes_a, l1)) tiles *= 1.25;

    const bool   caches = hone_matmul_level(device, all) > HONE_LEVEL_L2;
    /* Lines beside a panel come with it; where it does not stay in the second-level cache beside a, it is read again
     * from the last one, and what lies across lines is asked for twice. */
    const double kept = k * (width + (f->b_width || panels < 2 ? 0 : 192)) + (panels < 2 ? a / strips : fmin(a, l2)),
                 leaves = fmin(fmax(kept / l2 - 1, 0), 1);
    const double across = (f->b_k * f->bytes_b) % 64 ? 2 : 1;
    double near = hone_matmul_near_seconds(device, b, all) * (down && caches ? hone_matmul_near_down(width) : 1);
    near += hone_matmul_near_seconds(device, b * (strips - 1), fmin(panel, l2)) * 0.3 * (1 - leaves);
    near += hone_matmul_near_seconds(device, b * (strips - 1), l2 + 1) * hone_matmul_near_down(width) * across * leaves;
    near += hone_matmul_near_seconds(device, a, all) + hone_matmul_near_seconds(device, a * (panels - 1), kept) * 0.3;
    double seconds = cbrt(tiles * tiles * tiles + near * near * near);
    seconds += hone_matmul_far_seconds(device, b, all) * (down ? hone_matmul_far_down(width) : 1);
    seconds += hone_matmul_far_seconds(device, b * (strips - 1) * leaves, all);
    seconds += hone_matmul_far_seconds(device, a, all) + hone_matmul_far_seconds(device, a * (panels - 1), kept);
    if (pages_collide(f->k, f->b_k * f->bytes_b))
        seconds += k * panels * (strips - 1) * 5e-9; /* measured at 2048, 4096 */
    const double write = hone_matmul_write_near_seconds(device, c, all);
    seconds += caches ? write * (f->k < 64 ? 1.2 : 0.3) : write * (f->k < 12 ? 1 : 0.1);
    seconds += 3 * hone_matmul_far_seconds(device, c, all);
    /* Of small matrices that pass by, the next one comes beside the multiplications of this one; to find each takes
     * 15 ns, measured at 16 cubed. */
    if (f->items > 1 && a + b + c <= 2 * l1)
        seconds = fmin(seconds, 15e-9 + hone_matmul_beside(tiles, hone_matmul_read_seconds(device, a + b + c, all)));
    if (f->bytes_b < f->bytes) seconds += hone_matmul_widen_seconds(device, tile, k * n * strips);
    if (plan.widens) seconds += hone_matmul_widen_seconds(device, tile, m * k) * 2;
    if (f->step_count || f->c_n != 1 || hone_matmul_narrows(f))
        seconds += hone_matmul_read_seconds(device, f->bytes * m * n, 0) * 4;

    return hone_matmul_dealt_seconds(device, plan.threads, f->items * plan.panels, 15e-9 + items * seconds);
}

/* Each tile that fits, in the order of their estimates. */
static int direct_suggest(const hone_request *request, hone_config *configs, int cap)
{
    double seconds[HONE_MATMUL_TILE_CHOICES];
    int count = 0;
    for (int tile = 1; tile < HONE_MATMUL_TILE_CHOICES; tile++) {
        const hone_config config = {{tile}};
        if (hone_matmul_tile_refuses(request, &config)) continue;
        hone_matmul_config_rank(configs, seconds, &count, cap, &config, direct_estimate(request, &config));
    }
    return count;
}

static hone_status direct_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                  void **ready, hone_needs *needs)
{
    (void)details;
    direct_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, direct_estimate);
    needs->scratch_bytes = plan->a_bytes * (size_t)plan->threads;
    *ready = plan;
    return HONE_OK;
}

typedef struct direct_work {
    const direct_plan    *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
} direct_work;

/* A matrix a as floats, in `room`, along the way in which it lies. */
static void matrix_widen(const direct_plan *plan, const char *a, char *room, hone_matmul_tile_job *job)
{
    const hone_matmul_frame *f = &plan->frame;
    hone_matmul_pack_job pack = {f->m, f->k, f->k, a, f->a_m, f->a_k, room, plan->line};
    if (plan->down) pack = (hone_matmul_pack_job){f->k, f->m, f->m, a, f->a_k, f->a_m, room, plan->line};
    plan->tile->kit->pack(&pack);
    job->a_m = plan->down ? 1 : plan->line;
    job->a_k = plan->down ? plan->line : 1;
}

/* Units are panels of matrices, counted through. */
static void units_run(void *argument, int64_t begin, int64_t end, char *wide)
{
    const direct_work *work = argument;
    const direct_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_tile *tile = plan->tile;
    const bool by_room = f->step_count || f->c_n != 1 || hone_matmul_narrows(f);
    char room[HONE_MATMUL_TILE_BYTES_MAX] __attribute__((aligned(64)));
    hone_matmul_tile_job job; /* each field for itself: to clear it all first takes a quarter of a tiny call */

    job.k = f->k;
    job.a_m = f->a_m;
    job.a_k = f->a_k;
    job.b_k = f->b_k;
    job.alpha = work->alpha;
    job.panel = NULL;
    job.ahead = NULL;
    job.c = room;
    job.c_m = by_room ? tile->n : f->c_m;
    job.beta = by_room ? 0 : work->beta;
    int64_t matrix = begin, panel = 0;
    if (plan->panels > 1) {
        matrix = begin / plan->panels;
        panel = begin % plan->panels;
    }
    for (int64_t unit = begin; unit < end; matrix++, panel = 0) {
        hone_matmul_item item;
        hone_matmul_item_at(f, work->arguments, matrix, &item);
        if (plan->widens) matrix_widen(plan, item.a, wide, &job);
        const char *a = plan->widens ? wide : item.a;
        const int64_t a_bytes = plan->widens ? f->bytes : f->bytes_a;
        for (; panel < plan->panels && unit < end; panel++, unit++) {
            const int64_t column = panel * tile->n;
            job.n = hone_min(f->n - column, tile->n);
            job.b = hone_matmul_b_at(f, item.b, 0, column);
            if (f->b_width == tile->n && panel + 1 < plan->panels)
                hone_matmul_pages_ahead(hone_matmul_b_at(f, item.b, 0, column + tile->n), f->k * tile->n * f->bytes_b);
            for (int64_t strip = 0, row = 0; strip < plan->strips; strip++, row += job.m) {
                char *c = item.c + (row * f->c_m + column * f->c_n) * f->bytes_c;
                job.m = plan->rows + (strip < plan->longer);
                job.a = a + row * job.a_m * a_bytes;
                if (!by_room) job.c = c;
                tile->multiply(&job);
                if (by_room)
                    tile->kit->finish(&(hone_matmul_finish_job){job.m, job.n, room, tile->n, c, f->c_m, f->c_n,
                                                                work->beta, row, column, f->step_count, item.step,
                                                                f->type_c});
            }
        }
    }
}

static hone_status direct_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                 hone_span scratch)
{
    const direct_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    direct_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    const int64_t units = hone_matmul_items(f, arguments) * plan->panels;
    if (!f->m || !units) return HONE_OK;

    hone_deal_out(stream, &(hone_deal){plan->threads, units, hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       plan->widens ? hone_span_host(&scratch) : NULL, plan->a_bytes, false, units_run,
                                       &work});
    return HONE_OK;
}

static void direct_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_direct;
const hone_kernel        hone_matmul_direct = {
    .name = "cpu.direct",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = direct_refuses,
    .space = &space,
    .suggest = direct_suggest,
    .layouts = hone_matmul_tile_layouts,
    .estimate = direct_estimate,
    .prepare = direct_prepare,
    .launch = direct_launch,
    .release = direct_release,
};
