/* hone bench threads: what handing work to a second thread costs, and what it is worth beside an OpenMP library whose
 * threads spin, and after they have gone to sleep. The work is some 80 us or 1 ms of arithmetic in 16 chunks; one
 * thread and two take turns in blocks, so that drift falls on both. OMP_WAIT_POLICY tells it how long the other
 * library's threads spin. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/cpu/cpu.h"
#include "base/clock.h"
#include "cli/verb_bench.h"
#include "tuner/stats.h"

enum { BLOCKS = 10, BLOCK_MAX = 200, SAMPLES = BLOCKS * BLOCK_MAX, CHUNKS = 16, FORK_ROUNDS = 15 };
#define WORK_S 80e-6
#define LONG_S 1e-3
#define GOAL_S 0.6e-6

typedef void gomp_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags);

/* What comes before a call, or beside all of them. */
typedef struct scene {
    const char *name, *what;
    double      work_s;
    int         calls;    /* in a row, after */
    bool        region;   /* one of the other library's, */
    long        pause_ns; /* and a pause */
    bool        once, beside; /* one region before all of them; a team beside them, which never stops */
} scene;

static const scene scenes[] = {
    {"alone", "80 us, call after call", WORK_S, 1, false, 0, false, false},
    {"asleep", "80 us, 1 ms of rest before each", WORK_S, 1, false, 1000000, false, false},
    {"alternating", "80 us, a region before each", WORK_S, 1, true, 0, false, false},
    {"after", "80 us, after one region", WORK_S, 1, false, 0, true, false},
    {"beside", "80 us, beside a team", WORK_S, 1, false, 0, false, true},
    {"long_alone", "1 ms, call after call", LONG_S, 1, false, 0, false, false},
    {"long_alternating", "1 ms, a region before each", LONG_S, 1, true, 0, false, false},
    {"long_beside", "1 ms, beside a team", LONG_S, 1, false, 0, false, true},
    {"long_rested", "1 ms, 40 ms of rest before four", LONG_S, 4, false, 40000000, false, false},
    {"long_after", "1 ms, a region, 40 ms before four", LONG_S, 4, true, 40000000, false, false},
};
enum { ROWS = sizeof scenes / sizeof *scenes };

typedef struct row {
    bool   there;
    double median[2], ninetieth[2]; /* on one thread, on two */
    double other[2];                /* the OpenMP library meanwhile: seconds a parallel region; 0: not there */
} row;

typedef struct bench {
    int            turns; /* of a chunk */
    int            short_turns; /* of one of WORK_S */
    int            block; /* calls in a row on as many threads */
    gomp_parallel *parallel;
    double         fork_s;
    row            rows[ROWS];
    _Atomic(bool)  enough;
    _Atomic(long)  regions;
    double         samples[2][SAMPLES], regions_s[2][SAMPLES];
} bench;

static void turn(int turns)
{
    for (int i = 0; i < turns; i++) __asm__ volatile("" : "+r"(i));
}

static void chunk_run(void *self, int chunk)
{
    (void)chunk;
    turn(((bench *)self)->turns);
}

static double call(bench *b, int threads, int chunks, double seconds)
{
    int64_t start = hone_now_ns();
    hone_cpu_each(&(hone_team){NULL, threads}, chunks, seconds, chunk_run, b);
    return (double)(hone_now_ns() - start) * 1e-9;
}

static void region_run(void *self)
{
    turn(((bench *)self)->short_turns);
}

static double region(bench *b)
{
    int64_t start = hone_now_ns();
    b->parallel(region_run, b, 2, 0);
    return (double)(hone_now_ns() - start) * 1e-9;
}

static double quantile(double *values, int count, double at)
{
    hone_stats_sort(values, count);
    return hone_stats_quantile(values, count, at);
}

/* As many turns as make a chunk. */
static void calibrate(bench *b)
{
    b->turns = 100000;
    for (int i = 0; i < 100; i++) call(b, 1, 1, 0);
    for (int i = 0; i < SAMPLES; i++) b->samples[0][i] = call(b, 1, 1, 0);
    b->turns = (int)(b->turns * (WORK_S / CHUNKS) / quantile(b->samples[0], SAMPLES, 0.5)) + 1;
    b->short_turns = b->turns;
}

/* Two chunks of a microsecond on two threads, beyond one of them alone. */
static void fork_join(bench *b)
{
    int turns = b->turns;
    b->turns = turns / 5 + 1;
    /* The median of medians: one begins while the worker is on its way, and another thread may take its CPU. */
    for (int round = 0; round < FORK_ROUNDS; round++) {
        for (int i = 0; i < SAMPLES; i++) {
            double alone = call(b, 1, 1, 0);
            b->samples[0][i] = call(b, 2, 2, 1) - alone;
        }
        b->samples[1][round] = quantile(b->samples[0], SAMPLES, 0.5);
    }
    b->fork_s = quantile(b->samples[1], FORK_ROUNDS, 0.5);
    b->turns = turns;
}

static void note(bench *b, row *r, int count)
{
    r->there = true;
    for (int i = 0; i < 2; i++) {
        r->median[i] = quantile(b->samples[i], count, 0.5);
        r->ninetieth[i] = quantile(b->samples[i], count, 0.9);
    }
}

/* Calls in a row; shorter rows of long ones. */
static int block_of(const bench *b, const scene *it)
{
    const int most = it->pause_ns >= 10000000 ? 3 * it->calls : it->work_s > WORK_S ? BLOCK_MAX / 5 : BLOCK_MAX;
    return b->block < most ? b->block : most;
}

static void sample(bench *b, const scene *it, row *r)
{
    const int size = block_of(b, it), bursts = (size - 1) / it->calls + 1; /* of a block */
    if (it->once) region(b);
    for (int block = 0; block < 2 * BLOCKS && !cli_interrupted(); block++) {
        const int threads = 1 + (block & 1), from = block / 2 * size;
        for (int i = 0; i < size; i++) {
            const bool first = i % it->calls == 0;
            if (it->region && first) b->regions_s[threads - 1][block / 2 * bursts + i / it->calls] = region(b);
            if (it->pause_ns && first) nanosleep(&(struct timespec){0, it->pause_ns}, NULL);
            b->samples[threads - 1][from + i] = call(b, threads, CHUNKS, it->work_s);
        }
    }
    note(b, r, BLOCKS * size);
    for (int i = 0; i < 2; i++) r->other[i] = it->region ? quantile(b->regions_s[i], BLOCKS * bursts, 0.5) : 0;
}

static void *other_run(void *self)
{
    bench *b = self;
    while (!atomic_load(&b->enough)) {
        region(b);
        atomic_fetch_add(&b->regions, 1);
    }
    return NULL;
}

/* Beside another thread of the program, whose team of two never stops. */
static bool sample_beside(bench *b, const scene *it, row *r)
{
    const int size = block_of(b, it);
    pthread_t thread;
    double    spent[2] = {0, 0};
    long      done[2] = {0, 0};
    atomic_store(&b->enough, false);
    if (pthread_create(&thread, NULL, other_run, b) != 0) return false;
    for (int block = 0; block < 2 * BLOCKS && !cli_interrupted(); block++) {
        const int which = block & 1, from = block / 2 * size;
        long      before = atomic_load(&b->regions);
        int64_t   start = hone_now_ns();
        for (int i = from; i < from + size; i++) b->samples[which][i] = call(b, which + 1, CHUNKS, it->work_s);
        spent[which] += (double)(hone_now_ns() - start) * 1e-9;
        done[which] += atomic_load(&b->regions) - before;
    }
    atomic_store(&b->enough, true);
    pthread_join(thread, NULL);
    note(b, r, BLOCKS * size);
    for (int i = 0; i < 2; i++) r->other[i] = done[i] ? spent[i] / (double)done[i] : 0;
    return true;
}

/* False: the system gave no thread for a team. */
static bool sample_all(bench *b)
{
    for (int i = 0; i < ROWS && !cli_interrupted(); i++) {
        const scene *it = &scenes[i];
        if ((it->region || it->once || it->beside) && !b->parallel) continue;
        b->turns = (int)(b->short_turns * (it->work_s / WORK_S));
        if (!it->beside)
            sample(b, it, &b->rows[i]);
        else if (!sample_beside(b, it, &b->rows[i]))
            return false;
    }
    return true;
}

static void print_json(const bench *b, const hone_be_device *device)
{
    static const char *const names[] = {"one", "two"};
    json_t *answer = cli_object(), *rows = cli_array();
    cli_set(answer, "context", cli_bench_context(device));
    cli_set(answer, "fork_join_ns", cli_real(b->fork_s * 1e9));
    cli_set(answer, "goal_ns", cli_real(GOAL_S * 1e9));
    for (int i = 0; i < ROWS; i++) {
        const row *r = &b->rows[i];
        if (!r->there) continue;
        json_t *it = cli_object();
        cli_set(it, "name", cli_string(scenes[i].name));
        cli_set(it, "what", cli_string(scenes[i].what));
        for (int t = 0; t < 2; t++) {
            json_t *one = cli_object();
            cli_set(one, "median_us", cli_real(r->median[t] * 1e6));
            cli_set(one, "p90_us", cli_real(r->ninetieth[t] * 1e6));
            cli_set(one, "openmp_us", r->other[t] > 0 ? cli_real(r->other[t] * 1e6) : json_null());
            cli_set(it, names[t], one);
        }
        cli_append(rows, it);
    }
    cli_set(answer, "benchmarks", rows);
    cli_print_json(answer);
}

static void print_text(const bench *b)
{
    cli_table *table = cli_table_new((const char *[]){"~work of some", ">1 thread", ">p90", ">2 threads", ">p90",
                                                      ">ratio", ">OpenMP", ">by 2", NULL});
    for (int i = 0; i < ROWS; i++) {
        const row *r = &b->rows[i];
        if (!r->there) continue;
        char *ratio = cli_format("%.2f", r->ninetieth[1] / r->ninetieth[0]);
        cli_table_row(table,
                      (const char *[]){scenes[i].what, cli_time(r->median[0]).text, cli_time(r->ninetieth[0]).text,
                                       cli_time(r->median[1]).text, cli_time(r->ninetieth[1]).text, ratio,
                                       cli_time(r->other[0]).text, cli_time(r->other[1]).text});
        free(ratio);
    }
    printf("fork-join of 2 threads, awake: %s (goal %s)\n", cli_time(b->fork_s).text, cli_time(GOAL_S).text);
    cli_table_print(table, stdout, 0);
    if (b->parallel)
        puts("ratio: of the p90; OpenMP: a region of some 5 us on two threads, by 1 of ours,\n"
             "and by 2; a team: of another thread, which never stops");
    else
        puts("no OpenMP library (libgomp.so.1) is here to be run beside");
}

int cli_bench_threads(const cli_call *asked)
{
    cli_hone_options how = {.device = cli_text(asked, "device", NULL), .threads = 2};
    cli_hone         hone;
    int              code = cli_open(asked, &how, &hone);
    if (code != CLI_FINE) return code;
    if (strcmp(hone.device->backend->name, "cpu")) {
        code = cli_fail(asked, "%s has no threads of the host; cpu:0 has", hone.device->name);
        cli_close(&hone);
        return code;
    }
    bench *b = cli_alloc(1, sizeof *b);
#ifdef __SANITIZE_THREAD__ /* which cannot see what libgomp's threads wait for */
    void *library = NULL;
#else
    void *library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL); /* stays: its threads do */
#endif
    void  *found = library ? dlsym(library, "GOMP_parallel") : NULL;
    memset(b, 0, sizeof *b);
    memcpy(&b->parallel, &found, sizeof found);
    double rounds = cli_number(asked, "rounds", SAMPLES);
    b->block = rounds >= SAMPLES ? BLOCK_MAX : rounds > BLOCKS ? (int)rounds / BLOCKS : 1;
    calibrate(b);
    fork_join(b);
    if (!sample_all(b)) code = cli_fail(asked, "the system gives no thread for an OpenMP team");
    if (cli_interrupted()) code = CLI_INTERRUPTED;
    if (code == CLI_FINE && asked->json)
        print_json(b, hone.device);
    else if (code == CLI_FINE)
        print_text(b);
    free(b);
    cli_close(&hone);
    return code;
}
