/* The kernels of matmul for this CPU, on problems drawn at random: every element against the truth, at every
 * instruction set and with configurations drawn at random, with each operand and the scratch memory between guards; the
 * same bits for any number of threads; and a residual that is c itself.
 *
 *     test_matmul_kernels [CASES [FIRST SEED]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "backends/cpu/cpu.h"
#include "base/element.h"
#include "base/random.h"
#include "kernels/kernel.h"
#include "kernels/matmul/problem.h"
#include "tests/kernels/guarded.h"

extern const hone_kernel hone_matmul_packed, hone_matmul_direct, hone_matmul_thin, hone_matmul_dots,
    hone_matmul_flat, hone_matmul_small, hone_matmul_inner_groups;
#ifdef KERNELS_SOFT /* extensions that the device is told to have, for cpu.inner alone: test_matmul_soft.c */
static const hone_kernel *const kernels[] = {&hone_matmul_inner_groups};
#else
#define KERNELS_SOFT     0
#define KERNELS_TURN(problem, seed) ((void)0)
#define KERNELS_REQUIRED HONE_ISA_PORTABLE
static const hone_kernel *const kernels[] = {&hone_matmul_packed,      &hone_matmul_direct, &hone_matmul_thin,
                                             &hone_matmul_dots,        &hone_matmul_flat,   &hone_matmul_small,
                                             &hone_matmul_inner_groups};
#endif
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

static uint64_t case_count = 1500, first_seed = 1;

/* One argument in memory: its bytes between guards, a copy of them, and pointers to its items where it is indirect. */
typedef struct operand {
    guarded memory;
    char   *bytes, *copy; /* the lowest byte */
    size_t  size;
    void  **items, **copied_items;
} operand;

typedef struct scene {
    hone_matmul_problem problem;
    char                text[HONE_PROBLEM_TEXT_MAX];
    int                 role_count;
    hone_role           roles[HONE_ROLES_MAX];
    operand             operands[HONE_ROLES_MAX];
    hone_span           spans[HONE_ROLES_MAX], copies[HONE_ROLES_MAX];
    hone_scalar         scalars[HONE_SCALARS_MAX];
    hone_arguments      now, before;
    int                 alias; /* the step that is c itself; -1: none */
} scene;

static size_t span_of(const hone_role *role, int64_t *low)
{
    int64_t high;
    hone_role_extent(role, low, &high);
    return (size_t)(high - *low);
}

static void scene_open(scene *s, uint64_t seed)
{
    hone_random r = hone_random_seeded(seed * 2 + 1);
    memset(s, 0, sizeof *s);
    hone_matmul_op.random(seed, seed % 50 ? 6e4 : 4e6, &s->problem);
    KERNELS_TURN(&s->problem, seed);
    hone_matmul_op.print(&s->problem, s->text, sizeof s->text);
    s->role_count = hone_matmul_op.roles(&s->problem, s->roles);
    s->alias = -1;
    for (int i = HONE_MATMUL_STEP0; i < s->role_count; i++)
        if (s->roles[i].may_alias && hone_random_below(&r, 2) && s->roles[i].rank == s->roles[HONE_MATMUL_C].rank &&
            !memcmp(s->roles[i].stride, s->roles[HONE_MATMUL_C].stride, sizeof s->roles[i].stride) && s->alias < 0)
            s->alias = i;
    for (int i = 0; i < s->role_count; i++) {
        const hone_role *role = &s->roles[i];
        operand *o = &s->operands[i];
        int64_t low, items = role->indirect ? role->items : 1;
        if (role->direction == HONE_UNUSED) continue;
        if (i == s->alias) {
            s->spans[i] = s->spans[HONE_MATMUL_C];
            s->copies[i] = s->copies[HONE_MATMUL_C];
            continue;
        }
        const size_t one = span_of(role, &low);
        o->size = one * (size_t)items;
        o->memory = guarded_make(o->size + 1);
        o->bytes = guarded_at(&o->memory, o->size, (int)hone_random_below(&r, 2));
        o->copy = malloc(o->size + 1);
        s->spans[i].host = o->bytes - low;
        s->copies[i].host = o->copy - low;
        if (role->indirect) {
            s->spans[i].host = o->items = calloc((size_t)items + 1, sizeof *o->items);
            s->copies[i].host = o->copied_items = calloc((size_t)items + 1, sizeof *o->items);
            for (int64_t j = 0; j < items; j++) {
                o->items[j] = o->bytes + (size_t)j * one - low;
                o->copied_items[j] = o->copy + (size_t)j * one - low;
            }
        }
    }
    const int64_t items = s->problem.pointers ? s->problem.batch[0] : 0;
    s->now = (hone_arguments){s->role_count, HONE_SCALARS_MAX, s->spans, s->scalars, items};
    s->before = s->now;
    s->before.at = s->copies;
}

static void scene_fill(scene *s, hone_data_kind kind, uint64_t seed)
{
    for (int i = 0; i < s->role_count; i++)
        if (s->operands[i].bytes) memset(s->operands[i].bytes, 0xff, s->operands[i].size);
    assert_int_equal(hone_matmul_op.generate(&s->problem, kind, seed, &s->now, s->scalars), HONE_OK);
    for (int i = 0; i < s->role_count; i++)
        if (s->operands[i].bytes) memcpy(s->operands[i].copy, s->operands[i].bytes, s->operands[i].size);
}

static void scene_reset(scene *s)
{
    for (int i = 0; i < s->role_count; i++)
        if (s->operands[i].bytes) memcpy(s->operands[i].bytes, s->operands[i].copy, s->operands[i].size);
}

static void scene_close(scene *s)
{
    for (int i = 0; i < s->role_count; i++) {
        operand *o = &s->operands[i];
        if (!o->bytes) continue;
        guarded_free(&o->memory);
        free(o->copy), free(o->items), free(o->copied_items);
    }
}

/* Element `at` of an output; *bytes says where it lies. */
static double output(const scene *s, int role, int64_t at, char **place)
{
    const hone_role *r = &s->roles[role];
    const int64_t of_item = hone_role_count(r), size = hone_dtype_bits(r->type) / 8;
    char *base = s->spans[role].host;
    if (r->indirect) base = ((char **)s->spans[role].host)[at / of_item];
    *place = base + hone_role_offset(r, at % of_item) * size;
    return hone_element_load(r->type, *place, 0);
}

static double place_size(const scene *s, double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, exponent - (hone_matmul_arithmetic(&s->problem) == HONE_F32 ? 24 : 53));
}

/* All outputs against the truth, and all that is no output's element against what it was. */
static void scene_judge(scene *s, const char *what, hone_data_kind kind)
{
    const bool exact = hone_matmul_op.exact(&s->problem, kind);
    for (int role = 0; role < s->role_count; role++) {
        const hone_role *r = &s->roles[role];
        const operand *o = &s->operands[role];
        if (r->direction == HONE_UNUSED || role == s->alias) continue;
        if (r->direction & HONE_OUT) {
            const int64_t count = hone_role_count(r) * (r->indirect ? r->items : 1);
            int64_t *at = malloc((size_t)(count + 1) * sizeof *at);
            hone_truth *truth = malloc((size_t)(count + 1) * sizeof *truth);
            for (int64_t i = 0; i < count; i++) at[i] = i;
            assert_int_equal(hone_matmul_op.reference(&s->problem, &s->before, &(hone_sample){role, count, at}, truth),
                             HONE_OK);
            for (int64_t i = 0; i < count; i++) {
                char *place;
                const double got = output(s, role, i, &place), off = fabs(got - truth[i].high - truth[i].low);
                const double bound = exact ? 0 : truth[i].bound + place_size(s, truth[i].high);
                const double truth_i = truth[i].high + truth[i].low; /* narrower types: what lies between is rounded */
                const bool between = hone_element_rounded(r->type, truth_i - bound) <= got &&
                                     got <= hone_element_rounded(r->type, truth_i + bound);
                if (!(off <= bound) && !between)
                    fail_msg("%s on %s: %s[%" PRId64 "] is %.17g, not %.17g within %g", what, s->text, r->name, i, got,
                             truth[i].high, bound);
                const ptrdiff_t offset = place - o->bytes;
                memcpy(place, o->copy + offset, (size_t)hone_dtype_bits(r->type) / 8);
            }
            free(at), free(truth);
        }
        if (memcmp(o->bytes, o->copy, o->size))
            fail_msg("%s on %s: %s was written where it should not", what, s->text, r->name);
    }
}

/* The outputs as bytes: all operands, one after the other. */
static uint64_t scene_hash(const scene *s)
{
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < s->role_count; i++)
        for (size_t j = 0; s->operands[i].bytes && j < s->operands[i].size; j++)
            hash = (hash ^ (uint8_t)s->operands[i].bytes[j]) * 1099511628211u;
    return hash;
}

/* A pool that does its chunks last first, as no promise is made about their order. */
static void backwards(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    (void)user;
    while (chunks-- > 0) work(argument, chunks);
}

static const hone_threads pool = {NULL, 4096, backwards};

/* Three threads that claim chunks, and the caller. */
typedef struct crew_job {
    void (*work)(void *argument, int chunk);
    void       *argument;
    int         chunks;
    atomic_int  next;
} crew_job;

static void *crew_member(void *user)
{
    crew_job *job = user;
    for (int chunk; (chunk = atomic_fetch_add(&job->next, 1)) < job->chunks;) job->work(job->argument, chunk);
    return NULL;
}

static void crew(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    pthread_t threads[3];
    crew_job job = {work, argument, chunks, 0};
    (void)user;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, crew_member, &job)) abort();
    crew_member(&job);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static const hone_threads real_threads = {NULL, 4, crew};

static void draw(const hone_request *request, const hone_kernel *kernel, hone_random *r, hone_config *config)
{
    for (int turn = 0; turn < 40; turn++) {
        for (int i = 0; i < kernel->space->count; i++) {
            const hone_parameter *p = &kernel->space->parameters[i];
            config->value[i] = p->values[hone_random_below(r, (uint64_t)p->count)];
        }
        if (!hone_config_refuses(request, kernel, config)) return;
    }
    assert_true(kernel->suggest(request, config, 1) >= 1);
}

/* Runs the kernel, in scratch memory of just the size it asked for. */
static void run(scene *s, const hone_kernel *kernel, const hone_request *request, const hone_config *config,
                int threads, const hone_threads *by)
{
    void *ready;
    hone_needs needs = {0};
    hone_be_stream stream = {(hone_be_device *)(uintptr_t)request->device, {by, threads}};
    hone_request with = *request;
    with.threads = threads;
    assert_int_equal(kernel->prepare(&with, config, NULL, &ready, &needs), HONE_OK);
    const size_t bytes = (needs.scratch_bytes + 63) / 64 * 64;
    guarded scratch = guarded_make(bytes + 1);
    hone_span span = {NULL, guarded_at(&scratch, bytes, 1), 0, bytes};
    assert_int_equal(kernel->launch(ready, &stream, &s->now, span), HONE_OK);
    guarded_free(&scratch);
    kernel->release(ready);
}

static void random_problems(void **state)
{
    int64_t done[KERNELS][HONE_ISA_COUNT] = {{0}}, aliased = 0, reading = 0;
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + case_count; seed++) {
        hone_random r = hone_random_seeded(seed);
        scene s;
        scene_open(&s, seed);
        const hone_data_kind kind = (hone_data_kind)(seed % HONE_DATA_NOT_FINITE); /* numbers all */
        scene_fill(&s, kind, seed);
        aliased += s.alias >= 0;
        for (int isa = KERNELS_REQUIRED; isa <= (int)hone_cpu_isa(); isa++)
            for (int i = 0; i < KERNELS; i++) {
                const hone_kernel *kernel = kernels[i];
                hone_be_device device = {
                    .name = "cpu:0",
                    .threads = 4,
                    .cpu = {.isa = (hone_isa)isa, .extensions = KERNELS_SOFT, .cores = 4}};
                const hone_request request = {&device, &hone_matmul_op, &s.problem, 1, 1, 0, 0};
                hone_config config;
                char what[256], shown[200];
                if (kernel->refuses(&request)) continue;
                if (hone_random_below(&r, 3))
                    draw(&request, kernel, &r, &config);
                else
                    assert_true(kernel->suggest(&request, &config, 1) == 1);
                assert_null(hone_config_refuses(&request, kernel, &config));
                assert_true(kernel->estimate(&request, &config) >= 0);
                hone_config_print(kernel->space, &config, shown, sizeof shown);
                snprintf(what, sizeof what, "seed %" PRIu64 ": %s %s isa %d", seed, kernel->name, shown, isa);

                scene_reset(&s);
                run(&s, kernel, &request, &config, 1, NULL);
                const uint64_t once = scene_hash(&s);
                scene_reset(&s);
                run(&s, kernel, &request, &config, 1 + (int)hone_random_below(&r, 7), seed % 5 ? &pool : &real_threads);
                if (scene_hash(&s) != once) fail_msg("%s on %s: other bits with threads", what, s.text);
                scene_judge(&s, what, kind);
                done[i][isa]++;
                reading += hone_matmul_operand_steps(&s.problem);
            }
        scene_close(&s);
    }
    for (int i = 0; i < KERNELS; i++)
        printf("%s: %" PRId64 " portable, %" PRId64 " avx2, %" PRId64 " avx512\n", kernels[i]->name, done[i][0],
               done[i][1], done[i][2]);
    printf("%" PRId64 " with a residual that is c, %" PRId64 " with steps of a or b\n", aliased, reading);
}

/* What is suggested: at least one, all legal, none twice, best first by the kernel's own estimate. */
static void suggestions(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        hone_matmul_problem problem;
        hone_matmul_op.random(seed, 1e9, &problem);
        hone_be_device device = {
            .name = "cpu:0", .threads = 8, .cpu = {.isa = (hone_isa)(seed % HONE_ISA_COUNT), .cores = 8}};
        const hone_request request = {&device, &hone_matmul_op, &problem, 1 + (int)(seed % 8), 1, 0, 0};
        for (int i = 0; i < KERNELS; i++) {
            hone_config some[8];
            if (kernels[i]->refuses(&request)) continue;
            const int count = kernels[i]->suggest(&request, some, 8);
            assert_in_range(count, 1, 8);
            for (int j = 0; j < count; j++) {
                assert_null(hone_config_refuses(&request, kernels[i], &some[j]));
                for (int k = 0; k < j; k++)
                    assert_memory_not_equal(some[k].value, some[j].value,
                                            (size_t)kernels[i]->space->count * sizeof some[j].value[0]);
                if (j)
                    assert_true(kernels[i]->estimate(&request, &some[j - 1]) <=
                                kernels[i]->estimate(&request, &some[j]));
            }
            hone_config one;
            assert_int_equal(kernels[i]->suggest(&request, &one, 1), 1);
            assert_memory_equal(one.value, some[0].value, (size_t)kernels[i]->space->count * sizeof one.value[0]);
        }
    }
}

int main(int count, char **arguments)
{
    if (hone_cpu_isa() < KERNELS_REQUIRED) return 77;
    if (count > 1) case_count = strtoull(arguments[1], NULL, 10);
    if (count > 2) first_seed = strtoull(arguments[2], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_problems), cmocka_unit_test(suggestions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
