/* Where figures about the candidates of ONE problem come from: a worker process, this process (tuner/here.h), or a
 * recording (tuner/replay.h). A search (tuner/search.h) knows nothing else about the machine.
 *
 * An oracle is asked by one thread at a time. It belongs to whoever made it; what its functions are given is borrowed
 * until they return. */
#ifndef HONE_TUNER_ORACLE_H
#define HONE_TUNER_ORACLE_H

#include "kernels/kernel.h"

/* One candidate: a kernel and a configuration of it. */
typedef struct hone_choice {
    const hone_kernel *kernel;
    hone_config        config;
} hone_choice;

/* What became of it when it was tried. */
typedef enum hone_fate {
    HONE_FATE_RIGHT = 0, /* prepared, judged, may be timed */
    HONE_FATE_REFUSED,   /* it does not take the problem after all */
    HONE_FATE_WRONG,     /* the judge says so */
    HONE_FATE_CRASHED,   /* killed by a signal */
    HONE_FATE_HUNG,      /* past its deadline */
    HONE_FATE_MEMORY,    /* past its memory */
    HONE_FATE_CORRUPTED, /* it wrote where it must not */
    HONE_FATE_FAILED,    /* a launch gave a status */
    HONE_FATE_COUNT
} hone_fate;

/* "right", "refused", ...; static. NULL for a number that is none of them. */
const char *hone_fate_text(hone_fate fate);

typedef struct hone_admission {
    int       id;       /* for time() and drop(), while `fate` is RIGHT */
    hone_fate fate;
    char      why[256]; /* a sentence, where it is not RIGHT */
} hone_admission;

/* Sets fate and sentence, the sentence cut to what fits. */
void hone_admission_say(hone_admission *admission, hone_fate fate, const char *why);

typedef struct hone_oracle {
    /* Prepares (side by side where it can) and judges these; each gets an id or a fate. Fails only when nothing goes
     * on: HONE_ERROR_INTERRUPTED when it was asked to stop. */
    hone_status (*admit)(void *self, const hone_choice *choices, int count, hone_admission *out);
    /* `rounds` rounds in which all of these take their turn: seconds[round * count + i] is one launch of ids[i], > 0.
     * A candidate that fails while it is timed gets its fate in fates[i], its seconds are NaN from then on, and its id
     * is dead; the others' stand. fates[i].fate is RIGHT for those that do not fail. */
    hone_status (*time)(void *self, const int *ids, int count, int rounds, double *seconds, hone_admission *fates);
    /* This id is not asked for again. */
    void (*drop)(void *self, int id);
    /* Seconds spent so far: of the wall, or as recorded. */
    double (*clock)(void *self);
    void *self;
} hone_oracle;

#endif
