/* What the files of the pool share: the pool itself, and the few words of it that calls and workers both read.
 *
 *     pool.c           calls: sharing out chunks, and waiting for those that workers have begun
 *     pool_workers.c   threads: started, ended, asleep and woken; what they do meanwhile; fork
 *     pool_manners.c   other people's threads: whether a CPU is taken, and how long to stay away from it
 */
#ifndef HONE_BACKENDS_CPU_POOL_INNER_H
#define HONE_BACKENDS_CPU_POOL_INNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "backends/cpu/pool.h"
#include "backends/cpu/topology.h"

enum {
    SLOTS = 32,          /* calls at once that can have help; more of them run on their own threads */
    WORKERS_MAX = HONE_CPU_THREADS_MAX - 1,
    WORDS = (WORKERS_MAX + 63) / 64,
    WAKES = 2,           /* workers that one thread wakes at a time */
    SPIN_NS = 60000,     /* about what it takes from waking a sleeper until it works */
    LOOKS = 16           /* looks at the state between two at the clock */
};

/* A ticket: the number of the call, how many more workers may join, how many chunks nobody has taken. */
#define TICKET_CALL   ((uint64_t)1 << 32)
#define TICKET_PERMIT ((uint64_t)1 << 20)
#define TICKET_LEFT   (TICKET_PERMIT - 1)
#define TICKET_LEAVES (TICKET_CALL - TICKET_PERMIT)
_Static_assert(WORKERS_MAX <= TICKET_LEAVES / TICKET_PERMIT, "a ticket has leave for every worker");

/* The state: open slots, how many threads are in a call, and whether the workers are to end. */
#define STATE_OPEN   (((uint64_t)1 << SLOTS) - 1)
#define STATE_CALLER ((uint64_t)1 << 32)
#define STATE_STOP   ((uint64_t)1 << 63)

typedef struct pool_job {
    _Alignas(128) _Atomic(uint64_t) ticket;
    void (*work)(void *argument, int chunk);
    void    *argument;
    int      chunks, bundle; /* what is taken at once: `bundle` chunks, of the last bundle what there is */
    int      bundles;
    unsigned modes;          /* of floating point, as the caller has them */
    bool     wakes;          /* it pays to wake workers for it */
    int64_t       work_ns;   /* of one thread, as believed */
    _Atomic(bool) fair;      /* it is long enough to take its turns */
    _Atomic(int)  cpu;       /* where its caller was */
    _Alignas(64) _Atomic(int) finished; /* bundles done by workers that have left */
    _Alignas(128) _Atomic(bool) taken;
} pool_job;

typedef struct pool_worker {
    _Alignas(64) _Atomic(uint32_t) bell; /* not 0: it was woken */
    _Atomic(long long) helped, lost, hurt;
    pthread_t          thread;
    int                index, id; /* id: as the system counts threads */
    unsigned           modes;
    int64_t            tested_ns;         /* when it found its CPU free; 0: to be tested */
    int64_t            began_ns, used_ns; /* of a job that is watched: when it began, and this thread's CPU time then */
    hone_cpu_mask     *home;              /* where it may run; on its stack */
    int                left_out;          /* but for this CPU: one more than that, 0: none. Both are the waker's to
                                             change, between taking the worker off `asleep` and its bell */
} pool_worker;

typedef struct pool_whole {
    _Alignas(128) _Atomic(uint64_t) state;
    _Alignas(128) _Atomic(uint64_t) asleep[WORDS];
    _Alignas(64) _Atomic(int) running; /* workers */
    _Atomic(int)     limit;            /* threads that may compute at once: as allowed, or as a call wanted */
    _Atomic(int64_t) unhelped_ns, unhelped_until_ns;
    _Atomic(int64_t) away_until_ns, away_ns, wary_until_ns, hurt_at_ns, hurt_ns; /* pool_manners.c */
    _Alignas(64) _Atomic(bool) locked; /* starting and ending workers, and what follows */
    _Alignas(64) bool closed, watched, exhausted;
    int              allowed;
    hone_cpu_mask    usable, bound; /* bound: empty where nobody asked for that */
    pool_job         jobs[SLOTS];
    pool_worker      workers[WORKERS_MAX];
} pool_whole;

extern pool_whole hone_cpu_pool;

/* What a thread knows of itself. */
typedef struct pool_self {
    bool     inside;   /* in a chunk: calls are not handed on */
    unsigned slot;     /* where it looks for a slot first: one more than that, 0: not yet known */
} pool_self;

extern _Thread_local pool_self hone_cpu_pool_self;

/* --- pool_workers.c */

/* Wakes so many of those that sleep, the first ones first: they may help where others may not. Not on `cpu`, their
 * caller's, where there is another. */
void hone_cpu_pool_wake(int count, int cpu);
/* More workers, up to `wanted`, where the system gives them; not now, where another thread is at it. */
void hone_cpu_pool_grow(int wanted);

/* --- pool_manners.c */

/* Sends it to another CPU than this one, and keeps it from there until another is in the way. By the worker itself, or
 * by who wakes it. False: there is no other. */
bool hone_cpu_pool_keep_off(pool_worker *it, int cpu);
/* Offers the CPU to other threads; `thoroughly`: so that none that wants it is missed. True: one has kept it for long,
 * or a caller runs on it, and there is no other. */
bool hone_cpu_pool_lost_cpu(pool_worker *me, bool thoroughly);
/* A CPU was lost: nobody is woken for a while. */
void hone_cpu_pool_went(pool_worker *me);
/* Was one lost not long ago? Then jobs are watched. */
bool hone_cpu_pool_wary(int64_t now);
void hone_cpu_pool_job_begins(pool_worker *me);
/* False: another thread had the CPU for long meanwhile, and nobody is woken for a longer while. */
bool hone_cpu_pool_job_ended(pool_worker *me, int64_t work_ns);

/* --- what all of them do */

static inline void pool_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Rounding, and what becomes of subnormal numbers: chunks are computed in the modes of the thread that called. */
static inline unsigned pool_modes_read(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & ~0x3fu;
#elif defined(__aarch64__)
    uint64_t modes;
    __asm__ volatile("mrs %0, fpcr" : "=r"(modes));
    return (unsigned)modes;
#else
    return 0;
#endif
}

static inline void pool_modes_write(unsigned modes)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(modes);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)modes));
#else
    (void)modes;
#endif
}

static inline void pool_run_bundle(const pool_job *it, int bundle)
{
    int begin = bundle * it->bundle, end = bundle + 1 == it->bundles ? it->chunks : begin + it->bundle;
    for (int i = begin; i < end; i++) it->work(it->argument, i);
}

/* The next bundle of a call that cannot end meanwhile; -1: none is left. */
static inline int pool_take_bundle(pool_job *it)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_relaxed);
    while (ticket & TICKET_LEFT)
        if (atomic_compare_exchange_weak_explicit(&it->ticket, &ticket, ticket - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return it->bundles - (int)(ticket & TICKET_LEFT);
    return -1;
}

static inline bool pool_help_wanted(const pool_job *it)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_relaxed);
    return ticket & TICKET_LEFT && ticket & TICKET_LEAVES;
}

static inline int pool_words(void)
{
    return (atomic_load_explicit(&hone_cpu_pool.running, memory_order_relaxed) + 63) / 64;
}

static inline int pool_sleepers(void)
{
    int count = 0;
    for (int i = 0, n = pool_words(); i < n; i++) count += __builtin_popcountll(atomic_load(&hone_cpu_pool.asleep[i]));
    return count;
}

#endif
