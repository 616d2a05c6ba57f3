/* The worker process: candidates that fail in every way cost themselves and nothing else. Bounds on time are wide; what
 * is asserted of time is that things end at all.
 *
 *     test_worker WORKER [FAULTS [SEED]]  the long test instead: so many faults at random */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "tests/runtime/tools.h"
#include "tests/tuner/faulty.h"
#include "tuner/worker.h"

static const char *program;
static long        faults;
static uint64_t    seed = 11;

typedef struct bench {
    hone_context    *handle;
    hone_rt_context *context;
    hone_rt_problem  problem;
    hone_request     request;
    hone_worker     *worker;
    hone_oracle      oracle;
} bench;

static bool stop_asked;

static bool stop(void)
{
    return __atomic_load_n(&stop_asked, __ATOMIC_SEQ_CST);
}

static void open_bench(bench *b, double patience)
{
    const hone_module *const modules[] = {&faulty_module};
    hone_context_options     how = HONE_CONTEXT_OPTIONS;
    hone_worker_options      options = {.program = program, .device = "cpu:0", .threads = 1, .patience_s = patience,
                                        .memory_bytes = (size_t)512 << 20, .sample_s = 1e-5, .seed = 3, .stop = stop};
    how.thread_count = 1;
    stop_asked = false;
    works(hone_rt_context_create(&how, modules, 1, &b->handle));
    works(hone_rt_context_hold(b->handle, &b->context));
    const hone_op *op;
    works(hone_rt_problem_parse(b->context, "matmul f32 nn 9x17x13", &op, &b->problem));
    b->request = (hone_request){.device = hone_rt_device_at(b->context, 0), .op = op, .problem = b->problem.bytes,
                                .threads = 1, .alignment = 64};
    works(hone_worker_open(b->context, &options, &b->worker));
    hone_worker_take(b->worker, &b->request);
    b->oracle = hone_worker_oracle(b->worker);
}

static void close_bench(bench *b)
{
    hone_worker_close(b->worker);
    hone_rt_context_release(b->context);
    hone_context_destroy(b->handle);
}

static hone_choice with_fault(faulty which)
{
    hone_choice it = {.kernel = &faulty_kernel};
    it.config.value[0] = which;
    return it;
}

static hone_admission admitted(bench *b, faulty which)
{
    hone_choice    choice = with_fault(which);
    hone_admission it = {0};
    works(b->oracle.admit(b->oracle.self, &choice, 1, &it));
    return it;
}

/* --- what is right ------------------------------------------------------------------------------------------------ */

static void times_what_is_right(void **state)
{
    (void)state;
    bench          b;
    double         seconds[3 * 2];
    hone_admission fates[2];
    open_bench(&b, 20);
    hone_admission quick = admitted(&b, FAULTY_NONE), slow = admitted(&b, FAULTY_SLOW);
    assert_int_equal(quick.fate, HONE_FATE_RIGHT);
    assert_int_equal(slow.fate, HONE_FATE_RIGHT);
    const int ids[2] = {slow.id, quick.id};
    works(b.oracle.time(b.oracle.self, ids, 2, 3, seconds, fates));
    for (int i = 0; i < 6; i++) assert_true(seconds[i] > 0);
    for (int r = 0; r < 3; r++) assert_true(seconds[2 * r] >= 5e-3); /* it sleeps for so long */
    assert_true(hone_worker_compared(b.worker, quick.id) >= 3 * 9 * 17);
    assert_int_equal(hone_worker_spawned(b.worker), 1);
    b.oracle.drop(b.oracle.self, quick.id);
    works(b.oracle.time(b.oracle.self, ids, 1, 1, seconds, fates));
    close_bench(&b);
}

static void kernels_of_its_own_too(void **state)
{
    (void)state;
    bench             b;
    hone_rt_candidate ranked[HONE_RT_KERNELS_MAX];
    const char       *rule;
    double            seconds[HONE_RT_KERNELS_MAX * 2];
    int               ids[HONE_RT_KERNELS_MAX], right = 0;
    hone_admission    fates[HONE_RT_KERNELS_MAX];
    open_bench(&b, 20);
    int count = hone_rt_rank(b.context, &b.request, ranked, HONE_RT_KERNELS_MAX, &rule);
    for (int i = 0; i < count && !ranked[i].refusal; i++) {
        hone_choice    choice = {ranked[i].kernel, ranked[i].config};
        hone_admission it;
        works(b.oracle.admit(b.oracle.self, &choice, 1, &it));
        if (it.fate != HONE_FATE_RIGHT) fail_msg("%s: %s", ranked[i].kernel->name, it.why);
        ids[right++] = it.id;
    }
    assert_true(right >= 3);
    works(b.oracle.time(b.oracle.self, ids, right, 2, seconds, fates));
    for (int i = 0; i < right; i++)
        if (fates[i].fate != HONE_FATE_RIGHT) fail_msg("%d: %s", ids[i], fates[i].why);
    close_bench(&b);
}

/* --- what is not -------------------------------------------------------------------------------------------------- */

typedef struct wanted {
    faulty      which;
    bool        when_timed;
    hone_fate   fate;
    const char *says;
} wanted;

static const wanted all[] = {
    {FAULTY_CRASH_PREPARE, false, HONE_FATE_CRASHED, "signal 11"},
    {FAULTY_CRASH, false, HONE_FATE_CRASHED, "prepared and judged"},
    {FAULTY_CRASH_LATE, true, HONE_FATE_CRASHED, "while it was timed"},
    {FAULTY_EXIT, false, HONE_FATE_CRASHED, "exit status 0"},
    {FAULTY_EAT, false, HONE_FATE_MEMORY, "no memory left"},
    {FAULTY_KILLED, false, HONE_FATE_MEMORY, "out of memory"},
    {FAULTY_GUARD, false, HONE_FATE_CORRUPTED, "not an output"},
    {FAULTY_GUARD_LATE, true, HONE_FATE_CORRUPTED, "the guard zone, of c"},
    {FAULTY_INPUT_LATE, true, HONE_FATE_CORRUPTED, "of a"},
    {FAULTY_MAD, false, HONE_FATE_CORRUPTED, "not of the form"},
    {FAULTY_WRONG, false, HONE_FATE_WRONG, "should be"},
    {FAULTY_LIE, true, HONE_FATE_WRONG, "was right when it was judged"},
    {FAULTY_STATUS, false, HONE_FATE_FAILED, "made to fail"},
    {FAULTY_STATUS_LATE, true, HONE_FATE_FAILED, "made to fail"},
};

/* One bad candidate between two good ones, all timed together: only it is blamed. */
static void among_good_ones(bench *b, const wanted *it)
{
    double         seconds[2 * 3];
    hone_admission good = admitted(b, FAULTY_NONE), bad = admitted(b, it->which), other = admitted(b, FAULTY_SLOW);
    hone_admission fates[3] = {{0}};
    int            ids[3] = {good.id, bad.id, other.id};
    assert_int_equal(good.fate, HONE_FATE_RIGHT);
    assert_int_equal(other.fate, HONE_FATE_RIGHT);
    if (it->when_timed) {
        if (bad.fate != HONE_FATE_RIGHT) fail_msg("%s: %s", faulty_name(it->which), bad.why);
        works(b->oracle.time(b->oracle.self, ids, 3, 2, seconds, fates));
        bad = fates[1];
        assert_true(isnan(seconds[1]) && isnan(seconds[4]));
    } else {
        ids[1] = other.id;
        works(b->oracle.time(b->oracle.self, ids, 2, 2, seconds, fates));
        fates[2] = fates[1];
    }
    if (bad.fate != it->fate || !strstr(bad.why, it->says))
        fail_msg("%s: fate %d, not %d: %s", faulty_name(it->which), bad.fate, it->fate, bad.why);
    if (fates[0].fate || fates[2].fate)
        fail_msg("%s: blamed beside it: %s%s", faulty_name(it->which), fates[0].why, fates[2].why);
    assert_true(seconds[0] > 0);
}

static void each_fault_costs_itself(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 20);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hone_worker_take(b.worker, &b.request);
        among_good_ones(&b, &all[i]);
    }
    close_bench(&b);
}

static void hanging_ones_are_ended(void **state)
{
    (void)state;
    static const wanted hangs[] = {{FAULTY_HANG, false, HONE_FATE_HUNG, "hung"},
                                   {FAULTY_HANG_LATE, true, HONE_FATE_HUNG, "hung while it was timed"}};
    bench b;
    open_bench(&b, 2);
    for (int i = 0; i < 2; i++) {
        hone_worker_take(b.worker, &b.request);
        among_good_ones(&b, &hangs[i]);
    }
    close_bench(&b);
}

/* By a clock of the test's own: a deadline of 10 s, a patience of 3, a look every tenth of a second. */
static int64_t late_at(double steps_until_s)
{
    const int64_t    tenth = 100000000;
    hone_worker_wait wait = hone_worker_wait_for(0, 7, 10);
    uint32_t         steps = 7;
    for (int64_t now = 0; now < 100 * 10 * tenth; now += tenth) {
        steps += (double)now * 1e-9 < steps_until_s;
        if (hone_worker_is_late(&wait, now, steps, 3)) return now / tenth;
    }
    return -1;
}

static void only_who_begins_no_launch_is_late(void **state)
{
    (void)state;
    assert_int_equal(late_at(0), 100);                           /* in one launch, at its deadline */
    assert_int_equal(late_at(6.95), 100);                        /* begun longer ago than the patience */
    assert_int_equal(late_at(9), 89 + 30);                       /* the patience behind the last launch */
    assert_int_equal(late_at(25), 249 + 30);
    assert_int_equal(late_at(1000), 100 * HONE_WORKER_SLOW_BY); /* and not for ever */
    hone_worker_wait wait = hone_worker_wait_for(0, UINT32_MAX, 10); /* their number begins anew */
    assert_false(hone_worker_is_late(&wait, (int64_t)10e9, 0, 3));
    wait = hone_worker_wait_for((int64_t)1e18, 0, INFINITY); /* no sum overflows */
    assert_false(hone_worker_is_late(&wait, (int64_t)1e18 + 1, 0, 3));
}

/* Timed for longer than its deadline, which one that hung was ended at: no launch takes as long as the patience. */
static void who_is_slow_hangs_not(void **state)
{
    (void)state;
    bench          b;
    double         seconds[8], deadline = 0;
    hone_admission fate;
    if (HONE_TEST_SHARE > 1) skip(); /* seconds of sleep, once is enough */
    char folder[] = "/tmp/hone-test-worker-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/tired", folder);
    setenv("HONE_TEST_TIRED", file, 1); /* for the worker */
    open_bench(&b, 1);
    hone_admission hung = admitted(&b, FAULTY_HANG_LATE);
    works(b.oracle.time(b.oracle.self, &hung.id, 1, 1, seconds, &fate));
    assert_int_equal(fate.fate, HONE_FATE_HUNG);
    assert_int_equal(sscanf(strstr(fate.why, "after"), "after %lg s", &deadline), 1);
    hone_admission tired = admitted(&b, FAULTY_TIRED);
    assert_int_equal(tired.fate, HONE_FATE_RIGHT);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const int64_t start = hone_now_ns();
    works(b.oracle.time(b.oracle.self, &tired.id, 1, 8, seconds, &fate));
    const double took = (double)(hone_now_ns() - start) * 1e-9;
    unsetenv("HONE_TEST_TIRED");
    unlink(file);
    rmdir(folder);
    if (fate.fate != HONE_FATE_RIGHT) fail_msg("%s", fate.why);
    assert_true(seconds[7] >= 0.15);
    printf("it took %g s, and the deadline is %g s\n", took, deadline);
    assert_true(took > 1.1 * deadline); /* else nothing was tried */
    close_bench(&b);
}

/* Asked to stop while a candidate hangs: long before its deadline. */
static void *ask_to_stop(void *nothing)
{
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    __atomic_store_n(&stop_asked, true, __ATOMIC_SEQ_CST);
    return nothing;
}

static void stops_when_asked(void **state)
{
    (void)state;
    bench          b;
    pthread_t      other;
    hone_choice    choice = with_fault(FAULTY_HANG);
    hone_admission it;
    open_bench(&b, 600);
    admitted(&b, FAULTY_NONE);
    assert_int_equal(pthread_create(&other, NULL, ask_to_stop, NULL), 0);
    int64_t start = hone_now_ns();
    refused(b.oracle.admit(b.oracle.self, &choice, 1, &it), HONE_ERROR_INTERRUPTED, "stop");
    assert_true(hone_now_ns() - start < (int64_t)60 * 1000000000); /* its deadline is ten minutes */
    pthread_join(other, NULL);
    assert_int_equal(hone_worker_pid(b.worker), 0);
    close_bench(&b);
}

static void says_where_no_program_is(void **state)
{
    (void)state;
    bench               b;
    hone_worker        *none;
    hone_worker_options options = {.program = "/nowhere/hone-worker", .device = "cpu:0", .threads = 1};
    open_bench(&b, 3);
    refused(hone_worker_open(b.context, &options, &none), HONE_ERROR_NOT_FOUND, "/nowhere/hone-worker");
    options.program = "/bin/true";
    works(hone_worker_open(b.context, &options, &none));
    hone_worker_take(none, &b.request);
    hone_choice    choice = with_fault(FAULTY_NONE);
    hone_admission it;
    hone_oracle    oracle = hone_worker_oracle(none);
    refused(oracle.admit(oracle.self, &choice, 1, &it), HONE_ERROR_DEVICE, "/bin/true");
    hone_worker_close(none);
    close_bench(&b);
}

/* --- an end of the parent ----------------------------------------------------------------------------------------- */

/* Asks for a candidate that hangs, in a process that is killed meanwhile; its worker must go with it. */
static int be_killed(int answers)
{
    bench       b;
    hone_choice choice = with_fault(FAULTY_HANG);
    open_bench(&b, 600);
    admitted(&b, FAULTY_NONE);
    int pid = hone_worker_pid(b.worker);
    if (write(answers, &pid, sizeof pid) != sizeof pid) return 1;
    hone_admission it;
    return b.oracle.admit(b.oracle.self, &choice, 1, &it) == HONE_OK;
}

static char *own_path;

static void ends_with_its_parent(void **state)
{
    (void)state;
    int  ends[2], pid = 0;
    char number[16];
    assert_int_equal(pipe(ends), 0);
    snprintf(number, sizeof number, "%d", ends[1]);
    pid_t parent = vfork();
    if (parent == 0) {
        execl(own_path, own_path, program, "--killed", number, (char *)NULL);
        _exit(9);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
    close(ends[0]);
    usleep(100000); /* it is at the candidate that hangs, most likely; wherever it is, it must end */
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    for (int i = 0; i < 6000 && kill(pid, 0) == 0; i++) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", pid); /* where nobody reaps orphans, they stay as zombies */
        FILE *file = fopen(path, "re");
        if (file && !fgets(line, sizeof line, file)) *line = 0;
        if (file) fclose(file);
        if (strstr(line, ") Z ")) return;
        usleep(10000);
    }
    assert_int_not_equal(kill(pid, 0), 0);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

static void many_at_random(void **state)
{
    (void)state;
    bench       b;
    hone_random random = hone_random_seeded(seed);
    long        counts[HONE_FATE_COUNT] = {0};
    open_bench(&b, 0.5);
    for (long i = 0; i < faults; i++) {
        hone_worker_take(b.worker, &b.request);
        size_t at = hone_random_below(&random, sizeof all / sizeof *all + 1);
        wanted hang = {FAULTY_HANG, false, HONE_FATE_HUNG, "hung"};
        among_good_ones(&b, at == sizeof all / sizeof *all ? &hang : &all[at]);
        counts[at == sizeof all / sizeof *all ? HONE_FATE_HUNG : all[at].fate]++;
    }
    printf("%ld faults of seed %" PRIu64
           ": %ld crashed, %ld hung, %ld ate memory, %ld corrupted, %ld wrong or lying, %ld failed; %d "
           "workers\n",
           faults, seed, counts[HONE_FATE_CRASHED], counts[HONE_FATE_HUNG], counts[HONE_FATE_MEMORY],
           counts[HONE_FATE_CORRUPTED], counts[HONE_FATE_WRONG], counts[HONE_FATE_FAILED],
           hone_worker_spawned(b.worker));
    close_bench(&b);
}

int main(int count, char **words)
{
    const struct CMUnitTest long_one[] = {cmocka_unit_test(many_at_random)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_what_is_right),     cmocka_unit_test(kernels_of_its_own_too),
        cmocka_unit_test(each_fault_costs_itself), cmocka_unit_test(hanging_ones_are_ended),
        cmocka_unit_test(only_who_begins_no_launch_is_late), cmocka_unit_test(who_is_slow_hangs_not),
        cmocka_unit_test(stops_when_asked),        cmocka_unit_test(says_where_no_program_is),
        cmocka_unit_test(ends_with_its_parent),
    };
    if (count < 2) return 2;
    setenv("HONE_MODULES", "off", 1); /* other people's libraries are tested elsewhere */
    own_path = words[0];
    program = words[1];
    if (count == 4 && !strcmp(words[2], "--killed")) return be_killed(atoi(words[3]));
    if (count > 2) faults = atol(words[2]);
    if (count > 3) seed = strtoull(words[3], NULL, 10);
    return faults ? cmocka_run_group_tests(long_one, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
