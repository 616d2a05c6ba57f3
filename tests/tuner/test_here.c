/* The oracle of this process: real kernels are admitted, timed and searched; wrong, refusing and failing ones get their
 * fates. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernels/matmul/problem.h"
#include "tests/memory.h"
#include "tuner/here.h"
#include "tuner/search.h"

extern const hone_kernel hone_matmul_packed, hone_matmul_direct;

typedef struct scene {
    hone_context    *handle;
    hone_rt_context *context;
    hone_rt_problem  problem;
    hone_request     request;
    hone_here       *here;
    hone_oracle      oracle;
} scene;

static hone_status scene_open(scene *s, const hone_here_options *options)
{
    const hone_op *op;
    hone_status    status = hone_context_create(NULL, &s->handle);
    if (status == HONE_OK) status = hone_rt_context_hold(s->handle, &s->context);
    if (status == HONE_OK)
        status = hone_rt_problem_parse(s->context, "matmul f32 nn 24x40x32 beta=1", &op, &s->problem);
    if (status != HONE_OK) return status;
    s->request = (hone_request){.device = hone_rt_device_find(s->context, "cpu:0"), .op = op,
                                .problem = s->problem.bytes, .threads = 1, .alignment = 4};
    status = hone_here_open(s->context, &s->request, options, &s->here);
    if (status == HONE_OK) s->oracle = hone_here_oracle(s->here);
    return status;
}

static void scene_close(scene *s)
{
    hone_here_close(s->here);
    if (s->context) hone_rt_context_release(s->context);
    if (s->handle) assert_int_equal(hone_context_destroy(s->handle), HONE_OK);
    *s = (scene){0};
}

static hone_choice suggested(const scene *s, const hone_kernel *kernel)
{
    hone_choice choice = {kernel, {{0}}};
    assert_int_equal(kernel->suggest(&s->request, &choice.config, 1), 1);
    return choice;
}

/* --- kernels with faults --------------------------------------------------------------------------------------- */

static int  launches_left;
static bool ask_to_stop;
static bool stops(void) { return ask_to_stop; }

static hone_status launch_nothing(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span room)
{
    (void)ready, (void)stream, (void)arguments, (void)room;
    return HONE_OK;
}

static hone_status launch_some(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span room)
{
    if (launches_left-- <= 0) return hone_fail(HONE_ERROR_DEVICE, "it is tired");
    return hone_matmul_direct.launch(ready, stream, arguments, room);
}

static hone_status prepare_nothing(const hone_request *request, const hone_config *config, const hone_details *details,
                                   void **ready, hone_needs *needs)
{
    (void)request, (void)config, (void)details, (void)ready, (void)needs;
    return hone_fail(HONE_ERROR_UNSUPPORTED, "not today");
}

static void fates_are_told(void **state)
{
    scene             s = {0};
    hone_here_options options = hone_here_defaults();
    hone_kernel       idle = hone_matmul_direct, shy = hone_matmul_direct, tired = hone_matmul_direct;
    hone_admission    out[4], fates[2];
    double            seconds[8];
    (void)state;
    idle.launch = launch_nothing;
    shy.prepare = prepare_nothing;
    tired.launch = launch_some;
    options.sample_s = 1e-6;
    assert_int_equal(scene_open(&s, &options), HONE_OK);
    hone_choice choices[4];
    for (int i = 0; i < 4; i++) choices[i] = suggested(&s, &hone_matmul_direct);
    choices[1].kernel = &idle;
    choices[2].kernel = &shy;
    choices[3].kernel = &tired;
    launches_left = 1;
    assert_int_equal(s.oracle.admit(s.oracle.self, choices, 4, out), HONE_OK);
    assert_int_equal(out[0].fate, HONE_FATE_RIGHT);
    assert_int_equal(out[1].fate, HONE_FATE_WRONG);
    assert_int_equal(out[2].fate, HONE_FATE_REFUSED);
    assert_string_equal(out[2].why, "not today");
    assert_int_equal(out[3].fate, HONE_FATE_FAILED);
    assert_non_null(strstr(out[3].why, "it is tired"));

    launches_left = 1000; /* enough to be admitted, and not for all rounds */
    assert_int_equal(s.oracle.admit(s.oracle.self, &choices[3], 1, &out[3]), HONE_OK);
    assert_int_equal(out[3].fate, HONE_FATE_RIGHT);
    int ids[2] = {out[0].id, out[3].id};
    assert_int_equal(s.oracle.time(s.oracle.self, ids, 2, 2, seconds, fates), HONE_OK);
    for (int i = 0; i < 4; i++) assert_true(seconds[i] > 0 && seconds[i] < 1);
    launches_left = 0;
    assert_int_equal(s.oracle.time(s.oracle.self, ids, 2, 4, seconds, fates), HONE_OK);
    assert_int_equal(fates[0].fate, HONE_FATE_RIGHT);
    assert_int_equal(fates[1].fate, HONE_FATE_FAILED);
    assert_non_null(strstr(fates[1].why, "it is tired"));
    for (int i = 0; i < 8; i++) assert_true(i % 2 ? isnan(seconds[i]) : seconds[i] > 0);
    s.oracle.drop(s.oracle.self, out[0].id);
    assert_true(s.oracle.clock(s.oracle.self) > 0);
    scene_close(&s);
}

static void searched(hone_here_options options)
{
    scene s = {0};
    assert_int_equal(scene_open(&s, &options), HONE_OK);
    const hone_kernel *const kernels[] = {&hone_matmul_packed, &hone_matmul_direct};
    hone_choice              untuned = suggested(&s, &hone_matmul_direct);
    hone_search_options      how = hone_search_defaults();
    hone_search_result       result;
    how.trials_max = 30;
    if (hone_search(&s.request, &untuned, 1, kernels, 2, &s.oracle, &how, &result)) fail_msg("%s", hone_last_error());
    if (result.trials != 30) assert_true(result.complete && result.trials > 2); /* few tiles, few configurations */
    if (result.findings[0].rounds < 6)
        fail_msg("the best of %d trials has %d rounds", result.trials, result.findings[0].rounds);
    for (int i = 0; i < result.count; i++) assert_int_equal(result.findings[i].fate, HONE_FATE_RIGHT);
    hone_search_result_free(&result);
    scene_close(&s);
}

static void real_kernels_are_searched(void **state)
{
    hone_here_options options = hone_here_defaults();
    (void)state;
    options.sample_s = 1e-6;
    searched(options);
    options.cold = true;
    searched(options);
}

static void stops_when_asked(void **state)
{
    scene             s = {0};
    hone_here_options options = hone_here_defaults();
    hone_admission    out[2];
    (void)state;
    options.stop = stops;
    ask_to_stop = false;
    assert_int_equal(scene_open(&s, &options), HONE_OK);
    hone_choice choice = suggested(&s, &hone_matmul_direct);
    assert_int_equal(s.oracle.admit(s.oracle.self, &choice, 1, out), HONE_OK);
    ask_to_stop = true;
    double seconds;
    assert_int_equal(s.oracle.admit(s.oracle.self, &choice, 1, out + 1), HONE_ERROR_INTERRUPTED);
    assert_int_equal(s.oracle.time(s.oracle.self, &out[0].id, 1, 1, &seconds, out + 1), HONE_ERROR_INTERRUPTED);
    ask_to_stop = false;
    scene_close(&s);
}

/* What a candidate lacks memory for is its fate, and what the oracle lacks is a failure; nothing is lost. */
static void out_of_memory(void **state)
{
    bool whole = false;
    (void)state;
    for (int64_t fail_at = 1; !whole; fail_at += 1 + fail_at / 16) {
        static test_memory memory;
        scene              s = {0};
        hone_here_options  options = hone_here_defaults();
        hone_admission     out = {.fate = HONE_FATE_MEMORY};
        options.sample_s = 1e-6;
        assert_true(fail_at < 10000);
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = fail_at;
        if (scene_open(&s, &options) == HONE_OK) {
            hone_choice choice = suggested(&s, &hone_matmul_packed);
            hone_status status = s.oracle.admit(s.oracle.self, &choice, 1, &out);
            assert_true(status == HONE_OK || status == HONE_ERROR_MEMORY);
            assert_true(status != HONE_OK || out.fate == HONE_FATE_RIGHT || out.fate == HONE_FATE_MEMORY);
            whole = status == HONE_OK && out.fate == HONE_FATE_RIGHT && memory.calls < fail_at;
        }
        memory.fail_at = 0;
        scene_close(&s);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fates_are_told),
        cmocka_unit_test(real_kernels_are_searched),
        cmocka_unit_test(stops_when_asked),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("tuner.here", tests, NULL, NULL);
}
