/* The workers of the pool: started and ended, asleep and woken, what they do meanwhile, and what becomes of them in a
 * child of fork.
 *
 *     worker
 *     looks at `state`, one word for all
 *     an open slot: takes a chunk and leave to help, in one step
 *     runs chunks until none is left
 *     says how many it has done
 *
 * Worker w helps only while w + callers < limit, the CPUs or the most threads that a call wanted: together they are
 * never more than that, however many threads of the application share out their work.
 *
 * Without work a worker spins for about as long as waking it would take, then sleeps. A caller wakes few, and each that
 * comes wakes others. */
#include "backends/cpu/pool_inner.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    OFFER_NS = 3000,    /* how often a spinning worker offers its CPU */
    TEST_NS = 1000000,  /* how often it makes sure that nobody else wants it, where somebody did lately */
    WATCH_NS = 20000,   /* jobs of so long may be held up */
    LONG_NS = 30000,    /* after jobs of so long it offers its CPU at once */
    FLIGHT_NS = 2000000 /* for so long it waits at most for the end of a call that it has helped with */
};

pool_whole              hone_cpu_pool;
_Thread_local pool_self hone_cpu_pool_self;

static bool try_lock(void)
{
    return !atomic_exchange_explicit(&hone_cpu_pool.locked, true, memory_order_acquire);
}

static void lock(void)
{
    while (!try_lock()) sched_yield();
}

static void unlock(void)
{
    atomic_store_explicit(&hone_cpu_pool.locked, false, memory_order_release);
}

/* --- sleeping and waking ----------------------------------------------------------------------------------------- */

static void ring(pool_worker *it)
{
    atomic_store_explicit(&it->bell, 1, memory_order_release);
    syscall(SYS_futex, &it->bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void hone_cpu_pool_wake(int count, int cpu)
{
    for (int i = 0, n = pool_words(); i < n && count > 0; i++) {
        uint64_t asleep = atomic_load(&hone_cpu_pool.asleep[i]);
        for (; asleep && count > 0; asleep &= asleep - 1) {
            uint64_t bit = asleep & -asleep;
            if (!(atomic_fetch_and(&hone_cpu_pool.asleep[i], ~bit) & bit)) continue; /* another has woken it */
            pool_worker *it = &hone_cpu_pool.workers[i * 64 + __builtin_ctzll(bit)];
            if (it->left_out != cpu + 1) hone_cpu_pool_keep_off(it, cpu);
            ring(it);
            count--;
        }
    }
}

static bool may_help(const pool_worker *me, uint64_t state)
{
    int callers = (int)((state & ~STATE_STOP) / STATE_CALLER);
    return me->index + callers < atomic_load_explicit(&hone_cpu_pool.limit, memory_order_relaxed);
}

/* Is there a job that this worker may help with? With `fair`: one that takes its turns. */
static bool job_waits(const pool_worker *me, uint64_t state, bool fair)
{
    if (!may_help(me, state)) return false;
    for (uint64_t open = state & STATE_OPEN; open; open &= open - 1) {
        const pool_job *it = &hone_cpu_pool.jobs[__builtin_ctzll(open)];
        if (pool_help_wanted(it) && (!fair || atomic_load_explicit(&it->fair, memory_order_relaxed))) return true;
    }
    return false;
}

/* `lost`: the CPU is somebody else's; work that is at hand must wait until it is worth another look. */
static void sleep_until_woken(pool_worker *me, bool lost)
{
    _Atomic(uint64_t) *word = &hone_cpu_pool.asleep[me->index / 64];
    const uint64_t     bit = (uint64_t)1 << (me->index % 64);
    struct timespec    span, *limit = NULL;
    atomic_store_explicit(&me->bell, 0, memory_order_relaxed);
    atomic_fetch_or(word, bit);
    /* Who opens a slot looks for sleepers afterwards; who lies down looks for open slots afterwards. */
    uint64_t state = atomic_load(&hone_cpu_pool.state);
    bool     stays = state & STATE_STOP || job_waits(me, state, lost);
    if (!stays && lost && job_waits(me, state, false)) {
        int64_t ns = atomic_load_explicit(&hone_cpu_pool.away_ns, memory_order_relaxed);
        span = (struct timespec){0, (long)ns};
        limit = &span;
    }
    while (!stays && !atomic_load_explicit(&me->bell, memory_order_acquire))
        stays = syscall(SYS_futex, &me->bell, FUTEX_WAIT_PRIVATE, 0, limit, NULL, 0) != 0 && errno == ETIMEDOUT;
    if (!stays || atomic_fetch_and(word, ~bit) & bit) return;
    while (!atomic_load_explicit(&me->bell, memory_order_acquire)) /* its waker is at the bell */
        syscall(SYS_futex, &me->bell, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* --- workers ----------------------------------------------------------------------------------------------------- */

/* One bundle of the job after the other, for as long as there are any and the CPUs are enough. */
static bool help(pool_worker *me, pool_job *it, bool wary)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_acquire);
    do
        if (!(ticket & TICKET_LEFT) || !(ticket & TICKET_LEAVES)) return false;
    while (!atomic_compare_exchange_weak_explicit(&it->ticket, &ticket, ticket - 1 - TICKET_PERMIT,
                                                  memory_order_acquire, memory_order_acquire));
    /* From here on the call cannot end before `finished` was told. */
    ticket -= 1 + TICKET_PERMIT;
    if (it->wakes && ticket & TICKET_LEAVES && ticket & TICKET_LEFT)
        hone_cpu_pool_wake(WAKES, atomic_load_explicit(&it->cpu, memory_order_relaxed));
    if (me->modes != it->modes) pool_modes_write(me->modes = it->modes);
    const int64_t work_ns = it->work_ns;
    const bool    watched = wary && work_ns >= WATCH_NS && !atomic_load_explicit(&it->fair, memory_order_relaxed);
    if (watched) hone_cpu_pool_job_begins(me);
    int done = 0, bundle = it->bundles - 1 - (int)(ticket & TICKET_LEFT);
    hone_cpu_pool_self.inside = true;
    do {
        pool_run_bundle(it, bundle);
        done++;
        uint64_t state = atomic_load_explicit(&hone_cpu_pool.state, memory_order_relaxed);
        if (state & STATE_STOP || !may_help(me, state)) break;
    } while ((bundle = pool_take_bundle(it)) >= 0);
    hone_cpu_pool_self.inside = false;
    atomic_fetch_add_explicit(&it->finished, done, memory_order_release);
    atomic_fetch_add_explicit(&me->helped, done, memory_order_relaxed);
    if (watched && !hone_cpu_pool_job_ended(me, work_ns)) me->tested_ns = 0; /* looked into at once */
    return true;
}

static bool help_any(pool_worker *me, uint64_t state, bool wary)
{
    if (!(state & STATE_OPEN) || !may_help(me, state)) return false;
    for (uint64_t open = state & STATE_OPEN; open; open &= open - 1)
        if (help(me, &hone_cpu_pool.jobs[__builtin_ctzll(open)], wary)) return true;
    return false;
}

static void *worker_run(void *it)
{
    pool_worker  *me = it;
    hone_cpu_mask home;
    me->modes = pool_modes_read();
    me->id = (int)syscall(SYS_gettid);
    me->home = &home;
    me->left_out = 0;
    me->tested_ns = 0;
    int64_t now = hone_now_ns(), offered = 0, helped = 0, until = now + SPIN_NS;
    for (;; now = hone_now_ns()) {
        uint64_t   state = atomic_load_explicit(&hone_cpu_pool.state, memory_order_acquire);
        const bool wary = hone_cpu_pool_wary(now), tests = !me->tested_ns || (wary && now - me->tested_ns > TEST_NS);
        bool       lost = false;
        if (state & STATE_STOP) return NULL;
        if ((tests || now - offered > OFFER_NS) && !job_waits(me, state, true)) {
            lost = hone_cpu_pool_lost_cpu(me, tests);
            now = offered = hone_now_ns();
            if (tests) me->tested_ns = now;
        }
        /* Who has helped waits for the end of that call, within bounds: another will follow. */
        if (state >= STATE_CALLER && now - helped < FLIGHT_NS) until = now + SPIN_NS;
        if (lost || now > until) {
            if (lost) hone_cpu_pool_went(me);
            sleep_until_woken(me, lost);
            me->tested_ns = helped = 0;
            until = hone_now_ns() + SPIN_NS;
            continue;
        }
        for (int i = 0; i < LOOKS; i++) {
            state = atomic_load_explicit(&hone_cpu_pool.state, memory_order_acquire);
            if (help_any(me, state, wary)) {
                helped = hone_now_ns();
                until = helped + SPIN_NS;
                if (helped - now > LONG_NS) break;
            }
            pool_relax();
        }
    }
}

/* --- starting and ending ----------------------------------------------------------------------------------------- */

/* The child has none of the workers, and whatever another thread was in the middle of is nobody's now. */
static void begin_anew(void)
{
    atomic_store(&hone_cpu_pool.running, 0);
    atomic_store(&hone_cpu_pool.state, 0);
    for (int i = 0; i < WORDS; i++) atomic_store(&hone_cpu_pool.asleep[i], 0);
    for (int i = 0; i < SLOTS; i++) atomic_store(&hone_cpu_pool.jobs[i].taken, false);
    hone_cpu_pool.exhausted = false;
    unlock();
}

/* Before anybody has the lock, so that no child of fork is left with it. */
__attribute__((constructor)) static void watch_forks(void)
{
    hone_cpu_pool.watched = pthread_atfork(NULL, NULL, begin_anew) == 0;
}

/* On the CPUs of the process, not on those that the thread which happens to make it is bound to. */
static void settle(int index, pthread_attr_t *attributes)
{
    hone_cpu_mask mask = hone_cpu_pool.usable;
    int           count = 0, at = 0;
    for (int cpu = 0; cpu < HONE_CPU_MASK_WORDS * 64; cpu++) count += hone_cpu_mask_has(&hone_cpu_pool.bound, cpu);
    if (count) { /* from the second CPU on: the first is left to the caller */
        int wanted = (index + 1) % count;
        memset(&mask, 0, sizeof mask);
        for (int cpu = 0; cpu < HONE_CPU_MASK_WORDS * 64; cpu++)
            if (hone_cpu_mask_has(&hone_cpu_pool.bound, cpu) && at++ == wanted)
                mask.word[cpu / 64] = (uint64_t)1 << (cpu % 64);
    }
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) at |= mask.word[i] != 0;
    if (at) pthread_attr_setaffinity_np(attributes, sizeof mask, (const cpu_set_t *)(const void *)mask.word);
}

static bool start(pool_worker *it)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    settle(it->index, &attributes);
    int failed = pthread_create(&it->thread, &attributes, worker_run, it);
    pthread_attr_destroy(&attributes);
    /* EINVAL: these CPUs were taken from the process meanwhile; then where its maker is. */
    if (failed == EINVAL) failed = pthread_create(&it->thread, NULL, worker_run, it);
    if (!failed) pthread_setname_np(it->thread, "hone");
    return !failed;
}

void hone_cpu_pool_grow(int wanted)
{
    sigset_t all, before;
    if (!try_lock()) return;
    int running = atomic_load(&hone_cpu_pool.running);
    if (hone_cpu_pool.closed || hone_cpu_pool.exhausted || !hone_cpu_pool.watched) wanted = 0;
    if (wanted + 1 > atomic_load(&hone_cpu_pool.limit)) atomic_store(&hone_cpu_pool.limit, wanted + 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's threads */
    for (; running < wanted; running++) {
        pool_worker *it = &hone_cpu_pool.workers[running];
        it->index = running;
        atomic_store(&it->bell, 0);
        if (!start(it)) {
            hone_cpu_pool.exhausted = true; /* not asked again with each call */
            break;
        }
        atomic_store(&hone_cpu_pool.running, running + 1);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    unlock();
}

static void stop(bool for_ever)
{
    lock();
    int running = atomic_load(&hone_cpu_pool.running);
    atomic_fetch_or(&hone_cpu_pool.state, STATE_STOP);
    for (int i = 0; i < running; i++) {
        /* Whoever has taken it off already rings; before that the worker does not end. */
        const uint64_t bit = (uint64_t)1 << (i % 64);
        if (atomic_fetch_and(&hone_cpu_pool.asleep[i / 64], ~bit) & bit) ring(&hone_cpu_pool.workers[i]);
        pthread_join(hone_cpu_pool.workers[i].thread, NULL);
    }
    atomic_store(&hone_cpu_pool.running, 0);
    atomic_fetch_and(&hone_cpu_pool.state, ~STATE_STOP);
    atomic_store(&hone_cpu_pool.limit, hone_cpu_pool.allowed);
    hone_cpu_pool.exhausted = false;
    hone_cpu_pool.closed = for_ever;
    unlock();
}

void hone_cpu_pool_stop(void)
{
    stop(false);
}

/* Before the library's code goes: at dlclose, or at the end of the program, while other threads may still call. */
__attribute__((destructor)) static void close_pool(void)
{
    stop(true);
}

void hone_cpu_pool_allow(const hone_cpu_mask *usable, int threads, const hone_cpu_mask *bound)
{
    lock();
    hone_cpu_pool.usable = *usable;
    if (bound) hone_cpu_pool.bound = *bound;
    hone_cpu_pool.allowed = threads;
    if (threads > atomic_load(&hone_cpu_pool.limit)) atomic_store(&hone_cpu_pool.limit, threads);
    unlock();
}

void hone_cpu_pool_look(hone_cpu_pool_view *out)
{
    *out = (hone_cpu_pool_view){.workers = atomic_load(&hone_cpu_pool.running), .asleep = pool_sleepers()};
    for (int i = 0; i < out->workers; i++) {
        out->helped += atomic_load(&hone_cpu_pool.workers[i].helped);
        out->lost += atomic_load(&hone_cpu_pool.workers[i].lost);
        out->hurt += atomic_load(&hone_cpu_pool.workers[i].hurt);
    }
}
