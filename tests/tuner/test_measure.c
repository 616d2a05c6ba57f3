/* The stopwatch on a clock that is made up: noise, drift, preemptions and clock changes are written by the test, so
 * every answer is known and no test depends on how busy this machine is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tuner/measure.h"

/* The weather of a test. Time passes only where a contestant runs, the clock is read, or something is paused. */
struct world {
    double  now_s, on_core_s;
    int64_t preemptions;
    double  noise;          /* a run takes up to this share longer, seldom much longer */
    double  drift;          /* everything slows by this share a second */
    double  preempt_chance; /* of a run */
    double  preempt_s;
    double  slow_from_s, slow_by; /* from then on the core's clock is lower by this factor; 0: never */
    double  canary_sag;     /* the second canary of a round is always slower by this share */
    double  tick_s;         /* steps of the clock; 0: 1 ns */
    double  reads_cost_s;
    int     canaries, pauses;
    double  paused_s;
    hone_random random;
};

static double chance(struct world *w) { return (double)(hone_random_next(&w->random) >> 11) * 0x1p-53; }
static double clock_factor(const struct world *w) { return w->slow_by && w->now_s >= w->slow_from_s ? w->slow_by : 1; }

static int64_t world_now(void *self)
{
    struct world *w = self;
    w->now_s += w->reads_cost_s;
    double tick = w->tick_s > 0 ? w->tick_s : 1e-9;
    return (int64_t)(floor(w->now_s / tick) * tick * 1e9 + 0.5);
}
static int64_t world_preemptions(void *self) { return ((struct world *)self)->preemptions; }
static int64_t world_on_core(void *self) { return (int64_t)(((struct world *)self)->on_core_s * 1e9); }
static double world_canary(void *self)
{
    struct world *w = self;
    double took = 4e-6 * clock_factor(w) * (1 + (w->canaries++ % 2 ? w->canary_sag : 0)) * (1 + 0.002 * chance(w));
    w->now_s += 5 * took;
    return took;
}
static void world_pause(void *self, double seconds)
{
    struct world *w = self;
    w->pauses++;
    w->paused_s += seconds;
    w->now_s += seconds;
}

static struct world fair(uint64_t seed)
{
    return (struct world){.noise = 0.02, .reads_cost_s = 25e-9, .preempt_s = 4e-3, .random = hone_random_seeded(seed)};
}
static hone_watch watch_of(struct world *w)
{
    return (hone_watch){world_now, world_preemptions, world_on_core, world_canary, world_pause, w};
}

/* A contestant of known speed, and what was done to it: 'r' reset, 'e' evict, '.' a run. */
struct runner {
    struct world *world;
    double seconds;
    double reset_s;    /* how long a reset takes: must never be seen */
    int    fails_at;   /* this run fails; 0: none */
    int    runs, resets, evictions, repeats_most;
    char   log[64];
    size_t logged;
};

static void note(struct runner *r, char what)
{
    if (r->logged + 1 < sizeof r->log) r->log[r->logged++] = what;
}

static hone_status runner_run(void *self, int repeats)
{
    struct runner *r = self;
    struct world  *w = r->world;
    note(r, '.');
    if (++r->runs == r->fails_at) return hone_fail(HONE_ERROR_DEVICE, "the belt is off");
    if (repeats > r->repeats_most) r->repeats_most = repeats;
    double u = chance(w), slower = w->noise * (u < 0.9 ? u : 10 * (u - 0.9) * 5);
    double took = r->seconds * repeats * (1 + slower) * (1 + w->drift * w->now_s) * clock_factor(w);
    w->now_s += took;
    w->on_core_s += took;
    if (w->preempt_chance > 0 && chance(w) < w->preempt_chance) {
        w->now_s += w->preempt_s * (0.5 + chance(w));
        w->preemptions++;
    }
    return HONE_OK;
}
static void runner_reset(void *self)
{
    struct runner *r = self;
    note(r, 'r');
    r->resets++;
    r->world->now_s += r->reset_s;
}
static void runner_evict(void *self)
{
    struct runner *r = self;
    note(r, 'e');
    r->evictions++;
    r->world->now_s += 1e-4;
}

static hone_contestant contestant(const char *name, struct runner *r)
{
    return (hone_contestant){.name = name, .run = runner_run, .self = r};
}

static hone_measure_options options(const hone_watch *watch, uint64_t seed)
{
    hone_measure_options o = hone_measure_defaults();
    o.watch = watch;
    o.seed = seed;
    return o;
}

static hone_comparison pair(struct world *world, double first_s, double second_s, hone_measure_options o)
{
    struct runner a = {.world = world, .seconds = first_s}, b = {.world = world, .seconds = second_s};
    hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
    hone_measurement *m;
    hone_comparison c;
    assert_int_equal(hone_measure(both, 2, &o, &m), HONE_OK);
    assert_int_equal(hone_measure_compare(m, 1, 0, &c), HONE_OK);
    hone_measurement_destroy(m);
    return c;
}

static void finds_three_percent_under_drift_and_noise(void **state)
{
    (void)state;
    int slower = 0, faster = 0;
    enum { trials = 300 / HONE_TEST_SHARE };
    for (uint64_t seed = 1; seed <= trials; seed++) {
        struct world w = fair(seed);
        w.drift = 2.0; /* twice as slow after half a second */
        w.noise = 0.05;
        w.preempt_chance = 0.05;
        hone_watch watch = watch_of(&w);
        hone_measure_options o = options(&watch, seed);
        o.goal = 0;
        o.rounds_max = 40;
        hone_comparison c = pair(&w, 1.00e-5, 1.03e-5, o);
        slower += c.outcome == HONE_OUTCOME_SLOWER;
        assert_true(c.outcome != HONE_OUTCOME_FASTER && c.outcome != HONE_OUTCOME_SAME);
        assert_true(fabs(c.ratio.mid - 1.03) < 0.012);
        faster += pair(&w, 1.03e-5, 1.00e-5, o).outcome == HONE_OUTCOME_FASTER;
    }
    print_message("    3 %% found slower in %d, faster in %d of %d\n", slower, faster, trials);
    assert_true(slower >= 0.95 * trials && faster >= 0.95 * trials);
}

/* The figure this instrument stands for: the same against itself is different in at most 1 of 100. */
static void never_calls_itself_different(void **state)
{
    (void)state;
    enum { trials = 2000 / HONE_TEST_SHARE };
    int different = 0, same = 0;
    for (uint64_t seed = 1; seed <= trials; seed++) {
        struct world w = fair(seed);
        w.noise = 0.02 * (double)(1 + seed % 10); /* up to 20 %, with a tail five times as long */
        w.drift = 0.5 * (double)(seed % 3);
        w.preempt_chance = 0.1 * (double)(seed % 4);
        hone_watch watch = watch_of(&w);
        hone_measure_options o = options(&watch, seed);
        o.sample_s = 1e-4;
        o.rounds_max = 40;
        hone_outcome v = pair(&w, 1e-5, 1e-5, o).outcome;
        different += v == HONE_OUTCOME_SLOWER || v == HONE_OUTCOME_FASTER;
        same += v == HONE_OUTCOME_SAME;
    }
    print_message("    of %d pairs of equals %d called different, %d the same\n", trials, different, same);
    assert_true(different <= trials / 100);
    assert_true(same >= trials / 10); /* nor does it hide behind never saying anything */
}

static void preempted_samples_are_thrown_away_and_counted(void **state)
{
    (void)state;
    struct world w = fair(4);
    w.preempt_chance = 0.2;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5};
    hone_contestant one = contestant("a", &a);
    hone_measure_options o = options(&watch, 4);
    o.goal = 0;
    hone_measurement *m;
    assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
    assert_int_equal(m->rounds, o.rounds_max);
    assert_int_equal(m->timings[0].rounds, o.rounds_max);
    assert_true(m->preempted > 40 && m->preempted < 250);
    assert_true(m->set_aside > 0 && m->reclocked == 0 && m->disturbed == 0);
    for (int i = 0; i < m->rounds; i++) assert_true(m->timings[0].samples[i] < 1e-5 * 1.12); /* none with 2 ms in it */
    assert_true(m->timings[0].seconds.lo > 1e-5 && m->timings[0].seconds.hi < 1.02e-5);
    hone_measurement_destroy(m);
}

static void a_short_preemption_in_a_long_sample_is_forgiven(void **state)
{
    (void)state;
    struct world w = fair(4);
    w.preempt_chance = 1;
    w.preempt_s = 1e-4;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1.0};
    hone_contestant one = contestant("a second", &a);
    hone_measure_options o = options(&watch, 4);
    o.rounds_max = 20;
    hone_measurement *m;
    assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
    assert_int_equal(m->rounds, 20);
    assert_int_equal(m->preempted, 0);
    hone_measurement_destroy(m);

    watch.on_core_ns = NULL; /* where nobody knows how long it lasted, none is */
    assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
    assert_true(m->preempted > 0 && m->disturbed == m->rounds);
    hone_measurement_destroy(m);
}

/* Nothing but disturbance: it ends, has figures to show, and decides nothing. */
static void ends_without_peace(void **state)
{
    (void)state;
    struct world w = fair(5);
    w.preempt_chance = 1;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5}, b = {.world = &w, .seconds = 9e-5};
    hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
    hone_measure_options o = options(&watch, 5);
    hone_measurement *m;
    hone_comparison c;
    assert_int_equal(hone_measure(both, 2, &o, &m), HONE_OK);
    assert_true(m->rounds == 6 && m->disturbed == 6);
    assert_int_equal(m->rounds + m->set_aside, 3 * o.rounds_max + 10);
    assert_true(m->timings[0].seconds.mid > 1e-5 && m->timings[1].best_s > 9e-5);
    assert_int_equal(hone_measure_compare(m, 1, 0, &c), HONE_OK);
    assert_int_equal(c.outcome, HONE_OUTCOME_UNKNOWN);
    hone_measurement_destroy(m);

    hone_comparison duel;
    assert_int_equal(hone_measure_duel(&both[1], &both[0], &o, &duel), HONE_OK);
    assert_int_equal(duel.outcome, HONE_OUTCOME_UNKNOWN);
}

static void rounds_in_which_the_clock_changed_are_set_aside(void **state)
{
    (void)state;
    struct world w = fair(6);
    w.slow_from_s = 0.0521; /* within a round */
    w.slow_by = 1.25;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5}, b = {.world = &w, .seconds = 1.1e-5};
    hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
    hone_measure_options o = options(&watch, 6);
    o.goal = 0;
    o.rounds_max = 60;
    hone_measurement *m;
    hone_comparison c;
    assert_int_equal(hone_measure(both, 2, &o, &m), HONE_OK);
    assert_int_equal(m->rounds, 60);
    assert_int_equal(m->reclocked, 1);
    assert_int_equal(m->set_aside, 1);
    for (int i = 0; i < 60; i++)
        assert_true(fabs(m->timings[1].samples[i] / m->timings[0].samples[i] - 1.1) < 0.1);
    assert_int_equal(hone_measure_compare(m, 1, 0, &c), HONE_OK);
    assert_true(c.outcome == HONE_OUTCOME_SLOWER && fabs(c.ratio.mid - 1.1) < 0.01);
    hone_measurement_destroy(m);
}

/* A clock that sinks in every round alike - wide vectors do that - is weather, not a disturbance. */
static void a_clock_that_always_sags_starves_nobody(void **state)
{
    (void)state;
    struct world w = fair(7);
    w.canary_sag = 0.08;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5};
    hone_contestant one = contestant("a", &a);
    hone_measure_options o = options(&watch, 7);
    o.goal = 0;
    hone_measurement *m;
    assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
    assert_int_equal(m->rounds, o.rounds_max);
    assert_true(m->reclocked <= 4);
    hone_measurement_destroy(m);
}

static void repeats_fill_a_sample(void **state)
{
    (void)state;
    static const struct { double run_s, sample_s, tick_s; int least, most; } table[] = {
        {1e-6, 1e-3, 0, 1000, 1200},         /* a microsecond: a thousand of them */
        {3e-9, 1e-3, 0, 333333, 400000},
        {1e-6, 1e-3, 1e-5, 10000, 12000},    /* the clock moves in steps of 10 us: a thousand of those */
        {0.2, 1e-3, 0, 1, 1},
        {1e-6, 0, 0, 1, 120},                /* as little as the clock allows: 25 ns a reading */
    };
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        struct world w = fair(8);
        w.tick_s = table[t].tick_s;
        hone_watch watch = watch_of(&w);
        struct runner a = {.world = &w, .seconds = table[t].run_s};
        hone_contestant one = contestant("a", &a);
        hone_measure_options o = options(&watch, 8);
        o.sample_s = table[t].sample_s;
        o.rounds_max = 20;
        hone_measurement *m;
        assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
        assert_in_range(m->timings[0].repeats, table[t].least, table[t].most);
        assert_true(fabs(m->timings[0].seconds.mid / table[t].run_s - 1) < 0.03);
        hone_measurement_destroy(m);
    }
}

/* An in-place op has operands for so many runs; its reset takes long and is never on the clock. */
static void reset_is_outside_the_clock(void **state)
{
    (void)state;
    struct world w = fair(9);
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-4, .reset_s = 5e-3};
    hone_contestant one = contestant("in place", &a);
    one.reset = runner_reset;
    one.repeats_max = 4;
    hone_measure_options o = options(&watch, 9);
    o.rounds_max = 20;
    hone_measurement *m;
    assert_int_equal(hone_measure(&one, 1, &o, &m), HONE_OK);
    assert_int_equal(m->timings[0].repeats, 4);
    assert_int_equal(a.repeats_most, 4);
    assert_int_equal(a.resets, a.runs);
    assert_memory_equal(a.log, "r.r.r.r.r.r.", 12);
    assert_true(m->timings[0].seconds.hi < 1.02e-4);
    hone_measurement_destroy(m);
}

static void cold_evicts_before_each_sample(void **state)
{
    (void)state;
    struct world w = fair(10);
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5}, b = {.world = &w, .seconds = 2e-5};
    hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
    both[0].evict = runner_evict;
    both[0].reset = runner_reset;
    hone_measure_options o = options(&watch, 10);
    o.cache = HONE_CACHE_COLD;
    o.sweep_bytes = 1 << 16; /* b brings no evict */
    o.rounds_max = 30;
    hone_measurement *m;
    assert_int_equal(hone_measure(both, 2, &o, &m), HONE_OK);
    assert_int_equal(m->timings[0].repeats, 1);
    assert_int_equal(m->timings[1].repeats, 1);
    assert_true(a.evictions == a.runs && a.resets == a.runs && a.repeats_most == 1);
    assert_memory_equal(a.log, "re.re.re.re.", 12);
    assert_true(m->timings[0].seconds.hi < 1.03e-5);
    hone_measurement_destroy(m);
}

static void flush_takes_any_span(void **state)
{
    (void)state;
    char *memory = hone_alloc(4096, 1);
    assert_non_null(memory);
    memset(memory, 7, 4096);
    int first = hone_watch_flush(memory + 3, 1000);
#if defined(__x86_64__) || defined(__aarch64__)
    assert_true(first);
#endif
    assert_int_equal(hone_watch_flush(memory, 4096), first);
    hone_watch_sweep(memory, 4096);
    for (int i = 0; i < 4096; i++) assert_int_equal(memory[i], 7);
    hone_free(memory);
}

static void pauses_before_each_turn(void **state)
{
    (void)state;
    struct world w = fair(11);
    hone_watch watch = watch_of(&w);
    hone_measure_options o = options(&watch, 11);
    o.pause_s = 0.04;
    o.rounds_max = o.rounds_min = 20;
    hone_comparison c = pair(&w, 1e-5, 1.1e-5, o);
    assert_int_equal(c.outcome, HONE_OUTCOME_SLOWER);
    /* A B B A: three turns a round, and one fewer where the next round begins with who ended this one */
    assert_in_range(w.pauses, 40, 3 * 20 + 2);
}

static void stops_at_its_goal(void **state)
{
    (void)state;
    struct world quiet = fair(12), loud = fair(12);
    quiet.noise = 0.001;
    loud.noise = 0.2;
    hone_watch watch = watch_of(&quiet);
    hone_comparison c = pair(&quiet, 1e-5, 1.05e-5, options(&watch, 12));
    assert_int_equal(c.rounds, 20);
    assert_true(c.ratio.hi / c.ratio.lo < 1.01);
    watch = watch_of(&loud);
    c = pair(&loud, 1e-5, 1.05e-5, options(&watch, 12));
    assert_true(c.rounds > 40);
}

static void keeps_its_budget(void **state)
{
    (void)state;
    for (int budget = 1; budget <= 40; budget += 13) {
        struct world w = fair(13);
        hone_watch watch = watch_of(&w);
        struct runner a = {.world = &w, .seconds = 0.3}, b = {.world = &w, .seconds = 0.3};
        hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
        hone_measure_options o = options(&watch, 13);
        o.budget_s = budget;
        o.goal = 0;
        hone_measurement *m;
        assert_int_equal(hone_measure(both, 2, &o, &m), HONE_OK);
        assert_true(m->rounds >= 1);
        assert_true(m->spent_s <= budget || m->rounds == 1);
        hone_measurement_destroy(m);
        double began = w.now_s;
        hone_comparison c;
        assert_int_equal(hone_measure_duel(&both[0], &both[1], &o, &c), HONE_OK);
        assert_true(w.now_s - began < budget + 4.5); /* one pass of one round may stick out */
    }
}

static void losers_leave_the_race(void **state)
{
    (void)state;
    struct world w = fair(14);
    hone_watch watch = watch_of(&w);
    static const double seconds[] = {2e-5, 1e-5, 1.5e-5, 1.001e-5, 4e-5};
    struct runner r[5];
    hone_contestant all[5];
    for (int i = 0; i < 5; i++) {
        r[i] = (struct runner){.world = &w, .seconds = seconds[i]};
        all[i] = contestant("racer", &r[i]);
    }
    hone_measure_options o = options(&watch, 14);
    o.race = true;
    o.goal = 0;
    o.rounds_max = 60;
    hone_measurement *m;
    assert_int_equal(hone_measure(all, 5, &o, &m), HONE_OK);
    assert_int_equal(m->timings[0].rounds, 60); /* the first is what the others are told against */
    assert_int_equal(m->timings[1].rounds, 60);
    assert_int_equal(m->timings[3].rounds, 60);
    assert_int_equal(m->timings[2].rounds, 20);
    assert_int_equal(m->timings[4].rounds, 20);
    hone_comparison c;
    assert_int_equal(hone_measure_compare(m, 2, 1, &c), HONE_OK);
    assert_int_equal(c.rounds, 20);
    assert_true(c.outcome == HONE_OUTCOME_SLOWER && fabs(c.ratio.mid - 1.5) < 0.03);
    assert_int_equal(hone_measure_compare(m, 3, 1, &c), HONE_OK);
    assert_int_equal(c.outcome, HONE_OUTCOME_SAME);
    hone_measurement_destroy(m);
}

/* Where the same differs from itself by 4 %, 3 % is nothing. */
static void the_twin_is_a_floor(void **state)
{
    (void)state;
    int without = 0, with = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world w = fair(seed);
        w.noise = 0.3;
        hone_watch watch = watch_of(&w);
        hone_measure_options o = options(&watch, seed);
        o.rounds_max = o.rounds_min;
        without += pair(&w, 1e-5, 1.12e-5, o).outcome == HONE_OUTCOME_SLOWER;
        o.twin = true;
        hone_comparison c = pair(&w, 1e-5, 1.12e-5, o);
        assert_true(c.margin >= 0.01);
        with += c.outcome == HONE_OUTCOME_SLOWER;
    }
    assert_true(without > with);
    struct world w = fair(1);
    hone_watch watch = watch_of(&w);
    hone_measure_options o = options(&watch, 1);
    o.floor = 0.2;
    assert_int_equal(pair(&w, 1e-5, 1.1e-5, o).outcome, HONE_OUTCOME_SAME);
    assert_true(pair(&w, 1e-5, 1.1e-5, o).margin == 0.2);
}

static void verdicts_follow_the_interval(void **state)
{
    (void)state;
    static const struct { hone_interval ratio; double margin; hone_outcome outcome; } table[] = {
        {{1.03, 1.011, 1.05}, 0.01, HONE_OUTCOME_SLOWER}, {{1.03, 1.009, 1.05}, 0.01, HONE_OUTCOME_UNKNOWN},
        {{0.97, 0.95, 0.985}, 0.01, HONE_OUTCOME_FASTER}, {{0.97, 0.95, 0.995}, 0.01, HONE_OUTCOME_UNKNOWN},
        {{1.0, 0.995, 1.005}, 0.01, HONE_OUTCOME_SAME},   {{1.0, 0.98, 1.02}, 0.01, HONE_OUTCOME_UNKNOWN},
        {{1.0, 0.98, 1.02}, 0.03, HONE_OUTCOME_SAME},     {{1.2, 0, INFINITY}, 0.01, HONE_OUTCOME_UNKNOWN},
    };
    for (size_t t = 0; t < sizeof table / sizeof *table; t++)
        assert_int_equal(hone_measure_outcome(table[t].ratio, table[t].margin), table[t].outcome);
    assert_string_equal(hone_outcome_text(HONE_OUTCOME_UNKNOWN), "cannot tell");
    assert_string_equal(hone_outcome_text(HONE_OUTCOME_SLOWER), "slower");
}

static void the_same_seed_gives_the_same_answer(void **state)
{
    (void)state;
    hone_comparison c[3];
    for (int i = 0; i < 3; i++) {
        struct world w = fair(15);
        hone_watch watch = watch_of(&w);
        c[i] = pair(&w, 1e-5, 1.02e-5, options(&watch, i < 2 ? 1 : 2));
    }
    assert_memory_equal(&c[0].ratio, &c[1].ratio, sizeof c[0].ratio);
    assert_memory_not_equal(&c[0].ratio, &c[2].ratio, sizeof c[0].ratio);
}

static void a_failing_contestant_is_named(void **state)
{
    (void)state;
    struct world w = fair(16);
    hone_watch watch = watch_of(&w);
    for (int at = 1; at < 60; at += 7) { /* in warm-up as in rounds */
        struct runner a = {.world = &w, .seconds = 1e-5}, b = {.world = &w, .seconds = 1e-5, .fails_at = at};
        hone_contestant both[] = {contestant("sound", &a), contestant("broken", &b)};
        hone_measurement *m = (void *)&w;
        hone_measure_options o = options(&watch, 16);
        assert_int_equal(hone_measure(both, 2, &o, &m), HONE_ERROR_DEVICE);
        assert_null(m);
        assert_non_null(strstr(hone_last_error(), "broken"));
        assert_non_null(strstr(hone_last_error(), "the belt is off"));
        hone_comparison c;
        b.runs = 0;
        assert_int_equal(hone_measure_duel(&both[1], &both[0], &o, &c), HONE_ERROR_DEVICE);
        assert_int_equal(hone_alloc_live(), 0);
    }
}

static void senseless_requests_are_refused(void **state)
{
    (void)state;
    struct world w = fair(17);
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5};
    hone_contestant one = contestant("a", &a), nameless = one, idle = one;
    nameless.name = NULL;
    idle.run = NULL;
    hone_measure_options good = options(&watch, 1), bad[8];
    for (int i = 0; i < 8; i++) bad[i] = good;
    bad[0].rounds_min = 0;
    bad[1].rounds_max = good.rounds_min - 1;
    bad[2].sample_s = -1;
    bad[3].budget_s = -1;
    bad[4].threshold = -0.01;
    bad[5].floor = NAN;
    bad[6].sample_s = 11;
    bad[7].rounds_max = 2000000;
    hone_measurement *m;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hone_measure(&one, 1, &bad[i], &m), HONE_ERROR_ARGUMENT);
        assert_null(m);
    }
    assert_int_equal(hone_measure(&one, 0, &good, &m), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_measure(&nameless, 1, &good, &m), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_measure(&idle, 1, &good, &m), HONE_ERROR_ARGUMENT);
    assert_int_equal(a.runs, 0);
    hone_measurement_destroy(NULL);

    hone_comparison c;
    assert_int_equal(hone_measure(&one, 1, &good, &m), HONE_OK);
    assert_int_equal(hone_measure_compare(m, 0, 1, &c), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_measure_compare(m, -1, 0, &c), HONE_ERROR_ARGUMENT);
    hone_measurement_destroy(m);
}

static int allocations_left;
static void *failing_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return allocations_left-- > 0 ? aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment) : NULL;
}
static void failing_release(void *user, void *memory, size_t bytes)
{
    (void)user, (void)bytes;
    free(memory);
}

static void out_of_memory_is_a_status(void **state)
{
    (void)state;
    hone_allocator failing = {NULL, failing_allocate, failing_release};
    assert_int_equal(hone_allocator_set(&failing), HONE_OK);
    int n = 0;
    for (;; n++) {
        struct world w = fair(18);
        hone_watch watch = watch_of(&w);
        struct runner a = {.world = &w, .seconds = 1e-5}, b = a;
        hone_contestant both[] = {contestant("a", &a), contestant("b", &b)};
        hone_measure_options o = options(&watch, 18);
        o.cache = HONE_CACHE_COLD;
        o.sweep_bytes = 4096;
        o.twin = true;
        o.rounds_max = 20;
        hone_comparison c;
        allocations_left = n;
        hone_status status = hone_measure_duel(&both[0], &both[1], &o, &c);
        assert_int_equal(hone_alloc_live(), 0);
        if (status == HONE_OK) break;
        assert_int_equal(status, HONE_ERROR_MEMORY);
    }
    assert_true(n > 10);
    assert_int_equal(hone_allocator_set(NULL), HONE_OK);
}

static void duels_decide_and_are_confirmed(void **state)
{
    (void)state;
    static const struct { double share; hone_outcome outcome; } table[] = {
        {0.03, HONE_OUTCOME_SLOWER}, {-0.03, HONE_OUTCOME_FASTER}, {0, HONE_OUTCOME_SAME}, {0.002, HONE_OUTCOME_SAME}};
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        struct world w = fair(19 + t);
        w.noise = 0.05;
        hone_watch watch = watch_of(&w);
        struct runner a = {.world = &w, .seconds = 1e-5 * (1 + table[t].share)}, b = {.world = &w, .seconds = 1e-5};
        hone_contestant one = contestant("one", &a), other = contestant("other", &b);
        hone_measure_options o = options(&watch, 19);
        hone_comparison c;
        assert_int_equal(hone_measure_duel(&one, &other, &o, &c), HONE_OK);
        assert_int_equal(c.outcome, table[t].outcome);
        assert_true(fabs(c.ratio.mid - 1 - table[t].share) < 0.01);
    }
}

static void progress(void *self, int done, int of)
{
    int *last = self;
    assert_true(done == *last + 1 && done <= of);
    *last = done;
}

static void selftest_knows_right_from_wrong(void **state)
{
    (void)state;
    struct world w = fair(20);
    w.noise = 0.1;
    w.preempt_chance = 0.1;
    hone_watch watch = watch_of(&w);
    struct runner a = {.world = &w, .seconds = 1e-5};
    hone_contestant subject = contestant("subject", &a);
    subject.reset = runner_reset;
    subject.evict = runner_evict;
    enum { duels = 100 / HONE_TEST_SHARE };
    int done = 0;
    hone_selftest_options o = hone_selftest_defaults();
    o.subject = &subject;
    o.measure.watch = &watch;
    o.measure.budget_s = 0; /* rounds alone decide, whatever a second of this world holds */
    o.duels = duels;
    o.progress = progress;
    o.self = &done;
    hone_selftest_report r;
    assert_int_equal(hone_measure_selftest(&o, &r), HONE_OK);
    assert_int_equal(done, duels);
    assert_true(r.duels == duels && r.slower_duels == duels);
    assert_true(r.called_different <= 1 && r.found >= 0.95 * duels && r.called_faster == 0);
    assert_int_equal(r.found + r.called_same + r.called_faster + r.unsure, duels);

    o.duels = 0;
    assert_int_equal(hone_measure_selftest(&o, &r), HONE_ERROR_ARGUMENT);
    o.duels = 1;
    o.load = -1;
    assert_int_equal(hone_measure_selftest(&o, &r), HONE_ERROR_ARGUMENT);
}

/* The real clock, and load beside it: that it runs and counts. What it finds is a figure, not a test. */
static void selftest_runs_here(void **state)
{
    (void)state;
    hone_selftest_options o = hone_selftest_defaults();
    o.duels = 2;
    o.load = 2;
    o.measure.rounds_min = o.measure.rounds_max = 6;
    hone_selftest_report r;
    assert_int_equal(hone_measure_selftest(&o, &r), HONE_OK);
    assert_true(r.duels == 2 && r.slower_duels == 2 && r.seconds > 0);
    const hone_watch *w = hone_watch_real(1);
    int64_t before = w->now_ns(w->self);
    w->pause(w->self, 1e-4);
    assert_true(w->now_ns(w->self) - before >= 100000);
    assert_true(w->canary(w->self) > 0 && hone_watch_step_ns(w, 1000) >= 1);
    assert_true(hone_watch_real(2)->preemptions(NULL) >= w->preemptions(w->self));
    assert_int_equal(hone_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_three_percent_under_drift_and_noise),
        cmocka_unit_test(never_calls_itself_different),
        cmocka_unit_test(preempted_samples_are_thrown_away_and_counted),
        cmocka_unit_test(a_short_preemption_in_a_long_sample_is_forgiven),
        cmocka_unit_test(ends_without_peace),
        cmocka_unit_test(rounds_in_which_the_clock_changed_are_set_aside),
        cmocka_unit_test(a_clock_that_always_sags_starves_nobody),
        cmocka_unit_test(repeats_fill_a_sample),
        cmocka_unit_test(reset_is_outside_the_clock),
        cmocka_unit_test(cold_evicts_before_each_sample),
        cmocka_unit_test(flush_takes_any_span),
        cmocka_unit_test(pauses_before_each_turn),
        cmocka_unit_test(stops_at_its_goal),
        cmocka_unit_test(keeps_its_budget),
        cmocka_unit_test(losers_leave_the_race),
        cmocka_unit_test(the_twin_is_a_floor),
        cmocka_unit_test(verdicts_follow_the_interval),
        cmocka_unit_test(the_same_seed_gives_the_same_answer),
        cmocka_unit_test(a_failing_contestant_is_named),
        cmocka_unit_test(senseless_requests_are_refused),
        cmocka_unit_test(out_of_memory_is_a_status),
        cmocka_unit_test(duels_decide_and_are_confirmed),
        cmocka_unit_test(selftest_knows_right_from_wrong),
        cmocka_unit_test(selftest_runs_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
