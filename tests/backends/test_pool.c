/* hone's own threads: every chunk once, whoever calls, however many at once, asleep or awake, in a child of fork, and
 * after the end. What is looked at are counts and CPU time, never how long something took. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the above */
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "backends/cpu/topology.h"
#include "base/clock.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define SANITIZED 0
#endif

#define LONG 1.0 /* seconds that nobody doubts to be worth a thread */

enum { MOST = 4096, CALLERS = 6, ROUNDS = 2000 / HONE_TEST_SHARE };

static void nap(long nanoseconds)
{
    nanosleep(&(struct timespec){0, nanoseconds}, NULL);
}

static int set_up(void **state)
{
    hone_cpu_mask usable;
    (void)state;
    hone_cpu_usable(&usable);
    hone_cpu_pool_allow(&usable, 4, NULL);
    hone_cpu_pool_stop();
    return 0;
}

/* --- every chunk once -------------------------------------------------------------------------------------------- */

typedef struct tally {
    _Atomic(int) seen[MOST];
    _Atomic(int) calls;
} tally;

static void count(void *argument, int chunk)
{
    tally *t = argument;
    atomic_fetch_add_explicit(&t->seen[chunk % MOST], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->calls, 1, memory_order_relaxed);
}

static int wrong_in(const tally *t, int chunks)
{
    int wrong = atomic_load(&t->calls) != chunks;
    for (int i = 0; i < MOST; i++) wrong += atomic_load(&t->seen[i]) != chunks / MOST + (i < chunks % MOST);
    return wrong;
}

static void every_chunk_once(void **state)
{
    static tally t;
    static const int chunks[] = {1, 2, 3, 7, 64, MOST - 1, (1 << 20) + 3, 3 * ((1 << 20) - 1)};
    static const double seconds[] = {LONG, 0, -1, NAN, INFINITY, 1e-5, 1e-7, 1e300};
    (void)state;
    for (int workers = 1; workers <= 4; workers++)
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++)
            for (size_t s = 0; s < sizeof seconds / sizeof *seconds; s++) {
                if (chunks[c] > MOST && (s || workers != 2)) continue;
                memset(&t, 0, sizeof t);
                hone_cpu_each(&(hone_team){NULL, workers}, chunks[c], seconds[s], count, &t);
                assert_int_equal(wrong_in(&t, chunks[c]), 0);
            }
    memset(&t, 0, sizeof t);
    hone_cpu_each(&(hone_team){NULL, 4}, 0, LONG, count, &t);
    hone_cpu_each(&(hone_team){NULL, 4}, -3, LONG, count, &t);
    assert_int_equal(atomic_load(&t.calls), 0);
}

/* --- many callers ------------------------------------------------------------------------------------------------ */

static _Atomic(int) wrong;

/* A chunk that takes a little while, so that workers find something. */
static void dawdle(void *argument, int chunk)
{
    volatile int turns = 0;
    while (turns < 300) turns = turns + 1;
    count(argument, chunk);
}

static void *call_often(void *argument)
{
    tally *t = argument;
    for (int i = 0; i < ROUNDS; i++) {
        int chunks = 1 + i % 40;
        memset(t, 0, sizeof *t);
        hone_cpu_each(&(hone_team){NULL, 2 + i % 3}, chunks, i % 7 ? LONG : 1e-5, dawdle, t);
        if (wrong_in(t, chunks)) atomic_fetch_add(&wrong, 1);
        if (i % 500 == 499) nap(1000000); /* long enough to fall asleep */
    }
    return NULL;
}

static void callers_at_once(void **state)
{
    pthread_t          thread[CALLERS];
    static tally       t[CALLERS];
    hone_cpu_pool_view view;
    (void)state;
    for (int i = 0; i < CALLERS; i++) assert_int_equal(pthread_create(&thread[i], NULL, call_often, &t[i]), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    hone_cpu_pool_look(&view);
    assert_int_equal(view.workers, 3);
}

/* Holds until `wanted` threads are in it at once, so that somebody must help; the caller gives in after a while that
 * no machine needs. */
typedef struct meeting {
    _Atomic(int) present, most;
    int          wanted;
} meeting;

static void meet(void *argument, int chunk)
{
    meeting *m = argument;
    int64_t  until = hone_now_ns() + (int64_t)20000000000;
    (void)chunk;
    int present = atomic_fetch_add(&m->present, 1) + 1, most = atomic_load(&m->most);
    while (present > most && !atomic_compare_exchange_weak(&m->most, &most, present)) {
    }
    while (atomic_load(&m->most) < m->wanted && hone_now_ns() < until) sched_yield();
    atomic_fetch_sub(&m->present, 1);
}

static int meet_with(int count_, int chunks, int wanted)
{
    meeting m = {.wanted = wanted};
    hone_cpu_each(&(hone_team){NULL, count_}, chunks, LONG, meet, &m);
    return atomic_load(&m.most);
}

static void workers_do_help(void **state)
{
    hone_cpu_pool_view view;
    (void)state;
    assert_int_equal(meet_with(2, 2, 2), 2);
    assert_int_equal(meet_with(4, 64, 4), 4);
    assert_int_equal(meet_with(3, 64, 3), 3);
    do { /* all of them */
        nap(1000000);
        hone_cpu_pool_look(&view);
    } while (view.asleep < view.workers);
    assert_int_equal(view.workers, 3);
    assert_int_equal(meet_with(4, 4, 4), 4);
}

/* Two callers on two CPUs: while both are in their first chunk, workers must leave the others alone. */
static _Atomic(int) inside, through, by_others;
static pthread_t    caller[2];

static bool is_caller(void)
{
    return pthread_equal(pthread_self(), caller[0]) || pthread_equal(pthread_self(), caller[1]);
}

static void stay_or_count(void *argument, int chunk)
{
    (void)argument;
    if (chunk) {
        if (!is_caller() && atomic_load(&inside) == 2 && atomic_load(&through) < 2) atomic_fetch_add(&by_others, 1);
        return;
    }
    atomic_fetch_add(&inside, 1);
    while (atomic_load(&inside) < 2) sched_yield();
    nap(2000000);
    atomic_fetch_add(&through, 1);
    while (atomic_load(&through) < 2) sched_yield();
}

static pthread_barrier_t both;

static void *call_and_stay(void *argument)
{
    caller[(intptr_t)argument] = pthread_self();
    pthread_barrier_wait(&both);
    hone_cpu_each(&(hone_team){NULL, 2}, 1000, LONG, stay_or_count, NULL);
    return NULL;
}

static void no_more_than_the_cpus(void **state)
{
    hone_cpu_mask usable;
    (void)state;
    hone_cpu_usable(&usable);
    hone_cpu_pool_allow(&usable, 2, NULL);
    hone_cpu_pool_stop();
    assert_int_equal(meet_with(2, 2, 2), 2); /* there is a worker, awake */
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 20; i++) {
        pthread_t thread[2];
        atomic_store(&inside, 0);
        atomic_store(&through, 0);
        atomic_store(&by_others, 0);
        for (int t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&thread[t], NULL, call_and_stay, (void *)(intptr_t)t), 0);
        for (int t = 0; t < 2; t++) pthread_join(thread[t], NULL);
        assert_true(atomic_load(&by_others) <= 1); /* the one that it had begun to take */
    }
    pthread_barrier_destroy(&both);
}

/* --- nested ------------------------------------------------------------------------------------------------------ */

static void call_within(void *argument, int chunk)
{
    static tally t[64];
    const pthread_t me = pthread_self();
    (void)argument;
    memset(&t[chunk], 0, sizeof t[chunk]);
    hone_cpu_each(&(hone_team){NULL, 4}, 10, LONG, count, &t[chunk]);
    if (wrong_in(&t[chunk], 10) || !pthread_equal(me, pthread_self())) atomic_fetch_add(&wrong, 1);
}

static void calls_within_calls(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 20; i++) hone_cpu_each(&(hone_team){NULL, 4}, 64, LONG, call_within, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* --- the caller's modes ------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
static unsigned modes(void)
{
    return __builtin_ia32_stmxcsr() & ~0x3fu;
}

static void compare_modes(void *argument, int chunk)
{
    (void)chunk;
    meet(argument, 0);
    if (modes() != 0x9fc0) atomic_fetch_add(&wrong, 1);
}

static void chunks_see_the_callers_modes(void **state)
{
    unsigned before = __builtin_ia32_stmxcsr();
    meeting  m = {.wanted = 4};
    (void)state;
    assert_int_equal(meet_with(4, 4, 4), 4); /* the workers are there, in other modes */
    __builtin_ia32_ldmxcsr(0x9fc0);          /* subnormal numbers are 0 */
    hone_cpu_each(&(hone_team){NULL, 4}, 4, LONG, compare_modes, &m);
    unsigned after = modes();
    __builtin_ia32_ldmxcsr(before);
    assert_int_equal(after, 0x9fc0);
    assert_int_equal(atomic_load(&m.most), 4);
    assert_int_equal(atomic_load(&wrong), 0);
}
#endif

/* --- asleep ------------------------------------------------------------------------------------------------------ */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void an_idle_pool_burns_nothing(void **state)
{
    hone_cpu_pool_view view;
    (void)state;
    assert_int_equal(meet_with(4, 4, 4), 4);
    do { /* all of them are asleep */
        nap(1000000);
        hone_cpu_pool_look(&view);
    } while (view.asleep < view.workers);
    double before = cpu_seconds();
    nap(300000000);
    assert_true(cpu_seconds() - before < 0.03); /* three that spin burn up to 0.9 */
}

static void short_work_wakes_nobody(void **state)
{
    static tally       t;
    hone_cpu_pool_view view;
    (void)state;
    memset(&t, 0, sizeof t);
    hone_cpu_each(&(hone_team){NULL, 4}, 10, 3e-6, count, &t); /* not even makes a worker */
    hone_cpu_each(&(hone_team){NULL, 4}, 10, 1e-5, count, &t);
    hone_cpu_pool_look(&view);
    assert_int_equal(view.workers, 0);
    assert_int_equal(meet_with(4, 4, 4), 4);
    do {
        nap(1000000);
        hone_cpu_pool_look(&view);
    } while (view.asleep < 3);
    long long helped = view.helped;
    for (int i = 0; i < 20; i++) {
        hone_cpu_each(&(hone_team){NULL, 4}, 10, 1e-5, count, &t);
        nap(1000000);
    }
    hone_cpu_pool_look(&view);
    assert_int_equal(view.asleep, 3);
    assert_true(view.helped == helped);
    assert_int_equal(atomic_load(&t.calls), 220);
}

/* --- where they run ---------------------------------------------------------------------------------------------- */

static meeting       all_four;
static hone_cpu_mask seen_at[4];
static _Atomic(int)  seen_count;

/* As the system takes it, for more CPUs than a cpu_set_t has. */
static cpu_set_t *cpus(hone_cpu_mask *mask)
{
    return (cpu_set_t *)(void *)mask->word;
}

static void see_where(void *argument, int chunk)
{
    hone_cpu_mask set = {{0}};
    if (!pthread_equal(pthread_self(), *(pthread_t *)argument) && sched_getaffinity(0, sizeof set, cpus(&set)) == 0)
        seen_at[atomic_fetch_add(&seen_count, 1)] = set;
    meet(&all_four, chunk);
}

static int bits(const hone_cpu_mask *mask)
{
    int count_ = 0;
    for (int i = 0; i < HONE_CPU_MASK_WORDS; i++) count_ += __builtin_popcountll(mask->word[i]);
    return count_;
}

/* Workers made by a thread that is bound to one CPU are not bound with it: at most they leave that one CPU out; those
 * that are to be bound stay on one CPU each, of those that the process may use; and so it stays when a device is opened
 * that does not ask for it. */
static void workers_stay_where_they_may(void **state)
{
    hone_cpu_mask usable, before = {{0}}, one = {{0}};
    pthread_t     me = pthread_self();
    int           first = 0;
    (void)state;
    hone_cpu_usable(&usable);
    while (!hone_cpu_mask_has(&usable, first)) first++;
    assert_int_equal(sched_getaffinity(0, sizeof before, cpus(&before)), 0);
    one.word[first / 64] = (uint64_t)1 << (first % 64);
    assert_int_equal(sched_setaffinity(0, sizeof one, cpus(&one)), 0);
    for (int bind = 0; bind < 3; bind++) { /* 0: nobody has asked, 1: this one does, 2: another has */
        hone_cpu_pool_stop();
        hone_cpu_pool_allow(&usable, 4, bind == 1 ? &usable : NULL);
        memset(seen_at, 0, sizeof seen_at);
        atomic_store(&seen_count, 0);
        atomic_store(&all_four.most, 0);
        all_four.wanted = 4;
        hone_cpu_each(&(hone_team){NULL, 4}, 4, LONG, see_where, &me);
        assert_int_equal(atomic_load(&seen_count), 3);
        for (int i = 0; i < atomic_load(&seen_count); i++) {
            for (int w = 0; w < HONE_CPU_MASK_WORDS; w++) assert_int_equal(seen_at[i].word[w] & ~usable.word[w], 0);
            assert_true(bits(&seen_at[i]) == (bind ? 1 : bits(&usable)) ||
                        (!bind && bits(&seen_at[i]) == bits(&usable) - 1));
            if (bind && bits(&usable) > 3) assert_false(hone_cpu_mask_has(&seen_at[i], first)); /* the caller's */
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, cpus(&before)), 0);
}

/* A sleeper is woken elsewhere than where its caller is, also when that has come to the CPU that the sleeper was sent
 * to the time before. */
static void sleepers_are_woken_elsewhere(void **state)
{
    hone_cpu_mask      usable, before = {{0}};
    hone_cpu_pool_view view;
    pthread_t          me = pthread_self();
    (void)state;
    hone_cpu_usable(&usable);
    int at[2] = {hone_cpu_mask_next(&usable, 0)};
    at[1] = hone_cpu_mask_next(&usable, at[0] + 1);
    if (at[1] < 0) skip();
    assert_int_equal(sched_getaffinity(0, sizeof before, cpus(&before)), 0);
    assert_int_equal(meet_with(2, 2, 2), 2);
    for (int i = 0; i < 6; i++) {
        hone_cpu_mask here = {{0}};
        here.word[at[i % 2] / 64] = (uint64_t)1 << (at[i % 2] % 64);
        assert_int_equal(sched_setaffinity(0, sizeof here, cpus(&here)), 0);
        do {
            nap(1000000);
            hone_cpu_pool_look(&view);
        } while (view.asleep < view.workers);
        atomic_store(&seen_count, 0);
        atomic_store(&all_four.most, 0);
        all_four.wanted = 2;
        hone_cpu_each(&(hone_team){NULL, 2}, 2, LONG, see_where, &me);
        assert_int_equal(atomic_load(&seen_count), 1);
        assert_false(hone_cpu_mask_has(&seen_at[0], at[i % 2]));
        assert_true(hone_cpu_mask_has(&seen_at[0], at[1 - i % 2]));
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, cpus(&before)), 0);
}

/* --- beside other threads ---------------------------------------------------------------------------------------- */

/* Another library's thread on the worker's CPU: it spins, and keeps the CPU or offers it all the while. */
typedef struct neighbour {
    hone_cpu_mask at;
    bool          offers;
    _Atomic(bool) there, enough;
} neighbour;

static void *spin_there(void *argument)
{
    neighbour *n = argument;
    sched_setaffinity(0, sizeof n->at, cpus(&n->at));
    atomic_store(&n->there, true);
    while (!atomic_load(&n->enough))
        if (n->offers) sched_yield();
    return NULL;
}

static void take_a_while(void *argument, int chunk)
{
    int64_t until = hone_now_ns() + 50000;
    (void)argument;
    (void)chunk;
    while (hone_now_ns() < until) {
    }
}

/* Work of 2 ms, call after call, until `done` says so; false: it never did, in a time that no machine needs. */
static bool call_until(bool (*done)(const hone_cpu_pool_view *since, const hone_cpu_pool_view *now))
{
    hone_cpu_pool_view since, now;
    int64_t            until = hone_now_ns() + (int64_t)60000000000;
    hone_cpu_pool_look(&since);
    do {
        hone_cpu_each(&(hone_team){NULL, 2}, 40, 2e-3, take_a_while, NULL);
        hone_cpu_pool_look(&now);
        if (done(&since, &now)) return true;
    } while (hone_now_ns() < until);
    return false;
}

static bool gave_way(const hone_cpu_pool_view *since, const hone_cpu_pool_view *now)
{
    return now->lost > since->lost + 2;
}

static bool helped(const hone_cpu_pool_view *since, const hone_cpu_pool_view *now)
{
    return now->helped > since->helped + 40;
}

static void workers_give_way_and_come_back(void **state)
{
    hone_cpu_mask usable, before = {{0}}, two = {{0}}, mine = {{0}};
    pthread_t     thread;
    (void)state;
    hone_cpu_usable(&usable);
    int first = hone_cpu_mask_next(&usable, 0), second = hone_cpu_mask_next(&usable, first + 1);
    if (second < 0) skip();
    mine.word[first / 64] = (uint64_t)1 << (first % 64);
    two = mine;
    two.word[second / 64] |= (uint64_t)1 << (second % 64);
    assert_int_equal(sched_getaffinity(0, sizeof before, cpus(&before)), 0);
    assert_int_equal(sched_setaffinity(0, sizeof mine, cpus(&mine)), 0);
    hone_cpu_pool_allow(&usable, 2, &two); /* the worker is on the second */
    for (int offers = 0; offers < 2; offers++) {
        neighbour n = {.at = two, .offers = offers};
        n.at.word[first / 64] &= ~mine.word[first / 64];
        assert_int_equal(pthread_create(&thread, NULL, spin_there, &n), 0);
        while (!atomic_load(&n.there)) sched_yield();
        assert_true(call_until(offers ? helped : gave_way));
        atomic_store(&n.enough, true);
        pthread_join(thread, NULL);
        assert_true(call_until(helped));
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, cpus(&before)), 0);
}

/* --- fork -------------------------------------------------------------------------------------------------------- */

static _Atomic(bool) enough;

static void *call_until_enough(void *argument)
{
    static tally t[CALLERS];
    int          index = (int)(intptr_t)argument;
    while (!atomic_load(&enough)) hone_cpu_each(&(hone_team){NULL, 4}, 40, LONG, dawdle, &t[index]);
    return NULL;
}

static void a_child_begins_anew(void **state)
{
    pthread_t thread[2];
    (void)state;
    /* gcc 12's sanitizers do not let go of their own locks in a child of many threads, nor does qemu */
    if (SANITIZED || HONE_TEST_EMULATED) skip();
    atomic_store(&enough, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_until_enough, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 40 / HONE_TEST_SHARE + 2; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            hone_cpu_pool_view view;
            static tally       t;
            alarm(60); /* a hang is a failure, not a wait */
            hone_cpu_pool_look(&view);
            if (view.workers) _exit(1);
            memset(&t, 0, sizeof t);
            hone_cpu_each(&(hone_team){NULL, 4}, 1000, LONG, count, &t);
            if (wrong_in(&t, 1000)) _exit(2);
            if (i % 2 && meet_with(4, 4, 4) != 4) _exit(3);
            hone_cpu_pool_stop();
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            fail_msg("child %d ended with status %#x", i, (unsigned)status);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
}

static void *open_until_enough(void *argument)
{
    while (!atomic_load(&enough)) hone_cpu_pool_allow(argument, 4, NULL);
    return NULL;
}

/* Before there ever was a worker, too: a device may just be opened. So this test comes first. */
static void a_child_of_the_first_hour(void **state)
{
    hone_cpu_mask      usable;
    hone_cpu_pool_view view;
    pthread_t          thread;
    (void)state;
    hone_cpu_pool_look(&view);
    assert_int_equal(view.workers, 0);
    hone_cpu_usable(&usable);
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, open_until_enough, &usable), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            alarm(60);
            hone_cpu_pool_allow(&usable, 4, NULL);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            fail_msg("child %d ended with status %#x", i, (unsigned)status);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void stopped_and_started_again(void **state)
{
    pthread_t          thread[2];
    hone_cpu_pool_view view;
    (void)state;
    atomic_store(&enough, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_until_enough, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 100 / HONE_TEST_SHARE; i++) {
        hone_cpu_pool_stop();
        if (i % 10 == 0) nap(1000000);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    hone_cpu_pool_stop();
    hone_cpu_pool_look(&view);
    assert_int_equal(view.workers, 0);
    assert_int_equal(meet_with(4, 4, 4), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_of_the_first_hour),
        cmocka_unit_test_setup(every_chunk_once, set_up),
        cmocka_unit_test_setup(workers_do_help, set_up),
        cmocka_unit_test_setup(callers_at_once, set_up),
        cmocka_unit_test_setup(no_more_than_the_cpus, set_up),
        cmocka_unit_test_setup(calls_within_calls, set_up),
#if defined(__x86_64__)
        cmocka_unit_test_setup(chunks_see_the_callers_modes, set_up),
#endif
        cmocka_unit_test_setup(an_idle_pool_burns_nothing, set_up),
        cmocka_unit_test_setup(short_work_wakes_nobody, set_up),
        cmocka_unit_test_setup(sleepers_are_woken_elsewhere, set_up),
        cmocka_unit_test_setup(workers_stay_where_they_may, set_up),
        cmocka_unit_test_setup(workers_give_way_and_come_back, set_up),
        cmocka_unit_test_setup(a_child_begins_anew, set_up),
        cmocka_unit_test_setup(stopped_and_started_again, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
