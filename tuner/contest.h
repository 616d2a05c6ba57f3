/* A contest: the candidates of one problem, prepared, judged, and timed side by side on the same operands.
 *
 * What is timed has been judged right before, always; operands hold random finite data and lie alike for all. */
#ifndef HONE_TUNER_CONTEST_H
#define HONE_TUNER_CONTEST_H

#include "runtime/runtime.h"
#include "tuner/judge.h"
#include "tuner/measure.h"
#include "tuner/operands.h"

/* Something that says whether to end early, asked before each sample. NULL: nothing does. */
typedef bool (*hone_stop)(void);

/* --- runners --------------------------------------------------------------------------------------------------- */

/* A plan with a stream and scratch, ready to be a contestant. Plan and operands are borrowed. */
typedef struct hone_runner hone_runner;

hone_status     hone_runner_open(const hone_rt_plan *plan, hone_operands *operands, hone_stop stop, hone_runner **out);
void            hone_runner_close(hone_runner *runner);
/* From now on each launch comes behind a fork and join of hone's own threads, which the time of it contains: as it runs
 * in a program whose other calls are hone's, whatever threads a library keeps of its own. */
void             hone_runner_join(hone_runner *runner);
const hone_team *hone_runner_team(const hone_runner *runner);
/* One launch on these, waited for. */
hone_status      hone_runner_launch(hone_runner *runner, const hone_arguments *arguments);
hone_contestant hone_runner_contestant(hone_runner *runner, const char *name);

/* --- contests -------------------------------------------------------------------------------------------------- */

/* One kernel in it. */
typedef struct hone_entrant {
    hone_rt_candidate candidate;
    hone_rt_plan     *plan;     /* NULL: not prepared */
    hone_runner      *runner;   /* NULL: not to be timed, and `why` */
    hone_verdict      verdict;
    bool              wrong;
    int               lane;     /* its place in the measurement; -1: none. Lane 0 is the chosen one where it is right */
    char              why[640];
} hone_entrant;

typedef struct hone_contest {
    hone_rt_context  *context;
    hone_request      request;
    hone_rt_problem   problem;
    const char       *rule; /* that chose the first entrant */
    int               count, wrong;
    hone_entrant     *entrants; /* as they were ranked, refusing ones at the end */
    hone_operands    *operands;
    hone_measurement *measurement;
} hone_contest;

typedef struct hone_contest_options {
    uint64_t  seed;
    hone_stop stop;
    /* Is this kernel wanted? The chosen one always is. NULL: all but those that are slow by intent. */
    bool (*wants)(void *self, const hone_kernel *kernel);
    void *self;
} hone_contest_options;

/* Ranks, prepares and judges. That a kernel refuses or is wrong is told by its entrant, and is no failure. */
hone_status hone_contest_open(hone_rt_context *context, const hone_request *request,
                              const hone_contest_options *options, hone_contest *out);
/* Times those that are right. HONE_ERROR_UNSUPPORTED: there are none. */
hone_status hone_contest_time(hone_contest *contest, const hone_measure_options *options);
void        hone_contest_close(hone_contest *contest);

#endif
