/* A problem that a test made up: two kernels, of 3,000 and 6 configurations, whose times are known, with noise, fates,
 * and an oracle that counts and looks after what it is asked. */
#ifndef HONE_TESTS_TUNER_PLANTED_H
#define HONE_TESTS_TUNER_PLANTED_H

#include "base/random.h"
#include "tuner/oracle.h"

typedef struct planted {
    uint64_t    seed;        /* where the best lies */
    double      noise;       /* of a sample: a log deviation, to one side mostly */
    double      belief;      /* how far estimates are off: a log deviation; < 0: there are none */
    double      admit_s;
    hone_fate   fate;        /* of one configuration in `fate_every` when it is admitted */
    int         fate_every;  /* 0: none */
    int         fails_after; /* the winner-to-be fails at this many samples of it; 0: never */
    int         interrupt_at; /* the call that is interrupted; 0: none */
    bool        again;       /* candidates may be admitted twice */
    /* what was seen */
    hone_random random;
    double      clock;
    int         calls, admitted, launches, alive;
    struct {
        hone_choice choice;
        bool        alive;
        int         samples;
    } ids[16384];
    int         id_count;
} planted;

extern const hone_request        planted_request;
extern const hone_kernel *const  planted_kernels[2]; /* the large one, the small one */

/* Begins anew; the others of its settings stay. There is one at a time, which kernels and oracle know. */
void        planted_use(planted *it, uint64_t seed);
hone_oracle planted_oracle(planted *it);
/* Seconds that a choice truly takes, and those of the best of all. */
double      planted_seconds(const hone_choice *choice);
double      planted_best(hone_choice *choice);
/* What the kernels suggest: mediocre. */
hone_choice planted_untuned(void);

#endif
