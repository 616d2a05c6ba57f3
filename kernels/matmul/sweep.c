/* cpu.sweep: the matmul kernel for short k, and for few rows: where writing c, or reading b, is most of the work. Up to
 * four rows of c at a time are written along their lines (sweep.h); nothing is copied.
 *
 *     c is cut into blocks of columns, so that the block of b stays in the second-level cache while all rows pass;
 *     what is dealt out are ranges of strips in a block, and where there are few strips, narrower blocks
 *
 * Steps of the epilogue, and a c whose columns are not contiguous, go through room for one strip. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/sweep.h"

enum { COLUMNS, ACROSS, PARAMETER_COUNT }; /* what across stands for depends on the blocks */
enum { ROWS = HONE_MATMUL_SWEEP_ROWS, FEW_ROWS = 16, SHORT_K = 64, CHAINED_K = 16 };

static const int64_t across_values[] = {2, 3, 4, 6, 8};
static const int64_t columns_values[] = {512, 1024, 2048, 4096, 8192};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [COLUMNS] = {"columns", 4096, COUNT(columns_values), columns_values, NULL, "columns of a block, at most"},
    [ACROSS] = {"across", 8, COUNT(across_values), across_values, NULL, "vectors of a panel, as far as registers go"},
};

static int64_t across_stands(const hone_request *request, const hone_config *config);
static int64_t columns_stands(const hone_request *request, const hone_config *config);
static const hone_sameness same[] = {{COLUMNS, 0, columns_stands}, {ACROSS, 1u << COLUMNS, across_stands}};
static const hone_space space = {PARAMETER_COUNT, parameters, 0, NULL, COUNT(same), same};

const hone_matmul_sweep_kit *const hone_matmul_sweeps[] = {
#define HONE_SWEEP(name) &name,
#include "kernels/matmul/sweeps.def"
#undef HONE_SWEEP
};
const int hone_matmul_sweep_count = (int)(sizeof hone_matmul_sweeps / sizeof hone_matmul_sweeps[0]);

typedef struct sweep_plan {
    hone_matmul_frame            frame;
    const hone_matmul_sweep_kit *kit;
    int                          threads, across;
    bool                         chains, by_room;
    int64_t                      blocks, block; /* of columns; how many of them */
    int64_t                      ranges, strips; /* of rows; strips of all ranges together */
    int64_t                      least, longer;  /* rows of a strip; how many strips have one more */
    double                       seconds;        /* that one thread takes, as estimated */
    size_t                       bytes;          /* of a room */
} sweep_plan;

static const hone_matmul_sweep_kit *kit_for(const hone_be_device *device, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_sweep_count; i++)
        if (hone_matmul_sweeps[i]->type == type && hone_matmul_sweeps[i]->isa <= device->cpu.isa)
            return hone_matmul_sweeps[i];
    return NULL;
}

static bool frame_turn(const hone_matmul_problem *problem, hone_matmul_frame *f)
{
    hone_matmul_frame_make(problem, f);
    if (f->b_n != 1 && f->a_m == 1) hone_matmul_frame_swap(f);
    return f->b_n == 1;
}

static void plan_make(const hone_request *request, const hone_config *config, sweep_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    frame_turn(request->problem, f);
    out->kit = kit_for(request->device, f->type);
    out->threads = request->threads;
    out->across = (int)config->value[ACROSS];
    out->by_room = f->step_count || f->c_n != 1;

    const int64_t lanes = out->kit->kit->lanes, vectors = hone_max(hone_divide_up(f->n, lanes), 1);
    out->chains = f->m * vectors <= HONE_MATMUL_SWEEP_CHAINED && f->k >= CHAINED_K;
    out->strips = hone_max(hone_divide_up(f->m, ROWS), 1);
    out->least = f->m / out->strips;
    out->longer = f->m % out->strips;
    const int64_t panels = hone_divide_up(vectors, out->kit->across[hone_min(hone_max(f->m, 1), ROWS)]);
    const size_t  l2 = request->device->cpu.cache_bytes[HONE_LEVEL_L2];
    const int64_t kept = (int64_t)(l2 ? l2 : 1 << 20) / 4 / f->bytes_b / hone_max(f->k, 1); /* columns */
    const int64_t most = hone_min(config->value[COLUMNS], hone_max(kept, 16 * lanes));
    int64_t blocks = out->strips > 1 || out->by_room ? hone_divide_up(vectors * lanes, most) : 1;
    out->ranges = 1;
    if (request->threads > 1) {
        const int64_t wanted = hone_divide_up(4 * (int64_t)request->threads, hone_max(f->items, 1));
        out->ranges = hone_min(out->strips, hone_divide_up(wanted, blocks));
        blocks = hone_max(blocks, hone_min(panels, hone_divide_up(wanted, out->ranges)));
    }
    out->block = hone_divide_up(vectors, blocks) * lanes;
    out->blocks = hone_divide_up(vectors * lanes, out->block);
    out->bytes = out->by_room ? (size_t)(ROWS * out->block * f->bytes) : 0;
    out->bytes = (out->bytes + 63) / 64 * 64;
}

/* All that reach the registers' end, or that of a line, are the standard one. */
static int64_t across_stands(const hone_request *request, const hone_config *config)
{
    sweep_plan plan;
    plan_make(request, config, &plan);
    const int     most = plan.kit->across[hone_max(plan.frame.m / plan.strips, 1)];
    const int64_t vectors = hone_divide_up(plan.block, plan.kit->kit->lanes);
    return config->value[ACROSS] >= hone_min(most, vectors) ? parameters[ACROSS].standard : config->value[ACROSS];
}

/* Of values that make blocks of the same length: the standard one, else the least. */
static int64_t columns_stands(const hone_request *request, const hone_config *config)
{
    sweep_plan plan, other;
    plan_make(request, config, &plan);
    plan_make(request, &(hone_config){.value = {[COLUMNS] = parameters[COLUMNS].standard}}, &other);
    if (plan.block == other.block) return parameters[COLUMNS].standard;
    for (int i = 0;; i++) { /* the value itself at last */
        plan_make(request, &(hone_config){.value = {[COLUMNS] = columns_values[i]}}, &other);
        if (plan.block == other.block) return columns_values[i];
    }
}

static const char *sweep_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame frame;
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    if (!kit_for(request->device, p->type_c)) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (!frame_turn(p, &frame)) return "neither the columns of b nor the rows of a are contiguous";
    if (frame.m > FEW_ROWS && frame.k > SHORT_K) return "rows are more than 16 and k is more than 64";
    return NULL;
}

/* The sums of each panel, or what they wait for; what each vector of c costs to end; reading and writing, of caches
 * mostly beside that. */
static double sweep_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    sweep_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    const int lanes = plan.kit->kit->lanes;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items, bytes = f->bytes;
    const double cycle = 2.0 * lanes / hone_matmul_peak_of(device, plan.kit->isa, f->type, lanes);
    const double strips = (double)plan.strips, rows = m / strips, blocks = (double)plan.blocks;
    const int    most = plan.kit->across[(int)ceil(rows)];
    const double vectors = (double)hone_divide_up(hone_min(f->n, plan.block), lanes);
    const bool   literal = f->k <= HONE_MATMUL_SWEEP_LITERAL;
    const double panels = literal ? vectors : ceil(vectors / fmin(plan.across, most));
    const double across = vectors / panels;
    const double chains = plan.chains ? HONE_MATMUL_SWEEP_CHAINS : 1;
    const double step = fmax(fmax(rows * across, across * 1.2 + rows / 2),
                             literal ? 0 : hone_matmul_latency_seconds(device, f->type) / cycle / chains);
    const double store = 0.9 + (literal && f->c_m * f->bytes % 64 ? 1.3 * fmin(n / lanes, 1) : 0); /* across lines */
    double one = strips * blocks * (panels * (k * step * 1.02 + rows * across * store + (literal ? 0 : 6)) + 8) * cycle;

    /* b is read down its panels, and again for each strip from where a block stays; c along its lines. */
    const double all = items * bytes * (m * k + k * n + m * n), block = bytes * k * (double)hone_min(f->n, plan.block);
    const double b = bytes * k * n, c = bytes * m * n, width = across * lanes * bytes;
    const bool   caches = hone_matmul_level(device, all) > HONE_LEVEL_L2,
               again = hone_matmul_level(device, block) > HONE_LEVEL_L2;
    const double down = k > 1 ? hone_matmul_near_down(width) : 1;
    /* Rows a page or more apart that share one set of the first cache come line by line, in the way of multiplying:
     * measured at 512x2048x32. */
    const double l1 =
        device->cpu.cache_bytes[HONE_LEVEL_L1] ? (double)device->cpu.cache_bytes[HONE_LEVEL_L1] : 32 << 10;
    const int64_t apart = f->b_k * f->bytes;
    const bool    collide = (apart >= 4096 || apart <= -4096) && hone_matmul_lines_collide(f->k, apart, l1);
    const double  across_lines = hone_matmul_across_lines(f->b_k * f->bytes);
    const double  b_near = hone_matmul_near_seconds(device, b, all) * (caches ? down : 1) +
                          hone_matmul_near_seconds(device, b * (strips - 1), block) * (again || collide ? down : 1);
    const double near = hone_matmul_near_seconds(device, bytes * m * k, all) + b_near * across_lines +
                        hone_matmul_write_near_seconds(device, c, all);
    one = hone_matmul_beside(one, near) + (collide ? b_near / 4 : 0);
    one += hone_matmul_far_seconds(device, bytes * m * k, all) + 1.5 * hone_matmul_far_seconds(device, c, all);
    one += (hone_matmul_far_seconds(device, b, all) + hone_matmul_far_seconds(device, b * (strips - 1), block)) *
           (k > 1 ? hone_matmul_far_down(width) : 1);
    if (plan.by_room) one += hone_matmul_read_seconds(device, bytes * m * n, 0) * 4 + strips * blocks * 10e-9;

    return hone_matmul_dealt_seconds(device, plan.threads, f->items * plan.blocks * plan.ranges, 22e-9 + items * one);
}

/* Wide panels read a for many columns at once; where many rows are written, narrow ones leave whole lines behind
 * sooner: measured at k of 6 to 36. */
static int sweep_suggest(const hone_request *request, hone_config *configs, int cap)
{
    hone_matmul_frame f;
    if (cap < 1) return 0;
    frame_turn(request->problem, &f);
    hone_config_standard(&space, &configs[0]);
    const hone_matmul_sweep_kit *kit = kit_for(request->device, f.type);
    if (f.m > ROWS && f.n > kit->across[ROWS] * kit->kit->lanes) configs[0].value[ACROSS] = 2;
    return 1;
}

static hone_status sweep_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)details;
    sweep_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, sweep_estimate);
    needs->scratch_bytes = (size_t)plan->threads * plan->bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct sweep_work {
    const sweep_plan     *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
} sweep_work;

/* The first row of a strip: rows are dealt out evenly, the longer strips first. */
static int64_t strip_row(const sweep_plan *plan, int64_t strip)
{
    return strip * plan->least + hone_min(strip, plan->longer);
}

/* A range of strips in a block of columns. */
static void unit_run(const sweep_work *work, int64_t unit, char *room)
{
    const sweep_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t of_each = plan->blocks * plan->ranges;
    int64_t       matrix = unit, column = 0, begin = 0, end = plan->strips;
    if (of_each > 1) { /* dividing shows in a call of less than 100 ns */
        const int64_t of_item = unit % of_each, range = of_item % plan->ranges;
        matrix = unit / of_each;
        column = of_item / plan->ranges * plan->block;
        begin = range * plan->strips / plan->ranges;
        end = (range + 1) * plan->strips / plan->ranges;
    }
    hone_matmul_item item;
    hone_matmul_item_at(f, work->arguments, matrix, &item);
    hone_matmul_sweep_job job;
    job.n = hone_min(f->n - column, plan->block);
    job.k = f->k;
    job.a_m = f->a_m;
    job.a_k = f->a_k;
    job.b = item.b + column * f->bytes_b;
    job.b_k = f->b_k;
    job.alpha = work->alpha;
    job.across = plan->across;
    job.chains = plan->chains;
    for (int64_t strip = begin; strip < end;) {
        const int64_t to = plan->by_room ? strip + 1 : end, row = strip_row(plan, strip);
        char *c = item.c + (row * f->c_m + column * f->c_n) * f->bytes_c;
        job.m = strip_row(plan, to) - row;
        job.a = item.a + row * f->a_m * f->bytes_a;
        job.c = plan->by_room ? room : c;
        job.c_m = plan->by_room ? plan->block : f->c_m;
        job.beta = plan->by_room ? 0 : work->beta;
        plan->kit->multiply(&job);
        if (plan->by_room)
            plan->kit->kit->finish(&(hone_matmul_finish_job){job.m, job.n, room, plan->block, c, f->c_m, f->c_n,
                                                             work->beta, row, column, f->step_count, item.step,
                                                             f->type_c});
        strip = to;
    }
}

static void units_run(void *work, int64_t begin, int64_t end, char *room)
{
    for (int64_t unit = begin; unit < end; unit++) unit_run(work, unit, room);
}

static hone_status sweep_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const sweep_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;
    sweep_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    hone_deal_out(stream, &(hone_deal){plan->threads, hone_matmul_items(f, arguments) * plan->blocks * plan->ranges,
                                       hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       hone_span_host(&scratch), plan->bytes, false, units_run, &work});
    return HONE_OK;
}

static void sweep_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_sweep;
const hone_kernel        hone_matmul_sweep = {
    .name = "cpu.sweep",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = sweep_refuses,
    .space = &space,
    .suggest = sweep_suggest,
    .estimate = sweep_estimate,
    .prepare = sweep_prepare,
    .launch = sweep_launch,
    .release = sweep_release,
};
