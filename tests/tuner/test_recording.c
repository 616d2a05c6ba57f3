/* Recorded spaces: one that a test made up is measured whole, written, read, and searched; and texts that are none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "tests/memory.h"
#include "tests/tuner/planted.h"
#include "tuner/replay.h"
#include "tuner/search.h"

static planted        it;
static hone_recording recorded;
static char           folder[] = "/tmp/hone-recording-XXXXXX", path[64];

static hone_status record(const hone_record_options *options, hone_recording *out)
{
    hone_choice untuned = planted_untuned();
    hone_oracle oracle = planted_oracle(&it);
    hone_status status = hone_space_record(&planted_request, &untuned, 1, planted_kernels, 2, &oracle, options, out);
    assert_int_equal(it.alive, 0);
    return status;
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void a_space_is_measured_whole(void **state)
{
    hone_record_options options = hone_record_defaults();
    hone_choice         best;
    int                 wrong = 0, often = 0;
    (void)state;
    it = (planted){.noise = 0.01, .belief = 0.2, .fate = HONE_FATE_WRONG, .fate_every = 40, .again = true};
    planted_use(&it, 6);
    assert_int_equal(record(&options, &recorded), HONE_OK);
    snprintf(recorded.machine, sizeof recorded.machine, "none at all");
    double least = planted_best(&best);
    assert_int_equal(recorded.kernel_count, 2);
    assert_int_equal(recorded.row_count, recorded.kernels[0].count + 6);
    assert_true(recorded.row_count > 2000 && recorded.start_count == 1);
    for (int i = 0; i < recorded.row_count; i++) {
        const hone_recorded_row *row = &recorded.rows[i];
        hone_choice              choice = {planted_kernels[i >= recorded.kernels[1].first], row->config};
        double                   truth = planted_seconds(&choice);
        wrong += row->fate == HONE_FATE_WRONG;
        if (row->fate != HONE_FATE_RIGHT) continue;
        assert_true(row->seconds > 0.97 * truth && row->seconds < 1.05 * truth);
        often += row->sample_count > 10;
        if (truth < 1.05 * least) assert_true(row->sample_count == 12);
        if (truth > 2.5 * least) assert_true(row->sample_count <= 3);
        assert_true(row->estimate > 0);
    }
    assert_true(wrong > 20 && often > 5 && often < recorded.row_count / 4);
    const hone_recorded_row *first = &recorded.rows[recorded.starts[0]];
    hone_choice untuned = planted_untuned();
    assert_memory_equal(&first->config, &untuned.config, sizeof first->config);
    assert_true(recorded.rows[hone_recording_best(&recorded)].seconds < 1.02 * least);
    assert_true(recorded.residual_count > 100);
    assert_true(recorded.residuals[0] < 0 && recorded.residuals[recorded.residual_count - 1] > 0);
}

static void alike(const hone_recording *a, const hone_recording *b)
{
    const double unit = a->rows[hone_recording_best(a)].seconds / 4096;
    assert_string_equal(a->problem, b->problem);
    assert_string_equal(a->machine, b->machine);
    assert_true(a->threads == b->threads && a->row_count == b->row_count && a->start_count == b->start_count);
    assert_int_equal(a->starts[0], b->starts[0]);
    for (int i = 0; i < a->kernel_count; i++)
        for (int j = 0; j < a->kernels[i].parameter_count; j++) {
            const hone_parameter *p = &a->kernels[i].parameters[j], *q = &b->kernels[i].parameters[j];
            assert_string_equal(p->name, q->name);
            assert_true(p->standard == q->standard && p->count == q->count && !p->names == !q->names);
            for (int k = 0; k < p->count; k++) {
                assert_true(p->values[k] == q->values[k]);
                if (p->names) assert_string_equal(p->names[k], q->names[k]);
            }
        }
    for (int i = 0; i < a->row_count; i++) {
        const hone_recorded_row *x = &a->rows[i], *y = &b->rows[i];
        assert_memory_equal(&x->config, &y->config, sizeof x->config);
        assert_true(x->fate == y->fate && x->sample_count == y->sample_count);
        assert_true(fabs(x->estimate - y->estimate) < unit);
        for (int j = 0; j < x->sample_count; j++) assert_true(fabs(x->samples[j] - y->samples[j]) < unit);
    }
}

static void written_and_read(void **state)
{
    (void)state;
    for (int packed = 0; packed < 1 + hone_recording_compresses(); packed++) {
        hone_recording  again;
        const char     *name = in_folder(packed ? "space.zst" : "space");
        assert_int_equal(hone_recording_save(&recorded, name), HONE_OK);
        if (hone_recording_load(name, &again)) fail_msg("%s", hone_last_error());
        alike(&recorded, &again);
        hone_recording_free(&again);
    }
    if (hone_recording_compresses()) return;
    assert_int_equal(hone_recording_save(&recorded, in_folder("space.zst")), HONE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(hone_last_error(), "libzstd-dev"));
}

/* The same figures and seed give the same search; other noise finds as good a one. */
static void searched_again_and_again(void **state)
{
    hone_search_result results[3];
    double             least = recorded.rows[hone_recording_best(&recorded)].seconds;
    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        hone_search_options options = hone_search_defaults();
        hone_replay        *replay;
        int                 kernels, starts;
        options.trials_max = recorded.row_count / 20;
        assert_int_equal(hone_replay_open(&recorded, turn < 2 ? 1 : 9, false, &replay), HONE_OK);
        hone_oracle oracle = hone_replay_oracle(replay);
        const hone_kernel *const *table = hone_replay_kernels(replay, &kernels);
        const hone_choice        *from = hone_replay_starts(replay, &starts);
        assert_int_equal(hone_search(hone_replay_request(replay), from, starts, table, kernels, &oracle, &options,
                                     &results[turn]), HONE_OK);
        assert_int_equal(hone_replay_admitted(replay), results[turn].trials);
        int row = hone_replay_row(replay, &results[turn].findings[0].choice);
        assert_true(row >= 0 && recorded.rows[row].seconds < 1.03 * least);
        hone_choice same = hone_replay_choice(replay, row);
        assert_memory_equal(&same.config, &results[turn].findings[0].choice.config, sizeof same.config);
        hone_replay_close(replay);
    }
    assert_true(results[0].launches == results[1].launches && results[0].spent_s == results[1].spent_s);
    for (int i = 0; i < results[0].count; i++)
        assert_memory_equal(&results[0].findings[i].choice.config, &results[1].findings[i].choice.config,
                            sizeof(hone_config));
    for (int turn = 0; turn < 3; turn++) hone_search_result_free(&results[turn]);
}

static bool wants_stop;
static bool stops(void) { return wants_stop; }

static void recordings_that_are_none(void **state)
{
    hone_record_options options = hone_record_defaults();
    hone_recording      none;
    (void)state;
    options.stop = stops;
    wants_stop = true;
    planted_use(&it, 6);
    assert_int_equal(record(&options, &none), HONE_ERROR_INTERRUPTED);
    assert_null(none.rows);
    options = hone_record_defaults();
    options.rounds = 17;
    assert_int_equal(record(&options, &none), HONE_ERROR_ARGUMENT);
    it.fate_every = 1;
    options.rounds = 3;
    assert_int_equal(record(&options, &none), HONE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(hone_last_error(), "the untuned choice is not right: so the test wants it"));
}

#define HEAD "hone space 1\nproblem p\nthreads 1\nmachine m\nunit 1e-9\nadmit 5\n"
#define KERNEL "kernel k 2 2\nparameter a 1 1 2\nparameter b 4 4:four 8:eight\n"

static void texts_that_are_none(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "line 0: it does not begin"},
        {"hone space 2\n", "line 1: it does not begin with \"hone space 1\""},
        {"hone space 1\nproblem p\nthreads 0\n", "line 3: the number of threads"},
        {"hone space 1\nproblem p\nthreads 1 2\n", "line 3: the number of threads"},
        {"hone space 1\nproblem p\nthreads 1\nmachine m\nunit 0\n", "line 5: the unit is seconds"},
        {"hone space 1\nproblem p\nthreads 1\nmachine m\nunit nan\n", "line 5: the unit is seconds"},
        {HEAD, "line 6: a kernel or the starts are wanted"},
        {HEAD "starts 0\n", "line 7: the starts are 1 to 16 rows"},
        {HEAD "kernel k 16 1\n", "line 7: a kernel with the numbers"},
        {HEAD "kernel k 1 1000000\n", "line 7: a kernel with the numbers"},
        {HEAD "kernel k 1 1\nparameter a 3 1 2\n", "line 8: a parameter has 1 to 255 numbers"},
        {HEAD "kernel k 1 1\nparameter a 1 1:one 2\n", "line 8: either all values have names"},
        {HEAD "kernel k 1 1\nparameter a 1 1: 2:two\n", "line 8: "},
        {HEAD "kernel k 1 1\nparameter a 1 x\n", "line 8: a parameter has"},
        {HEAD KERNEL "0 0 0 5 0 9\n", "line 10: a row is wanted"},
        {HEAD KERNEL "1 0 5 0 9\n", "line 10: a row is wanted"},
        {HEAD KERNEL "0 0 2 5 0 9\n", "line 10: places of values"},
        {HEAD KERNEL "0 0 1 5 0 9\n1 0 5 0 9\n", "line 11: rows must rise"},
        {HEAD KERNEL "0 0 0 5 0 9\n1 0 5 0 9\n", "line 11: rows must rise"},
        {HEAD KERNEL "0 0 0 -5 0 9\n", "line 10: an estimate and a fate"},
        {HEAD KERNEL "0 0 0 5 8 9\n", "line 10: an estimate and a fate"},
        {HEAD KERNEL "0 0 0 5 0\n", "line 10: what is right has a sample"},
        {HEAD KERNEL "0 0 0 5 0 9 -9\n", "line 10: a sample is not above 0"},
        {HEAD KERNEL "0 0 0 5 0 9 x\n", "line 10: a number is wanted"},
        {HEAD KERNEL "0 0 0 5 0 9\n1 1 5 1\nstarts 2\n", "line 12: the starts"},
        {HEAD KERNEL "0 0 0 5 0 9\n1 1 5 1\nstarts 0\nmore\n", "line 12: there is more behind"},
        {HEAD KERNEL "0 0 0 5 0 9\n1 1 5 1\nstarts 0 1 1\n", NULL},
    };
    hone_recording none;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *name = in_folder("text");
        assert_int_equal(hone_file_write(name, cases[i].text, strlen(cases[i].text)), HONE_OK);
        hone_status status = hone_recording_load(name, &none);
        if (status != (cases[i].says ? HONE_ERROR_FORMAT : HONE_OK)) fail_msg("%zu: %s", i, hone_last_error());
        if (cases[i].says && !strstr(hone_last_error(), cases[i].says))
            fail_msg("%zu: said \"%s\", and not \"%s\"", i, hone_last_error(), cases[i].says);
        hone_recording_free(&none);
    }
    assert_int_equal(hone_recording_load(in_folder("nothing"), &none), HONE_ERROR_NOT_FOUND);
    if (!hone_recording_compresses()) return;
    assert_int_equal(hone_file_write(in_folder("bad.zst"), "(no frame)", 10), HONE_OK);
    assert_int_equal(hone_recording_load(path, &none), HONE_ERROR_FORMAT);
}

static void out_of_memory(void **state)
{
    hone_status status = HONE_ERROR_MEMORY;
    (void)state;
    assert_int_equal(hone_recording_save(&recorded, in_folder("space")), HONE_OK);
    for (int64_t fail_at = 1; status == HONE_ERROR_MEMORY; fail_at++) {
        static test_memory memory;
        hone_recording     again;
        hone_replay       *replay = NULL;
        assert_true(fail_at < 100);
        hone_recording_free(&recorded); /* memory of another allocator */
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = fail_at;
        status = hone_recording_load(path, &again);
        if (status == HONE_OK) status = hone_replay_open(&again, 1, false, &replay);
        if (status == HONE_OK) status = hone_recording_save(&again, in_folder("other"));
        hone_replay_close(replay);
        hone_recording_free(&again);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        in_folder("space");
    }
    assert_int_equal(status, HONE_OK);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"space", "space.zst", "text", "bad.zst", "other"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlink(in_folder(names[i]));
    hone_recording_free(&recorded);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_space_is_measured_whole),
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(searched_again_and_again),
        cmocka_unit_test(recordings_that_are_none),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("tuner.recording", tests, make_folder, remove_folder);
}
