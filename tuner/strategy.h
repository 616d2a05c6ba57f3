/* Strategies of a search: what to try next, given all that was tried. One table each; the search does the rest. */
#ifndef HONE_TUNER_STRATEGY_H
#define HONE_TUNER_STRATEGY_H

#include "tuner/field.h"

typedef struct hone_strategy {
    const char *name, *what;
    hone_status (*open)(const hone_field *field, uint64_t seed, void **self);
    /* Places that were not tried, most promising first: how many, at most `cap`. 0: it has nothing more to ask for. The
     * field's trials are those before, with their scores. */
    hone_status (*ask)(void *self, const hone_field *field, hone_place *out, int cap, int *count);
    void (*close)(void *self);
} hone_strategy;

/* All of them, the default first; ends with NULL. */
extern const hone_strategy *const hone_strategies[];
extern const hone_strategy hone_strategy_local, hone_strategy_model, hone_strategy_evolve, hone_strategy_random;

/* What a strategy asks for: places that were not tried, none twice. */
typedef struct hone_asking {
    const hone_field *field;
    hone_place       *out;
    int               count, cap;
} hone_asking;

static inline bool hone_asking_full(const hone_asking *asking)
{
    return asking->count == asking->cap;
}
/* False where it is known, or there is no room. */
bool hone_asking_add(hone_asking *asking, hone_place place);
/* A configuration of this kernel in the field. */
bool hone_asking_add_config(hone_asking *asking, int kernel, const hone_config *config);
/* The next of the outlooks from *next on, and moves behind it; false: there is none left. */
bool hone_asking_add_outlook(hone_asking *asking, int *next);
/* Places drawn evenly from the field, until it is full or draws find nothing new. */
void hone_asking_draw(hone_asking *asking, hone_random *random);

#endif
