/* cpu.weights: the matmul kernel for weights of few bits (weights.h), packed as n64k8 (n64k4 of 8 bits) or plain. Of
 * few rows they are read once, as fast as they come; they are never stored as real numbers.
 *
 *     c is cut into bands of rows and strips of columns, whole panels of 64, dealt out to the threads:
 *
 *         for each block of k                                                b ┌──┬──┬──┬──┐
 *             a plain b: make words of the strip's block                       │  │▒▒│▒▒│  │ a block of one strip
 *             for each panel: take its scales and zeros                        └──┴──┴──┴──┘
 *                 for some rows of a at a time: multiply, run by run
 *         then alpha, and the steps
 *
 * A run is a group of k, or an even part of a long one. The rows of a band are copied as floats, once a thread, unless
 * they can be read where they lie. Of groups that are no whole words each run begins with a new word, in the copy too.
 *
 * Where rows of a plain b lie along n a strip is wide, so that they are followed for a while.
 *
 * Sums run over k in order within a run, and over the runs in order; runs are cut at places that the problem and the
 * configuration tell, not the threads: so results are the same, bit for bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"
#include "kernels/matmul/weights.h"

enum { BLOCK, STRIP, AHEAD, PARAMETER_COUNT };
enum { WIDTH = HONE_MATMUL_WEIGHTS_WIDTH, MARK = 64 };               /* MARK: bytes of a room that say what it holds */
enum { BAND = 256, BAND_LEAST = 24, BAND_ELEMENTS = 1 << 21 }; /* rows of a band, and of its copy */

static const int64_t block_values[] = {64, 128, 256, 512, 1024, 2048, 4096};
static const int64_t strip_values[] = {64, 256, 512, 1024, 2048, 4096};
static const int64_t ahead_values[] = {0, 1024, 2048, 4096, 8192};
#define COUNT(values) ((int)(sizeof(values) / sizeof((values)[0])))

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [BLOCK] = {"block", 1024, COUNT(block_values), block_values, NULL, "how much of k is done at a time, about"},
    [STRIP] = {"strip", 64, COUNT(strip_values), strip_values, NULL, "columns of a strip, at most"},
    [AHEAD] = {"ahead", 2048, COUNT(ahead_values), ahead_values, NULL,
               "bytes: how far in advance a packed b is asked for"},
};

static int64_t block_stands(const hone_request *request, const hone_config *config);
static int64_t strip_stands(const hone_request *request, const hone_config *config);
static int64_t ahead_stands(const hone_request *request, const hone_config *config);
static const hone_sameness same[] = {{BLOCK, 0, block_stands}, {STRIP, 0, strip_stands}, {AHEAD, 0, ahead_stands}};
static const hone_space space = {PARAMETER_COUNT, parameters, 0, NULL, COUNT(same), same};

const hone_matmul_weights_kit *hone_matmul_weights_for(const hone_be_device *device)
{
#ifdef __x86_64__
    if (device->cpu.isa >= HONE_ISA_AVX512) return &hone_matmul_weights_avx512;
    if (device->cpu.isa >= HONE_ISA_AVX2) return &hone_matmul_weights_avx2;
#endif
    (void)device;
    return &hone_matmul_weights_any;
}

typedef struct weights_plan {
    hone_matmul_frame              frame;
    const hone_matmul_weights_kit *kit;
    const hone_matmul_tile        *tile; /* whose kit packs and finishes */
    int     threads;
    bool    whole; /* all runs but the last are whole words: a's copy, and words, are as one */
    bool    in_place, scales_in_place, zeros_in_place;
    int64_t word;          /* k of a word */
    int64_t bands, strips; /* of one matrix */
    int64_t strip;         /* panels of a strip, at most */
    int64_t group, groups; /* k that share scales, and how often */
    int64_t run, runs;     /* k of a run; runs of a group */
    int64_t room;          /* k of a run's whole words */
    int64_t block;         /* runs of a block: of one group alone where that has several */
    int64_t a_line, ahead;
    size_t  a_bytes, a_sums_bytes, scale_bytes, zero_bytes, words_bytes, sums_bytes, room_bytes;
    double  seconds;       /* that one thread takes, as estimated */
} weights_plan;

static size_t whole_lines(int64_t bytes)
{
    return (size_t)hone_round_up(bytes, 64);
}

static void plan_make(const hone_request *request, const hone_config *config, weights_plan *out)
{
    const int64_t block = config->value[BLOCK];
    memset(out, 0, sizeof *out);
    hone_matmul_frame_make(request->problem, &out->frame);
    const hone_matmul_frame *f = &out->frame;
    out->kit = hone_matmul_weights_for(request->device);
    out->tile = hone_matmul_tile_for(request->device, HONE_F32);
    out->threads = request->threads;
    out->word = 32 / f->bits_b;
    const int64_t panels = hone_max(hone_divide_up(f->n, WIDTH), 1);
    const int64_t band = hone_max(hone_min(BAND_ELEMENTS / hone_max(f->k, 1), BAND), BAND_LEAST);
    out->bands = hone_max(hone_divide_up(f->m, band), 1);
    out->strips = hone_divide_up(panels * WIDTH, config->value[STRIP]);
    if (request->threads > 1 && f->items * out->bands * out->strips < 4 * request->threads)
        out->strips = hone_min(hone_round_up(out->strips, request->threads), panels);
    out->strip = hone_divide_up(panels, out->strips);
    out->strips = hone_divide_up(panels, out->strip);
    out->ahead = f->b_width ? config->value[AHEAD] : 0;

    out->group = hone_max(f->group_k ? hone_min(f->group_k, f->k) : f->k, 1);
    out->groups = hone_divide_up(f->k, out->group);
    const int64_t parts = hone_divide_up(out->group, block);
    out->run = parts > 1 ? hone_round_up(hone_divide_up(out->group, parts), 8) : out->group;
    out->runs = hone_divide_up(out->group, out->run);
    out->room = hone_round_up(out->run, out->word);
    out->whole = out->run % out->word == 0 && (out->group % out->word == 0 || out->groups <= 1);
    out->block = out->runs > 1 ? 1 : hone_min(block / out->run, out->groups);

    out->in_place = f->type_a == HONE_F32 && f->a_k == 1 && f->k % out->word == 0 && out->whole;
    out->scales_in_place = f->type_scale == HONE_F32 && f->scale.column == 1 && f->n % WIDTH == 0;
    out->zeros_in_place = f->type_scale == HONE_F32 && f->zero.column == 1 && f->n % WIDTH == 0;
    const int64_t rows = hone_divide_up(f->m, out->bands);
    out->a_line = hone_round_up(out->groups * out->runs * out->room, 16) + 16;
    out->a_bytes = out->in_place ? 0 : whole_lines(rows * out->a_line * 4);
    out->a_sums_bytes = f->zeros ? whole_lines(rows * out->groups * out->runs * 4) : 0;
    out->scale_bytes = out->scales_in_place ? 0 : (size_t)(out->block * WIDTH * 4);
    out->zero_bytes = out->zeros_in_place || !f->zeros ? 0 : (size_t)(out->block * WIDTH * 4);
    if (!f->b_width) out->words_bytes = (size_t)(out->strip * out->block * out->room / out->word * WIDTH * 4);
    out->sums_bytes = (size_t)(out->strip * rows * WIDTH * 4);
    out->room_bytes = MARK + out->a_bytes + out->a_sums_bytes + out->scale_bytes + out->zero_bytes + out->words_bytes +
                      out->sums_bytes;
}

/* Of values that cut k alike: the standard one, else the least. */
static int64_t block_stands(const hone_request *request, const hone_config *config)
{
    weights_plan plan, other;
    plan_make(request, config, &plan);
    plan_make(request, &(hone_config){.value = {parameters[BLOCK].standard, WIDTH}}, &other);
    if (plan.run == other.run && plan.block == other.block) return parameters[BLOCK].standard;
    for (int i = 0;; i++) { /* the value itself at last */
        plan_make(request, &(hone_config){.value = {block_values[i], WIDTH}}, &other);
        if (plan.run == other.run && plan.block == other.block) return block_values[i];
    }
}

static int64_t strip_stands(const hone_request *request, const hone_config *config)
{
    weights_plan plan, other;
    plan_make(request, config, &plan);
    for (int i = 0;; i++) { /* the first is the standard one; the value itself at last */
        hone_config like = *config;
        like.value[STRIP] = strip_values[i];
        plan_make(request, &like, &other);
        if (plan.strip == other.strip) return strip_values[i];
    }
}

static int64_t ahead_stands(const hone_request *request, const hone_config *config)
{
    const hone_matmul_problem *p = request->problem;
    return hone_matmul_packed_b(p) ? config->value[AHEAD] : parameters[AHEAD].standard;
}

static const char *weights_refuses(const hone_request *request)
{
    const hone_matmul_problem *p = request->problem;
    if (!hone_matmul_is_scaled(p)) return "b has no scales: it is no weights of few bits";
    const int word = 32 / hone_dtype_bits((hone_dtype)p->type_b);
    if (hone_matmul_packed_b(p) && (hone_matmul_layout_width(p->b_layout) != WIDTH ||
                                    hone_matmul_layout_group(p->b_layout) != word))
        return HONE_MATMUL_PACKED_REFUSED;
    if (hone_matmul_operand_steps(p)) return HONE_MATMUL_OPERAND_STEPS_REFUSED;
    if (p->group_n != 1) return "columns share scales";
    if (hone_matmul_packed_b(p) && p->group_k % word && p->group_k < p->k)
        return "b is packed in words of 8 (of 8 bits, 4) k, of which a group is no multiple";
    return NULL;
}

/* The rate of full vectors; each weight becomes a number once for each strip of rows, which hides behind the
 * multiplications but for a part; and b once from wherever it lies. */
static double weights_estimate(const hone_request *request, const hone_config *config)
{
    const hone_be_device *device = request->device;
    weights_plan plan;
    plan_make(request, config, &plan);
    const hone_matmul_frame *f = &plan.frame;
    if (!f->m || !f->n || !f->items) return 0;

    /* Measured, in multiplications a vector of weights: what making numbers adds, and making words of a plain b. */
    const double number = plan.kit->isa == HONE_ISA_AVX512 ? 0.7 : 2;
    const double word = f->b_width ? 0 : f->b_k == 1 ? 0.7 : f->b_n == 1 ? 1.2 : 16;
    const double m = (double)f->m, k = (double)f->k, items = (double)f->items;
    const double units = items * (double)(plan.bands * plan.strips), panels = (double)hone_divide_up(f->n, WIDTH);
    const int threads = hone_matmul_threads(request, config, weights_estimate, (int64_t)units);
    const double share = (double)hone_divide_up((int64_t)units, threads) / units;
    const double cycle = 2.0 * plan.kit->lanes / hone_matmul_peak_of(device, plan.kit->isa, HONE_F32, plan.kit->lanes);
    const double tiles = (double)hone_divide_up(f->m, plan.kit->rows), vectors = (double)WIDTH / plan.kit->lanes;
    const double runs = (double)(plan.groups * plan.runs);

    double panel = k * vectors * (m + tiles * number + word * (double)plan.bands) * cycle;
    panel += runs * (tiles * 12 + m * vectors * 3) * cycle; /* the end of a run */
    double one = items * panels * share * panel;
    if (!plan.in_place) one += threads * share * items * m * k * (f->a_k == 1 ? 0.15e-9 : 0.5e-9);
    const double scales = hone_dtype_bits(f->type_scale) / 8.0 * (f->zeros ? 2 : 1) * (double)(plan.groups * f->n);
    const double all = hone_matmul_footprint(f) + items * scales;
    const double reads = items * (f->bits_b * k * (double)f->n / 8 + f->bytes_a * m * k + scales);
    double fetch = hone_matmul_read_seconds_by(device, reads, all, threads);
    if (!f->b_width && hone_matmul_far(device, all) > 0.5) { /* lines of a block, each on another page */
        const double line = (double)(f->b_k == 1 ? plan.block * plan.run : plan.strip * WIDTH) * f->bits_b / 8;
        fetch *= hone_matmul_far_down(line);
    }
    one = fmax(one, fetch) + fmin(one, fetch) * 0.15;
    one += items * panels * share * m * vectors * 8 * cycle; /* the end: from the sums into c */
    return one + share * units * 40e-9 + hone_matmul_fork_seconds(device, threads) + 30e-9;
}

/* As much of k as stays in the first-level cache beside the rows, or in the second: of a plain b lines are followed. */
static int weights_suggest(const hone_request *request, hone_config *configs, int cap)
{
    const hone_matmul_problem *p = request->problem;
    hone_matmul_frame f;
    hone_config       config;
    double            seconds[4];
    int               count = 0;
    hone_matmul_frame_make(p, &f);
    hone_config_standard(&space, &config);
    if (f.b_width) {
        config.value[BLOCK] = p->m > 4 ? 512 : 1024;
        for (int i = 0; i < 2; i++) {
            config.value[AHEAD] = i ? 4096 : 2048;
            hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, 4), &config,
                                    weights_estimate(request, &config));
        }
        return count;
    }
    const bool along = f.b_n == 1 && f.b_k != 1;
    for (int i = 0; i < 3; i++) {
        config.value[BLOCK] = along ? 64 << i : 512 << i;
        config.value[STRIP] = along ? 4096 >> i : WIDTH;
        hone_matmul_config_rank(configs, seconds, &count, hone_min(cap, 4), &config,
                                weights_estimate(request, &config));
    }
    return count;
}

static int weights_layouts(const hone_request *request, int role, hone_layout *out, int cap)
{
    const hone_matmul_problem *p = request->problem;
    if (role != HONE_MATMUL_B || !hone_matmul_is_scaled(p) || hone_matmul_packed_b(p) || cap < 1) return 0;
    const int   bits = hone_dtype_bits((hone_dtype)p->type_b), word = 32 / bits;
    hone_layout layout;
    memset(&layout, 0, sizeof layout);
    snprintf(layout.name, sizeof layout.name, "n%dk%d", WIDTH, word);
    if (!hone_matmul_layout_bytes(WIDTH, word, bits, p->k, p->n, &layout.bytes)) return 0;
    out[0] = layout;
    return 1;
}

static hone_status weights_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                   void **ready, hone_needs *needs)
{
    (void)details;
    weights_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    plan->seconds = hone_matmul_alone_seconds(request, config, weights_estimate);
    needs->scratch_bytes = (size_t)plan->threads * plan->room_bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch ------------------------------------------------------------------------------------------------ */

typedef struct weights_work {
    const weights_plan   *plan;
    const hone_arguments *arguments;
    double                alpha, beta;
} weights_work;

/* What one thread keeps: the floats of a band, and the rest of a block. */
typedef struct weights_room {
    int64_t  *held; /* which band of which matrix, counted through */
    float    *a, *a_sums, *scale, *zero, *sums;
    uint32_t *words;
} weights_room;

static weights_room room_of(const weights_plan *plan, char *at)
{
    weights_room room = {.held = (int64_t *)(void *)at};
    room.a = (float *)(void *)(at += MARK);
    room.a_sums = (float *)(void *)(at += plan->a_bytes);
    room.scale = (float *)(void *)(at += plan->a_sums_bytes);
    room.zero = (float *)(void *)(at += plan->scale_bytes);
    room.words = (uint32_t *)(void *)(at += plan->zero_bytes);
    room.sums = (float *)(void *)(at + plan->words_bytes);
    return room;
}

/* Where run `run` of all begins, and what of k it has. */
static int64_t run_at(const weights_plan *plan, int64_t run)
{
    return run / plan->runs * plan->group + run % plan->runs * plan->run;
}

static int64_t run_length(const weights_plan *plan, int64_t run)
{
    const int64_t end = hone_min(run_at(plan, run) + plan->run, (run / plan->runs + 1) * plan->group);
    return hone_max(hone_min(end, plan->frame.k) - run_at(plan, run), 0);
}

/* A band's rows as floats, and with zeros the sum of each run of each row. */
static const float *a_take(const weights_plan *plan, const char *from, int64_t band, int64_t rows,
                           const weights_room *room, int64_t *line)
{
    const hone_matmul_frame *f = &plan->frame;
    const float *a = plan->in_place ? (const float *)(const void *)from : room->a;
    const int64_t runs = plan->groups * plan->runs;
    *line = plan->in_place ? f->a_m : plan->a_line;
    if (*room->held == band) return a;
    *room->held = band;
    for (int64_t run = 0; !plan->in_place && run < (plan->whole ? 1 : runs); run++) {
        const int64_t length = plan->whole ? f->k : run_length(plan, run), at = run_at(plan, run);
        hone_matmul_kit_beside(plan->tile, f->type_a)
            ->pack(&(hone_matmul_pack_job){rows, length, hone_round_up(length, plan->word),
                                           from + at * f->a_k * f->bytes_a, f->a_m, f->a_k,
                                           room->a + run * plan->room, plan->a_line});
    }
    for (int64_t i = 0; f->zeros && i < rows; i++)
        for (int64_t run = 0; run < runs; run++) {
            const float  *x = a + i * *line + (plan->whole ? run_at(plan, run) : run * plan->room);
            const int64_t length = run_length(plan, run);
            float         sum = 0;
            for (int64_t k = 0; k < length; k++) sum += x[k];
            room->a_sums[i * runs + run] = sum;
        }
    return a;
}

/* A block's scales or zeros: lines of 64 columns. */
static const float *groups_take(const weights_plan *plan, const char *from, const hone_matmul_groups *lie,
                                int64_t group, int64_t count, int64_t column, int64_t n, bool in_place, float *to,
                                int64_t *line)
{
    const hone_matmul_frame *f = &plan->frame;
    const int64_t bytes = hone_dtype_bits(f->type_scale) / 8;
    from += (group * lie->row + column * lie->column) * bytes;
    *line = in_place ? lie->row : WIDTH;
    if (in_place) return (const float *)(const void *)from;
    hone_matmul_kit_beside(plan->tile, f->type_scale)
        ->pack(&(hone_matmul_pack_job){count, n, WIDTH, from, lie->row, lie->column, to, WIDTH});
    return to;
}

/* One strip of columns, one band of rows. */
typedef struct weights_piece {
    const weights_plan *plan;
    const weights_room *room;
    hone_matmul_item    item;
    int64_t             row, rows, column, columns;
    const float        *a;
    int64_t             a_line;
} weights_piece;

/* Words of the whole strip, from this run of a plain b on. */
static void words_make(const weights_piece *piece, int64_t run, int64_t count, int64_t length)
{
    const weights_plan *plan = piece->plan;
    const hone_matmul_frame *f = &plan->frame;
    hone_matmul_words_job job = {.n = piece->columns, .bits = f->bits_b, .from = piece->item.b, .from_k = f->b_k,
                                 .from_n = f->b_n, .to_panel = plan->block * plan->room / plan->word * WIDTH};
    for (int64_t i = 0; i < (plan->whole ? 1 : count); i++) {
        job.k = plan->whole ? length : run_length(plan, run + i);
        job.first = run_at(plan, run + i) * f->b_k + piece->column * f->b_n;
        job.to = piece->room->words + i * plan->room / plan->word * WIDTH;
        plan->kit->words(&job);
    }
}

/* Runs `run` .. run + count - 1, which are one block, of one panel of the strip. */
static void panel_run(const weights_piece *piece, int64_t run, int64_t count, int64_t last, int64_t panel)
{
    const weights_plan *plan = piece->plan;
    const weights_room *room = piece->room;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t runs = plan->groups * plan->runs, group = run / plan->runs, column = piece->column + panel * WIDTH;
    const int64_t n = hone_min(f->n - column, WIDTH), lines = hone_divide_up(f->k, plan->word);
    const int64_t k = plan->whole ? run_at(plan, run) : run * plan->room;
    hone_matmul_weights_job job = {.bits = f->bits_b, .is_signed = f->type_b == HONE_S4 || f->type_b == HONE_S8,
                                   .ahead = plan->ahead, .runs = count, .words = plan->room / plan->word,
                                   .last = hone_divide_up(last, plan->word), .a_m = piece->a_line, .a_sums_m = runs};

    job.scale = groups_take(plan, piece->item.scale, &f->scale, group, count, column, n, plan->scales_in_place,
                            room->scale, &job.scale_line);
    if (f->zeros)
        job.zero = groups_take(plan, piece->item.zero, &f->zero, group, count, column, n, plan->zeros_in_place,
                               room->zero, &job.zero_line);
    job.b = room->words + panel * plan->block * job.words * WIDTH;
    if (f->b_width) job.b = piece->item.b + (column / WIDTH * lines + k / plan->word) * WIDTH * 4;
    const int64_t tiles = hone_divide_up(piece->rows, plan->kit->rows);
    for (int64_t s = 0, row = 0; s < tiles; s++, row += job.m) {
        job.m = (s + 1) * piece->rows / tiles - row;
        job.a = piece->a + row * job.a_m + k;
        job.a_sums = room->a_sums + row * runs + run;
        job.sums = room->sums + (panel * piece->rows + row) * WIDTH;
        plan->kit->multiply(&job);
    }
}

static void piece_run(const weights_work *work, int64_t unit, const weights_room *room)
{
    const weights_plan *plan = work->plan;
    const hone_matmul_frame *f = &plan->frame;
    const int64_t strip = unit % plan->strips, band = unit / plan->strips, runs = plan->groups * plan->runs;
    weights_piece piece = {.plan = plan, .room = room, .row = band % plan->bands * f->m / plan->bands,
                           .column = strip * plan->strip * WIDTH};
    piece.rows = (band % plan->bands + 1) * f->m / plan->bands - piece.row;
    piece.columns = hone_min(f->n - piece.column, plan->strip * WIDTH);
    const int64_t panels = hone_divide_up(piece.columns, WIDTH);

    hone_matmul_item_at(f, work->arguments, band / plan->bands, &piece.item);
    piece.a = a_take(plan, piece.item.a + piece.row * f->a_m * f->bytes_a, band, piece.rows, room, &piece.a_line);
    memset(room->sums, 0, plan->sums_bytes);
    for (int64_t run = 0, count; run < runs; run += count) {
        count = plan->runs > 1 ? 1 : hone_min(plan->block, runs - run);
        const int64_t last = run_length(plan, run + count - 1);
        if (!last) continue; /* the last group is short, and has fewer */
        if (!f->b_width) words_make(&piece, run, count, (count - 1) * plan->run + last);
        for (int64_t panel = 0; panel < panels; panel++) panel_run(&piece, run, count, last, panel);
    }
    for (int64_t i = 0; work->alpha != 1 && i < panels * piece.rows * WIDTH; i++)
        room->sums[i] *= (float)work->alpha;
    for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t column = piece.column + panel * WIDTH;
        char         *c = piece.item.c + (piece.row * f->c_m + column * f->c_n) * f->bytes_c;
        plan->tile->kit->finish(&(hone_matmul_finish_job){
            piece.rows, hone_min(f->n - column, WIDTH), room->sums + panel * piece.rows * WIDTH, WIDTH, c, f->c_m,
            f->c_n, work->beta, piece.row, column, f->step_count, piece.item.step, f->type_c});
    }
}

static void pieces_run(void *argument, int64_t begin, int64_t end, char *scratch)
{
    const weights_work *work = argument;
    const weights_room  room = room_of(work->plan, scratch);
    for (int64_t unit = begin; unit < end; unit++) piece_run(work, unit, &room);
}

static hone_status weights_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments,
                                  hone_span scratch)
{
    const weights_plan *plan = ready;
    const hone_matmul_frame *f = &plan->frame;
    if (!f->m || !f->n) return HONE_OK;
    weights_work work = {plan, arguments, hone_matmul_alpha(arguments), hone_matmul_beta(f, arguments)};
    hone_deal_out(stream,
                  &(hone_deal){plan->threads, hone_matmul_items(f, arguments) * plan->bands * plan->strips,
                               plan->seconds, hone_span_host(&scratch), plan->room_bytes, true, pieces_run, &work});
    return HONE_OK;
}

static void weights_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_matmul_weights;
const hone_kernel        hone_matmul_weights = {
    .name = "cpu.weights",
    .op = "matmul",
    .op_version = 2,
    .problem_size = sizeof(hone_matmul_problem),
    .backend = "cpu",
    .version = 1,
    .properties = HONE_BITWISE_ALL,
    .refuses = weights_refuses,
    .space = &space,
    .suggest = weights_suggest,
    .layouts = weights_layouts,
    .estimate = weights_estimate,
    .prepare = weights_prepare,
    .launch = weights_launch,
    .release = weights_release,
};
