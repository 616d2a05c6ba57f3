/* A tuning session: many problems, one budget, and a row of the profile for each.
 *
 *     for each problem, as long as there is budget:
 *         its share of what is left, by weight
 *         a search among all kernels (tuner/search.h), tried in a worker process (tuner/worker.h); it begins with the
 *         untuned choice, with what rows say of this problem, and with what was best for near ones
 *         the winner against the untuned choice once more, in a process and in seconds of their own, until a sequential
 *         test decides: only where it is faster there, too, is it the row's best; else the untuned choice is
 *         the row, and one for each candidate that crashed, hung or was wrong: on the disk before the next problem
 *
 * All answers are taped (tuner/tape.h) beside the profile: a session that was interrupted or killed goes on, by itself,
 * when the same one is begun again, and measures nothing twice. Its budget goes on as well.
 *
 * Overshoot: a problem's share is looked at between two questions, and none is asked that would not fit, by what those
 * before took; so it is overrun by one deadline at most, and what it took is missing from what the others share. */
#ifndef HONE_TUNER_SESSION_H
#define HONE_TUNER_SESSION_H

#include "runtime/profile/rows.h"
#include "tuner/contest.h"
#include "tuner/oracle.h"

typedef struct hone_session_problem {
    const char *text;    /* "matmul f32 nn 64x64x64" */
    int         threads; /* that a launch may use */
    double      weight;  /* > 0: its part of the budget */
} hone_session_problem;

typedef enum hone_session_state {
    HONE_SESSION_NOT_REACHED = 0, /* the budget was spent, or it was asked to stop */
    HONE_SESSION_TUNED,           /* the row is written, or was before it was resumed */
    HONE_SESSION_FAILED           /* and `why` */
} hone_session_state;

/* What one of other people's kernels took. */
typedef struct hone_session_rival {
    char   kernel[64];
    double seconds;
} hone_session_rival;

enum { HONE_SESSION_RIVALS = 8 };

typedef struct hone_session_outcome {
    hone_session_state state;
    hone_rt_row        row; /* of TUNED */
    int                rival_count;
    hone_session_rival rivals[HONE_SESSION_RIVALS]; /* each with its quickest configuration */
    int                trials, quarantined;
    double             spent_s;
    bool               confirmed;    /* the winner is another than the untuned choice, and was faster twice */
    char               why[512];
} hone_session_outcome;

/* How far a problem is; told after each question. */
typedef struct hone_session_progress {
    int                         index, count; /* of the problem; of all */
    const hone_session_problem *problem;
    const char                 *stage;     /* "searching", "confirming", "done"; static */
    double                      left_s, share_s, spent_s; /* of the session; of this problem */
    int                         trials;
    const char                 *best;      /* kernel; NULL: none is timed yet */
    double                      best_s, untuned_s, rival_s; /* 0: not known */
    const char                 *culprit, *sentence; /* a candidate that failed just now, and how; NULL: none did */
    hone_fate                   fate;
    const hone_session_outcome *outcome;   /* at stage "done" */
} hone_session_progress;

typedef struct hone_session_options {
    const char *device;       /* as the context names it */
    const char *profile_path; /* as of the context */
    const char *worker;       /* its program; NULL: the installed one */
    const char *strategy;     /* NULL: the search's default */
    double      budget_s;     /* for all problems; 0: no limit */
    double      each_s;       /* for one problem at most; 0: no limit but its share */
    uint64_t    seed;
    unsigned    flags;        /* HONE_REQUEST_*: of the requests that are tuned for */
    unsigned    alignment;    /* of operands; 0: 64 */
    bool        cold, fresh;  /* fresh: what an interrupted session left is thrown away */
    bool        untaped;      /* nothing can be resumed */
    double      patience_s;   /* as of the worker */
    hone_stop   stop;
    void (*progress)(void *self, const hone_session_progress *now);
    void *self;
    /* For tests: figures of another origin than a worker. NULL: the worker's. */
    hone_status (*oracle)(void *self, const hone_request *request, hone_oracle *out);
    void *oracle_self;
} hone_session_options;

/* 60 seconds, seed 1. */
hone_session_options hone_session_defaults(void);

typedef struct hone_session_report {
    int                   count, tuned, failed, not_reached, quarantined;
    int                   resumed; /* answers that an earlier session had kept */
    bool                  interrupted;
    double                spent_s; /* of the budget, the earlier session's part among it */
    hone_session_outcome *outcomes; /* as the problems were given */
} hone_session_report;

/* The context must choose without rows (tuning off): what it would choose is the untuned choice. Problems that cannot
 * be tuned are told in the report. Fails where nothing goes on: no worker, nowhere to write, no memory; what was tuned
 * before is kept on disk. */
hone_status hone_session_run(hone_rt_context *context, const hone_session_problem *problems, int count,
                             const hone_session_options *options, hone_session_report *out);
void        hone_session_report_free(hone_session_report *report);

/* What of `left_s` seconds belongs to problem `index` when it and those behind it share them by weight. */
double hone_session_share(const hone_session_problem *problems, int count, int index, double left_s);

/* Is the one faster than the other by more than one percent? By figures of the same rounds, one after the other: it may
 * be asked after each of them, and is wrong in one of fifty cases at most however often it is. */
typedef enum hone_session_verdict {
    HONE_SESSION_UNDECIDED,
    HONE_SESSION_FASTER,
    HONE_SESSION_NOT_FASTER
} hone_session_verdict;
hone_session_verdict hone_session_compare(const double *one, const double *other, int rounds);

#endif
