/* cpu.fold: the matmul kernel for few columns (or, exchanged, few rows) where the rows of a are contiguous along k. b
 * is copied once into vectors of several steps of k and several columns each; all rows of a pass over it (fold.h).
 *
 *     each thread, once for a matrix: copy b
 *     for each range of rows, which are dealt out
 *         for each segment of k, whose part of the copy stays in the second-level cache
 *             rows x columns (+)= a * b
 *
 * Steps of the epilogue, and a c whose columns are not contiguous, go through room for one range. Sums are cut where
 * the problem tells: results are the same, bit for bit, for any number of threads. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/fold.h"
#include "kernels/matmul/frame.h"

enum { GROUP, PARAMETER_COUNT };
enum { COLUMNS_MAX = 24, RANGE_MAX = 4096, KEPT_BYTES = 192 << 10, FEW_TOGETHER = 4 };
enum { MARK = 64 }; /* bytes of a room that say whose b it holds */

static const int64_t group_values[] = {2, 4, 8, 16};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [GROUP] = {"group", 2, COUNT(group_values), group_values, NULL, "steps of k that stand side by side in a vector"},
};

static const char *group_refuses(const hone_request *request, const hone_config *config);
static const hone_constraint constraint = {1u << GROUP, group_refuses};
static const hone_space space = {PARAMETER_COUNT, parameters, 1, &constraint, 0, NULL};

const hone_matmul_fold_kit *const hone_matmul_folds[] = {
#define HONE_FOLD(name) &name,
#include "kernels/matmul/folds.def"
#undef HONE_FOLD
};
const int hone_matmul_fold_count = (int)(sizeof hone_matmul_folds / sizeof hone_matmul_folds[0]);

typedef struct fold_plan {
    hone_matmul_frame           frame;
    const hone_matmul_fold_kit *kit;
    int                         threads, group, vectors, rows;
    bool                        by_room;
    int64_t                     line;              /* columns of the copy of b */
    int64_t                     segments, segment; /* length in steps of k; of the last, the rest */
    int64_t                     ranges, range;     /* of rows; of all but the last */
    double                      seconds;           /* that one thread takes, as estimated */
    size_t                      b_bytes, bytes;    /* of a room: for b, and all */
} fold_plan;

static const hone_matmul_fold_kit *kit_for(const hone_be_device *device, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_fold_count; i++)
        if (hone_matmul_folds[i]->type == type && hone_matmul_folds[i]->isa <= device->cpu.isa)
            return hone_matmul_folds[i];
    return NULL;
}

/* The most columns of a problem: what groups of two have room for. */
static int64_t most_columns(const hone_matmul_fold_kit *kit)
{
    const int lanes = kit->kit->lanes;
    return hone_min(COLUMNS_MAX, HONE_MATMUL_FOLD_MOST(lanes, 2) * lanes / 2);
}

/* Turned so that rows of a are contiguous and b has few columns: of the ways that are, the one with fewer. */
static bool frame_turn(const hone_matmul_fold_kit *kit, const hone_matmul_problem *problem, hone_matmul_frame *f)
{
    const int64_t most = most_columns(kit);
    hone_matmul_frame_make(problem, f);
    const bool as_is = f->a_k == 1 && f->n <= most, turned = f->b_k == 1 && f->m <= most;
    if (turned && (!as_is || f->m < f->n)) hone_matmul_frame_swap(f);
    return as_is || turned;
}

static int vectors_of(const hone_matmul_fold_kit *kit, const hone_matmul_frame *f, int64_t group)
{
    return (int)hone_max(hone_divide_up(f->n * group, kit->kit->lanes), 1);
}

static const char *group_refuses(const hone_request *request, const hone_config *config)
{
    const hone_matmul_problem *problem = request->problem;
    const hone_matmul_fold_kit *kit = kit_for(request->device, problem->type_c);
    hone_matmul_frame f;
    frame_turn(kit, problem, &f);
    const int64_t group = config->value[GROUP];
    if (group > kit->kit->lanes) return "group: vectors of this type are shorter";
    if (vectors_of(kit, &f, group) > HONE_MATMUL_FOLD_MOST(kit->kit->lanes, group)) return "group: too many columns";
    return NULL;
}

static void plan_make(const hone_request *request, const hone_config *config, fold_plan *out)
{
    const hone_matmul_problem *problem = request->problem;
    hone_matmul_frame *f = &out->frame;
    out->kit = kit_for(request->device, problem->type_c);
    frame_turn(out->kit, problem, f);
    out->threads = request->threads;
    out->group = (int)config->value[GROUP];
    out->vectors = vectors_of(out->kit, f, out->group);
    out->by_room = f->step_count || f->c_n != 1;
    /* Rows a multiple of a page apart share one set of the first cache, which holds eight lines. */
    out->rows = f->a_m * f->bytes_a % 4096 == 0 ? FEW_TOGETHER : HONE_MATMUL_FOLD_ROWS;

    const int64_t lanes = out->kit->kit->lanes, groups = hone_divide_up(f->k, out->group);
    const int64_t step = out->vectors * lanes * f->bytes;
    out->line = out->vectors * lanes / out->group;
    out->segments = hone_max(hone_divide_up(groups * step, KEPT_BYTES), 1);
    out->segment = hone_max(hone_divide_up(groups, out->segments) * out->group, 1);
    out->segments = hone_max(hone_divide_up(f->k, out->segment), 1);
    out->range = out->by_room || out->segments > 1 ? hone_max(RANGE_MAX / out->line, 1) : hone_max(f->m, 1);
    if (request->threads > 1) {
        const int64_t wanted = hone_divide_up(4 * (int64_t)request->threads, hone_max(f->items, 1));
        const int64_t whole = hone_min(out->kit->rows[out->vectors], out->rows);
        out->range = hone_min(out->range, hone_round_up(hone_divide_up(hone_max(f->m, 1), wanted), whole));
    }
    out->ranges = hone_max(hone_divide_up(f->m, out->range), 1);
    out->b_bytes = (size_t)(groups * step);
    out->bytes = MARK + out->b_bytes + (out->by_room ? (size_t)(out->range * out->line * f->bytes) : 0);
    out->bytes = (out->bytes + 63) / 64 * 64;
}

static const char *fold_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame frame;
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    const hone_matmul_fold_kit *kit = kit_for(request->device, p->type_c);
    if (!kit) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (!frame_turn(kit, p, &frame)) return "nothing both of few columns, 24 or less, and beside lines along k";
    return NULL;
}

/* Multiplications or loads, whichever take longer; the copy of b; folding the sums, and storing them row by row; and
 * reading a, mostly beside that. */
static double fold_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    fold_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    const int lanes = plan.kit->kit->lanes;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items, bytes = f->bytes;
    const double cycle = 2.0 * lanes / hone_matmul_peak_of(device, plan.kit->isa, f->type, lanes);
    const double vectors = plan.vectors, steps = ceil(k / plan.group);
    const double waits = hone_matmul_latency_seconds(device, f->type) / cycle;
    const double fold = 2 * vectors * (1 - 1.0 / plan.group);
    const bool   whole = !plan.by_room && plan.line == f->n && f->c_m == f->n;
    const bool   flat = plan.vectors == 1 && f->b_n == 1 && f->b_k == f->n;
    const double copy = flat ? steps * 5 : k * (n * 1.2 + 3);
    const double segments = (double)plan.segments;
    double       one = 60 + m * segments * (fold + (whole ? vectors / plan.group + 1 : 5));
    /* strips of as many rows as registers hold, then of four, two and one, as fold.inl deals them out */
    int64_t left = f->m, rows = hone_min(plan.kit->rows[plan.vectors], plan.rows);
    for (; left > 0; rows = rows > 4 ? 4 : rows > 2 ? 2 : 1) {
        const double r = (double)rows, strips = (double)(left / rows);
        const double step = fmax(fmax(r * vectors, r + vectors), waits) * 1.03;
        one += strips * (steps * step + segments * (f->k % plan.group ? 8 + r : 8));
        left %= rows;
    }
    one *= cycle;
    const double threads = hone_matmul_threads(request, config, fold_estimate, f->items * plan.ranges);
    const double all = items * bytes * (m * k + k * n + m * n);
    const double reads = hone_matmul_read_seconds(device, bytes * m * k, all);
    const double beside = hone_matmul_beside(one, reads);
    one = beside + hone_matmul_far(device, all) * (one + reads - beside);
    if (plan.by_room) one += hone_matmul_read_seconds(device, bytes * m * n, 0) * 4 + m * 2e-9;
    const double fork = hone_matmul_fork_seconds(device, threads);
    const double once = copy * cycle;
    return 20e-9 + items * one / threads + once * items / fmin(items, threads) + fork;
}

/* Each group that fits, in the order of their estimates. */
static int fold_suggest(const hone_request *request, hone_config *configs, int cap)
{
    double seconds[COUNT(group_values)];
    int count = 0;
    for (int i = 0; i < COUNT(group_values); i++) {
        const hone_config config = {{group_values[i]}};
        if (group_refuses(request, &config)) continue;
        hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, COUNT(group_values)), &config,
                                fold_estimate(request, &config));
    }
    return count;
}

static hone_status fold_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                void **ready, hone_needs *needs)
{
    (void)details;
    fold_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, fold_estimate);
    needs->scratch_bytes = (size_t)plan->threads * plan->bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct fold_work {
    const fold_plan      *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
} fold_work;

/* A range of rows of one matrix, whose b is copied by now. */
static void range_run(const fold_work *work, const hone_matmul_item *item, int64_t range, char *scratch)
{
    const fold_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t row = range * plan->range, m = hone_min(f->m - row, plan->range);
    char *c = item->c + row * f->c_m * f->bytes_c, *room = scratch + plan->b_bytes;
    hone_matmul_fold_job job = {.m = m, .n = f->n, .group = plan->group, .vectors = plan->vectors, .a_m = f->a_m,
                                .b = scratch, .c = plan->by_room ? room : c,
                                .c_m = plan->by_room ? plan->line : f->c_m, .alpha = work->alpha,
                                .beta = plan->by_room ? 0 : work->beta, .rows = plan->rows};
    for (int64_t k = 0; k < f->k || !k; k += plan->segment) {
        job.k = hone_min(f->k - k, plan->segment);
        job.a = item->a + (row * f->a_m + k) * f->bytes_a;
        job.b = scratch + k / plan->group * plan->vectors * plan->kit->kit->lanes * f->bytes;
        plan->kit->multiply(&job);
        job.beta = 1;
    }
    if (plan->by_room)
        plan->kit->kit->finish(&(hone_matmul_finish_job){m, f->n, room, plan->line, c, f->c_m, f->c_n, work->beta, row,
                                                         0, f->step_count, item->step, f->type_c});
}

/* A thread that comes to another matrix copies its b. */
static void ranges_run(void *argument, int64_t begin, int64_t end, char *room)
{
    const fold_work *work = argument;
    const fold_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    int64_t *held = (int64_t *)(void *)room, matrix = -1;
    char    *scratch = room + MARK;
    hone_matmul_item item;
    for (int64_t unit = begin; unit < end; unit++) {
        if (unit / plan->ranges != matrix)
            hone_matmul_item_at(f, work->arguments, matrix = unit / plan->ranges, &item);
        if (*held != matrix)
            plan->kit->pack(&(hone_matmul_fold_pack_job){f->n, f->k, plan->group, plan->vectors, item.b, f->b_k, f->b_n,
                                                         scratch});
        *held = matrix;
        range_run(work, &item, unit % plan->ranges, scratch);
    }
}

static hone_status fold_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const fold_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;
    fold_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    hone_deal_out(stream, &(hone_deal){plan->threads, hone_matmul_items(f, arguments) * plan->ranges,
                                       hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       hone_span_host(&scratch), plan->bytes, true, ranges_run, &work});
    return HONE_OK;
}

static void fold_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_fold;
const hone_kernel        hone_matmul_fold = {
    .name = "cpu.fold",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = fold_refuses,
    .space = &space,
    .suggest = fold_suggest,
    .estimate = fold_estimate,
    .prepare = fold_prepare,
    .launch = fold_launch,
    .release = fold_release,
};
