/* Rows: what was added is found, by the request that it is about, in the layer that is nearest; whatever is wrong with
 * a file or a line is told and passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/status.h"
#include "runtime/profile/rows.h"

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

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_printed_is_parsed),
        TEST(what_is_added_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
