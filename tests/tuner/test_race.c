/* Races with noise that a test made up: how often somebody is let go who has not lost, and how soon who has. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "tests/memory.h"
#include "tuner/race.h"

static double uniform(hone_random *r)
{
    return (double)(hone_random_next(r) >> 11) * 0x1p-53;
}

static double normal(hone_random *r)
{
    double u = 1 - uniform(r), v = uniform(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* What disturbs launches: */
typedef double noise(hone_random *r);
static double still(hone_random *r) { return 0.002 * normal(r); }
static double usual(hone_random *r) { return 0.01 * normal(r); }
static double tailed(hone_random *r) /* a floor, and now and then something else runs */
{
    return 0.003 * fabs(normal(r)) + (uniform(r) < 0.2 ? 0.12 * uniform(r) : 0);
}
static double two_speeds(hone_random *r) /* a core is lost for one launch in five */
{
    return 0.01 * normal(r) + (uniform(r) < 0.2 ? log(2) : 0);
}

/* One race of two lanes over `rounds` rounds, the second one taking `ratio` times as long. In each round something
 * slows both. Gives the round in which the second was let go; 0: it never was. */
static int race_of_two(uint64_t seed, noise *of, double ratio, int rounds)
{
    hone_random       r = hone_random_seeded(seed);
    hone_race_options options = hone_race_defaults();
    hone_race        *race;
    int               first, second, gone = 0;
    assert_int_equal(hone_race_open(&options, &race), HONE_OK);
    assert_int_equal(hone_race_enter(race, &first), HONE_OK);
    assert_int_equal(hone_race_enter(race, &second), HONE_OK);
    for (int round = 1; round <= rounds && !gone; round++) {
        double shared = exp(0.05 * normal(&r));
        hone_race_round(race);
        assert_int_equal(hone_race_note(race, first, 1e-3 * shared * exp(of(&r))), HONE_OK);
        assert_int_equal(hone_race_note(race, second, 1e-3 * ratio * shared * exp(of(&r))), HONE_OK);
        assert_false(hone_race_lost(race, first, first));
        if (hone_race_lost(race, second, first)) gone = round;
    }
    hone_race_close(race);
    return gone;
}

static int let_go(noise *of, double ratio, int rounds, int races, double *mean_round)
{
    int    count = 0;
    double sum = 0;
    for (int i = 0; i < races; i++) {
        int round = race_of_two((uint64_t)i + 1, of, ratio, rounds);
        count += round > 0;
        sum += round;
    }
    if (mean_round) *mean_round = count ? sum / count : 0;
    return count;
}

enum { RACES = 1000 / HONE_TEST_SHARE };

/* 60 rounds are more than any race has. */
static void equals_stay(void **state)
{
    noise *const kinds[] = {still, usual, tailed, two_speeds};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int equal = let_go(kinds[i], 1, 60, RACES, NULL), better = let_go(kinds[i], 0.97, 60, RACES, NULL);
        if (equal > RACES / 100) fail_msg("noise %zu: %d of %d equals were let go", i, equal, RACES);
        if (better > RACES / 200) fail_msg("noise %zu: %d of %d better ones were let go", i, better, RACES);
    }
}

static void losers_go_soon(void **state)
{
    double rounds;
    (void)state;
    assert_int_equal(let_go(usual, 5, 12, RACES, &rounds), RACES); /* five times as long: two rounds do */
    assert_true(rounds < 2.01);
    assert_int_equal(let_go(usual, 2, 12, RACES, &rounds), RACES);
    assert_true(rounds < 3.01);
    assert_int_equal(let_go(usual, 1.2, 24, RACES, &rounds), RACES);
    assert_true(rounds < 4);
    assert_true(let_go(usual, 1.05, 24, RACES, &rounds) > RACES * 0.99);
    assert_true(rounds < 9);
    assert_true(let_go(tailed, 1.1, 24, RACES, &rounds) > RACES * 0.97);
    assert_true(rounds < 9);
    assert_true(let_go(two_speeds, 1.1, 100, RACES, &rounds) > RACES * 0.95);
}

static void one_sample_decides_nothing(void **state)
{
    hone_race_options options = hone_race_defaults();
    hone_race        *race;
    int               first, second, rounds;
    (void)state;
    assert_int_equal(hone_race_open(&options, &race), HONE_OK);
    assert_int_equal(hone_race_enter(race, &first), HONE_OK);
    assert_int_equal(hone_race_enter(race, &second), HONE_OK);
    assert_true(isnan(hone_race_ratio(race, second, first, &rounds).mid));
    assert_int_equal(rounds, 0);
    assert_false(hone_race_lost(race, second, first));
    for (int i = 0; i < 30; i++) {
        hone_race_round(race);
        assert_int_equal(hone_race_note(race, first, 1), HONE_OK);
        if (i == 0) assert_int_equal(hone_race_note(race, second, 1000), HONE_OK);
        if (i > 4) assert_int_equal(hone_race_note(race, second, i % 2 ? 1.001 : 1.0), HONE_OK);
        assert_false(hone_race_lost(race, second, first));
    }
    hone_interval ratio = hone_race_ratio(race, second, first, &rounds);
    assert_int_equal(rounds, 26); /* in common */
    assert_true(ratio.mid > 0 && ratio.mid < 0.0011);
    const double *samples;
    assert_int_equal(hone_race_samples(race, second, &samples), 26);
    assert_true(samples[0] == 1000 && samples[1] == 1.001);
    assert_true(hone_race_scatter(race) < 0.002);
    hone_race_close(race);
    hone_race_close(NULL);
}

static void out_of_memory(void **state)
{
    test_memory memory;
    hone_status status = HONE_ERROR_MEMORY;
    (void)state;
    for (int64_t fail_at = 1; status == HONE_ERROR_MEMORY; fail_at++) {
        hone_race_options options = hone_race_defaults();
        hone_race        *race;
        int               lane;
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = fail_at;
        status = hone_race_open(&options, &race);
        for (int i = 0; i < 70 && status == HONE_OK; i++) status = hone_race_enter(race, &lane);
        for (int i = 0; i < 20 && status == HONE_OK; i++) status = hone_race_note(race, 3, 1);
        hone_race_close(race);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_true(fail_at < 50);
    }
    assert_int_equal(status, HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_stay),
        cmocka_unit_test(losers_go_soon),
        cmocka_unit_test(one_sample_decides_nothing),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("tuner.race", tests, NULL, NULL);
}
