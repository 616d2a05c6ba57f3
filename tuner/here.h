/* The oracle of this process: candidates are prepared, judged and timed right here, one after the other. For
 * recordings, for tests, and for worker processes, which are here themselves. A candidate that crashes takes the
 * process with it. */
#ifndef HONE_TUNER_HERE_H
#define HONE_TUNER_HERE_H

#include "tuner/contest.h"
#include "tuner/oracle.h"

typedef struct hone_here hone_here;

typedef struct hone_here_options {
    uint64_t   seed;     /* of operands and the judge's data */
    bool       unjudged; /* candidates that were judged elsewhere */
    bool       cold;     /* operands out of every cache before each launch */
    double     sample_s; /* what is shorter is launched so often that it takes as long, and its share is told */
    hone_stop  stop;     /* asked before each candidate and sample; NULL: nothing ends it early */
} hone_here_options;

/* Seed 1, judged, warm, samples of 0.2 ms. */
hone_here_options hone_here_defaults(void);

/* Context and request are borrowed until it is closed. */
hone_status hone_here_open(hone_rt_context *context, const hone_request *request, const hone_here_options *options,
                           hone_here **out);
hone_oracle hone_here_oracle(hone_here *here);
void        hone_here_close(hone_here *here);

#endif
