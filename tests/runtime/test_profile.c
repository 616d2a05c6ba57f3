/* Profiles: what was saved is loaded, from the folder that is in force; whatever else a file holds is kept, and
 * whatever is wrong with it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"
#include "runtime/profile/profile.h"
#include "tests/memory.h"

static char                 root[64];
static const hone_be_device device = {.name = "cpu:0", .label = "Test \"CPU\"", .instructions = "avx512", .threads = 4,
                                      .fingerprint = "cpu Test/1/2 avx512 cores=4", .memory_bytes = 1 << 30};

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static int  at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", root, name);
    return paths[at];
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hone-test-profile-XXXXXX");
    unsetenv("HONE_PROFILE_PATH");
    return mkdtemp(root) ? setenv("HOME", path_of("home"), 1) | setenv("XDG_DATA_HOME", path_of("data"), 1) : -1;
}

static int remove_root(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

/* Every figure that there is, each another. */
static hone_ceilings all_figures(void)
{
    hone_ceilings ceilings;
    double        figure = 1e9;
    for (int isa = 0; isa < HONE_ISA_COUNT; isa++)
        for (int type = 0; type <= HONE_DTYPE_LAST; type++)
            for (int width = 0; width < HONE_WIDTH_COUNT; width++)
                ceilings.flops[isa][type][width] = type ? figure *= 1.1 : 0;
    for (int level = 0; level < HONE_LEVEL_COUNT; level++)
        for (int width = 0; width < HONE_WIDTH_COUNT; width++) {
            ceilings.read[level][width] = figure /= 1.3;
            ceilings.copy[level][width] = figure *= 1.2;
        }
    ceilings.launch_seconds = 1.25e-6;
    ceilings.fork_seconds = 3.7e-6;
    return ceilings;
}

static void assert_figures(const double *got, const double *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fabs(got[i] - expected[i]) > 1e-10 * fabs(expected[i]))
            fail_msg("%zu: %.17g, not %.17g", i, got[i], expected[i]);
}

static void assert_ceilings(const hone_ceilings *got, const hone_ceilings *expected)
{
    _Static_assert(sizeof *got % sizeof(double) == 0, "figures and nothing else");
    assert_figures((const double *)got, (const double *)expected, sizeof *got / sizeof(double));
}

static const hone_ceilings nothing;

/* --- the way there and back ------------------------------------------------------------------------------------ */

static void what_was_saved_is_loaded(void **state)
{
    hone_ceilings some = {0}, all = all_figures(), got;
    struct stat   facts;
    char          file[256];
    (void)state;
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_ERROR_NOT_FOUND);
    assert_non_null(strstr(hone_last_error(), device.fingerprint));
    assert_ceilings(&got, &nothing);

    assert_int_equal(hone_rt_profile_save(&device, NULL, &all), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_OK);
    assert_ceilings(&got, &all);
    some.flops[HONE_ISA_AVX2][HONE_F32][HONE_WIDTH_ONE] = 123456789012.0;
    assert_int_equal(hone_rt_profile_save(&device, NULL, &some), HONE_OK); /* replaces all */
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_OK);
    assert_ceilings(&got, &some);
    assert_int_equal(hone_rt_profile_save(&device, NULL, &nothing), HONE_OK); /* nothing measured is a profile too */
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_OK);
    assert_ceilings(&got, &nothing);

    assert_int_equal(stat(path_of("data/hone/profiles"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    assert_int_equal(hone_rt_profile_path(&device, NULL, file, sizeof file), HONE_OK);
    assert_int_equal(strncmp(file, path_of("data/hone/profiles/"), strlen(root) + 20), 0);
    assert_int_equal(access(file, R_OK), 0);

    hone_be_device other = device;
    strcpy(other.fingerprint, "cpu Test/1/2 avx512 cores=8");
    assert_int_equal(hone_rt_profile_load(&other, NULL, &got), HONE_ERROR_NOT_FOUND);
}

static void a_success_leaves_the_sentence_alone(void **state)
{
    hone_ceilings got;
    (void)state;
    assert_int_equal(hone_fail(HONE_ERROR_SHAPE, "of before"), HONE_ERROR_SHAPE);
    assert_int_equal(hone_rt_profile_save(&device, NULL, &nothing), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, path_of("none:data/hone/profiles"), &got), HONE_ERROR_NOT_FOUND);
    assert_int_equal(hone_fail(HONE_ERROR_SHAPE, "of before"), HONE_ERROR_SHAPE);
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_OK);
    assert_string_equal(hone_last_error(), "of before");
}

static void assert_path(const char *given, const char *expected)
{
    char file[512];
    assert_int_equal(hone_rt_profile_path(&device, given, file, sizeof file), HONE_OK);
    *strrchr(file, '/') = 0;
    assert_string_equal(file, expected);
}

static void folders_are_chosen_in_order(void **state)
{
    char file[512], longer[6000];
    (void)state;
    assert_path(NULL, path_of("data/hone/profiles"));
    setenv("XDG_DATA_HOME", "relative", 1); /* which the rule says to ignore */
    assert_path(NULL, path_of("home/.local/share/hone/profiles"));
    setenv("XDG_DATA_HOME", "", 1);
    assert_path(NULL, path_of("home/.local/share/hone/profiles"));
    setenv("HONE_PROFILE_PATH", "::/a/b:/c", 1);
    assert_path(NULL, "/a/b");
    assert_path("", "/a/b");
    assert_path("/x:/y", "/x");
    unsetenv("HONE_PROFILE_PATH");
    unsetenv("HOME");
    assert_int_equal(hone_rt_profile_path(&device, NULL, file, sizeof file), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "set HONE_PROFILE_PATH"));
    assert_int_equal(file[0], 0);
    assert_int_equal(hone_rt_profile_save(&device, NULL, &nothing), HONE_ERROR_FILE);
    hone_ceilings got; /* the system's may still be read */
    assert_int_equal(hone_rt_profile_load(&device, NULL, &got), HONE_ERROR_NOT_FOUND);
    assert_int_equal(hone_rt_profile_path(&device, ":::", file, sizeof file), HONE_ERROR_FILE);
    assert_int_equal(hone_rt_profile_path(&device, "/x", file, 10), HONE_ERROR_ARGUMENT);
    assert_int_equal(hone_rt_profile_path(&device, "/x", file, 0), HONE_ERROR_ARGUMENT);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(hone_rt_profile_path(&device, longer, file, sizeof file), HONE_ERROR_FILE);
}

static void nearer_folders_win(void **state)
{
    hone_ceilings near = {0}, far = {0}, got;
    char          list[256], file[256];
    (void)state;
    near.fork_seconds = 1e-6;
    far.fork_seconds = 2e-6;
    snprintf(list, sizeof list, "%s:%s", path_of("near"), path_of("far"));
    assert_int_equal(hone_rt_profile_save(&device, path_of("far"), &far), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, list, &got), HONE_OK);
    assert_ceilings(&got, &far);
    assert_int_equal(hone_rt_profile_save(&device, list, &near), HONE_OK); /* into the first */
    assert_int_equal(hone_rt_profile_load(&device, list, &got), HONE_OK);
    assert_ceilings(&got, &near);
    assert_int_equal(hone_rt_profile_load(&device, path_of("far"), &got), HONE_OK);
    assert_ceilings(&got, &far);

    /* one that cannot be trusted is passed over, and told where nothing else serves */
    assert_int_equal(hone_rt_profile_path(&device, list, file, sizeof file), HONE_OK);
    assert_int_equal(hone_file_write(file, "nonsense\n", 9), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, list, &got), HONE_OK);
    assert_ceilings(&got, &far);
    snprintf(list, sizeof list, "%s:%s", path_of("near"), path_of("nowhere"));
    assert_int_equal(hone_rt_profile_load(&device, list, &got), HONE_ERROR_FORMAT);
    assert_non_null(strstr(hone_last_error(), file));
    assert_non_null(strstr(hone_last_error(), "does not begin with key and checksum"));
}

static void a_users_folder_that_others_write_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hone_folder_make(path_of("data/hone/profiles")), HONE_OK);
    assert_int_equal(chmod(path_of("data/hone/profiles"), 0777), 0);
    assert_int_equal(hone_rt_profile_save(&device, NULL, &nothing), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "others may write there"));
}

/* --- what else the file holds ---------------------------------------------------------------------------------- */

static void other_lines_are_kept(void **state)
{
    static const char others[] = "{\"key\":\"0123456789abcdef\",\"sum\":\"0123456789abcdef\",\"row\":\"kernel\"}\n"
                                 "nonsense \0 with a zero\n\n"
                                 "{\"key\":\"0123456789abcdef\",\"torn";
    hone_ceilings     all = all_figures(), got;
    char             *line, *whole, file[256], before[8192];
    size_t            bytes, whole_bytes, length = 0;
    (void)state;
    assert_int_equal(hone_rt_profile_print(&device, &nothing, &line, &bytes), HONE_OK);
    memcpy(before, line, bytes); /* the old first line, and once more where it does not belong */
    length = bytes;
    size_t first = (size_t)(strchr(others, '\n') - others) + 1;
    memcpy(before + length, others, first);
    memcpy(before + length + first, line, bytes);
    memcpy(before + length + first + bytes, others + first, sizeof others - 1 - first);
    length += bytes + sizeof others - 1;
    hone_free(line);
    assert_int_equal(hone_folder_make(path_of("p")), HONE_OK);
    assert_int_equal(hone_rt_profile_path(&device, path_of("p"), file, sizeof file), HONE_OK);
    assert_int_equal(hone_file_write(file, before, length), HONE_OK);

    assert_int_equal(hone_rt_profile_save(&device, path_of("p"), &all), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_OK);
    assert_ceilings(&got, &all);
    assert_int_equal(hone_file_read(file, 1 << 20, &whole, &whole_bytes), HONE_OK);
    const char *rest = (char *)memchr(whole, '\n', whole_bytes) + 1;
    assert_int_equal(whole + whole_bytes - rest, sizeof others - 1);
    assert_memory_equal(rest, others, sizeof others - 1);
    hone_free(whole);
}

/* --- what can be wrong ----------------------------------------------------------------------------------------- */

static void every_damage_is_noticed(void **state)
{
    hone_ceilings all = all_figures(), got;
    hone_random   r = hone_random_seeded(3);
    char         *line, *copy;
    size_t        bytes;
    (void)state;
    assert_int_equal(hone_rt_profile_print(&device, &all, &line, &bytes), HONE_OK);
    copy = malloc(bytes);
    for (size_t at = 0; at + 1 < bytes; at++) {
        memcpy(copy, line, bytes);
        copy[at] ^= (char)(1 << hone_random_below(&r, 8));
        assert_int_equal(hone_rt_profile_parse(&device, copy, bytes, &got), HONE_ERROR_FORMAT);
        assert_ceilings(&got, &nothing);
        char *exact = malloc(at + 1); /* so that a sanitizer sees a step too far */
        memcpy(exact, line, at);
        assert_int_equal(hone_rt_profile_parse(&device, exact, at, &got), HONE_ERROR_FORMAT);
        free(exact);
    }
    assert_int_equal(hone_rt_profile_parse(&device, line, bytes, &got), HONE_OK);
    assert_int_equal(hone_rt_profile_parse(&device, line, bytes - 1, &got), HONE_OK); /* its newline may be gone */
    free(copy);
    hone_free(line);
}

#define SEAL_SPACE "                                                   "
#define REST(device_part, ceilings)                                                                                    \
    "\"row\":\"device\",\"format\":1,\"device\":" device_part ",\"ceilings\":" ceilings "}"
#define OURS                        "{\"fingerprint\":\"cpu Test/1/2 avx512 cores=4\"}"

/* Lines with a right checksum and wrong content: a hand has been at work. */
static void every_lie_is_noticed(void **state)
{
    static const struct {
        const char *rest, *sentence; /* NULL: taken */
    } lies[] = {
        {REST(OURS, "{}"), NULL},
        {REST(OURS, "{\"flops\":{},\"read\":{},\"copy\":{},\"later\":[1]}"), NULL},
        {REST(OURS, "{\"flops\":{\"avx9000\":{\"f32\":7},\"avx2\":{\"f9\":{\"one\":-1},\"f32\":{\"two\":\"x\"}}}}"),
         NULL},
        {REST(OURS, "{\"read\":{\"l4\":[]}}"), NULL},
        {REST(OURS, "{\"fork_seconds\":0}"), NULL},
        {"\"row\":\"kernel\"}", "does not describe a device"},
        {"\"row\":3}", "does not describe a device"},
        {"\"format\":1}", "does not describe a device"},
        {"\"row\":\"device\"}", "format has no number"},
        {"\"row\":\"device\",\"format\":\"1\"}", "format has no number"},
        {"\"row\":\"device\",\"format\":2}", "its format is 2, and this hone reads 1"},
        {"\"row\":\"device\",\"format\":1}", "of other silicon: ''"},
        {REST("{\"fingerprint\":\"cpu Other\"}", "{}"), "of other silicon: 'cpu Other', and this is 'cpu Test"},
        {REST("{\"fingerprint\":5}", "{}"), "of other silicon"},
        {REST("[]", "{}"), "of other silicon"},
        {REST(OURS, "[]"), "no ceilings"},
        {REST(OURS, "7"), "no ceilings"},
        {REST(OURS, "{\"flops\":[]}"), "'flops' is no object"},
        {REST(OURS, "{\"flops\":{\"avx2\":5}}"), "'avx2' is no object"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":5}}}"), "something stands where threads should"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":{\"one\":-1}}}}"), "'one' is no number from 0 to 1e+18"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":{\"all\":1e19}}}}"), "'all' is no number"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":{\"one\":\"1\"}}}}"), "'one' is no number"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":{\"one\":1e999}}}}"), "no JSON"},
        {REST(OURS, "{\"flops\":{\"avx2\":{\"f32\":{\"one\":NaN}}}}"), "no JSON"},
        {REST(OURS, "{\"read\":5}"), "'read' is no object"},
        {REST(OURS, "{\"read\":{\"l1\":{\"one\":1e17}}}"), "'one' is no number from 0 to 1e+16"},
        {REST(OURS, "{\"copy\":{\"memory\":null}}"), "something stands where threads should"},
        {REST(OURS, "{\"launch_seconds\":11}"), "'launch_seconds' is no number from 0 to 10"},
        {REST(OURS, "{\"fork_seconds\":true}"), "'fork_seconds' is no number"},
        {REST(OURS, "{\"fork_seconds\":1,\"fork_seconds\":2}"), "no JSON"},
        {REST(OURS, "{}") "}", "no JSON"},
        {REST(OURS, "{"), "no JSON"},
        {"\"\xff\xfe\":1}", "no JSON"},
        {"\"a\\u0000b\":1}", "no JSON"},
        {"}", "no JSON"},
    };
    hone_ceilings got;
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char line[1024];
        int  bytes = snprintf(line, sizeof line, SEAL_SPACE "%s", lies[i].rest);
        hone_rt_profile_seal(&device, line, (size_t)bytes);
        hone_status status = hone_rt_profile_parse(&device, line, (size_t)bytes, &got);
        if (status != (lies[i].sentence ? HONE_ERROR_FORMAT : HONE_OK))
            fail_msg("%s: %s", lies[i].rest, hone_status_name(status));
        if (lies[i].sentence && !strstr(hone_last_error(), lies[i].sentence))
            fail_msg("%s: %s", lies[i].rest, hone_last_error());
        assert_ceilings(&got, &nothing);
    }
}

static void nesting_has_an_end(void **state)
{
    char          line[HONE_RT_PROFILE_LINE_MAX - 1];
    hone_ceilings got;
    (void)state;
    for (int letter = 0; letter < 2; letter++) {
        memset(line, letter ? '[' : '{', sizeof line);
        hone_rt_profile_seal(&device, line, sizeof line);
        assert_int_equal(hone_rt_profile_parse(&device, line, sizeof line, &got), HONE_ERROR_FORMAT);
    }
}

static void endless_lines_are_refused(void **state)
{
    size_t        bytes = HONE_RT_PROFILE_LINE_MAX + 100;
    char         *text = malloc(bytes), file[256];
    hone_ceilings got;
    (void)state;
    assert_int_equal(hone_folder_make(path_of("p")), HONE_OK);
    assert_int_equal(hone_rt_profile_path(&device, path_of("p"), file, sizeof file), HONE_OK);
    memset(text, 'x', bytes);
    assert_int_equal(hone_file_write(file, text, bytes), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_ERROR_FORMAT);
    assert_non_null(strstr(hone_last_error(), "does not end within"));
    assert_int_equal(hone_rt_profile_parse(&device, text, bytes, &got), HONE_ERROR_FORMAT);
    assert_int_equal(hone_file_write(file, "", 0), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_ERROR_FORMAT);
    assert_int_equal(hone_file_write(file, "\n", 1), HONE_OK);
    assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_ERROR_FORMAT);
    assert_int_equal(hone_rt_profile_save(&device, path_of("p"), &nothing), HONE_OK); /* and can be mended */
    assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_OK);
    free(text);
}

static void short_memory_is_told(void **state)
{
    hone_ceilings all = all_figures(), got;
    test_memory   memory;
    (void)state;
    assert_int_equal(hone_rt_profile_save(&device, path_of("p"), &all), HONE_OK);
    for (int64_t n = 1, reached = 1; reached; n++) {
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = n;
        hone_status saved = hone_rt_profile_save(&device, path_of("p"), &all);
        hone_status loaded = hone_rt_profile_load(&device, path_of("p"), &got);
        reached = memory.calls >= n;
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_true(saved == HONE_ERROR_MEMORY || loaded == HONE_ERROR_MEMORY || !reached);
        if (!reached) assert_true(saved == HONE_OK && loaded == HONE_OK && n > 3);
        assert_int_equal(hone_rt_profile_load(&device, path_of("p"), &got), HONE_OK);
        assert_ceilings(&got, &all);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(a_success_leaves_the_sentence_alone),
        TEST(folders_are_chosen_in_order),
        TEST(nearer_folders_win),
        TEST(a_users_folder_that_others_write_is_refused),
        TEST(other_lines_are_kept),
        TEST(every_damage_is_noticed),
        TEST(every_lie_is_noticed),
        TEST(nesting_has_an_end),
        TEST(endless_lines_are_refused),
        TEST(short_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
