/* A context that tunes what is missing: the first call of a problem has it measured by the installed worker, and later
 * contexts find the row. Without the worker one sentence is said, and the call is done as ever.
 *
 *     test_missing WORKER */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/modules.h"
#include "runtime/profile/rows.h"
#include "tests/runtime/tools.h"

static char folder[] = "/tmp/hone-test-missing-XXXXXX", said[2048];
static int  sayings;

static void hear(void *user, hone_log_level level, const char *line)
{
    (void)user;
    if (level != HONE_LOG_WARNING) return;
    snprintf(said, sizeof said, "%s", line);
    sayings++;
}

/* One product of 12 x 12 in a context of its own, and what of it. */
static hone_status multiply(hone_tune_mode mode)
{
    static float         a_data[144], b_data[144], c_data[144];
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *context;
    hone_device         *device;
    hone_stream         *stream;
    hone_tensor a = hone_matrix(HONE_F32, 12, 12, a_data), b = hone_matrix(HONE_F32, 12, 12, b_data),
                c = hone_matrix(HONE_F32, 12, 12, c_data);
    options.tune = mode;
    options.tune_seconds = 0.5;
    options.thread_count = 1;
    options.log = hear;
    for (int i = 0; i < 144; i++) a_data[i] = 2, b_data[i] = 3, c_data[i] = -1;
    works(hone_context_create(&options, &context));
    works(hone_device_find(context, "cpu:0", &device));
    works(hone_stream_create(device, &stream));
    hone_status status = hone_matmul(stream, &a, &b, &c, NULL);
    if (status == HONE_OK) assert_true(c_data[0] == 72 && c_data[143] == 72);
    hone_stream_destroy(stream);
    works(hone_context_destroy(context));
    return status;
}

static void measures_what_is_missing(void **state)
{
    (void)state;
    refused(multiply(HONE_TUNE_PINNED), HONE_ERROR_NOT_FOUND, "pinned");
    works(multiply(HONE_TUNE_MISSING));
    if (sayings) fail_msg("it said: %s", said);
    works(multiply(HONE_TUNE_PINNED)); /* so there is a row now, and it can be used */
}

static char nowhere[] = "/proc/nowhere/hone-probe";

static void goes_on_without_its_worker(void **state)
{
    (void)state;
    char other[] = "/tmp/hone-test-missing-XXXXXX";
    assert_non_null(mkdtemp(other));
    setenv("HONE_PROFILE_PATH", other, 1);
    hone_rt_modules_at(NULL, nowhere);
    works(multiply(HONE_TUNE_MISSING));
    works(multiply(HONE_TUNE_MISSING));
    assert_int_equal(sayings, 1);
    if (!strstr(said, "/proc/nowhere/hone-worker")) fail_msg("it said: %s", said);
    refused(multiply(HONE_TUNE_PINNED), HONE_ERROR_NOT_FOUND, "pinned");
    rmdir(other);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_what_is_missing),
        cmocka_unit_test(goes_on_without_its_worker),
    };
    char command[128];
    if (count != 2 || !mkdtemp(folder)) return 2;
    setenv("HONE_MODULES", "off", 1);
    setenv("HONE_PROFILE_PATH", folder, 1);
    hone_rt_modules_at(NULL, words[1]); /* programs of ours are looked for beside it */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 2;
}
