/* cpu.small: the matmul kernel for tiny matrices, alone and above all in batches: m and n up to 64.
 *
 * The cut of a matrix into parts (small.h) is made when the plan is. A launch hands a part of many matrices to the
 * micro-kernel at once, by arrays of pointers that it fills, or that the caller gave: so a matrix costs little more
 * than its multiplications. Matrices of several parts come in runs that stay in a near cache meanwhile.
 *
 * Steps of the epilogue, and a c whose columns are not contiguous, go through room for one strip, as in direct.c. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/small.h"

enum {
    SIDE_MAX = 64, /* of c */
    DEPTH_MAX = 256,
    RUN_MAX = 64,            /* matrices in a call */
    FAR_BYTES = 12 << 10,    /* of a matrix's operands: larger ones are cut into few groups */
    /* Of the operands of a run that is read twice, and oftener: the first stays in the cache after the nearest. */
    TWICE_BYTES = 256 << 10,
    OFTEN_BYTES = 12 << 10
};

static const hone_space space = {0}; /* the cut is computed, and there is nothing to tune */

typedef struct small_plan {
    hone_matmul_frame        frame;
    const hone_matmul_small_set *small;
    int                      threads;
    int64_t                  run; /* matrices in a call */
    double                   seconds; /* that one thread takes, as estimated */
    int64_t                  item_bytes;
    bool                     far; /* is a batch of the expected size more than the cache before the last holds? */
    double                   slots; /* what one matrix costs, in multiplications of whole vectors */
    int                      part_count;
    hone_matmul_small_part   part[HONE_MATMUL_SMALL_PARTS_MAX];
} small_plan;

static const hone_matmul_small_set *const smalls[] = {
#ifdef __x86_64__
    &hone_matmul_small_f32_avx512, &hone_matmul_small_f64_avx512, &hone_matmul_small_f32_avx2,
    &hone_matmul_small_f64_avx2,
#endif
    &hone_matmul_small_f32_any, &hone_matmul_small_f64_any};

static const hone_matmul_small_set *small_for(const hone_be_device *device, hone_dtype type)
{
    for (size_t i = 0; i < sizeof smalls / sizeof smalls[0]; i++)
        if (smalls[i]->type == type && smalls[i]->isa <= device->cpu.isa) return smalls[i];
    return NULL;
}

/* Slots of a strip, those of a long vector: its multiplications; or its loads, or the latency of a sum, where these
 * take longer. Then what it costs to begin and to store. */
static double strip_slots(int64_t rows, int across, int64_t k, bool half)
{
    const double r = (double)rows, x = across;
    return half ? fmax(2, fmax(r * x / 2, (r + x) * 0.53)) * (double)k + r * x / 4 + 12
                : fmax(4, fmax(r * x, r + x)) * (double)k + r * x / 2 + 12;
}

/* A group of columns in strips as equal as can be, the longer ones first: what it costs, and, where there is a plan to
 * add it to, its parts. */
static double group_add(const hone_matmul_frame *f, const hone_matmul_small_set *small, bool half, int across,
                        int64_t column, int64_t n, small_plan *plan)
{
    if (!small || !small->rows[across - 1]) return INFINITY;
    const int64_t strips = hone_divide_up(f->m, small->rows[across - 1]), longer = f->m % strips;
    double slots = 0;
    for (int kind = 0; kind < 2; kind++) {
        const int64_t rows = f->m / strips + !kind, count = kind ? strips - longer : longer;
        const int64_t row = kind ? longer * (rows + 1) : 0;
        if (!count) continue;
        slots += (double)count * strip_slots(rows, across, f->k, half);
        if (plan)
            plan->part[plan->part_count++] = (hone_matmul_small_part){
                .multiply = small->multiply, .across = across, .rows = (int)rows, .strips = count, .row = row,
                .column = column, .n = n, .k = f->k, .a_m = f->a_m, .a_k = f->a_k, .b_k = f->b_k, .c_m = f->c_m,
                .a_at = row * f->a_m * f->bytes_a, .b_at = column * f->bytes_b,
                .c_at = (row * f->c_m + column * f->c_n) * f->bytes_c};
    }
    return slots;
}

/* Which groups of columns are the cheapest together: the best for each number of vectors from the left. The last one
 * may be half a vector. */
static void cut_make(small_plan *plan)
{
    enum { VECTORS_MAX = SIDE_MAX / 2 };
    const hone_matmul_frame *f = &plan->frame;
    const hone_matmul_small_set *small = plan->small;
    const int vectors = (int)hone_divide_up(f->n, small->lanes);
    const int64_t tail = f->n - (int64_t)(vectors - 1) * small->lanes;
    /* From far away a large matrix is better read once, by wide groups with idle lanes, than twice: measured at n 40.
     */
    const bool half = small->half && tail <= small->half->lanes && !(plan->far && plan->item_bytes > FAR_BYTES);
    double best[VECTORS_MAX + 1] = {0};
    int last[VECTORS_MAX + 1] = {0}; /* how many the group has that ends there; 0: half a one */

    for (int v = 1; v <= vectors; v++) {
        best[v] = INFINITY;
        for (int across = 1; across <= HONE_MATMUL_SMALL_ACROSS_MAX && across <= v; across++) {
            const double slots = best[v - across] + group_add(f, small, false, across, 0, 0, NULL);
            if (slots < best[v]) best[v] = slots, last[v] = across;
        }
    }
    if (half) {
        const double slots = best[vectors - 1] + group_add(f, small->half, true, 1, 0, 0, NULL);
        if (slots < best[vectors]) best[vectors] = slots, last[vectors] = 0;
    }
    plan->slots = best[vectors];
    for (int v = vectors, across; v > 0; v -= across) {
        const bool short_one = !last[v];
        across = short_one ? 1 : last[v];
        const int64_t column = (int64_t)(v - across) * small->lanes;
        group_add(f, short_one ? small->half : small, short_one, across, column,
                  hone_min(f->n, (int64_t)v * small->lanes) - column, plan);
    }
}

/* Dimensions of the batch that all operands walk alike become one. */
static void batch_join(hone_matmul_frame *f)
{
    int rank = 0;
    for (int i = 0; i < f->batch_rank; i++) {
        if (f->batch[i] == 1) continue;
        const int64_t count = f->batch[i];
        const bool joins = rank && f->a_batch[rank - 1] == f->a_batch[i] * count &&
                           f->b_batch[rank - 1] == f->b_batch[i] * count &&
                           f->c_batch[rank - 1] == f->c_batch[i] * count;
        if (!joins) f->batch[rank++] = 1;
        f->batch[rank - 1] *= count;
        f->a_batch[rank - 1] = f->a_batch[i];
        f->b_batch[rank - 1] = f->b_batch[i];
        f->c_batch[rank - 1] = f->c_batch[i];
    }
    f->batch_rank = rank;
}

static void frame_make(const hone_matmul_problem *problem, hone_matmul_frame *out)
{
    hone_matmul_frame_make(problem, out);
    if (out->b_n != 1 && out->a_m == 1) hone_matmul_frame_swap(out);
    if (!out->pointers && !out->step_count) batch_join(out);
}

static void plan_make(const hone_request *request, small_plan *out)
{
    hone_matmul_frame *f = &out->frame;
    frame_make(request->problem, f);
    out->small = small_for(request->device, f->type);
    out->threads = request->threads;
    out->part_count = 0;
    out->slots = 0;
    out->run = RUN_MAX;
    out->item_bytes = f->m * f->k * f->bytes_a + f->k * f->n * f->bytes_b + f->m * f->n * f->bytes_c;
    const size_t  l2 = request->device->cpu.cache_bytes[HONE_LEVEL_L2];
    const int64_t near = l2 ? (int64_t)l2 : 1 << 20;
    out->far = (double)f->items * (double)out->item_bytes > (double)near;
    if (!f->m || !f->n) return;
    cut_make(out);
    int64_t passes = 0;
    for (int i = 0; i < out->part_count; i++) passes += out->part[i].strips;
    if (passes > 1)
        out->run = hone_max(1, hone_min(RUN_MAX, (passes > 2 ? OFTEN_BYTES : TWICE_BYTES) / out->item_bytes));
}

static const char *small_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (p->type_a != p->type_c || p->type_b != p->type_c) return "the operands are of different types";
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    if (!small_for(request->device, p->type_c)) return "no micro-kernel for this type";
    if (hone_matmul_packed_b(p)) return HONE_MATMUL_PACKED_REFUSED;
    if (p->m > SIDE_MAX || p->n > SIDE_MAX) return "c has more than 64 rows or columns";
    if (p->k > DEPTH_MAX) return "sums of more than 256 products";
    hone_matmul_frame f;
    frame_make(p, &f);
    if (f.b_n != 1) return "neither the columns of b nor the rows of a are contiguous";
    return NULL;
}

static double small_estimate(const hone_request *request, const hone_config *config)
{
    (void)config;
    const hone_be_device *device = request->device;
    small_plan plan;
    plan_make(request, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    const double items = (double)f->items, m = (double)f->m, n = (double)f->n, k = (double)f->k;
    const double bytes = f->bytes_a * m * k + f->bytes_b * k * n + f->bytes_c * m * n;
    const hone_matmul_tile tile = {.isa = plan.small->isa, .type = f->type, .kit = plan.small->kit};
    const double slot = 2.0 * plan.small->lanes / hone_matmul_peak(device, &tile);
    /* Of a matrix at a time nothing is gained over cpu.direct: measured at 32 and 48 cubed. */
    const double around = plan.run > 1 ? 1.05 : 1.15;
    double seconds = hone_matmul_beside(around * plan.slots * slot,
                                        hone_matmul_read_seconds(device, bytes, bytes * items));
    if (f->step_count || f->c_n != 1) seconds += hone_matmul_read_seconds(device, f->bytes_c * m * n, 0) * 4 + 20e-9;

    return hone_matmul_dealt_seconds(device, plan.threads, f->items, 20e-9 + items * seconds);
}

static int small_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    configs[0] = (hone_config){{0}};
    return 1;
}

static hone_status small_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)details;
    small_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, small_estimate);
    needs->scratch_bytes = 0;
    *ready = plan;
    return HONE_OK;
}

typedef struct small_work {
    const small_plan    *plan;
    const hone_arguments *arguments;
    double               alpha, beta;
} small_work;

/* Matrices begin .. end-1 of a batch with strides. */
static void strides_run(const small_work *work, int64_t begin, int64_t end)
{
    const small_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int last = f->batch_rank - 1;
    const int64_t inner = f->batch_rank ? f->batch[last] : 1;
    const int64_t a_next = f->batch_rank ? f->a_batch[last] * f->bytes_a : 0;
    const int64_t b_next = f->batch_rank ? f->b_batch[last] * f->bytes_b : 0;
    const int64_t c_next = f->batch_rank ? f->c_batch[last] * f->bytes_c : 0;
    const char *a[RUN_MAX], *b[RUN_MAX];
    char *c[RUN_MAX];
    hone_matmul_small_run run = {0, a, b, c, work->alpha, work->beta};

    while (begin < end) {
        for (run.count = 0; run.count < plan->run && begin < end;) {
            hone_matmul_item item;
            hone_matmul_item_at(f, work->arguments, begin, &item);
            const int64_t count = hone_min(hone_min(end - begin, plan->run - run.count), inner - begin % inner);
            for (int64_t i = 0; i < count; i++, run.count++) {
                a[run.count] = item.a + i * a_next;
                b[run.count] = item.b + i * b_next;
                c[run.count] = item.c + i * c_next;
            }
            begin += count;
        }
        for (int i = 0; i < plan->part_count; i++) plan->part[i].multiply(&plan->part[i], &run);
    }
}

static void pointers_run(const small_work *work, int64_t begin, int64_t end)
{
    const small_plan *plan = work->plan;
    const hone_span *at = work->arguments->at;
    const bool swapped = plan->frame.swapped;
    const char *const *a = hone_span_host(&at[swapped ? HONE_MATMUL_B : HONE_MATMUL_A]);
    const char *const *b = hone_span_host(&at[swapped ? HONE_MATMUL_A : HONE_MATMUL_B]);
    char *const *c = hone_span_host(&at[HONE_MATMUL_C]);
    for (; begin < end; begin += plan->run) {
        const hone_matmul_small_run run = {hone_min(plan->run, end - begin), a + begin, b + begin, c + begin,
                                           work->alpha, work->beta};
        for (int i = 0; i < plan->part_count; i++) plan->part[i].multiply(&plan->part[i], &run);
    }
}

/* A matrix at a time, and a strip at a time into room. */
static void rooms_run(const small_work *work, int64_t begin, int64_t end)
{
    const small_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    char room[HONE_MATMUL_TILE_BYTES_MAX] __attribute__((aligned(64)));
    char *const into = room;
    for (; begin < end; begin++) {
        hone_matmul_item item;
        hone_matmul_item_at(f, work->arguments, begin, &item);
        const hone_matmul_small_run run = {1, &item.a, &item.b, &into, work->alpha, 0};
        for (int i = 0; i < plan->part_count; i++) {
            hone_matmul_small_part part = plan->part[i];
            part.c_m = part.n;
            part.c_at = 0;
            for (part.strips = 1; part.row < plan->part[i].row + plan->part[i].strips * part.rows;
                 part.row += part.rows) {
                part.a_at = part.row * f->a_m * f->bytes_a;
                part.multiply(&part, &run);
                char *c = item.c + (part.row * f->c_m + part.column * f->c_n) * f->bytes_c;
                plan->small->kit->finish(&(hone_matmul_finish_job){part.rows, part.n, room, part.n, c, f->c_m, f->c_n,
                                                                   work->beta, part.row, part.column, f->step_count,
                                                                   item.step, f->type_c});
            }
        }
    }
}

static void items_run(void *argument, int64_t begin, int64_t end, char *nothing)
{
    (void)nothing;
    const small_work        *work = argument;
    const hone_matmul_frame *f = &work->plan->frame;
    if (f->step_count || f->c_n != 1)
        rooms_run(work, begin, end);
    else if (f->pointers)
        pointers_run(work, begin, end);
    else
        strides_run(work, begin, end);
}

static hone_status small_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                hone_span scratch)
{
    (void)scratch;
    const small_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    small_work    work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    const int64_t items = hone_matmul_items(f, arguments);
    if (!plan->part_count || !items) return HONE_OK;

    hone_deal_out(stream, &(hone_deal){plan->threads, items, hone_matmul_launch_seconds(f, arguments, plan->seconds),
                                       NULL, 0, false, items_run, &work});
    return HONE_OK;
}

static void small_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_small;
const hone_kernel        hone_matmul_small = {
    .name = "cpu.small",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = small_refuses,
    .space = &space,
    .suggest = small_suggest,
    .estimate = small_estimate,
    .prepare = small_prepare,
    .launch = small_launch,
    .release = small_release,
};
