/* Many threads at once: streams of their own on one context, plans shared, contexts that come and go, a stream that two
 * threads want, handles that die under others' eyes, and the caller's own pool, whose results are one thread's bits. */
#include "tests/runtime/tools.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"

enum { THREADS = 4, ROUNDS = 3000 / HONE_TEST_SHARE, SIDE = 24 };

static _Atomic(int) wrong;

/* From any thread: told, and counted. */
#define holds(condition) (void)((condition) || (atomic_fetch_add(&wrong, 1), told(#condition, __LINE__)))

static int told(const char *what, int line)
{
    print_error("%s:%d: %s does not hold; the last sentence: %s\n", __FILE__, line, what, hone_last_error());
    return 0;
}

static void together(void *(*work)(void *), void *argument, size_t step)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, (char *)argument + step * (size_t)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(hone_alloc_live(), 0);
    return atomic_exchange(&wrong, 0);
}

/* --- one context -------------------------------------------------------------------------------------------------- */

static _Alignas(64) float a_values[SIDE * SIDE], b_values[SIDE * SIDE];

typedef struct own {
    int          index;
    hone_device *cpu;
    hone_stream *stream;
    hone_plan   *plan;
    _Alignas(64) float c[SIDE * SIDE], expected[SIDE * SIDE];
} own;

static void multiply(own *o, int64_t m, int64_t n, int64_t k)
{
    hone_tensor a = hone_matrix(HONE_F32, m, k, a_values), b = hone_matrix(HONE_F32, k, n, b_values);
    hone_tensor c = hone_matrix(HONE_F32, m, n, o->c), truth = hone_matrix(HONE_F32, m, n, o->expected);
    memset(o->c, 0xff, sizeof o->c);
    memset(o->expected, 0xff, sizeof o->expected);
    tools_matmul(&a, &b, &truth, NULL);
    holds(hone_matmul(o->stream, &a, &b, &c, NULL) == HONE_OK);
    holds(hone_stream_wait(o->stream) == HONE_OK);
    holds(!memcmp(o->c, o->expected, sizeof o->c));
}

/* Problems that all ask, in the same order, so that they are new to several threads at once; and some of one's own. */
static void *ask(void *argument)
{
    own        *o = argument;
    hone_random r = hone_random_seeded((uint64_t)o->index);
    for (int i = 0; i < ROUNDS; i++) {
        multiply(o, 1 + i % SIDE, 1 + i / SIDE % SIDE, 3);
        if (i % 4 == 0)
            multiply(o, 1 + (int64_t)hone_random_below(&r, SIDE), 1 + (int64_t)hone_random_below(&r, SIDE),
                     4 + (int64_t)hone_random_below(&r, SIDE - 4));
        if (i % 16 == 0) { /* the sentence is the thread's own */
            char text[32];
            hone_tensor a = hone_matrix(HONE_F32, 1, 100 + o->index, a_values),
                        b = hone_matrix(HONE_F32, 1, 1, b_values);
            snprintf(text, sizeof text, "a has %d columns", 100 + o->index);
            holds(hone_matmul(o->stream, &a, &b, &b, NULL) == HONE_ERROR_SHAPE);
            holds(strstr(hone_last_error(), text));
        }
    }
    return NULL;
}

static void *run_shared_plan(void *argument)
{
    own                *o = argument;
    hone_operand        operands[3] = {{NULL, a_values, 0, 0}, {NULL, b_values, 0, 0}, {NULL, o->c, 0, 0}};
    const double        values[2] = {1, 0};
    hone_plan_arguments arguments = {.size = sizeof arguments,
                                     .operands = operands,
                                     .operand_count = 3,
                                     .values = values,
                                     .value_count = 2};
    size_t              bytes = 0;
    holds(hone_plan_scratch(o->plan, &bytes) == HONE_OK);
    void *scratch = aligned_alloc(64, bytes / 64 * 64 + 64);
    arguments.scratch = (hone_operand){NULL, scratch, 0, bytes};
    for (int i = 0; i < ROUNDS; i++) {
        memset(o->c, 0xff, sizeof o->c);
        holds(hone_plan_run(o->stream, o->plan, &arguments) == HONE_OK);
        holds(!memcmp(o->c, o->expected, sizeof o->c));
    }
    free(scratch);
    return NULL;
}

static void streams_of_one_context(void **state)
{
    static own    owns[THREADS];
    hone_context *hone;
    hone_device  *cpu;
    hone_plan    *plan;
    (void)state;
    memset(owns, 0, sizeof owns);
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    hone_tensor t = hone_matrix(HONE_F32, SIDE, SIDE, NULL);
    works(hone_matmul_plan(cpu, &t, &t, &t, NULL, &plan));
    for (int i = 0; i < THREADS; i++) {
        owns[i].index = i;
        owns[i].cpu = cpu;
        owns[i].plan = plan;
        works(hone_stream_create(cpu, &owns[i].stream));
    }
    together(ask, owns, sizeof *owns);
    for (int i = 0; i < THREADS; i++) multiply(&owns[i], SIDE, SIDE, SIDE);
    together(run_shared_plan, owns, sizeof *owns);
    works(hone_plan_destroy(plan));
    works(hone_context_destroy(hone));
    together(ask, owns, sizeof *owns); /* without the context's handle */
    for (int i = 0; i < THREADS; i++) works(hone_stream_destroy(owns[i].stream));
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static void *come_and_go(void *argument)
{
    own *o = argument;
    for (int i = 0; i < (HONE_TEST_SHARE > 1 ? 4 : 10); i++) {
        hone_context *hone = NULL;
        hone_buffer  *buffer = NULL;
        hone_event   *event = NULL;
        holds(hone_context_create(NULL, &hone) == HONE_OK);
        holds(hone_device_find(hone, "best", &o->cpu) == HONE_OK);
        holds(hone_stream_create(o->cpu, &o->stream) == HONE_OK);
        holds(hone_buffer_create(o->cpu, 100, &buffer) == HONE_OK);
        holds(hone_event_create(o->cpu, &event) == HONE_OK);
        if (i & 1) holds(hone_context_destroy(hone) == HONE_OK);
        multiply(o, 5, 6, 7);
        multiply(o, 5, 6, 7);
        holds(hone_event_record(event, o->stream) == HONE_OK);
        holds(hone_stream_destroy(o->stream) == HONE_OK);
        holds(hone_event_wait(event) == HONE_OK);
        holds(hone_event_destroy(event) == HONE_OK);
        if (!(i & 1)) holds(hone_context_destroy(hone) == HONE_OK);
        holds(hone_context_destroy(hone) == HONE_ERROR_HANDLE);
        holds(hone_buffer_destroy(buffer) == HONE_OK);
    }
    return NULL;
}

static void contexts_come_and_go(void **state)
{
    static own owns[THREADS];
    (void)state;
    together(come_and_go, owns, sizeof *owns);
}

/* --- one stream, one thread ----------------------------------------------------------------------------------------
 */

static sem_t inside, go_on;

/* Said in the middle of a call, by the thread that made it. */
static void hold_up(void *user, hone_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
    sem_post(&inside);
    sem_wait(&go_on);
}

static void *stay_inside(void *argument)
{
    multiply(argument, 3, 4, 5);
    return NULL;
}

static void the_second_thread_is_refused(void **state)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    static own           o;
    hone_context        *hone;
    hone_event          *event;
    hone_buffer         *buffer;
    hone_plan           *plan;
    pthread_t            thread;
    void                *address;
    char                 bytes[4] = {0};
    const char          *words = "is in use by another call; one thread at a time";
    (void)state;
    memset(&o, 0, sizeof o);
    sem_init(&inside, 0, 0);
    sem_init(&go_on, 0, 1);
    options.log = hold_up;
    options.log_level = HONE_LOG_SELECT;
    works(hone_context_create(&options, &hone));
    works(hone_device_find(hone, "cpu:0", &o.cpu));
    works(hone_stream_create(o.cpu, &o.stream));
    works(hone_event_create(o.cpu, &event));
    works(hone_buffer_create(o.cpu, 64, &buffer));
    hone_tensor t = hone_matrix(HONE_F32, 4, 4, a_values);
    works(hone_matmul_plan(o.cpu, &t, &t, &t, NULL, &plan));
    sem_wait(&inside);

    assert_int_equal(pthread_create(&thread, NULL, stay_inside, &o), 0);
    sem_wait(&inside);
    hone_tensor         c = hone_matrix(HONE_F32, 4, 4, o.expected);
    hone_plan_arguments arguments = {.size = sizeof arguments};
    refused(hone_matmul(o.stream, &t, &t, &c, NULL), HONE_ERROR_THREAD, words);
    refused(hone_matmul_many(o.stream, 0, &t, NULL, &t, NULL, &t, NULL, NULL), HONE_ERROR_THREAD, words);
    refused(hone_plan_run(o.stream, plan, &arguments), HONE_ERROR_THREAD, words);
    refused(hone_stream_wait(o.stream), HONE_ERROR_THREAD, words);
    refused(hone_stream_reset(o.stream), HONE_ERROR_THREAD, words);
    refused(hone_stream_destroy(o.stream), HONE_ERROR_THREAD, words);
    refused(hone_event_record(event, o.stream), HONE_ERROR_THREAD, words);
    refused(hone_stream_wait_event(o.stream, event), HONE_ERROR_THREAD, words);
    refused(hone_buffer_write(o.stream, buffer, 0, bytes, 4), HONE_ERROR_THREAD, words);
    refused(hone_buffer_read(o.stream, buffer, 0, bytes, 4), HONE_ERROR_THREAD, words);
    refused(hone_buffer_map(o.stream, buffer, &address), HONE_ERROR_THREAD, words);
    refused(hone_buffer_unmap(o.stream, buffer), HONE_ERROR_THREAD, words);
    sem_post(&go_on);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&wrong), 0);

    works(hone_plan_destroy(plan));
    works(hone_buffer_destroy(buffer));
    works(hone_event_destroy(event));
    works(hone_stream_destroy(o.stream));
    works(hone_context_destroy(hone));
}

typedef struct hammer {
    own  mine;
    long entered, refused;
} hammer;

static void *strike(void *argument)
{
    hammer     *h = argument;
    hone_tensor a = hone_matrix(HONE_F32, 9, 8, a_values), b = hone_matrix(HONE_F32, 8, 7, b_values);
    hone_tensor c = hone_matrix(HONE_F32, 9, 7, h->mine.c), truth = hone_matrix(HONE_F32, 9, 7, h->mine.expected);
    tools_matmul(&a, &b, &truth, NULL);
    for (int i = 0; i < 20 * ROUNDS; i++) {
        memset(h->mine.c, 0, sizeof h->mine.c);
        hone_status status = hone_matmul(h->mine.stream, &a, &b, &c, NULL);
        holds(status == HONE_OK || status == HONE_ERROR_THREAD);
        h->entered += status == HONE_OK;
        h->refused += status == HONE_ERROR_THREAD;
        if (status == HONE_OK)
            holds(!memcmp(h->mine.c, h->mine.expected, 9 * 7 * sizeof(float)));
        else
            holds(h->mine.c[0] == 0);
    }
    return NULL;
}

static void all_hammer_one_stream(void **state)
{
    static hammer hammers[THREADS];
    hone_context *hone;
    hone_device  *cpu;
    hone_stream  *stream;
    long          entered = 0, refused_ones = 0;
    (void)state;
    memset(hammers, 0, sizeof hammers);
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    works(hone_stream_create(cpu, &stream));
    for (int i = 0; i < THREADS; i++) hammers[i].mine.stream = stream;
    together(strike, hammers, sizeof *hammers);
    for (int i = 0; i < THREADS; i++) {
        entered += hammers[i].entered;
        refused_ones += hammers[i].refused;
    }
    assert_true(entered > 0 && entered + refused_ones == 20L * ROUNDS * THREADS);
    print_message("of %ld calls on one stream %ld entered\n", entered + refused_ones, entered);
    works(hone_stream_destroy(stream));
    works(hone_context_destroy(hone));
}

/* --- handles that die --------------------------------------------------------------------------------------------- */

static _Atomic(uintptr_t) streams[8], events[8];

typedef struct mortal {
    int          index;
    hone_device *cpu;
    long         told_dead, told_busy, fine;
} mortal;

static void judge(mortal *m, hone_status status)
{
    m->fine += status == HONE_OK;
    m->told_busy += status == HONE_ERROR_THREAD;
    m->told_dead += status == HONE_ERROR_HANDLE;
    holds(status == HONE_OK || status == HONE_ERROR_THREAD || status == HONE_ERROR_HANDLE);
}

/* Streams and events are made, used and destroyed by all, whoever made them. */
static void *live_and_let_die(void *argument)
{
    mortal     *m = argument;
    hone_random r = hone_random_seeded((uint64_t)m->index + 100);
    for (int i = 0; i < 20 * ROUNDS; i++) {
        int          at = (int)hone_random_below(&r, 8);
        hone_stream *stream = (hone_stream *)atomic_load(&streams[at]);
        hone_event  *event = (hone_event *)atomic_load(&events[hone_random_below(&r, 8)]);
        switch (hone_random_below(&r, 8)) {
        case 0: {
            hone_stream *made = NULL;
            holds(hone_stream_create(m->cpu, &made) == HONE_OK);
            hone_stream *old = (hone_stream *)atomic_exchange(&streams[at], (uintptr_t)made);
            hone_status  status = HONE_ERROR_THREAD;
            while (old && status == HONE_ERROR_THREAD)
                judge(m, status = hone_stream_destroy(old)); /* another is in it */
            break;
        }
        case 1: {
            hone_event *made = NULL;
            holds(hone_event_create(m->cpu, &made) == HONE_OK);
            hone_event *old = (hone_event *)atomic_exchange(&events[at], (uintptr_t)made);
            hone_status status = HONE_ERROR_THREAD;
            while (old && status == HONE_ERROR_THREAD) judge(m, status = hone_event_destroy(old));
            break;
        }
        case 2: judge(m, hone_stream_wait(stream)); break;
        case 3: judge(m, hone_event_wait(event)); break;
        case 4: judge(m, hone_event_record(event, stream)); break;
        case 5: judge(m, hone_stream_wait_event(stream, event)); break;
        case 6: judge(m, hone_stream_reset(stream)); break;
        default: {
            float       x = 2, y = 3, z = 0;
            hone_tensor a = hone_matrix(HONE_F32, 1, 1, &x), b = hone_matrix(HONE_F32, 1, 1, &y);
            hone_tensor c = hone_matrix(HONE_F32, 1, 1, &z);
            hone_status status = hone_matmul(stream, &a, &b, &c, NULL);
            judge(m, status);
            holds(status == HONE_OK ? z > 5 && z < 7 : !(z < 0) && !(z > 0));
        }
        }
    }
    return NULL;
}

static void handles_die_under_others(void **state)
{
    mortal        mortals[THREADS];
    hone_context *hone;
    hone_device  *cpu;
    long          dead = 0, fine = 0;
    (void)state;
    works(hone_context_create(NULL, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    for (int i = 0; i < THREADS; i++) mortals[i] = (mortal){.index = i, .cpu = cpu};
    together(live_and_let_die, mortals, sizeof *mortals);
    for (int i = 0; i < THREADS; i++) {
        dead += mortals[i].told_dead;
        fine += mortals[i].fine;
    }
    assert_true(fine > 0 && dead > 0);
    for (int i = 0; i < 8; i++) {
        works(hone_stream_destroy((hone_stream *)atomic_exchange(&streams[i], 0)));
        works(hone_event_destroy((hone_event *)atomic_exchange(&events[i], 0)));
    }
    works(hone_context_destroy(hone));
}

/* --- the caller's pool -------------------------------------------------------------------------------------------- */

typedef struct job {
    _Atomic(int) next;
    int          chunks;
    void (*work)(void *argument, int chunk);
    void *argument;
} job;

static void *help(void *argument)
{
    job *j = argument;
    for (int chunk; (chunk = atomic_fetch_add(&j->next, 1)) < j->chunks;) j->work(j->argument, j->chunks - 1 - chunk);
    return NULL;
}

static _Atomic(int) runs;

/* As many threads as it may, the last chunk first. */
static void run_on_threads(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    pthread_t thread[16];
    int       count = *(int *)user - 1;
    job       j = {.chunks = chunks, .work = work, .argument = argument};
    atomic_fetch_add(&runs, 1);
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, help, &j)) abort();
    help(&j);
    for (int i = 0; i < count; i++) pthread_join(thread[i], NULL);
}

static void a_pool_gives_the_bits_of_one_thread(void **state)
{
    enum { MOST = 700 };
    const struct sizes {
        int64_t batch, m, n, k;
    } sizes[] = {{1, 300, 200, 500}, {1, 7, 700, 700},  {1, 700, 5, 300}, {1, 129, 65, 33}, {12, 50, 40, 60},
                 {40, 9, 8, 7},      {3, 1, 600, 200}, {1, 1, 1, 700},   {2, 256, 256, 64}};
    const size_t         bytes = (size_t)MOST * MOST * sizeof(float) + 64;
    char                *memory[4];
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *hone;
    hone_device         *cpu;
    hone_stream         *stream;
    (void)state;
    for (int i = 0; i < 4; i++) memory[i] = aligned_alloc(64, bytes);
    for (int i = 0; i < 2; i++)
        for (int64_t at = 0; at < MOST * MOST + 16; at++)
            ((float *)(void *)memory[i])[at] = (float)hone_random_signed(hone_random_at((uint64_t)i, (uint64_t)at));
    options.deterministic = 1;
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size += HONE_TEST_SHARE > 1 ? 2 : 1) {
        const struct sizes *s = &sizes[size];
        const int64_t       a_shape[] = {s->batch, s->m, s->k}, b_shape[] = {s->batch, s->k, s->n};
        const int64_t       c_shape[] = {s->batch, s->m, s->n};
        size_t              result = (size_t)(s->batch * s->m * s->n) * sizeof(float);
        for (int count = 1; count <= 7; count += count == 1 ? 1 : 5) {
            hone_threads threads = {&count, count, run_on_threads};
            options.threads = count == 1 ? NULL : &threads;
            works(hone_context_create(&options, &hone));
            works(hone_device_find(hone, "cpu:0", &cpu));
            works(hone_stream_create(cpu, &stream));
            for (int shift = 0; shift < 8; shift += 4) { /* other alignments neither */
                if (shift && count > 1) continue;
                char *to = count == 1 && !shift ? memory[2] : memory[3] + shift;
                hone_tensor a = hone_tensor_dense(HONE_F32, 3, a_shape, memory[0] + shift);
                hone_tensor b = hone_tensor_dense(HONE_F32, 3, b_shape, memory[1] + shift);
                hone_tensor c = hone_tensor_dense(HONE_F32, 3, c_shape, to);
                if (shift) { /* the same values, 4 bytes on */
                    memmove(memory[0] + 4, memory[0], bytes - 4);
                    memmove(memory[1] + 4, memory[1], bytes - 4);
                }
                memset(to, 0xff, result);
                works(hone_matmul(stream, &a, &b, &c, NULL));
                works(hone_stream_wait(stream));
                if (shift) {
                    memmove(memory[0], memory[0] + 4, bytes - 4);
                    memmove(memory[1], memory[1] + 4, bytes - 4);
                }
                if (memcmp(to, memory[2], result))
                    fail_msg("%dx %dx%dx%d: %d threads, shifted by %d bytes: other bits", (int)s->batch, (int)s->m,
                             (int)s->n, (int)s->k, count, shift);
            }
            works(hone_stream_destroy(stream));
            works(hone_context_destroy(hone));
        }
    }
    print_message("the pool was asked %d times\n", atomic_load(&runs));
    for (int i = 0; i < 4; i++) free(memory[i]);
}

/* One pool, several streams: the pool is called from several threads at once. */
static void *use_the_pool(void *argument)
{
    own *o = argument;
    for (int i = 0; i < ROUNDS / 20; i++) multiply(o, SIDE, SIDE, SIDE);
    return NULL;
}

static void streams_share_a_pool(void **state)
{
    static own           owns[THREADS];
    int                  count = 3;
    hone_threads         threads = {&count, count, run_on_threads};
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *hone;
    hone_device         *cpu;
    (void)state;
    options.threads = &threads;
    works(hone_context_create(&options, &hone));
    works(hone_device_find(hone, "cpu:0", &cpu));
    for (int i = 0; i < THREADS; i++) works(hone_stream_create(cpu, &owns[i].stream));
    together(use_the_pool, owns, sizeof *owns);
    for (int i = 0; i < THREADS; i++) works(hone_stream_destroy(owns[i].stream));
    works(hone_context_destroy(hone));
}

/* --- hone's own --------------------------------------------------------------------------------------------------- */

enum { WIDE = 230, WIDE_BYTES = WIDE * WIDE * 4 }; /* long enough to be shared among threads */
static _Alignas(64) float wide_a[WIDE * WIDE], wide_b[WIDE * WIDE], wide_c[THREADS][WIDE * WIDE],
    wide_expected[WIDE * WIDE];

static void wide_multiply(own *o, float *to)
{
    hone_tensor a = hone_matrix(HONE_F32, WIDE, WIDE, wide_a), b = hone_matrix(HONE_F32, WIDE, WIDE, wide_b);
    hone_tensor c = hone_matrix(HONE_F32, WIDE, WIDE, to);
    memset(to, 0xff, WIDE_BYTES);
    holds(hone_matmul(o->stream, &a, &b, &c, NULL) == HONE_OK);
    holds(hone_stream_wait(o->stream) == HONE_OK);
}

static void *share_the_machine(void *argument)
{
    own *o = argument;
    for (int i = 0; i < (HONE_TEST_SHARE > 1 ? 5 : 100); i++) {
        wide_multiply(o, wide_c[o->index]);
        holds(!memcmp(wide_c[o->index], wide_expected, WIDE_BYTES));
        if (i % 4 == o->index) multiply(o, SIDE, SIDE, SIDE);
    }
    return NULL;
}

static void hones_own_threads_serve_all(void **state)
{
    static own           owns[THREADS];
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *hone;
    (void)state;
    tools_fill(HONE_F32, wide_a, WIDE * WIDE, 3);
    tools_fill(HONE_F32, wide_b, WIDE * WIDE, 4);
    options.deterministic = 1;
    for (int count = 1; count <= 3; count += 2) { /* one thread says what is right */
        options.thread_count = count;
        works(hone_context_create(&options, &hone));
        for (int i = 0; i < THREADS; i++) {
            owns[i].index = i;
            works(hone_device_find(hone, "cpu:0", &owns[i].cpu));
            works(hone_stream_create(owns[i].cpu, &owns[i].stream));
        }
        if (count == 1)
            wide_multiply(&owns[0], wide_expected);
        else
            together(share_the_machine, owns, sizeof *owns);
        for (int i = 0; i < THREADS; i++) works(hone_stream_destroy(owns[i].stream));
        works(hone_context_destroy(hone));
    }
    assert_int_equal(atomic_load(&wrong), 0);
}

static int set_up(void **state)
{
    (void)state;
    tools_fill(HONE_F32, a_values, SIDE * SIDE, 1);
    tools_fill(HONE_F32, b_values, SIDE * SIDE, 2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(streams_of_one_context, end),
        cmocka_unit_test_teardown(contexts_come_and_go, end),
        cmocka_unit_test_teardown(the_second_thread_is_refused, end),
        cmocka_unit_test_teardown(all_hammer_one_stream, end),
        cmocka_unit_test_teardown(handles_die_under_others, end),
        cmocka_unit_test_teardown(a_pool_gives_the_bits_of_one_thread, end),
        cmocka_unit_test_teardown(streams_share_a_pool, end),
        cmocka_unit_test_teardown(hones_own_threads_serve_all, end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
