/* A disk that fails: whatever is kept on one is kept with each of its calls failing once, and with all of them failing
 * from one on. Each failure is told in one sentence, what was acknowledged stays, nothing is torn, and work goes on.
 *
 * The linker puts these functions before those of the C library (--wrap), for hone's calls and for this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "runtime/modules.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/rows.h"
#include "runtime/record.h"
#include "tests/runtime/tools.h"
#include "tuner/tape.h"

/* --- the disk ---------------------------------------------------------------------------------------------------- */

typedef enum fault { INPUT_OUTPUT, FULL, SHORT, INTERRUPTED, FAULTS } fault;
static const char *const fault_names[FAULTS] = {"EIO", "ENOSPC", "short", "EINTR"};

static struct {
    bool  armed, for_ever;
    fault fault;
    long  calls, fail_at; /* counted from 1 */
    long  hits;
    char  what[16]; /* the call that failed first */
} disk;

/* Does this call fail? */
static bool fails(const char *call)
{
    if (!disk.armed || ++disk.calls < disk.fail_at || (disk.calls > disk.fail_at && !disk.for_ever)) return false;
    if (!disk.hits++) snprintf(disk.what, sizeof disk.what, "%s", call);
    errno = disk.fault == INPUT_OUTPUT ? EIO : disk.fault == INTERRUPTED ? EINTR : ENOSPC;
    return true;
}

ssize_t __real_write(int file, const void *data, size_t bytes);
int     __real_fsync(int file);
int     __real_fdatasync(int file);
int     __real_ftruncate(int file, off_t bytes);
int     __real_close(int file);
int     __real_rename(const char *from, const char *to);
int     __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
ssize_t __wrap_write(int file, const void *data, size_t bytes);
int     __wrap_fsync(int file);
int     __wrap_fdatasync(int file);
int     __wrap_ftruncate(int file, off_t bytes);
int     __wrap_close(int file);
int     __wrap_rename(const char *from, const char *to);
int     __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);

ssize_t __wrap_write(int file, const void *data, size_t bytes)
{
    if (!fails("write")) return __real_write(file, data, bytes);
    return disk.fault == SHORT && bytes > 1 ? __real_write(file, data, bytes / 2) : -1;
}

int __wrap_fsync(int file)
{
    return disk.fault != SHORT && fails("fsync") ? -1 : __real_fsync(file);
}

int __wrap_fdatasync(int file)
{
    return disk.fault != SHORT && fails("fdatasync") ? -1 : __real_fdatasync(file);
}

int __wrap_ftruncate(int file, off_t bytes)
{
    return disk.fault != SHORT && fails("ftruncate") ? -1 : __real_ftruncate(file, bytes);
}

int __wrap_close(int file) /* it is closed in any case, as on Linux */
{
    const bool failed = disk.fault != SHORT && fails("close");
    const int  why = errno, closed = __real_close(file);
    if (failed) errno = why;
    return failed ? -1 : closed;
}

int __wrap_rename(const char *from, const char *to)
{
    return disk.fault < SHORT && fails("rename") ? -1 : __real_rename(from, to);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return disk.fault < SHORT && fails("renameat") ? -1 : __real_renameat(from_folder, from, to_folder, to);
}

/* --- what is kept ------------------------------------------------------------------------------------------------ */

static char           root[64], where[128];
static hone_be_device device = {.name = "cpu:0", .label = "a disk that fails", .instructions = "avx2", .threads = 2,
                                .fingerprint = "cpu Disk/1/2 avx512 cores=4"};
static int            failures; /* that were told since the disk was armed */
static char           told[512];

/* A failure is one sentence of what cannot be done, where, and why. */
static void tell(const char *sentence)
{
    static const char *const whys[] = {"Input/output error", "No space left on device", "the disk is full",
                                       "Interrupted system call"};
    bool                     why = false;
    for (size_t i = 0; i < sizeof whys / sizeof *whys; i++) why |= strstr(sentence, whys[i]) != NULL;
    if (!why || strchr(sentence, '\n') || !strstr(sentence, root)) fail_msg("'%s' says too little", sentence);
    snprintf(told, sizeof told, "%s", sentence);
    failures++;
}

static bool worked(hone_status status)
{
    if (status == HONE_OK) return true;
    assert_int_equal(status, HONE_ERROR_FILE);
    tell(hone_last_error());
    return false;
}

static void hear(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level;
    tell(line);
}

static const char *path_of(const char *name)
{
    static char path[192];
    snprintf(path, sizeof path, "%s/%s", where, name);
    return path;
}

static hone_rt_row numbered(int number)
{
    hone_rt_row row = {.threads = 1, .alignment = 64, .complete = true, .compared = number,
                       .best = {.kernel = "cpu.packed", .config = "tile=14x32"}};
    snprintf(row.problem, sizeof row.problem, "matmul f32 nn 1x1x%d", number);
    return row;
}

enum { ROWS = 8 };
static bool acknowledged[ROWS];

static void add_rows(int from, int to)
{
    hone_rt_journal *journal;
    works(hone_rt_journal_open(&device, where, &journal));
    for (int i = from; i < to; i++) {
        hone_rt_row row = numbered(i);
        acknowledged[i] = worked(hone_rt_journal_add(journal, &row));
    }
    hone_rt_journal_close(journal);
}

/* All that was acknowledged is there, and nothing that is none. `torn`: files whose last line may be. */
static void look_at_rows(int torn)
{
    hone_rt_rows      *rows;
    hone_rt_rows_facts facts;
    hone_rt_row        row;
    bool               there[ROWS] = {0};
    works(hone_rt_rows_open(&device, where, &rows));
    hone_rt_rows_facts_of(rows, &facts);
    assert_true(facts.damaged == 0 && facts.unknown == 0 && facts.unfinished <= torn);
    for (int i = 0; hone_rt_rows_at(rows, i, &row) == HONE_OK; i++) {
        assert_in_range(row.compared, 0, ROWS - 1);
        there[row.compared] = true;
    }
    for (int i = 0; i < ROWS; i++) assert_true(there[i] || !acknowledged[i]);
    hone_rt_rows_close(rows);
}

/* --- what is tried ----------------------------------------------------------------------------------------------- */

static void nothing(void)
{
}

static void journal(void)
{
    add_rows(0, 4);
}

static void journal_after(bool for_ever)
{
    int kept = 0;
    for (int i = 0; i < 4; i++) kept += acknowledged[i];
    if (!for_ever) assert_true(kept >= 3 && failures == 4 - kept); /* one fault costs one row */
    look_at_rows(for_ever ? 4 : 0);
    add_rows(4, 6);
    assert_true(acknowledged[4] && acknowledged[5]);
    look_at_rows(for_ever ? 4 : 0);
}

static void two_journals(void)
{
    add_rows(0, 3);
    add_rows(3, 6);
}

static void compaction(void)
{
    hone_rt_fold_facts facts;
    worked(hone_rt_rows_fold(&device, where, &facts));
}

static int files_in(const char *folder)
{
    int  count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *it; (it = readdir(entries));) count += strcmp(it->d_name, ".") && strcmp(it->d_name, "..");
    closedir(entries);
    return count;
}

static void compaction_after(bool for_ever)
{
    hone_rt_fold_facts facts;
    (void)for_ever;
    look_at_rows(0);
    works(hone_rt_rows_fold(&device, where, &facts));
    look_at_rows(0);
    assert_int_equal(files_in(where), 1);
}

static char source[128]; /* a file that is merged */

static void a_source(void)
{
    char        text[4 * HONE_RT_ROW_TEXT_MAX];
    size_t      length = 0, bytes;
    hone_rt_row row;
    for (int i = 0; i < 3; i++) {
        row = numbered(i);
        strcpy(row.silicon, device.fingerprint);
        works(hone_rt_row_print(&row, text + length, &bytes));
        length += bytes;
    }
    snprintf(source, sizeof source, "%s/source", root);
    works(hone_file_write(source, text, length));
}

static void merge(void)
{
    hone_rt_merge_facts facts;
    const bool          all = worked(hone_rt_rows_merge(where, source, &facts));
    for (int i = 0; i < 3; i++) acknowledged[i] = all;
}

static void merge_after(bool for_ever)
{
    (void)for_ever;
    look_at_rows(0);
    merge();
    assert_true(acknowledged[0]);
    look_at_rows(0);
}

static double read_figure(double expected, double or)
{
    hone_ceilings it;
    works(hone_rt_profile_load(&device, where, &it));
    if (it.fork_seconds != expected && it.fork_seconds != or) fail_msg("%g was kept", it.fork_seconds);
    return it.fork_seconds;
}

static void save(double fork_seconds)
{
    const hone_ceilings it = {.fork_seconds = fork_seconds};
    const bool          done = worked(hone_rt_profile_save(&device, where, &it));
    if (done && !disk.armed) read_figure(fork_seconds, fork_seconds);
}

static void old_ceilings(void)
{
    save(0.5);
    add_rows(0, 2);
    compaction();
}

static void ceilings(void)
{
    save(0.25);
}

static void ceilings_after(bool for_ever)
{
    (void)for_ever;
    if (!failures) read_figure(0.25, 0.25);
    read_figure(0.25, 0.5);
    look_at_rows(0);
    save(0.125);
}

static hone_context    *context;
static hone_rt_context *held;

static void count_calls(int n, int64_t calls)
{
    const hone_op  *op;
    hone_rt_problem problem;
    hone_rt_record *record;
    hone_log        log = {.level = HONE_LOG_WARNING, .say = hear};
    char            text[64];
    snprintf(text, sizeof text, "matmul f32 nn %dx%dx%d", n, n, n);
    works(hone_rt_problem_parse(held, text, &op, &problem));
    hone_request request = {.device = hone_rt_device_at(held, 0), .op = op, .problem = problem.bytes, .threads = 1};
    works(hone_rt_record_open(path_of("record"), &log, &record));
    for (int64_t i = 0; i < calls; i++) hone_rt_tally_add(hone_rt_record_tally(record, &request), 1000);
    hone_rt_record_close(record);
}

/* Calls of both problems; each line is whole. */
static long recorded(void)
{
    char  *text, *line;
    size_t bytes;
    long   sum = 0;
    works(hone_file_read(path_of("record"), 1 << 20, &text, &bytes));
    assert_true(bytes && text[bytes - 1] == '\n');
    for (line = text; *line; line = strchr(line, '\n') + 1) {
        long calls;
        assert_int_equal(sscanf(line, "matmul f32 nn %*s  # calls=%ld seconds=", &calls), 1);
        sum += calls;
    }
    hone_free(text);
    return sum;
}

static void old_record(void)
{
    count_calls(4, 3);
}

static void record(void)
{
    count_calls(5, 10);
}

static void record_after(bool for_ever)
{
    const long calls = recorded();
    (void)for_ever;
    assert_true(calls == 13 || (calls == 3 && failures == 1));
    count_calls(6, 100);
    assert_int_equal(recorded(), calls + 100);
}

static void keep_proof(uint64_t key)
{
    hone_rt_proof it = {.state = HONE_RT_MODULE_PROVEN, .backends = " cpu"};
    hone_rt_proof_keep(path_of("proofs"), key, &it);
}

static bool has_proof(uint64_t key)
{
    hone_rt_proof it;
    return hone_rt_proof_recall(path_of("proofs"), key, &it) && it.state == HONE_RT_MODULE_PROVEN &&
           !strcmp(it.backends, " cpu");
}

static void old_proof(void)
{
    keep_proof(1);
}

static void proof(void)
{
    keep_proof(2); /* it says nothing: the next process tries the module again */
}

static void proof_after(bool for_ever)
{
    (void)for_ever;
    assert_true(has_proof(1) && failures == 0);
    keep_proof(3);
    assert_true(has_proof(1) && has_proof(3));
}

static hone_tape *tape;
static bool       done[4];

static void open_tape(void)
{
    works(hone_tape_open(path_of("some.tape"), 5, false, &tape));
}

static void write_tape(void)
{
    const hone_oracle none = {0};
    for (int i = 0; i < 4; i++) {
        char text[16] = "x";
        works(hone_tape_problem(tape, i, &none, NULL)); /* it stops nobody */
        works(hone_tape_starts(tape, text, sizeof text));
        works(hone_tape_done(tape, i));
        done[i] = !hone_tape_complaint(tape);
    }
    if (hone_tape_complaint(tape)) tell(hone_tape_complaint(tape));
    hone_tape_close(tape, false);
}

static void tape_after(bool for_ever)
{
    (void)for_ever;
    for (int turn = 0; turn < 2; turn++) {
        open_tape();
        for (int i = 0; i < 4; i++) assert_true(hone_tape_is_done(tape, i) || !done[i]);
        if (turn) assert_true(hone_tape_is_done(tape, 9));
        works(hone_tape_done(tape, 9));
        assert_null(hone_tape_complaint(tape));
        hone_tape_close(tape, false);
    }
}

static const struct {
    const char *name;
    void (*before)(void), (*work)(void), (*after)(bool for_ever);
} scenarios[] = {{"journal", nothing, journal, journal_after},
                 {"compaction", two_journals, compaction, compaction_after},
                 {"merge", a_source, merge, merge_after},
                 {"ceilings", old_ceilings, ceilings, ceilings_after},
                 {"record", old_record, record, record_after},
                 {"proof", old_proof, proof, proof_after},
                 {"tape", open_tape, write_tape, tape_after}};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* --- the sweep --------------------------------------------------------------------------------------------------- */

static int open_files(void)
{
    return files_in("/proc/self/fd");
}

static void fresh_folder(void)
{
    static int number;
    snprintf(where, sizeof where, "%s/%d", root, number++);
    works(hone_folder_make(where));
    memset(acknowledged, 0, sizeof acknowledged);
    memset(done, 0, sizeof done);
    failures = 0;
}

/* One scenario with one fault at its nth call. False: it has fewer. */
static bool try_one(int scenario, fault it, bool for_ever, long nth)
{
    fresh_folder();
    scenarios[scenario].before();
    assert_int_equal(failures, 0);
    const int     files = open_files() - (scenarios[scenario].before == open_tape);
    const int64_t blocks = hone_alloc_live();
    memset(&disk, 0, sizeof disk);
    disk.armed = true;
    disk.for_ever = for_ever;
    disk.fault = it;
    disk.fail_at = nth;
    print_message("%s: %s at call %ld%s\n", scenarios[scenario].name, fault_names[it], nth, for_ever ? " and on" : "");
    scenarios[scenario].work();
    disk.armed = false;
    if (it == INTERRUPTED) assert_int_equal(failures, 0); /* asked again, it works */
    if (!for_ever) assert_in_range(failures, 0, 1);
    assert_int_equal(open_files(), files);
    assert_true(hone_alloc_live() <= blocks);
    scenarios[scenario].after(for_ever);
    return disk.hits > 0;
}

static void every_call_fails_once(void **state)
{
    int tried = 0;
    (void)state;
    for (int scenario = 0; scenario < SCENARIOS; scenario++)
        for (int it = 0; it < FAULTS; it++)
            for (long nth = 1; try_one(scenario, (fault)it, false, nth); nth++) tried++;
    print_message("%d faults\n", tried);
    assert_true(tried > 150);
}

static void every_call_fails_from_one_on(void **state)
{
    (void)state;
    for (int scenario = 0; scenario < SCENARIOS; scenario++)
        for (int it = INPUT_OUTPUT; it <= SHORT; it++) /* what is interrupted for ever never ends */
            for (long nth = 1; try_one(scenario, (fault)it, true, nth); nth++) continue;
}

static int begin(void **state)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    (void)state;
    strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/hone-test-disk-XXXXXX" /* whose fsync waits for no disk */
                                               : "/tmp/hone-test-disk-XXXXXX");
    setenv("HONE_MODULES", "off", 1);
    options.tune = HONE_TUNE_OFF;
    options.thread_count = 1;
    return mkdtemp(root) && !hone_context_create(&options, &context) && !hone_rt_context_hold(context, &held) ? 0 : -1;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    hone_rt_context_release(held);
    if (hone_context_destroy(context) != HONE_OK) return -1;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_fails_once),
                                       cmocka_unit_test(every_call_fails_from_one_on)};
    return cmocka_run_group_tests_name("tuner.disk", tests, begin, end);
}
