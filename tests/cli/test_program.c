/* The hone program as its users meet it: every verb is run as a process, its answers are parsed, its misuse is tried.
 * Structure is asserted and never time.
 *
 *     test_program <cases> <duels> <hone> [what runs it ...]        the last for an emulator: "qemu-aarch64 -L ..." */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "runtime/profile/rows.h"

static char        program[8192]; /* as the shell runs it */
static bool        emulated;      /* an emulator runs the program, but not the probe that it starts */
static char        folder[] = "/tmp/hone-test-cli-XXXXXX";
static const char *cases = "200", *duels = "2";

typedef struct answer {
    int   code;
    char *out, *err;
} answer;

static char *read_all(FILE *file)
{
    size_t size = 0, room = 4096;
    char  *text = malloc(room);
    assert_non_null(text);
    for (size_t got; (got = fread(text + size, 1, room - size - 1, file)) > 0;) {
        size += got;
        if (room - size >= 1024) continue;
        room *= 2;
        text = realloc(text, room);
        assert_non_null(text);
    }
    text[size] = 0;
    return text;
}

/* Runs "before hone arguments"; `before` may set variables, or be empty. */
static answer run_with(const char *before, const char *arguments)
{
    char   command[16384], path[256];
    answer a;
    snprintf(path, sizeof path, "%s/stderr", folder);
    snprintf(command, sizeof command, "%s %s %s 2>%s", before, program, arguments, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    a.out = read_all(pipe);
    int status = pclose(pipe);
    a.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    a.err = read_all(file);
    fclose(file);
    return a;
}

static answer run(const char *arguments)
{
    return run_with("", arguments);
}

static void drop(answer *a)
{
    free(a->out);
    free(a->err);
}

static void expect(const char *arguments, const answer *a, int code)
{
    if (a->code == code) return;
    fail_msg("hone %s ended with %d, not %d:\n%s%s", arguments, a->code, code, a->out, a->err);
}

static void expect_text(const char *arguments, const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("hone %s did not say '%s' but:\n%s", arguments, part, text);
}

/* What a verb answers as JSON; it ended with `code`, or, where that is -1, with whatever. */
static json_t *parsed_with(const char *before, const char *arguments, int code)
{
    json_error_t error;
    answer       a = run_with(before, arguments);
    if (code >= 0) expect(arguments, &a, code);
    json_t *json = json_loads(a.out, JSON_REJECT_DUPLICATES, &error);
    if (!json) fail_msg("hone %s: line %d: %s\n%s", arguments, error.line, error.text, a.out);
    drop(&a);
    return json;
}

static json_t *parsed(const char *arguments)
{
    return parsed_with("", arguments, 0);
}

static const char *string_at(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text) fail_msg("there is no text '%s'", name);
    return text;
}

static double number_at(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) fail_msg("there is no number '%s'", name);
    return json_number_value(value);
}

/* For people: no line over 80 columns, none that ends in a blank, no letters that paint in a pipe. */
static void expect_tidy(const char *arguments, const char *text)
{
    int column = 0;
    for (const char *at = text; *at; at++) {
        column = *at == '\n' ? 0 : column + 1;
        if (column > 80) fail_msg("hone %s: a line has more than 80 columns:\n%s", arguments, text);
        if (*at == '\033') fail_msg("hone %s paints in a pipe", arguments);
        if (*at == '\n' && at > text && at[-1] == ' ')
            fail_msg("hone %s: a line ends in a blank:\n%s", arguments, text);
    }
    if (column) fail_msg("hone %s: the last line is not ended", arguments);
}

/* --- help and misuse ------------------------------------------------------------------------------------------- */

static void tells_its_version(void **state)
{
    (void)state;
    json_t *json = parsed("version --json");
    answer  a = run("--version");
    expect_text("--version", a.out, string_at(json, "version"));
    number_at(json, "abi");
    drop(&a);
    json_decref(json);
}

static void explains_every_verb(void **state)
{
    (void)state;
    json_t *json = parsed("help --json"), *verb;
    size_t  at;
    answer  all = run("help");
    expect("help", &all, 0);
    expect_tidy("help", all.out);
    assert_true(json_array_size(json_object_get(json, "verbs")) >= 5);
    json_array_foreach(json_object_get(json, "verbs"), at, verb)
    {
        char arguments[128];
        expect_text("help", all.out, string_at(verb, "line"));
        snprintf(arguments, sizeof arguments, "%s --help", string_at(verb, "name"));
        answer one = run(arguments);
        expect(arguments, &one, 0);
        expect_tidy(arguments, one.out);
        if (strncmp(one.out, "  hone ", 7)) fail_msg("hone %s does not begin with an example", arguments);
        snprintf(arguments, sizeof arguments, "help %s", string_at(verb, "name"));
        answer same = run(arguments);
        assert_string_equal(one.out, same.out);
        drop(&one);
        drop(&same);
    }
    drop(&all);
    json_decref(json);
}

static void refuses_misuse(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *says;
    } misuses[] = {
        {"", "hone help"},
        {"devcies", "did you mean 'hone devices'"},
        {"xyzzy", "'hone help' names them"},
        {"help devise", "did you mean 'devices'"},
        {"devices --jsn", "did you mean --json"},
        {"devices --xyzzy", "'hone help devices' names them"},
        {"devices -j", "options are whole words"},
        {"devices extra", "one word too many"},
        {"devices --json=yes", "takes no value"},
        {"devices --device", "needs a value"},
        {"devices --device --json", "needs a value"},
        {"devices --device gpu:7", "there is no device 'gpu:7'"},
        {"devices --json --json", "given twice"},
        {"explain", "which problem"},
        {"explain matmul f32 nn 1x1x1", "quote it"},
        {"explain \"matmull f32 nn 1x1x1\"", "did you mean 'matmul'"},
        {"explain \"matmul f32 nn 1x1\"", "matmul"},
        {"explain \"matmul f32 nn 1x1x1\" --threads 0", "from 1 to 4096"},
        {"explain \"matmul f32 nn 1x1x1\" --threads -3", "from 1 to 4096"},
        {"explain \"matmul f32 nn 1x1x1\" --threads 2.5", "a whole number"},
        {"explain \"matmul f32 nn 1x1x1\" --threads 2x", "a whole number"},
        {"explain \"matmul f32 nn 1x1x1\" --threads 99999999999999999999", "from 1 to 4096"},
        {"check matmull", "did you mean 'matmul'"},
        {"check --kernel cpu.refrence", "did you mean 'cpu.reference'"},
        {"check --kernel cpu.ref", "takes a whole name"},
        {"check --isa avx3", "portable, avx2, avx512"},
        {"check --cases 0", "from 1 to"},
        {"check --cases", "needs a value"},
        {"check \"matmul f32 nn 3\"", "MxNxK"},
        {"check --seed 0x10", "a whole number"},
        {"bench matmull", "did you mean 'matmul'"},
        {"bench --suite quik", "no op has a suite 'quik'"},
        {"bench --kernels cpu.refrence", "did you mean 'cpu.reference'"},
        {"bench --budget 3h", "a time in seconds"},
        {"bench --noise", "are for --selftest"},
        {"profile shw", "did you mean 'show'"},
        {"completions fish", "known for bash"},
    };
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        answer a = run(misuses[i].arguments);
        expect(misuses[i].arguments, &a, 2);
        expect_text(misuses[i].arguments, a.err, misuses[i].says);
        assert_string_equal(a.out, "");
        drop(&a);
    }
}

static void notices_a_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) skip();
    answer a = run("help >/dev/full");
    expect("help >/dev/full", &a, 2);
    expect_text("help >/dev/full", a.err, "could not be written");
    drop(&a);
}

static void completes_words(void **state)
{
    (void)state;
    answer a = run("completions bash");
    expect("completions bash", &a, 0);
    expect_text("completions bash", a.out, "--device");
    expect_text("completions bash", a.out, "complete -o default -F _hone hone");
    drop(&a);
}

/* --- devices, profiles, doctor --------------------------------------------------------------------------------- */

static json_t *first_device(json_t *devices)
{
    json_t *device = json_array_get(json_object_get(devices, "devices"), 0);
    assert_non_null(device);
    return device;
}

static void measures_once_and_remembers(void **state)
{
    (void)state;
    json_t     *first = parsed("devices --json"), *second = parsed("devices --json"), *type;
    json_t     *device = first_device(first), *flops = json_object_get(json_object_get(device, "ceilings"), "flops");
    const char *path = string_at(device, "profile"), *isa;
    struct stat info;
    assert_string_equal(string_at(device, "name"), "cpu:0");
    assert_string_equal(string_at(device, "ceilings_from"), "measured now, and kept");
    assert_string_equal(string_at(first_device(second), "ceilings_from"), "kept");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(strncmp(path, folder, strlen(folder)), 0);
    assert_true(number_at(device, "threads") >= 1);
    assert_true(json_array_size(json_object_get(device, "caches")) >= 2);
    assert_true(json_object_size(flops) >= 1);
    json_object_foreach(flops, isa, type)
    {
        assert_true(number_at(json_object_get(type, "f32"), "one") > 0);
        assert_true(number_at(json_object_get(type, "f64"), "one") > 0);
    }
    assert_true(
        number_at(json_object_get(json_object_get(json_object_get(device, "ceilings"), "read"), "memory"), "one") > 0);
    assert_true(json_array_size(json_object_get(first, "missing")) >= 1);
    json_t *share = json_object_get(device, "share"), *machine = json_object_get(device, "machine");
    assert_true(number_at(share, "at_once") == number_at(device, "threads"));
    assert_true(number_at(share, "cores") >= number_at(share, "at_once"));
    assert_true(number_at(machine, "usable_cores") == number_at(share, "cores"));
    assert_true(number_at(machine, "usable_threads") == number_at(share, "hardware_threads"));
    json_decref(first);
    json_decref(second);

    answer a = run("devices");
    expect("devices", &a, 0);
    expect_tidy("devices", a.out);
    expect_text("devices", a.out, "arithmetic");
    expect_text("devices", a.out, "not part of this build");
    drop(&a);
}

/* --- machines, drawn -------------------------------------------------------------------------------------------- */

#define EIGHT                                                                                                          \
    "'package:8 [numanode(memory=68719476736)] l3:2(size=33554432) l2:8(size=1048576) l1d:1(size=32768) core:1 pu:2'"
#define MACHINES "tests/backends/machines/"

/* Machines that are not here: what is drawn of them is in a file beside each. */
static const struct {
    const char *topology, *drawn;
    int         packages, nodes, cores, usable_cores, threads, kinds, strong; /* kinds of cores; those of the first */
} topologies[] = {
    {EIGHT, "eight-packages", 8, 8, 128, 128, 256, 1, 128},
    {MACHINES "strong-and-weak.xml", "strong-and-weak", 1, 1, 16, 16, 24, 2, 8},
    {MACHINES "four-threads-a-core.xml", "four-threads-a-core", 2, 2, 16, 16, 64, 1, 16},
    {MACHINES "one-core-of-sixteen.xml", "one-core-of-sixteen", 1, 2, 16, 1, 32, 1, 16},
};

static char *read_path(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be opened", path);
    char *text = read_all(file);
    fclose(file);
    return text;
}

static void draws_other_machines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof topologies / sizeof *topologies; i++) {
        char arguments[512], path[256];
        snprintf(arguments, sizeof arguments, "devices --topology %s", topologies[i].topology);
        snprintf(path, sizeof path, MACHINES "%s.txt", topologies[i].drawn);
        answer a = run(arguments);
        char  *drawn = read_path(path);
        expect(arguments, &a, 0);
        expect_tidy(arguments, a.out);
        assert_string_equal(a.out, drawn);
        free(drawn);
        drop(&a);

        snprintf(arguments, sizeof arguments, "devices --json --topology %s", topologies[i].topology);
        json_t *json = parsed(arguments), *machine = json_object_get(json, "machine");
        json_t *kinds = json_object_get(machine, "kind_cores");
        assert_int_equal(number_at(machine, "packages"), topologies[i].packages);
        assert_int_equal(number_at(machine, "all_numa_nodes"), topologies[i].nodes);
        assert_int_equal(number_at(machine, "cores"), topologies[i].cores);
        assert_int_equal(number_at(machine, "usable_cores"), topologies[i].usable_cores);
        assert_int_equal(number_at(machine, "threads"), topologies[i].threads);
        assert_int_equal(json_array_size(kinds), topologies[i].kinds);
        assert_int_equal(json_integer_value(json_array_get(kinds, 0)), topologies[i].strong);
        json_decref(json);
    }
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) count++;
    return count;
}

/* A document whose elements are closed in order, and whose rectangles have sizes and lie within it. */
static void expect_svg(const char *text)
{
    const char *open[64];
    int         depth = 0;
    double      width = 0, height = 0, x, y, w, h;
    assert_int_equal(
        sscanf(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%lf\" height=\"%lf\"", &width, &height), 2);
    for (const char *at = text; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>'), *name = at[1] == '/' ? at + 2 : at + 1;
        size_t      length = strcspn(name, " />");
        assert_non_null(end);
        if (at[1] == '/') {
            assert_true(depth > 0);
            if (strncmp(open[--depth], name, length)) fail_msg("closed out of order at: %.60s", at);
        } else if (end[-1] != '/') {
            assert_true(depth < 64);
            open[depth++] = name;
        }
        if (sscanf(at, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &x, &y, &w, &h) == 4 &&
            !(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= width + 0.2 && y + h <= height + 0.2))
            fail_msg("%.80s is not within %g x %g", at, width, height);
    }
    assert_int_equal(depth, 0);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf\""));
}

static void draws_into_files(void **state)
{
    char path[512], arguments[1024];
    (void)state;
    snprintf(path, sizeof path, "%s/machine.svg", folder);
    for (size_t i = 0; i < sizeof topologies / sizeof *topologies; i++) {
        snprintf(arguments, sizeof arguments, "devices --svg %s --topology %s", path, topologies[i].topology);
        answer a = run(arguments);
        expect(arguments, &a, 0);
        char *svg = read_path(path);
        expect_svg(svg);
        int keys =
            1 + (topologies[i].kinds > 1) + (topologies[i].usable_cores < topologies[i].cores); /* the legend's */
        assert_int_equal(count_of(svg, "class=\"strong\"") + count_of(svg, "class=\"weak\"") +
                             count_of(svg, "class=\"shut\""),
                         topologies[i].cores + keys);
        assert_int_equal(count_of(svg, "class=\"package\""), topologies[i].packages);
        free(svg);
        drop(&a);
    }
    /* folded when it is very large; words that mean something to XML */
    snprintf(arguments, sizeof arguments, "devices --svg %s --topology 'package:8 core:128 pu:1'", path);
    answer large = run(arguments);
    expect(arguments, &large, 0);
    char *svg = read_path(path);
    expect_svg(svg);
    assert_int_equal(count_of(svg, "class=\"package\""), 1);
    assert_non_null(strstr(svg, "8 x package"));
    assert_int_equal(count_of(svg, "class=\"strong\""), 128 + 1);
    free(svg);
    drop(&large);

    snprintf(arguments, sizeof arguments, "devices --svg %s", path); /* this one, with its ceilings */
    answer here = run(arguments);
    expect(arguments, &here, 0);
    expect_text(arguments, here.out, "this process may use");
    svg = read_path(path);
    expect_svg(svg);
    assert_non_null(strstr(svg, "fp32"));
    assert_non_null(strstr(svg, "operations a byte"));
    free(svg);
    drop(&here);

    static const struct {
        const char *arguments, *says;
    } wrong[] = {
        {"devices --topology /nothing/here.xml", "there is no file '/nothing/here.xml'"},
        {"devices --topology README.md", "no machine that hwloc saved"},
        {"devices --topology 'package:two'", "nor a machine in hwloc's words"},
        {"devices --topology /dev/null", "no machine that hwloc saved"},
        {"devices --topology pu:1 --measure", "takes no --device and no --measure"},
        {"devices --topology pu:1 --device cpu:0", "takes no --device and no --measure"},
        {"devices --topology pu:1 --svg /nothing/here.svg", "/nothing/here.svg"},
        {"devices --svg /nothing/here.svg", "/nothing/here.svg"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answer a = run(wrong[i].arguments);
        expect(wrong[i].arguments, &a, 2);
        expect_text(wrong[i].arguments, a.err, wrong[i].says);
        drop(&a);
    }
}

static void shows_and_lists_profiles(void **state)
{
    (void)state;
    json_t *shown = parsed("profile show --json"), *listed = parsed("profile list --json");
    json_t *place = json_array_get(json_object_get(listed, "folders"), 0);
    json_t *file = json_array_get(json_object_get(place, "files"), 0);
    assert_true(json_is_object(json_object_get(shown, "ceilings")));
    assert_string_equal(string_at(place, "folder"), folder);
    assert_true(json_is_true(json_object_get(file, "valid")));
    assert_true(json_is_true(json_object_get(file, "this_machine")));
    json_decref(shown);
    json_decref(listed);
    for (int i = 0; i < 2; i++) {
        const char *arguments = i ? "profile show" : "profile list";
        answer      a = run(arguments);
        expect(arguments, &a, 0);
        expect_tidy(arguments, a.out);
        drop(&a);
    }
    answer none = run_with("HONE_PROFILE_PATH=/tmp/hone-nothing-here", "profile show");
    expect("profile show", &none, 1);
    expect_text("profile show", none.err, "'hone devices' makes one");
    drop(&none);
}

/* A row for this machine, in the folder that is written. */
/* --- the form of others ------------------------------------------------------------------------------------------ */

static bool is_of_type(const json_t *it, const char *type)
{
    return (!strcmp(type, "object") && json_is_object(it)) || (!strcmp(type, "array") && json_is_array(it)) ||
           (!strcmp(type, "string") && json_is_string(it)) || (!strcmp(type, "number") && json_is_number(it));
}

/* How a value breaks a form in the words of tests/cli/t4.json; false: it keeps it. */
static bool breaks(const json_t *it, const json_t *form, const char *name, char why[256])
{
    json_t     *type = json_object_get(form, "type"), *values = json_object_get(form, "enum");
    json_t     *parts = json_object_get(form, "properties"), *each = json_object_get(form, "items"), *part;
    size_t      at;
    bool        fits = !type || (json_is_string(type) && is_of_type(it, json_string_value(type)));
    const char *part_name;
    json_array_foreach(type, at, part) fits |= is_of_type(it, json_string_value(part));
    bool listed = !values;
    json_array_foreach(values, at, part) listed |= json_equal(part, it);
    snprintf(why, 256, "'%s' is of another %s", name, fits ? "value" : "type");
    if (!fits || !listed) return true;
    json_array_foreach(json_object_get(form, "required"), at, part)
    {
        snprintf(why, 256, "'%s' has no '%s'", name, json_string_value(part));
        if (!json_object_get(it, json_string_value(part))) return true;
    }
    json_object_foreach((json_t *)(uintptr_t)it, part_name, part)
    {
        const json_t *its_form = json_object_get(parts, part_name);
        snprintf(why, 256, "'%s' has a '%s', which nobody knows", name, part_name);
        if (its_form ? breaks(part, its_form, part_name, why) : json_is_true(json_object_get(form, "closed")))
            return true;
    }
    if (each) json_array_foreach(it, at, part)
            if (breaks(part, each, name, why)) return true;
    return false;
}

static json_t *form_of_t4(void)
{
    json_error_t error;
    json_t      *form = json_load_file("tests/cli/t4.json", JSON_REJECT_DUPLICATES, &error);
    if (!form) fail_msg("tests/cli/t4.json, line %d: %s", error.line, error.text);
    return form;
}

/* What breaks it is noticed. */
static void the_form_of_others_is_looked_at(void **state)
{
    static const char *const broken[][2] = {
        {"{\"results\":[]}", "no 'schema_version'"},
        {"{\"schema_version\":\"2.0.0\",\"results\":[]}", "'schema_version' is of another value"},
        {"{\"schema_version\":\"1.0.0\",\"results\":{}}", "'results' is of another type"},
        {"{\"schema_version\":\"1.0.0\",\"results\":[{\"configuration\":{},\"times\":{},\"invalidity\":\"correct\"}]}",
         "no 'correctness'"},
        {"{\"schema_version\":\"1.0.0\",\"results\":[{\"configuration\":{},\"times\":{\"compile\":1},"
         "\"invalidity\":\"correct\",\"correctness\":1}]}",
         "a 'compile', which nobody knows"},
        {"{\"schema_version\":\"1.0.0\",\"results\":[{\"configuration\":{},\"times\":{},\"invalidity\":\"slow\","
         "\"correctness\":1}]}",
         "'invalidity' is of another value"}};
    (void)state;
    json_t *form = form_of_t4();
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char    why[256] = "";
        json_t *it = json_loads(broken[i][0], 0, NULL);
        assert_true(it && breaks(it, form, "it", why));
        if (!strstr(why, broken[i][1])) fail_msg("%s: %s", broken[i][0], why);
        json_decref(it);
    }
    json_decref(form);
}

static void keep_row(hone_rt_context *context, const char *text, const char *kernel, double seconds, bool quarantine)
{
    hone_rt_journal  *journal;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem   problem;
    const hone_op    *op;
    const char       *rule;
    hone_rt_row       row = {.kind = quarantine ? HONE_RT_ROW_QUARANTINE : HONE_RT_ROW_MEASURED, .threads = 1,
                             .alignment = 64, .complete = true, .compared = 100};
    hone_be_device   *device = hone_rt_device_at(context, 0);
    snprintf(row.problem, sizeof row.problem, "%s", text);
    assert_int_equal(hone_rt_problem_parse(context, text, &op, &problem), HONE_OK);
    hone_request request = {.device = device, .op = op, .problem = problem.bytes, .threads = 1, .alignment = 64};
    hone_rt_rank_first(context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    snprintf(row.best.kernel, sizeof row.best.kernel, "%s", kernel ? kernel : candidates[1].kernel->name);
    if (!kernel) {
        row.best.version = candidates[1].kernel->version;
        hone_config_print(candidates[1].kernel->space, &candidates[1].config, row.best.config, sizeof row.best.config);
    }
    if (!quarantine) {
        row.best.median_s = row.best.low_s = row.best.high_s = row.samples[0] = seconds;
        row.sample_count = row.best.rounds = 1;
    }
    snprintf(row.reason, sizeof row.reason, "%s",
             quarantine ? "hung: it hung while it was judged, and was ended after 3 s" : "three data sets");
    assert_int_equal(hone_rt_journal_open(device, folder, &journal), HONE_OK);
    assert_int_equal(hone_rt_journal_add(journal, &row), HONE_OK);
    hone_rt_journal_close(journal);
}

static void keeps_rows(void **state)
{
    static const char *const tidy[] = {"profile show", "profile show matmul", "profile list", "profile verify",
                                       "profile show \"matmul f32 nn 8x8x8\"", "profile hash"};
    char                     arguments[512];
    hone_context            *hone;
    hone_rt_context         *context;
    (void)state;
    assert_int_equal(hone_context_create(NULL, &hone), HONE_OK);
    assert_int_equal(hone_rt_context_hold(hone, &context), HONE_OK);
    json_t *empty = parsed("profile hash --json");
    assert_true(number_at(empty, "choices") == 0);
    keep_row(context, "matmul f32 nn 8x8x8", NULL, 1e-6, false);
    snprintf(arguments, sizeof arguments, "profile export > %s/exported.rows", folder); /* no name of ours */
    answer exported = run(arguments);
    expect(arguments, &exported, 0);
    drop(&exported);
    keep_row(context, "matmul f32 nn 8x8x9", "cpu.was_once", 1e-6, false);
    keep_row(context, "matmul f32 nn 8x8x9", "cpu.was_worse", 0, true);

    json_t *shown = parsed("profile show --json");
    assert_true(number_at(shown, "measured") == 2 && number_at(shown, "quarantined") == 1);
    json_t *rows = parsed("profile show matmul --json"), *row = json_array_get(json_object_get(rows, "rows"), 0);
    assert_int_equal(json_array_size(json_object_get(rows, "rows")), 3);
    assert_string_equal(string_at(row, "problem"), "matmul f32 nn 8x8x8");
    assert_true(number_at(json_object_get(row, "best"), "median_seconds") == 1e-6);
    answer none = run("profile show conv");
    expect("profile show conv", &none, 1);
    drop(&none);

    snprintf(arguments, sizeof arguments, "profile diff %s/exported.rows --json", folder);
    json_t *different = parsed_with("", arguments, 1);
    assert_true(number_at(different, "alike") == 1);
    assert_int_equal(json_array_size(json_object_get(different, "different")), 2);
    snprintf(arguments, sizeof arguments, "profile diff %s/exported.rows %s/exported.rows --json", folder, folder);
    json_t *alike = parsed(arguments);
    assert_int_equal(json_array_size(json_object_get(alike, "different")), 0);

    json_t *verified = parsed("profile verify --json --judge"), *remarks = json_object_get(verified, "remarks");
    assert_true(number_at(verified, "sound") == 3 && number_at(verified, "wrong") == 0);
    assert_true(number_at(verified, "stale") == 1 && number_at(verified, "judged") == 1);
    assert_string_equal(string_at(json_array_get(remarks, 0), "state"), "stale");
    json_t *t4 = parsed("profile export --t4"), *results = json_object_get(t4, "results");
    char    why[256];
    json_t *form = form_of_t4();
    if (breaks(t4, form, "T4", why)) fail_msg("%s", why);
    json_decref(form);
    assert_int_equal(json_array_size(results), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *it = json_array_get(results, i), *problem = json_object_get(it, "problem");
        bool    culprit = json_integer_value(json_object_get(it, "correctness")) == 0;
        assert_string_equal(string_at(it, "invalidity"), culprit ? "timeout" : "correct");
        assert_non_null(strstr(string_at(problem, "text"), culprit ? "8x8x9" : "8x8x"));
        assert_int_equal(json_array_size(json_object_get(it, "measurements")), culprit ? 0 : 3);
        string_at(json_object_get(it, "configuration"), "kernel");
    }
    for (size_t i = 0; i < sizeof tidy / sizeof *tidy; i++) {
        answer a = run(tidy[i]);
        expect(tidy[i], &a, 0);
        expect_tidy(tidy[i], a.out);
        drop(&a);
    }
    json_t *before = parsed("profile hash --json"), *folded = parsed("profile compact --json");
    json_t *after = parsed("profile hash --json"), *again = parsed("profile compact --json");
    assert_true(number_at(folded, "files") == 3 && number_at(folded, "rows") == 3 && number_at(again, "files") == 0);
    assert_string_equal(string_at(before, "hash"), string_at(after, "hash"));
    assert_string_not_equal(string_at(empty, "hash"), string_at(after, "hash"));

    /* to another machine, and there: two commands */
    snprintf(arguments, sizeof arguments, "HONE_PROFILE_PATH=%s/elsewhere", folder);
    char    merge[640];
    snprintf(merge, sizeof merge, "profile merge %s/exported.rows --json", folder);
    json_t *merged = parsed_with(arguments, merge, 0), *file = json_array_get(json_object_get(merged, "files"), 0);
    assert_true(number_at(file, "rows") == 1 && number_at(file, "devices") == 1 && number_at(file, "refused") == 0);
    json_t *there = parsed_with(arguments, "profile verify --json", 0);
    assert_true(number_at(there, "sound") == 1 && number_at(there, "stale") == 0);
    answer choice = run_with(arguments, "explain \"matmul f32 nn 8x8x8\" --json");
    expect_text("explain", choice.out, "estimated"); /* rows are off in tests */
    drop(&choice);
    snprintf(merge, sizeof merge, "HONE_TUNE=read %s", arguments);
    choice = run_with(merge, "explain \"matmul f32 nn 8x8x8\" --json");
    expect_text("explain", choice.out, "\"rule\": \"measured\"");
    drop(&choice);
    json_t *all[] = {empty, shown, rows, different, alike, verified, t4, before, folded, after, again, merged, there};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) json_decref(all[i]);
    hone_rt_context_release(context);
    assert_int_equal(hone_context_destroy(hone), HONE_OK);
    char remove[256];
    snprintf(remove, sizeof remove, "rm -r %s/elsewhere %s/*.folded.*", folder, folder);
    assert_int_equal(system(remove), 0);
}

/* Is there a finding about this, of that kind, whose text has `part` in it and whose mend has `mend`? */
static void expect_finding(json_t *found, const char *kind, const char *part, const char *mend)
{
    json_t *finding;
    size_t  at;
    json_array_foreach(json_object_get(found, "findings"), at, finding)
    {
        const char *by = json_string_value(json_object_get(finding, "mend"));
        if (!strcmp(string_at(finding, "kind"), kind) && strstr(string_at(finding, "what"), part) && by &&
            strstr(by, mend))
            return;
    }
    char *all = json_dumps(found, JSON_INDENT(1));
    fail_msg("doctor found no %s '%s' mended by '%s' in:\n%s", kind, part, mend, all);
}

/* None but those of a build without optimisation, which is the tester's choice. */
static void expect_no_fault(void)
{
    json_t *well = parsed_with(emulated ? "HONE_MODULES=off" : "", "doctor --json", -1), *finding;
    size_t  at;
    assert_true(number_at(well, "looked_at") >= 10);
    json_array_foreach(json_object_get(well, "findings"), at, finding)
    {
        bool fault = !strcmp(string_at(finding, "kind"), "fault"),
             build = !strcmp(string_at(finding, "about"), "build");
        if (fault && !build) fail_msg("doctor found a fault: %s", string_at(finding, "what"));
    }
    json_decref(well);
}

static void doctor_finds_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        int         code;
        const char *kind, *part, *mend;
    } ills[] = {
        {"HONE_ISA=avx5", 1, "fault", "no instruction set", "export HONE_ISA=avx"},
        {"HONE_LOG=selct", 1, "fault", "no level", "export HONE_LOG=select"},
        {"HONE_PROFIL_PATH=/x", 1, "fault", "did you mean HONE_PROFILE_PATH", "unset HONE_PROFIL_PATH"},
        {"HONE_XYZZYPLUGH=1", -1, "advice", "passes it over", "unset HONE_XYZZYPLUGH"},
        {"HONE_PROFILE_PATH=/proc/nothing", 1, "fault", "cannot be kept", "export HONE_PROFILE_PATH="},
        {"HONE_PROFILE_PATH=/tmp/hone-nothing-here", -1, "advice", "no ceilings are kept", "hone devices"},
    };
    expect_no_fault();
    for (size_t i = 0; i < sizeof ills / sizeof *ills; i++) {
        json_t *ill = parsed_with(ills[i].before, "doctor --json", ills[i].code);
        expect_finding(ill, ills[i].kind, ills[i].part, ills[i].mend);
        json_decref(ill);
        answer a = run_with(ills[i].before, "doctor");
        expect_text("doctor", a.out, "mend: ");
        drop(&a);
    }
}

static void damaged_profiles_are_told(void **state)
{
    (void)state;
    json_t *devices = parsed("devices --json");
    char    path[512];
    snprintf(path, sizeof path, "%s", string_at(first_device(devices), "profile"));
    json_decref(devices);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 200, SEEK_SET);
    int letter = fgetc(file);
    fseek(file, 200, SEEK_SET);
    fputc(letter ^ 1, file);
    fclose(file);

    json_t *ill = parsed_with("", "doctor --json", 1);
    expect_finding(ill, "fault", "damaged", "hone devices");
    json_decref(ill);
    answer a = run("profile show");
    expect("profile show", &a, 2);
    drop(&a);
    json_t *listed = parsed("profile list --json");
    json_t *one = json_array_get(json_object_get(json_array_get(json_object_get(listed, "folders"), 0), "files"), 0);
    assert_true(json_is_false(json_object_get(one, "valid")));
    expect_text("profile list", string_at(one, "why"), "damaged");
    json_decref(listed);

    json_t *again = parsed("devices --json"); /* mends it */
    assert_string_equal(string_at(first_device(again), "ceilings_from"), "measured now, and kept");
    json_decref(again);
    expect_no_fault();
}

static void measures_where_nothing_can_be_kept(void **state)
{
    (void)state;
    answer a = run_with("HONE_PROFILE_PATH=/proc/nothing", "devices");
    expect("devices", &a, 0);
    expect_text("devices", a.out, "measured now, and not kept");
    expect_text("devices", a.err, "could not be kept");
    drop(&a);
}

/* --- explain, check, bench ------------------------------------------------------------------------------------- */

static void explains_a_choice(void **state)
{
    (void)state;
    json_t *json = parsed("explain \"matmul  f32 nn   64x32x16 +bias+relu\" --json"), *candidate;
    size_t  at;
    int     taken = 0;
    assert_string_equal(string_at(json, "problem"), "matmul f32 nn 64x32x16 +bias+relu");
    assert_true(number_at(json_object_get(json, "cost"), "flops") >= 2.0 * 64 * 32 * 16);
    assert_true(number_at(json_object_get(json, "roofline"), "seconds") > 0);
    assert_string_equal(string_at(json, "chosen"),
                        string_at(json_array_get(json_object_get(json, "ranking"), 0), "kernel"));
    string_at(json, "rule");
    json_array_foreach(json_object_get(json, "ranking"), at, candidate)
    {
        bool refuses = json_is_string(json_object_get(candidate, "refusal"));
        if (!refuses) string_at(candidate, "configuration");
        if (!refuses) string_at(candidate, "basis");
        taken += !refuses;
    }
    assert_true(taken >= 1);
    json_decref(json);

    static const char *const questions[] = {
        "explain \"matmul f64 tt 8x8x8 batch=3\"", "explain \"matmul f32 nn 512x512x512\" --threads 3",
        "explain \"matmul f32 nn 0x5x7\"",
        "explain \"matmul f32 nn 100x100x100 +bias+gelu+residual+store beta=1 batch=7 lda=200 ldb=300 ldc=400\""};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        answer a = run(questions[i]);
        expect(questions[i], &a, 0);
        expect_tidy(questions[i], a.out);
        expect_text(questions[i], a.out, "chosen");
        drop(&a);
    }
    answer portable = run_with("HONE_ISA=portable", "explain \"matmul f32 nn 64x64x64\"");
    expect_text("explain", portable.out, "portable, 1 thread");
    drop(&portable);
}

static void checks_kernels(void **state)
{
    (void)state;
    char arguments[256];
    snprintf(arguments, sizeof arguments, "check --cases %s --json", cases);
    json_t *json = parsed(arguments), *one;
    size_t  at;
    double  judged = 0;
    assert_true(number_at(json, "cases") == atof(cases));
    assert_true(number_at(json, "failed") == 0 && number_at(json, "not_judged") == 0);
    assert_true(number_at(json, "passed") >= number_at(json, "cases"));
    assert_true(number_at(json, "passed") == number_at(json, "judgements"));
    json_array_foreach(json_object_get(json, "kernels"), at, one) judged += number_at(one, "judged");
    assert_true(judged == number_at(json, "judgements"));
    assert_int_equal(json_array_size(json_object_get(json, "failures")), 0);
    json_decref(json);

    answer a = run("check matmul --cases 10 --seed 5");
    expect("check matmul", &a, 0);
    expect_tidy("check matmul", a.out);
    expect_text("check matmul", a.out, " passed, 0 failed\n");
    drop(&a);
    a = run("check \"matmul f32 nn 13x7x5 +bias\" --kernel cpu.reference --isa portable --seed 123");
    expect("check PROBLEM", &a, 0);
    expect_text("check PROBLEM", a.out, "1 case, seed 123: 1 judgements");
    expect_text("check PROBLEM", a.out, "1 passed, 0 failed\n");
    drop(&a);
    json = parsed("check --list --json");
    assert_true(json_array_size(json_object_get(json, "kernels")) >= 1);
    json_decref(json);
    a = run("check --list");
    expect_text("check --list", a.out, "cpu.reference");
    drop(&a);
}

static void expect_row(json_t *row)
{
    static const char *const numbers[] = {"real_time", "cpu_time", "iterations", "repetitions", "repetition_index",
                                          "threads", "median_us", "lo_us", "hi_us", "gflops", "share_of_ceiling"};
    static const char *const texts[] = {"name", "run_name", "run_type", "time_unit", "problem", "kernel"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) assert_true(number_at(row, numbers[i]) >= 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) string_at(row, texts[i]);
    assert_true(json_is_boolean(json_object_get(row, "chosen")));
    assert_true(number_at(row, "lo_us") <= number_at(row, "median_us"));
    assert_true(number_at(row, "median_us") <= number_at(row, "hi_us"));
}

static void times_kernels(void **state)
{
    (void)state;
    json_t *json = parsed("bench \"matmul f32 nn 16x16x16\" --rounds 6 --kernels all --json"), *row;
    json_t *context = json_object_get(json, "context");
    size_t  at;
    int     chosen = 0;
    string_at(context, "date");
    string_at(context, "host_name");
    string_at(context, "fingerprint");
    number_at(context, "num_cpus");
    json_array_foreach(json_object_get(json, "benchmarks"), at, row)
    {
        expect_row(row);
        assert_string_equal(string_at(row, "problem"), "matmul f32 nn 16x16x16");
        chosen += json_is_true(json_object_get(row, "chosen"));
    }
    assert_true(at >= 1);
    assert_int_equal(chosen, 1);
    json_decref(json);

    char  path[256], arguments[512];
    FILE *file;
    snprintf(path, sizeof path, "%s/problems.txt", folder);
    assert_non_null(file = fopen(path, "w"));
    fputs("# what a program asked for\nmatmul f32 nn 8x8x8\n\n  matmul f64 tn 9x7x5 beta=1\n", file);
    fclose(file);
    snprintf(arguments, sizeof arguments, "bench %s --budget 100ms --kernels chosen --cold", path);
    answer a = run(arguments);
    expect(arguments, &a, 0);
    expect_tidy(arguments, a.out);
    expect_text(arguments, a.out, "matmul f32 nn 8x8x8\n");
    expect_text(arguments, a.out, "matmul f64 tn 9x7x5 beta=1\n");
    drop(&a);
    a = run("bench \"matmul f32 nn 16x16x16\" --rounds 6 --threads 2 --kernels cpu.reference");
    expect("bench --threads 2", &a, 0);
    expect_text("bench --threads 2", a.out, "2 threads, warm");
    expect_text("bench --threads 2", a.out, "cpu.reference");
    drop(&a);
}

/* The row of that problem which is chosen, or which is quickest. */
static json_t *row_of(json_t *rows, const char *problem, bool chosen)
{
    json_t *row, *found = NULL;
    size_t  at;
    json_array_foreach(rows, at, row)
    {
        if (strcmp(string_at(row, "problem"), problem) != 0) continue;
        if (chosen ? json_is_true(json_object_get(row, "chosen"))
                   : !found || number_at(row, "median_us") < number_at(found, "median_us"))
            found = row;
    }
    assert_non_null(found);
    return found;
}

/* What many problems come to is said of the rows that stand above it. */
static void sums_up_what_it_timed(void **state)
{
    (void)state;
    char  path[256], arguments[512];
    FILE *file;
    snprintf(path, sizeof path, "%s/two.txt", folder);
    assert_non_null(file = fopen(path, "w"));
    fputs("matmul f32 nn 16x16x16\nmatmul f64 nn 24x8x40\n", file);
    fclose(file);
    snprintf(arguments, sizeof arguments, "bench %s --rounds 6 --kernels all --json", path);
    json_t *json = parsed(arguments), *duel, *rows = json_object_get(json, "benchmarks");
    json_t *summary = json_object_get(json, "summary"), *regret = json_object_get(summary, "regret");
    json_t *list = json_object_get(regret, "duels");
    size_t  at;
    double  logs = 0, lost = 0, worst = 0;
    assert_int_equal(json_array_size(list), 2);
    json_array_foreach(list, at, duel)
    {
        const char *problem = string_at(duel, "problem");
        json_t     *chosen = row_of(rows, problem, true), *best = row_of(rows, problem, false);
        assert_string_equal(string_at(duel, "kernel"), string_at(chosen, "kernel"));
        assert_string_equal(string_at(duel, "rival"), string_at(best, "kernel"));
        double ratio = number_at(duel, "ratio");
        if (chosen == best) assert_true(ratio == 1);
        assert_true(ratio > 0 && number_at(duel, "ratio_lo") <= ratio && ratio <= number_at(duel, "ratio_hi"));
        logs += log(ratio);
        lost += 1 / ratio - 1;
        worst = fmax(worst, 1 / ratio - 1);
    }
    /* As near as figures that were written with few digits can be: a regret may be a hundredfold. */
    assert_true(fabs(number_at(regret, "geometric_mean") - exp(logs / 2)) < 1e-7);
    assert_true(fabs(number_at(summary, "regret_mean") - lost / 2) < 1e-7 * (1 + lost));
    assert_true(fabs(number_at(summary, "regret_worst") - worst) < 1e-7 * (1 + worst));
    json_decref(json);
}

static void tells_what_a_thread_costs(void **state)
{
    (void)state;
    json_t *json = parsed("bench threads --rounds 20 --json");
    assert_true(json_is_number(json_object_get(json, "fork_join_ns")));
    json_t *rows = json_object_get(json, "benchmarks");
    assert_true(json_array_size(rows) == 4 || json_array_size(rows) == 10); /* without an OpenMP library, or with one */
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *one = json_object_get(row, "one"), *two = json_object_get(row, "two");
        assert_true(json_number_value(json_object_get(one, "median_us")) > 0);
        assert_true(json_number_value(json_object_get(two, "p90_us")) > 0);
    }
    json_decref(json);
    answer a = run("bench threads --rounds 20");
    expect("bench threads", &a, 0);
    expect_tidy("bench threads", a.out);
    drop(&a);
}

static void tells_the_overhead(void **state)
{
    (void)state;
    json_t *json = parsed("bench overhead --rounds 8 --json"), *row;
    size_t  at;
    json_array_foreach(json_object_get(json, "benchmarks"), at, row)
    {
        json_t *allocations = json_object_get(row, "allocations");
        string_at(row, "name");
        if (json_is_integer(allocations)) assert_int_equal(json_integer_value(allocations), 0);
    }
    assert_int_equal(at, 4);
    json_decref(json);
    answer a = run("bench overhead --rounds 8");
    expect("bench overhead", &a, 0);
    expect_tidy("bench overhead", a.out);
    drop(&a);
}

static void tests_its_stopwatch(void **state)
{
    (void)state;
    char    arguments[128];
    answer  a;
    snprintf(arguments, sizeof arguments, "bench --selftest --noise --duels %s", duels);
    a = run(arguments);
    if (a.code != 0 && a.code != 1) expect(arguments, &a, 0); /* what it finds is not asserted here */
    expect_text(arguments, a.out, "against itself");
    drop(&a);
}

static void ends_cleanly_when_interrupted(void **state)
{
    (void)state;
    char   interrupt[64];
    answer a;
    int    seconds = 1;
    for (;; seconds *= 3) { /* on a busy machine it may be interrupted before it has begun */
        snprintf(interrupt, sizeof interrupt, "timeout --preserve-status -s INT %d", seconds);
        a = run_with(interrupt, "check matmul --cases 1000000000");
        if (strstr(a.out, "; interrupted") || seconds > 60) break;
        drop(&a);
    }
    expect("check, interrupted", &a, 130);
    expect_text("check, interrupted", a.out, "; interrupted");
    expect_text("check, interrupted", a.out, " passed, 0 failed\n");
    drop(&a);
    json_t *json = parsed_with(interrupt, "check matmul --cases 1000000000 --json", 130);
    assert_true(json_is_true(json_object_get(json, "interrupted")));
    json_decref(json);
}

/* --- the frame ------------------------------------------------------------------------------------------------- */

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && setenv("HONE_PROFILE_PATH", folder, 1) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_its_version),
        cmocka_unit_test(explains_every_verb),
        cmocka_unit_test(refuses_misuse),
        cmocka_unit_test(notices_a_full_disk),
        cmocka_unit_test(completes_words),
        cmocka_unit_test(measures_once_and_remembers),
        cmocka_unit_test(draws_other_machines),
        cmocka_unit_test(draws_into_files),
        cmocka_unit_test(shows_and_lists_profiles),
        cmocka_unit_test(the_form_of_others_is_looked_at),
        cmocka_unit_test(keeps_rows),
        cmocka_unit_test(doctor_finds_what_is_wrong),
        cmocka_unit_test(damaged_profiles_are_told),
        cmocka_unit_test(measures_where_nothing_can_be_kept),
        cmocka_unit_test(explains_a_choice),
        cmocka_unit_test(checks_kernels),
        cmocka_unit_test(times_kernels),
        cmocka_unit_test(sums_up_what_it_timed),
        cmocka_unit_test(tells_the_overhead),
        cmocka_unit_test(tells_what_a_thread_costs),
        cmocka_unit_test(tests_its_stopwatch),
        cmocka_unit_test(ends_cleanly_when_interrupted),
    };
    if (count < 4) {
        fprintf(stderr, "usage: %s CASES DUELS HONE [EMULATOR ...]\n", words[0]);
        return 2;
    }
    emulated = count > 4;
    cases = words[1];
    duels = words[2];
    for (int i = 4; i < count; i++) {
        size_t length = strlen(program);
        snprintf(program + length, sizeof program - length, "%s ", words[i]);
    }
    size_t length = strlen(program);
    snprintf(program + length, sizeof program - length, "%s", words[3]);
    unsetenv("HONE_ISA");
    unsetenv("HONE_LOG");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
