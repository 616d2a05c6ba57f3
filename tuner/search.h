/* The search: which kernel and which configuration of it serves a problem best, by an oracle's figures.
 *
 *     starts (the untuned choice first), then what a strategy asks for, a few at a time
 *         admitted by the oracle: prepared and judged, or told why not
 *         raced beside the best so far in interleaved rounds; who has surely lost is let go (tuner/race.h)
 *         the strategy is told, and asks for more (tuner/strategy.h)
 *     until nothing better turns up, the budget is spent, or it is asked to stop
 *     then the best few and the untuned choice race on, until it is known which are alike
 *
 * What is alike within the noise goes to a fixed order: the untuned choice, then the order of `kernels`, then that of
 * estimates; so that independent sessions choose alike. The same figures, options and seed give the same result. */
#ifndef HONE_TUNER_SEARCH_H
#define HONE_TUNER_SEARCH_H

#include "tuner/contest.h"
#include "tuner/oracle.h"
#include "tuner/stats.h"

typedef struct hone_search_options {
    double      budget_s;   /* by the oracle's clock, from the start of the search; 0: no limit */
    int         trials_max; /* candidates that are tried at most, the starts among them; 0: no limit */
    uint64_t    seed;
    const char *strategy;   /* one of hone_search_strategy; NULL: the default, the first of them */
    hone_stop   stop;       /* asked before each call of the oracle; NULL: nothing ends it early */
    double      tie;        /* what is no difference: 0.01 is one percent */
    int         rounds;     /* rounds of the last race, and so samples of the winner, at most; at least 6 */
    double      patience;   /* so many trials without a better one end it, as a share of those so far; 0: never */
    void (*progress)(void *self, const hone_choice *best, double seconds, int trials); /* after each race; or NULL */
    void *progress_self;
} hone_search_options;

/* No limits, seed 1, the default strategy, one percent, 24 rounds. */
hone_search_options hone_search_defaults(void);

/* What a strategy is called; NULL past the last. The first is the default. *what (may be NULL) says how it works. */
const char *hone_search_strategy(int index, const char **what);

typedef struct hone_finding {
    hone_choice   choice;
    hone_interval seconds; /* median and 95 % interval; NaN where there is no sample */
    int           rounds;
    const double *samples; /* seconds of a launch, in the order they were taken */
    hone_fate     fate;
    char          why[256];
} hone_finding;

typedef struct hone_search_result {
    int           count;
    hone_finding *findings; /* best first: winner, runner-up, ...; those that are not right behind them */
    int           untuned;  /* place of starts[0] */
    int           trials, launches; /* candidates that were tried; samples taken of them */
    double        spent_s;  /* by the oracle's clock */
    bool          complete; /* it ended by itself: not by budget, trials_max or stop */
} hone_search_result;

/* Searches among all legal configurations of `kernels` for the request's problem. starts[0] is the untuned choice;
 * further starts are tried first as well (what a neighbour's row says). What is found until the budget is spent or
 * until it is asked to stop is a result, with complete == false: HONE_OK. Starts and kernels are borrowed until it
 * returns, kernels are named by the result. HONE_ERROR_UNSUPPORTED: nothing was right; *out then says why of each.
 * On any other failure *out is empty. */
hone_status hone_search(const hone_request *request, const hone_choice *starts, int start_count,
                        const hone_kernel *const *kernels, int kernel_count, const hone_oracle *oracle,
                        const hone_search_options *options, hone_search_result *out);
void        hone_search_result_free(hone_search_result *result);

#endif
