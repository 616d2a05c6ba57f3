/* cpu.thin: the matmul kernel for few rows (or, exchanged, few columns) against a large b whose rows are contiguous; of
 * one row, the product of a vector and a matrix. b is read once, along its lines, as fast as it comes.
 *
 *     c is cut into strips of columns, which are dealt out to the threads:
 *
 *     for each block of k                          ┌───────────┬───
 *         copy the block of a                      │═══════════│→     b: depth lines at a time, held in registers
 *         for depth lines of b at a time           │═══════════│      while each row of a passes over them
 *             add to the strip's sums              └───────────┴───
 *     then alpha, and the steps                       strip
 *
 * A sum runs over k in order, one fused step each, whatever the strips, blocks or threads: so results are the same, bit
 * for bit. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/thin.h"

enum { STRIP, AHEAD, PARAMETER_COUNT };
enum { WIDEN = 1 };   /* what a vector of 16-bit numbers costs more, in multiplications */
enum { BLOCK = 512 }; /* steps of k of which a is copied at a time */

static const int64_t strip_values[] = {128, 256, 512, 1024, 2048, 4096, 8192};
static const int64_t no_or_yes[] = {0, 1};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [STRIP] = {"strip", 4096, COUNT(strip_values), strip_values, NULL, "columns of a strip, at most"},
    [AHEAD] = {"ahead", 0, 2, no_or_yes, NULL, "ask for lines of b in advance"},
};

static int64_t strip_stands(const hone_request *request, const hone_config *config);
static const hone_sameness same = {STRIP, 0, strip_stands};
static const hone_space space = {PARAMETER_COUNT, parameters, 0, NULL, 1, &same};

typedef struct thin_plan {
    hone_matmul_frame       frame;
    const hone_matmul_thin_kit *kit;
    int                     threads;
    int64_t                 strips, strip; /* of one matrix; columns of all but the last */
    int64_t                 line;          /* of the sums of a strip, in elements */
    bool                    ahead, in_place; /* in_place: a is read where it lies */
    double                  seconds;       /* that one thread takes, as estimated */
    size_t                  a_bytes, bytes; /* of a room: for a, and all */
} thin_plan;

/* Turned so that rows of b are contiguous: of the ways that are, the one with fewer rows. */
static bool frame_turn(const hone_matmul_problem *problem, hone_matmul_frame *f)
{
    hone_matmul_frame_make(problem, f);
    const bool as_is = f->b_n == 1, turned = f->a_m == 1;
    if (turned && (!as_is || f->n < f->m)) hone_matmul_frame_swap(f);
    return as_is || turned;
}

static void plan_make(const hone_request *request, const hone_config *config, thin_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    frame_turn(request->problem, f);
    out->kit = hone_matmul_thin_for(request->device, f->type_b);
    out->threads = request->threads;
    out->ahead = config->value[AHEAD];

    /* Two strips a thread, or one, where they are long enough to be worth it; whole panels. */
    const int64_t panels = hone_max(hone_divide_up(f->n, out->kit->width), 1);
    int64_t strips = hone_divide_up(panels * out->kit->width, config->value[STRIP]);
    if (request->threads > 1 && f->items < 4 * request->threads) {
        const int64_t each = f->n * f->bytes_b / request->threads; /* bytes of a line that a thread reads */
        if (each >= 512) strips = hone_round_up(hone_max(strips, each >= 2048 ? 2 : 1), request->threads);
    }
    out->strip = hone_divide_up(panels, strips) * out->kit->width;
    out->strips = hone_divide_up(panels * out->kit->width, out->strip);

    out->in_place = f->m == 1 && f->a_k == 1 && f->bytes_a == f->bytes;
    out->line = out->strip + 64 / f->bytes;
    out->a_bytes = out->in_place ? 0 : (size_t)(f->m * BLOCK * f->bytes);
    out->bytes = out->a_bytes + (size_t)(f->m * out->line * f->bytes);
    out->bytes = (out->bytes + 63) / 64 * 64;
}

/* Of values that make strips of the same length: the standard one, else the least. */
static int64_t strip_stands(const hone_request *request, const hone_config *config)
{
    thin_plan plan, other;
    plan_make(request, config, &plan);
    plan_make(request, &(hone_config){.value = {[STRIP] = parameters[STRIP].standard}}, &other);
    if (plan.strip == other.strip) return parameters[STRIP].standard;
    for (int i = 0;; i++) { /* the value itself at last */
        plan_make(request, &(hone_config){.value = {[STRIP] = strip_values[i]}}, &other);
        if (plan.strip == other.strip) return strip_values[i];
    }
}

static const char *thin_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame frame;
    const char *types = hone_matmul_types_refused(p);
    if (types) return types;
    if (!hone_matmul_thin_for(request->device, p->type_b)) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (!frame_turn(p, &frame)) return "neither the columns of b nor the rows of a are contiguous";
    if (frame.m > HONE_MATMUL_THIN_ROWS) return "neither m nor n is thin: 64 or less";
    return NULL;
}

/* The rate of full vectors, some cycles more for each panel, and b once from wherever it lies: from memory, fetching
 * does not hide behind multiplying. */
static double thin_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    thin_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    const int lanes = plan.kit->kit->lanes;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items;
    const double units = items * (double)plan.strips;
    const int threads = hone_matmul_threads(request, config, thin_estimate, (int64_t)units);
    const double share = (double)hone_divide_up((int64_t)units, threads) / units;

    const double peak = hone_matmul_peak_of(device, plan.kit->isa, f->type, lanes);
    const double vectors = (double)hone_divide_up(f->n, lanes), steps = (double)hone_divide_up(f->k, plan.kit->depth);
    const double cycle = 2.0 * lanes / peak, panels = vectors * lanes / plan.kit->width;
    const double registers = plan.kit->depth * (double)plan.kit->width / lanes;
    double multiply = steps * panels * (registers * m + 10) * cycle;
    if (f->bytes_b < f->bytes) multiply += steps * panels * registers * WIDEN * cycle;
    if (!plan.in_place) multiply += m * k * (double)plan.strips * (f->a_k == 1 ? 0.3e-9 : 0.6e-9);
    const double all = hone_matmul_footprint(f);
    const double reads = items * (f->bytes_b * k * n + f->bytes_a * m * k);
    const double fetch = hone_matmul_read_seconds_by(device, reads, all, threads) *
                         (1 + (hone_matmul_across_lines(f->b_k * f->bytes_b) - 1) * (1 - hone_matmul_far(device, all)));
    const double far = hone_matmul_far(device, all);
    /* one row is loads alone, which are not beside anything */
    const double asks = config->value[AHEAD] ? reads / 64 * 0.5 * cycle : 0;
    const double busy = (items * multiply + asks) * share, beside = fmax(busy, fetch) + fmin(busy, fetch) * 0.25 / m;
    const double waits = config->value[AHEAD] ? 1 + m / 40 : 1 + m / 8;
    double one = beside + far * (busy + fetch * waits - beside);
    one += share * items * m * vectors * lanes / plan.kit->width * 8 * cycle; /* the end: from the sums into c */
    const double fork = hone_matmul_fork_seconds(device, threads);
    return one + share * units * 40e-9 + fork + 30e-9;
}

/* Strips as long as the sums of one fit beside b in the second-level cache; asking ahead where b lies in memory. */
static int thin_suggest(const hone_request *request, hone_config *configs, int cap)
{
    hone_matmul_frame f;
    hone_config config;
    if (cap < 1) return 0;
    frame_turn(request->problem, &f);
    hone_config_standard(&space, &config);
    for (int i = 0; i < COUNT(strip_values); i++)
        if (f.m * strip_values[i] * f.bytes <= 256 << 10) config.value[STRIP] = strip_values[i];
    double seconds[2];
    int    count = 0;
    for (int ahead = 0; ahead < 2; ahead++) {
        config.value[AHEAD] = ahead;
        hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, 2), &config, thin_estimate(request, &config));
    }
    return count;
}

static hone_status thin_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                void **ready, hone_needs *needs)
{
    (void)details;
    thin_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, thin_estimate);
    needs->scratch_bytes = (size_t)plan->threads * plan->bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct thin_work {
    const thin_plan      *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
} thin_work;

/* One strip of one matrix. */
static void strip_run(const thin_work *work, int64_t unit, char *scratch)
{
    const thin_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t column = unit % plan->strips * plan->strip, n = hone_min(f->n - column, plan->strip);
    char *a = scratch, *sums = scratch + plan->a_bytes;
    hone_matmul_item item;

    hone_matmul_item_at(f, work->arguments, unit / plan->strips, &item);
    memset(sums, 0, (size_t)(f->m * plan->line * f->bytes));
    for (int64_t k = 0; k < f->k; k += BLOCK) {
        const char *from = item.a + k * f->a_k * f->bytes_a;
        hone_matmul_across_job job = {.m = f->m, .n = n, .k = hone_min(f->k - k, BLOCK), .b_k = f->b_k, .sums = sums,
                                      .sums_m = plan->line, .ahead = plan->ahead};
        if (!plan->in_place) plan->kit->pack(&(hone_matmul_thin_pack_job){f->m, job.k, from, f->a_m, f->a_k, a});
        job.a = plan->in_place ? from : a;
        job.b = item.b + (k * f->b_k + column) * f->bytes_b;
        plan->kit->across(&job);
    }
    if (work->alpha != 1) plan->kit->scale(sums, f->m * plan->line, work->alpha);
    plan->kit->kit->finish(&(hone_matmul_finish_job){f->m, n, sums, plan->line, item.c + column * f->c_n * f->bytes_c,
                                                     f->c_m, f->c_n, work->beta, 0, column, f->step_count, item.step,
                                                     f->type_c});
}

static void strips_run(void *work, int64_t begin, int64_t end, char *scratch)
{
    for (int64_t unit = begin; unit < end; unit++) strip_run(work, unit, scratch);
}

static hone_status thin_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const thin_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;
    thin_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    hone_deal_out(stream, &(hone_deal){plan->threads, hone_matmul_items(f, arguments) * plan->strips,
                                       hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       hone_span_host(&scratch), plan->bytes, false, strips_run, &work});
    return HONE_OK;
}

static void thin_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_thin;
const hone_kernel        hone_matmul_thin = {
    .name = "cpu.thin",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = thin_refuses,
    .space = &space,
    .suggest = thin_suggest,
    .estimate = thin_estimate,
    .prepare = thin_prepare,
    .launch = thin_launch,
    .release = thin_release,
};
