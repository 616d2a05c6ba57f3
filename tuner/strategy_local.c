/* The local strategy: estimates say where to begin, measurements where to go on.
 *
 *     a third of what it asks for    the next by estimate
 *     the rest                       neighbours of the best tried so far: one step in one parameter; then any value in
 *                                    one parameter; then those of the next best
 *
 * Neighbours of one candidate come in the order of their estimates. */
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "tuner/strategy.h"

enum { NEIGHBOURS_MAX = 256, WINNERS = 6 };

typedef struct local {
    hone_random random;
    int         next_outlook;
} local;

static hone_status open_local(const hone_field *field, uint64_t seed, void **self)
{
    (void)field;
    local *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->random = hone_random_seeded(seed);
    *self = it;
    return HONE_OK;
}

static void ask_neighbours(hone_asking *asking, const hone_trial *trial, bool far)
{
    const hone_field *field = asking->field;
    hone_config       list[NEIGHBOURS_MAX];
    double            seconds[NEIGHBOURS_MAX];
    const int         kernel = trial->place.kernel;
    int count = hone_space_tree_neighbours(field->trees[kernel], &trial->choice.config, far, list, NEIGHBOURS_MAX);
    for (int i = 0; i < count; i++) {
        double estimate = field->kernels[kernel]->estimate(field->request, &list[i]);
        seconds[i] = estimate > 0 ? estimate : INFINITY;
    }
    for (int turn = 0; turn < count && !hone_asking_full(asking); turn++) {
        int least = -1;
        for (int i = 0; i < count; i++)
            if (!isnan(seconds[i]) && (least < 0 || seconds[i] < seconds[least])) least = i;
        hone_asking_add_config(asking, kernel, &list[least]);
        seconds[least] = NAN;
    }
}

static hone_status ask_local(void *self, const hone_field *field, hone_place *out, int cap, int *count)
{
    local      *it = self;
    hone_asking asking = {field, out, 0, cap};
    int         best[WINNERS], found = hone_field_best(field, best, WINNERS);
    while (asking.count < (cap + 2) / 3 && hone_asking_add_outlook(&asking, &it->next_outlook)) {
    }
    for (int i = 0; i < found && !hone_asking_full(&asking); i++)
        for (int far = 0; far < 2; far++) ask_neighbours(&asking, &field->trials[best[i]], far);
    while (!hone_asking_full(&asking) && hone_asking_add_outlook(&asking, &it->next_outlook)) {
    }
    hone_asking_draw(&asking, &it->random); /* more than the outlooks hold */
    *count = asking.count;
    return HONE_OK;
}

const hone_strategy hone_strategy_local = {
    "local", "tries in the order of estimates, and the neighbours of what proved best", open_local, ask_local,
    hone_free};
