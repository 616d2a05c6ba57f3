/* Recordings as oracles: see replay.h. */
#include "tuner/replay.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

#define SAMPLE_S 2e-4 /* a launch that is shorter is repeated until it takes as long: what a sample costs */

/* A request's problem is the recording behind it, and a configuration's first value the kernel. */
typedef struct replay_problem {
    const hone_recording *recording;
    bool                  blind;
} replay_problem;

struct hone_replay {
    const hone_recording *recording;
    replay_problem        problem;
    hone_be_device        device;
    hone_op               op;
    hone_request          request;
    hone_kernel          *kernels;
    const hone_kernel   **table;
    hone_space           *spaces;
    hone_parameter       *parameters;
    int64_t              *numbers; /* 0, 1, ...: the values of first parameters */
    hone_choice           starts[16];
    hone_random           random;
    double                clock;
    int                  *rows;    /* of each id; -1: dropped */
    int                   id_count, id_cap, admitted;
};

static const hone_recording *recording_of(const hone_request *request)
{
    return ((const replay_problem *)request->problem)->recording;
}

/* --- kernels --------------------------------------------------------------------------------------------------- */

static int place_of(const hone_parameter *parameter, int64_t value)
{
    for (int i = 0; i < parameter->count; i++)
        if (parameter->values[i] == value) return i;
    return -1;
}

/* Rows lie in rising order of places: one whose first `known` values are these, or -1. */
static int find_row(const hone_recording *recording, const hone_config *config, int known)
{
    const hone_recorded_kernel *kernel = &recording->kernels[config->value[0]];
    int                         low = kernel->first, high = kernel->first + kernel->count;
    int                         places[HONE_PARAMETERS_MAX];
    for (int i = 0; i < known; i++) places[i] = place_of(&kernel->parameters[i], config->value[i + 1]);
    while (low < high) {
        int                      middle = (low + high) / 2, order = 0;
        const hone_recorded_row *row = &recording->rows[middle];
        for (int i = 0; i < known && !order; i++)
            order = places[i] - place_of(&kernel->parameters[i], row->config.value[i]);
        if (!order) return middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return -1;
}

/* A constraint for each depth, so that no branch is built that no row lies on. */
#define CONSTRAINT(name, known)                                                                                        \
    static const char *name(const hone_request *request, const hone_config *config)                                    \
    {                                                                                                                  \
        return find_row(recording_of(request), config, known) < 0 ? "it was not recorded" : NULL;                      \
    }
CONSTRAINT(refuses_1, 1)
CONSTRAINT(refuses_2, 2)
CONSTRAINT(refuses_3, 3)
CONSTRAINT(refuses_4, 4)
CONSTRAINT(refuses_5, 5)
CONSTRAINT(refuses_6, 6)
CONSTRAINT(refuses_7, 7)
CONSTRAINT(refuses_8, 8)
CONSTRAINT(refuses_9, 9)
CONSTRAINT(refuses_10, 10)
CONSTRAINT(refuses_11, 11)
CONSTRAINT(refuses_12, 12)
CONSTRAINT(refuses_13, 13)
CONSTRAINT(refuses_14, 14)
CONSTRAINT(refuses_15, 15)
static const hone_constraint constraints[HONE_PARAMETERS_MAX - 1] = {
    {0x3, refuses_1},     {0x7, refuses_2},     {0xf, refuses_3},     {0x1f, refuses_4},   {0x3f, refuses_5},
    {0x7f, refuses_6},    {0xff, refuses_7},    {0x1ff, refuses_8},   {0x3ff, refuses_9},  {0x7ff, refuses_10},
    {0xfff, refuses_11},  {0x1fff, refuses_12}, {0x3fff, refuses_13}, {0x7fff, refuses_14}, {0xffff, refuses_15}};

static int whole_row(const hone_recording *recording, const hone_config *config)
{
    return find_row(recording, config, recording->kernels[config->value[0]].parameter_count);
}

static const char *takes_all(const hone_request *request)
{
    (void)request;
    return NULL;
}

static double recorded_estimate(const hone_request *request, const hone_config *config)
{
    const replay_problem *problem = request->problem;
    int                   row = whole_row(problem->recording, config);
    return problem->blind || row < 0 ? 0 : problem->recording->rows[row].estimate;
}

static hone_config config_of(const hone_recording *recording, int row, int kernel)
{
    hone_config config = {{kernel}};
    for (int i = 0; i < recording->kernels[kernel].parameter_count; i++)
        config.value[i + 1] = recording->rows[row].config.value[i];
    return config;
}

static int kernel_of(const hone_recording *recording, int row)
{
    int kernel = 0;
    while (row >= recording->kernels[kernel].first + recording->kernels[kernel].count) kernel++;
    return kernel;
}

hone_choice hone_replay_choice(const hone_replay *replay, int row)
{
    int kernel = kernel_of(replay->recording, row);
    return (hone_choice){&replay->kernels[kernel], config_of(replay->recording, row, kernel)};
}

int hone_replay_row(const hone_replay *replay, const hone_choice *choice)
{
    return choice->kernel >= replay->kernels && choice->kernel < replay->kernels + replay->recording->kernel_count
               ? whole_row(replay->recording, &choice->config)
               : -1;
}

static hone_status make_kernels(hone_replay *r)
{
    const hone_recording *recording = r->recording;
    const size_t          count = (size_t)recording->kernel_count;
    r->kernels = hone_alloc(count, sizeof *r->kernels);
    r->table = hone_alloc(count, sizeof *r->table);
    r->spaces = hone_alloc(count, sizeof *r->spaces);
    r->parameters = hone_alloc(count * HONE_PARAMETERS_MAX, sizeof *r->parameters);
    r->numbers = hone_alloc(count, sizeof *r->numbers);
    if (!r->kernels || !r->table || !r->spaces || !r->parameters || !r->numbers) return HONE_ERROR_MEMORY;
    for (int i = 0; i < recording->kernel_count; i++) {
        const hone_recorded_kernel *kernel = &recording->kernels[i];
        hone_parameter             *parameters = r->parameters + i * HONE_PARAMETERS_MAX;
        r->numbers[i] = i;
        parameters[0] = (hone_parameter){"kernel", i, 1, &r->numbers[i], NULL, "which of the recording"};
        memcpy(parameters + 1, kernel->parameters, (size_t)kernel->parameter_count * sizeof *parameters);
        r->spaces[i] = (hone_space){kernel->parameter_count + 1, parameters, kernel->parameter_count, constraints, 0,
                                    NULL};
        r->kernels[i] = (hone_kernel){.name = kernel->name, .op = r->op.name, .backend = "replay",
                                      .refuses = takes_all, .space = &r->spaces[i], .estimate = recorded_estimate};
        r->table[i] = &r->kernels[i];
    }
    for (int i = 0; i < recording->start_count; i++) r->starts[i] = hone_replay_choice(r, recording->starts[i]);
    return HONE_OK;
}

/* --- the oracle ------------------------------------------------------------------------------------------------ */

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    hone_replay *r = self;
    for (int i = 0; i < count; i++) {
        int row = hone_replay_row(r, &choices[i]);
        out[i] = (hone_admission){0};
        r->clock += r->recording->admit_s;
        r->admitted++;
        if (row < 0) {
            hone_admission_say(&out[i], HONE_FATE_REFUSED, "it was not recorded");
            continue;
        }
        if (r->recording->rows[row].fate != HONE_FATE_RIGHT) {
            hone_admission_say(&out[i], r->recording->rows[row].fate, "so it was recorded");
            continue;
        }
        HONE_TRY(hone_grow(&r->rows, r->id_count, &r->id_cap, sizeof *r->rows));
        out[i].id = r->id_count;
        r->rows[r->id_count++] = row;
    }
    return HONE_OK;
}

static hone_status time_rounds(void *self, const int *ids, int count, int rounds, double *seconds,
                               hone_admission *fates)
{
    hone_replay          *r = self;
    const hone_recording *recording = r->recording;
    for (int i = 0; i < count; i++) {
        HONE_CHECK(ids[i] >= 0 && ids[i] < r->id_count && r->rows[ids[i]] >= 0, HONE_ERROR_ARGUMENT,
                   "replay: %d is no candidate's number", ids[i]);
        fates[i] = (hone_admission){.id = ids[i]};
    }
    for (int i = 0; i < rounds * count; i++) {
        const hone_recorded_row *row = &recording->rows[r->rows[ids[i % count]]];
        double                   scatter = 0;
        if (recording->residual_count)
            scatter = recording->residuals[hone_random_below(&r->random, (uint64_t)recording->residual_count)];
        seconds[i] = row->seconds * exp(scatter);
        r->clock += 1.2 * fmax(seconds[i], SAMPLE_S);
    }
    return HONE_OK;
}

static void drop(void *self, int id)
{
    hone_replay *r = self;
    r->rows[id] = -1;
}

static double spent(void *self)
{
    return ((const hone_replay *)self)->clock;
}

hone_status hone_replay_open(const hone_recording *recording, uint64_t seed, bool blind, hone_replay **out)
{
    *out = NULL;
    hone_replay *r = hone_alloc(1, sizeof *r);
    if (!r) return HONE_ERROR_MEMORY;
    r->recording = recording;
    r->problem = (replay_problem){recording, blind};
    strcpy(r->device.name, "replay:0");
    r->op.name = "recorded";
    r->request = (hone_request){.device = &r->device, .op = &r->op, .problem = &r->problem,
                                .threads = recording->threads, .alignment = 64};
    r->random = hone_random_seeded(seed);
    hone_status status = make_kernels(r);
    if (status != HONE_OK) {
        hone_replay_close(r);
        return status;
    }
    *out = r;
    return HONE_OK;
}

void hone_replay_close(hone_replay *replay)
{
    if (!replay) return;
    hone_free(replay->kernels);
    hone_free((void *)replay->table);
    hone_free(replay->spaces);
    hone_free(replay->parameters);
    hone_free(replay->numbers);
    hone_free(replay->rows);
    hone_free(replay);
}

hone_oracle hone_replay_oracle(hone_replay *replay)
{
    return (hone_oracle){admit, time_rounds, drop, spent, replay};
}

const hone_request *hone_replay_request(const hone_replay *replay)
{
    return &replay->request;
}

const hone_kernel *const *hone_replay_kernels(const hone_replay *replay, int *count)
{
    *count = replay->recording->kernel_count;
    return replay->table;
}

const hone_choice *hone_replay_starts(const hone_replay *replay, int *count)
{
    *count = replay->recording->start_count;
    return replay->starts;
}

int hone_replay_admitted(const hone_replay *replay)
{
    return replay->admitted;
}
