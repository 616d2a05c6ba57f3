/* cpu.flash: attention that keeps no more scores than a strip of rows has against one block of keys.
 *
 *     for each unit: some rows, queries of all heads that share one of k and v
 *         for each block of keys that any of them sees
 *             pack k and v into panels, as floats                                   (flash.inl)
 *             for each strip of the rows
 *                 scores = q k', no further than the strip sees
 *                 weights = 2^(scores - the row's largest so far); the sums so far are brought to it
 *                 sums += weights v
 *         out = sums / the sum of the weights
 *
 * Rows are numbered so that the heads of a group follow each other: strips are then as narrow as they can be where a
 * mask ends, and a decoder's few queries still fill them. Strips begin at multiples of their rows and blocks at
 * multiples of their keys, whatever the units are: results are the same, bit for bit, for any number of threads.
 *
 * Rows of a strip that see different keys are multiplied with all that any of them sees, by weights of 0; were such a
 * value of v not finite, that row would be no number. So where results are not finite and such values are the reason,
 * these rows are done again, each alone. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/element.h"
#include "base/size.h"
#include "base/status.h"
#include "kernels/attention/flash.h"
#include "kernels/common/deal.h"
#include "kernels/kernel.h"
#include "kernels/matmul/frame.h"

enum { ROWS, KEYS, PARAMETER_COUNT };

static const int64_t rows_values[] = {112, 224, 448, 896, 1792};
static const int64_t keys_values[] = {64, 128, 256, 512};

static const hone_parameter parameters[PARAMETER_COUNT] = {
    [ROWS] = {"rows", 896, sizeof rows_values / sizeof rows_values[0], rows_values, NULL,
              "rows that share packed keys, at most"},
    [KEYS] = {"keys", 512, sizeof keys_values / sizeof keys_values[0], keys_values, NULL, "keys of a block"},
};

static int64_t               keys_stand(const hone_request *request, const hone_config *config);
static const hone_sameness   same = {KEYS, 0, keys_stand};
static const hone_space      space = {PARAMETER_COUNT, parameters, 0, NULL, 1, &same};

#define HONE_FLASH(name) extern const hone_attention_flash_kit name;
#include "kernels/attention/flashes.def"
#undef HONE_FLASH

const hone_attention_flash_kit *const hone_attention_flashes[] = {
#define HONE_FLASH(name) &name,
#include "kernels/attention/flashes.def"
#undef HONE_FLASH
};
const int hone_attention_flash_count = (int)(sizeof hone_attention_flashes / sizeof hone_attention_flashes[0]);

typedef struct flash_plan {
    hone_attention_problem          p;
    const hone_attention_flash_kit *kit;
    int                             threads;
    int64_t                         group; /* heads that share one of k and v */
    int64_t                         rows, keys; /* of a unit, of a block: at most */
    int64_t                         d_v, sums_line; /* d_v in whole panels */
    int64_t                         parts; /* where sequences are no shorter than they seem: units of one */
    size_t                          k_bytes, v_bytes, sums_bytes, room_bytes, table_bytes;
    double                          seconds; /* that one thread takes, as estimated */
} flash_plan;

static const hone_attention_flash_kit *kit_for(const hone_be_device *device)
{
    for (int i = 0; i < hone_attention_flash_count; i++)
        if (hone_attention_flashes[i]->isa <= device->cpu.isa) return hone_attention_flashes[i];
    return NULL;
}

/* Of values that keep all keys in one block: the largest. */
static int64_t keys_stand(const hone_request *request, const hone_config *config)
{
    const hone_attention_problem *p = request->problem;
    return p->k_len <= config->value[KEYS] ? parameters[KEYS].standard : config->value[KEYS];
}

static const char *flash_refuses(const hone_request *request)
{
    const hone_attention_problem *p = request->problem;
    if (!kit_for(request->device)) return "no inner loops for this instruction set";
    if (p->d > HONE_ATTENTION_D_MAX || p->d_v > HONE_ATTENTION_D_MAX) return "a head size is above 512";
    if (p->q_len > INT32_MAX || p->heads > INT32_MAX) return "more rows than 31 bits count";
    return NULL;
}

static void plan_make(const hone_request *request, const hone_config *config, flash_plan *plan)
{
    const hone_attention_problem *p = request->problem;
    memset(plan, 0, sizeof *plan);
    plan->p = *p;
    plan->kit = kit_for(request->device);
    plan->threads = request->threads;
    plan->group = p->heads / p->kv_heads;
    const int64_t width = plan->kit->width, strip = plan->kit->rows;
    const int64_t strips = hone_max(hone_divide_up(p->q_len * plan->group, strip), 1);
    const bool    packed = p->lengths == HONE_ATTENTION_PACKED;
    /* Some units for each thread; then all of one length, nearly. */
    const int64_t others = hone_max((packed ? 1 : p->batch) * p->kv_heads, 1);
    int64_t       parts = hone_divide_up(strips, hone_max(config->value[ROWS] / strip, 1));
    if (request->threads > 1) parts = hone_max(parts, hone_divide_up(4 * (int64_t)request->threads, others));
    parts = hone_min(parts, strips);
    const int64_t each = hone_divide_up(strips, parts);
    plan->rows = each * strip;
    plan->parts = hone_divide_up(strips, each);
    plan->keys = hone_max(hone_min(config->value[KEYS], hone_round_up(p->k_len, width)), width);
    plan->d_v = hone_round_up(p->d_v, width);
    plan->sums_line = plan->d_v;
    plan->k_bytes = (size_t)(plan->keys * p->d) * sizeof(float);
    plan->v_bytes = (size_t)(plan->keys * plan->d_v) * sizeof(float);
    plan->sums_bytes = (size_t)((plan->rows + strip) * plan->sums_line) * sizeof(float);
    plan->room_bytes = (size_t)hone_round_up(
        (int64_t)(plan->k_bytes + plan->v_bytes + plan->sums_bytes +
                  2 * HONE_ATTENTION_ROWS_MAX * HONE_ATTENTION_LINE * sizeof(float)) +
            plan->rows * (int64_t)sizeof(hone_attention_row), 64);
    plan->table_bytes = packed ? (size_t)hone_round_up((p->batch + 3) * 5 * (int64_t)sizeof(int64_t), 64) : 0;
}

/* --- how long it takes ------------------------------------------------------------------------------------------- */

static double flash_estimate(const hone_request *request, const hone_config *config)
{
    const hone_attention_problem *p = request->problem;
    flash_plan plan;
    plan_make(request, config, &plan);
    const int    lanes = plan.kit->lanes, strip = plan.kit->rows;
    const double sequences = (double)p->batch, share = p->lengths == HONE_ATTENTION_PACKED ? fmax(sequences, 1) : 1;
    const double queries = (double)p->q_len / share, keys = (double)p->k_len / share, heads = (double)p->heads;
    const double seen = hone_attention_seen(p, queries, keys), rows = queries * (double)plan.group;
    if (!(sequences * heads * queries > 0)) return 0;
    /* In vectors multiplied. A strip also multiplies what only some of its rows see, and whole vectors of keys. */
    const double masked = p->before >= 0 || p->after >= 0 ? (double)strip / (double)plan.group : 0;
    const double strips = ceil(rows / strip), full = strips * strip / rows;
    const double wide = (seen + queries * fmin(masked + lanes / 2.0, keys)) * full / lanes;
    const double d_v = (double)hone_round_up(p->d_v, lanes);
    double       one = wide * ((double)p->d + d_v) + wide * (plan.kit->cost + (p->cap ? 12 : 0) + (p->alibi ? 4 : 0) +
                                                             (p->bias_type ? 6 : 0));
    one *= heads * sequences;
    /* Packing, once a unit; about as long as four products take. */
    const double packs = ceil(rows / (double)plan.rows) * (double)p->kv_heads * sequences;
    one += packs * fmin(keys, seen / fmax(queries, 1) + (double)plan.rows) * ((double)p->d + d_v) / lanes * 4;
    one += strips * (double)p->kv_heads * sequences * ceil(keys / (double)plan.keys) * 300;
    const double units = packs;
    const int    threads = (int)fmin(plan.threads, fmax(units, 1));
    const double cycle = 2.0 * lanes / hone_matmul_peak_of(request->device, plan.kit->isa, HONE_F32, lanes);
    return one * cycle * 1.06 * ceil(units / threads) / units + hone_matmul_fork_seconds(request->device, threads) +
           units * 4e-7 + 1e-7;
}

static int flash_suggest(const hone_request *request, hone_config *configs, int cap)
{
    const hone_attention_problem *p = request->problem;
    if (cap < 1) return 0;
    hone_config_standard(&space, &configs[0]);
    /* Panels stay in half of the second cache, sums in a quarter. */
    const double half = (double)request->device->cpu.cache_bytes[HONE_LEVEL_L2] / 2 / sizeof(float);
    while (configs[0].value[KEYS] > 128 && configs[0].value[KEYS] < p->k_len &&
           (double)configs[0].value[KEYS] * (double)(p->d + p->d_v) > half)
        configs[0].value[KEYS] /= 2;
    while (configs[0].value[ROWS] > 224 && (double)configs[0].value[ROWS] * (double)p->d_v > half / 2)
        configs[0].value[ROWS] /= 2;
    return 1;
}

static hone_status flash_prepare(const hone_request *request, const hone_config *config, const hone_details *details,
                                 void **ready, hone_needs *needs)
{
    (void)details;
    flash_plan *plan = hone_alloc(1, sizeof *plan);
    if (!plan) return HONE_ERROR_MEMORY;
    plan_make(request, config, plan);
    hone_request alone = *request;
    alone.threads = 1;
    plan->seconds = flash_estimate(&alone, config);
    needs->scratch_bytes = plan->table_bytes + (size_t)plan->threads * plan->room_bytes;
    *ready = plan;
    return HONE_OK;
}

/* --- one launch -------------------------------------------------------------------------------------------------- */

/* Packed sequences: each, and the rows before the first and behind the last, with its first unit. */
typedef struct stretch {
    int64_t unit, q_begin, q_length, k_begin, k_length;
} stretch;

typedef struct flash_work {
    const flash_plan *plan;
    const char       *at[HONE_ATTENTION_OPERANDS];
    float             scale, cap;
    const stretch    *stretches; /* NULL: not packed */
    int64_t           stretch_count, units;
} flash_work;

/* The memory of one thread. */
typedef struct flash_room {
    float              *k, *v, *sums, *q_lines, *scores;
    hone_attention_row *row;
} flash_room;

static flash_room room_at(const flash_plan *plan, char *memory)
{
    flash_room room;
    room.k = (float *)(void *)memory;
    room.v = (float *)(void *)(memory += plan->k_bytes);
    room.sums = (float *)(void *)(memory += plan->v_bytes);
    room.q_lines = (float *)(void *)(memory += plan->sums_bytes);
    room.scores = room.q_lines + HONE_ATTENTION_ROWS_MAX * HONE_ATTENTION_LINE;
    room.row = (hone_attention_row *)(void *)(room.scores + HONE_ATTENTION_ROWS_MAX * HONE_ATTENTION_LINE);
    return room;
}

static int64_t bytes_of(uint8_t type)
{
    return hone_dtype_bits((hone_dtype)type) / 8;
}

/* What a unit is about. */
typedef struct flash_unit {
    hone_attention_sequence s;
    int64_t                 rows_there; /* rows of q that are to be written: those past its length, too */
    int64_t                 kv_head, begin, count; /* its rows, of all of the group's */
} flash_unit;

static flash_unit unit_of(const flash_work *work, int64_t index)
{
    const flash_plan             *plan = work->plan;
    const hone_attention_problem *p = &plan->p;
    flash_unit                    u = {.kv_head = index % p->kv_heads};
    int64_t                       part = index / p->kv_heads;
    if (work->stretches) {
        int64_t low = 0, high = work->stretch_count - 1; /* the last one that begins no later */
        while (low < high) {
            const int64_t middle = (low + high + 1) / 2;
            if (work->stretches[middle].unit <= part)
                low = middle;
            else
                high = middle - 1;
        }
        const stretch *t = &work->stretches[low];
        u.s = (hone_attention_sequence){0, t->q_begin, t->q_length, t->k_begin, t->k_length};
        u.rows_there = t->q_length;
        if (low == 0 || low == work->stretch_count - 1) u.s.q_length = 0; /* outside all sequences */
        part -= t->unit;
    } else {
        int64_t floor[2] = {0, 0};
        /* The longest first where later queries see more. */
        const int64_t item = part % p->batch;
        part = plan->parts - 1 - part / p->batch;
        u.s =
            hone_attention_sequence_at(p, (const int32_t *)(const void *)work->at[HONE_ATTENTION_Q_LENGTHS],
                                       (const int32_t *)(const void *)work->at[HONE_ATTENTION_K_LENGTHS], item, floor);
        u.rows_there = p->q_len;
    }
    u.begin = part * plan->rows;
    u.count = hone_min(plan->rows, u.rows_there * plan->group - u.begin);
    return u;
}

static void row_make(const flash_work *work, const flash_unit *u, int64_t index, hone_attention_row *row)
{
    const flash_plan             *plan = work->plan;
    const hone_attention_problem *p = &plan->p;
    const int64_t i = index / plan->group, head = u->kv_head * plan->group + index % plan->group;
    const int64_t at = u->s.q_begin + i, item = u->s.item, size = bytes_of(p->type);
    memset(row, 0, sizeof *row);
    row->q = work->at[HONE_ATTENTION_Q] +
             (item * p->q_stride[0] + at * p->q_stride[1] + head * p->q_stride[2]) * size;
    row->out = (char *)(uintptr_t)work->at[HONE_ATTENTION_OUT] +
               (item * p->out_stride[0] + at * p->out_stride[1] + head * p->out_stride[2]) * size;
    if (p->lse)
        row->lse = (float *)(uintptr_t)work->at[HONE_ATTENTION_LSE] + item * p->lse_stride[0] +
                   head * p->lse_stride[1] + at * p->lse_stride[2];
    if (p->bias_type)
        row->bias = work->at[HONE_ATTENTION_BIAS] +
                    (item * p->bias_stride[0] + head * p->bias_stride[1] + at * p->bias_stride[2]) *
                        bytes_of(p->bias_type);
    if (p->alibi) row->slope = ((const float *)(const void *)work->at[HONE_ATTENTION_SLOPES])[head];
    if (p->sinks) row->sink = ((const float *)(const void *)work->at[HONE_ATTENTION_SINKS])[head];
    row->exists = i < u->s.q_length;
    if (row->exists) hone_attention_sees(p, &u->s, i, &row->place, &row->low, &row->high);
    row->most = -INFINITY;
}

static hone_attention_lines lines_of(const flash_work *work, const flash_unit *u, int role, int64_t key)
{
    const hone_attention_problem *p = &work->plan->p;
    const int64_t *stride = role == HONE_ATTENTION_K ? p->k_stride : p->v_stride, size = bytes_of(p->type);
    return (hone_attention_lines){work->at[role] + (u->s.item * stride[0] + (u->s.k_begin + key) * stride[1] +
                                                    u->kv_head * stride[2]) * size,
                                  stride[1] * size, (role == HONE_ATTENTION_K ? p->d : p->d_v) > 1 ? stride[3] * size
                                                                                                   : size,
                                  (hone_dtype)p->type};
}

static hone_attention_strip strip_of(const flash_work *work, const flash_room *room)
{
    const flash_plan             *plan = work->plan;
    const hone_attention_problem *p = &plan->p;
    const int64_t                 size = bytes_of(p->type);
    return (hone_attention_strip){
        .k = room->k, .v = room->v, .panel_keys = plan->keys, .d = p->d, .d_v = p->d_v, .sums_line = plan->sums_line,
        .scale = work->scale, .cap = work->cap, .alibi = p->alibi, .type = (hone_dtype)p->type,
        .bias_type = (hone_dtype)p->bias_type, .q_element = p->d > 1 ? p->q_stride[3] * size : size,
        .bias_element = p->bias_type ? p->bias_stride[3] * bytes_of(p->bias_type) : 0,
        .out_element = p->d_v > 1 ? p->out_stride[3] * size : size, .q_lines = room->q_lines, .scores = room->scores};
}

/* All blocks of keys that these rows see, each strip of them in turn. */
static void rows_run(const flash_work *work, const flash_unit *u, const flash_room *room, hone_attention_row *row,
                     int64_t count)
{
    const flash_plan    *plan = work->plan;
    hone_attention_strip strip = strip_of(work, room);
    int64_t              low = INT64_MAX, high = 0;
    const int64_t        sums = hone_round_up(count, plan->kit->rows) * plan->sums_line;
    memset(room->sums, 0, (size_t)sums * sizeof *room->sums);
    for (int64_t r = 0; r < count; r++) {
        if (row[r].high <= row[r].low) continue;
        low = hone_min(low, row[r].low);
        high = hone_max(high, row[r].high);
    }
    for (int64_t key = low >= high ? high : low / plan->keys * plan->keys; key < high; key += plan->keys) {
        const int64_t from = hone_max(low - key, 0), to = hone_min(high - key, plan->keys);
        const hone_attention_lines k = lines_of(work, u, HONE_ATTENTION_K, key),
                                   v = lines_of(work, u, HONE_ATTENTION_V, key);
        plan->kit->pack_k(&k, from, to, plan->p.d, room->k, room->scores);
        plan->kit->pack_v(&v, from, to, plan->p.d_v, plan->keys, room->v);
        strip.key = key, strip.keys = to;
        for (int64_t r = 0; r < count; r += plan->kit->rows) {
            strip.rows = (int)hone_min(count - r, plan->kit->rows);
            strip.row = row + r;
            strip.sums = room->sums + r * plan->sums_line;
            plan->kit->strip(&strip);
        }
    }
}

/* Is any value of v not finite among keys from .. to-1? */
static bool any_strange(const flash_work *work, const flash_unit *u, int64_t from, int64_t to)
{
    const hone_attention_lines v = lines_of(work, u, HONE_ATTENTION_V, 0);
    for (int64_t key = from; key < to; key++)
        for (int64_t c = 0; c < work->plan->p.d_v; c++)
            if (!isfinite(hone_element_load(v.type, v.at + key * v.line + c * v.element, 0))) return true;
    return false;
}

/* Rows beside which values of v were multiplied by 0 that are not finite: again, alone. */
static void again(const flash_work *work, const flash_unit *u, const flash_room *room, int64_t first, int rows)
{
    int64_t low = INT64_MAX, high = 0;
    for (int r = 0; r < rows; r++) {
        hone_attention_row row;
        row_make(work, u, u->begin + first + r, &row);
        if (row.high > row.low) low = hone_min(low, row.low), high = hone_max(high, row.high);
    }
    for (int r = 0; r < rows; r++) {
        hone_attention_row  *row = &room->row[first + r];
        hone_attention_strip strip = strip_of(work, room);
        row_make(work, u, u->begin + first + r, row);
        const bool sees = row->high > row->low;
        if (!(sees ? any_strange(work, u, low, row->low) || any_strange(work, u, row->high, high)
                   : any_strange(work, u, low, high)))
            continue;
        rows_run(work, u, room, row, 1);
        strip.rows = 1, strip.row = row, strip.sums = room->sums;
        (void)work->plan->kit->finish(&strip, work->plan->p.sinks); /* what is not finite now is what it should be */
    }
}

static void unit_run(const flash_work *work, int64_t index, char *memory)
{
    const flash_plan    *plan = work->plan;
    const flash_room     room = room_at(plan, memory);
    const flash_unit     u = unit_of(work, index);
    hone_attention_strip strip = strip_of(work, &room);
    for (int64_t r = 0; r < u.count; r++) row_make(work, &u, u.begin + r, &room.row[r]);
    rows_run(work, &u, &room, room.row, u.count);
    bool strange = false;
    for (int64_t r = 0; r < u.count; r += plan->kit->rows) {
        strip.rows = (int)hone_min(u.count - r, plan->kit->rows);
        strip.row = room.row + r;
        strip.sums = room.sums + r * plan->sums_line;
        strange |= !plan->kit->finish(&strip, plan->p.sinks);
    }
    for (int64_t r = 0; r < u.count && strange; r += plan->kit->rows)
        again(work, &u, &room, r, (int)hone_min(u.count - r, plan->kit->rows));
}

static void units_run(void *work, int64_t begin, int64_t end, char *memory)
{
    for (int64_t unit = begin; unit < end; unit++) unit_run(work, unit, memory);
}

/* Where packed sequences are, and how many units all have together. */
static void stretches_make(flash_work *work, stretch *out)
{
    const flash_plan             *plan = work->plan;
    const hone_attention_problem *p = &plan->p;
    int64_t                       floor[2] = {0, 0}, unit = 0, behind = 0;
    for (int64_t i = 0; i <= p->batch + 1; i++) {
        stretch *t = &out[i];
        if (i == 0) {
            const int32_t *q = (const int32_t *)(const void *)work->at[HONE_ATTENTION_Q_LENGTHS];
            *t = (stretch){0, 0, hone_attention_within(q[0], p->q_len), 0, 0};
        } else if (i <= p->batch) {
            const hone_attention_sequence s =
                hone_attention_sequence_at(p, (const int32_t *)(const void *)work->at[HONE_ATTENTION_Q_LENGTHS],
                                           (const int32_t *)(const void *)work->at[HONE_ATTENTION_K_LENGTHS], i - 1,
                                           floor);
            *t = (stretch){0, s.q_begin, s.q_length, s.k_begin, s.k_length};
        } else {
            *t = (stretch){0, behind, p->q_len - behind, 0, 0};
        }
        behind = t->q_begin + t->q_length;
        t->unit = unit;
        unit += hone_divide_up(t->q_length * plan->group, plan->rows);
    }
    work->stretches = out;
    work->stretch_count = p->batch + 2;
    work->units = unit * p->kv_heads;
}

static hone_status flash_launch(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch)
{
    const flash_plan             *plan = ready;
    const hone_attention_problem *p = &plan->p;
    flash_work                    work = {.plan = plan};
    char                         *memory = hone_span_host(&scratch);
    const double scale = arguments->scalars[HONE_ATTENTION_SCALE].value,
                 cap = arguments->scalars[HONE_ATTENTION_CAP].value, log2_e = 1.4426950408889634;
    if (p->heads == 0 || p->q_len == 0 || (p->batch == 0 && p->lengths != HONE_ATTENTION_PACKED)) return HONE_OK;
    for (int i = 0; i < HONE_ATTENTION_OPERANDS; i++) work.at[i] = hone_span_host(&arguments->at[i]);
    work.scale = (float)(p->cap ? scale / cap : scale * log2_e);
    work.cap = p->cap ? (float)(cap * log2_e) : 0;
    work.units = plan->parts * p->batch * p->kv_heads;
    if (p->lengths == HONE_ATTENTION_PACKED) stretches_make(&work, (stretch *)(void *)memory);
    hone_deal_out(stream, &(hone_deal){plan->threads, work.units, plan->seconds, memory + plan->table_bytes,
                                       plan->room_bytes, false, units_run, &work});
    return HONE_OK;
}

static void flash_release(void *ready)
{
    hone_free(ready);
}

extern const hone_kernel hone_attention_flash;
const hone_kernel        hone_attention_flash = {
    .name = "cpu.flash",
    .op = "attention",
    .op_version = 1,
    .problem_size = sizeof(hone_attention_problem),
    .backend = "cpu",
    .version = 2,
    .properties = HONE_BITWISE_ALL,
    .refuses = flash_refuses,
    .space = &space,
    .suggest = flash_suggest,
    .estimate = flash_estimate,
    .prepare = flash_prepare,
    .launch = flash_launch,
    .release = flash_release,
};
