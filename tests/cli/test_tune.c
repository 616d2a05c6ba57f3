/* hone tune as its users meet it: rows that stay, Ctrl-C, going on, and misuse. Bounds on time are wide.
 *
 *     test_tune <hone> */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static const char *program;
static char        folder[] = "/tmp/hone-test-tune-XXXXXX";
static char        out[1 << 20];

/* Runs it, with both its streams in `out`, or stdout alone. Gives the exit status. */
static int run(const char *before, const char *arguments, bool with_talk)
{
    char   command[2048];
    size_t size = 0;
    snprintf(command, sizeof command, "%s %s %s %s", before, program, arguments, with_talk ? "2>&1" : "2>/dev/null");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t got; (got = fread(out + size, 1, sizeof out - 1 - size, pipe)) > 0;) size += got;
    out[size] = 0;
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void expect(const char *before, const char *arguments, int code, const char *says)
{
    int got = run(before, arguments, true);
    if (got != code || !strstr(out, says))
        fail_msg("hone %s ended with %d, not %d, or did not say '%s':\n%s", arguments, got, code, says, out);
}

#define ONE "\"matmul f32 nn 24x24x24\" --threads 1 --budget 2s"

static void keeps_what_it_measured(void **state)
{
    (void)state;
    expect("", "tune " ONE " --verify", 2, "'hone tune' measures them");
    assert_int_equal(run("", "tune " ONE " --json", false), 0);
    char   *rest = out, *line, *last = NULL;
    int     lines = 0;
    json_t *json = NULL;
    while ((line = strsep(&rest, "\n")) && *line) {
        json_error_t error;
        json_decref(json);
        json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (!json) fail_msg("line %d: %s: %s", lines + 1, error.text, line);
        last = line;
        lines++;
    }
    assert_non_null(last);
    assert_true(lines >= 3); /* begin, done, report */
    assert_string_equal(json_string_value(json_object_get(json, "event")), "report");
    assert_int_equal(json_integer_value(json_object_get(json, "tuned")), 1);
    json_t *problem = json_array_get(json_object_get(json, "problems"), 0);
    assert_true(json_integer_value(json_object_get(problem, "compared")) >= 3 * 24 * 24);
    assert_true(json_number_value(json_object_get(json_object_get(problem, "best"), "median_us")) > 0);
    json_decref(json);
    int code = run("", "tune " ONE " --verify", true); /* 1 where the machine says that it is slower now */
    if ((code != 0 && code != 1) || !strstr(out, "1 problems measured again")) fail_msg("%d:\n%s", code, out);
    code = run("", "tune " ONE " --verify --brief", true);
    if ((code != 0 && code != 1) || !strstr(out, "1 problems measured again") || strstr(out, "regret beside"))
        fail_msg("%d:\n%s", code, out);
    code = run("", "tune " ONE " --verify --beside /tmp/hone-nothing-here", true);
    if ((code != 0 && code != 1) || !strstr(out, "0 of 0 choices within 2 %")) fail_msg("%d:\n%s", code, out);
    expect("", "tune --evaluate", 0, "matmul: 1 row, each left out"); /* nothing is near but itself */
    expect("", "tune --evaluate", 0, "1 with nothing near");
    expect("", "tune --evaluate --threads 3", 2, "no row that this hone can repeat");
    expect("", "tune \"matmul f32 nn 28x24x24\" --threads 1 --budget 1s", 0, "1 of 1 problems tuned");
    assert_int_equal(run("", "tune --evaluate --json", false), 0);
    json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    const json_t *op = json_array_get(json_object_get(json, "ops"), 0);
    assert_string_equal(json_string_value(json_object_get(op, "op")), "matmul");
    assert_int_equal(json_integer_value(json_object_get(op, "rows")), 2);
    assert_int_equal(json_integer_value(json_object_get(op, "nothing_near")), 0);
    const json_t *predicted = json_object_get(op, "predicted"), *estimated = json_object_get(op, "estimated");
    assert_true(json_number_value(json_object_get(predicted, "mean")) >= 0);
    assert_true(json_number_value(json_object_get(predicted, "worst")) >=
                json_number_value(json_object_get(predicted, "p95")));
    assert_true(json_number_value(json_object_get(estimated, "worst")) >=
                json_number_value(json_object_get(estimated, "mean")));
    json_decref(json);
    expect("HONE_TUNE=read", "explain \"matmul f32 nn 26x24x24\" --threads 1", 0, "by        predicted");
    expect("HONE_TUNE=off", "explain \"matmul f32 nn 26x24x24\" --threads 1", 0, "by        estimated");
    expect("", "tune " ONE " --seed 2", 0, "1 of 1 problems tuned");
    if (strchr(out, '\033')) fail_msg("it paints in a pipe:\n%s", out);
}

/* Answers that the tape of an interrupted session holds. */
static int kept_answers(void)
{
    char  command[256];
    int   count = 0;
    snprintf(command, sizeof command, "cat %s/session-*.tape | grep -c admit", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    if (fscanf(pipe, "%d", &count) != 1) count = 0;
    pclose(pipe);
    return count;
}

static void answers_ctrl_c_and_goes_on(void **state)
{
    (void)state;
    const char *interrupted = "timeout --preserve-status -s INT -k 120 1.5", *went_on = "went on with a session";
    int64_t     start = hone_now_ns();
    expect(interrupted, "tune training --threads 1 --budget 300s", 130, "goes on from here");
    if (hone_now_ns() - start > (int64_t)63 * 1000000000) fail_msg("it took its time:\n%s", out);
    bool kept = kept_answers() > 0; /* a slow machine may not have come so far */
    expect(interrupted, "tune training --threads 1 --budget 300s", 130, kept ? went_on : "goes on from here");
}

static void heeds_no_ctrl_c_where_that_is_ignored(void **state)
{
    (void)state; /* as in a shell's background: it runs to its end */
    expect("timeout --preserve-status -s INT -k 120 0.7 env --ignore-signal=INT",
           "tune \"matmul f32 nn 24x24x24\" --threads 1 --seed 3 --budget 3s", 0, "1 of 1 problems tuned");
}

static void refuses_misuse(void **state)
{
    (void)state;
    expect("", "tune nosuch", 2, "no op has a suite 'nosuch'");
    expect("", "tune \"matmul f32 nn 4x4\"", 2, "matmul");
    expect("", "tune /nowhere/record", 2, "/nowhere/record");
    expect("", "tune --strategy nosuch", 2, "there is no strategy 'nosuch'");
    expect("", "tune --beside /tmp", 2, "--beside is for --verify");
    expect("", "tune --brief", 2, "--brief is for --verify");
    expect("", "tune quick --evaluate", 2, "it takes no problems, and no --verify");
    expect("", "tune --evaluate --verify", 2, "it takes no problems, and no --verify");
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_measured),
        cmocka_unit_test(answers_ctrl_c_and_goes_on),
        cmocka_unit_test(heeds_no_ctrl_c_where_that_is_ignored),
        cmocka_unit_test(refuses_misuse),
    };
    char command[256];
    if (count != 2 || !mkdtemp(folder)) return 2;
    program = words[1];
    setenv("HONE_PROFILE_PATH", folder, 1);
    setenv("HONE_MODULES", "off", 1);
    if (run("", "devices", true) != 0) return fputs(out, stderr), 2; /* the ceilings, once */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 2;
}
