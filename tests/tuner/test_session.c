/* Sessions on figures and a clock that the test makes up: budget, resuming, quarantine, and a winner that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/runtime/tools.h"
#include "tuner/session.h"
#include "tuner/suites.h"
#include "tuner/tape.h"

enum { CANDIDATES = 4096 };

static hone_context    *handle;
static hone_rt_context *context;
static char             folder[64];

/* --- a machine that is made up ------------------------------------------------------------------------------------ */

static struct {
    double      now, longest;   /* its clock; the longest question so far */
    double      longest_each;   /* the same for one candidate of it */
    double      admit_s;        /* what judging one takes */
    bool        dear;           /* a hundred times as slow; and judging, and the first round of a question, take many
                                   launches, as those of a worker do */
    const char *quicker;        /* this kernel is by 4 %, with one round in four that tells nothing */
    int         alive;          /* candidates that were admitted and not dropped */
    int         questions, stop_at; /* 0: never */
    int         launches;       /* samples that were taken */
    const char *crashes;        /* this kernel does */
    const char *flatters;       /* this kernel is quick until it is admitted a second time */
    bool        unmasked;       /* and so it was */
    int         count;
    hone_choice choices[CANDIDATES];
    int         asked_for_crashing;
} fake;

static bool stop(void)
{
    return fake.stop_at && fake.questions >= fake.stop_at;
}

static void pass(double seconds)
{
    fake.now += seconds;
    fake.questions++;
    fake.longest = fmax(fake.longest, seconds);
}

static double takes(const hone_choice *choice, int round);

static hone_status fake_admit(void *self, const hone_choice *choices, int count, hone_admission *out)
{
    (void)self;
    if (stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < count; i++) {
        bool crashes = fake.crashes && !strcmp(choices[i].kernel->name, fake.crashes);
        assert_true(fake.count < CANDIDATES);
        fake.choices[fake.count++] = choices[i];
        fake.asked_for_crashing += crashes;
        out[i] = (hone_admission){.id = fake.count, .fate = crashes ? HONE_FATE_CRASHED : HONE_FATE_RIGHT};
        if (crashes) strcpy(out[i].why, "signal 11, as it was told");
        else fake.alive++;
        double seconds = fake.dear ? 16 * takes(&choices[i], 0) : fake.admit_s;
        fake.longest_each = fmax(fake.longest_each, seconds);
        pass(seconds);
    }
    return HONE_OK;
}

static int admissions_of(const hone_choice *choice)
{
    int count = 0;
    for (int i = 0; i < fake.count; i++)
        count += fake.choices[i].kernel == choice->kernel &&
                 !memcmp(&fake.choices[i].config, &choice->config, sizeof choice->config);
    return count;
}

static double takes(const hone_choice *choice, int round)
{
    double   base = 1e-3 * (1 + (double)(strlen(choice->kernel->name) % 7));
    uint64_t noise = hone_random_at((uint64_t)choice->config.value[0] + 17, (uint64_t)round);
    if (fake.flatters && !strcmp(choice->kernel->name, fake.flatters)) {
        fake.unmasked |= admissions_of(choice) > 1;
        base = admissions_of(choice) > 1 ? 20e-3 : 1e-4;
    }
    if (fake.dear) base *= 100;
    if (fake.quicker) {
        base = !strcmp(choice->kernel->name, fake.quicker) ? 0.96e-3 : 1e-3;
        if (round % 4 == 1) base = 1e-3;
    }
    return base * (1 + 0.001 * hone_random_signed(noise));
}

static hone_status fake_time(void *self, const int *ids, int count, int rounds, double *seconds, hone_admission *fates)
{
    double sum = 0;
    (void)self;
    if (stop()) return hone_fail(HONE_ERROR_INTERRUPTED, "it was asked to stop");
    for (int i = 0; i < count; i++) fates[i] = (hone_admission){.id = ids[i]};
    for (int i = 0; i < rounds * count; i++) {
        assert_in_range(ids[i % count], 1, fake.count);
        seconds[i] = takes(&fake.choices[ids[i % count] - 1], i / count);
        sum += (fake.dear ? i < count ? 8 : 4 : 1) * seconds[i];
        fake.launches++;
    }
    if (!fake.dear) fake.longest_each = fmax(fake.longest_each, sum / count);
    pass(sum);
    return HONE_OK;
}

static void fake_drop(void *self, int id)
{
    (void)self;
    assert_in_range(id, 1, fake.count);
    fake.alive--;
}

static double fake_clock(void *self)
{
    (void)self;
    return fake.now;
}

static hone_status fake_oracle(void *self, const hone_request *request, hone_oracle *out)
{
    (void)self, (void)request;
    *out = (hone_oracle){fake_admit, fake_time, fake_drop, fake_clock, NULL};
    return HONE_OK;
}

static hone_session_options options_of_fake(void)
{
    hone_session_options how = hone_session_defaults();
    memset(&fake, 0, sizeof fake);
    fake.admit_s = 0.01;
    how.profile_path = folder;
    how.oracle = fake_oracle;
    how.stop = stop;
    return how;
}

/* Away with what a test before left. */
static void empty_folder(void)
{
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *it; (it = readdir(entries));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, it->d_name);
        if (it->d_name[0] != '.') assert_int_equal(unlink(path), 0);
    }
    closedir(entries);
}

static const hone_session_problem some[] = {
    {"matmul f32 nn 64x64x64", 1, 1},     {"matmul f32 nn 128x128x128", 1, 2}, {"matmul f64 nn 64x64x64", 1, 3},
    {"matmul f32 nn 8x512x512", 1, 4},    {"matmul f32 nn 31x63x127", 1, 5},   {"matmul f32 nt 256x256x256", 2, 6},
    {"matmul f32 nn 100x100x100", 2, 7},  {"matmul f32 tn 64x64x640", 2, 8}};
enum { SOME = sizeof some / sizeof *some };

/* --- budget ------------------------------------------------------------------------------------------------------- */

static void shares_go_by_weight(void **state)
{
    (void)state;
    assert_true(fabs(hone_session_share(some, SOME, 0, 36) - 1) < 1e-12);
    assert_true(fabs(hone_session_share(some, SOME, 6, 30) - 14) < 1e-12);
    assert_true(fabs(hone_session_share(some, SOME, 7, 5) - 5) < 1e-12);
    assert_true(hone_session_share(some, SOME, 3, -1) == 0);
}

static void keeps_its_budget(void **state)
{
    (void)state;
    static const double budgets[] = {0.5, 2, 5, 30, 1000};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        hone_session_report  report;
        hone_session_options how = options_of_fake();
        how.budget_s = budgets[i];
        empty_folder();
        works(hone_session_run(context, some, SOME, &how, &report));
        if (report.spent_s > 1.1 * budgets[i] + fake.longest)
            fail_msg("%g s of a budget of %g, the longest question took %g", report.spent_s, budgets[i], fake.longest);
        assert_true(fabs(report.spent_s - fake.now) < 1e-6);
        assert_int_equal(report.tuned + report.not_reached, SOME);
        if (budgets[i] >= 30) assert_int_equal(report.tuned, SOME);
        hone_session_report_free(&report);
    }
}

/* Launches of half a second: a question about eight of them would take longer than any share. */
static void keeps_its_budget_where_launches_are_long(void **state)
{
    (void)state;
    static const double budgets[] = {20, 60, 120, 400, 1600};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        hone_session_report  report;
        hone_session_options how = options_of_fake();
        fake.dear = true;
        how.budget_s = budgets[i];
        empty_folder();
        works(hone_session_run(context, some, SOME, &how, &report));
        if (report.spent_s > 1.1 * budgets[i] + fake.longest_each)
            fail_msg("%g s of a budget of %g; no candidate took more than %g", report.spent_s, budgets[i],
                     fake.longest_each);
        if (budgets[i] >= 400) assert_true(report.tuned > 0);
        if (budgets[i] >= 1600) assert_int_equal(report.tuned, SOME);
        hone_session_report_free(&report);
    }
}

static void keeps_the_budget_of_each(void **state)
{
    (void)state;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    how.budget_s = 0;
    how.each_s = 0.5;
    empty_folder();
    works(hone_session_run(context, some, SOME, &how, &report));
    for (int i = 0; i < SOME; i++)
        if (report.outcomes[i].spent_s > 1.1 * 0.5 + fake.longest)
            fail_msg("%s took %g s of 0.5", some[i].text, report.outcomes[i].spent_s);
    hone_session_report_free(&report);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static hone_rt_row row_for(const hone_session_problem *problem)
{
    hone_rt_rows   *rows;
    hone_rt_row     row;
    hone_rt_problem bytes;
    hone_request    request = {.device = hone_rt_device_at(context, 0), .problem = bytes.bytes,
                               .threads = problem->threads, .alignment = 64};
    works(hone_rt_problem_parse(context, problem->text, &request.op, &bytes));
    works(hone_rt_rows_open(request.device, folder, &rows));
    works(hone_rt_rows_find(rows, &request, &row));
    hone_rt_rows_close(rows);
    return row;
}

static void writes_a_row_for_each(void **state)
{
    (void)state;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    how.budget_s = 1000;
    empty_folder();
    works(hone_session_run(context, some, SOME, &how, &report));
    assert_int_equal(report.tuned, SOME);
    for (int i = 0; i < SOME; i++) {
        hone_rt_row row = row_for(&some[i]);
        assert_string_equal(row.best.kernel, report.outcomes[i].row.best.kernel);
        assert_non_null(strstr(row.rivals, "cpu.packed ")); /* who else took it, in which version */
        assert_true(row.best.median_s > 0 && row.untuned.median_s >= row.best.median_s * 0.99);
        assert_true(row.sample_count >= 6);
    }
    hone_session_report_free(&report);
}

/* Quick while it is searched for, slow when it is measured again: never worse than untuned. */
static void believes_no_winner_once(void **state)
{
    (void)state;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    how.budget_s = 100;
    fake.flatters = "cpu.packed"; /* takes the problem, and is not the first choice for it */
    empty_folder();
    const hone_session_problem one = {"matmul f32 nn 48x48x48", 1, 1};
    works(hone_session_run(context, &one, 1, &how, &report));
    hone_session_outcome *it = &report.outcomes[0];
    assert_int_equal(it->state, HONE_SESSION_TUNED);
    assert_true(fake.unmasked);
    assert_string_not_equal(it->row.best.kernel, "cpu.packed");
    assert_string_equal(it->row.best.kernel, it->row.untuned.kernel);
    assert_false(it->confirmed);
    assert_int_equal(fake.alive, 0);
    hone_session_report_free(&report);
}

/* Looked at after every round: wrong in one of fifty at most, and what is 4 % quicker is found under noise of 5 %. */
static void decides_whenever_it_is_asked(void **state)
{
    (void)state;
    enum { SESSIONS = 2000, ROUNDS = 96 };
    static const struct {
        double gain;
        int    faster_least, faster_most;
    } cases[] = {{0.00, 0, 40}, {0.01, 0, 40}, {0.04, 1200, SESSIONS}, {0.07, 1980, SESSIONS}};
    hone_random random = hone_random_seeded(5);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int counts[3] = {0};
        for (int session = 0; session < SESSIONS; session++) {
            double               one[ROUNDS], other[ROUNDS];
            hone_session_verdict verdict = HONE_SESSION_UNDECIDED;
            for (int r = 0; r < ROUNDS && verdict == HONE_SESSION_UNDECIDED; r++) {
                double sum = 0;
                for (int i = 0; i < 6; i++) sum += hone_random_signed(hone_random_next(&random));
                one[r] = 1;
                other[r] = (1 + cases[c].gain) * exp(0.05 * sum / M_SQRT2); /* of variance 1/3 each */
                verdict = hone_session_compare(one, other, r + 1);
            }
            counts[verdict]++;
        }
        if (counts[HONE_SESSION_FASTER] < cases[c].faster_least || counts[HONE_SESSION_FASTER] > cases[c].faster_most)
            fail_msg("a gain of %g: %d faster, %d not, %d undecided", cases[c].gain, counts[HONE_SESSION_FASTER],
                     counts[HONE_SESSION_NOT_FASTER], counts[HONE_SESSION_UNDECIDED]);
    }
}

/* 4 % are a gain, though a quarter of the rounds tells nothing, and a share of the budget no larger than a search. */
static void believes_a_small_gain_that_lasts(void **state)
{
    (void)state;
    for (double budget = 1; budget < 5; budget *= 2) {
        hone_session_report  report;
        hone_session_options how = options_of_fake();
        how.budget_s = budget;
        fake.quicker = "cpu.packed";
        empty_folder();
        const hone_session_problem one = {"matmul f32 nn 48x48x48", 1, 1};
        works(hone_session_run(context, &one, 1, &how, &report));
        assert_string_equal(report.outcomes[0].row.best.kernel, "cpu.packed");
        assert_true(report.outcomes[0].confirmed);
        assert_int_equal(fake.alive, 0);
        hone_session_report_free(&report);
    }
}

/* In the problem at hand other settings may stand for some of its own, but none for its tile. */
static bool was_among_the_first(const hone_rt_figure *it, int first)
{
    size_t tile = strcspn(it->config, " ");
    char settings[256];
    for (int i = 0; i < fake.count && i < first; i++) {
        hone_config_print(fake.choices[i].kernel->space, &fake.choices[i].config, settings, sizeof settings);
        if (!strcmp(fake.choices[i].kernel->name, it->kernel) && !strncmp(settings, it->config, tile + 1)) return true;
    }
    return false;
}

/* What another session found for this problem, and for one like it, is tried before all else. */
static void begins_with_what_rows_say(void **state)
{
    (void)state;
    hone_session_report        report;
    hone_session_options       how = options_of_fake();
    const hone_session_problem one = {"matmul f32 nn 128x128x128", 1, 1}, near = {"matmul f32 nn 128x128x120", 1, 1};
    how.budget_s = 100;
    fake.quicker = "cpu.packed"; /* in all its configurations: another is found best each time */
    empty_folder();
    works(hone_session_run(context, &one, 1, &how, &report));
    hone_rt_figure best = report.outcomes[0].row.best;
    assert_string_equal(best.kernel, "cpu.packed");
    hone_session_report_free(&report);
    for (int i = 0; i < 2; i++) {
        fake.count = fake.alive = 0;
        how.seed = 2;
        works(hone_session_run(context, i ? &near : &one, 1, &how, &report));
        if (!was_among_the_first(&best, 4)) fail_msg("%s %s was not tried early", best.kernel, best.config);
        hone_session_report_free(&report);
    }
}

static void quarantines_for_good(void **state)
{
    (void)state;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    how.budget_s = 100;
    fake.crashes = "cpu.packed";
    empty_folder();
    const hone_session_problem one = {"matmul f32 nn 48x48x48", 1, 1};
    works(hone_session_run(context, &one, 1, &how, &report));
    assert_true(report.quarantined >= 1 && fake.asked_for_crashing == report.quarantined);
    assert_string_not_equal(report.outcomes[0].row.best.kernel, "cpu.packed");
    hone_session_report_free(&report);
    fake.asked_for_crashing = fake.count = 0;
    works(hone_session_run(context, &one, 1, &how, &report));
    assert_int_equal(fake.asked_for_crashing, 0);
    assert_int_equal(report.quarantined, 0);
    hone_session_report_free(&report);
}

static void tells_what_is_no_problem(void **state)
{
    (void)state;
    hone_session_report        report;
    hone_session_options       how = options_of_fake();
    const hone_session_problem two[] = {{"matmul f32 nn 4x4", 1, 1}, {"matmul f32 nn 64x64x64", 1, 1}};
    const hone_session_problem bad = {"matmul f32 nn 4x4x4", 1, -1};
    empty_folder();
    works(hone_session_run(context, two, 2, &how, &report));
    assert_int_equal(report.outcomes[0].state, HONE_SESSION_FAILED);
    assert_true(strlen(report.outcomes[0].why) > 10);
    assert_int_equal(report.outcomes[1].state, HONE_SESSION_TUNED);
    hone_session_report_free(&report);
    refused(hone_session_run(context, &bad, 1, &how, &report), HONE_ERROR_ARGUMENT, "weight -1");
    refused(hone_session_run(context, two, 0, &how, &report), HONE_ERROR_ARGUMENT, "at least one");
    how.profile_path = "/proc/nowhere";
    assert_int_not_equal(hone_session_run(context, two, 2, &how, &report), HONE_OK);
}

/* --- resuming ------------------------------------------------------------------------------------------------------
 */

static void find_tape(char *out, size_t capacity)
{
    DIR *entries = opendir(folder);
    *out = 0;
    for (struct dirent *it; (it = readdir(entries));)
        if (strstr(it->d_name, ".tape")) snprintf(out, capacity, "%s/%s", folder, it->d_name);
    closedir(entries);
}

/* Interrupted after so many questions, then gone on with: no sample is taken twice, and the rows are the same. */
static void resume_after(int questions, int whole_launches, const hone_session_report *whole, int torn)
{
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    char                 tape[512];
    struct stat          facts;
    how.budget_s = 0; /* what is admitted again costs time, which a budget would miss */
    fake.stop_at = questions;
    empty_folder();
    works(hone_session_run(context, some, SOME, &how, &report));
    assert_true(report.interrupted);
    hone_session_report_free(&report);
    find_tape(tape, sizeof tape);
    assert_true(*tape != 0);
    assert_int_equal(stat(tape, &facts), 0);
    if (torn) assert_int_equal(truncate(tape, facts.st_size - torn), 0);
    fake.stop_at = 0;
    works(hone_session_run(context, some, SOME, &how, &report));
    assert_false(report.interrupted);
    assert_int_equal(report.tuned, SOME);
    assert_true(report.resumed > 0 || questions < 3);
    if (!torn && fake.launches != whole_launches)
        fail_msg("after %d questions: %d launches in two parts, %d in one", questions, fake.launches, whole_launches);
    for (int i = 0; i < SOME; i++) {
        assert_string_equal(report.outcomes[i].row.best.kernel, whole->outcomes[i].row.best.kernel);
        assert_string_equal(report.outcomes[i].row.best.config, whole->outcomes[i].row.best.config);
        row_for(&some[i]);
    }
    hone_session_report_free(&report);
    find_tape(tape, sizeof tape);
    assert_string_equal(tape, ""); /* nothing to go on with */
}

static void resumes_and_repeats_nothing(void **state)
{
    (void)state;
    hone_session_report  whole;
    hone_session_options how = options_of_fake();
    how.budget_s = 0;
    empty_folder();
    works(hone_session_run(context, some, SOME, &how, &whole));
    assert_int_equal(whole.tuned, SOME);
    int launches = fake.launches, questions = fake.questions;
    for (int i = 1; i < questions; i += 1 + questions / 5) resume_after(i, launches, &whole, 0);
    for (int torn = 1; torn < 40; torn += 29) resume_after(questions / 2, launches, &whole, torn);
    hone_session_report_free(&whole);
}

static void begins_anew_where_it_is_told_to(void **state)
{
    (void)state;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    how.budget_s = 30;
    fake.stop_at = 40;
    empty_folder();
    works(hone_session_run(context, some, SOME, &how, &report));
    hone_session_report_free(&report);
    fake.stop_at = 0;
    how.fresh = true;
    works(hone_session_run(context, some, SOME, &how, &report));
    assert_int_equal(report.resumed, 0);
    hone_session_report_free(&report);
}

static void one_at_a_time(void **state)
{
    (void)state;
    char       path[128];
    hone_tape *one, *other;
    snprintf(path, sizeof path, "%s/some.tape", folder);
    empty_folder();
    works(hone_tape_open(path, 1, false, &one));
    refused(hone_tape_open(path, 1, false, &other), HONE_ERROR_STATE, "another process");
    hone_tape_close(one, true);
    refused(hone_tape_open("/proc/nowhere/some.tape", 1, false, &other), HONE_ERROR_FILE, "/proc/nowhere/some.tape");
}

/* Bytes that anybody may have written: what is no tape is begun anew. */
static void doubts_its_tape(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n\n", "nonsense\n", "0123456789abcdef session 1 0000000000000001\n",
                                        "\0\0\0\0", "ffffffffffffffff \n"};
    char       path[128];
    hone_tape *tape;
    snprintf(path, sizeof path, "%s/some.tape", folder);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(texts[i], 1, strlen(texts[i]) + 1, file);
        fclose(file);
        works(hone_tape_open(path, 1, false, &tape));
        assert_int_equal(hone_tape_kept(tape), 0);
        hone_tape_close(tape, true);
    }
}

/* --- suites ------------------------------------------------------------------------------------------------------- */

static void reads_records(void **state)
{
    (void)state;
    static const char text[] = "# of a program\n\n"
                               "matmul f32 nn 64x64x64   # calls=10 seconds=0.5 threads=2\r\n"
                               "matmul f32 nn 32x32x32\n"
                               "matmul f32 nn 64x64x64 # seconds=1.5 threads=2 calls=2\n"
                               "matmul f32 nn 64x64x64";
    hone_suite suite;
    works(hone_suite_parse(context, "record", text, sizeof text - 1, &suite));
    assert_int_equal(suite.count, 3);
    assert_string_equal(suite.problems[0].text, "matmul f32 nn 64x64x64");
    assert_true(suite.problems[0].weight == 2 && suite.problems[0].count == 12 && suite.problems[0].threads == 2);
    assert_true(suite.problems[1].weight == 1 && suite.problems[2].threads == 0);
    hone_suite_free(&suite);
    refused(hone_suite_parse(context, "record", "matmul f32 nn 4x4x4 # seconds=x", 31, &suite), HONE_ERROR_FORMAT,
            "line 1");
    refused(hone_suite_parse(context, "record", "# nothing\n", 10, &suite), HONE_ERROR_FORMAT, "no problem in it");
    assert_int_not_equal(hone_suite_parse(context, "record", "\nmatmul f32 nn 4x4", 18, &suite), HONE_OK);
    assert_non_null(strstr(hone_last_error(), "record, line 2"));
    refused(hone_suite_named(context, "nosuch", &suite), HONE_ERROR_NOT_FOUND, "nosuch");
    refused(hone_suite_read(context, "/nowhere/record", &suite), HONE_ERROR_NOT_FOUND, "/nowhere/record");
}

static void knows_its_suites(void **state)
{
    (void)state;
    static const char *const names[] = {"smoke", "quick", "full", "transformer", "convnet", "training"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hone_suite suite;
        works(hone_suite_named(context, names[i], &suite));
        assert_true(suite.count >= 3);
        hone_suite_free(&suite);
    }
}

/* Rows that find no room cost themselves, and a tape that finds none nothing. */
static void a_full_disk_ends_no_session(void **state)
{
    (void)state;
    struct rlimit        before, full;
    hone_session_report  report;
    hone_session_options how = options_of_fake();
    int                  told = 0;
    empty_folder();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    full = before;
    full.rlim_cur = 6000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    hone_status status = hone_session_run(context, some, SOME, &how, &report);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    works(status);
    for (int i = 0; i < SOME; i++) {
        const hone_session_outcome *it = &report.outcomes[i];
        if (it->state == HONE_SESSION_TUNED) assert_string_equal(row_for(&some[i]).best.kernel, it->row.best.kernel);
        told += it->state == HONE_SESSION_FAILED && strstr(it->why, "cannot write") && strstr(it->why, "is not kept");
    }
    assert_true(report.tuned > 0 && told > 0 && report.tuned + told == SOME);
    hone_session_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_go_by_weight),      cmocka_unit_test(keeps_its_budget),
        cmocka_unit_test(keeps_its_budget_where_launches_are_long), cmocka_unit_test(decides_whenever_it_is_asked),
        cmocka_unit_test(believes_a_small_gain_that_lasts), cmocka_unit_test(begins_with_what_rows_say),
        cmocka_unit_test(keeps_the_budget_of_each), cmocka_unit_test(writes_a_row_for_each),
        cmocka_unit_test(believes_no_winner_once),  cmocka_unit_test(quarantines_for_good),
        cmocka_unit_test(tells_what_is_no_problem), cmocka_unit_test(resumes_and_repeats_nothing),
        cmocka_unit_test(begins_anew_where_it_is_told_to), cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(doubts_its_tape),          cmocka_unit_test(reads_records),
        cmocka_unit_test(knows_its_suites),         cmocka_unit_test(a_full_disk_ends_no_session),
    };
    setenv("HONE_MODULES", "off", 1);
    setenv("HONE_TUNE", "off", 1);
    strcpy(folder, "/tmp/hone-test-session-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    setenv("HONE_PROFILE_PATH", folder, 1);
    if (hone_context_create(NULL, &handle) || hone_rt_context_hold(handle, &context)) return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    empty_folder();
    rmdir(folder);
    hone_rt_context_release(context);
    hone_context_destroy(handle);
    return failed;
}
