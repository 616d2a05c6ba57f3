/* Prediction: what to choose for a problem that was never measured, from those that were.
 *
 *     like it    the same op, words and arguments in everything but their extents; as many threads, the same flags
 *     near       in the logarithms of extents, and in how far these fill their last vector of 16 and tile of 64
 *     weighed    each kernel's estimate is corrected by what it was off by on the near ones: a kernel that was tried
 *                there and came behind the runner-up took at least as long as that. What was measured for the problem
 *                itself, in other versions or without those that came since, outweighs all others
 *
 * Candidates are what kernels suggest, and what was measured near by; what is measured in that very configuration
 * counts most. Somebody else's kernel is a candidate only where it was measured near by. A pure function of what it is
 * given: rows come as a table, so that each can be left out to see how well the others speak for it. Which rule decides
 * is select.c's. */
#ifndef HONE_RUNTIME_PREDICT_H
#define HONE_RUNTIME_PREDICT_H

#include "runtime/runtime.h"

enum { HONE_RT_KNOWN_FIGURES = 3, HONE_RT_KNOWN_UNMET = 8 };

/* A kernel in a configuration, and what a launch of it took. */
typedef struct hone_rt_known_figure {
    const hone_kernel *kernel;
    hone_config        config;
    double             seconds;
} hone_rt_known_figure;

/* A problem that was measured: the best first, then the runner-up and the untuned choice as far as they are others. */
typedef struct hone_rt_known {
    hone_request         request; /* its problem is the caller's */
    int                  count;
    hone_rt_known_figure figures[HONE_RT_KNOWN_FIGURES];
    double               untuned_s; /* what the untuned choice took; 0: as long as the last figure */
    double               next_s; /* what those who were tried, and are none of these, took at least; 0: as long as the
                                  second figure; below 0: nobody knows */
    int                  unmet_count;
    const hone_kernel   *unmet[HONE_RT_KNOWN_UNMET]; /* those who were not tried, or in another version */
    uint32_t             kind; /* of its text's sketch, as far as that is known already; 0: found out where needed */
} hone_rt_known;

typedef struct hone_rt_prediction {
    const hone_kernel *kernel;
    hone_config        config;
    double             seconds; /* that it is believed to take */
    int                nearest; /* of what is known */
    double             weight;  /* how much of the known spoke for it: 1 is one problem that is just like it */
} hone_rt_prediction;

/* False: nothing like it is near, or no candidate has an estimate. `left_out`: a row that counts as not known; -1:
 * none. Figures within two percent of the best go to the order of `kernels`. Allocates nothing. */
bool hone_rt_predict(const hone_request *request, const hone_kernel *const *kernels, int kernel_count,
                     const hone_rt_known *known, int known_count, int left_out, hone_rt_prediction *out);

/* A request and its arguments, from which others are measured. */
typedef struct hone_rt_placed {
    const hone_request *request;
    int                 count;
    hone_role           roles[HONE_ROLES_MAX];
} hone_rt_placed;
hone_rt_placed hone_rt_place_of(const hone_request *request);

/* How far apart two requests lie; below 0: they are not alike. 1 is about a factor of two in one extent. Beyond
 * HONE_RT_FAR there are no neighbours. */
#define HONE_RT_FAR 4.0
double hone_rt_apart(const hone_rt_placed *one, const hone_request *other);

/* What guessing costs: each row in turn is left out and predicted from the others, and what is predicted is measured.
 */
typedef struct hone_rt_regret {
    int    count, unpredicted; /* rows; those with nothing near, which are charged what their untuned choice took */
    double mean, p95, worst;   /* time over the best one's, less 1 */
    int    worst_row;
    double untuned_mean, untuned_p95, untuned_worst; /* the same of the untuned choices: of estimates alone */
} hone_rt_regret;

/* Seconds that this choice takes for a row's request. Figures of the row itself are not asked for. */
typedef hone_status hone_rt_measure_choice(void *self, const hone_rt_known *row, const hone_kernel *kernel,
                                           const hone_config *config, double *seconds);

/* HONE_ERROR_ARGUMENT: there is no row. */
hone_status hone_rt_predict_evaluate(const hone_kernel *const *kernels, int kernel_count, const hone_rt_known *known,
                                     int known_count, hone_rt_measure_choice *measure, void *self,
                                     hone_rt_regret *out);

#endif
