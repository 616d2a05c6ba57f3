/* Recorded spaces in memory, and how one is measured: see recording.h. */
#include "tuner/recording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tuner/space_tree.h"

enum {
    BLOCK = 24,         /* configurations that are timed beside each other, and the anchor */
    LEVEL_BLOCKS = 3,   /* to either side whose anchors say how fast the machine ran */
    RETAKES = 3,        /* of a block in which the anchor was disturbed */
    AGAIN = 3,          /* times as many rounds for the near ones */
    ROWS_MAX = 1 << 20, /* more are not measured whole */
    FEW = 5,            /* samples that a residual needs beside it */
};
#define DRIFT 0.04 /* log ratio: a machine's clock wanders so far; what is further off was disturbed */

hone_record_options hone_record_defaults(void)
{
    return (hone_record_options){.seed = 1, .rounds = 3, .near = 0.08, .far = 1.5};
}

void hone_recording_free(hone_recording *recording)
{
    hone_free(recording->kernels);
    hone_free(recording->rows);
    hone_free(recording->residuals);
    hone_free(recording->samples);
    hone_free(recording->values);
    hone_free((void *)recording->names);
    hone_free(recording->text);
    *recording = (hone_recording){0};
}

int hone_recording_best(const hone_recording *recording)
{
    int best = -1;
    for (int i = 0; i < recording->row_count; i++) {
        const hone_recorded_row *row = &recording->rows[i];
        if (row->fate != HONE_FATE_RIGHT || !row->sample_count) continue;
        if (best < 0 || row->seconds < recording->rows[best].seconds) best = i;
    }
    return best;
}

hone_status hone_recording_settle(hone_recording *recording)
{
    int count = 0;
    for (int i = 0; i < recording->row_count; i++) {
        hone_recorded_row *row = &recording->rows[i];
        double             sorted[HONE_RECORDING_SAMPLES_MAX];
        for (int j = 0; j < row->sample_count; j++) sorted[j] = row->samples[j];
        row->seconds = hone_stats_median(sorted, row->sample_count);
        if (row->sample_count >= FEW) count += row->sample_count;
    }
    double *residuals = hone_alloc((size_t)count + 1, sizeof *residuals);
    hone_free(recording->residuals);
    recording->residuals = hone_alloc((size_t)count + 1, sizeof *recording->residuals);
    recording->residual_count = 0;
    if (!residuals || !recording->residuals) {
        hone_free(residuals);
        return HONE_ERROR_MEMORY;
    }
    for (int i = 0; i < recording->row_count; i++) {
        const hone_recorded_row *row = &recording->rows[i];
        for (int j = 0; row->sample_count >= FEW && j < row->sample_count; j++)
            residuals[recording->residual_count++] = log(row->samples[j] / row->seconds);
    }
    hone_stats_sort(residuals, count);
    for (int i = 0; i < count; i++) recording->residuals[i] = (float)residuals[i];
    hone_free(residuals);
    return HONE_OK;
}

/* --- measuring a space whole ----------------------------------------------------------------------------------- */

typedef struct recorder {
    const hone_request        *request;
    const hone_oracle         *oracle;
    const hone_record_options *options;
    hone_recording            *out;
    const hone_kernel *const  *kernels; /* those that take the request */
    int                       *kernel_of;  /* of each row */
    int                       *order;
    double                    *levels, *scratch; /* of each block: the anchor's median in it */
    int                       *block_of;   /* of each sample, at the place of the sample */
    int                        block_count, per_row;
    hone_choice                anchor;
    int                        anchor_id;
    bool                       anchor_lost; /* its number is dead */
    double                     admit_s;
    int                        admitted;
} recorder;

static hone_status stopped(const recorder *r)
{
    if (r->options->stop && r->options->stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    return HONE_OK;
}

static float *samples_of(const recorder *r, int row)
{
    return r->out->samples + (size_t)row * (size_t)r->per_row;
}

static void note_sample(recorder *r, int row, double seconds)
{
    hone_recorded_row *it = &r->out->rows[row];
    r->block_of[(size_t)row * (size_t)r->per_row + (size_t)it->sample_count] = r->block_count;
    samples_of(r, row)[it->sample_count++] = (float)seconds;
}

/* Some rows and the anchor, timed beside each other: `rounds` of them, or one for what turns out to be far. */
static hone_status take_block_once(recorder *r, const int *rows, int count, int rounds, bool first)
{
    hone_choice    choices[BLOCK];
    hone_admission admissions[BLOCK], fates[BLOCK + 1];
    int            ids[BLOCK + 1], of[BLOCK + 1], lanes = 1;
    double         seconds[BLOCK + 1], anchors[HONE_RECORDING_SAMPLES_MAX];
    HONE_TRY(stopped(r));
    for (int i = 0; i < count; i++)
        choices[i] = (hone_choice){r->kernels[r->kernel_of[rows[i]]], r->out->rows[rows[i]].config};
    memset(admissions, 0, sizeof admissions);
    double before = r->oracle->clock(r->oracle->self);
    HONE_TRY(r->oracle->admit(r->oracle->self, choices, count, admissions));
    r->admit_s += r->oracle->clock(r->oracle->self) - before;
    r->admitted += count;
    ids[0] = r->anchor_id;
    for (int i = 0; i < count; i++) {
        r->out->rows[rows[i]].fate = admissions[i].fate;
        if (admissions[i].fate != HONE_FATE_RIGHT) continue;
        ids[lanes] = admissions[i].id;
        of[lanes++] = rows[i];
    }
    hone_status status = HONE_OK;
    for (int round = 0; round < rounds && status == HONE_OK; round++) {
        int left = 1;
        memset(fates, 0, sizeof fates);
        status = r->oracle->time(r->oracle->self, ids, lanes, 1, seconds, fates);
        if (status != HONE_OK) break;
        r->anchor_lost = fates[0].fate != HONE_FATE_RIGHT;
        if (r->anchor_lost)
            status = hone_fail(HONE_ERROR_UNSUPPORTED, "the untuned choice fails while it is timed: %s", fates[0].why);
        anchors[round] = seconds[0];
        for (int i = 1; i < lanes; i++) {
            if (fates[i].fate != HONE_FATE_RIGHT) {
                r->out->rows[of[i]].fate = fates[i].fate;
                continue;
            }
            note_sample(r, of[i], seconds[i]);
            if (first && seconds[i] > r->options->far * seconds[0]) {
                r->oracle->drop(r->oracle->self, ids[i]);
                continue;
            }
            ids[left] = ids[i];
            of[left++] = of[i];
        }
        lanes = left;
    }
    for (int i = 1; i < lanes; i++) r->oracle->drop(r->oracle->self, ids[i]);
    r->levels[r->block_count++] = status == HONE_OK ? hone_stats_median(anchors, rounds) : 1;
    return status;
}

/* The same again, with what was noted forgotten, while the anchor is further off than clocks wander. */
static hone_status take_block(recorder *r, const int *rows, int count, int rounds, bool first)
{
    double levels[2 * LEVEL_BLOCKS + 1];
    int    noted[BLOCK];
    for (int i = 0; i < count; i++) noted[i] = r->out->rows[rows[i]].sample_count;
    for (int take = 0;; take++) {
        HONE_TRY(take_block_once(r, rows, count, rounds, first));
        int known = 0, last = r->block_count - 1;
        for (int i = last - 1; i >= 0 && known < 2 * LEVEL_BLOCKS + 1; i--) levels[known++] = r->levels[i];
        if (take == RETAKES || known < LEVEL_BLOCKS) return HONE_OK;
        if (fabs(log(r->levels[last] / hone_stats_median(levels, known))) < DRIFT) return HONE_OK;
        r->block_count--;
        for (int i = 0; i < count; i++) r->out->rows[rows[i]].sample_count = noted[i];
    }
}

static void shuffle(hone_random *random, int *list, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int other = (int)hone_random_below(random, (uint64_t)i + 1), kept = list[i];
        list[i] = list[other];
        list[other] = kept;
    }
}

static hone_status take_blocks(recorder *r, int count, int rounds, bool first, int done, int of)
{
    hone_random random = hone_random_seeded(hone_random_at(r->options->seed, first ? 1 : 2));
    shuffle(&random, r->order, count);
    for (int at = 0; at < count; at += BLOCK) {
        HONE_TRY(take_block(r, r->order + at, count - at < BLOCK ? count - at : BLOCK, rounds, first));
        if (r->options->progress) r->options->progress(r->options->progress_self, done + at, of);
    }
    return HONE_OK;
}

/* How fast the machine ran about each block, by the anchors there; samples as on the same machine throughout. */
static void take_out_drift(recorder *r)
{
    double all[2 * LEVEL_BLOCKS + 1];
    memcpy(r->scratch, r->levels, (size_t)r->block_count * sizeof *r->scratch);
    const double whole = hone_stats_median(r->scratch, r->block_count);
    for (int row = 0; row < r->out->row_count; row++)
        for (int j = 0; j < r->out->rows[row].sample_count; j++) {
            int block = r->block_of[(size_t)row * (size_t)r->per_row + (size_t)j], count = 0;
            for (int i = block - LEVEL_BLOCKS; i <= block + LEVEL_BLOCKS; i++)
                if (i >= 0 && i < r->block_count) all[count++] = r->levels[i];
            double drift = log(whole / hone_stats_median(all, count));
            samples_of(r, row)[j] *= (float)exp(fmin(fmax(drift, -DRIFT), DRIFT));
        }
}

static hone_status measure_rows(recorder *r)
{
    hone_recording *out = r->out;
    for (int i = 0; i < out->row_count; i++) r->order[i] = i;
    HONE_TRY(take_blocks(r, out->row_count, r->options->rounds, true, 0, out->row_count));

    int near = 0;
    HONE_TRY(hone_recording_settle(out));
    int best = hone_recording_best(out);
    HONE_CHECK(best >= 0, HONE_ERROR_UNSUPPORTED, "no configuration is right");
    for (int i = 0; i < out->row_count; i++) {
        const hone_recorded_row *row = &out->rows[i];
        if (row->fate == HONE_FATE_RIGHT && row->seconds <= out->rows[best].seconds * (1 + r->options->near))
            r->order[near++] = i;
    }
    HONE_TRY(take_blocks(r, near, AGAIN * r->options->rounds, false, out->row_count, out->row_count + near));
    take_out_drift(r);
    out->admit_s = r->admit_s / r->admitted;
    return hone_recording_settle(out);
}

static hone_status measure(recorder *r)
{
    hone_admission admission = {0};
    HONE_TRY(r->oracle->admit(r->oracle->self, &r->anchor, 1, &admission));
    HONE_CHECK(admission.fate == HONE_FATE_RIGHT, HONE_ERROR_UNSUPPORTED, "the untuned choice is not right: %s",
               admission.why);
    r->anchor_id = admission.id;
    hone_status status = measure_rows(r);
    if (!r->anchor_lost) r->oracle->drop(r->oracle->self, r->anchor_id);
    return status;
}

/* --- its rows -------------------------------------------------------------------------------------------------- */

static hone_status copy_kernels(hone_recording *out, const hone_kernel *const *kernels, int count)
{
    size_t values = 0, names = 0, text = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; kernels[i]->space && j < kernels[i]->space->count; j++) {
            const hone_parameter *p = &kernels[i]->space->parameters[j];
            values += (size_t)p->count;
            names += p->names ? (size_t)p->count : 0;
            text += strlen(p->name) + 1;
            for (int k = 0; p->names && k < p->count; k++) text += strlen(p->names[k]) + 1;
        }
    out->kernels = hone_alloc((size_t)count + 1, sizeof *out->kernels);
    out->values = hone_alloc(values + 1, sizeof *out->values);
    out->names = hone_alloc(names + 1, sizeof *out->names);
    out->text = hone_alloc(text + 1, 1);
    if (!out->kernels || !out->values || !out->names || !out->text) return HONE_ERROR_MEMORY;

    int64_t     *value = out->values;
    const char **name = out->names;
    char        *at = out->text;
    out->kernel_count = count;
    for (int i = 0; i < count; i++) {
        hone_recorded_kernel *to = &out->kernels[i];
        snprintf(to->name, sizeof to->name, "%s", kernels[i]->name);
        to->parameter_count = kernels[i]->space ? kernels[i]->space->count : 0;
        for (int j = 0; j < to->parameter_count; j++) {
            const hone_parameter *p = &kernels[i]->space->parameters[j];
            to->parameters[j] = (hone_parameter){strcpy(at, p->name), p->standard, p->count, value,
                                                 p->names ? name : NULL, ""};
            at += strlen(at) + 1;
            for (int k = 0; k < p->count; k++) {
                *value++ = p->values[k];
                if (!p->names) continue;
                *name++ = strcpy(at, p->names[k]);
                at += strlen(at) + 1;
            }
        }
    }
    return HONE_OK;
}

static hone_status make_rows(recorder *r, int count, hone_space_tree **trees)
{
    hone_recording *out = r->out;
    uint64_t        rows = 0;
    HONE_TRY(copy_kernels(out, r->kernels, count));
    for (int i = 0; i < count; i++) {
        HONE_TRY(hone_space_tree_open(r->request, r->kernels[i], &trees[i]));
        out->kernels[i].first = (int)rows;
        rows += hone_space_tree_count(trees[i]);
        HONE_CHECK(rows <= ROWS_MAX, HONE_ERROR_UNSUPPORTED, "more than %d configurations are not measured whole",
                   ROWS_MAX);
        out->kernels[i].count = (int)rows - out->kernels[i].first;
    }
    HONE_CHECK(rows, HONE_ERROR_UNSUPPORTED, "there is no legal configuration");
    r->per_row = r->options->rounds * (1 + AGAIN);
    const size_t all = (size_t)rows, blocks = 2 * (all / BLOCK + 2);
    out->rows = hone_alloc(all, sizeof *out->rows);
    out->samples = hone_alloc(all * (size_t)r->per_row, sizeof *out->samples);
    r->kernel_of = hone_alloc(all, sizeof *r->kernel_of);
    r->order = hone_alloc(all, sizeof *r->order);
    r->block_of = hone_alloc(all * (size_t)r->per_row, sizeof *r->block_of);
    r->levels = hone_alloc(blocks, sizeof *r->levels);
    r->scratch = hone_alloc(blocks, sizeof *r->scratch);
    if (!out->rows || !out->samples || !r->kernel_of || !r->order || !r->block_of || !r->levels || !r->scratch)
        return HONE_ERROR_MEMORY;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < out->kernels[i].count; j++) {
            int                row = out->row_count++;
            hone_recorded_row *it = &out->rows[row];
            hone_space_tree_at(trees[i], (uint64_t)j, &it->config);
            double estimate = r->kernels[i]->estimate(r->request, &it->config);
            it->estimate = estimate > 0 && isfinite(estimate) ? (float)estimate : 0;
            it->samples = samples_of(r, row);
            r->kernel_of[row] = i;
        }
    return HONE_OK;
}

static hone_status find_starts(recorder *r, const hone_choice *starts, int start_count, int count,
                               hone_space_tree *const *trees)
{
    hone_recording *out = r->out;
    for (int s = 0; s < start_count && out->start_count < (int)(sizeof out->starts / sizeof out->starts[0]); s++)
        for (int i = 0; i < count; i++) {
            hone_config config = starts[s].config;
            uint64_t    index;
            if (r->kernels[i] != starts[s].kernel) continue;
            hone_config_canonical(r->request, r->kernels[i], &config);
            if (!hone_space_tree_find(trees[i], &config, &index)) continue;
            out->starts[out->start_count++] = out->kernels[i].first + (int)index;
            if (!s) r->anchor = (hone_choice){r->kernels[i], config};
        }
    HONE_CHECK(r->anchor.kernel, HONE_ERROR_ARGUMENT, "the untuned choice, of %s, is not in the space",
               starts[0].kernel->name);
    return HONE_OK;
}

hone_status hone_space_record(const hone_request *request, const hone_choice *starts, int start_count,
                              const hone_kernel *const *kernels, int kernel_count, const hone_oracle *oracle,
                              const hone_record_options *options, hone_recording *out)
{
    enum { KERNELS_MAX = 64 };
    const hone_kernel *taking[KERNELS_MAX];
    hone_space_tree   *trees[KERNELS_MAX] = {NULL};
    recorder           r = {.request = request, .oracle = oracle, .options = options, .out = out, .kernels = taking};
    int                count = 0;
    *out = (hone_recording){.threads = request->threads};
    HONE_CHECK(start_count >= 1, HONE_ERROR_ARGUMENT, "record: the untuned choice must be among the starts");
    HONE_CHECK(options->rounds >= 1 && options->rounds * (1 + AGAIN) <= HONE_RECORDING_SAMPLES_MAX, HONE_ERROR_ARGUMENT,
               "record: %d rounds; 1 to %d", options->rounds, HONE_RECORDING_SAMPLES_MAX / (1 + AGAIN));
    for (int i = 0; i < kernel_count && count < KERNELS_MAX; i++)
        if (!kernels[i]->refuses(request)) taking[count++] = kernels[i];
    hone_rt_problem_print(request->op, request->problem, out->problem, sizeof out->problem);
    hone_status status = make_rows(&r, count, trees);
    if (status == HONE_OK) status = find_starts(&r, starts, start_count, count, trees);
    if (status == HONE_OK) status = measure(&r);
    for (int i = 0; i < count; i++) hone_space_tree_close(trees[i]);
    hone_free(r.kernel_of);
    hone_free(r.order);
    hone_free(r.block_of);
    hone_free(r.levels);
    hone_free(r.scratch);
    if (status != HONE_OK) hone_recording_free(out);
    return status;
}
