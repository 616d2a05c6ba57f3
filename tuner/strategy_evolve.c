/* The evolutionary strategy: the best tried so far are parents; a child takes each value from one of two parents of the
 * same kernel, and some values change. The first ones are drawn: half by estimate, half evenly. */

#include "base/alloc.h"
#include "base/status.h"
#include "tuner/strategy.h"

enum { PARENTS = 16, FIRST = 24, ATTEMPTS = 200 };

typedef struct evolve {
    hone_random random;
    int         next_outlook;
} evolve;

static hone_status open_evolve(const hone_field *field, uint64_t seed, void **self)
{
    (void)field;
    evolve *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->random = hone_random_seeded(seed);
    *self = it;
    return HONE_OK;
}

/* Of two drawn the better: parents are sorted. */
static int draw_parent(evolve *it, int count)
{
    int a = (int)hone_random_below(&it->random, (uint64_t)count);
    int b = (int)hone_random_below(&it->random, (uint64_t)count);
    return a < b ? a : b;
}

static void ask_child(evolve *it, hone_asking *asking, const int *parents, int count)
{
    const hone_field *field = asking->field;
    const hone_trial *mother = &field->trials[parents[draw_parent(it, count)]];
    const hone_trial *father = &field->trials[parents[draw_parent(it, count)]];
    const int         kernel = mother->place.kernel;
    const hone_space *space = field->kernels[kernel]->space;
    hone_config       child = mother->choice.config;
    for (int i = 0; space && i < space->count; i++) {
        const hone_parameter *parameter = &space->parameters[i];
        if (father->place.kernel == kernel && hone_random_below(&it->random, 2))
            child.value[i] = father->choice.config.value[i];
        if (hone_random_below(&it->random, (uint64_t)space->count) == 0)
            child.value[i] = parameter->values[hone_random_below(&it->random, (uint64_t)parameter->count)];
    }
    hone_space_tree_repair(field->trees[kernel], &child, &child);
    hone_asking_add_config(asking, kernel, &child);
}

static hone_status ask_evolve(void *self, const hone_field *field, hone_place *out, int cap, int *count)
{
    evolve     *it = self;
    hone_asking asking = {field, out, 0, cap};
    int         parents[PARENTS], found = hone_field_best(field, parents, PARENTS);
    if (field->trial_count < FIRST || !found) {
        while (asking.count < (cap + 1) / 2 && hone_asking_add_outlook(&asking, &it->next_outlook)) {
        }
        hone_asking_draw(&asking, &it->random);
    } else {
        for (int i = 0; i < ATTEMPTS && !hone_asking_full(&asking); i++) ask_child(it, &asking, parents, found);
        hone_asking_draw(&asking, &it->random); /* the parents have no children left */
    }
    *count = asking.count;
    return HONE_OK;
}

const hone_strategy hone_strategy_evolve = {"evolve", "crosses and changes the best tried so far", open_evolve,
                                            ask_evolve, hone_free};
