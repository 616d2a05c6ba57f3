/* LIBXSMM's kernels: judged on problems drawn at random, at the edges, in batches shared among threads; and that it
 * leaves the environment alone.
 *
 *     test_xsmm PROBE MODULE_FOLDER [CASES] */
#include "tests/modules/rows.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

static void test_judged(void **state)
{
    (void)state;
    rows_judge(false, 8);
}

static void test_edges(void **state)
{
    (void)state;
    rows_edges();
}

static hone_matmul_problem plain(int64_t m, int64_t n, int64_t k)
{
    return (hone_matmul_problem){.type_a = HONE_F32, .type_b = HONE_F32, .type_c = HONE_F32, .m = m, .n = n, .k = k,
                                 .a_row = k, .a_column = 1, .b_row = n, .b_column = 1, .c_row = n, .c_column = 1};
}

static void must_refuse(const hone_matmul_problem *p, const char *part)
{
    hone_request request = rows_request(p);
    const char  *why = rows_kernels[0]->refuses(&request);
    assert_non_null(why);
    if (!strstr(why, part)) fail_msg("'%s' lacks '%s'", why, part);
}

static void test_refusals(void **state)
{
    (void)state;
    hone_matmul_problem p = plain(4, 5, 6);
    hone_request        request = rows_request(&p);
    assert_null(rows_kernels[0]->refuses(&request));
    p.step_count = 1, p.step[0].kind = HONE_STEP_RELU;
    must_refuse(&p, "no steps");
    p = plain(4, 5, 6), p.b_row = 1, p.b_column = 6;
    must_refuse(&p, "column-major b");
    p = plain(1024, 1024, 1024);
    must_refuse(&p, "2^20 elements");
    p = plain(4, 5, 6), p.b_row = -5;
    must_refuse(&p, "contiguous");
}

static void test_at_once(void **state)
{
    (void)state;
    rows_call_at_once(rows_kernels[0]);
}

/* As many variables as before, each as it was: kept in `before` at the start of the program. */
static char *before[512];

static void test_environment(void **state)
{
    int count = 0;
    (void)state;
    for (; environ[count]; count++) {
        if (!strncmp(environ[count], "HONE_PROFILE_PATH=", 18)) continue; /* the test's own */
        bool kept = false;
        for (int i = 0; before[i]; i++) kept |= !strcmp(before[i], environ[count]);
        if (!kept) fail_msg("'%s' is new", environ[count]);
    }
    for (int i = 0; before[i]; i++) free(before[i]);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged),  cmocka_unit_test(test_edges),       cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_at_once), cmocka_unit_test(test_environment),
    };
    for (int i = 0; environ[i] && i < 511; i++) before[i] = strdup(environ[i]);
    return ROWS_MAIN(count, words, "xsmm.", tests);
}
