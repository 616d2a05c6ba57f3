/* Rounds, repeats, disturbances and verdicts: see measure.h. */
#include "tuner/measure.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

enum {
    RETRIES = 2,         /* of a preempted sample, before its round is set aside */
    ROUNDS_MORE = 2,     /* than asked for where fewer than ROUNDS_FEWEST are: whoever asks for so few asks often */
    ROUNDS_FEWEST = 6,   /* fewer carry no 95 % interval */
    DRIFTS = 9,          /* recent rounds that say which drift of the canary is usual */
    SETTLED = 3,         /* successive samples that must agree before the clock counts */
    WARM_SAMPLES = 30,   /* and how many there may be before it counts anyhow */
};
#define SETTLED_WITHIN 0.01  /* shared machines rarely agree closer */
#define CLOCK_WITHIN   0.02  /* the canary itself repeats within 0.5 % */
#define FORGIVEN       0.001 /* of a sample: time off the core that changes nothing */
/* From here on two samples must do for warm-up, and nothing is run before one: a second-level cache is filled within
 * some 20 us. */
#define LONG_SAMPLE_S  0.004

/* A lane is a contestant's place in a round. The twin, where there is one, is a last lane of contestant 0. */
struct lane {
    const hone_contestant *who;
    int     repeats;
    int     rounds;   /* kept */
    bool    racing;
    double  last_s;   /* the sample before; 0: none yet */
    double *kept;     /* seconds of one repeat, by round */
    double *spare;    /* the same of rounds set aside: for want of better */
};

struct bench {
    const hone_measure_options *options;
    const hone_watch *watch;
    hone_measurement *out;
    struct lane *lanes;
    int    *order;
    double *scratch;
    void   *sweep;
    int     count, spare_rounds;
    size_t  sweep_bytes;
    double  sample_s;
    double  drifts[DRIFTS];
    int     drifts_seen;
    int     last_paused; /* the lane whose turn it already is */
    hone_random random;
};

hone_measure_options hone_measure_defaults(void)
{
    return (hone_measure_options){.threads = 1, .rounds_min = 20, .rounds_max = 200, .sample_s = 1e-3, .goal = 0.005,
                                  .threshold = 0.01, .seed = 1};
}

const char *hone_outcome_text(hone_outcome outcome)
{
    switch (outcome) {
#define VERDICT_TEXT(name, text)                                                                                       \
    case name: return text;
        HONE_OUTCOME_LIST(VERDICT_TEXT)
#undef VERDICT_TEXT
    }
    return "no outcome";
}

static double now(const struct bench *b)
{
    return (double)b->watch->now_ns(b->watch->self) * 1e-9;
}

static hone_status run(const struct lane *lane, int repeats)
{
    const hone_contestant *who = lane->who;
    if (who->reset) who->reset(who->self);
    hone_status status = who->run(who->self, repeats);
    return status ? hone_fail_within(status, "timing %s", who->name) : HONE_OK;
}

/* One sample, in seconds for all its repeats. Everything but `run` lies outside the two readings of the clock. */
static hone_status sample(struct bench *b, int at, double *seconds, bool *preempted)
{
    struct lane *lane = &b->lanes[at];
    const hone_contestant *who = lane->who;
    const hone_watch *w = b->watch;
    bool cold = b->options->cache == HONE_CACHE_COLD, paused = b->options->pause_s > 0 && b->last_paused != at;

    if (paused) w->pause(w->self, b->options->pause_s);
    b->last_paused = at;
    /* Bring back what the contestant before pushed out, after a pause also the clock; of a long sample that is little.
     */
    if (!cold && lane->last_s < LONG_SAMPLE_S) {
        int before = paused ? lane->repeats : lane->repeats / 8;
        HONE_TRY(run(lane, before > 1 ? before : 1));
    }
    if (who->reset) who->reset(who->self);
    if (cold && who->evict) who->evict(who->self);
    if (cold && !who->evict) hone_watch_sweep(b->sweep, b->sweep_bytes);

    int64_t pushed = w->preemptions(w->self), on_core = w->on_core_ns ? w->on_core_ns(w->self) : 0;
    int64_t start = w->now_ns(w->self);
    hone_status status = who->run(who->self, lane->repeats);
    int64_t took = w->now_ns(w->self) - start;
    if (status) return hone_fail_within(status, "timing %s", who->name);
    on_core = w->on_core_ns ? w->on_core_ns(w->self) - on_core : 0;
    *preempted = w->preemptions(w->self) != pushed && (double)(took - on_core) > FORGIVEN * (double)took;
    *seconds = lane->last_s = (double)(took > 0 ? took : 1) * 1e-9;
    return HONE_OK;
}

/* The same, taken again while it is preempted. */
static hone_status quiet_sample(struct bench *b, int at, double *seconds, bool *preempted)
{
    /* Of several threads it is known that one was pushed off its core, yielding idle ones among them, and not for how
     * long: taking the sample again would mostly bring the same. */
    const int retries = b->options->threads > 1 && !b->watch->on_core_ns ? 0 : RETRIES;
    for (int attempt = 0; attempt <= retries; attempt++) {
        HONE_TRY(sample(b, at, seconds, preempted));
        if (!*preempted) return HONE_OK;
        b->out->preempted++;
    }
    return HONE_OK;
}

/* Finds how many repeats fill a sample, and runs until successive samples agree: caches filled, pages touched,
 * clock risen, lazy set-up of libraries done. */
static hone_status warm_up(struct bench *b, int at, double until)
{
    struct lane *lane = &b->lanes[at];
    int most = lane->who->repeats_max > 0 ? lane->who->repeats_max : 1 << 30, seen = 0;
    if (b->options->cache == HONE_CACHE_COLD) most = 1;
    lane->repeats = 1;
    double last[SETTLED];
    const int samples = b->options->warm_max > 0 ? b->options->warm_max : WARM_SAMPLES;
    for (int i = 0; i < samples; i++) {
        double seconds;
        bool   preempted;
        HONE_TRY(quiet_sample(b, at, &seconds, &preempted));
        if (seconds < b->sample_s && lane->repeats < most) {
            double wish = lane->repeats * (1.1 * b->sample_s / seconds), leap = 100.0 * lane->repeats;
            wish = fmin(fmin(wish, leap), most);
            lane->repeats = wish > lane->repeats + 1 ? (int)wish : lane->repeats + 1;
            seen = 0;
            continue;
        }
        last[seen++ % SETTLED] = seconds;
        if (now(b) > until || (seen >= 2 && seconds > LONG_SAMPLE_S)) break;
        if (seen < SETTLED) continue;
        double least = fmin(last[0], fmin(last[1], last[2])), greatest = fmax(last[0], fmax(last[1], last[2]));
        if (greatest <= least * (1 + SETTLED_WITHIN)) break;
    }
    return HONE_OK;
}

static double median_of_few(const double *values, int count)
{
    double copy[DRIFTS];
    memcpy(copy, values, (size_t)count * sizeof *copy);
    return hone_stats_median(copy, count);
}

/* Whether the core's clock changed between two canaries. Some always differ - a clock that sinks under wide
 * vectors and rises again in the pause - so the yardstick is what recent rounds showed, and at first none. */
static bool clock_changed(struct bench *b, double before, double after)
{
    double drift = log(after / before);
    b->drifts[b->drifts_seen++ % DRIFTS] = drift;
    int    known = b->drifts_seen < DRIFTS ? b->drifts_seen : DRIFTS;
    double usual = known < 4 ? 0 : median_of_few(b->drifts, known);
    return fabs(drift - usual) > CLOCK_WITHIN;
}

static void shuffle(struct bench *b)
{
    int racing = 0;
    for (int i = 0; i < b->count; i++)
        if (b->lanes[i].racing) b->order[racing++] = i;
    for (int i = racing - 1; i > 0; i--) {
        int other = (int)hone_random_below(&b->random, (uint64_t)i + 1), lane = b->order[i];
        b->order[i] = b->order[other];
        b->order[other] = lane;
    }
    b->order[racing] = -1;
}

/* All lanes there and back; the two samples of a lane make one value. */
static hone_status take_round(struct bench *b)
{
    const hone_watch *w = b->watch;
    bool   disturbed = false;
    int    racing = 0;
    double before = w->canary ? w->canary(w->self) : 1;
    shuffle(b);
    while (b->order[racing] >= 0) racing++;
    for (int i = 0; i < racing; i++) b->scratch[b->order[i]] = 0;
    for (int i = 0; i < 2 * racing; i++) {
        int    at = b->order[i < racing ? i : 2 * racing - 1 - i];
        double seconds;
        bool   preempted;
        HONE_TRY(quiet_sample(b, at, &seconds, &preempted));
        b->scratch[at] += 0.5 * seconds / b->lanes[at].repeats;
        disturbed |= preempted;
    }
    if (w->canary && clock_changed(b, before, w->canary(w->self))) {
        b->out->reclocked++;
        disturbed = true;
    }
    if (disturbed) {
        b->out->set_aside++;
        if (b->spare_rounds < ROUNDS_FEWEST) {
            for (int i = 0; i < racing; i++) b->lanes[b->order[i]].spare[b->spare_rounds] = b->scratch[b->order[i]];
            b->spare_rounds++;
        }
        return HONE_OK;
    }
    for (int i = 0; i < racing; i++) {
        struct lane *lane = &b->lanes[b->order[i]];
        lane->kept[lane->rounds++] = b->scratch[b->order[i]];
    }
    b->out->rounds++;
    return HONE_OK;
}

static hone_interval ratio_so_far(struct bench *b, int one, int other, double confidence)
{
    int rounds = b->lanes[one].rounds < b->lanes[other].rounds ? b->lanes[one].rounds : b->lanes[other].rounds;
    return hone_stats_ratio_exact(b->lanes[one].kept, b->lanes[other].kept, rounds, confidence, b->scratch);
}

/* Lets those go that are slower than the best one beyond doubt. Looking after every round calls for more
 * confidence than looking once. */
static void race(struct bench *b)
{
    int    best = 0;
    double least = INFINITY;
    for (int i = 0; i < b->count; i++) {
        const struct lane *lane = &b->lanes[i];
        if (!lane->racing) continue;
        memcpy(b->scratch, lane->kept, (size_t)lane->rounds * sizeof *b->scratch);
        double median = hone_stats_median(b->scratch, lane->rounds);
        if (median < least) least = median, best = i;
    }
    for (int i = 1; i < b->out->count; i++) {
        if (!b->lanes[i].racing || i == best) continue;
        if (ratio_so_far(b, i, best, 0.999).lo > 1 + b->options->threshold) b->lanes[i].racing = false;
    }
}

/* Whether every ratio to the first that is still being measured is known closely enough; of one alone, its median. */
static bool on_goal(struct bench *b)
{
    double width = (1 + b->options->goal) * (1 + b->options->goal);
    if (b->options->goal <= 0) return false;
    if (b->count == 1) {
        const struct lane *lane = &b->lanes[0];
        memcpy(b->scratch, lane->kept, (size_t)lane->rounds * sizeof *b->scratch);
        hone_stats_sort(b->scratch, lane->rounds);
        hone_interval median = hone_stats_median_exact(b->scratch, lane->rounds, 0.95);
        return median.hi <= median.lo * width && median.lo > 0;
    }
    for (int i = 1; i < b->count; i++) {
        if (!b->lanes[i].racing) continue;
        hone_interval ratio = ratio_so_far(b, i, 0, 0.95);
        if (!(ratio.hi <= ratio.lo * width)) return false;
    }
    return true;
}

/* Rounds until there are enough, the goal is met, or a cap is. One round is always taken. */
static hone_status all_rounds(struct bench *b, double start)
{
    const hone_measure_options *o = b->options;
    double deadline = o->budget_s > 0 ? start + o->budget_s : INFINITY, longest = 0;
    int    most = o->rounds_max < ROUNDS_FEWEST ? o->rounds_max + ROUNDS_MORE : 3 * o->rounds_max + 10;
    for (int taken = 0; taken < most && b->out->rounds < o->rounds_max; taken++) {
        double began = now(b);
        if (taken > 0 && began + longest > deadline) break;
        HONE_TRY(take_round(b));
        longest = fmax(longest, now(b) - began);
        if (b->out->rounds < o->rounds_min) continue;
        if (o->race) race(b);
        if ((b->out->on_goal = on_goal(b))) break;
    }
    return HONE_OK;
}

/* Too little peace for an interval: what was set aside comes back, and the verdicts will say that they cannot tell. */
static void fall_back(struct bench *b)
{
    hone_measurement *m = b->out;
    while (m->rounds < ROUNDS_FEWEST && m->rounds < b->options->rounds_max && m->disturbed < b->spare_rounds) {
        for (int i = 0; i < b->count; i++) {
            struct lane *lane = &b->lanes[i];
            lane->kept[lane->rounds++] = lane->spare[m->disturbed];
        }
        m->disturbed++;
        m->rounds++;
        m->set_aside--;
    }
}

static hone_status sum_up(struct bench *b)
{
    hone_measurement *m = b->out;
    for (int i = 0; i < m->count; i++) {
        const struct lane *lane = &b->lanes[i];
        hone_timing       *t = &m->timings[i];
        t->name = lane->who->name;
        t->rounds = lane->rounds;
        t->repeats = lane->repeats;
        memcpy(b->scratch, lane->kept, (size_t)lane->rounds * sizeof *b->scratch);
        hone_stats_sort(b->scratch, lane->rounds);
        HONE_TRY(hone_stats_median_bootstrap(b->scratch, lane->rounds, 0.95, HONE_STATS_RESAMPLES,
                                             hone_random_at(m->seed, (uint64_t)i), &t->seconds));
        t->best_s = hone_stats_quantile(b->scratch, lane->rounds, 0);
        t->tenth_s = hone_stats_quantile(b->scratch, lane->rounds, 0.1);
        t->ninetieth_s = hone_stats_quantile(b->scratch, lane->rounds, 0.9);
    }
    if (b->options->twin) {
        hone_interval self;
        HONE_TRY(hone_stats_ratio(b->lanes[m->count].kept, b->lanes[0].kept, b->lanes[m->count].rounds, 0.95, m->seed,
                                  b->scratch, &self));
        m->floor = fmax(m->floor, fmax(self.hi - 1, 1 / self.lo - 1));
    }
    return HONE_OK;
}

static hone_status check(const hone_contestant *contestants, int count, const hone_measure_options *o)
{
    HONE_CHECK(count >= 1 && count <= 10000, HONE_ERROR_ARGUMENT, "measure: %d contestants, must be 1 to 10000", count);
    for (int i = 0; i < count; i++)
        HONE_CHECK(contestants[i].run && contestants[i].name, HONE_ERROR_ARGUMENT,
                   "measure: contestant %d has no %s", i, contestants[i].name ? "run" : "name");
    HONE_CHECK(o->rounds_min >= 1 && o->rounds_min <= o->rounds_max && o->rounds_max <= 1000000, HONE_ERROR_ARGUMENT,
               "measure: %d to %d rounds; at least 1, at most 1000000, in that order", o->rounds_min, o->rounds_max);
    HONE_CHECK(o->sample_s >= 0 && o->sample_s <= 10 && o->budget_s >= 0 && o->pause_s >= 0, HONE_ERROR_ARGUMENT,
               "measure: a sample of %g s (0 to 10), a budget of %g s, a pause of %g s; none may be negative",
               o->sample_s, o->budget_s, o->pause_s);
    HONE_CHECK(o->threshold >= 0 && o->floor >= 0 && o->goal >= 0, HONE_ERROR_ARGUMENT,
               "measure: threshold %g, floor %g, goal %g; none may be negative", o->threshold, o->floor, o->goal);
    return HONE_OK;
}

/* Everything that is held while it runs; what outlives it goes into b->out. */
static hone_status set_up(struct bench *b, const hone_contestant *contestants, int count)
{
    const hone_measure_options *o = b->options;
    size_t per_lane = (size_t)o->rounds_max, scratch = per_lane > (size_t)b->count ? per_lane : (size_t)b->count;
    double *kept, *spare;
    if (!(b->out = hone_alloc(1, sizeof *b->out))) return HONE_ERROR_MEMORY;
    if (!(b->out->timings = hone_alloc((size_t)count, sizeof *b->out->timings))) return HONE_ERROR_MEMORY;
    if (!(kept = hone_alloc((size_t)b->count * per_lane, sizeof *kept))) return HONE_ERROR_MEMORY;
    b->out->timings[0].samples = kept;
    if (!(b->lanes = hone_alloc((size_t)b->count, sizeof *b->lanes))) return HONE_ERROR_MEMORY;
    if (!(spare = hone_alloc((size_t)b->count * ROUNDS_FEWEST, sizeof *spare))) return HONE_ERROR_MEMORY;
    b->lanes[0].spare = spare;
    if (!(b->order = hone_alloc((size_t)b->count + 1, sizeof *b->order))) return HONE_ERROR_MEMORY;
    if (!(b->scratch = hone_alloc(scratch, sizeof *b->scratch))) return HONE_ERROR_MEMORY;

    bool sweeps = false;
    for (int i = 0; i < b->count; i++) {
        b->lanes[i] = (struct lane){.who = &contestants[i < count ? i : 0], .repeats = 1, .racing = true,
                                    .kept = kept + (size_t)i * per_lane, .spare = spare + (size_t)i * ROUNDS_FEWEST};
        sweeps |= !b->lanes[i].who->evict;
    }
    for (int i = 0; i < count; i++) b->out->timings[i].samples = b->lanes[i].kept;
    if (o->cache == HONE_CACHE_COLD && sweeps) {
        b->sweep_bytes = o->sweep_bytes ? o->sweep_bytes : (size_t)64 << 20;
        if (!(b->sweep = hone_alloc_raw(b->sweep_bytes, 64))) return HONE_ERROR_MEMORY;
        memset(b->sweep, 1, b->sweep_bytes); /* pages of its own, not one of zeros seen everywhere */
    }
    b->out->count = count;
    b->out->seed = o->seed;
    b->out->floor = o->floor;
    b->out->threshold = o->threshold;
    return HONE_OK;
}

static void tear_down(struct bench *b)
{
    hone_free(b->sweep);
    hone_free(b->scratch);
    hone_free(b->order);
    if (b->lanes) hone_free(b->lanes[0].spare);
    hone_free(b->lanes);
}

hone_status hone_measure(const hone_contestant *contestants, int count, const hone_measure_options *options,
                         hone_measurement **out)
{
    *out = NULL;
    HONE_TRY(check(contestants, count, options));
    struct bench b = {.options = options, .watch = options->watch ? options->watch : hone_watch_real(options->threads),
                      .count = count + (options->twin ? 1 : 0), .last_paused = -1,
                      .random = hone_random_seeded(options->seed)};
    hone_status status = set_up(&b, contestants, count);
    if (status) goto done;

    double start = now(&b), share = options->budget_s > 0 ? 0.2 * options->budget_s / b.count : 1.0;
    b.sample_s = fmax(options->sample_s, 1000e-9 * (double)hone_watch_step_ns(b.watch, 1000));
    for (int i = 0; i < b.count; i++)
        if ((status = warm_up(&b, i, now(&b) + share))) goto done;
    b.out->preempted = 0; /* what happened during warm-up is nobody's figure */
    if ((status = all_rounds(&b, start))) goto done;
    fall_back(&b);
    status = sum_up(&b);
    b.out->spent_s = now(&b) - start;
done:
    tear_down(&b);
    if (status) {
        hone_measurement_destroy(b.out);
        return status;
    }
    *out = b.out;
    return HONE_OK;
}

void hone_measurement_destroy(hone_measurement *measurement)
{
    if (!measurement) return;
    if (measurement->timings) hone_free((void *)measurement->timings[0].samples);
    hone_free(measurement->timings);
    hone_free(measurement);
}

hone_outcome hone_measure_outcome(hone_interval ratio, double margin)
{
    if (hone_interval_above(ratio, 1 + margin)) return HONE_OUTCOME_SLOWER;
    if (hone_interval_below(ratio, 1 / (1 + margin))) return HONE_OUTCOME_FASTER;
    if (ratio.lo >= 1 / (1 + margin) && ratio.hi <= 1 + margin) return HONE_OUTCOME_SAME;
    return HONE_OUTCOME_UNKNOWN;
}

hone_status hone_measure_compare(const hone_measurement *m, int one, int other, hone_comparison *out)
{
    HONE_CHECK(one >= 0 && one < m->count && other >= 0 && other < m->count, HONE_ERROR_ARGUMENT,
               "compare: contestants %d and %d, there are %d", one, other, m->count);
    const hone_timing *a = &m->timings[one], *b = &m->timings[other];
    int     rounds = a->rounds < b->rounds ? a->rounds : b->rounds;
    double *scratch = hone_alloc((size_t)rounds, sizeof *scratch);
    if (!scratch) return HONE_ERROR_MEMORY;
    uint64_t seed = hone_random_at(m->seed, (uint64_t)one << 32 | (uint32_t)other);
    out->rounds = rounds;
    out->margin = fmax(m->threshold, m->floor);
    hone_status status = hone_stats_ratio(a->samples, b->samples, rounds, 0.95, seed, scratch, &out->ratio);
    out->outcome = status || m->disturbed ? HONE_OUTCOME_UNKNOWN : hone_measure_outcome(out->ratio, out->margin);
    hone_free(scratch);
    return status;
}

hone_status hone_measure_duel(const hone_contestant *one, const hone_contestant *other,
                              const hone_measure_options *options, hone_comparison *out)
{
    const hone_contestant both[2] = {*other, *one};
    const hone_watch *w = options->watch ? options->watch : hone_watch_real(options->threads);
    hone_measure_options once = *options;
    hone_outcome before = HONE_OUTCOME_UNKNOWN;
    int64_t start = w->now_ns(w->self);
    int     rounds = options->rounds_min;
    for (int pass = 0;; pass++) {
        hone_measurement *m;
        once.rounds_min = once.rounds_max = rounds;
        once.seed = hone_random_at(options->seed, (uint64_t)pass);
        HONE_TRY(hone_measure(both, 2, &once, &m));
        hone_status status = hone_measure_compare(m, 1, 0, out);
        hone_measurement_destroy(m);
        HONE_TRY(status);

        bool differs = out->outcome == HONE_OUTCOME_SLOWER || out->outcome == HONE_OUTCOME_FASTER;
        if (out->outcome == HONE_OUTCOME_SAME || (differs && out->outcome == before)) return HONE_OK;
        bool contradicts = differs && before != HONE_OUTCOME_UNKNOWN;
        bool confirm = differs && !contradicts;
        before = confirm ? out->outcome : HONE_OUTCOME_UNKNOWN;
        once.budget_s = options->budget_s - (double)(w->now_ns(w->self) - start) * 1e-9;
        bool spent = options->budget_s > 0 && once.budget_s <= 0;
        if (spent || (!confirm && rounds >= options->rounds_max)) {
            out->outcome = HONE_OUTCOME_UNKNOWN;
            return HONE_OK;
        }
        if (options->budget_s <= 0) once.budget_s = 0;
        if (!confirm) rounds = 2 * rounds < options->rounds_max ? 2 * rounds : options->rounds_max;
    }
}
