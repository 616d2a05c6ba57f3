/* Manners of hone's own threads towards everybody else's: workers use CPUs that nobody else wants. What a worker does
 * with its CPU otherwise is in pool_workers.c.
 *
 * A worker that was woken, or spins, offers its CPU to whoever waits for it - the spinning threads of another library,
 * as a rule. Where that is taken, the worker sleeps when it is back, and for a while none is woken. One that was woken
 * on its caller's CPU sleeps again, too. */
#include "backends/cpu/pool_inner.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/size.h"

enum {
    LOST_NS = 10000,     /* it took so long to get the CPU back: another thread had it */
    CROWDED_NS = 500000, /* how long nobody is woken after that; when it happens again soon, twice as long, */
    CROWDED_NS_MAX = 32000000, /* up to this */
    SOON_NS = 10000000,        /* soon: within a scheduler's slices */
    WARY_NS = 200000000, /* how long after it workers look again whether they are alone, */
    PROOF_NS = 60000     /* for so long before they help, and after each job */
};

bool hone_cpu_pool_switched(pool_worker *me)
{
    struct rusage usage;
    long          before = me->switches;
    if (getrusage(RUSAGE_THREAD, &usage) != 0) return true;
    me->switches = usage.ru_nivcsw;
    return me->switches != before;
}

void hone_cpu_pool_crowded(int64_t now)
{
    int64_t last = atomic_load_explicit(&hone_cpu_pool.crowded_until_ns, memory_order_relaxed);
    int64_t span = atomic_load_explicit(&hone_cpu_pool.crowded_ns, memory_order_relaxed);
    if (now < last) return;
    span = now - last < 2 * span + SOON_NS ? hone_min(2 * span, CROWDED_NS_MAX) : CROWDED_NS;
    atomic_store_explicit(&hone_cpu_pool.crowded_ns, span, memory_order_relaxed);
    atomic_store_explicit(&hone_cpu_pool.crowded_until_ns, now + span, memory_order_relaxed);
}

/* Is this the CPU of a caller that waits for help? */
static bool in_the_way(void)
{
    int cpu = sched_getcpu();
    for (uint64_t open = atomic_load(&hone_cpu_pool.state) & STATE_OPEN; open; open &= open - 1) {
        const pool_job *it = &hone_cpu_pool.jobs[__builtin_ctzll(open)];
        if (atomic_load_explicit(&it->cpu, memory_order_relaxed) == cpu && pool_help_wanted(it)) return true;
    }
    return false;
}

/* Goes to another CPU that this thread may use: a sleeper is often woken where its caller runs. False: there is none.
 */
static bool stepped_aside(void)
{
    hone_cpu_mask mine, others;
    int           cpu = sched_getcpu();
    memset(&mine, 0, sizeof mine);
    if (cpu < 0 || cpu >= HONE_CPU_MASK_WORDS * 64) return false;
    if (sched_getaffinity(0, sizeof mine, (cpu_set_t *)(void *)&mine) != 0) return false;
    others = mine;
    others.word[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
    if (sched_setaffinity(0, sizeof others, (const cpu_set_t *)(const void *)&others) != 0)
        return false;                                                                /* none left */
    (void)sched_setaffinity(0, sizeof mine,
                            (const cpu_set_t *)(const void *)&mine); /* and may go where it likes again */
    return true;
}

bool hone_cpu_pool_lost_cpu(pool_worker *me)
{
    int64_t before = hone_now_ns();
    sched_yield();
    return (hone_now_ns() - before > LOST_NS && hone_cpu_pool_switched(me)) || (in_the_way() && !stepped_aside());
}

bool hone_cpu_pool_wary(int64_t now)
{
    return now < atomic_load_explicit(&hone_cpu_pool.crowded_until_ns, memory_order_relaxed) + WARY_NS;
}

bool hone_cpu_pool_proves_alone(pool_worker *me)
{
    int64_t until = hone_now_ns() + PROOF_NS;
    hone_cpu_pool_switched(me);
    while (hone_now_ns() < until) {
        if (hone_cpu_pool_lost_cpu(me) || atomic_load_explicit(&hone_cpu_pool.state, memory_order_relaxed) & STATE_STOP)
            return false;
        for (int i = 0; i < LOOKS; i++) pool_relax();
    }
    return !hone_cpu_pool_switched(me);
}
