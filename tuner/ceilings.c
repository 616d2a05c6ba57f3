/* Takes the probes in turns, by one thread and by a crew, and keeps the best: see ceilings.h.
 *
 * The crew waits asleep, is called for a sample, meets at a barrier, and notes when each of it began and ended; the
 * sample lasted from the first beginning to the last end. A sample of a cache level reads its data once before the
 * clock runs; a sample of memory takes the next slice of a region several times the last cache, so that what it
 * touches was last touched long ago. */
#include "tuner/ceilings.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "backends/cpu/cpu.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "tuner/probes.h"
#include "tuner/stats.h"

enum {
    ROUNDS = 60,              /* 25 are enough on an idle machine; neighbours of a virtual one come and go for longer */
    JOBS_MAX = 64,
    THREADS_MAX = 4096,
    WAKING_NS = 10000000,     /* until all threads of the pool are awake */
    COSTS = 101,              /* samples of a launch or a fork: of these costs the median is told */
    MIB = 1 << 20,
    PAGE_HUGE = 2 * MIB,
    SLICE = 8 * MIB,          /* of memory, a thread and sample */
    L3_PIECE_MAX = 16 * MIB,
};

enum kind { TOUCH, PEAK, READ, COPY, STREAM };

struct job {
    enum kind kind;
    int       width;  /* HONE_WIDTH_ONE or _ALL */
    int       level;  /* of READ, COPY, STREAM */
    size_t    bytes;  /* a thread: of a copy both sides together */
    double    work;   /* flops or bytes, a thread and turn */
    const hone_peak   *peak;
    const hone_probes *probes;
    int64_t   turns;
    bool      known;  /* that so many fill a sample */
    double   *best;   /* where in hone_ceilings the rate belongs */
};

struct crew;
struct member {
    struct crew *crew;
    int       index;
    int64_t   began, ended;
    pthread_t thread;
};

struct crew {
    struct member *members; /* [0] is the calling thread */
    int             count;
    char           *region;
    size_t          region_bytes, share_bytes, cursor; /* share: of the region, a thread */
    pthread_mutex_t lock;
    pthread_cond_t  called;
    uint64_t        calls;
    bool            leave;
    const struct job *job;
    atomic_int      ready, finished;
    atomic_bool     go;
};

/* Where a member's data lies. Cache levels: its own share of the region; memory: the slice whose turn it is. */
static char *place(const struct crew *crew, const struct job *job, int index)
{
    if (job->level == HONE_LEVEL_MEMORY) return crew->region + crew->cursor + (size_t)index * job->bytes;
    return crew->region + (size_t)index * crew->share_bytes;
}

static void work(const struct crew *crew, const struct job *job, int index, int64_t turns)
{
    char *at = place(crew, job, index);
    switch (job->kind) {
    case TOUCH: memset(crew->region + (size_t)index * crew->share_bytes, 1, crew->share_bytes); break;
    case PEAK: job->peak->run(turns); break;
    case READ: job->probes->read(at, job->bytes, turns); break;
    case COPY: job->probes->copy(at + job->bytes / 2, at, job->bytes / 2, turns); break;
    case STREAM: job->probes->stream(at + job->bytes / 2, at, job->bytes / 2, turns); break;
    }
}

/* Spins, and gives the core away now and then: there may be more threads than cores. */
static void wait_a_little(int *spins)
{
    if (++*spins % 1024 == 0) sched_yield();
}

static void take_part(struct member *me, int together)
{
    struct crew *crew = me->crew;
    const struct job *job = crew->job;
    int spins = 0;
    if (job->kind == PEAK) work(crew, job, me->index, job->turns / 8 + 1);
    else if (job->kind != TOUCH && job->level != HONE_LEVEL_MEMORY) work(crew, job, me->index, 1);
    if (atomic_fetch_add(&crew->ready, 1) + 1 == together) atomic_store(&crew->go, true);
    while (!atomic_load_explicit(&crew->go, memory_order_acquire)) wait_a_little(&spins);
    me->began = hone_now_ns();
    work(crew, job, me->index, job->turns);
    me->ended = hone_now_ns();
    atomic_fetch_add(&crew->finished, 1);
}

static void *member_run(void *self)
{
    struct member *me = self;
    struct crew   *crew = me->crew;
    uint64_t       answered = 0;
    for (;;) {
        pthread_mutex_lock(&crew->lock);
        while (crew->calls == answered && !crew->leave) pthread_cond_wait(&crew->called, &crew->lock);
        answered = crew->calls;
        bool leave = crew->leave;
        pthread_mutex_unlock(&crew->lock);
        if (leave) return NULL;
        take_part(me, crew->count);
    }
}

/* One sample of a job, in seconds. */
static double sample(struct crew *crew, const struct job *job)
{
    int together = job->width == HONE_WIDTH_ALL ? crew->count : 1, spins = 0;
    if (job->level == HONE_LEVEL_MEMORY && job->kind != TOUCH && job->kind != PEAK) {
        size_t slice = (size_t)together * job->bytes;
        crew->cursor += slice;
        if (crew->cursor + slice > crew->region_bytes) crew->cursor = 0;
    }
    atomic_store(&crew->ready, 0);
    atomic_store(&crew->finished, 0);
    atomic_store(&crew->go, false);
    pthread_mutex_lock(&crew->lock);
    crew->job = job;
    if (together > 1) {
        crew->calls++;
        pthread_cond_broadcast(&crew->called);
    }
    pthread_mutex_unlock(&crew->lock);

    take_part(&crew->members[0], together);
    while (atomic_load(&crew->finished) < together) wait_a_little(&spins);
    int64_t began = INT64_MAX, ended = 0;
    for (int i = 0; i < together; i++) {
        if (crew->members[i].began < began) began = crew->members[i].began;
        if (crew->members[i].ended > ended) ended = crew->members[i].ended;
    }
    return (double)(ended > began ? ended - began : 1) * 1e-9;
}

static void crew_dismiss(struct crew *crew, int started)
{
    pthread_mutex_lock(&crew->lock);
    crew->leave = true;
    pthread_cond_broadcast(&crew->called);
    pthread_mutex_unlock(&crew->lock);
    for (int i = 1; i < started; i++) pthread_join(crew->members[i].thread, NULL);
    pthread_cond_destroy(&crew->called);
    pthread_mutex_destroy(&crew->lock);
    hone_free(crew->region);
    hone_free(crew->members);
}

static hone_status crew_assemble(struct crew *crew, int count, size_t region_bytes)
{
    *crew = (struct crew){.count = count, .region_bytes = region_bytes};
    crew->share_bytes = region_bytes / (size_t)count / HONE_PROBE_BLOCK * HONE_PROBE_BLOCK;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->called, NULL);
    crew->members = hone_alloc((size_t)count, sizeof *crew->members);
    crew->region = crew->members ? hone_alloc_raw(region_bytes, PAGE_HUGE) : NULL;
    if (!crew->region) {
        crew_dismiss(crew, 0);
        return HONE_ERROR_MEMORY;
    }
    madvise(crew->region, region_bytes, MADV_HUGEPAGE); /* a wish: without it more time goes into page faults */
    for (int i = 0; i < count; i++) {
        struct member *m = &crew->members[i];
        m->crew = crew;
        m->index = i;
        int refused = i ? pthread_create(&m->thread, NULL, member_run, m) : 0;
        if (!refused) continue;
        crew_dismiss(crew, i);
        return hone_fail(HONE_ERROR_DEVICE, "ceilings: thread %d of %d was not started (error %d)", i + 1, count,
                         refused);
    }
    return HONE_OK;
}

static const hone_probes *probes_of(hone_isa isa)
{
    switch (isa) {
#if defined(__x86_64__)
    case HONE_ISA_AVX2: return &hone_probes_avx2;
    case HONE_ISA_AVX512: return &hone_probes_avx512;
#endif
    case HONE_ISA_PORTABLE: return &hone_probes_portable;
    default: return NULL;
    }
}

struct plan {
    struct job jobs[JOBS_MAX];
    int        count;
};

static void add(struct plan *plan, struct job job)
{
    HONE_ASSERT(plan->count < JOBS_MAX);
    job.turns = 1;
    plan->jobs[plan->count++] = job;
}

static void plan_peaks(struct plan *plan, const hone_cpu_facts *cpu, int width, hone_ceilings *out)
{
    for (int isa = HONE_ISA_PORTABLE; isa <= (int)cpu->isa; isa++) {
        const hone_probes *probes = probes_of((hone_isa)isa);
        for (int i = 0; probes && i < probes->peak_count; i++) {
            const hone_peak *peak = &probes->peaks[i];
            if (peak->needs & ~hone_cpu_extensions_at((hone_isa)isa, cpu->extensions)) continue;
            add(plan, (struct job){.kind = PEAK, .width = width, .peak = peak, .work = peak->flops,
                                   .best = &out->flops[isa][peak->dtype][width]});
        }
    }
}

/* How much a thread touches so that it lies in that level and in none nearer; 0: that cannot be had here. */
static size_t piece_of(const hone_cpu_facts *cpu, int level, int threads, const struct crew *crew)
{
    size_t nearer = level > HONE_LEVEL_L1 ? cpu->cache_bytes[level - 1] : 0, bytes = 0, all = (size_t)threads;
    if (level == HONE_LEVEL_MEMORY) {
        if (crew->region_bytes < 2 * nearer) return 0;
        bytes = crew->region_bytes / 4 / all < SLICE ? crew->region_bytes / 4 / all : SLICE;
    } else if (level == HONE_LEVEL_L3) {
        bytes =
            cpu->cache_bytes[level] / 4 / all; /* shared by all, and often by strangers: half of it is seldom ours */
        if (bytes > L3_PIECE_MAX) bytes = L3_PIECE_MAX;
        if (cpu->cache_bytes[level] < 4 * nearer) return 0;
        if (bytes < 2 * nearer) bytes = 2 * nearer;
    } else {
        bytes = cpu->cache_bytes[level] / 2;
    }
    if (level != HONE_LEVEL_MEMORY && bytes > crew->share_bytes) return 0;
    return bytes / (2 * HONE_PROBE_BLOCK) * (2 * HONE_PROBE_BLOCK);
}

static void plan_traffic(struct plan *plan, const hone_cpu_facts *cpu, int width, const struct crew *crew,
                         hone_ceilings *out)
{
    const hone_probes *probes = probes_of(cpu->isa);
    for (int level = HONE_LEVEL_L1; probes && level < HONE_LEVEL_COUNT; level++) {
        size_t bytes = piece_of(cpu, level, width == HONE_WIDTH_ALL ? crew->count : 1, crew);
        if (!bytes) continue;
        struct job job = {.kind = READ, .width = width, .level = level, .bytes = bytes, .work = (double)bytes,
                          .probes = probes, .best = &out->read[level][width]};
        add(plan, job);
        job.best = &out->copy[level][width];
        job.kind = COPY;
        add(plan, job);
        job.kind = STREAM; /* the better of both ways to copy */
        if (level >= HONE_LEVEL_L3 && probes->stream) add(plan, job);
    }
}

/* One sample more of a job. The first time it finds how many turns fill one, and believes it when a second sample of
 * as many is long enough too: the first may have been long because it was preempted. */
static void take(struct crew *crew, struct job *job, double sample_s)
{
    bool grows = job->kind == PEAK || job->level != HONE_LEVEL_MEMORY;
    for (int missing = job->known ? 1 : 2; missing > 0;) {
        double took = sample(crew, job);
        double rate = job->work * (double)job->turns * (job->width == HONE_WIDTH_ALL ? crew->count : 1) / took;
        if (grows && took < 0.7 * sample_s) {
            double times = fmin(1.2 * sample_s / took, 100);
            job->turns = (int64_t)((double)job->turns * fmax(times, 1.5)) + 1;
            continue;
        }
        if (rate > *job->best) *job->best = rate;
        missing--;
    }
    job->known = true;
}

/* Some microseconds that nothing disturbs. */
static void some_time(void *argument, int chunk)
{
    (void)argument, (void)chunk;
    for (int i = 0; i < 20000; i++) __asm__ volatile("" : "+r"(i));
}

static hone_status no_launch(void *self) { return (void)self, HONE_OK; }

static hone_status measure_launch(const hone_ceilings_options *o, double *out)
{
    hone_status (*volatile launch)(void *) = o->launch ? o->launch : no_launch;
    double costs[COSTS];
    int    batch = 1;
    for (int i = 0; i < COSTS;) {
        int64_t start = hone_now_ns();
        for (int k = 0; k < batch; k++) HONE_TRY(launch(o->launch_self));
        int64_t took = hone_now_ns() - start;
        if (took < 20000 && batch < 1 << 20) batch *= 2; /* 20 us: the clock's own cost is then a thousandth */
        else costs[i++] = (double)took * 1e-9 / batch;
    }
    *out = hone_stats_median(costs, COSTS);
    return HONE_OK;
}

static double time_chunks(int threads, int chunks)
{
    int64_t start = hone_now_ns();
    hone_cpu_each(&(hone_team){NULL, threads}, chunks, 1, some_time, NULL); /* 1 s: nobody doubts that it is worth it */
    return (double)(hone_now_ns() - start) * 1e-9;
}

/* What a chunk for each thread takes, beyond one chunk alone; the threads awake. */
static void measure_fork(int threads, double *out)
{
    double alone[COSTS], shared[COSTS];
    for (int64_t until = hone_now_ns() + WAKING_NS; hone_now_ns() < until;) time_chunks(threads, threads);
    for (int i = 0; i < COSTS; i++) {
        alone[i] = time_chunks(1, 1);
        shared[i] = time_chunks(threads, threads);
    }
    *out = fmax(hone_stats_median(shared, COSTS) - hone_stats_median(alone, COSTS), 1e-9);
}

static size_t region_size(const hone_cpu_facts *cpu, const hone_ceilings_options *o)
{
    uint64_t want = 4 * (uint64_t)cpu->cache_bytes[HONE_LEVEL_L3];
    uint64_t most = o->memory_bytes ? o->memory_bytes / 8 : 256 * MIB;
    if (want < 128 * MIB) want = 128 * MIB;
    if (want > 1024 * (uint64_t)MIB) want = 1024 * (uint64_t)MIB;
    if (want > most) want = most;
    return want > PAGE_HUGE ? (size_t)want / PAGE_HUGE * PAGE_HUGE : PAGE_HUGE;
}

hone_status hone_ceilings_measure(const hone_cpu_facts *cpu, const hone_ceilings_options *o, hone_ceilings *out)
{
    memset(out, 0, sizeof *out);
    HONE_CHECK(o->threads >= 1 && o->threads <= THREADS_MAX, HONE_ERROR_ARGUMENT,
               "ceilings: %d threads, must be 1 to %d", o->threads, THREADS_MAX);
    HONE_CHECK(o->budget_s >= 0 && o->sample_s >= 0 && o->sample_s <= 1, HONE_ERROR_ARGUMENT,
               "ceilings: a budget of %g s, samples of %g s (0 to 1); neither may be negative", o->budget_s,
               o->sample_s);
    double  sample_s = o->sample_s > 0 ? o->sample_s : 5e-4;
    int64_t deadline = hone_now_ns() + (int64_t)((o->budget_s > 0 ? o->budget_s : 2.0) * 1e9);
    HONE_TRY(measure_launch(o, &out->launch_seconds));
    if (o->threads > 1) measure_fork(o->threads, &out->fork_seconds);

    struct crew crew;
    struct plan plan = {.count = 0};
    HONE_TRY(crew_assemble(&crew, o->threads, region_size(cpu, o)));
    struct job touch = {.kind = TOUCH, .width = HONE_WIDTH_ALL, .turns = 1};
    sample(&crew, &touch);
    for (int width = HONE_WIDTH_ONE; width < HONE_WIDTH_COUNT; width++) {
        plan_peaks(&plan, cpu, width, out);
        plan_traffic(&plan, cpu, width, &crew, out);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < plan.count; i++) {
            if (round > 0 && hone_now_ns() > deadline) goto done; /* the first round is always whole */
            take(&crew, &plan.jobs[i], sample_s);
        }
    }
done:
    crew_dismiss(&crew, crew.count);
    return HONE_OK;
}
