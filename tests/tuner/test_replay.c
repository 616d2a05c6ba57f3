/* The figure of the search, on recorded spaces of real kernels: of the exhaustive best's speed at least 97 % in at most
 * 5 % of its evaluations, as the median over the spaces; and no strategy does better than the default one.
 *
 *     test_replay SPACE... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tuner/replay.h"
#include "tuner/search.h"

enum { SPACES_MAX = 64, STRATEGIES_MAX = 8 };

static char **paths;
static int    path_count;

/* The speed of what is found in one evaluation of twenty, of the best one's. */
static double found(const hone_recording *recording, const char *strategy, uint64_t seed)
{
    hone_replay        *replay;
    hone_search_options options = hone_search_defaults();
    hone_search_result  result;
    int                 kernels, starts;
    assert_int_equal(hone_replay_open(recording, seed, false, &replay), HONE_OK);
    const hone_kernel *const *table = hone_replay_kernels(replay, &kernels);
    const hone_choice        *from = hone_replay_starts(replay, &starts);
    hone_oracle               oracle = hone_replay_oracle(replay);
    options.strategy = strategy;
    options.seed = seed;
    options.trials_max = recording->row_count / 20;
    assert_int_equal(hone_search(hone_replay_request(replay), from, starts, table, kernels, &oracle, &options, &result),
                     HONE_OK);
    assert_true(hone_replay_admitted(replay) <= options.trials_max);
    const hone_recorded_row *row = &recording->rows[hone_replay_row(replay, &result.findings[0].choice)];
    const hone_recorded_row *untuned = &recording->rows[recording->starts[0]];
    assert_true(row->seconds <= untuned->seconds * 1.02); /* never worse */
    hone_search_result_free(&result);
    hone_replay_close(replay);
    return recording->rows[hone_recording_best(recording)].seconds / row->seconds;
}

static void the_best_in_a_twentieth(void **state)
{
    static double speeds[STRATEGIES_MAX][SPACES_MAX];
    int           two_threads = 0, doubles = 0, strategies = 0;
    (void)state;
    assert_true(path_count >= 20 && path_count <= SPACES_MAX);
    while (hone_search_strategy(strategies, NULL)) strategies++;
    for (int i = 0; i < path_count; i++) {
        hone_recording recording;
        if (hone_recording_load(paths[i], &recording)) fail_msg("%s", hone_last_error());
        assert_true(recording.row_count >= 1000);
        two_threads += recording.threads == 2;
        doubles += strstr(recording.problem, "f64") != NULL;
        for (int j = 0; j < strategies; j++)
            speeds[j][i] = found(&recording, hone_search_strategy(j, NULL), (uint64_t)i + 1);
        printf("%-40s %d thread%s %6d configurations: %.3f\n", recording.problem, recording.threads,
               recording.threads > 1 ? "s," : ", ", recording.row_count, speeds[0][i]);
        hone_recording_free(&recording);
    }
    assert_true(two_threads >= 5 && doubles >= 5);
    double median[STRATEGIES_MAX], worst = 1, mean[STRATEGIES_MAX] = {0};
    for (int i = 0; i < path_count; i++) worst = speeds[0][i] < worst ? speeds[0][i] : worst;
    for (int j = 0; j < strategies; j++) {
        for (int i = 0; i < path_count; i++) mean[j] += speeds[j][i] / path_count;
        median[j] = hone_stats_median(speeds[j], path_count);
        printf("%-8s median %.4f, mean %.4f\n", hone_search_strategy(j, NULL), median[j], mean[j]);
    }
    printf("worst of the default %.4f\n", worst);
    assert_true(median[0] >= 0.98); /* 0.97 is promised */
    for (int j = 1; j < strategies; j++) assert_true(mean[0] >= mean[j] - 0.01);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_best_in_a_twentieth)};
    paths = words + 1;
    path_count = count - 1;
    if (!hone_recording_compresses()) {
        printf("skipped: recorded spaces are compressed, and zstd was not there at build time (libzstd-dev)\n");
        return 77;
    }
    return cmocka_run_group_tests_name("tuner.replay", tests, NULL, NULL);
}
