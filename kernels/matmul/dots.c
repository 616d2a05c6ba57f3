/* cpu.dots: the matmul kernel for few rows (or, exchanged, few columns) where the many columns of b are contiguous
 * along k; of one row, the product of a matrix and a vector. b is read once; of long k, threads share k.
 *
 *     k is cut into segments at places that the problem tells, not the threads:
 *
 *     for each segment of k                                b: ════════════ │  some columns at a time,
 *         copy the segment of a                               ════════════ │  all rows of a with each
 *         for some columns of b at a time                     ════════════ │
 *             for each strip of rows: products, lanes added   ├─ segment ─┤
 *         add to the sums of the segments before
 *     then alpha, and the steps
 *
 * Units of work are ranges of columns; where there are few columns, segments, whose sums are added in order at the
 * end. Either way the same sums are added in the same order: results are the same, bit for bit, for any number of
 * threads. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/thin.h"

enum { SEGMENT, BLOCK, AHEAD, PARAMETER_COUNT };
enum { ROWS_MAX = 32, SPLIT_MAX = 1024, MARK = 64 }; /* bytes of a room that say what it holds */

static const int64_t segment_values[] = {1024, 2048, 4096, 8192, 16384};
static const int64_t block_values[] = {256, 512, 1024, 2048, 16384};
static const int64_t no_or_yes[] = {0, 1};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [SEGMENT] = {"segment", 4096, COUNT(segment_values), segment_values, NULL, "how much of k is summed at a time"},
    [BLOCK] = {"block", 1024, COUNT(block_values), block_values, NULL,
               "how much of k is done at a time where several strips of rows read b"},
    [AHEAD] = {"ahead", 0, 2, no_or_yes, NULL, "of one row: ask for columns of b in advance"},
};

static int64_t segment_stands(const hone_request *request, const hone_config *config);
static int64_t block_stands(const hone_request *request, const hone_config *config);
static int64_t ahead_stands(const hone_request *request, const hone_config *config);
static const hone_sameness same[] = {
    {SEGMENT, 0, segment_stands}, {BLOCK, 1u << SEGMENT, block_stands}, {AHEAD, 0, ahead_stands}};
static const hone_space space = {PARAMETER_COUNT, parameters, 0, NULL, COUNT(same), same};

typedef struct dots_plan {
    hone_matmul_frame           frame;
    const hone_matmul_thin_kit *kit;
    int                         threads;
    bool                        in_place; /* a is read where it lies */
    bool                        ahead;
    bool                        split;    /* units are segments */
    bool                        turned;   /* sums lie as rows of c do: a line a column */
    int64_t                     segments, segment, block; /* lengths in steps of k; of the last, the rest */
    int64_t                     strips, group;  /* of rows; columns at a time */
    int64_t                     ranges, range;  /* of columns; their length */
    int64_t                     a_line;         /* of the copy of a */
    int64_t                     sums_m, sums_n, sums; /* strides of the sums of a range, and how many there are */
    size_t                      a_bytes, lane_bytes, bytes; /* of a room: for a, for sums of lanes, and all */
    size_t                      part_bytes;     /* split: the sums of one segment */
    double                      seconds;        /* that one thread takes, as estimated */
} dots_plan;

/* Turned so that columns of b are contiguous along k: of the ways that are, the one with fewer rows. */
static bool frame_turn(const hone_matmul_problem *problem, hone_matmul_frame *f)
{
    hone_matmul_frame_make(problem, f);
    const bool as_is = f->b_k == 1 && f->m <= ROWS_MAX, turned = f->a_k == 1 && f->n <= ROWS_MAX;
    if (turned && (!as_is || f->n < f->m)) hone_matmul_frame_swap(f);
    return as_is || turned;
}

static void plan_make(const hone_request *request, const hone_config *config, dots_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    frame_turn(request->problem, f);
    out->kit = hone_matmul_thin_for(request->device, f->type_b);
    out->threads = request->threads;
    out->ahead = config->value[AHEAD];

    const int64_t lanes = out->kit->kit->lanes, line = 64 / f->bytes;
    out->segments = hone_max(hone_divide_up(f->k, config->value[SEGMENT]), 1);
    out->segment = hone_max(hone_min(hone_round_up(hone_divide_up(f->k, out->segments), line), f->k), 1);
    out->segments = hone_max(hone_divide_up(f->k, out->segment), 1);
    out->strips = hone_max(hone_divide_up(f->m, out->kit->dots_rows), 1);
    out->group = out->kit->dots_columns[hone_max(hone_divide_up(f->m, out->strips), 1)];
    out->block = out->strips > 1 ? config->value[BLOCK] * 4 / f->bytes : out->segment;
    out->in_place = f->a_k == 1 && f->bytes_a == f->bytes && (f->m == 1 || f->n <= 32);

    const int64_t groups = hone_max(hone_divide_up(f->n, out->group), 1);
    const bool few = groups < 4 * request->threads || f->n < 64;
    out->split = !f->pointers && f->items == 1 && out->segments > 1 && few && f->m * f->n <= SPLIT_MAX;
    out->ranges = hone_divide_up(groups * out->group, 4096); /* their sums stay small */
    if (!out->split && request->threads > 1)
        out->ranges = hone_max(hone_min(groups, 4 * request->threads), out->ranges);
    out->range = hone_divide_up(groups, out->ranges) * out->group;
    out->ranges = hone_divide_up(groups * out->group, out->range);

    out->a_line = hone_round_up(out->segment, line) + line;
    out->turned = f->c_n != 1 && f->c_m == 1;
    const int64_t columns = hone_min(out->range, hone_max(f->n, 1));
    out->sums_m = out->turned ? 1 : hone_round_up(columns, line);
    out->sums_n = out->turned ? hone_round_up(f->m, line) : 1;
    out->sums = out->turned ? columns * out->sums_n : f->m * out->sums_m;
    out->a_bytes = out->in_place ? 0 : (size_t)(f->m * out->a_line * f->bytes);
    out->lane_bytes = (size_t)(f->m * out->group * lanes * f->bytes);
    out->part_bytes = (size_t)(out->sums * f->bytes);
    out->part_bytes = (out->part_bytes + 63) / 64 * 64;
    out->bytes = MARK + (out->a_bytes + 63) / 64 * 64 + (out->lane_bytes + 63) / 64 * 64 + out->part_bytes;
}

/* Of values that cut k into equally many segments: the standard one, else the least. */
static int64_t segment_stands(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame f;
    frame_turn(request->problem, &f);
    const int64_t segments = hone_divide_up(f.k, config->value[SEGMENT]), standard = parameters[SEGMENT].standard;
    if (hone_divide_up(f.k, standard) == segments) return standard;
    int i = 0;
    while (hone_divide_up(f.k, segment_values[i]) != segments) i++; /* the value itself at last */
    return segment_values[i];
}

/* One strip takes a segment at a time, and several do where a block is no shorter. */
static int64_t block_stands(const hone_request *request, const hone_config *config)
{
    dots_plan plan;
    plan_make(request, config, &plan);
    const int64_t unit = 4, whole = plan.segment * plan.frame.bytes, value = config->value[BLOCK];
    if (plan.strips > 1 && value * unit < whole) return value;
    if (plan.strips <= 1 || parameters[BLOCK].standard * unit >= whole) return parameters[BLOCK].standard;
    int i = 0;
    while (block_values[i] * unit < whole) i++;
    return block_values[i];
}

static int64_t ahead_stands(const hone_request *request, const hone_config *config)
{
    hone_matmul_frame f;
    frame_turn(request->problem, &f);
    return f.m == 1 ? config->value[AHEAD] : parameters[AHEAD].standard;
}

static const char *dots_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame frame;
    const char *types = hone_matmul_types_refused(p);
    if (types) return types;
    if (!hone_matmul_thin_for(request->device, p->type_b)) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (!frame_turn(p, &frame)) return "nothing is both thin, 32 or less, and beside an operand contiguous along k";
    return NULL;
}

/* The rate of full vectors, the lanes to be added, a to be copied, and b once from wherever it lies: from memory,
 * fetching does not hide behind multiplying. */
static double dots_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    dots_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    const int lanes = plan.kit->kit->lanes;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items;
    const double units = items * (double)(plan.split ? plan.segments : plan.ranges);
    const int threads = hone_matmul_threads(request, config, dots_estimate, (int64_t)units);
    const double share = (double)hone_divide_up((int64_t)units, threads) / units;

    const double cycle = 2.0 * lanes / hone_matmul_peak_of(device, plan.kit->isa, f->type, lanes);
    const double segments = (double)plan.segments, strips = (double)plan.strips;
    const double steps = segments * (double)hone_divide_up(plan.segment, lanes);
    const double groups = (double)hone_divide_up(f->n, plan.group);
    const double blocks = plan.strips > 1 ? segments * (double)hone_divide_up(plan.segment, plan.block) : segments;
    /* as many loads as rows and columns: they limit where there are few rows */
    const double a_step = m * n + 0.25 * (groups * m + strips * n);
    double multiply = a_step * steps * 1.02 + blocks * groups * strips * 40 + segments * m * n * 5;
    if (f->bytes_b < f->bytes) multiply += strips * n * steps; /* to widen b */
    double one = multiply * cycle;
    if (!plan.in_place) one += m * k * (double)(plan.split ? 1 : plan.ranges) * (f->a_k == 1 ? 0.1e-9 : 0.2e-9);
    const double all = hone_matmul_footprint(f);
    const double fetch =
        hone_matmul_read_seconds_by(device, items * (f->bytes_b * k * n + f->bytes_a * m * k), all, threads);
    one *= items * share;
    const double beside = hone_matmul_beside(one, fetch);
    one = beside + hone_matmul_far(device, all) * (one + fetch - beside);
    one += share * items * (m * n * 2 + m * groups * 4) * cycle;
    const double fork = hone_matmul_fork_seconds(device, threads);
    return one + share * units * 40e-9 + fork + 30e-9;
}

static int dots_suggest(const hone_request *request, hone_config *configs, int cap)
{
    hone_matmul_frame f;
    if (cap < 1) return 0;
    frame_turn(request->problem, &f);
    hone_config_standard(&space, &configs[0]);
    if (f.m == 1) configs[0].value[SEGMENT] = 16384;
    const double all = hone_matmul_footprint(&f);
    if (f.m == 1 && hone_matmul_level(request->device, all) == HONE_LEVEL_MEMORY) configs[0].value[AHEAD] = 1;
    return 1;
}

static hone_status dots_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                void **ready, hone_needs *needs)
{
    (void)details;
    dots_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, dots_estimate);
    needs->scratch_bytes = (size_t)plan->threads * plan->bytes;
    if (plan->split) needs->scratch_bytes += (size_t)plan->segments * plan->part_bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct dots_work {
    const dots_plan      *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
    char                 *parts; /* split: the sums of each segment */
} dots_work;

/* What one thread keeps: where it copies a, and which segment of which matrix is there, counted through. */
typedef struct dots_room {
    char    *a, *lanes, *sums;
    int64_t *held;
} dots_room;

/* sums = (adds ? sums : 0) + a * b over one segment of k, for some columns of one matrix. */
static void segment_run(const dots_plan *plan, const hone_matmul_item *item, int64_t matrix, int64_t segment,
                        int64_t column, int64_t n, const dots_room *room, char *sums, bool adds)
{
    const hone_matmul_frame *f = &plan->frame;
    const int64_t begin = segment * plan->segment, length = hone_min(f->k - begin, plan->segment);
    const int64_t vector = plan->kit->kit->lanes * f->bytes;
    const char *a = item->a + begin * f->a_k * f->bytes_a;
    int64_t a_m = f->a_m; /* of a in place or of its copy: in either, elements are `bytes` long */
    const int64_t wanted = matrix * plan->segments + segment;

    if (!plan->in_place) {
        if (*room->held != wanted)
            plan->kit->kit->pack(&(hone_matmul_pack_job){f->m, length, length, a, f->a_m, f->a_k, room->a,
                                                         plan->a_line});
        *room->held = wanted;
        a = room->a, a_m = plan->a_line;
    }
    for (int64_t j = 0; j < n; j += plan->group) {
        hone_matmul_dots_job job = {.n = hone_min(n - j, plan->group), .a_m = a_m, .b_n = f->b_n,
                                    .ahead = plan->ahead};
        for (int64_t k = 0; k < length || !k; k += plan->block) {
            job.k = hone_min(length - k, plan->block);
            job.b = item->b + ((column + j) * f->b_n + begin + k) * f->bytes_b;
            job.first = !k;
            for (int64_t s = 0, row = 0; s < plan->strips; s++, row += job.m) {
                job.m = (s + 1) * f->m / plan->strips - row;
                job.a = a + (row * a_m + k) * f->bytes;
                job.sums = room->lanes + row * job.n * vector;
                plan->kit->dots(&job);
            }
        }
        plan->kit->add_lanes(&(hone_matmul_add_lanes_job){f->m, job.n, room->lanes, sums + j * plan->sums_n * f->bytes,
                                                          plan->sums_m, plan->sums_n, adds});
    }
}

/* c = steps(alpha * sums + beta * c), along the rows of c as it lies. */
static void finish(const dots_work *work, const hone_matmul_item *item, int64_t column, int64_t n, char *sums)
{
    const dots_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    hone_matmul_finish_job job = {f->m, n, sums, plan->sums_m, item->c + column * f->c_n * f->bytes_c, f->c_m, f->c_n,
                                  work->beta, 0, column, f->step_count, item->step, f->type_c};
    hone_epilogue_now turned[HONE_STEPS_MAX];
    if (work->alpha != 1) plan->kit->scale(sums, plan->sums, work->alpha);
    if (plan->turned) {
        for (int s = 0; s < f->step_count; s++) {
            turned[s] = item->step[s];
            turned[s].row_stride = item->step[s].column_stride, turned[s].column_stride = item->step[s].row_stride;
        }
        job.m = n, job.n = f->m, job.from_m = plan->sums_n, job.c_m = f->c_n, job.c_n = f->c_m;
        job.row = column, job.column = 0, job.steps = turned;
    }
    plan->kit->kit->finish(&job);
}

static void unit_run(const dots_work *work, int64_t unit, const dots_room *room)
{
    const dots_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t matrix = plan->split ? 0 : unit / plan->ranges;
    hone_matmul_item item;

    hone_matmul_item_at(f, work->arguments, matrix, &item);
    if (plan->split) {
        segment_run(plan, &item, 0, unit, 0, f->n, room, work->parts + (size_t)unit * plan->part_bytes, false);
        return;
    }
    const int64_t column = unit % plan->ranges * plan->range, n = hone_min(f->n - column, plan->range);
    for (int64_t segment = 0; segment < plan->segments; segment++)
        segment_run(plan, &item, matrix, segment, column, n, room, room->sums, segment > 0);
    finish(work, &item, column, n, room->sums);
}

static void units_run(void *argument, int64_t begin, int64_t end, char *scratch)
{
    const dots_work *work = argument;
    const dots_plan *plan = work->plan;
    dots_room        room = {.a = scratch + MARK, .held = (int64_t *)(void *)scratch};
    room.lanes = room.a + (plan->a_bytes + 63) / 64 * 64;
    room.sums = room.lanes + (plan->lane_bytes + 63) / 64 * 64;
    for (int64_t unit = begin; unit < end; unit++) unit_run(work, unit, &room);
}

static hone_status dots_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const dots_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;
    char     *rooms = hone_span_host(&scratch);
    dots_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments),
                      rooms + (size_t)plan->threads * plan->bytes};
    const int64_t units = plan->split ? plan->segments : hone_matmul_items(f, arguments) * plan->ranges;
    hone_deal_out(stream, &(hone_deal){plan->threads, units, hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       rooms, plan->bytes, true, units_run, &work});
    if (plan->split) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, 0, &item);
        for (int64_t s = 1; s < plan->segments; s++)
            plan->kit->add(work.parts, work.parts + (size_t)s * plan->part_bytes, plan->sums);
        finish(&work, &item, 0, f->n, work.parts);
    }
    return HONE_OK;
}

static void dots_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_dots;
const hone_kernel        hone_matmul_dots = {
    .name = "cpu.dots",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = dots_refuses,
    .space = &space,
    .suggest = dots_suggest,
    .estimate = dots_estimate,
    .prepare = dots_prepare,
    .launch = dots_launch,
    .release = dots_release,
};
