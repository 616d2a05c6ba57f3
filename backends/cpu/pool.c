/* hone's own threads, as those see it who call: sharing out chunks, and waiting for those that workers have begun. The
 * workers themselves are in pool_workers.c, their manners in pool_manners.c. What a caller's own pool does is the
 * caller's affair.
 *
 *     caller                                            worker
 *     takes a slot, writes its job                      looks at `state`, one word for all
 *     opens it: a bit in `state`, one caller more       an open slot: takes a chunk and leave to help, in one step
 *     runs chunks until none is left                    runs chunks until none is left
 *     waits for those that workers have begun           says how many it has done
 *
 * A chunk is taken by counting down a ticket that also carries the number of the call, so that a worker which comes
 * late takes nothing of a later call by mistake. The caller waits for begun chunks alone: a worker that is asleep, or
 * not given a CPU, costs it nothing.
 *
 * Calls that are shared out are counted - one that its caller does alone is not -, and worker w helps only while
 * w + callers < limit, the CPUs or the most threads that a call wanted: together they are never more than that, however
 * many threads of the application share out their work.
 *
 * To wake a sleeper costs its waker microseconds, and it comes tens of microseconds later: only work that takes longer,
 * in one call or in a row of them, wakes any, and none is woken where workers lately found the CPUs taken. Only work of
 * many milliseconds takes its turns with others, as any program's does: no chunk of it is held up for long, seen from
 * its end.
 *
 * All memory is static: the pool outlives contexts, and takes nothing from the program's allocator. */
#include "backends/cpu/pool.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "backends/cpu/pool_inner.h"
#include "base/clock.h"
#include "base/size.h"

enum {
    WAKE_NS = 100000,    /* work that pays for waking */
    FAIR_NS = 10000000,  /* work that takes its turns among others, as any program does: several of a scheduler's */
    SHARE_NS = 2000,     /* a helper has at least so much to do */
    UNKNOWN_NS = 20000,  /* what is reckoned for work that nobody estimated */
    PATIENCE_NS = 50000  /* how long a caller spins for the last chunks before it offers its CPU */
};

static _Atomic(unsigned) threads_seen;

static void run_all(int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    for (int i = 0; i < chunks; i++) work(argument, i);
}

/* Does it pay to wake a sleeper? For one call that is long enough; or for a row of them, once those that found nobody
 * awake have taken together what waking costs. */
static bool pays_to_wake(int64_t work_ns)
{
    if (work_ns >= FAIR_NS) return true;
    int64_t now = hone_now_ns(), sum = 0;
    if (now < atomic_load_explicit(&hone_cpu_pool.away_until_ns, memory_order_relaxed)) return false;
    if (work_ns >= WAKE_NS) return true;
    if (now < atomic_load_explicit(&hone_cpu_pool.unhelped_until_ns, memory_order_relaxed))
        sum = atomic_load_explicit(&hone_cpu_pool.unhelped_ns, memory_order_relaxed);
    sum += work_ns;
    atomic_store_explicit(&hone_cpu_pool.unhelped_ns, sum >= WAKE_NS ? 0 : sum, memory_order_relaxed);
    atomic_store_explicit(&hone_cpu_pool.unhelped_until_ns, now + work_ns + SPIN_NS, memory_order_relaxed);
    return sum >= WAKE_NS;
}

static pool_job *take_slot(void)
{
    if (!hone_cpu_pool_self.slot)
        hone_cpu_pool_self.slot = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed) % SLOTS;
    for (unsigned i = 0; i < SLOTS; i++) {
        pool_job *it = &hone_cpu_pool.jobs[(hone_cpu_pool_self.slot - 1 + i) % SLOTS];
        if (!atomic_load_explicit(&it->taken, memory_order_relaxed) &&
            !atomic_exchange_explicit(&it->taken, true, memory_order_acquire))
            return it;
    }
    return NULL;
}

/* Workers are at the last chunks. Should one of them have lost its CPU, it may have this one. */
static void wait_for(pool_job *it, int bundles)
{
    int64_t until = 0;
    for (int looks = 1; atomic_load_explicit(&it->finished, memory_order_acquire) < bundles; looks++) {
        pool_relax();
        if (looks % LOOKS) continue;
        int64_t now = hone_now_ns();
        if (!until) until = now + PATIENCE_NS;
        if (now > until) sched_yield();
    }
}

void hone_cpu_pool_run(int count, int chunks, double seconds, void (*work)(void *argument, int chunk), void *argument)
{
    const int64_t work_ns = seconds > 0 ? (int64_t)((seconds < 1000 ? seconds : 1000) * 1e9) : UNKNOWN_NS;
    const int     helpers = (int)hone_min(hone_min(hone_min(count, chunks) - 1, work_ns / SHARE_NS), WORKERS_MAX);
    if (helpers < 1 || hone_cpu_pool_self.inside) {
        run_all(chunks, work, argument);
        return;
    }
    int  running = atomic_load_explicit(&hone_cpu_pool.running, memory_order_relaxed);
    int  awake = running - pool_sleepers();
    bool wakes = awake < helpers && pays_to_wake(work_ns);
    if (wakes && running < helpers) {
        hone_cpu_pool_grow(helpers);
        running = atomic_load_explicit(&hone_cpu_pool.running, memory_order_relaxed);
    }
    pool_job *it = running && (awake || wakes) ? take_slot() : NULL;
    if (!it) {
        run_all(chunks, work, argument);
        return;
    }

    it->work = work;
    it->argument = argument;
    it->chunks = chunks;
    it->bundle = (int)(chunks / (int64_t)TICKET_LEFT) + 1;
    it->bundles = (int)hone_divide_up(chunks, it->bundle);
    it->modes = pool_modes_read();
    it->work_ns = work_ns;
    it->wakes = wakes || (work_ns >= WAKE_NS && pays_to_wake(work_ns));
    atomic_store_explicit(&it->fair, work_ns >= FAIR_NS, memory_order_relaxed);
    const int cpu = sched_getcpu();
    atomic_store_explicit(&it->cpu, cpu, memory_order_relaxed);
    atomic_store_explicit(&it->finished, 0, memory_order_relaxed);
    /* The first bundle is the caller's. */
    uint64_t call = (atomic_load_explicit(&it->ticket, memory_order_relaxed) / TICKET_CALL + 1) * TICKET_CALL;
    atomic_store_explicit(&it->ticket, call + (uint64_t)helpers * TICKET_PERMIT + (uint64_t)(it->bundles - 1),
                          memory_order_release);
    const uint64_t mine = STATE_CALLER + ((uint64_t)1 << (it - hone_cpu_pool.jobs));
    atomic_fetch_add(&hone_cpu_pool.state, mine);
    /* Counted again: whoever lay down before the slot was open has not seen it. */
    awake = running - pool_sleepers();
    if (awake < helpers && it->wakes) hone_cpu_pool_wake((int)hone_min(WAKES, helpers - awake), cpu);

    int done = 0, bundle = 0;
    hone_cpu_pool_self.inside = true;
    do {
        pool_run_bundle(it, bundle);
        done++;
    } while ((bundle = pool_take_bundle(it)) >= 0);
    hone_cpu_pool_self.inside = false;
    wait_for(it, it->bundles - done);
    atomic_fetch_sub(&hone_cpu_pool.state, mine);
    atomic_store_explicit(&it->taken, false, memory_order_release);
}
