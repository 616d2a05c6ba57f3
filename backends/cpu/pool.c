/* hone's own threads. What lives here: claiming, helping, spinning, sleeping, waking; starting and ending workers, and
 * what becomes of them in a child of fork. What a caller's own pool does is the caller's affair.
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
 * Without work a worker spins for about as long as waking it would take, then sleeps. To wake a sleeper costs its waker
 * microseconds, and it comes tens of microseconds later: only work that takes longer, in one call or in a row of them,
 * wakes any. A caller wakes few, and each that comes wakes others.
 *
 * Workers use CPUs that nobody else wants: one that was woken, or spins, offers its CPU to whoever waits for it - the
 * spinning threads of another library, as a rule. Where that is taken, the worker sleeps when it is back, and for a
 * while none is woken. One that was woken on its caller's CPU sleeps again, too. Only work of many milliseconds takes
 * its turns with others, as any program's does: no chunk of it is held up for long, seen from its end.
 *
 * All memory is static: the pool outlives contexts, and takes nothing from the program's allocator. */
#include "backends/cpu/pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/cpu/topology.h"
#include "base/clock.h"
#include "base/size.h"

enum {
    SLOTS = 32,          /* calls at once that can have help; more of them run on their own threads */
    WORKERS_MAX = HONE_CPU_THREADS_MAX - 1,
    WORDS = (WORKERS_MAX + 63) / 64,
    WAKES = 2,           /* workers that one thread wakes at a time */
    SPIN_NS = 60000,     /* about what it takes from waking a sleeper until it works */
    OFFER_NS = 3000,     /* how often a spinning worker offers its CPU */
    LOST_NS = 10000,     /* it took so long to get it back: another thread had it */
    CROWDED_NS = 500000, /* how long nobody is woken after that; when it happens again soon, twice as long, */
    CROWDED_NS_MAX = 32000000, /* up to this */
    SOON_NS = 10000000,        /* soon: within a scheduler's slices */
    WARY_NS = 200000000, /* how long after it workers look again whether they are alone, */
    PROOF_NS = 60000,    /* for so long before they help, and after each job */
    WAKE_NS = 100000,    /* work that pays for waking */
    FAIR_NS = 10000000,  /* work that takes its turns among others, as any program does: several of a scheduler's */
    SHARE_NS = 2000,     /* a helper has at least so much to do */
    UNKNOWN_NS = 20000,  /* what is reckoned for work that nobody estimated */
    PATIENCE_NS = 50000, /* how long a caller spins for the last chunks before it offers its CPU */
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

typedef struct job {
    _Alignas(128) _Atomic(uint64_t) ticket;
    void (*work)(void *argument, int chunk);
    void    *argument;
    int      chunks, bundle; /* what is taken at once: `bundle` chunks, of the last bundle what there is */
    int      bundles;
    unsigned modes;          /* of floating point, as the caller has them */
    bool     wakes;          /* it pays to wake workers for it */
    _Atomic(bool) fair;      /* it is long enough to take its turns */
    _Atomic(int)  cpu;       /* where its caller was */
    _Alignas(64) _Atomic(int) finished; /* bundles done by workers that have left */
    _Alignas(128) _Atomic(bool) taken;
} job;

typedef struct worker {
    _Alignas(64) _Atomic(uint32_t) bell; /* not 0: it was woken */
    _Atomic(long long) helped, lost;
    pthread_t          thread;
    int                index;
    unsigned           modes;
    long               switches; /* times that another thread was given its CPU, as far as it looked */
} worker;

static struct {
    _Alignas(128) _Atomic(uint64_t) state;
    _Alignas(128) _Atomic(uint64_t) asleep[WORDS];
    _Alignas(64) _Atomic(int) running; /* workers */
    _Atomic(int)     limit;            /* threads that may compute at once: as allowed, or as a call wanted */
    _Atomic(int64_t) unhelped_ns, unhelped_until_ns, crowded_until_ns, crowded_ns;
    _Alignas(64) _Atomic(bool) locked; /* starting and ending workers, and what follows */
    _Alignas(64) bool closed, watched, exhausted;
    int              allowed;
    hone_cpu_mask    usable, bound; /* bound: empty where nobody asked for that */
    job              jobs[SLOTS];
    worker           workers[WORKERS_MAX];
} pool;

static _Atomic(unsigned) threads_seen;

/* What a thread knows of itself. */
static _Thread_local struct {
    bool     inside;   /* in a chunk: calls are not handed on */
    unsigned slot;     /* where it looks for a slot first: one more than that, 0: not yet known */
} self;

/* --- the machine ------------------------------------------------------------------------------------------------- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Rounding, and what becomes of subnormal numbers: chunks are computed in the modes of the thread that called. */
static inline unsigned modes_read(void)
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

static inline void modes_write(unsigned modes)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(modes);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)modes));
#else
    (void)modes;
#endif
}

static bool try_lock(void)
{
    return !atomic_exchange_explicit(&pool.locked, true, memory_order_acquire);
}

static void lock(void)
{
    while (!try_lock()) sched_yield();
}

static void unlock(void)
{
    atomic_store_explicit(&pool.locked, false, memory_order_release);
}

/* --- chunks ------------------------------------------------------------------------------------------------------ */

static void run_all(int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    for (int i = 0; i < chunks; i++) work(argument, i);
}

static void run_bundle(const job *it, int bundle)
{
    int begin = bundle * it->bundle, end = bundle + 1 == it->bundles ? it->chunks : begin + it->bundle;
    for (int i = begin; i < end; i++) it->work(it->argument, i);
}

/* The next bundle of a call that cannot end meanwhile; -1: none is left. */
static int take_bundle(job *it)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_relaxed);
    while (ticket & TICKET_LEFT)
        if (atomic_compare_exchange_weak_explicit(&it->ticket, &ticket, ticket - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return it->bundles - (int)(ticket & TICKET_LEFT);
    return -1;
}

/* --- sleeping and waking ----------------------------------------------------------------------------------------- */

static int words(void)
{
    return (atomic_load_explicit(&pool.running, memory_order_relaxed) + 63) / 64;
}

static int sleepers(void)
{
    int count = 0;
    for (int i = 0, n = words(); i < n; i++) count += __builtin_popcountll(atomic_load(&pool.asleep[i]));
    return count;
}

static void ring(worker *it)
{
    atomic_store_explicit(&it->bell, 1, memory_order_release);
    syscall(SYS_futex, &it->bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Wakes those that sleep, the first ones first: they may help where others may not. */
static void wake(int count)
{
    for (int i = 0, n = words(); i < n && count > 0; i++) {
        uint64_t asleep = atomic_load(&pool.asleep[i]);
        for (; asleep && count > 0; asleep &= asleep - 1) {
            uint64_t bit = asleep & -asleep;
            if (!(atomic_fetch_and(&pool.asleep[i], ~bit) & bit)) continue; /* another has woken it */
            ring(&pool.workers[i * 64 + __builtin_ctzll(bit)]);
            count--;
        }
    }
}

static bool may_help(const worker *me, uint64_t state)
{
    int callers = (int)((state & ~STATE_STOP) / STATE_CALLER);
    return me->index + callers < atomic_load_explicit(&pool.limit, memory_order_relaxed);
}

static bool help_wanted(const job *it)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_relaxed);
    return ticket & TICKET_LEFT && ticket & TICKET_LEAVES;
}

/* Is there a job that this worker may help with? With `fair`: one that takes its turns. */
static bool job_waits(const worker *me, uint64_t state, bool fair)
{
    if (!may_help(me, state)) return false;
    for (uint64_t open = state & STATE_OPEN; open; open &= open - 1) {
        const job *it = &pool.jobs[__builtin_ctzll(open)];
        if (help_wanted(it) && (!fair || atomic_load_explicit(&it->fair, memory_order_relaxed))) return true;
    }
    return false;
}

/* `lost`: the CPU is somebody else's; work that is at hand must wait until it is worth another look. */
static void sleep_until_woken(worker *me, bool lost)
{
    _Atomic(uint64_t) *word = &pool.asleep[me->index / 64];
    const uint64_t     bit = (uint64_t)1 << (me->index % 64);
    struct timespec    span, *limit = NULL;
    atomic_store_explicit(&me->bell, 0, memory_order_relaxed);
    atomic_fetch_or(word, bit);
    /* Who opens a slot looks for sleepers afterwards; who lies down looks for open slots afterwards. */
    uint64_t state = atomic_load(&pool.state);
    bool     stays = state & STATE_STOP || job_waits(me, state, lost);
    if (!stays && lost && job_waits(me, state, false)) {
        int64_t ns = atomic_load_explicit(&pool.crowded_ns, memory_order_relaxed);
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
static bool help(worker *me, job *it)
{
    uint64_t ticket = atomic_load_explicit(&it->ticket, memory_order_acquire);
    do
        if (!(ticket & TICKET_LEFT) || !(ticket & TICKET_LEAVES)) return false;
    while (!atomic_compare_exchange_weak_explicit(&it->ticket, &ticket, ticket - 1 - TICKET_PERMIT,
                                                  memory_order_acquire, memory_order_acquire));
    /* From here on the call cannot end before `finished` was told. */
    ticket -= 1 + TICKET_PERMIT;
    if (it->wakes && ticket & TICKET_LEAVES && ticket & TICKET_LEFT) wake(WAKES);
    if (me->modes != it->modes) modes_write(me->modes = it->modes);
    int done = 0, bundle = it->bundles - 1 - (int)(ticket & TICKET_LEFT);
    self.inside = true;
    do {
        run_bundle(it, bundle);
        done++;
        uint64_t state = atomic_load_explicit(&pool.state, memory_order_relaxed);
        if (state & STATE_STOP || !may_help(me, state)) break;
    } while ((bundle = take_bundle(it)) >= 0);
    self.inside = false;
    atomic_fetch_add_explicit(&it->finished, done, memory_order_release);
    atomic_fetch_add_explicit(&me->helped, done, memory_order_relaxed);
    return true;
}

static bool help_any(worker *me, uint64_t state)
{
    if (!(state & STATE_OPEN) || !may_help(me, state)) return false;
    for (uint64_t open = state & STATE_OPEN; open; open &= open - 1)
        if (help(me, &pool.jobs[__builtin_ctzll(open)])) return true;
    return false;
}

/* Has another thread had the CPU since this was asked last? A hypervisor that stops all of it is not meant. */
static bool switched(worker *me)
{
    struct rusage usage;
    long          before = me->switches;
    if (getrusage(RUSAGE_THREAD, &usage) != 0) return true;
    me->switches = usage.ru_nivcsw;
    return me->switches != before;
}

/* Workers are not wanted for a while. */
static void crowded(int64_t now)
{
    int64_t last = atomic_load_explicit(&pool.crowded_until_ns, memory_order_relaxed);
    int64_t span = atomic_load_explicit(&pool.crowded_ns, memory_order_relaxed);
    if (now < last) return;
    span = now - last < 2 * span + SOON_NS ? hone_min(2 * span, CROWDED_NS_MAX) : CROWDED_NS;
    atomic_store_explicit(&pool.crowded_ns, span, memory_order_relaxed);
    atomic_store_explicit(&pool.crowded_until_ns, now + span, memory_order_relaxed);
}

/* Is this the CPU of a caller that waits for help? */
static bool in_the_way(void)
{
    int cpu = sched_getcpu();
    for (uint64_t open = atomic_load(&pool.state) & STATE_OPEN; open; open &= open - 1) {
        const job *it = &pool.jobs[__builtin_ctzll(open)];
        if (atomic_load_explicit(&it->cpu, memory_order_relaxed) == cpu && help_wanted(it)) return true;
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

/* Offers the CPU to other threads. True: one took it, or its caller waits for it. */
static bool lost_cpu(worker *me)
{
    int64_t before = hone_now_ns();
    sched_yield();
    return (hone_now_ns() - before > LOST_NS && switched(me)) || (in_the_way() && !stepped_aside());
}

static bool wary(int64_t now)
{
    return now < atomic_load_explicit(&pool.crowded_until_ns, memory_order_relaxed) + WARY_NS;
}

/* Where the CPU was lost not long ago: is it this worker's for a while, before it takes a chunk with it? */
static bool proves_alone(worker *me)
{
    int64_t until = hone_now_ns() + PROOF_NS;
    switched(me);
    while (hone_now_ns() < until) {
        if (lost_cpu(me) || atomic_load_explicit(&pool.state, memory_order_relaxed) & STATE_STOP) return false;
        for (int i = 0; i < LOOKS; i++) relax();
    }
    return !switched(me);
}

static void *worker_run(void *it)
{
    worker *me = it;
    me->modes = modes_read();
    me->switches = 0;
    int64_t offered = 0, until = hone_now_ns() + SPIN_NS;
    for (;;) {
        int64_t  now = hone_now_ns();
        uint64_t state = atomic_load_explicit(&pool.state, memory_order_acquire);
        bool     lost = false;
        if (state & STATE_STOP) return NULL;
        if (now - offered > OFFER_NS && !job_waits(me, state, true)) {
            lost = lost_cpu(me) || (!offered && wary(now) && !proves_alone(me));
            offered = hone_now_ns();
        }
        if (lost || now > until) {
            if (lost) {
                atomic_fetch_add_explicit(&me->lost, 1, memory_order_relaxed);
                crowded(offered);
            }
            sleep_until_woken(me, lost);
            until = hone_now_ns() + SPIN_NS;
            offered = 0;
            continue;
        }
        for (int i = 0; i < LOOKS; i++) {
            state = atomic_load_explicit(&pool.state, memory_order_acquire);
            if (help_any(me, state)) {
                until = hone_now_ns() + SPIN_NS;
                if (wary(until) && switched(me)) offered = 0; /* looked into at once */
            }
            relax();
        }
    }
}

/* --- starting and ending ----------------------------------------------------------------------------------------- */

/* The child has none of the workers, and whatever another thread was in the middle of is nobody's now. */
static void begin_anew(void)
{
    atomic_store(&pool.running, 0);
    atomic_store(&pool.state, 0);
    for (int i = 0; i < WORDS; i++) atomic_store(&pool.asleep[i], 0);
    for (int i = 0; i < SLOTS; i++) atomic_store(&pool.jobs[i].taken, false);
    pool.exhausted = false;
    unlock();
}

/* Before anybody has the lock, so that no child of fork is left with it. */
__attribute__((constructor)) static void watch_forks(void)
{
    pool.watched = pthread_atfork(NULL, NULL, begin_anew) == 0;
}

/* On the CPUs of the process, not on those that the thread which happens to make it is bound to. */
static void settle(int index, pthread_attr_t *attributes)
{
    hone_cpu_mask mask = pool.usable;
    int           count = 0, at = 0;
    for (int cpu = 0; cpu < HONE_CPU_MASK_WORDS * 64; cpu++) count += hone_cpu_mask_has(&pool.bound, cpu);
    if (count) { /* from the second CPU on: the first is left to the caller */
        int wanted = (index + 1) % count;
        memset(&mask, 0, sizeof mask);
        for (int cpu = 0; cpu < HONE_CPU_MASK_WORDS * 64; cpu++)
            if (hone_cpu_mask_has(&pool.bound, cpu) && at++ == wanted) mask.word[cpu / 64] = (uint64_t)1 << (cpu % 64);
    }
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) at |= mask.word[i] != 0;
    if (at) pthread_attr_setaffinity_np(attributes, sizeof mask, (const cpu_set_t *)(const void *)mask.word);
}

static bool start(worker *it)
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

/* More workers, up to `wanted`, where the system gives them; not now, where another thread is at it. */
static void grow(int wanted)
{
    sigset_t all, before;
    if (!try_lock()) return;
    int running = atomic_load(&pool.running);
    if (pool.closed || pool.exhausted || !pool.watched) wanted = 0;
    if (wanted + 1 > atomic_load(&pool.limit)) atomic_store(&pool.limit, wanted + 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's threads */
    for (; running < wanted; running++) {
        worker *it = &pool.workers[running];
        it->index = running;
        atomic_store(&it->bell, 0);
        if (!start(it)) {
            pool.exhausted = true; /* not asked again with each call */
            break;
        }
        atomic_store(&pool.running, running + 1);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    unlock();
}

static void stop(bool for_ever)
{
    lock();
    int running = atomic_load(&pool.running);
    atomic_fetch_or(&pool.state, STATE_STOP);
    for (int i = 0; i < running; i++) {
        atomic_fetch_and(&pool.asleep[i / 64], ~((uint64_t)1 << (i % 64)));
        ring(&pool.workers[i]);
        pthread_join(pool.workers[i].thread, NULL);
    }
    atomic_store(&pool.running, 0);
    atomic_fetch_and(&pool.state, ~STATE_STOP);
    atomic_store(&pool.limit, pool.allowed);
    pool.exhausted = false;
    pool.closed = for_ever;
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
    pool.usable = *usable;
    if (bound) pool.bound = *bound;
    pool.allowed = threads;
    if (threads > atomic_load(&pool.limit)) atomic_store(&pool.limit, threads);
    unlock();
}

void hone_cpu_pool_look(hone_cpu_pool_view *out)
{
    *out = (hone_cpu_pool_view){.workers = atomic_load(&pool.running), .asleep = sleepers()};
    for (int i = 0; i < out->workers; i++) {
        out->helped += atomic_load(&pool.workers[i].helped);
        out->lost += atomic_load(&pool.workers[i].lost);
    }
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

/* Does it pay to wake a sleeper? For one call that is long enough; or for a row of them, once those that found nobody
 * awake have taken together what waking costs. */
static bool pays_to_wake(int64_t work_ns)
{
    if (work_ns >= FAIR_NS) return true;
    int64_t now = hone_now_ns(), sum = 0;
    if (now < atomic_load_explicit(&pool.crowded_until_ns, memory_order_relaxed)) return false;
    if (work_ns >= WAKE_NS) return true;
    if (now < atomic_load_explicit(&pool.unhelped_until_ns, memory_order_relaxed))
        sum = atomic_load_explicit(&pool.unhelped_ns, memory_order_relaxed);
    sum += work_ns;
    atomic_store_explicit(&pool.unhelped_ns, sum >= WAKE_NS ? 0 : sum, memory_order_relaxed);
    atomic_store_explicit(&pool.unhelped_until_ns, now + work_ns + SPIN_NS, memory_order_relaxed);
    return sum >= WAKE_NS;
}

static job *take_slot(void)
{
    if (!self.slot) self.slot = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed) % SLOTS;
    for (unsigned i = 0; i < SLOTS; i++) {
        job *it = &pool.jobs[(self.slot - 1 + i) % SLOTS];
        if (!atomic_load_explicit(&it->taken, memory_order_relaxed) &&
            !atomic_exchange_explicit(&it->taken, true, memory_order_acquire))
            return it;
    }
    return NULL;
}

/* Workers are at the last chunks. Should one of them have lost its CPU, it may have this one. */
static void wait_for(job *it, int bundles)
{
    int64_t until = 0;
    for (int looks = 1; atomic_load_explicit(&it->finished, memory_order_acquire) < bundles; looks++) {
        relax();
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
    if (helpers < 1 || self.inside) {
        run_all(chunks, work, argument);
        return;
    }
    int  running = atomic_load_explicit(&pool.running, memory_order_relaxed);
    int  awake = running - sleepers();
    bool wakes = awake < helpers && pays_to_wake(work_ns);
    if (wakes && running < helpers) {
        grow(helpers);
        running = atomic_load_explicit(&pool.running, memory_order_relaxed);
    }
    job *it = running && (awake || wakes) ? take_slot() : NULL;
    if (!it) {
        run_all(chunks, work, argument);
        return;
    }

    it->work = work;
    it->argument = argument;
    it->chunks = chunks;
    it->bundle = (int)(chunks / (int64_t)TICKET_LEFT) + 1;
    it->bundles = (int)hone_divide_up(chunks, it->bundle);
    it->modes = modes_read();
    it->wakes = wakes || (work_ns >= WAKE_NS && pays_to_wake(work_ns));
    atomic_store_explicit(&it->fair, work_ns >= FAIR_NS, memory_order_relaxed);
    atomic_store_explicit(&it->cpu, sched_getcpu(), memory_order_relaxed);
    atomic_store_explicit(&it->finished, 0, memory_order_relaxed);
    /* The first bundle is the caller's. */
    uint64_t call = (atomic_load_explicit(&it->ticket, memory_order_relaxed) / TICKET_CALL + 1) * TICKET_CALL;
    atomic_store_explicit(&it->ticket, call + (uint64_t)helpers * TICKET_PERMIT + (uint64_t)(it->bundles - 1),
                          memory_order_release);
    const uint64_t mine = STATE_CALLER + ((uint64_t)1 << (it - pool.jobs));
    atomic_fetch_add(&pool.state, mine);
    /* Counted again: whoever lay down before the slot was open has not seen it. */
    awake = running - sleepers();
    if (awake < helpers && it->wakes) wake((int)hone_min(WAKES, helpers - awake));

    int done = 0, bundle = 0;
    self.inside = true;
    do {
        run_bundle(it, bundle);
        done++;
    } while ((bundle = take_bundle(it)) >= 0);
    self.inside = false;
    wait_for(it, it->bundles - done);
    atomic_fetch_sub(&pool.state, mine);
    atomic_store_explicit(&it->taken, false, memory_order_release);
}
