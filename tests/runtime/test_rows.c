/* Rows: what was added is found, by the request that it is about, in the layer that is nearest; whatever is wrong with
 * a file or a line is told and passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"
#include "runtime/profile/names.h"
#include "runtime/profile/row.h"
#include "tests/memory.h"

static char                 root[64];
static const hone_be_device device = {.name = "cpu:0", .fingerprint = "cpu Test/1/2 avx512 cores=4"};

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hone-test-rows-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

#define works(call) assert_int_equal_said((call), #call, __LINE__)
static void assert_int_equal_said(hone_status status, const char *call, int line)
{
    if (status != HONE_OK) fail_msg("%d: %s: %s", line, call, hone_last_error());
}

/* --- a row with something in every place ------------------------------------------------------------------------- */

static hone_rt_row full_row(void)
{
    hone_rt_row row = {.kind = HONE_RT_ROW_MEASURED, .threads = 2, .alignment = 64, .compared = 16384,
                       .sample_count = 3, .samples = {1e-6, 1.25e-6, 2e-6}, .complete = true,
                       .best = {"cpu.packed", 3, "", "tile=14x32 mc=112", 1.25e-6, 1e-6, 2e-6, 40},
                       .next = {"onednn2.matmul", 1, "onednn 2.6.3 \"avx512\"", "", 1.5e-6, 1.4e-6, 1.6e-6, 40},
                       .untuned = {"cpu.direct", 2, "", "rows=4", 1.75e-6, 1.5e-6, 2e-6, 40}};
    strcpy(row.problem, "matmul f32 nn 8x8x8");
    strcpy(row.rivals, "cpu.direct 2,cpu.packed 3");
    strcpy(row.reason, "4 data sets, 16384 elements; \\ and \"quotes\", \t and \xc3\xa4");
    return row;
}

static void assert_rows(const hone_rt_row *got, const hone_rt_row *expected)
{
    assert_int_equal(got->kind, expected->kind);
    assert_string_equal(got->problem, expected->problem);
    assert_int_equal(got->threads, expected->threads);
    assert_int_equal(got->alignment, expected->alignment);
    assert_int_equal(got->flags, expected->flags);
    assert_int_equal(got->scratch_cap, expected->scratch_cap);
    assert_int_equal(got->cold, expected->cold);
    assert_int_equal(got->loaded, expected->loaded);
    assert_memory_equal(&got->best, &expected->best, sizeof got->best);
    assert_memory_equal(&got->next, &expected->next, sizeof got->next);
    assert_memory_equal(&got->untuned, &expected->untuned, sizeof got->untuned);
    assert_string_equal(got->rivals, expected->rivals);
    assert_string_equal(got->reason, expected->reason);
    assert_int_equal(got->compared, expected->compared);
    assert_int_equal(got->sample_count, expected->sample_count);
    assert_memory_equal(got->samples, expected->samples, sizeof got->samples);
    assert_int_equal(got->complete, expected->complete);
}

static void what_is_printed_is_parsed(void **state)
{
    char        line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row row = full_row(), got;
    (void)state;
    strcpy(row.silicon, device.fingerprint);
    works(hone_rt_row_print(&row, line, &bytes));
    works(hone_rt_row_parse(device.fingerprint, line, bytes, &got));
    assert_rows(&got, &row);
    works(hone_rt_row_parse(NULL, line, bytes - 1, &got));
    assert_rows(&got, &row);
    assert_int_equal(hone_rt_row_parse("other", line, bytes, &got), HONE_ERROR_FORMAT);
    assert_non_null(strstr(hone_last_error(), "of other silicon"));
}

static void what_is_added_is_listed(void **state)
{
    hone_rt_journal *journal;
    hone_rt_rows    *rows;
    hone_rt_row      row = full_row(), got;
    (void)state;
    works(hone_rt_rows_open(&device, root, &rows));
    assert_int_equal(hone_rt_rows_at(rows, 0, &got), HONE_ERROR_NOT_FOUND);
    works(hone_rt_journal_open(&device, root, &journal));
    works(hone_rt_journal_add(journal, &row));
    strcpy(row.problem, "matmul f32 nn 9x9x9");
    works(hone_rt_journal_add(journal, &row));
    works(hone_rt_rows_refresh(rows));
    works(hone_rt_rows_at(rows, 0, &got));
    works(hone_rt_rows_at(rows, 1, &got));
    assert_int_equal(hone_rt_rows_at(rows, 2, &got), HONE_ERROR_NOT_FOUND);
    hone_rt_journal_close(journal);
    works(hone_rt_rows_refresh(rows));
    assert_int_equal(hone_rt_rows_at(rows, 2, &got), HONE_ERROR_NOT_FOUND);
    assert_null(hone_rt_rows_remark(rows, 0));
    hone_rt_rows_close(rows);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static int  at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", root, name);
    return paths[at];
}

static hone_rt_row plain(const char *problem, const char *kernel, const char *build, int64_t when)
{
    hone_rt_row row = {.kind = HONE_RT_ROW_MEASURED, .threads = 1, .alignment = 64, .complete = true, .when = when};
    snprintf(row.problem, sizeof row.problem, "%s", problem);
    snprintf(row.best.kernel, sizeof row.best.kernel, "%s", kernel);
    snprintf(row.build, sizeof row.build, "%s", build);
    return row;
}

static void keep(const char *folder, const hone_rt_row *row)
{
    hone_rt_journal *journal;
    works(hone_rt_journal_open(&device, folder, &journal));
    works(hone_rt_journal_add(journal, row));
    hone_rt_journal_close(journal);
}

/* The only row of the union: its kernel, and how many there are. */
static void expect_rows(const char *path, int count, const char *kernel)
{
    hone_rt_rows *rows;
    hone_rt_row   row;
    works(hone_rt_rows_open(&device, path, &rows));
    for (int i = 0; i < count; i++) works(hone_rt_rows_at(rows, i, &row));
    assert_int_equal(hone_rt_rows_at(rows, count, &row), HONE_ERROR_NOT_FOUND);
    if (kernel) {
        works(hone_rt_rows_at(rows, 0, &row));
        assert_string_equal(row.best.kernel, kernel);
    }
    hone_rt_rows_close(rows);
}

static void the_better_row_of_a_layer_counts(void **state)
{
    hone_rt_row        rows[] = {plain("p 1", "old", "0.9.0", 900), plain("p 1", "cut", "0.10.0", 800),
                                 plain("p 1", "early", "0.10.0", 100), plain("p 1", "best", "0.10.0", 200)};
    hone_rt_fold_facts facts;
    (void)state;
    rows[1].complete = false;
    for (int shift = 0; shift < 4; shift++) { /* in whatever order they come */
        char folder[128];
        snprintf(folder, sizeof folder, "%s/%d", root, shift);
        for (int i = 0; i < 4; i++) keep(folder, &rows[(i + shift) % 4]);
        expect_rows(folder, 1, "best");
        works(hone_rt_rows_fold(&device, folder, &facts));
        assert_true(facts.files == 4 && facts.rows == 1 && facts.superseded == 3 && facts.damaged == 0);
        expect_rows(folder, 1, "best");
        works(hone_rt_rows_fold(&device, folder, &facts));
        assert_int_equal(facts.files, 0);
    }
}

static void nearer_layers_win_row_by_row(void **state)
{
    char        list[300];
    hone_rt_row near = plain("p 1", "near", "0.1.0", 1), far = plain("p 1", "far", "9.0.0", 9);
    (void)state;
    keep(path_of("near"), &near);
    keep(path_of("far"), &far);
    strcpy(far.problem, "p 2");
    keep(path_of("far"), &far);
    snprintf(list, sizeof list, "%s:%s", path_of("near"), path_of("far"));
    expect_rows(list, 2, NULL);
    hone_rt_rows *rows;
    works(hone_rt_rows_open(&device, list, &rows));
    for (int i = 0; i < 2; i++) {
        hone_rt_row row;
        char        line[HONE_RT_ROW_TEXT_MAX];
        size_t      bytes;
        int         layer;
        works(hone_rt_rows_at(rows, i, &row));
        works(hone_rt_rows_text(rows, i, line, &bytes, &layer));
        assert_true(layer == !!strcmp(row.problem, "p 1"));
        assert_string_equal(row.best.kernel, layer ? "far" : "near");
        works(hone_rt_row_parse(device.fingerprint, line, bytes, &row));
    }
    hone_rt_rows_close(rows);
}

static void culprits_are_kept_each_once(void **state)
{
    hone_rt_fold_facts facts;
    hone_rt_row        row = plain("p 1", "cpu.bad", "0.1.0", 1);
    (void)state;
    row.kind = HONE_RT_ROW_QUARANTINE;
    strcpy(row.reason, "it crashed");
    keep(root, &row);
    row.threads = 4; /* the same, on other threads */
    keep(root, &row);
    strcpy(row.best.config, "tile=1");
    keep(root, &row);
    expect_rows(root, 2, "cpu.bad");
    works(hone_rt_rows_fold(&device, root, &facts));
    expect_rows(root, 2, "cpu.bad");
}

static void a_child_of_fork_has_a_file_of_its_own(void **state)
{
    hone_rt_journal *journal;
    int              how;
    hone_rt_row      row = plain("p 1", "parent", "0.1.0", 1);
    (void)state;
    works(hone_rt_journal_open(&device, root, &journal));
    works(hone_rt_journal_add(journal, &row));
    pid_t pid = fork();
    if (pid == 0) {
        strcpy(row.problem, "p 2");
        hone_status status = hone_rt_journal_add(journal, &row);
        hone_rt_journal_close(journal);
        _exit(status != HONE_OK);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    hone_rt_fold_facts facts;
    works(hone_rt_rows_fold(&device, root, &facts));
    assert_true(facts.files == 1 && facts.left == 1); /* the child's is sealed, ours is open */
    strcpy(row.problem, "p 3");
    works(hone_rt_journal_add(journal, &row));
    hone_rt_journal_close(journal);
    expect_rows(root, 3, NULL);
}

/* The first file whose name has this word. */
static void file_with(const char *word, char out[512])
{
    hone_rt_names names;
    *out = 0;
    works(hone_rt_names_list(root, hone_rt_silicon_key(device.fingerprint), &names));
    for (int i = 0; i < names.count; i++)
        if (strstr(names.at[i], word)) snprintf(out, 512, "%s/%s", root, names.at[i]);
    hone_free(names.at);
}

static void an_old_journal_of_elsewhere_is_taken_away(void **state)
{
    char               path[512], other[512];
    hone_rt_journal   *journal;
    hone_rt_fold_facts facts;
    hone_rt_row        row = plain("p 1", "cpu.a", "0.1.0", 1);
    struct timespec    old[2] = {{time(NULL) - 8 * 24 * 3600, 0}, {time(NULL) - 8 * 24 * 3600, 0}};
    (void)state;
    works(hone_rt_journal_open(&device, root, &journal));
    works(hone_rt_journal_add(journal, &row));
    file_with(".journal.", path);
    snprintf(other, sizeof other, "%s/%016" PRIx64 ".journal.elsewhere.12345678.1.2.3.0.jsonl", root,
             hone_rt_silicon_key(device.fingerprint));
    assert_int_equal(link(path, other), 0); /* another host's */
    works(hone_rt_rows_fold(&device, root, &facts));
    assert_true(facts.files == 0 && facts.left == 2);
    assert_int_equal(utimensat(AT_FDCWD, other, old, 0), 0);
    works(hone_rt_rows_fold(&device, root, &facts));
    assert_true(facts.files == 1 && facts.left == 1 && facts.rows == 1);
    assert_int_equal(access(other, F_OK), -1);

    assert_int_equal(unlink(path), 0); /* and what its writer finds when somebody did that to it */
    strcpy(row.problem, "p 2");
    works(hone_rt_journal_add(journal, &row));
    hone_rt_journal_close(journal);
    expect_rows(root, 2, NULL);
}

/* --- what can be wrong with files -------------------------------------------------------------------------------- */

/* Opens the folder, expects so many rows, and these words in what is said of it; NULL: nothing is said. */
static void expect_said(int count, const char *words)
{
    hone_rt_rows *rows;
    hone_rt_row   row;
    works(hone_rt_rows_open(&device, root, &rows));
    int found = 0;
    for (int i = 0; hone_rt_rows_at(rows, i, &row) != HONE_ERROR_NOT_FOUND; i++) found++;
    const char *remark = hone_rt_rows_remark(rows, 0);
    if (!words && remark) fail_msg("'%s' was said", remark);
    if (words && (!remark || !strstr(remark, words))) fail_msg("'%s' has no '%s'", remark, words);
    assert_int_equal(found, count);
    hone_rt_rows_close(rows);
}

static void append_text(const char *path, const char *text, size_t bytes)
{
    int file = open(path, O_WRONLY | O_APPEND);
    assert_true(file >= 0 && write(file, text, bytes) == (ssize_t)bytes);
    close(file);
}

static void every_fault_of_a_file_is_told(void **state)
{
    char        path[512], line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row row = plain("p 1", "cpu.a", "0.1.0", 1), other = plain("p 9", "cpu.b", "0.1.0", 1);
    (void)state;
    keep(root, &row);
    file_with(".journal.", path);
    expect_said(1, NULL);
    append_text(path, "{\"key\":\"00", 10); /* torn: nothing to be told */
    expect_said(1, NULL);
    append_text(path, "\n\n", 2);
    expect_said(1, "1 damaged line is passed over");
    append_text(path, "nonsense \0 with a zero\n", 23);
    expect_said(1, "2 damaged lines are passed over; `hone profile verify` says which");
    strcpy(other.silicon, "cpu Other/9/9"); /* in a file of our name */
    works(hone_rt_row_print(&other, line, &bytes));
    append_text(path, line, bytes);
    expect_said(2, "damaged");
    char *huge = malloc(300000);
    memset(huge, 'x', 300000);
    append_text(path, huge, 300000);
    append_text(path, "\n", 1);
    expect_said(2, "3 damaged lines");
    free(huge);
    works(hone_rt_row_print((strcpy(row.silicon, device.fingerprint), &row), line, &bytes));
    append_text(path, line, bytes); /* behind it all is read again */
    expect_said(2, "3 damaged lines");

    assert_int_equal(chmod(path, 0666), 0);
    expect_said(0, "others may write to it (its mode is 666; `chmod go-w` mends it)");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(root, 0777), 0);
    expect_said(0, "will not use the folder");
    assert_int_equal(chmod(root, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        expect_said(0, "it belongs to the user of number 12345; copy it");
        assert_int_equal(chown(path, 0, 0), 0);
    } else {
        assert_int_equal(chmod(path, 0), 0);
        expect_said(0, "Permission denied");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_said(0, "it is no regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    expect_said(0, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody waits for it */
    expect_said(0, "it is no regular file");
    assert_int_equal(unlink(path), 0);
    works(hone_file_write(path, "", 0)); /* empty: begun, and no more */
    expect_said(0, NULL);
    hone_rt_row newer = plain("p 1", "cpu.a", "0.1.0", 1);
    strcpy(newer.silicon, device.fingerprint);
    works(hone_rt_row_print(&newer, line, &bytes));
    char *format = strstr(line, "\"format\":1");
    format[9] = '2';
    uint64_t key = 0;
    hone_rt_hex_get(line + 8, &key);
    hone_rt_line_seal(key, line, bytes);
    append_text(path, line, bytes);
    expect_said(1, "its format is 2, and this hone reads 1");
}

/* --- what can be wrong with writing ------------------------------------------------------------------------------ */

static int in_child(int (*body)(void))
{
    int   how;
    pid_t pid = fork();
    if (pid == 0) _exit(body());
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 1000 + WTERMSIG(how);
}

/* A disk that is full after 3000 bytes: some rows are kept, the others say so, and what is there stays whole. */
static int fills_the_disk(void)
{
    hone_rt_journal *journal;
    struct rlimit    limit = {3000, 3000};
    int              kept = 0, refused = 0;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (hone_rt_journal_open(&device, root, &journal) != HONE_OK) return 1;
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "p %d", i);
        hone_rt_row row = plain(text, "cpu.a", "0.1.0", 1);
        if (i >= 15) row.sample_count = HONE_RT_SAMPLES_MAX; /* longer ones */
        hone_status status = hone_rt_journal_add(journal, &row);
        kept += status == HONE_OK;
        refused += status == HONE_ERROR_FILE && strstr(hone_last_error(), "cannot write") &&
                   strstr(hone_last_error(), "the row is not kept");
    }
    hone_rt_journal_close(journal);
    if (kept < 3 || refused < 5 || kept + refused != 20) return 2;
    return kept;
}

static void a_full_disk_costs_the_rows_alone(void **state)
{
    (void)state;
    int kept = in_child(fills_the_disk);
    assert_true(kept > 2 && kept < 20);
    expect_rows(root, kept, "cpu.a");
    expect_said(kept, NULL);
}

static int cannot_write(void)
{
    hone_rt_journal   *journal;
    hone_rt_row        row = plain("p 2", "cpu.a", "0.1.0", 1);
    hone_rt_fold_facts facts;
    if (geteuid() == 0 && (setgid(12345) || setuid(12345))) return 1;
    if (hone_rt_journal_open(&device, root, &journal) != HONE_OK) return 2;
    if (hone_rt_journal_add(journal, &row) != HONE_ERROR_FILE || !hone_last_error()[0]) return 3;
    hone_rt_journal_close(journal);
    (void)hone_rt_rows_fold(&device, root, &facts); /* it may say why, and must end */
    return 0;
}

static void a_folder_that_cannot_be_written_is_told(void **state)
{
    hone_rt_journal *journal;
    hone_rt_row      row = plain("p 1", "cpu.a", "0.1.0", 1);
    (void)state;
    keep(root, &row);
    assert_int_equal(chmod(root, 0500), 0);
    assert_int_equal(in_child(cannot_write), 0);
    assert_int_equal(chmod(root, 0700), 0);
    expect_rows(root, 1, "cpu.a");
    works(hone_file_write(path_of("a file"), "", 0));
    works(hone_rt_journal_open(&device, path_of("a file"), &journal));
    assert_int_equal(hone_rt_journal_add(journal, &row), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "a file is there"));
    hone_rt_journal_close(journal);
    assert_int_equal(chmod(root, 0770), 0);
    works(hone_rt_journal_open(&device, root, &journal));
    assert_int_equal(hone_rt_journal_add(journal, &row), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "others may write to it"));
    hone_rt_journal_close(journal);
}

/* --- text -------------------------------------------------------------------------------------------------------- */

static void every_damage_is_noticed(void **state)
{
    char        line[HONE_RT_ROW_TEXT_MAX], *copy;
    size_t      bytes;
    hone_rt_row row = full_row(), got;
    hone_random r = hone_random_seeded(5);
    (void)state;
    strcpy(row.silicon, device.fingerprint);
    works(hone_rt_row_print(&row, line, &bytes));
    for (size_t at = 0; at + 1 < bytes; at++) {
        copy = malloc(bytes);
        memcpy(copy, line, bytes);
        copy[at] ^= (char)(1 << hone_random_below(&r, 8));
        assert_int_equal(hone_rt_row_parse(NULL, copy, bytes, &got), HONE_ERROR_FORMAT);
        assert_true(got.problem[0] == 0 && hone_last_error()[0]);
        free(copy);
        copy = malloc(at + 1);
        memcpy(copy, line, at);
        assert_int_equal(hone_rt_row_parse(NULL, copy, at, &got), HONE_ERROR_FORMAT);
        free(copy);
    }
}

/* Lines with a right checksum and wrong content: a hand has been at work. */
static void every_lie_is_noticed(void **state)
{
    static const struct {
        const char *was, *is, *sentence;
    } lies[] = {{"\"format\":1", "\"format\":2", "its format is 2, and this hone reads 1"},
                {"\"format\":1", "\"format\":\"1\"", "its format has no number"},
                {"\"row\":\"measured\"", "\"row\":\"guessed\"", "a row of 'guessed', which this hone does not know"},
                {"8x8x8", "8x8x9", "and what it is about gives"},
                {"\"threads\":2", "\"threads\":3", "and what it is about gives"},
                {"\"threads\":2", "\"threads\":-1", "its 'threads' is no integer from 0"},
                {"\"threads\":2", "\"threads\":2.5", "its 'threads' is no integer"},
                {"\"threads\":2", "\"threads\":99999999999999999999", "no JSON: an integer is too large"},
                {"\"alignment\":64", "\"alignment\":63", "no power of two"},
                {"\"flags\":[]", "\"flags\":[\"flying\"]", "its flag 'flying' is not known"},
                {"\"flags\":[]", "\"flags\":7", "its 'flags' are no list"},
                {"\"warm\"", "\"tepid\"", "its 'operands' is neither warm nor cold"},
                {"\"kernel\":\"cpu.packed\"", "\"kernel\":\"\"", "its 'best' names no kernel"},
                {"\"kernel\":\"cpu.packed\"", "\"kernel\":7", "its 'kernel' is no text"},
                {"\"median\":1.25e-06", "\"median\":-1", "its 'median' is no number of seconds"},
                {"\"median\":1.25e-06", "\"median\":1e9", "its 'median' is no number of seconds"},
                {"\"median\":1.25e-06", "\"median\":3e-6", "outside its interval"},
                {"\"median\":1.25e-06,", "", "its 'median' is no number of seconds"},
                {"\"samples\":[1e-06", "\"samples\":[null", "its 'samples' is no number of seconds"},
                {"\"complete\":true", "\"complete\":\"yes\"", "its 'complete' is neither"},
                {"\"silicon\":\"cpu Test", "\"silicon\":\"cpu Best", "of other silicon"},
                {"\"compared\":16384", "\"compared\":16384,\"compared\":1", "no JSON: its 'compared' is there twice"},
                {"\"compared\":16384", "\"compared\":[[[[[[[[]]]]]]]]", "its 'compared' is no integer"},
                {"\"reason\":\"", "\"reason\":\"\\u0000", "no JSON"}};
    char        line[HONE_RT_ROW_TEXT_MAX], made[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row row = full_row(), got;
    uint64_t    key;
    (void)state;
    strcpy(row.silicon, device.fingerprint);
    works(hone_rt_row_print(&row, line, &bytes));
    line[bytes] = 0;
    hone_rt_hex_get(line + 8, &key);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char *at = strstr(line, lies[i].was);
        assert_non_null(at);
        int length = snprintf(made, sizeof made, "%.*s%s%s", (int)(at - line), line, lies[i].is,
                              at + strlen(lies[i].was));
        hone_rt_line_seal(key, made, (size_t)length);
        assert_int_equal(hone_rt_row_parse(device.fingerprint, made, (size_t)length, &got), HONE_ERROR_FORMAT);
        if (!strstr(hone_last_error(), lies[i].sentence))
            fail_msg("'%s' gives '%s', not '%s'", lies[i].is, hone_last_error(), lies[i].sentence);
    }
    char *nested = malloc(30000);
    for (int letter = 0; letter < 2; letter++) {
        memset(nested, letter ? '[' : '{', 30000);
        hone_rt_line_seal(key, nested, 30000);
        assert_int_equal(hone_rt_row_parse(NULL, nested, 30000, &got), HONE_ERROR_FORMAT);
    }
    free(nested);
}

static void what_no_reader_would_take_is_not_written(void **state)
{
    char        line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    hone_rt_row row = full_row(), bad;
    (void)state;
    strcpy(row.silicon, device.fingerprint);
#define BAD(change, words)                                                                                             \
    do {                                                                                                               \
        bad = row;                                                                                                     \
        change;                                                                                                        \
        assert_int_equal(hone_rt_row_print(&bad, line, &bytes), HONE_ERROR_ARGUMENT);                                  \
        assert_non_null(strstr(hone_last_error(), words));                                                             \
    } while (0)
    BAD(bad.problem[0] = 0, "no problem");
    BAD(bad.best.kernel[0] = 0, "no kernel");
    BAD(bad.silicon[0] = 0, "no silicon");
    BAD(bad.threads = -1, "-1 threads");
    BAD(bad.alignment = 48, "no power of two");
    BAD(bad.flags = 64, "flags without a name");
    BAD(bad.best.median_s = -1, "no number of seconds");
    BAD(bad.best.median_s = 1, "outside its interval");
    BAD(bad.next.rounds = -1, "-1 rounds");
    BAD(bad.sample_count = 65, "65 samples");
    BAD(bad.samples[2] = 1e9, "sample 2");
    BAD(bad.compared = -2, "elements were compared");
    BAD(bad.kind = (hone_rt_row_kind)7, "kind is 7");
    memset(row.problem, '\1', sizeof row.problem - 1); /* all escapes: it still fits */
    memset(row.reason, '\1', sizeof row.reason - 1);
    works(hone_rt_row_print(&row, line, &bytes));
    BAD(strcpy(bad.problem, "p \xff"), "no text in UTF-8");
    BAD(strcpy(bad.problem, "p \xed\xa0\x80 end"), "no text in UTF-8");
    strcpy(row.problem, "p \xc3\xa4");
    strcpy(row.reason, "it said \xff\xc3, and went"); /* what a dying process says: written as text */
    works(hone_rt_row_print(&row, line, &bytes));
    works(hone_rt_row_parse(NULL, line, bytes, &bad));
    assert_string_equal(bad.reason, "it said ?\x3f, and went");
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static bool kept; /* that all_of_it() came so far */

static hone_status all_of_it(void)
{
    hone_rt_journal   *journal;
    hone_rt_rows      *rows = NULL;
    hone_rt_row        row = plain("p 1", "cpu.a", "0.1.0", 1);
    hone_rt_fold_facts facts;
    hone_rt_merge_facts merged;
    hone_status        status = hone_rt_journal_open(&device, path_of("a"), &journal);
    if (status != HONE_OK) return status;
    status = hone_rt_journal_add(journal, &row);
    kept = status == HONE_OK;
    hone_rt_journal_close(journal);
    if (status == HONE_OK) status = hone_rt_rows_fold(&device, path_of("a"), &facts);
    if (status == HONE_OK) status = hone_rt_rows_open(&device, path_of("a"), &rows);
    if (status == HONE_OK) status = hone_rt_rows_at(rows, 0, &row);
    if (status == HONE_OK) status = hone_rt_rows_refresh(rows);
    hone_rt_rows_close(rows);
    char path[512];
    snprintf(path, sizeof path, "%s", path_of("sources"));
    if (status == HONE_OK) status = hone_rt_rows_open_file(path, &rows);
    if (status == HONE_OK) hone_rt_rows_close(rows);
    if (status == HONE_OK) status = hone_rt_rows_merge(path_of("b"), path, &merged);
    return status;
}

static void short_memory_is_told(void **state)
{
    char        line[HONE_RT_ROW_TEXT_MAX];
    size_t      bytes;
    test_memory memory;
    hone_rt_row row = plain("p 7", "cpu.a", "0.1.0", 1);
    (void)state;
    strcpy(row.silicon, device.fingerprint);
    works(hone_rt_row_print(&row, line, &bytes));
    works(hone_file_write(path_of("sources"), line, bytes));
    int64_t n = 1;
    for (int64_t reached = 1; reached; n++) {
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = n;
        hone_status status = all_of_it();
        reached = memory.calls >= n;
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_int_equal(status, reached ? HONE_ERROR_MEMORY : HONE_OK);
        expect_rows(path_of("a"), kept, kept ? "cpu.a" : NULL);
        char command[256];
        snprintf(command, sizeof command, "rm -rf %s %s", path_of("a"), path_of("b"));
        assert_int_equal(system(command), 0);
        kept = false;
    }
    assert_true(n > 12);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_printed_is_parsed),
        TEST(what_is_added_is_listed),
        TEST(the_better_row_of_a_layer_counts),
        TEST(nearer_layers_win_row_by_row),
        TEST(culprits_are_kept_each_once),
        TEST(a_child_of_fork_has_a_file_of_its_own),
        TEST(an_old_journal_of_elsewhere_is_taken_away),
        TEST(every_fault_of_a_file_is_told),
        TEST(a_full_disk_costs_the_rows_alone),
        TEST(a_folder_that_cannot_be_written_is_told),
        TEST(every_damage_is_noticed),
        TEST(every_lie_is_noticed),
        TEST(what_no_reader_would_take_is_not_written),
        TEST(short_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
