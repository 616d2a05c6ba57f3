/* Modules that are found: the sound one is used, each planted fault costs a sentence and nothing else, proofs are kept,
 * and fork, memory and the host's own ways do no harm.
 *
 *     test_found PROBE PLANTED_FOLDER
 *
 * What is found belongs to a process, so each case runs in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runtime/hall.h"
#include "runtime/modules.h"
#include "tests/memory.h"

static const char *probe, *planted;
static char        root[64], folder[96], profiles[96];

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, hone_last_error());                    \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* --- folders ---------------------------------------------------------------------------------------------------- */

static void run_command(const char *format, ...) HONE_PRINTF(1, 2);
static void run_command(const char *format, ...)
{
    char    command[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hone-modules-XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(folder, sizeof folder, "%s/modules", root);
    snprintf(profiles, sizeof profiles, "%s/profiles", root);
    setenv("HONE_PROFILE_PATH", profiles, 1);
    unsetenv("HONE_MODULES");
    return mkdir(folder, 0755);
}

static int tear_down(void **state)
{
    (void)state;
    run_command("rm -rf %s", root);
    return 0;
}

/* Puts planted module `which` there under a name. */
static void plant(const char *which, const char *name)
{
    run_command("cp %s/planted_%s.so %s/hone_%s.so", planted, which, folder, name);
    run_command("chmod 755 %s/hone_%s.so", folder, name);
}

/* --- children --------------------------------------------------------------------------------------------------- */

static void in_child(void (*body)(void))
{
    int   how;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hone_rt_modules_at(folder, probe);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

typedef struct scene {
    hone_context    *handle;
    hone_rt_context *context;
    hone_device     *device;
    hone_stream     *stream;
} scene;

static scene scene_open(const hone_context_options *options)
{
    scene s;
    MUST(hone_context_create(options, &s.handle) == HONE_OK);
    MUST(hone_rt_context_hold(s.handle, &s.context) == HONE_OK);
    MUST(hone_device_find(s.handle, "cpu:0", &s.device) == HONE_OK);
    MUST(hone_stream_create(s.device, &s.stream) == HONE_OK);
    return s;
}

static void scene_close(scene *s)
{
    hone_rt_context_release(s->context);
    MUST(hone_stream_destroy(s->stream) == HONE_OK);
    MUST(hone_context_destroy(s->handle) == HONE_OK);
    MUST(hone_alloc_live() == 0);
}

static hone_status multiply(const scene *s, int64_t size, float *out)
{
    static float a[64], b[64], c[64];
    for (int i = 0; i < 64; i++) a[i] = 3, b[i] = 5, c[i] = 0;
    hone_tensor x = hone_matrix(HONE_F32, size, size, a), y = hone_matrix(HONE_F32, size, size, b),
                z = hone_matrix(HONE_F32, size, size, c);
    hone_status status = hone_matmul(s->stream, &x, &y, &z, NULL);
    *out = c[0];
    return status;
}

static const hone_kernel *planted_kernel(const scene *s)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const hone_op     *op = hone_rt_op_find(s->context, "matmul");
    int count = hone_rt_kernels(s->context, op, hone_rt_device_at(s->context, 0), kernels, HONE_RT_KERNELS_MAX);
    for (int i = 0; i < count; i++)
        if (!strcmp(kernels[i]->name, "planted.sound")) return kernels[i];
    return NULL;
}

static hone_rt_module_remark remark_of(const scene *s, const char *name, hone_rt_module_state state)
{
    hone_rt_module_remark remarks[64];
    int                   count = hone_rt_module_remarks(s->context, remarks, 64);
    for (int i = 0; i < count; i++)
        if (!strcmp(remarks[i].name, name) && remarks[i].state == state) return remarks[i];
    fprintf(stderr, "no remark %d of %s; there are %d:\n", (int)state, name, count);
    for (int i = 0; i < count; i++)
        fprintf(stderr, "    %s %d %s\n", remarks[i].name, (int)remarks[i].state, remarks[i].sentence);
    _exit(1);
}

static void must_say(const scene *s, const char *name, hone_rt_module_state state, const char *part)
{
    hone_rt_module_remark remark = remark_of(s, name, state);
    if (strstr(remark.sentence, part)) return;
    fprintf(stderr, "%s: '%s' lacks '%s'\n", name, remark.sentence, part);
    _exit(1);
}

/* The door works, by whatever kernel. */
static void must_multiply(const scene *s)
{
    float got = 0;
    MUST(multiply(s, 8, &got) == HONE_OK && got == 120);
    MUST(multiply(s, 1, &got) == HONE_OK && got == 15);
}

/* A plan of the planted kernel: found modules are used where they are asked for, or were measured. */
static hone_plan *planted_plan(const scene *s)
{
    const hone_op     *op;
    const hone_kernel *kernel = planted_kernel(s);
    hone_rt_problem    problem;
    hone_rt_plan      *plan;
    hone_plan         *handle;
    MUST(kernel && hone_rt_problem_parse(s->context, "matmul f32 nn 1x1x1", &op, &problem) == HONE_OK);
    hone_request request = hone_rt_request(s->context, hone_rt_device_at(s->context, 0), op, problem.bytes, 4);
    MUST(hone_rt_plan_with(s->context, &request, kernel, NULL, &plan) == HONE_OK);
    MUST(hone_rt_plan_handle(plan, &handle) == HONE_OK);
    return handle;
}

/* --- cases ------------------------------------------------------------------------------------------------------ */

static void uses_sound(void)
{
    scene s = scene_open(NULL);
    float       got;
    hone_tensor one = hone_matrix(HONE_F32, 1, 1, NULL);
    hone_plan  *plan;
    char        text[512];
    MUST(multiply(&s, 1, &got) == HONE_OK && got == 15);
    MUST(hone_matmul_plan(s.device, &one, &one, &one, NULL, &plan) == HONE_OK); /* by an estimate: hone's own */
    MUST(hone_plan_describe(plan, text, sizeof text) == HONE_OK && !strstr(text, "planted.sound"));
    MUST(hone_plan_destroy(plan) == HONE_OK);
    plan = planted_plan(&s);
    MUST(hone_plan_describe(plan, text, sizeof text) == HONE_OK && strstr(text, "planted.sound"));
    MUST(hone_plan_destroy(plan) == HONE_OK);
    remark_of(&s, "sound", HONE_RT_MODULE_OPEN);
    must_say(&s, "sound", HONE_RT_MODULE_SAYS, "planted, and number 1");
    must_multiply(&s);
    scene_close(&s);
}

static void test_sound(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(uses_sound);
}

/* A row that says so, of this problem or of one like it, is what calls for somebody else's library: until then none is
 * opened. */
static void is_measured_best(void)
{
    hone_rt_journal     *journal;
    hone_plan           *plan;
    char                 text[256];
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    float                one = 1;
    double               other = 1;
    hone_tensor          t = hone_matrix(HONE_F32, 1, 1, &one), far = hone_matrix(HONE_F64, 1, 1, &other);
    hone_rt_row          row = {.kind = HONE_RT_ROW_MEASURED, .threads = 1, .alignment = 4, .complete = true,
                                .problem = "matmul f32 nn 1x1x1", .best = {.kernel = "planted.sound", .version = 1}};
    options.thread_count = 1;
    options.tune = HONE_TUNE_READ;
    scene s = scene_open(&options);
    MUST(hone_rt_journal_open(hone_rt_device_at(s.context, 0), NULL, &journal) == HONE_OK);
    MUST(hone_rt_journal_add(journal, &row) == HONE_OK);
    hone_rt_journal_close(journal);
    scene_close(&s);

    s = scene_open(&options);
    MUST(hone_matmul_plan(s.device, &far, &far, &far, NULL, &plan) == HONE_OK); /* the row speaks for none like it */
    MUST(hone_plan_destroy(plan) == HONE_OK);
    MUST(access("/proc/self/maps", R_OK) == 0 && system("grep -q hone_sound.so /proc/$PPID/maps") != 0);
    MUST(hone_matmul_plan(s.device, &t, &t, &t, NULL, &plan) == HONE_OK);
    MUST(hone_plan_describe(plan, text, sizeof text) == HONE_OK);
    MUST(strstr(text, "planted.sound (measured)"));
    MUST(system("grep -q hone_sound.so /proc/$PPID/maps") == 0);
    MUST(hone_plan_destroy(plan) == HONE_OK);
    scene_close(&s);
}

static void test_measured(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(is_measured_best);
}

static void meets_all(void)
{
    scene s = scene_open(NULL);
    must_multiply(&s);
    must_say(&s, "abi", HONE_RT_MODULE_REFUSED, "speaks the ABI");
    must_say(&s, "function", HONE_RT_MODULE_REFUSED, "no function hone_module_open");
    must_say(&s, "constructor", HONE_RT_MODULE_REFUSED, "crashed at opening: signal 11");
    must_say(&s, "crash", HONE_RT_MODULE_REFUSED, "crashed at its hone_module_open: signal 11");
    must_say(&s, "abort", HONE_RT_MODULE_REFUSED, "signal 6");
    must_say(&s, "exit", HONE_RT_MODULE_REFUSED, "exit status 5");
    must_say(&s, "hang", HONE_RT_MODULE_REFUSED, "hung at opening");
    must_say(&s, "hang2", HONE_RT_MODULE_REFUSED, "hung at its hone_module_open");
    must_say(&s, "idle", HONE_RT_MODULE_IDLE, "nothing to multiply");
    must_say(&s, "lacks", HONE_RT_MODULE_REFUSED, "lacks one of its functions");
    must_say(&s, "backend", HONE_RT_MODULE_REFUSED, "brings a backend");
    must_say(&s, "symbol", HONE_RT_MODULE_REFUSED, "undefined symbol: planted_elsewhere");
    must_say(&s, "library", HONE_RT_MODULE_REFUSED, "libplanted_elsewhere.so: cannot open");
    must_say(&s, "vax", HONE_RT_MODULE_REFUSED, "another kind of machine");
    must_say(&s, "short", HONE_RT_MODULE_REFUSED, "at opening");
    must_say(&s, "garbage", HONE_RT_MODULE_REFUSED, "cannot be opened");
    must_say(&s, "empty", HONE_RT_MODULE_REFUSED, "cannot be opened");
    must_say(&s, "open", HONE_RT_MODULE_REFUSED, "others may write");
    must_say(&s, "link", HONE_RT_MODULE_REFUSED, "no regular file");
    must_say(&s, "folder", HONE_RT_MODULE_REFUSED, "no regular file");
    if (geteuid() == 0) must_say(&s, "theirs", HONE_RT_MODULE_REFUSED, "another user");
    remark_of(&s, "chatter", HONE_RT_MODULE_OPEN);
    remark_of(&s, "sound", HONE_RT_MODULE_OPEN);
    MUST(planted_kernel(&s));
    scene_close(&s);
}

static ino_t proofs_inode(void)
{
    char        path[128];
    struct stat facts;
    snprintf(path, sizeof path, "%s/modules.proofs", profiles);
    return stat(path, &facts) == 0 ? facts.st_ino : 0;
}

static void test_faults(void **state)
{
    static const char *const rows[][2] = {
        {"wrong_abi", "abi"},
        {"no_function", "function"},
        {"crash_in_constructor", "constructor"},
        {"crash", "crash"},
        {"abort", "abort"},
        {"exit", "exit"},
        {"hang_in_constructor", "hang"},
        {"hang", "hang2"},
        {"idle", "idle"},
        {"row_lacks", "lacks"},
        {"backend", "backend"},
        {"lacks_symbol", "symbol"},
        {"lacks_library", "library"},
        {"sound", "vax"},
        {"sound", "open"},
        {"sound", "theirs"},
        {"chatter", "chatter"},
        {"sound", "sound"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) plant(rows[i][0], rows[i][1]);
    run_command("cd %s && head -c 5000 /dev/urandom > hone_garbage.so && : > hone_empty.so && chmod o+w hone_open.so"
                " && head -c 600 hone_sound.so > hone_short.so"
                " && printf '\\013\\000' | dd of=hone_vax.so bs=1 seek=18 conv=notrunc 2>/dev/null"
                " && ln -s hone_sound.so hone_link.so && mkdir hone_folder.so && cp hone_sound.so other.so"
                " && cp hone_sound.so hone_.so && cp hone_sound.so hone_notes.txt",
                folder);
    if (geteuid() == 0) run_command("chown 12345 %s/hone_theirs.so", folder);
    in_child(meets_all);
    ino_t first = proofs_inode();
    assert_true(first != 0);
    in_child(meets_all); /* nothing is tried again, so nothing is written */
    assert_true(proofs_inode() == first);
    run_command("cp %s/hone_sound.so %s/new && mv %s/new %s/hone_sound.so", folder, folder, folder, folder);
    in_child(meets_all); /* another file of that name is */
    assert_true(proofs_inode() != first);
}

static void test_damaged_proofs(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(uses_sound);
    run_command("head -c 3000 /dev/urandom > %s/modules.proofs", profiles);
    in_child(uses_sound);
    run_command("sed -i s/proven/refused/ %s/modules.proofs", profiles);
    in_child(uses_sound);
    run_command("rm -rf %s && : > %s", profiles, profiles); /* no folder can be made there */
    in_child(uses_sound);
}

static void finds_nothing(void)
{
    hone_rt_module_remark remarks[4];
    scene                 s = scene_open(NULL);
    must_multiply(&s);
    MUST(!planted_kernel(&s));
    MUST(hone_rt_module_remarks(s.context, remarks, 4) == 0);
    scene_close(&s);
}

static void refuses_word(void)
{
    hone_context *handle;
    setenv("HONE_MODULES", "perhaps", 1);
    MUST(hone_context_create(NULL, &handle) == HONE_ERROR_ARGUMENT && strstr(hone_last_error(), "perhaps"));
}

static void test_off(void **state)
{
    (void)state;
    plant("sound", "sound");
    setenv("HONE_MODULES", "off", 1);
    in_child(finds_nothing);
    in_child(refuses_word);
    unsetenv("HONE_MODULES");
    in_child(uses_sound);
    run_command("rm -rf %s", folder);
    in_child(finds_nothing);
    run_command("mkdir %s && chmod 755 %s", folder, folder);
    in_child(finds_nothing);
}

static void meets_open_folder(void)
{
    scene s = scene_open(NULL);
    must_multiply(&s);
    MUST(!planted_kernel(&s));
    must_say(&s, "modules", HONE_RT_MODULE_REFUSED, "others may write");
    scene_close(&s);
}

static void meets_no_probe(void)
{
    hone_rt_modules_at(folder, "/nowhere/hone-probe");
    scene s = scene_open(NULL);
    must_multiply(&s);
    must_say(&s, "sound", HONE_RT_MODULE_REFUSED, "/nowhere/hone-probe");
    scene_close(&s);
}

static void meets_broken_probe(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/probe", root);
    hone_rt_modules_at(folder, path);
    scene s = scene_open(NULL);
    must_multiply(&s);
    must_say(&s, "sound", HONE_RT_MODULE_REFUSED, "");
    scene_close(&s);
}

static void test_places(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(meets_no_probe);
    run_command("printf nonsense > %s/probe && chmod 755 %s/probe", root, root);
    in_child(meets_broken_probe);
    run_command("printf '#!/bin/sh\\nyes' > %s/probe", root);
    in_child(meets_broken_probe);
    run_command("chmod o+w %s", folder);
    in_child(meets_open_folder);
}

static void is_deterministic(void)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    options.deterministic = 1;
    scene       s = scene_open(&options);
    hone_tensor one = hone_matrix(HONE_F32, 1, 1, NULL);
    hone_plan  *plan;
    char        text[512];
    MUST(hone_matmul_plan(s.device, &one, &one, &one, NULL, &plan) == HONE_OK);
    MUST(hone_plan_describe(plan, text, sizeof text) == HONE_OK && !strstr(text, "planted"));
    MUST(hone_plan_destroy(plan) == HONE_OK);
    scene_close(&s);
}

static void has_two_contexts(void)
{
    scene first = scene_open(NULL);
    must_multiply(&first);
    scene second = scene_open(NULL);
    must_multiply(&second);
    const hone_kernel *kernel = planted_kernel(&first);
    MUST(kernel && kernel == planted_kernel(&second));
    hone_rt_context_release(first.context);
    MUST(hone_stream_destroy(first.stream) == HONE_OK && hone_context_destroy(first.handle) == HONE_OK);
    must_multiply(&second);
    MUST(planted_kernel(&second) == kernel);
    scene_close(&second);
    scene third = scene_open(NULL);
    must_multiply(&third);
    scene_close(&third);
}

static void test_contexts(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(is_deterministic);
    in_child(has_two_contexts);
}

static void forks(void)
{
    scene       s = scene_open(NULL);
    float       a = 3, b = 5, c = 0;
    double      values[HONE_SCALARS_MAX] = {1};
    hone_tensor one = hone_matrix(HONE_F32, 1, 1, &c);
    hone_plan  *plan = planted_plan(&s);
    int         how;
    must_multiply(&s);
    hone_operand        operands[HONE_ROLES_MAX] = {{.host = &a}, {.host = &b}, {.host = &c}};
    hone_plan_arguments arguments = {.size = sizeof arguments, .operand_count = HONE_ROLES_MAX, .operands = operands,
                                     .value_count = HONE_SCALARS_MAX, .values = values};
    MUST(hone_plan_run(s.stream, plan, &arguments) == HONE_OK && c == 15);
    pid_t pid = fork();
    if (pid == 0) {
        c = 0;
        MUST(hone_plan_run(s.stream, plan, &arguments) == HONE_ERROR_STATE && strstr(hone_last_error(), "fork"));
        MUST(c == 0);
        must_multiply(&s);
        hone_plan *again;
        char       text[512];
        MUST(hone_matmul_plan(s.device, &one, &one, &one, NULL, &again) == HONE_OK);
        MUST(hone_plan_describe(again, text, sizeof text) == HONE_OK && !strstr(text, "planted"));
        MUST(hone_plan_destroy(again) == HONE_OK && hone_plan_destroy(plan) == HONE_OK);
        MUST(hone_rt_module_refuses(planted_kernel(&s)));
        scene_close(&s);
        _exit(0);
    }
    MUST(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0);
    c = 0;
    MUST(hone_plan_run(s.stream, plan, &arguments) == HONE_OK && c == 15);
    MUST(hone_plan_destroy(plan) == HONE_OK);
    scene_close(&s);
}

static void test_fork(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(forks);
}

/* --- hosts with ways of their own ------------------------------------------------------------------------------- */

static void ignores_children(void)
{
    signal(SIGCHLD, SIG_IGN); /* so nobody is told how a child ended */
    scene s = scene_open(NULL);
    must_multiply(&s);
    remark_of(&s, "sound", HONE_RT_MODULE_OPEN);
    must_say(&s, "crash", HONE_RT_MODULE_REFUSED, "ended its process at its hone_module_open");
    must_say(&s, "hang", HONE_RT_MODULE_REFUSED, "hung at its hone_module_open");
    scene_close(&s);
}

static void take_any(int signal_number)
{
    int kept = errno;
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    errno = kept;
}

static void takes_all_children(void)
{
    signal(SIGCHLD, take_any);
    uses_sound();
}

static void has_no_descriptors(void)
{
    for (int i = 0; i < 20; i++) close(i);
    uses_sound();
}

static void test_hosts(void **state)
{
    (void)state;
    plant("sound", "sound");
    in_child(takes_all_children);
    run_command("rm -rf %s", profiles);
    in_child(has_no_descriptors);
    run_command("rm -rf %s", profiles);
    setenv("PATH", "", 1);
    in_child(uses_sound);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

static void test_ignoring_host(void **state)
{
    (void)state;
    plant("sound", "sound");
    plant("crash", "crash");
    plant("hang", "hang");
    in_child(ignores_children);
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

static int64_t fail_at;

static void lacks_memory(void)
{
    static test_memory memory;
    hone_context      *handle;
    hone_device       *device;
    hone_stream       *stream = NULL;
    scene              s = {0};
    float              got;
    MUST(test_memory_use(&memory) == HONE_OK);
    memory.fail_at = fail_at;
    hone_status status = hone_context_create(NULL, &handle);
    if (status == HONE_OK) {
        MUST(hone_device_find(handle, "cpu:0", &device) == HONE_OK);
        status = hone_stream_create(device, &stream);
        s.stream = stream;
        if (status == HONE_OK) status = multiply(&s, 1, &got);
        MUST(status != HONE_OK || got == 15);
        MUST(hone_stream_destroy(stream) == HONE_OK && hone_context_destroy(handle) == HONE_OK);
    }
    MUST(status == HONE_OK || status == HONE_ERROR_MEMORY);
    MUST(memory.blocks == 0);
    _exit(memory.calls < fail_at ? 0 : 9);
}

static void test_memory_short(void **state)
{
    (void)state;
    plant("sound", "sound");
    for (fail_at = 1;; fail_at++) {
        int   how;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            hone_rt_modules_at(folder, probe);
            lacks_memory();
        }
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_true(WIFEXITED(how));
        if (WEXITSTATUS(how) == 0) break;
        assert_int_equal(WEXITSTATUS(how), 9);
        if (fail_at % 2) run_command("rm -rf %s", profiles);
        assert_true(fail_at < 200);
    }
    printf("%d allocations failed in turn\n", (int)fail_at - 1);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_measured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_proofs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_contexts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fork, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ignoring_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_short, set_up, tear_down),
    };
    hone_rt_proof_seconds = 4;
    if (count != 3) return 2;
    probe = words[1];
    planted = words[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
