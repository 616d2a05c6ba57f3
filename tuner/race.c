/* Interleaved rounds and who has lost in them: see race.h. */
#include "tuner/race.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { RECENT = 255, COMMON_MAX = 512 };
enum { FAR_AT_ONCE = 3 }; /* times as far: two rounds are enough, and three rounds otherwise */

typedef struct lane {
    double *seconds;
    int    *rounds; /* in which each was taken */
    int     count, capacity;
} lane;

struct hone_race {
    hone_race_options options;
    lane             *lanes;
    int               count, capacity, round;
    int               reference;       /* the lane of the most samples: scatter is measured against it */
    double            recent[RECENT];  /* |steps| of successive log ratios */
    int               recent_count;
};

hone_race_options hone_race_defaults(void)
{
    return (hone_race_options){.margin = log(1.01), .far = log(1.5), .alpha = 0.005};
}

hone_status hone_race_open(const hone_race_options *options, hone_race **out)
{
    *out = hone_alloc(1, sizeof **out);
    if (!*out) return HONE_ERROR_MEMORY;
    (*out)->options = *options;
    return HONE_OK;
}

void hone_race_close(hone_race *race)
{
    if (!race) return;
    for (int i = 0; i < race->count; i++) {
        hone_free(race->lanes[i].seconds);
        hone_free(race->lanes[i].rounds);
    }
    hone_free(race->lanes);
    hone_free(race);
}

hone_status hone_race_enter(hone_race *race, int *out)
{
    HONE_TRY(hone_grow(&race->lanes, race->count, &race->capacity, sizeof *race->lanes));
    *out = race->count++;
    return HONE_OK;
}

void hone_race_round(hone_race *race)
{
    race->round++;
}

/* The log ratios of the latest common rounds, latest first: how many, at most `cap`. */
static int common(const lane *one, const lane *other, double *ratios, int cap)
{
    int count = 0, i = one->count - 1, j = other->count - 1;
    while (i >= 0 && j >= 0 && count < cap) {
        if (one->rounds[i] == other->rounds[j])
            ratios[count++] = log(one->seconds[i--] / other->seconds[j--]);
        else if (one->rounds[i] > other->rounds[j])
            i--;
        else
            j--;
    }
    return count;
}

static hone_status grow(lane *it)
{
    int seconds = it->capacity, rounds = it->capacity; /* where the second fails, the first has room already */
    HONE_TRY(hone_grow(&it->seconds, it->count, &seconds, sizeof *it->seconds));
    HONE_TRY(hone_grow(&it->rounds, it->count, &rounds, sizeof *it->rounds));
    it->capacity = rounds;
    return HONE_OK;
}

hone_status hone_race_note(hone_race *race, int at, double seconds)
{
    lane  *it = &race->lanes[at];
    double steps[2];
    if (it->count == it->capacity) HONE_TRY(grow(it));
    it->seconds[it->count] = seconds;
    it->rounds[it->count++] = race->round;
    if (at != race->reference && common(it, &race->lanes[race->reference], steps, 2) == 2)
        race->recent[race->recent_count++ % RECENT] = fabs(steps[0] - steps[1]);
    if (it->count > race->lanes[race->reference].count) race->reference = at;
    return HONE_OK;
}

int hone_race_samples(const hone_race *race, int at, const double **samples)
{
    *samples = race->lanes[at].seconds;
    return race->lanes[at].count;
}

hone_interval hone_race_ratio(const hone_race *race, int one, int other, int *rounds)
{
    double ratios[COMMON_MAX];
    int    count = common(&race->lanes[one], &race->lanes[other], ratios, COMMON_MAX);
    if (rounds) *rounds = count;
    hone_stats_sort(ratios, count);
    return hone_stats_median_exact(ratios, count, 0.95);
}

double hone_race_scatter(const hone_race *race)
{
    double sorted[RECENT];
    int    count = race->recent_count < RECENT ? race->recent_count : RECENT;
    if (!count) return 0;
    memcpy(sorted, race->recent, (size_t)count * sizeof *sorted);
    /* of a normal step the median is 0.6745 deviations, and it holds the scatter of two ratios */
    return hone_stats_median(sorted, count) / (0.6745 * M_SQRT2);
}

/* log of 2^n times the mean over p in (1/2, 1) of p^won (1 - p)^lost. */
double hone_race_bet(int won, int lost)
{
    enum { STEPS = 64 };
    double terms[STEPS], greatest = -INFINITY, sum = 0;
    for (int i = 0; i < STEPS; i++) {
        double p = 0.5 + 0.5 * (i + 0.5) / STEPS;
        terms[i] = won * log(2 * p) + lost * log(2 * (1 - p));
        if (terms[i] > greatest) greatest = terms[i];
    }
    for (int i = 0; i < STEPS; i++) sum += exp(terms[i] - greatest);
    return greatest + log(sum / STEPS);
}

bool hone_race_lost(const hone_race *race, int at, int other)
{
    static const double beyond[] = {0, 0, 0, 4, 3, 2.5, 2, 1.5, 1.5}; /* scatters, by rounds */
    double              ratios[COMMON_MAX], least = INFINITY;
    const int           count = common(&race->lanes[at], &race->lanes[other], ratios, COMMON_MAX);
    const double        scatter = hone_race_scatter(race);
    int                 above = 0, below = 0;
    if (at == other || count < 2) return false;
    for (int i = 0; i < count; i++) {
        if (ratios[i] < least) least = ratios[i];
        above += ratios[i] > race->options.margin;
        below += ratios[i] <= race->options.margin;
    }
    if (least > fmax((count > 2 ? 1 : FAR_AT_ONCE) * race->options.far, 3 * scatter)) return true;
    if (count >= 3 && least > race->options.margin + beyond[count < 8 ? count : 8] * scatter) return true;
    return above > below && hone_race_bet(above, below) >= -log(race->options.alpha);
}
