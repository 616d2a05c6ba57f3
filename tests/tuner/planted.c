/* A problem that a test made up: see planted.h. */
#include "tests/tuner/planted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"

static planted *now; /* the one in use */

enum { WAY, ROWS, DEPTH, AHEAD, TURN, PARAMETERS };
static const int64_t     ways[] = {0, 1, 2}, flags[] = {0, 1};
static const int64_t     steps[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
static const char *const way_names[] = {"plain", "wide", "deep"};

static const hone_parameter large_parameters[PARAMETERS] = {
    [WAY] = {"way", 0, 3, ways, way_names, ""},  [ROWS] = {"rows", 8, 10, steps, NULL, ""},
    [DEPTH] = {"depth", 8, 10, steps, NULL, ""}, [AHEAD] = {"ahead", 1, 6, steps, NULL, ""},
    [TURN] = {"turn", 0, 2, flags, NULL, ""}};
static const hone_parameter small_parameter = {"size", 4, 6, steps, NULL, ""};

static const char *large_refuses(const hone_request *request, const hone_config *config)
{
    (void)request;
    return config->value[ROWS] * config->value[DEPTH] > 32768 ? "it does not fit" : NULL;
}
static const hone_constraint large_constraint = {1u << ROWS | 1u << DEPTH, large_refuses};
static const hone_space      large_space = {PARAMETERS, large_parameters, 1, &large_constraint, 0, NULL};
static const hone_space      small_space = {1, &small_parameter, 0, NULL, 0, NULL};

static const char *takes_all(const hone_request *request)
{
    (void)request;
    return NULL;
}

/* A bowl in logarithms, turned a little, with its bottom where the seed says; and some roughness. */
static double large_seconds(const hone_config *config)
{
    const int64_t *v = config->value;
    uint64_t       place = hone_random_at(now->seed, 1);
    const double   rows = log2((double)v[ROWS]) - 2 - (double)(place % 5), ahead = log2((double)v[AHEAD]) - 1;
    const double   depth = log2((double)v[DEPTH]) - 3 - (double)(place / 8 % 5);
    const int      way = (int)(place / 64 % 3);
    double         slow = 0.03 * rows * rows + 0.02 * depth * depth + 0.015 * rows * depth + 0.01 * ahead * ahead;
    if (v[WAY] != way) slow += 0.15 + 0.02 * fabs(depth);
    if (v[TURN] != (v[WAY] == 1)) slow += 0.06;
    return 1e-3 * exp(slow + 0.01 * (double)(hone_hash(v, PARAMETERS * sizeof *v, now->seed) % 100) / 100);
}

double planted_seconds(const hone_choice *choice)
{
    if (choice->kernel == planted_kernels[0]) return large_seconds(&choice->config);
    return 1e-3 * (1.25 + 0.1 * fabs(log2((double)choice->config.value[0]) - 3));
}

static double believed(const hone_config *config, int kernel)
{
    hone_choice choice = {planted_kernels[kernel], *config};
    if (now->belief < 0) return 0;
    uint64_t chance = hone_hash(config, sizeof *config, now->seed + 1);
    return planted_seconds(&choice) * exp(now->belief * hone_random_signed(chance));
}
static double large_estimate(const hone_request *r, const hone_config *c) { return (void)r, believed(c, 0); }
static double small_estimate(const hone_request *r, const hone_config *c) { return (void)r, believed(c, 1); }

static const hone_kernel large = {.name = "planted.large", .refuses = takes_all, .space = &large_space,
                                  .estimate = large_estimate};
static const hone_kernel small = {.name = "planted.small", .refuses = takes_all, .space = &small_space,
                                  .estimate = small_estimate};
const hone_kernel *const planted_kernels[2] = {&large, &small};

static void print_nothing(const void *problem, char *out, size_t capacity)
{
    (void)problem;
    if (capacity) *out = 0;
}
static const hone_op op = {.name = "planted", .print = print_nothing};
const hone_request   planted_request = {.op = &op, .threads = 1, .alignment = 64};

hone_choice planted_untuned(void)
{
    hone_choice choice = {&large, {{0}}};
    hone_config_standard(&large_space, &choice.config);
    return choice;
}

double planted_best(hone_choice *best)
{
    double least = INFINITY;
    for (int64_t i = 0; i < 3 * 10 * 10 * 6 * 2; i++) {
        hone_choice it = {&large, {{i % 3, steps[i / 3 % 10], steps[i / 30 % 10], steps[i / 300 % 6], i / 1800}}};
        if (large_refuses(NULL, &it.config)) continue;
        double seconds = planted_seconds(&it);
        if (seconds >= least) continue;
        least = seconds;
        if (best) *best = it;
    }
    return least;
}

/* --- the oracle ------------------------------------------------------------------------------------------------ */

static bool is_interrupted(planted *it)
{
    return ++it->calls == it->interrupt_at;
}

static hone_status admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    planted *it = self;
    if (is_interrupted(it)) return HONE_ERROR_INTERRUPTED;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < it->id_count && !it->again; j++) /* nothing is tried twice */
            assert_false(it->ids[j].choice.kernel == choices[i].kernel &&
                         !memcmp(&it->ids[j].choice.config, &choices[i].config, sizeof choices[i].config));
        out[i] = (hone_admission){.id = it->id_count};
        it->clock += it->admit_s;
        it->admitted++;
        assert_true(it->id_count < (int)(sizeof it->ids / sizeof it->ids[0]));
        it->ids[it->id_count].choice = choices[i];
        uint64_t chance = hone_hash(&choices[i].config, sizeof choices[i].config, it->seed + 2);
        if (it->fate_every && chance % (uint64_t)it->fate_every == 0) {
            it->id_count++;
            hone_admission_say(&out[i], it->fate, "so the test wants it");
            continue;
        }
        it->ids[it->id_count++].alive = true;
        it->alive++;
    }
    return HONE_OK;
}

static hone_status time_rounds(void *self, const int *ids, int count, int rounds, double *seconds,
                               hone_admission *fates)
{
    planted *it = self;
    if (is_interrupted(it)) return HONE_ERROR_INTERRUPTED;
    for (int i = 0; i < count; i++) fates[i] = (hone_admission){.id = ids[i]};
    for (int i = 0; i < rounds * count; i++) {
        int at = i % count, id = ids[at];
        if (fates[at].fate != HONE_FATE_RIGHT) {
            seconds[i] = NAN;
            continue;
        }
        assert_true(id >= 0 && id < it->id_count && it->ids[id].alive);
        double truth = planted_seconds(&it->ids[id].choice),
               by = fabs(hone_random_signed(hone_random_next(&it->random)));
        if (it->fails_after && truth <= planted_best(NULL) && ++it->ids[id].samples > it->fails_after) {
            hone_admission_say(&fates[at], HONE_FATE_CRASHED, "so the test wants it");
            it->ids[id].alive = false;
            it->alive--;
            seconds[i] = NAN;
            continue;
        }
        seconds[i] = truth * exp(it->noise * (hone_random_below(&it->random, 8) ? by * 0.3 : by * 3));
        it->clock += seconds[i];
        it->launches++;
    }
    return HONE_OK;
}

static void drop(void *self, int id)
{
    planted *it = self;
    assert_true(id >= 0 && id < it->id_count && it->ids[id].alive);
    it->ids[id].alive = false;
    it->alive--;
}

static double spent(void *self)
{
    return ((const planted *)self)->clock;
}

hone_oracle planted_oracle(planted *it)
{
    return (hone_oracle){admit, time_rounds, drop, spent, it};
}

void planted_use(planted *it, uint64_t seed)
{
    now = it;
    it->seed = seed;
    it->random = hone_random_seeded(seed);
    it->clock = 0;
    it->calls = it->admitted = it->launches = it->alive = it->id_count = 0;
    memset(it->ids, 0, sizeof it->ids);
}
