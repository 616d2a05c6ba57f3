/* The stopwatch: how long contestants take beside each other, and whether that is a difference.
 *
 * It knows nothing of ops, kernels or devices. A contestant is something that can be run; several are timed in
 * one go, in rounds. A round takes them in random order and then in the reverse of it (A B B A), so that whatever
 * changes slowly - clock, temperature, a neighbour - falls on all of them alike, and a ratio is made within the
 * round, where both sides had the same weather. A sample is as many repeats as fill a minimum of time.
 *
 *      warm up and count repeats -> { canary, A B C, C B A, canary } x rounds -> medians, intervals, ratios
 *
 * What disturbed a sample is noticed and counted: it was preempted (then it is taken again, at most twice), or
 * the canary says that the core's clock changed within the round. Disturbed rounds are set aside. Everything is
 * capped, by rounds and by seconds, so that a measurement ends on any machine; one that found too little peace
 * says so, and its outcome is "cannot tell".
 *
 * "None under x" means, everywhere in this project, that no 95 % interval of a paired ratio lies wholly below x:
 * hone_interval_below(comparison.ratio, x) is false for all of them. */
#ifndef HONE_TUNER_MEASURE_H
#define HONE_TUNER_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tuner/stats.h"
#include "tuner/watch.h"

/* One thing to be timed. Only `run` is on the clock. */
typedef struct hone_contestant {
    const char *name;
    hone_status (*run)(void *self, int repeats); /* does its work `repeats` times; a failure ends the measurement */
    void (*reset)(void *self);                   /* before each run: fresh operands for an in-place op. NULL: none */
    void (*evict)(void *self);                   /* policy cold, after reset: flush the operands. NULL: a sweep */
    int   repeats_max;                           /* runs that fit between two resets; 0: any number */
    void *self;
} hone_contestant;

typedef enum hone_cache {
    HONE_CACHE_WARM, /* operands as the run before left them */
    HONE_CACHE_COLD, /* operands in memory alone; one repeat a sample */
} hone_cache;

typedef struct hone_measure_options {
    hone_cache cache;
    int        threads;    /* how many the contestants use: says which preemptions count */
    int        rounds_min; /* rounds kept before anything is decided */
    int        rounds_max; /* rounds kept at most */
    double     budget_s;   /* for all of it, warm-up too; 0: the rounds alone decide */
    double     sample_s;   /* least time of a sample; raised to 1000 steps of the clock */
    double     goal;       /* done when every ratio to the first is known to +- this share; 0: rounds_max decides */
    int        warm_max;   /* samples of warm-up at most, of a contestant; 0: 30, until successive ones agree */
    double     pause_s;    /* before a contestant's turn: what other libraries' idle workers spin for */
    double     threshold;  /* a difference smaller than this is none; 0.01: one percent */
    double     floor;      /* noise known from elsewhere; what is called different must lie beyond it too */
    bool       twin;       /* the first contestant runs twice a round: its ratio to itself is a floor measured here */
    bool       race;       /* who has surely lost leaves: only the first and those near the best stay to the end */
    uint64_t   seed;       /* of the order and the resampling */
    size_t     sweep_bytes; /* policy cold without evict: more than the last cache; 0: 64 MiB */
    const hone_watch *watch; /* NULL: this machine's own */
} hone_measure_options;

/* What a measurement for people or a profile starts from: warm, one thread, 20 to 200 rounds of 1 ms, +-0.5 %,
 * threshold 1 %, no budget. */
hone_measure_options hone_measure_defaults(void);

typedef struct hone_timing {
    const char   *name;
    int           rounds;   /* that count for it; fewer than the others' where it left the race */
    int           repeats;  /* in a sample */
    hone_interval seconds;  /* one repeat: the median and its 95 % interval */
    double        best_s;   /* the fastest round */
    double        tenth_s, ninetieth_s;
    const double *samples;  /* seconds of one repeat, one a round, in the order they were taken */
} hone_timing;

typedef struct hone_measurement {
    int          count;
    hone_timing *timings;    /* as the contestants were given */
    int          rounds;     /* kept */
    int          preempted;  /* samples thrown away because the thread was pushed off its core */
    int          set_aside;  /* rounds not used: a sample stayed preempted, or ... */
    int          reclocked;  /* ... of those: the core's clock changed */
    int          disturbed;  /* rounds used all the same, because there was no better; every outcome: cannot tell */
    double       floor;      /* options.floor, or what the twin showed if that is more */
    double       threshold;
    double       spent_s;
    bool         on_goal;    /* the intervals are as narrow as asked */
    uint64_t     seed;
} hone_measurement;

/* Times `count` contestants beside each other. The contestants are borrowed until it returns, their names until
 * the measurement is destroyed. On failure *out is NULL, and the sentence names the contestant that failed. */
hone_status hone_measure(const hone_contestant *contestants, int count, const hone_measure_options *options,
                         hone_measurement **out);
void hone_measurement_destroy(hone_measurement *measurement);

#define HONE_OUTCOME_LIST(X)                                                                                           \
    X(HONE_OUTCOME_UNKNOWN, "cannot tell")                                                                             \
    X(HONE_OUTCOME_SAME, "same")                                                                                       \
    X(HONE_OUTCOME_FASTER, "faster")                                                                                   \
    X(HONE_OUTCOME_SLOWER, "slower")

#define HONE_OUTCOME_ENUM(name, text) name,
typedef enum hone_outcome { HONE_OUTCOME_LIST(HONE_OUTCOME_ENUM) } hone_outcome;
#undef HONE_OUTCOME_ENUM

const char *hone_outcome_text(hone_outcome outcome);

typedef struct hone_comparison {
    hone_interval ratio;  /* time of the one over time of the other, paired by round: above 1 it is slower */
    int           rounds; /* that both took part in */
    double        margin; /* max(threshold, floor) */
    hone_outcome  outcome;
} hone_comparison;

/* `one` against `other`, by index. Slower: the whole interval lies above 1 + margin; faster: its reciprocal does;
 * same: it lies within both; else it cannot be told. */
hone_status hone_measure_compare(const hone_measurement *measurement, int one, int other, hone_comparison *out);

/* The rule of it alone. */
hone_outcome hone_measure_outcome(hone_interval ratio, double margin);

/* One decision about two contestants, for a gate: `one` against `other`. A difference counts only when a second
 * measurement, in another order, finds it again; while it cannot be told the rounds are doubled, up to
 * options->rounds_max and the budget. *out is the last measurement's. */
hone_status hone_measure_duel(const hone_contestant *one, const hone_contestant *other,
                              const hone_measure_options *options, hone_comparison *out);

/* Does the stopwatch itself deserve belief? Duels of a contestant with itself, and with itself made slower. */
typedef struct hone_selftest_options {
    const hone_contestant *subject; /* NULL: a small loop over 16 KiB */
    hone_measure_options   measure;
    int                    duels;    /* of each kind */
    double                 slowdown; /* 0.03: the second kind takes 3 % longer; 0: no second kind */
    int                    load;     /* threads that meanwhile compute, sweep memory and sleep at random */
    void (*progress)(void *self, int done, int of);
    void *self;
} hone_selftest_options;

/* 1,000 duels of 20 to 160 rounds of 0.1 ms each and of a second at most, 3 %, no load. */
hone_selftest_options hone_selftest_defaults(void);

typedef struct hone_selftest_report {
    int    duels, called_different, cannot_tell;                      /* of itself: every "different" is wrong */
    int    slower_duels, found, called_same, called_faster, unsure;   /* of itself made slower */
    double worst;                                                     /* largest |ratio - 1| seen against itself */
    double seconds;
} hone_selftest_report;

hone_status hone_measure_selftest(const hone_selftest_options *options, hone_selftest_report *out);

#endif
