/* Manners of hone's own threads towards everybody else's. What a worker does with its CPU otherwise is in
 * pool_workers.c.
 *
 * Workers use CPUs that nobody else wants. One that was woken offers its CPU to whoever waits for it, a few times over,
 * and one that spins does so all the while. Threads that spin as well but offer theirs take it and give it back at
 * once: beside those it works. Threads that keep it - the spinning team of an OpenMP library, as a rule, for some
 * milliseconds after each of its regions - have it for a slice of the scheduler's. The worker sleeps when it is back,
 * and for a while none is woken: a short one, since looking again costs little.
 *
 * Should such a thread come while the worker has a chunk, the chunk is held up, and its call with it. That cannot be
 * taken back; so workers stay away for longer then, and the longer the sooner it happens again.
 *
 * A sleeper is often woken where its caller runs, when no CPU is idle. So its waker tells it to be elsewhere; and one
 * that finds itself there all the same goes to another. It leaves the caller's CPU out until the next is in the way. */
#include "backends/cpu/pool_inner.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/size.h"

enum {
    OFFERS = 4,               /* a scheduler gives it back a few times, where it owes this thread time */
    LOST_NS = 10000,          /* it took so long to get the CPU back: another thread kept it */
    BRIEF_NS = 100000,        /* and may have gone again */
    AWAY_NS = 1000000,        /* how long nobody is woken after that; after the next time twice as long, */
    AWAY_NS_MAX = 16000000,   /* up to this */
    HURT_NS = 100000,         /* to hold up a job for less is no harm, nor for less than its caller's help had saved; */
    HURT_AWAY_NS = 2000000,   /* else nobody is woken for so long, when it happens again soon for four times as long, */
    HURT_AWAY_NS_MAX = 128000000, /* up to this */
    WARY_NS = 200000000       /* how long workers look whether they are held up, after the last loss */
};

static int64_t on_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* --- where ------------------------------------------------------------------------------------------------------- */

/* Is this the CPU of a caller? `lately`: or was it, when that called last? */
static bool in_the_way(bool lately)
{
    const int cpu = sched_getcpu();
    uint64_t  among = lately ? STATE_OPEN : atomic_load(&hone_cpu_pool.state) & STATE_OPEN;
    for (; among; among &= among - 1) {
        const pool_job *it = &hone_cpu_pool.jobs[__builtin_ctzll(among)];
        if (atomic_load_explicit(&it->cpu, memory_order_relaxed) == cpu &&
            atomic_load_explicit(&it->ticket, memory_order_relaxed))
            return true;
    }
    return false;
}

static void leave_out(hone_cpu_mask *mask, int cpu)
{
    mask->word[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
}

bool hone_cpu_pool_keep_off(pool_worker *it, int cpu)
{
    hone_cpu_mask its, expected, others;
    memset(&its, 0, sizeof its);
    if (cpu < 0 || cpu >= HONE_CPU_MASK_WORDS * 64) return false;
    if (sched_getaffinity(it->id, sizeof its, (cpu_set_t *)(void *)&its) != 0) return false;
    if (it->left_out) {
        expected = *it->home;
        leave_out(&expected, it->left_out - 1);
    }
    const bool told = !it->left_out || memcmp(&its, &expected, sizeof its); /* where to be, by somebody else */
    if (told) *it->home = its;
    others = *it->home;
    leave_out(&others, cpu);
    if (sched_setaffinity(it->id, sizeof others, (const cpu_set_t *)(const void *)&others) != 0) return false;
    it->left_out = cpu + 1;
    return true;
}

static bool stepped_aside(pool_worker *me)
{
    return hone_cpu_pool_keep_off(me, sched_getcpu());
}

/* --- whether ----------------------------------------------------------------------------------------------------- */

static void be_wary(int64_t now)
{
    atomic_store_explicit(&hone_cpu_pool.wary_until_ns, now + WARY_NS, memory_order_relaxed);
}

/* How long it was kept from its CPU by the first who did, of so many offers; 0: nobody did. */
static int64_t kept_from(int offers)
{
    for (int i = 0; i < offers; i++) {
        int64_t before = hone_now_ns();
        sched_yield();
        int64_t took = hone_now_ns() - before;
        if (took > LOST_NS) return took;
    }
    return 0;
}

bool hone_cpu_pool_lost_cpu(pool_worker *me, bool thoroughly)
{
    if (in_the_way(false) && !stepped_aside(me)) return true;
    const int64_t kept = kept_from(thoroughly ? OFFERS : 1);
    if (!kept) return false;
    /* It may have been the caller itself, between two calls; or somebody who has gone again. */
    const bool moved = in_the_way(true) && stepped_aside(me);
    if (kept > BRIEF_NS && !moved) return true;
    be_wary(hone_now_ns());
    return kept_from(OFFERS);
}

/* --- how long ---------------------------------------------------------------------------------------------------- */

static void stay_away(int64_t span)
{
    int64_t now = hone_now_ns();
    be_wary(now);
    if (now + span > atomic_load_explicit(&hone_cpu_pool.away_until_ns, memory_order_relaxed))
        atomic_store_explicit(&hone_cpu_pool.away_until_ns, now + span, memory_order_relaxed);
}

void hone_cpu_pool_went(pool_worker *me)
{
    int64_t span = 2 * atomic_load_explicit(&hone_cpu_pool.away_ns, memory_order_relaxed);
    span = span < AWAY_NS ? AWAY_NS : hone_min(span, AWAY_NS_MAX);
    atomic_fetch_add_explicit(&me->lost, 1, memory_order_relaxed);
    atomic_store_explicit(&hone_cpu_pool.away_ns, span, memory_order_relaxed);
    stay_away(span);
}

bool hone_cpu_pool_wary(int64_t now)
{
    return now < atomic_load_explicit(&hone_cpu_pool.wary_until_ns, memory_order_relaxed);
}

void hone_cpu_pool_job_begins(pool_worker *me)
{
    me->began_ns = hone_now_ns();
    me->used_ns = on_cpu_ns();
}

bool hone_cpu_pool_job_ended(pool_worker *me, int64_t work_ns)
{
    int64_t now = hone_now_ns();
    if (now - me->began_ns - (on_cpu_ns() - me->used_ns) < hone_max(HURT_NS, work_ns / 2)) {
        atomic_store_explicit(&hone_cpu_pool.away_ns, 0, memory_order_relaxed);
        return true;
    }
    int64_t span = atomic_load_explicit(&hone_cpu_pool.hurt_ns, memory_order_relaxed);
    int64_t last = atomic_load_explicit(&hone_cpu_pool.hurt_at_ns, memory_order_relaxed);
    span = span < HURT_AWAY_NS ? HURT_AWAY_NS : now - last < 4 * span ? 4 * span : span / 2;
    span = hone_max(HURT_AWAY_NS, hone_min(span, HURT_AWAY_NS_MAX));
    atomic_store_explicit(&hone_cpu_pool.hurt_ns, span, memory_order_relaxed);
    atomic_store_explicit(&hone_cpu_pool.hurt_at_ns, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&me->hurt, 1, memory_order_relaxed);
    stay_away(span);
    return false;
}
