/* The statistics of the stopwatch: medians, quantiles and the intervals around them.
 *
 * Times have one long tail (what disturbs a run never makes it faster), so nothing here takes a mean of them:
 * the median is the figure, an order statistic or the bootstrap is its interval. Ratios are paired, one a round,
 * and handled as logarithms, so that "twice as fast" and "half as fast" lie equally far from 1.
 *
 * Arrays are the caller's. A function that says "sorts" reorders the array it is given; only the two that
 * resample allocate, and give all of it back before they return. */
#ifndef HONE_TUNER_STATS_H
#define HONE_TUNER_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* An estimate and the range that holds the truth in 95 of 100 cases (or whatever confidence was asked for).
 * Too few values for any such range: lo is -inf and hi is +inf (for ratios 0 and +inf), never a guess. */
typedef struct hone_interval {
    double mid, lo, hi;
} hone_interval;

#define HONE_STATS_RESAMPLES 2000 /* a 95 % edge then rests on 50 of them; seeds move it by a tenth of its width */

/* Smallest first, in place, without allocating. No value may be NaN. */
void hone_stats_sort(double *values, int count);

/* Of sorted values. `q` from 0 to 1, linear between neighbours (type 7 of Hyndman and Fan); no values: NaN. */
double hone_stats_quantile(const double *sorted, int count, double q);

/* Sorts; the mean of the middle two where count is even; no values: NaN. */
double hone_stats_median(double *values, int count);

/* exp of the mean of the logarithms; every value > 0; no values: NaN. */
double hone_stats_geomean(const double *values, int count);

/* The range between two order statistics that holds the median with at least `confidence`, whatever the
 * distribution: the sign test turned round. Exact, cheap, a little wide; for deciding while rounds still run. */
hone_interval hone_stats_median_exact(const double *sorted, int count, double confidence);

/* The expanded percentile interval of the median over `resamples` (at least 1000) resamples drawn from `seed`: the same
 * values and seed give the same interval. Fewer than six values: lo = -inf, hi = +inf. */
hone_status hone_stats_median_bootstrap(const double *sorted, int count, double confidence, int resamples,
                                        uint64_t seed, hone_interval *out);

/* Median and interval of a[i] / b[i], the two having been taken in the same round i. All values > 0.
 * `scratch` holds `count` doubles. The exact form needs no more; the other one resamples. */
hone_interval hone_stats_ratio_exact(const double *a, const double *b, int count, double confidence, double *scratch);
hone_status   hone_stats_ratio(const double *a, const double *b, int count, double confidence, uint64_t seed,
                               double *scratch, hone_interval *out);

/* How this project reads "none under x": a figure is under x only when its whole interval is. */
static inline bool hone_interval_below(hone_interval figure, double x) { return figure.hi < x; }
static inline bool hone_interval_above(hone_interval figure, double x) { return figure.lo > x; }

#endif
