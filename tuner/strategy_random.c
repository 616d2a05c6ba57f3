/* The random strategy: every configuration is as likely as any other. What the others are measured against. */
#include "base/alloc.h"
#include "base/status.h"
#include "tuner/strategy.h"

static hone_status open_random(const hone_field *field, uint64_t seed, void **self)
{
    (void)field;
    hone_random *random = hone_alloc(1, sizeof *random);
    if (!random) return HONE_ERROR_MEMORY;
    *random = hone_random_seeded(seed);
    *self = random;
    return HONE_OK;
}

static hone_status ask_random(void *self, const hone_field *field, hone_place *out, int cap, int *count)
{
    hone_asking asking = {field, out, 0, cap};
    hone_asking_draw(&asking, self);
    *count = asking.count;
    return HONE_OK;
}

const hone_strategy hone_strategy_random = {"random", "draws evenly from all legal configurations", open_random,
                                            ask_random, hone_free};
