/* The stopwatch against itself: duels whose answer is known. See measure.h. */
#include "tuner/measure.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"

/* What is timed where the caller brings nothing: a loop that neither grows nor decays. */
enum { SMALL = 4096 };

static hone_status small_loop(void *self, int repeats)
{
    float *x = self;
    for (int r = 0; r < repeats; r++) {
        for (int i = 0; i < SMALL; i++) x[i] = x[i] * 0.5f + 1.0f;
        __asm__ volatile("" ::"r"(x) : "memory");
    }
    return HONE_OK;
}

/* The subject, and then nothing for a share of the time that it took. */
struct slowed {
    const hone_contestant *subject;
    const hone_watch *watch;
    double share;
};

static hone_status slowed_run(void *self, int repeats)
{
    const struct slowed *s = self;
    int64_t start = s->watch->now_ns(s->watch->self);
    HONE_TRY(s->subject->run(s->subject->self, repeats));
    int64_t end = s->watch->now_ns(s->watch->self);
    int64_t until = end + llround(s->share * (double)(end - start));
    while (s->watch->now_ns(s->watch->self) < until) {
    }
    return HONE_OK;
}

static void slowed_reset(void *self)
{
    const struct slowed *s = self;
    s->subject->reset(s->subject->self);
}

static void slowed_evict(void *self)
{
    const struct slowed *s = self;
    s->subject->evict(s->subject->self);
}

/* Other people's work: computes, sweeps memory or sleeps, for 0.1 to 10 ms each, at random. */
struct load {
    pthread_t   thread;
    atomic_bool stop;
    uint64_t    seed;
    double     *memory;
};
enum { LOAD_MEMORY = 1 << 20 };

static void *load_run(void *self)
{
    struct load *load = self;
    hone_random random = hone_random_seeded(load->seed);
    const hone_watch *w = hone_watch_real(1);
    double sink = 1;
    while (!atomic_load_explicit(&load->stop, memory_order_relaxed)) {
        int64_t span_ns = 100000 + (int64_t)hone_random_below(&random, 9900000), end = hone_now_ns() + span_ns;
        uint64_t what = hone_random_below(&random, 3);
        if (what == 0) {
            w->pause(w->self, (double)span_ns * 1e-9);
            continue;
        }
        while (hone_now_ns() < end && !atomic_load_explicit(&load->stop, memory_order_relaxed)) {
            for (int i = 0; i < 4096; i++) {
                if (what == 1) sink = sink * 0.5 + 1;
                else load->memory[hone_random_below(&random, LOAD_MEMORY)] += 1;
            }
            __asm__ volatile("" ::"g"(sink) : "memory");
        }
    }
    return NULL;
}

static void load_stop(struct load *loads, int count)
{
    for (int i = 0; i < count; i++) atomic_store(&loads[i].stop, true);
    for (int i = 0; i < count; i++) {
        pthread_join(loads[i].thread, NULL);
        hone_free(loads[i].memory);
    }
    hone_free(loads);
}

static hone_status load_start(int count, uint64_t seed, struct load **out)
{
    struct load *loads = hone_alloc((size_t)count, sizeof *loads);
    if (!loads) return HONE_ERROR_MEMORY;
    for (int i = 0; i < count; i++) {
        loads[i].seed = hone_random_at(seed, (uint64_t)i);
        loads[i].memory = hone_alloc(LOAD_MEMORY, sizeof *loads[i].memory);
        int refused = loads[i].memory ? pthread_create(&loads[i].thread, NULL, load_run, &loads[i]) : 0;
        if (loads[i].memory && !refused) continue;
        hone_free(loads[i].memory);
        load_stop(loads, i);
        HONE_CHECK(!refused, HONE_ERROR_DEVICE, "selftest: thread %d of %d of load not started (error %d)", i + 1,
                   count, refused);
        return HONE_ERROR_MEMORY;
    }
    *out = loads;
    return HONE_OK;
}

hone_selftest_options hone_selftest_defaults(void)
{
    hone_selftest_options o = {.measure = hone_measure_defaults(), .duels = 1000, .slowdown = 0.03};
    o.measure.sample_s = 1e-4;
    o.measure.rounds_max = 160;
    o.measure.budget_s = 1;
    return o;
}

static void count_self(hone_selftest_report *r, const hone_comparison *c)
{
    r->duels++;
    r->called_different += c->outcome == HONE_OUTCOME_SLOWER || c->outcome == HONE_OUTCOME_FASTER;
    r->cannot_tell += c->outcome == HONE_OUTCOME_UNKNOWN;
    r->worst = fmax(r->worst, fabs(c->ratio.mid - 1));
}

static void count_slower(hone_selftest_report *r, const hone_comparison *c)
{
    r->slower_duels++;
    r->found += c->outcome == HONE_OUTCOME_SLOWER;
    r->called_same += c->outcome == HONE_OUTCOME_SAME;
    r->called_faster += c->outcome == HONE_OUTCOME_FASTER;
    r->unsure += c->outcome == HONE_OUTCOME_UNKNOWN;
}

static hone_status all_duels(const hone_selftest_options *o, const hone_contestant *subject, hone_selftest_report *r)
{
    const hone_watch *w = o->measure.watch ? o->measure.watch : hone_watch_real(o->measure.threads);
    struct slowed slowed = {subject, w, o->slowdown};
    hone_contestant slower = {.name = subject->name, .run = slowed_run, .reset = subject->reset ? slowed_reset : NULL,
                              .evict = subject->evict ? slowed_evict : NULL, .repeats_max = subject->repeats_max,
                              .self = &slowed};
    hone_measure_options measure = o->measure;
    for (int duel = 0; duel < o->duels; duel++) {
        hone_comparison c;
        measure.seed = hone_random_at(o->measure.seed, 2 * (uint64_t)duel);
        HONE_TRY(hone_measure_duel(subject, subject, &measure, &c));
        count_self(r, &c);
        if (o->slowdown > 0) {
            measure.seed = hone_random_at(o->measure.seed, 2 * (uint64_t)duel + 1);
            HONE_TRY(hone_measure_duel(&slower, subject, &measure, &c));
            count_slower(r, &c);
        }
        if (o->progress) o->progress(o->self, duel + 1, o->duels);
    }
    return HONE_OK;
}

hone_status hone_measure_selftest(const hone_selftest_options *options, hone_selftest_report *out)
{
    *out = (hone_selftest_report){0};
    HONE_CHECK(options->duels >= 1, HONE_ERROR_ARGUMENT, "selftest: %d duels, must be at least 1", options->duels);
    HONE_CHECK(options->load >= 0 && options->load <= 4096, HONE_ERROR_ARGUMENT,
               "selftest: %d threads of load, must be 0 to 4096", options->load);
    HONE_CHECK(options->slowdown >= 0, HONE_ERROR_ARGUMENT, "selftest: slowdown %g is negative", options->slowdown);
    hone_contestant small = {.name = "a loop over 16 KiB", .run = small_loop};
    if (!options->subject && !(small.self = hone_alloc(SMALL, sizeof(float)))) return HONE_ERROR_MEMORY;

    struct load *load = NULL;
    int64_t      start = hone_now_ns();
    hone_status  status = options->load ? load_start(options->load, options->measure.seed, &load) : HONE_OK;
    if (!status) status = all_duels(options, options->subject ? options->subject : &small, out);
    if (load) load_stop(load, options->load);
    out->seconds = (double)(hone_now_ns() - start) * 1e-9;
    hone_free(small.self);
    return status;
}
