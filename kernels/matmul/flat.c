/* cpu.flat: the matmul kernel for few columns (or, exchanged, few rows) whose b lies without gaps, against long k. b is
 * read as one run of numbers, every lane of it useful, and multiplied by rows of a that are spread to fit: flat.h.
 *
 *     k is cut into segments at places that the problem tells, not the threads:
 *
 *     for each range of rows, and each segment of k
 *         for each group of rows, as many as registers hold:  sums (+)= a * b, of one segment
 *     then alpha, and the steps
 *
 * Units of work are ranges of rows; where there are few rows, segments, whose sums are added in order at the end.
 * Either way the same sums are added in the same order: results are the same, bit for bit, for any number of threads.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/flat.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/thin.h"

enum { SEGMENT, PARAMETER_COUNT };
enum { K_MIN = 32, SPLIT_MAX = 1024, RANGE_MAX = 4096 }; /* steps; elements of c; elements of c, about */

static const int64_t segment_values[] = {1024, 2048, 4096, 8192, 16384};

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [SEGMENT] = {"segment", 2048, sizeof segment_values / sizeof segment_values[0], segment_values, NULL,
                 "how much of k is summed at a time"},
};

static int64_t segment_stands(const hone_request *request, const hone_config *config);
static const hone_sameness same = {SEGMENT, 0, segment_stands};
static const hone_space space = {PARAMETER_COUNT, parameters, 0, NULL, 1, &same};

const hone_matmul_flat_kit *const hone_matmul_flats[] = {
#define HONE_FLAT(name) &name,
#include "kernels/matmul/flats.def"
#undef HONE_FLAT
};
const int hone_matmul_flat_count = (int)(sizeof hone_matmul_flats / sizeof hone_matmul_flats[0]);

typedef struct flat_plan {
    hone_matmul_frame           frame;
    const hone_matmul_flat_kit *kit;
    const hone_matmul_thin_kit *thin;     /* what ends sums: scale, add, finish */
    int                         threads;
    bool                        split;    /* units are segments */
    bool                        one_line; /* c, and its sums, are one run of numbers */
    int64_t                     segments, segment; /* length in steps of k; of the last, the rest */
    int64_t                     groups, ranges;    /* of rows */
    int64_t                     range;             /* groups in one */
    int64_t                     sums;              /* of a range, in whole vectors */
    size_t                      bytes;             /* that they take */
    double                      seconds;           /* that one thread takes, as estimated */
    int64_t                     index[HONE_MATMUL_FLAT_INDEX_BYTES / sizeof(int64_t)];
} flat_plan;

static const hone_matmul_flat_kit *kit_for(const hone_be_device *device, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_flat_count; i++)
        if (hone_matmul_flats[i]->type == type && hone_matmul_flats[i]->isa <= device->cpu.isa)
            return hone_matmul_flats[i];
    return NULL;
}

static bool few(int64_t columns)
{
    return columns >= 2 && columns <= HONE_MATMUL_FLAT_COLUMNS;
}

/* Turned so that b is the flat one. */
static bool frame_turn(const hone_matmul_problem *problem, hone_matmul_frame *f)
{
    for (int turn = 0; turn < 2; turn++) {
        if (!turn)
            hone_matmul_frame_make(problem, f);
        else
            hone_matmul_frame_swap(f);
        if (few(f->n) && f->b_n == 1 && f->b_k == f->n && f->a_k == 1) return true;
    }
    return false;
}

/* The first row of a group. */
static int64_t group_row(const flat_plan *plan, int64_t group)
{
    const int64_t m = plan->frame.m, least = m / plan->groups, larger = m % plan->groups;
    return group * least + hone_min(group, larger);
}

static void plan_make(const hone_request *request, const hone_config *config, flat_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    frame_turn(request->problem, f);
    out->kit = kit_for(request->device, f->type_b);
    out->thin = hone_matmul_thin_for(request->device, f->type);
    out->threads = request->threads;

    const int64_t rows = out->kit->rows[f->n], line = 64 / f->bytes;
    out->segments = hone_max(hone_divide_up(f->k, config->value[SEGMENT]), 1);
    out->segment = hone_min(hone_round_up(hone_divide_up(f->k, out->segments), line), f->k);
    out->segments = hone_divide_up(f->k, out->segment);
    out->groups = hone_max(hone_divide_up(f->m, rows), 1);
    out->split = !f->pointers && f->items == 1 && out->segments > 1 && out->groups < 4 * request->threads &&
                 f->m * f->n <= SPLIT_MAX;
    out->range = hone_min(out->groups, hone_max(RANGE_MAX / (rows * f->n), 1));
    if (out->split)
        out->range = out->groups;
    else if (request->threads > 1)
        out->range = hone_min(out->range, hone_divide_up(out->groups, 4 * request->threads));
    out->ranges = hone_divide_up(out->groups, out->range);
    out->one_line = f->step_count == 0 && f->c_n == 1 && f->c_m == f->n;
    out->sums = hone_round_up(hone_min(out->range * rows, f->m) * f->n, line);
    out->bytes = (size_t)(out->sums * f->bytes);
}

/* Of values that cut k into equally many segments: the standard one, else the least. */
static int64_t segment_stands(const hone_request *request, const hone_config *config)
{
    const hone_parameter *segment = &parameters[SEGMENT];
    hone_matmul_frame f;
    frame_turn(request->problem, &f);
    const int64_t segments = hone_divide_up(f.k, config->value[SEGMENT]);
    if (hone_divide_up(f.k, segment->standard) == segments) return segment->standard;
    int i = 0;
    while (hone_divide_up(f.k, segment->values[i]) != segments) i++; /* the value itself at last */
    return segment->values[i];
}

static const char *flat_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame frame;
    const char *types = hone_matmul_types_refused(p);
    if (types) return types;
    if (!kit_for(request->device, p->type_b)) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (!few(p->n) && !few(p->m)) return "neither m nor n is 2 to 12";
    if (p->k < K_MIN) return "k is short: below 32";
    if (!frame_turn(p, &frame)) return "nothing both of 2 to 12 columns and without gaps meets lines along k";
    return NULL;
}

/* The rate of full vectors, with their permutations; the lanes to be added; and reading, mostly beside that. */
static double flat_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    flat_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->items) return 0;

    const int lanes = plan.kit->lanes;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items;
    const double units = items * (double)(plan.split ? plan.segments : plan.ranges);
    const int threads = hone_matmul_threads(request, config, flat_estimate, (int64_t)units);
    const double share = (double)hone_divide_up((int64_t)units, threads) / units;

    enum { IN_FLIGHT = 4 }; /* additions: fewer sums wait for each other */
    const double cycle = 2.0 * lanes / hone_matmul_peak_of(device, plan.kit->isa, f->type, lanes);
    const double segments = (double)plan.segments, groups = (double)plan.groups;
    const double steps = segments * (double)hone_divide_up(plan.segment, lanes);
    const double rows = m / groups, loads = 2 * n + rows; /* of b, and of indices: no quicker than multiplying */
    const double widen = f->bytes_b < f->bytes ? 0.8 * (rows + n) : 0; /* of a and b, a step; measured at 5 x 5 */
    const double step = fmax(fmax(plan.kit->cost * rows * n, loads), IN_FLIGHT) + widen;
    double one = groups * (steps * step + segments * 30) + segments * m * lanes * (double)hone_divide_up(f->n, lanes);
    one += m * (plan.one_line ? n / lanes : 4 + (f->c_n == 1 ? 0 : 2 * n));
    const double all = hone_matmul_footprint(f);
    const int level = hone_matmul_level(device, all);
    if (level > 0 && plan.groups > 1) one += segments * m * 80; /* fetching ahead begins anew with each row */
    one *= items * share * cycle;
    const double fetch =
        hone_matmul_read_seconds_by(device, items * (f->bytes_b * k * n + f->bytes_a * m * k), all, threads);
    /* a few long streams: caches are read beside multiplying, nearly all; memory is not */
    const double beside = hone_matmul_beside(one, fetch);
    one = beside + hone_matmul_far(device, all) * (one + fetch - beside);
    const double fork = hone_matmul_fork_seconds(device, threads);
    return one + share * units * 40e-9 + fork + 30e-9;
}

static int flat_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    hone_config_standard(&space, &configs[0]);
    return 1;
}

static hone_status flat_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                void **ready, hone_needs *needs)
{
    (void)details;
    flat_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->kit->index((int)plan->frame.n, plan->index);
    plan->seconds = hone_matmul_alone_seconds(request, config, flat_estimate);
    needs->scratch_bytes = (size_t)(plan->split ? plan->segments : plan->threads) * plan->bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct flat_work {
    const flat_plan      *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
    char                 *scratch; /* sums: of each thread's range; split: of each segment */
} flat_work;

/* sums = (adds ? sums : 0) + a * b over one segment of k, for some groups of rows. */
static void segment_run(const flat_plan *plan, const hone_matmul_item *item, int64_t segment, int64_t group,
                        int64_t groups, char *sums, bool adds)
{
    const hone_matmul_frame *f = &plan->frame;
    const int64_t begin = segment * plan->segment, first = group_row(plan, group);
    hone_matmul_flat_job job = {.n = f->n, .k = hone_min(f->k - begin, plan->segment), .a_m = f->a_m,
                                .b = item->b + begin * f->n * f->bytes_b, .index = plan->index, .to_m = f->n,
                                .adds = adds};
    for (int64_t g = group; g < group + groups; g++) {
        const int64_t row = group_row(plan, g);
        job.m = group_row(plan, g + 1) - row;
        job.a = item->a + (row * f->a_m + begin) * f->bytes_a;
        job.to = sums + (row - first) * f->n * f->bytes;
        plan->kit->multiply(&job);
    }
}

/* c = steps(alpha * sums + beta * c) */
static void finish(const flat_work *work, const hone_matmul_item *item, int64_t row, int64_t m, char *sums)
{
    const flat_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    hone_matmul_finish_job job = {m, f->n, sums, f->n, item->c + row * f->c_m * f->bytes_c, f->c_m, f->c_n, work->beta,
                                  row, 0, f->step_count, item->step, f->type_c};
    if (plan->one_line) job.m = 1, job.n = m * f->n;
    if (work->alpha != 1) plan->thin->scale(sums, m * f->n, work->alpha);
    plan->thin->kit->finish(&job);
}

static void unit_run(const flat_work *work, int64_t unit, char *sums)
{
    const flat_plan *plan = work->plan;
    hone_matmul_item item;

    hone_matmul_item_at(&plan->frame, work->arguments, plan->split ? 0 : unit / plan->ranges, &item);
    if (plan->split) {
        segment_run(plan, &item, unit, 0, plan->groups, work->scratch + (size_t)unit * plan->bytes, false);
        return;
    }
    const int64_t group = unit % plan->ranges * plan->range, groups = hone_min(plan->groups - group, plan->range);
    for (int64_t segment = 0; segment < plan->segments; segment++)
        segment_run(plan, &item, segment, group, groups, sums, segment > 0);
    const int64_t row = group_row(plan, group);
    finish(work, &item, row, group_row(plan, group + groups) - row, sums);
}

static void units_run(void *work, int64_t begin, int64_t end, char *sums)
{
    for (int64_t unit = begin; unit < end; unit++) unit_run(work, unit, sums);
}

static hone_status flat_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const flat_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m) return HONE_OK;
    flat_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments),
                      hone_span_host(&scratch)};
    const int64_t units = plan->split ? plan->segments : hone_matmul_items(f, arguments) * plan->ranges;
    hone_deal_out(stream, &(hone_deal){plan->threads, units, hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       work.scratch, plan->split ? 0 : plan->bytes, false, units_run, &work});
    if (plan->split) {
        hone_matmul_item item;
        hone_matmul_item_at(f, arguments, 0, &item);
        for (int64_t s = 1; s < plan->segments; s++)
            plan->thin->add(work.scratch, work.scratch + (size_t)s * plan->bytes, f->m * f->n);
        finish(&work, &item, 0, f->m, work.scratch);
    }
    return HONE_OK;
}

static void flat_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_flat;
const hone_kernel        hone_matmul_flat = {
    .name = "cpu.flat",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = flat_refuses,
    .space = &space,
    .suggest = flat_suggest,
    .estimate = flat_estimate,
    .prepare = flat_prepare,
    .launch = flat_launch,
    .release = flat_release,
};
