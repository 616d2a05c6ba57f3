/* Selection by what was measured: a row that this process can repeat decides, one that it cannot is passed over and
 * told once, what is in quarantine is no candidate; and what each mode makes of all that. */
#include "runtime/rivals.h"
#include "tests/runtime/tools.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "runtime/hall.h"
#include "tuner/vouch.h"

enum { LINES = 64 };

static char root[64], near_by[96], far_away[96], both[200];

/* --- a context over two folders, and what it says -------------------------------------------------------------------
 */

static struct {
    hone_log_level level;
    char           line[1024];
} said[LINES];
static int said_count;

static void hear(void *user, hone_log_level level, const char *line)
{
    (void)user;
    if (said_count == LINES) return;
    said[said_count].level = level;
    snprintf(said[said_count++].line, sizeof said[0].line, "%s", line);
}

/* How many lines of that level have these words. */
static int heard(hone_log_level level, const char *words)
{
    int count = 0;
    for (int i = 0; i < said_count; i++) count += said[i].level == level && strstr(said[i].line, words);
    return count;
}

typedef struct scene {
    hone_context    *handle;
    hone_rt_context *context;
    hone_device     *device;
    hone_stream     *stream;
} scene;

static hone_status open_scene_as(scene *s, hone_context_options options)
{
    memset(s, 0, sizeof *s);
    options.log = hear;
    options.log_level = HONE_LOG_SELECT;
    if (!options.profile_path) options.profile_path = both;
    if (!options.thread_count) options.thread_count = 1;
    hone_status status = hone_context_create(&options, &s->handle);
    if (status != HONE_OK) return status;
    works(hone_rt_context_hold(s->handle, &s->context));
    works(hone_device_find(s->handle, "cpu:0", &s->device));
    works(hone_stream_create(s->device, &s->stream));
    return HONE_OK;
}

static void open_scene(scene *s, hone_tune_mode mode)
{
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    options.tune = mode;
    works(open_scene_as(s, options));
}

static void close_scene(scene *s)
{
    works(hone_stream_destroy(s->stream));
    hone_rt_context_release(s->context);
    works(hone_context_destroy(s->handle));
}

static const char memory[64 * 64 * sizeof(float)] __attribute__((aligned(64)));

static hone_status plan_of(const scene *s, int64_t m, int64_t n, int64_t k, char *out)
{
    hone_plan  *plan;
    hone_tensor a = hone_matrix(HONE_F32, m, k, (void *)(uintptr_t)memory);
    hone_tensor b = hone_matrix(HONE_F32, k, n, (void *)(uintptr_t)memory);
    hone_tensor c = hone_matrix(HONE_F32, m, n, (void *)(uintptr_t)memory);
    *out = 0;
    hone_status status = hone_matmul_plan(s->device, &a, &b, &c, NULL, &plan);
    if (status != HONE_OK) return status;
    works(hone_plan_describe(plan, out, 512));
    works(hone_plan_destroy(plan));
    return HONE_OK;
}

static bool chosen(const scene *s, int64_t m, int64_t n, int64_t k, const char *words)
{
    char text[512];
    works(plan_of(s, m, n, k, text));
    if (!strstr(text, words)) print_message("'%s' has no '%s'\n", text, words);
    return strstr(text, words) != NULL;
}

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

/* What would be chosen without a row, and another kernel that takes it: names, versions and configurations. */
typedef struct rivals {
    hone_rt_figure first, second;
} rivals;

static void describe(const hone_rt_candidate *candidate, hone_rt_figure *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->kernel, sizeof out->kernel, "%s", candidate->kernel->name);
    out->version = candidate->kernel->version;
    hone_config_print(candidate->kernel->space, &candidate->config, out->config, sizeof out->config);
    out->median_s = out->low_s = out->high_s = 1e-6;
    out->rounds = 10;
}

static hone_request request_of(const scene *s, const char *text, hone_rt_problem *problem)
{
    const hone_op *op;
    works(hone_rt_problem_parse(s->context, text, &op, problem));
    return hone_rt_request(s->context, hone_rt_device_at(s->context, 0), op, problem->bytes, 64);
}

static rivals rivals_of(const char *text)
{
    scene             s;
    hone_rt_problem   problem;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule;
    rivals            out;
    open_scene(&s, HONE_TUNE_OFF);
    hone_request request = request_of(&s, text, &problem);
    int          count = hone_rt_rank_first(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_true(count >= 2 && !candidates[1].refusal);
    describe(&candidates[0], &out.first);
    describe(&candidates[1], &out.second);
    close_scene(&s);
    return out;
}

/* A kernel of hone's own that does not take it. */
static void refuser_of(const char *text, hone_rt_figure *out)
{
    scene             s;
    hone_rt_problem   problem;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule;
    open_scene(&s, HONE_TUNE_OFF);
    hone_request request = request_of(&s, text, &problem);
    int          count = hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_non_null(candidates[count - 1].refusal);
    describe(&candidates[count - 1], out);
    close_scene(&s);
}

static hone_rt_row row_of(const char *text, const hone_rt_figure *best)
{
    hone_rt_row row = {.kind = HONE_RT_ROW_MEASURED, .threads = 1, .alignment = 64, .best = *best, .complete = true};
    snprintf(row.problem, sizeof row.problem, "%s", text);
    return row;
}

static void keep_in(const char *folder, const hone_rt_row *row)
{
    scene            s;
    hone_rt_journal *journal;
    open_scene(&s, HONE_TUNE_OFF);
    works(hone_rt_journal_open(hone_rt_device_at(s.context, 0), folder, &journal));
    works(hone_rt_journal_add(journal, row));
    hone_rt_journal_close(journal);
    close_scene(&s);
}

static void keep(const hone_rt_row *row)
{
    keep_in(near_by, row);
}

/* --- the tests -------------------------------------------------------------------------------------------------------
 */

#define TEXT "matmul f32 nn 8x9x10"

static void a_row_decides(void **state)
{
    scene       s;
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    (void)state;
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, r.first.kernel));
    close_scene(&s);
    keep(&row);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, r.second.kernel));
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_true(chosen(&s, 8, 900, 11, "(estimated"));
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    hone_rt_problem   problem;
    const char       *rule;
    hone_request      request = request_of(&s, TEXT, &problem);
    int               count = hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_string_equal(rule, "measured");
    assert_true(candidates[0].measured && !candidates[0].borrowed && candidates[0].seconds == 1e-6);
    for (int i = 1; i < count; i++) assert_true(!candidates[i].measured);
    request.threads = 2; /* another request, another row */
    hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_string_not_equal(rule, "measured");
    request.threads = 1;
    request.alignment = 16; /* near enough */
    hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_string_equal(rule, "measured");
    close_scene(&s);
    assert_int_equal(heard(HONE_LOG_WARNING, ""), 0);
}

/* A row of 8x9x10 where the second in line took half as long as the first. */
static void keep_a_surprise(const rivals *r)
{
    hone_rt_row row = row_of(TEXT, &r->second);
    row.next = row.untuned = r->first;
    row.next.median_s = row.next.high_s = row.untuned.median_s = row.untuned.high_s = 2e-6;
    keep(&row);
}

static void near_problems_stand_in(void **state)
{
    scene             s;
    rivals            r = rivals_of(TEXT);
    hone_rt_problem   problem;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule;
    (void)state;
    assert_string_not_equal(r.first.kernel, r.second.kernel);
    keep_a_surprise(&r);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_true(chosen(&s, 8, 9, 11, "(predicted)") && chosen(&s, 8, 9, 11, r.second.kernel));
    assert_true(chosen(&s, 8, 9, 1000, "(estimated")); /* too far */
    hone_request request = request_of(&s, "matmul f32 nn 8x9x11", &problem);
    int          count = hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_string_equal(rule, "predicted");
    assert_string_equal(candidates[0].basis, "predicted");
    assert_true(count > 1 && !candidates[0].measured && candidates[0].seconds > 0.5e-6 &&
                candidates[0].seconds < 2e-6);
    static const char *const others[] = {"matmul f64 nn 8x9x11", "matmul f32 tn 8x9x11", "matmul f32 nn 8x9x11 +relu",
                                         "matmul f32 nn 8x9x11 batch=3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        request = request_of(&s, others[i], &problem);
        hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
        assert_string_not_equal(rule, "predicted");
    }
    request = request_of(&s, "matmul f32 nn 8x9x11", &problem);
    request.threads = 2;
    hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    assert_string_not_equal(rule, "predicted");
    close_scene(&s);
    assert_int_equal(heard(HONE_LOG_WARNING, ""), 0);

    hone_rt_row own = row_of("matmul f32 nn 8x9x11", &r.first); /* measured goes before predicted */
    keep(&own);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 11, "(measured)") && chosen(&s, 8, 9, 11, r.first.kernel));
    close_scene(&s);
}

static void modes_that_do_not_predict(void **state)
{
    scene                s;
    rivals               r = rivals_of(TEXT);
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    (void)state;
    keep_a_surprise(&r);
    open_scene(&s, HONE_TUNE_OFF);
    assert_true(chosen(&s, 8, 9, 11, "(estimated"));
    close_scene(&s);
    open_scene(&s, HONE_TUNE_PINNED); /* a guess is a miss */
    refused(plan_of(&s, 8, 9, 11, (char[512]){0}), HONE_ERROR_NOT_FOUND, "pinned|8x9x11");
    close_scene(&s);
    options.deterministic = 1;
    options.tune = HONE_TUNE_READ;
    works(open_scene_as(&s, options));
    assert_true(chosen(&s, 8, 9, 11, "(order of the rows)"));
    close_scene(&s);
}

static void what_neighbours_must_not_say(void **state)
{
    scene       s;
    char        text[512];
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second), cold = row, culprit = row_of("matmul f32 nn 8x9x11", &r.second);
    (void)state;
    strcpy(row.best.kernel, "cpu.was_once"); /* who was best is not here: then nobody knows what is */
    row.next = r.second;
    keep(&row);
    cold.cold = true; /* another policy */
    snprintf(cold.problem, sizeof cold.problem, "matmul f32 nn 8x9x12");
    keep(&cold);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 11, "(estimated"));
    close_scene(&s);
    assert_int_equal(heard(HONE_LOG_WARNING, ""), 0);

    keep_a_surprise(&r);
    culprit.kind = HONE_RT_ROW_QUARANTINE;
    culprit.best.config[0] = 0;
    strcpy(culprit.reason, "it crashed");
    keep(&culprit);
    open_scene(&s, HONE_TUNE_READ);
    works(plan_of(&s, 8, 9, 11, text));
    assert_null(strstr(text, r.second.kernel)); /* in quarantine here, whatever it does elsewhere */
    assert_true(chosen(&s, 8, 9, 12, r.second.kernel));
    close_scene(&s);
}

static void off_and_deterministic_do_not_look(void **state)
{
    scene                s;
    rivals               r = rivals_of(TEXT);
    hone_rt_row          row = row_of(TEXT, &r.second);
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    (void)state;
    keep(&row);
    open_scene(&s, HONE_TUNE_OFF);
    assert_true(chosen(&s, 8, 9, 10, r.first.kernel));
    close_scene(&s);
    options.deterministic = 1;
    options.tune = HONE_TUNE_READ;
    works(open_scene_as(&s, options));
    assert_true(chosen(&s, 8, 9, 10, "(order of the rows)"));
    close_scene(&s);
    options.tune = HONE_TUNE_PINNED;
    refused(open_scene_as(&s, options), HONE_ERROR_ARGUMENT, "pinned|deterministic|choose one");
}

static void what_cannot_be_repeated_is_passed_over(void **state)
{
    static const struct {
        const char *what, *sentence;
    } faults[] = {{"version", "was measured, and this is"},
                  {"identity", "'openblas 0.3' was measured, and this is ''"},
                  {"name", "there is no kernel of that name here"},
                  {"config", "its configuration is not legal here: "},
                  {"refuses", "is passed over: "}};
    rivals r = rivals_of(TEXT);
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (int runner_up = 0; runner_up < 2; runner_up++) {
            scene       s;
            char        command[128];
            hone_rt_row row = row_of(TEXT, &r.second);
            if (!strcmp(faults[i].what, "version")) row.best.version++;
            if (!strcmp(faults[i].what, "identity")) strcpy(row.best.identity, "openblas 0.3");
            if (!strcmp(faults[i].what, "name")) strcpy(row.best.kernel, "cpu.was_once");
            if (!strcmp(faults[i].what, "config")) strcpy(row.best.config, "tile=0x0");
            if (!strcmp(faults[i].what, "refuses")) refuser_of(TEXT, &row.best);
            if (runner_up) row.next = r.second;
            keep(&row);
            said_count = 0;
            open_scene(&s, HONE_TUNE_READ);
            assert_true(chosen(&s, 8, 9, 10, runner_up ? r.second.kernel : r.first.kernel));
            assert_true(chosen(&s, 8, 9, 10, runner_up ? "(measured, runner-up)" : "(estimated"));
            assert_int_equal(heard(HONE_LOG_WARNING, faults[i].sentence), 1);
            assert_int_equal(heard(HONE_LOG_WARNING, ""), 1);
            close_scene(&s);
            snprintf(command, sizeof command, "rm -r %s", near_by);
            assert_int_equal(system(command), 0);
        }
}

/* A row stands as long as those whom it was measured beside are what they were, and nobody came. */
static void what_was_not_measured_beside_all_is_outdated(void **state)
{
    static const struct {
        const char *last, *sentence; /* how one of them stands there; NULL: not at all */
        bool        older;                    /* the best itself */
    } cases[] = {{"", NULL, false},
                 {NULL, "was not measured beside", false},
                 {"99", "was not measured beside", false},
                 {"", "was measured, and this is", true}};
    rivals            r = rivals_of(TEXT);
    hone_rt_problem   problem;
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene       s;
        char        text[512];
        hone_rt_row row = row_of(TEXT, &r.second);
        open_scene(&s, HONE_TUNE_OFF);
        hone_request request = request_of(&s, TEXT, &problem);
        int count = hone_rt_kernels(s.context, request.op, request.device, kernels, HONE_RT_KERNELS_MAX);
        hone_rt_rivals_print(&request, kernels, count, row.rivals, sizeof row.rivals);
        assert_null(hone_rt_rivals_lack(row.rivals, &request, kernels, count));
        close_scene(&s);
        snprintf(text, sizeof text, "%s %u", r.first.kernel, r.first.version);
        char *first = strstr(row.rivals, text);
        assert_non_null(first);
        if (!cases[i].last) memset(first, '?', strlen(text) - 2);
        if (cases[i].last && *cases[i].last) first[strlen(text) - 1]++;
        if (cases[i].older) row.best.version--;
        row.next = row.untuned = r.first;
        row.next.median_s = row.next.high_s = row.untuned.median_s = row.untuned.high_s = 2e-6;
        keep(&row);
        said_count = 0;
        open_scene(&s, HONE_TUNE_READ);
        assert_true(chosen(&s, 8, 9, 10, cases[i].sentence ? "(predicted)" : "(measured)"));
        assert_int_equal(heard(HONE_LOG_WARNING, cases[i].sentence ? cases[i].sentence : ""), !!cases[i].sentence);
        if (!cases[i].sentence || cases[i].older) assert_true(chosen(&s, 8, 9, 10, r.second.kernel));
        close_scene(&s);
        if (cases[i].sentence) {
            open_scene(&s, HONE_TUNE_PINNED);
            refused(plan_of(&s, 8, 9, 10, text), HONE_ERROR_NOT_FOUND, "pinned|8x9x10");
            close_scene(&s);
        }
        snprintf(text, sizeof text, "rm -r %s", near_by);
        assert_int_equal(system(text), 0);
    }
}

static void it_is_told_once(void **state)
{
    scene       s;
    char        text[64];
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    (void)state;
    row.best.version++;
    for (int k = 10; k < 14; k++) {
        snprintf(row.problem, sizeof row.problem, "matmul f32 nn 8x9x%d", k);
        keep(&row);
    }
    open_scene(&s, HONE_TUNE_READ);
    for (int k = 10; k < 14; k++) works(plan_of(&s, 8, 9, k, (char[512]){0}));
    assert_int_equal(heard(HONE_LOG_WARNING, "is passed over"), 1);
    assert_int_equal(heard(HONE_LOG_INFO, "is passed over"), 3);
    snprintf(text, sizeof text, "\"%s\"", TEXT);
    assert_int_equal(heard(HONE_LOG_WARNING, text), 1);
    close_scene(&s);
}

static void a_row_behind_serves_where_the_first_cannot(void **state)
{
    scene       s;
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    (void)state;
    keep(&row);
    row.best.version++; /* of a later build, which this is not */
    strcpy(row.build, "99.0.0");
    keep(&row);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_int_equal(heard(HONE_LOG_WARNING, "is passed over"), 1);
    close_scene(&s);
}

static void what_needs_more_scratch_is_passed_over(void **state)
{
    scene             s;
    hone_rt_problem   problem;
    hone_rt_plan     *plan;
    hone_rt_candidate candidates[HONE_RT_KERNELS_MAX];
    const char       *rule, *text = "matmul f32 nn 64x64x64";
    hone_rt_row       row = {0};
    (void)state;
    open_scene(&s, HONE_TUNE_OFF);
    hone_request request = request_of(&s, text, &problem);
    int          count = hone_rt_rank(s.context, &request, candidates, HONE_RT_KERNELS_MAX, &rule);
    for (int i = 0; i < count && !candidates[i].refusal && !row.best.kernel[0]; i++) {
        works(hone_rt_plan_with(s.context, &request, candidates[i].kernel, &candidates[i].config, &plan));
        hone_rt_figure figure;
        describe(&candidates[i], &figure);
        if (plan->needs.scratch_bytes > 64 && !candidates[i].kernel->identity) row = row_of(text, &figure);
        hone_rt_plan_release(plan);
    }
    close_scene(&s);
    assert_true(row.best.kernel[0]);
    keep(&row);
    open_scene(&s, HONE_TUNE_READ);
    request = request_of(&s, text, &problem);
    works(hone_rt_plan_for(s.context, &request, &plan));
    assert_string_equal(plan->rule, "measured");
    hone_rt_plan_release(plan);
    request.scratch_cap = 64;
    works(hone_rt_plan_for(s.context, &request, &plan));
    assert_true(!strstr(plan->rule, "measured") && plan->needs.scratch_bytes <= 64);
    hone_rt_plan_release(plan);
    assert_int_equal(heard(HONE_LOG_INFO, "bytes of scratch; 64 are allowed"), 1);
    close_scene(&s);
}

/* --- quarantine ------------------------------------------------------------------------------------------------------
 */

static void what_is_in_quarantine_is_no_candidate(void **state)
{
    rivals r = rivals_of(TEXT);
    (void)state;
    for (int whole = 0; whole < 2; whole++)
        for (int deterministic = 0; deterministic < 2; deterministic++) {
            scene                s;
            char                 text[512], command[128];
            hone_context_options options = HONE_CONTEXT_OPTIONS;
            hone_rt_row          row = row_of(TEXT, &r.first);
            options.tune = HONE_TUNE_READ;
            options.deterministic = deterministic;
            row.kind = HONE_RT_ROW_QUARANTINE;
            row.threads = 7; /* wherever it happened */
            row.best.median_s = row.best.low_s = row.best.high_s = 0;
            row.best.rounds = 0;
            strcpy(row.reason, "it crashed");
            if (whole) row.best.config[0] = 0;
            works(open_scene_as(&s, options));
            works(plan_of(&s, 8, 9, 10, text)); /* what deterministic mode would choose */
            close_scene(&s);
            if (deterministic) {
                char *at = strstr(text, ": ") + 2;
                row.best.config[0] = 0;
                snprintf(row.best.kernel, sizeof row.best.kernel, "%.*s", (int)strcspn(at, " "), at);
            }
            keep(&row);
            works(open_scene_as(&s, options));
            works(plan_of(&s, 8, 9, 10, text));
            assert_true(!strstr(text, row.best.kernel) || (!whole && !strstr(text, r.first.config)));
            works(plan_of(&s, 8, 9, 11, text)); /* another problem */
            assert_non_null(strstr(text, row.best.kernel));
            close_scene(&s);
            snprintf(command, sizeof command, "rm -r %s", near_by);
            assert_int_equal(system(command), 0);
        }
}

static void quarantine_goes_before_measurement(void **state)
{
    scene       s;
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second), culprit = row;
    (void)state;
    culprit.kind = HONE_RT_ROW_QUARANTINE;
    keep(&row);
    keep(&culprit);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, "(estimated"));
    assert_int_equal(heard(HONE_LOG_WARNING, "it is in quarantine"), 1);
    close_scene(&s);
    said_count = 0;
    open_scene(&s, HONE_TUNE_PINNED);
    refused(plan_of(&s, 8, 9, 10, (char[512]){0}), HONE_ERROR_NOT_FOUND, "pinned|" TEXT);
    close_scene(&s);
}

/* --- modes -----------------------------------------------------------------------------------------------------------
 */

static void pinned_refuses_what_was_not_measured(void **state)
{
    scene       s;
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    float       numbers[4] = {1, 2, 3, 4};
    hone_tensor t = hone_matrix(HONE_F32, 2, 2, numbers), out = hone_matrix(HONE_F32, 2, 2, (float[4]){0});
    (void)state;
    keep(&row);
    open_scene(&s, HONE_TUNE_PINNED);
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    refused(plan_of(&s, 8, 9, 11, (char[512]){0}), HONE_ERROR_NOT_FOUND,
            "pinned: nothing that was measured|\"matmul f32 nn 8x9x11\" on cpu:0 with 1 thread and|HONE_TUNE=read");
    refused(hone_matmul(s.stream, &t, &t, &out, NULL), HONE_ERROR_NOT_FOUND, "pinned|matmul f32 nn 2x2x2");
    assert_true(((float *)out.data)[0] == 0);
    close_scene(&s);
}

static struct {
    int         calls;
    double      budget;
    hone_status answer;
    bool        asks_again;
    hone_rt_row row;
} hook;

static hone_status measure(hone_rt_context *context, const hone_request *request, double budget_s, hone_rt_row *out)
{
    hone_rt_plan *plan;
    hook.calls++;
    hook.budget = budget_s;
    if (hook.asks_again) { /* as a judge does that packs an operand first */
        hone_rt_problem other;
        const hone_op  *op;
        hone_request    inner = *request;
        works(hone_rt_problem_parse(context, "matmul f32 nn 3x3x3", &op, &other));
        inner.problem = other.bytes;
        works(hone_rt_plan_for(context, &inner, &plan));
        hone_rt_plan_release(plan);
    }
    if (hook.answer != HONE_OK) return hone_fail(hook.answer, "the budget is spent");
    *out = hook.row;
    return HONE_OK;
}

static void what_is_missing_is_measured(void **state)
{
    scene                s;
    hone_context_options options = HONE_CONTEXT_OPTIONS;
    rivals               r = rivals_of(TEXT);
    (void)state;
    hook.row = row_of(TEXT, &r.second);
    hook.calls = 0;
    hook.answer = HONE_OK;
    hook.asks_again = true;
    hone_rt_missing = measure;
    options.tune = HONE_TUNE_MISSING;
    options.tune_seconds = 0.25;
    works(open_scene_as(&s, options));
    assert_true(chosen(&s, 8, 9, 10, r.second.kernel));
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_int_equal(hook.calls, 1);
    assert_true(hook.budget == 0.25);
    hook.asks_again = false;
    hook.answer = HONE_ERROR_STATE;
    assert_true(chosen(&s, 8, 9, 11, "(estimated"));
    assert_int_equal(hook.calls, 2);
    assert_int_equal(heard(HONE_LOG_INFO, "was not measured: the budget is spent"), 1);
    close_scene(&s);

    keep(&hook.row); /* what is there is not measured again */
    works(open_scene_as(&s, options));
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_int_equal(hook.calls, 2);
    close_scene(&s);
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 11, "(predicted)"));
    assert_int_equal(hook.calls, 2);
    close_scene(&s);

    hone_rt_missing = NULL;
    said_count = 0;
    options.tune_seconds = 0;
    works(open_scene_as(&s, options));
    assert_true(s.context->tune_seconds == 2);
    assert_true(chosen(&s, 8, 9, 12, "(predicted)"));
    assert_true(chosen(&s, 8, 9, 13, "(predicted)"));
    assert_int_equal(heard(HONE_LOG_WARNING, "nothing in this program can measure"), 1);
    close_scene(&s);
}

static struct {
    int  calls;
    bool right;
} vouching;

static bool vouch(hone_rt_context *context, const hone_rt_plan *plan, char *why, size_t capacity)
{
    (void)context;
    vouching.calls++;
    assert_string_equal(plan->op->name, "matmul");
    snprintf(why, capacity, "an element is wrong");
    return vouching.right;
}

static void borrowed_rows_are_judged(void **state)
{
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    (void)state;
    keep_in(far_away, &row);
    hone_rt_vouch = vouch;
    for (int right = 0; right < 2; right++) {
        scene s;
        said_count = vouching.calls = 0;
        vouching.right = right;
        open_scene(&s, HONE_TUNE_READ);
        assert_true(chosen(&s, 8, 9, 10, right ? "(measured)" : "(estimated"));
        assert_true(chosen(&s, 8, 9, 10, right ? r.second.kernel : r.first.kernel));
        assert_int_equal(vouching.calls, 1);
        assert_int_equal(heard(HONE_LOG_WARNING, "is not right on this machine"), !right);
        close_scene(&s);
    }
    scene s;
    keep(&row); /* one's own needs no word of another */
    vouching.calls = 0;
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 10, "(measured)"));
    assert_int_equal(vouching.calls, 0);
    close_scene(&s);

    hone_rt_vouch = hone_vouch; /* the judge's own word */
    strcpy(row.problem, "matmul f32 nn 8x9x12");
    keep_in(far_away, &row);
    said_count = 0;
    open_scene(&s, HONE_TUNE_READ);
    assert_true(chosen(&s, 8, 9, 12, "(measured)"));
    assert_int_equal(heard(HONE_LOG_WARNING, ""), 0);
    close_scene(&s);
    hone_rt_vouch = NULL;
}

/* --- all choices as one number ---------------------------------------------------------------------------------------
 */

static void choices_are_one_number(void **state)
{
    scene       s;
    uint64_t    none, one, two, again;
    int64_t     count;
    rivals      r = rivals_of(TEXT);
    hone_rt_row row = row_of(TEXT, &r.second);
    (void)state;
    open_scene(&s, HONE_TUNE_READ);
    works(hone_context_choices(s.handle, &none, &count));
    assert_int_equal(none, 0);
    assert_int_equal(count, 0);
    works(plan_of(&s, 8, 9, 10, (char[512]){0}));
    works(hone_context_choices(s.handle, &one, &count));
    assert_int_equal(count, 1);
    works(plan_of(&s, 8, 9, 10, (char[512]){0}));
    works(hone_context_choices(s.handle, &again, NULL));
    assert_true(one == again && one != 0);
    works(plan_of(&s, 20, 9, 10, (char[512]){0}));
    works(hone_context_choices(s.handle, &two, &count));
    assert_int_equal(count, 2);
    assert_true(two != one);
    close_scene(&s);

    open_scene(&s, HONE_TUNE_READ); /* in another order */
    works(plan_of(&s, 20, 9, 10, (char[512]){0}));
    works(plan_of(&s, 8, 9, 10, (char[512]){0}));
    works(hone_context_choices(s.handle, &again, &count));
    assert_true(again == two);
    close_scene(&s);

    keep(&row); /* and with another choice */
    open_scene(&s, HONE_TUNE_READ);
    works(plan_of(&s, 8, 9, 10, (char[512]){0}));
    works(hone_context_choices(s.handle, &again, &count));
    assert_true(again != one && count == 1);
    assert_true(again == hone_rt_choice_hash(TEXT, 1, 64, 0, r.second.kernel, r.second.version, "", r.second.config));
    close_scene(&s);
}

/* --- set up ----------------------------------------------------------------------------------------------------------
 */

static int begin(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hone-test-measured-XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(near_by, sizeof near_by, "%s/near", root);
    snprintf(far_away, sizeof far_away, "%s/far", root);
    snprintf(both, sizeof both, "%s:%s", near_by, far_away);
    setenv("HONE_MODULES", "off", 1);
    said_count = 0;
    return 0;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    assert_int_equal(hone_alloc_live(), 0);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_decides),
        TEST(near_problems_stand_in),
        TEST(modes_that_do_not_predict),
        TEST(what_neighbours_must_not_say),
        TEST(off_and_deterministic_do_not_look),
        TEST(what_cannot_be_repeated_is_passed_over),
        TEST(what_was_not_measured_beside_all_is_outdated),
        TEST(it_is_told_once),
        TEST(a_row_behind_serves_where_the_first_cannot),
        TEST(what_needs_more_scratch_is_passed_over),
        TEST(what_is_in_quarantine_is_no_candidate),
        TEST(quarantine_goes_before_measurement),
        TEST(pinned_refuses_what_was_not_measured),
        TEST(what_is_missing_is_measured),
        TEST(borrowed_rows_are_judged),
        TEST(choices_are_one_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
