/* What a program asks for, recorded: each problem once, whole or not at all, and nothing lost where several write.
 *
 *     test_record [calls N | ends]       as a program that is recorded */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/runtime/tools.h"

static char  folder[] = "/tmp/hone-test-record-XXXXXX", path[64], said[512];
static char *own_path;

static void hear(void *user, hone_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(said, sizeof said, "%s", line);
}

static hone_context *open_context(hone_stream **stream)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    hone_context        *context;
    hone_device         *device;
    options.log = hear;
    options.thread_count = 1;
    options.tune = HONE_TUNE_OFF;
    works(hone_context_create(&options, &context));
    works(hone_device_find(context, "cpu:0", &device));
    works(hone_stream_create(device, stream));
    return context;
}

static void multiply(hone_stream *stream, int n, int times)
{
    static float a_data[64], b_data[64], c_data[64];
    hone_tensor  a = hone_matrix(HONE_F32, n, n, a_data), b = hone_matrix(HONE_F32, n, n, b_data),
                c = hone_matrix(HONE_F32, n, n, c_data);
    for (int i = 0; i < times; i++) works(hone_matmul(stream, &a, &b, &c, NULL));
}

static char text[1 << 16];

static const char *read_record(void)
{
    FILE  *file = fopen(path, "r");
    size_t got = 0;
    if (file) got = fread(text, 1, sizeof text - 1, file), fclose(file);
    text[got] = 0;
    return text;
}

/* Calls that the record tells of an n x n x n product; -1: no line of it, or several. */
static long calls_of(int n)
{
    char        problem[64];
    long        calls = -1;
    double      seconds = 0;
    const char *at;
    snprintf(problem, sizeof problem, "matmul f32 nn %dx%dx%d  # calls=", n, n, n);
    read_record();
    if (!(at = strstr(text, problem)) || strstr(at + 1, problem)) return -1;
    if (sscanf(at + strlen(problem), "%ld seconds=%lf threads=1", &calls, &seconds) != 2 || !(seconds > 0)) return -1;
    return calls;
}

static void writes_each_problem_once(void **state)
{
    (void)state;
    hone_stream  *stream, *other;
    hone_context *context = open_context(&stream);
    hone_device  *device;
    works(hone_device_find(context, "cpu:0", &device));
    works(hone_stream_create(device, &other));
    multiply(stream, 4, 10);
    multiply(stream, 5, 3);
    multiply(other, 4, 7);
    assert_int_equal(calls_of(4), -1); /* not while it runs */
    hone_stream_destroy(other);
    hone_stream_destroy(stream);
    works(hone_context_destroy(context));
    assert_int_equal(calls_of(4), 17);
    assert_int_equal(calls_of(5), 3);
    assert_int_equal(hone_alloc_live(), 0);
}

static void adds_to_what_is_there(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    fputs("# mine\nmatmul f32 nn 4x4x4  # calls=100 seconds=1 threads=1\nmatmul f32 nn 9x9x9\n", file);
    fclose(file);
    hone_stream  *stream;
    hone_context *context = open_context(&stream);
    multiply(stream, 4, 10);
    multiply(stream, 5, 3);
    hone_stream_destroy(stream);
    works(hone_context_destroy(context));
    assert_int_equal(calls_of(4), 110);
    assert_int_equal(calls_of(5), 3);
    assert_true(!strncmp(text, "# mine\n", 7) && strstr(text, "\nmatmul f32 nn 9x9x9\n"));
}

static pid_t start(const char *what, const char *number)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl(own_path, own_path, what, number, (char *)NULL);
        _exit(9);
    }
    return pid;
}

static void loses_no_process(void **state)
{
    (void)state;
    enum { PROCESSES = 8 };
    pid_t all[PROCESSES];
    int   how;
    if (HONE_TEST_EMULATED) skip(); /* the machine itself cannot run this program again */
    unlink(path);
    for (int i = 0; i < PROCESSES; i++) all[i] = start("calls", "11");
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(all[i], &how, 0), all[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    assert_int_equal(calls_of(4), PROCESSES * 11);
}

static void writes_when_the_process_ends(void **state)
{
    (void)state;
    int how;
    if (HONE_TEST_EMULATED) skip();
    unlink(path);
    assert_true(waitpid(start("ends", "1"), &how, 0) > 0);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(calls_of(4), 6);
}

static void says_that_it_is_lost(void **state)
{
    (void)state;
    setenv("HONE_RECORD", "/proc/nothing/record", 1);
    hone_stream  *stream;
    hone_context *context = open_context(&stream);
    multiply(stream, 4, 1);
    hone_stream_destroy(stream);
    works(hone_context_destroy(context));
    setenv("HONE_RECORD", path, 1);
    if (!strstr(said, "what was recorded is lost") || !strstr(said, "/proc/nothing")) fail_msg("it said: %s", said);
}

/* Every allocation fails in turn: a context is made or is not, and what it computes does not change. */
static void bears_no_memory(void **state)
{
    (void)state;
    tools_allocator_use();
    for (int nth = 1, failed = 1; failed && nth < 2000; nth++) {
        hone_context_options options = HONE_CONTEXT_OPTIONS;
        hone_context        *context;
        hone_device         *device;
        hone_stream         *stream = NULL;
        options.thread_count = 1;
        options.tune = HONE_TUNE_OFF;
        tools_allocator_fail(nth, 0);
        if (hone_context_create(&options, &context) == HONE_OK) {
            if (hone_device_find(context, "cpu:0", &device) == HONE_OK &&
                hone_stream_create(device, &stream) == HONE_OK) {
                float       data[3] = {2, 3, 0};
                hone_tensor a = hone_matrix(HONE_F32, 1, 1, data), b = hone_matrix(HONE_F32, 1, 1, data + 1),
                            c = hone_matrix(HONE_F32, 1, 1, data + 2);
                if (hone_matmul(stream, &a, &b, &c, NULL) == HONE_OK) assert_true(data[2] == 6);
                hone_stream_destroy(stream);
            }
            works(hone_context_destroy(context));
        }
        failed = tools_allocator_failed();
        tools_allocator_fail(0, 0);
    }
    assert_int_equal(tools_blocks(), 0);
    tools_allocator_end();
}

static int be_recorded(const char *what, int times)
{
    hone_stream  *stream;
    hone_context *context = open_context(&stream);
    multiply(stream, 4, strcmp(what, "ends") ? times : 6);
    if (!strcmp(what, "ends")) exit(0); /* nothing is destroyed */
    hone_stream_destroy(stream);
    return hone_context_destroy(context) != HONE_OK;
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_each_problem_once), cmocka_unit_test(adds_to_what_is_there),
        cmocka_unit_test(loses_no_process),         cmocka_unit_test(writes_when_the_process_ends),
        cmocka_unit_test(says_that_it_is_lost),     cmocka_unit_test(bears_no_memory),
    };
    if (count == 3) return be_recorded(words[1], atoi(words[2]));
    own_path = words[0];
    if (!mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/record", folder);
    setenv("HONE_RECORD", path, 1);
    setenv("HONE_PROFILE_PATH", folder, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
