/* A race: who has surely lost against whom, while interleaved rounds are still being run.
 *
 * Lanes are compared by their ratios in the rounds that both took part in, so that what slows a whole round down slows
 * nobody in particular. Times scatter to one side: what disturbs a launch never makes it faster. So nothing is decided
 * by a mean, and nobody is let go for one sample:
 *
 *     far       every one of three ratios is beyond `far` (and beyond three times the scatter), or of two far beyond
 *     beyond    every one of at least three ratios lies above the margin by so many scatters that chance does not do it
 *     signs     so many more rounds above the margin than below that a bet on it, at fair odds, would have won 1 /
 * alpha fold: holds whenever one looks, and whatever the distribution (a betting martingale, the odds mixed evenly over
 * 1/2 .. 1)
 *
 * The scatter is that of successive ratios of the same two lanes, the median over all of them. */
#ifndef HONE_TUNER_RACE_H
#define HONE_TUNER_RACE_H

#include "tuner/stats.h"

typedef struct hone_race hone_race;

typedef struct hone_race_options {
    double margin; /* log ratio that is no difference: log(1.01) */
    double far;    /* log ratio from which three rounds are enough, and two at three times that: log(1.5) */
    double alpha;  /* how often the signs may be wrong */
} hone_race_options;

/* One percent, half as long again, 1 in 200. */
hone_race_options hone_race_defaults(void);

hone_status hone_race_open(const hone_race_options *options, hone_race **out);
void        hone_race_close(hone_race *race);

/* A new lane: its number, counted from 0. */
hone_status hone_race_enter(hone_race *race, int *lane);
/* Another round begins; what is noted from here on belongs to it. At most one sample a lane and round, > 0. */
void        hone_race_round(hone_race *race);
hone_status hone_race_note(hone_race *race, int lane, double seconds);

/* Samples of a lane in the order they were taken; the race's until it is closed. */
int           hone_race_samples(const hone_race *race, int lane, const double **samples);
/* Median and 95 % interval of log(one / other) over their common rounds; none: NaN. *rounds (may be NULL): how many. */
hone_interval hone_race_ratio(const hone_race *race, int one, int other, int *rounds);
/* Has `lane` surely lost against `other`? */
bool          hone_race_lost(const hone_race *race, int lane, int other);
/* What a bet at fair odds that a round is rather won than lost has made of 1 after so many of both, as a logarithm; the
 * odds are mixed evenly over 1/2 .. 1. Where winning is no likelier than losing it reaches log(1 / alpha) with a chance
 * of alpha at most, however often one looks (Ville's inequality). */
double        hone_race_bet(int won, int lost);
/* The scatter of a log ratio; 0 while nothing is known of it. */
double        hone_race_scatter(const hone_race *race);

#endif
