/* Searches on a problem that a test made up: planted optima are found, budgets kept, fates told, ties decided alike. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/memory.h"
#include "tests/tuner/planted.h"
#include "tuner/search.h"

static planted it;

static hone_status search(const hone_search_options *options, hone_search_result *out)
{
    hone_choice untuned = planted_untuned();
    hone_oracle oracle = planted_oracle(&it);
    hone_status status = hone_search(&planted_request, &untuned, 1, planted_kernels, 2, &oracle, options, out);
    assert_int_equal(it.alive, 0); /* all was given back */
    return status;
}

static bool alike(const hone_choice *one, const hone_choice *other)
{
    return one->kernel == other->kernel && !memcmp(&one->config, &other->config, sizeof one->config);
}

/* How near the winner comes to the best: of so many seeds the median. */
static double found(const char *strategy, double belief, int trials)
{
    enum { SEEDS = 9 };
    double              shares[SEEDS];
    hone_search_options options = hone_search_defaults();
    options.strategy = strategy;
    options.trials_max = trials;
    for (int i = 0; i < SEEDS; i++) {
        hone_search_result result;
        it = (planted){.noise = 0.02, .belief = belief, .admit_s = 1e-3};
        planted_use(&it, (uint64_t)i + 1);
        options.seed = (uint64_t)i + 100;
        assert_int_equal(search(&options, &result), HONE_OK);
        assert_true(result.trials <= trials && result.trials == it.admitted && result.launches == it.launches);
        shares[i] = planted_best(NULL) / planted_seconds(&result.findings[0].choice);
        hone_search_result_free(&result);
    }
    return hone_stats_median(shares, SEEDS);
}

static void planted_optima_are_found(void **state)
{
    (void)state;
    const char *what;
    int         count = 0;
    for (const char *name; (name = hone_search_strategy(count, &what)); count++) assert_true(*name && *what);
    assert_int_equal(count, 4);
    assert_null(hone_search_strategy(-1, NULL));
    /* 150 are one in twenty */
    for (int i = 0; i < count; i++) {
        const char *name = hone_search_strategy(i, NULL);
        if (strcmp(name, "random") == 0) continue;
        double guided = found(name, 0.3, 150), blind = found(name, -1, 150);
        if (guided < 0.98 || blind < 0.95) fail_msg("%s finds %.3f, and %.3f without estimates", name, guided, blind);
    }
    assert_true(found(NULL, -1, 150) > 0.97);
    assert_true(found("random", -1, 150) < found(NULL, -1, 150));
}

static void results_are_whole(void **state)
{
    (void)state;
    hone_search_options options = hone_search_defaults();
    hone_search_result  result;
    it = (planted){.noise = 0.02, .belief = 0.3, .fate = HONE_FATE_WRONG, .fate_every = 5};
    planted_use(&it, 4);
    assert_int_equal(search(&options, &result), HONE_OK);
    int wrong = 0;
    assert_true(result.complete);
    assert_true(result.count == result.trials && result.trials > 40 && result.trials < 1000);
    assert_true(alike(&result.findings[result.untuned].choice, &(hone_choice){planted_untuned().kernel,
                                                                              planted_untuned().config}));
    assert_true(result.findings[result.untuned].rounds >= 6); /* it always races */
    for (int i = 0; i < result.count; i++) {
        const hone_finding *finding = &result.findings[i];
        for (int j = 0; j < i; j++) assert_false(alike(&finding->choice, &result.findings[j].choice));
        if (finding->fate != HONE_FATE_RIGHT) {
            wrong++;
            assert_int_equal(finding->fate, HONE_FATE_WRONG);
            assert_string_equal(finding->why, "so the test wants it");
            assert_true(isnan(finding->seconds.mid) && finding->rounds == 0);
            continue;
        }
        assert_int_equal(wrong, 0); /* right ones come first */
        assert_true(finding->rounds > 0 && finding->seconds.mid > 0);
        double truth = planted_seconds(&finding->choice);
        assert_true(finding->seconds.mid > 0.98 * truth && finding->seconds.mid < 1.1 * truth);
        for (int j = 0; j < finding->rounds; j++) assert_true(finding->samples[j] >= truth * 0.999);
    }
    assert_true(wrong > 5);
    const hone_finding *winner = &result.findings[0];
    assert_true(winner->rounds >= 12 && winner->seconds.lo > 0 && winner->seconds.hi < 1.1 * winner->seconds.mid);
    assert_true(result.spent_s > 0);
    hone_search_result_free(&result);
    assert_null(result.findings);
}

static void the_same_again(void **state)
{
    (void)state;
    for (int i = 0; hone_search_strategy(i, NULL); i++) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  one, two;
        options.strategy = hone_search_strategy(i, NULL);
        options.trials_max = 60;
        it = (planted){.noise = 0.03, .belief = 0.3};
        planted_use(&it, 7);
        assert_int_equal(search(&options, &one), HONE_OK);
        planted_use(&it, 7);
        assert_int_equal(search(&options, &two), HONE_OK);
        assert_true(one.count == two.count && one.launches == two.launches && one.spent_s == two.spent_s);
        for (int j = 0; j < one.count; j++) {
            assert_true(alike(&one.findings[j].choice, &two.findings[j].choice));
            assert_int_equal(one.findings[j].rounds, two.findings[j].rounds);
        }
        assert_false(one.complete); /* by the number of trials */
        hone_search_result_free(&one);
        hone_search_result_free(&two);
    }
}

/* --- ends ------------------------------------------------------------------------------------------------------ */

static void budgets_are_kept(void **state)
{
    (void)state;
    for (double budget = 0.02; budget < 3; budget *= 2) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  result;
        options.budget_s = budget;
        it = (planted){.noise = 0.02, .belief = -1, .admit_s = 1e-3};
        planted_use(&it, 3);
        assert_int_equal(search(&options, &result), HONE_OK);
        /* a batch is admitted and timed once before the clock is looked at */
        assert_true(result.spent_s < budget + 10 * (1e-3 + 5e-3));
        assert_true(result.complete || result.spent_s >= 0.6 * budget); /* a question that would not fit is not asked */
        assert_true(result.findings[0].rounds > 0);
        hone_search_result_free(&result);
    }
}

static int  stop_after;
static bool stops(void) { return stop_after-- <= 0; }

static void stops_cleanly(void **state)
{
    (void)state;
    int last = 0;
    for (int after = 1; after < 100; after += after / 4 + 1) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  result;
        options.stop = stops;
        options.patience = 0;
        stop_after = after;
        it = (planted){.noise = 0.02, .belief = 0.3};
        planted_use(&it, 3);
        hone_status status = search(&options, &result);
        if (after < 2) {
            assert_int_equal(status, HONE_ERROR_UNSUPPORTED);
        } else {
            assert_int_equal(status, HONE_OK);
            assert_false(result.complete);
            assert_true(result.findings[0].rounds > 0);
            assert_true(result.trials >= last);
            last = result.trials;
        }
        hone_search_result_free(&result);
    }
}

static void an_oracle_that_is_interrupted(void **state)
{
    (void)state;
    for (int call = 1; call < 30; call++) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  result;
        it = (planted){.noise = 0.02, .belief = 0.3, .interrupt_at = call};
        planted_use(&it, 3);
        hone_status status = search(&options, &result);
        assert_int_equal(status, call < 3 ? HONE_ERROR_UNSUPPORTED : HONE_OK);
        assert_false(result.complete);
        assert_int_equal(result.trials, it.admitted);
        hone_search_result_free(&result);
    }
}

/* --- what is not right ----------------------------------------------------------------------------------------- */

static void nothing_is_right(void **state)
{
    (void)state;
    hone_search_options options = hone_search_defaults();
    hone_search_result  result;
    options.trials_max = 30;
    it = (planted){.fate = HONE_FATE_HUNG, .fate_every = 1};
    planted_use(&it, 3);
    assert_int_equal(search(&options, &result), HONE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(hone_last_error(), "none of 30 candidates is right"));
    assert_int_equal(result.count, 30);
    for (int i = 0; i < result.count; i++) assert_int_equal(result.findings[i].fate, HONE_FATE_HUNG);
    hone_search_result_free(&result);
}

/* The best one crashes in its third, seventh, ... round: somebody else wins, and its fate is told. */
static void the_best_one_crashes(void **state)
{
    int crashed = 0;
    (void)state;
    for (int after = 1; after < 30; after += 2) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  result;
        hone_choice         best;
        it = (planted){.noise = 0.01, .belief = 0.05, .fails_after = after};
        planted_use(&it, 5);
        planted_best(&best);
        if (search(&options, &result)) fail_msg("%s", hone_last_error());
        assert_int_equal(result.findings[0].fate, HONE_FATE_RIGHT);
        for (int i = 0; i < result.count; i++)
            if (alike(&result.findings[i].choice, &best) && result.findings[i].fate == HONE_FATE_CRASHED) {
                crashed++;
                assert_true(i > 0);
            }
        assert_true(planted_seconds(&result.findings[0].choice) < 1.1 * planted_seconds(&best));
        hone_search_result_free(&result);
    }
    assert_true(crashed > 5);
}

/* All configurations of the small kernel are within the noise of each other: every session chooses the same. */
static void ties_are_decided_alike(void **state)
{
    hone_choice untuned = {planted_kernels[1], {{8}}}, near = {planted_kernels[1], {{4}}};
    (void)state;
    it = (planted){.noise = 0.02, .belief = -1};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        hone_search_options options = hone_search_defaults();
        hone_search_result  result;
        hone_choice         starts[2] = {near, untuned};
        options.seed = seed;
        options.tie = 0.12; /* the two lie 8 % apart */
        for (int turn = 0; turn < 2; turn++) {
            hone_oracle oracle = planted_oracle(&it);
            planted_use(&it, seed);
            assert_int_equal(hone_search(&planted_request, starts, 2, planted_kernels + 1, 1, &oracle, &options,
                                         &result), HONE_OK);
            assert_true(alike(&result.findings[0].choice, &starts[0])); /* whichever was the untuned one */
            assert_int_equal(result.untuned, 0);
            assert_true(result.complete);
            assert_int_equal(result.trials, 6);
            hone_search_result_free(&result);
            starts[0] = untuned;
            starts[1] = near;
        }
    }
}

static void misuse(void **state)
{
    hone_search_options options = hone_search_defaults();
    hone_search_result  result;
    hone_oracle         oracle = planted_oracle(&it);
    hone_choice         untuned = planted_untuned();
    (void)state;
    it = (planted){.belief = -1};
    planted_use(&it, 3);
    assert_int_equal(hone_search(&planted_request, &untuned, 0, planted_kernels, 2, &oracle, &options, &result),
                     HONE_ERROR_ARGUMENT);
    untuned.config.value[1] = 3;
    assert_int_equal(hone_search(&planted_request, &untuned, 1, planted_kernels, 2, &oracle, &options, &result),
                     HONE_ERROR_ARGUMENT);
    assert_non_null(strstr(hone_last_error(), "planted.large, is no legal candidate"));
    options.strategy = "clever";
    assert_int_equal(search(&options, &result), HONE_ERROR_ARGUMENT);
    assert_non_null(strstr(hone_last_error(), "'clever'"));
    options = hone_search_defaults();
    options.rounds = 5;
    assert_int_equal(search(&options, &result), HONE_ERROR_ARGUMENT);
    options = hone_search_defaults();
    options.budget_s = -1;
    assert_int_equal(search(&options, &result), HONE_ERROR_ARGUMENT);
    assert_int_equal(result.count, 0);
    for (int i = 0; i < HONE_FATE_COUNT; i++) assert_non_null(hone_fate_text((hone_fate)i));
    assert_null(hone_fate_text(HONE_FATE_COUNT));
}

static void out_of_memory(void **state)
{
    (void)state;
    for (int strategy = 0; hone_search_strategy(strategy, NULL); strategy++) {
        hone_status status = HONE_ERROR_MEMORY;
        for (int64_t fail_at = 1; status == HONE_ERROR_MEMORY; fail_at += 1 + fail_at / 8) {
            static test_memory  memory;
            hone_search_options options = hone_search_defaults();
            hone_search_result  result;
            options.strategy = hone_search_strategy(strategy, NULL);
            options.trials_max = 40;
            it = (planted){.noise = 0.02, .belief = 0.3};
            planted_use(&it, 3);
            assert_int_equal(test_memory_use(&memory), HONE_OK);
            memory.fail_at = fail_at;
            status = search(&options, &result);
            hone_search_result_free(&result);
            assert_int_equal(memory.blocks, 0);
            assert_int_equal(test_memory_use(NULL), HONE_OK);
            assert_true(fail_at < 10000);
        }
        assert_int_equal(status, HONE_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_optima_are_found),
        cmocka_unit_test(results_are_whole),
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(budgets_are_kept),
        cmocka_unit_test(stops_cleanly),
        cmocka_unit_test(an_oracle_that_is_interrupted),
        cmocka_unit_test(nothing_is_right),
        cmocka_unit_test(the_best_one_crashes),
        cmocka_unit_test(ties_are_decided_alike),
        cmocka_unit_test(misuse),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("tuner.search", tests, NULL, NULL);
}
