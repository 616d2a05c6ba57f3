/* The worker: a process of its own in which candidates are prepared, judged and timed, so that one that crashes, hangs,
 * eats memory, corrupts memory or lies costs itself and nothing else.
 *
 *     parent (worker.c)                                      worker (worker_serve.c), spawned from libexec
 *     HELLO   device, threads, policy, memory           ->   a context of its own, all modules
 *     PROBLEM the problem and its request               ->   operands with guard zones, the judge's case
 *     ADMIT   a kernel, its version and configuration   ->   prepared, judged on three data sets and more, launched
 *     TIME    some of them, so many rounds              ->   timed in turns; guard zones and inputs looked at; each
 *                                                            judged again on the operands that it was timed with
 *
 * The parent waits no longer than a deadline made of the estimate and of what was seen, or four of them while launches
 * follow each other: then the machine is slow, and nobody hangs. It believes no byte of an answer, and asks `stop` ten
 * times a second. A worker that dies, is late or talks nonsense is killed, reaped and replaced, and what it knew is
 * told to the next one. Who was at work then is known from a page that both share. One that was not alone in the worker
 * is tried once more alone: another may have damaged what it stood on.
 *
 * The worker ends with its parent (with the thread that opened it, which must therefore outlive it). */
#ifndef HONE_TUNER_WORKER_H
#define HONE_TUNER_WORKER_H

#include "tuner/contest.h"
#include "tuner/oracle.h"

typedef struct hone_worker hone_worker;

typedef struct hone_worker_options {
    const char *program;      /* NULL: hone-worker, where it was installed */
    const char *profile_path; /* as of the context; NULL: what the environment says */
    const char *device;       /* its name */
    int         threads;      /* that a launch may use */
    bool        cold;         /* operands in memory alone */
    size_t      memory_bytes; /* beyond what worker and operands need; 0: 2 GiB */
    double      patience_s;   /* the least that a candidate is waited for; 0: 3 seconds */
    double      sample_s;     /* least time of a sample; 0: half a millisecond */
    uint64_t    seed;
    hone_stop   stop;
} hone_worker_options;

/* Nothing is spawned before the first question. The context is borrowed, and so are texts of the options.
 * HONE_ERROR_NOT_FOUND: there is no such program; the sentence says where it was looked for. */
hone_status hone_worker_open(hone_rt_context *context, const hone_worker_options *options, hone_worker **out);
void        hone_worker_close(hone_worker *worker); /* NULL is fine */

/* From now on candidates are of this request, which is borrowed until the next one. Ids of the last one are dead. */
void        hone_worker_take(hone_worker *worker, const hone_request *request);
hone_oracle hone_worker_oracle(hone_worker *worker);
/* The process ends; the next question finds another, which is told what candidates it is asked about. */
void        hone_worker_renew(hone_worker *worker);

/* Of an id that is or was right: elements that the judge held against the reference. */
int64_t hone_worker_compared(const hone_worker *worker, int id);
/* How many workers were spawned so far; those beyond the first replaced one that failed. */
int     hone_worker_spawned(const hone_worker *worker);
int     hone_worker_pid(const hone_worker *worker); /* 0: none runs */

/* --- the other side ---------------------------------------------------------------------------------------------- */

/* What the worker's program does: answers what it is asked on descriptor 3 until that ends. Gives its exit status.
 * `modules` are known besides what is found. */
int hone_worker_serve(const hone_module *const *modules, int count);

/* --- for tests --------------------------------------------------------------------------------------------------- */

/* What the parent makes of an answer to ADMIT or TIME. False: it is not of that form, and nothing in it is used. */
typedef struct hone_worker_admitted {
    hone_fate fate;
    char      why[256];
    double    seconds; /* of one launch */
    int64_t   compared;
} hone_worker_admitted;
bool hone_worker_read_admitted(const unsigned char *body, size_t bytes, hone_worker_admitted *out);
/* `seconds` holds count * rounds, `fates` count. */
bool hone_worker_read_timed(const unsigned char *body, size_t bytes, int count, int rounds, double *seconds,
                            hone_admission *fates);

/* How long an answer is waited for, and what was seen of the work on it. */
enum { HONE_WORKER_SLOW_BY = 4 };
typedef struct hone_worker_wait {
    int64_t  until, until_at_most; /* the deadline, in the clock's nanoseconds; and that of a worker that is slow: it
                                      may take HONE_WORKER_SLOW_BY deadlines while launches follow each other */
    int64_t  stepped;              /* when it was last seen to go on */
    uint32_t steps;                /* launches begun until then */
} hone_worker_wait;
hone_worker_wait hone_worker_wait_for(int64_t now, uint32_t steps, double seconds);
/* Past its deadline, and not seen to begin another launch within the patience: a slow machine makes no candidate hang.
 */
bool hone_worker_is_late(hone_worker_wait *wait, int64_t now, uint32_t steps, double patience_s);

#endif
