/* The list of strategies, and what they share: see strategy.h. */
#include "tuner/strategy.h"

const hone_strategy *const hone_strategies[] = {&hone_strategy_model, &hone_strategy_local, &hone_strategy_evolve,
                                                &hone_strategy_random, NULL};

bool hone_asking_add(hone_asking *asking, hone_place place)
{
    if (hone_asking_full(asking) || hone_field_tried(asking->field, place) >= 0) return false;
    for (int i = 0; i < asking->count; i++)
        if (asking->out[i].kernel == place.kernel && asking->out[i].index == place.index) return false;
    asking->out[asking->count++] = place;
    return true;
}

bool hone_asking_add_config(hone_asking *asking, int kernel, const hone_config *config)
{
    hone_place place = {kernel, 0};
    return hone_space_tree_find(asking->field->trees[kernel], config, &place.index) && hone_asking_add(asking, place);
}

bool hone_asking_add_outlook(hone_asking *asking, int *next)
{
    while (*next < asking->field->outlook_count)
        if (hone_asking_add(asking, asking->field->outlooks[(*next)++].place)) return true;
    return false;
}

void hone_asking_draw(hone_asking *asking, hone_random *random)
{
    const hone_field *field = asking->field;
    uint64_t          left = field->count - (uint64_t)field->trial_count;
    for (int misses = 0; misses < 64 && !hone_asking_full(asking) && (uint64_t)asking->count < left;) {
        uint64_t index = hone_random_below(random, field->count);
        int      kernel = 0;
        for (; index >= hone_space_tree_count(field->trees[kernel]); kernel++)
            index -= hone_space_tree_count(field->trees[kernel]);
        misses = hone_asking_add(asking, (hone_place){kernel, index}) ? 0 : misses + 1;
    }
}
