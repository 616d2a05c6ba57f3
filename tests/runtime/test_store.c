/* The profile store under fire: many processes that write one profile while some of them are killed and others compact
 * it, and processes that are killed at random moments. Whatever was acknowledged is there, and nothing is unreadable.
 *
 *     test_store                  both, in seconds
 *     test_store storm P R SEED   P processes write R rows each, a tenth of them is killed
 *     test_store kills K SEED     K processes are killed, each while it writes or compacts
 *     test_store figures N        what a profile of N rows costs: opening, the first choice, memory
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "runtime/hall.h"

static char                 root[64];
static const hone_be_device device = {.name = "cpu:0", .fingerprint = "cpu Store/1/2 avx512 cores=4"};

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, hone_last_error());                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void make_root(void)
{
    strcpy(root, "/tmp/hone-test-store-XXXXXX");
    MUST(mkdtemp(root));
}

static void remove_root(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", root);
    MUST(system(command) == 0);
}

/* --- rows with numbers ------------------------------------------------------------------------------------------- */

static hone_rt_row numbered(uint32_t number)
{
    hone_random r = hone_random_seeded(number);
    hone_rt_row row = {.kind = HONE_RT_ROW_MEASURED,
                       .threads = 2,
                       .alignment = 64,
                       .complete = true,
                       .compared = number,
                       .best = {"cpu.packed", 1, "", "tile=14x32 mc=112 kc=256", 2e-6, 1e-6, 3e-6, 9},
                       .untuned = {"cpu.direct", 1, "", "rows=4", 3e-6, 2e-6, 4e-6, 9}};
    snprintf(row.problem, sizeof row.problem, "matmul f32 nn 1x1x%" PRIu32, number);
    row.sample_count = (int)hone_random_below(&r, HONE_RT_SAMPLES_MAX + 1);
    for (int i = 0; i < row.sample_count; i++) row.samples[i] = 1e-6 + 1e-9 * (double)hone_random_below(&r, 2000);
    return row;
}

/* One bit a number: what was acknowledged. */
typedef struct numbers {
    unsigned char *bits;
    uint32_t       room, count;
} numbers;

static void note(numbers *it, uint32_t number)
{
    MUST(number < it->room);
    it->count += !(it->bits[number / 8] >> number % 8 & 1);
    it->bits[number / 8] |= (unsigned char)(1u << number % 8);
}

/* Everything acknowledged is there as it was written, and no line is damaged. */
static void check(const numbers *acknowledged, const char *when)
{
    hone_rt_rows      *rows;
    hone_rt_rows_facts facts;
    uint32_t           found = 0;
    numbers            seen = {calloc(acknowledged->room / 8 + 1, 1), acknowledged->room, 0};
    MUST(hone_rt_rows_open(&device, root, &rows) == HONE_OK);
    hone_rt_rows_facts_of(rows, &facts);
    if (facts.damaged || facts.unknown || hone_rt_rows_remark(rows, 0)) {
        fprintf(stderr, "%s: %d damaged, %d unknown: %s\n", when, facts.damaged, facts.unknown,
                hone_rt_rows_remark(rows, 0));
        exit(1);
    }
    for (int i = 0;; i++) {
        hone_rt_row row, expected;
        hone_status status = hone_rt_rows_at(rows, i, &row);
        if (status == HONE_ERROR_NOT_FOUND) break;
        MUST(status == HONE_OK);
        expected = numbered((uint32_t)row.compared);
        MUST(!strcmp(row.problem, expected.problem) && row.sample_count == expected.sample_count);
        note(&seen, (uint32_t)row.compared);
    }
    for (uint32_t n = 0; n < acknowledged->room; n++) {
        bool was = acknowledged->bits[n / 8] >> n % 8 & 1, is = seen.bits[n / 8] >> n % 8 & 1;
        if (was && !is) {
            fprintf(stderr, "%s: row %" PRIu32 " was acknowledged and is lost\n", when, n);
            exit(1);
        }
        found += was;
    }
    MUST(found == acknowledged->count);
    free(seen.bits);
    hone_rt_rows_close(rows);
}

/* Reads what was acknowledged so far; false once all writers have closed their ends. */
static bool hear(int pipe_end, numbers *acknowledged, int wait_ms)
{
    uint32_t      heard[256];
    struct pollfd poll_for = {pipe_end, POLLIN, 0};
    while (poll(&poll_for, 1, wait_ms) > 0) {
        ssize_t got = read(pipe_end, heard, sizeof heard);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return false;
        MUST(got % (ssize_t)sizeof heard[0] == 0);
        for (size_t i = 0; i < (size_t)got / sizeof heard[0]; i++) note(acknowledged, heard[i]);
        wait_ms = 0;
    }
    return true;
}

static void add_and_say(hone_rt_journal *journal, uint32_t number, int pipe_end)
{
    hone_rt_row row = numbered(number);
    MUST(hone_rt_journal_add(journal, &row) == HONE_OK);
    MUST(write(pipe_end, &number, sizeof number) == sizeof number); /* short: whole or not at all */
}

/* A child that does not outlive this process, however that ends. */
static pid_t fork_bound(void)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    return 0;
}

/* --- the storm --------------------------------------------------------------------------------------------------- */

static void storm(int processes, int rows_each, uint64_t seed)
{
    hone_random r = hone_random_seeded(seed);
    int         ends[2], running = processes, killed = 0, folds = 0;
    numbers acknowledged = {calloc((size_t)(processes * rows_each) / 8 + 1, 1), (uint32_t)(processes * rows_each), 0};
    pid_t      *pids = calloc((size_t)processes, sizeof *pids), compactor;
    const pid_t whole = getpid();
    make_root();
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    for (int p = 0; p < processes; p++) {
        MUST((pids[p] = fork_bound()) >= 0);
        if (pids[p] == 0) {
            hone_rt_journal *journal;
            MUST(hone_rt_journal_open(&device, root, &journal) == HONE_OK);
            for (int i = 0; i < rows_each; i++) add_and_say(journal, (uint32_t)(p * rows_each + i), ends[1]);
            hone_rt_journal_close(journal);
            _exit(0);
        }
    }
    MUST((compactor = fork_bound()) >= 0);
    close(ends[1]); /* the writers' alone */
    while (compactor == 0) { /* until it is killed, or alone */
        if (getppid() != whole) _exit(1);
        hone_rt_fold_facts facts;
        MUST(hone_rt_rows_fold(&device, root, &facts) == HONE_OK);
    }
    int        doomed = processes / 10 + (processes < 10);
    const int64_t start = hone_now_ns();
    while (hear(ends[0], &acknowledged, 1)) {
        if (killed < doomed &&
            acknowledged.count > (uint32_t)(killed + 1) * acknowledged.room / (uint32_t)(doomed + 2)) {
            pid_t victim = pids[hone_random_below(&r, (uint64_t)processes)];
            if (victim > 0 && waitpid(victim, NULL, WNOHANG) == 0) killed += kill(victim, SIGKILL) == 0;
        }
        if (hone_random_below(&r, 50) == 0) { /* a second one that folds, and a reader */
            hone_rt_fold_facts facts;
            MUST(hone_rt_rows_fold(&device, root, &facts) == HONE_OK);
            folds += facts.files > 0;
        }
        int how;
        for (int p = 0; p < processes; p++)
            if (pids[p] > 0 && waitpid(pids[p], &how, WNOHANG) == pids[p]) {
                MUST(WIFSIGNALED(how) ? WTERMSIG(how) == SIGKILL : WEXITSTATUS(how) == 0);
                pids[p] = 0;
                running--;
            }
        MUST(hone_now_ns() - start < INT64_C(600) * 1000000000);
    }
    for (int p = 0; p < processes; p++)
        if (pids[p] > 0) waitpid(pids[p], NULL, 0);
    check(&acknowledged, "before the compactor ends");
    kill(compactor, SIGKILL);
    waitpid(compactor, NULL, 0);
    check(&acknowledged, "after the compactor was killed");
    hone_rt_fold_facts facts;
    MUST(hone_rt_rows_fold(&device, root, &facts) == HONE_OK);
    MUST(facts.left == 0);
    check(&acknowledged, "after all was folded");
    printf("%d processes, %" PRIu32 " rows acknowledged, %d processes killed, none lost, none torn (%d folds besides "
           "the compactor's)\n", processes, acknowledged.count, killed, folds);
    MUST(killed > 0 || acknowledged.count == acknowledged.room);
    close(ends[0]);
    free(acknowledged.bits);
    free(pids);
    remove_root();
}

/* --- kills ------------------------------------------------------------------------------------------------------- */

enum { ROWS_A_LIFE = 64 };

/* Writes and folds until it is killed. */
static void live(int life, uint64_t seed, int pipe_end)
{
    hone_random      r = hone_random_seeded(seed + (uint64_t)life);
    hone_rt_journal *journal;
    MUST(hone_rt_journal_open(&device, root, &journal) == HONE_OK);
    for (int i = 0; i < ROWS_A_LIFE; i++) {
        hone_rt_fold_facts facts;
        add_and_say(journal, (uint32_t)(life * ROWS_A_LIFE + i), pipe_end);
        if (hone_random_below(&r, 8) == 0) MUST(hone_rt_rows_fold(&device, root, &facts) == HONE_OK);
        if (hone_random_below(&r, 16) == 0) { /* a file is sealed, another begun */
            hone_rt_journal_close(journal);
            MUST(hone_rt_journal_open(&device, root, &journal) == HONE_OK);
        }
    }
    hone_rt_journal_close(journal);
    _exit(0);
}

static void kills(int count, uint64_t seed)
{
    hone_random r = hone_random_seeded(seed);
    uint32_t    room = (uint32_t)count * ROWS_A_LIFE;
    numbers     acknowledged = {calloc(room / 8 + 1, 1), room, 0};
    int         killed = 0, folding = 0;
    make_root();
    for (int life = 0; life < count; life++) {
        int   ends[2], how;
        char  when[64];
        pid_t pid;
        MUST(pipe2(ends, O_CLOEXEC) == 0 && (pid = fork_bound()) >= 0);
        if (pid == 0) live(life, seed, ends[1]);
        close(ends[1]);
        usleep((useconds_t)hone_random_below(&r, hone_random_below(&r, 4) ? 4000 : 30000));
        kill(pid, SIGKILL);
        MUST(waitpid(pid, &how, 0) == pid);
        while (hear(ends[0], &acknowledged, 1000)) continue;
        close(ends[0]);
        killed += WIFSIGNALED(how);
        MUST(WIFSIGNALED(how) || WEXITSTATUS(how) == 0);
        if (life % (count > 200 ? 50 : 1)) continue;
        snprintf(when, sizeof when, "kill %d", life);
        check(&acknowledged, when);
        hone_rt_fold_facts facts;
        MUST(hone_rt_rows_fold(&device, root, &facts) == HONE_OK);
        folding += facts.files > 1;
        if (hone_random_below(&r, 4) == 0) check(&acknowledged, when);
    }
    check(&acknowledged, "at the end");
    printf("%d processes killed, %" PRIu32 " rows acknowledged, nothing lost, nothing unreadable (%d folds between)\n",
           killed, acknowledged.count, folding);
    MUST(killed > count / 2 && acknowledged.count > 0);
    free(acknowledged.bits);
    remove_root();
}

/* --- figures ----------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static long resident_bytes(void)
{
    long  pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    MUST(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Rows of one real device, so that choices go all the way: problems of 1 x 1 x k. */
static void figures(int count)
{
    enum { TIMES = 31, CHOICES = 501 };
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *handle;
    hone_rt_context     *context;
    hone_rt_candidate    candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem      problem;
    hone_rt_journal     *journal;
    hone_rt_rows        *rows;
    hone_rt_plan        *plan;
    const hone_op       *op;
    const char          *rule;
    hone_rt_fold_facts   folded;
    double               opened[TIMES], chosen[CHOICES];
    make_root();
    options.tune = HONE_TUNE_OFF;
    options.thread_count = 1;
    MUST(hone_context_create(&options, &handle) == HONE_OK && hone_rt_context_hold(handle, &context) == HONE_OK);
    hone_be_device *here = hone_rt_device_at(context, 0);
    MUST(hone_rt_journal_open(here, root, &journal) == HONE_OK);
    for (int i = 1; i <= count; i++) {
        hone_rt_row row = numbered((uint32_t)i);
        MUST(hone_rt_problem_parse(context, row.problem, &op, &problem) == HONE_OK);
        hone_request request = hone_rt_request(context, here, op, problem.bytes, 64);
        hone_rt_rank_first(context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
        const hone_kernel *kernel = candidates[1].refusal ? candidates[0].kernel : candidates[1].kernel;
        row.threads = 1;
        row.best.version = kernel->version;
        snprintf(row.best.kernel, sizeof row.best.kernel, "%s", kernel->name);
        hone_config_print(kernel->space, &candidates[candidates[1].refusal ? 0 : 1].config, row.best.config,
                          sizeof row.best.config);
        MUST(hone_rt_journal_add(journal, &row) == HONE_OK);
    }
    hone_rt_journal_close(journal);
    MUST(hone_rt_rows_fold(here, root, &folded) == HONE_OK);

    long before = resident_bytes();
    MUST(hone_rt_rows_open(here, root, &rows) == HONE_OK);
    long after = resident_bytes();
    hone_rt_rows_facts facts;
    hone_rt_rows_facts_of(rows, &facts);
    hone_rt_rows_close(rows);
    for (int i = 0; i < TIMES; i++) {
        int64_t start = hone_now_ns();
        MUST(hone_rt_rows_open(here, root, &rows) == HONE_OK);
        opened[i] = (double)(hone_now_ns() - start) * 1e-6;
        hone_rt_rows_close(rows);
    }
    hone_rt_context_release(context);
    MUST(hone_context_destroy(handle) == HONE_OK);

    static const char *const rules[] = {"estimated", "measured", "predicted"};
    static const char *const what[] = {"without rows", "with rows", "of a problem without a row, from near ones"};
    double                   choices[3];
    for (int with = 0; with < 3; with++) {
        options.tune = with ? HONE_TUNE_READ : HONE_TUNE_OFF;
        options.profile_path = root;
        MUST(hone_context_create(&options, &handle) == HONE_OK && hone_rt_context_hold(handle, &context) == HONE_OK);
        here = hone_rt_device_at(context, 0);
        for (int i = 0; i < CHOICES; i++) {
            char text[64];
            snprintf(text, sizeof text, "matmul f32 nn 1x1x%d",
                     1 + (int)((int64_t)i * 7919 % count) + (with == 2 ? count : 0));
            MUST(hone_rt_problem_parse(context, text, &op, &problem) == HONE_OK);
            hone_request request = hone_rt_request(context, here, op, problem.bytes, 64);
            int64_t      start = hone_now_ns();
            MUST(hone_rt_plan_for(context, &request, &plan) == HONE_OK);
            chosen[i] = (double)(hone_now_ns() - start) * 1e-3;
            MUST(strncmp(plan->rule, rules[with], strlen(rules[with])) == 0);
            hone_rt_plan_release(plan);
        }
        qsort(chosen, CHOICES, sizeof *chosen, by_number);
        choices[with] = chosen[CHOICES / 2];
        printf("a first choice %s: median %.1f us, 99th percentile %.1f us\n", what[with],
               chosen[CHOICES / 2], chosen[CHOICES * 99 / 100]);
        hone_rt_context_release(context);
        MUST(hone_context_destroy(handle) == HONE_OK);
    }
    qsort(opened, TIMES, sizeof *opened, by_number);
    printf("%d rows in %.1f MB: opened in %.2f ms (median of %d), %.2f MB resident; a row adds %.1f us to a choice\n",
           facts.rows, (double)facts.bytes * 1e-6, opened[TIMES / 2], TIMES, (double)(after - before) * 1e-6,
           choices[1] - choices[0]);
    remove_root();
}

int main(int count, char **words)
{
    signal(SIGPIPE, SIG_DFL);
    if (count == 5 && !strcmp(words[1], "storm"))
        storm(atoi(words[2]), atoi(words[3]), strtoull(words[4], NULL, 10));
    else if (count == 4 && !strcmp(words[1], "kills"))
        kills(atoi(words[2]), strtoull(words[3], NULL, 10));
    else if (count == 3 && !strcmp(words[1], "figures"))
        figures(atoi(words[2]));
    else if (count == 1) {
        storm(8, 24, 1);
        kills(40 / HONE_TEST_SHARE, 1);
    } else {
        fprintf(stderr, "usage: %s [storm PROCESSES ROWS SEED | kills COUNT SEED | figures ROWS]\n", words[0]);
        return 2;
    }
    MUST(hone_alloc_live() == 0);
    return 0;
}
