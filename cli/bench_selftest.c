/* hone bench --selftest: something timed against itself, often, and against itself made slower. Every "different" of
 * the first kind is wrong; every one missed of the second is a pity. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/verb_bench.h"
#include "tuner/measure.h"

enum { SMALL = 4096 };

/* A loop over 16 KiB that neither grows nor decays, and ends when it is asked to. */
static hone_status subject_run(void *self, int repeats)
{
    float *x = self;
    if (cli_interrupted()) return HONE_ERROR_INTERRUPTED;
    for (int r = 0; r < repeats; r++) {
        for (int i = 0; i < SMALL; i++) x[i] = x[i] * 0.5f + 1.0f;
        __asm__ volatile("" ::"r"(x) : "memory");
    }
    return HONE_OK;
}

static void progress(void *self, int done, int of)
{
    (void)self;
    cli_progress("%d of %d pairs of duels", done, of);
}

static void print_json(const cli_call *call, const hone_selftest_report *r, const hone_selftest_options *how)
{
    json_t *answer = cli_answer(call);
    cli_set(answer, "duels", json_integer(r->duels));
    cli_set(answer, "called_different", json_integer(r->called_different));
    cli_set(answer, "cannot_tell", json_integer(r->cannot_tell));
    cli_set(answer, "worst", cli_real(r->worst));
    cli_set(answer, "slowdown", cli_real(how->slowdown));
    cli_set(answer, "slower_duels", json_integer(r->slower_duels));
    cli_set(answer, "found", json_integer(r->found));
    cli_set(answer, "called_same", json_integer(r->called_same));
    cli_set(answer, "called_faster", json_integer(r->called_faster));
    cli_set(answer, "unsure", json_integer(r->unsure));
    cli_set(answer, "load_threads", json_integer(how->load));
    cli_set(answer, "seed", json_integer((json_int_t)how->measure.seed));
    cli_set(answer, "seconds", cli_real(r->seconds));
    cli_set(answer, "interrupted", json_boolean(cli_interrupted()));
    cli_print_json(answer);
}

static void print_text(const hone_selftest_report *r, const hone_selftest_options *how)
{
    cli_progress(NULL);
    printf("against itself        %d duels: %d called different, %d cannot be told; largest ratio 1 +- %.2f %%\n",
           r->duels, r->called_different, r->cannot_tell, 100 * r->worst);
    printf("made %.0f %% slower      %d duels: %d found, %d called same, %d faster, %d cannot be told\n",
           100 * how->slowdown, r->slower_duels, r->found, r->called_same, r->called_faster, r->unsure);
    printf("load on %d CPUs, seed %llu, %.1f s%s\n", how->load, (unsigned long long)how->measure.seed, r->seconds,
           cli_interrupted() ? "; interrupted" : "");
}

int cli_bench_selftest(const cli_call *call)
{
    hone_selftest_report  report;
    hone_selftest_options how = hone_selftest_defaults();
    hone_contestant       subject = {.name = "a loop over 16 KiB", .run = subject_run};
    subject.self = cli_alloc(SMALL, sizeof(float));
    how.subject = &subject;
    how.duels = (int)cli_number(call, "duels", how.duels);
    how.measure.seed = (uint64_t)cli_number(call, "seed", 1);
    how.load = cli_given(call, "noise") ? (int)sysconf(_SC_NPROCESSORS_ONLN) : 0;
    how.progress = progress;
    hone_status status = hone_measure_selftest(&how, &report);
    free(subject.self);
    if (status != HONE_OK && status != HONE_ERROR_INTERRUPTED) return cli_fail_status(call, status);
    if (call->json)
        print_json(call, &report, &how);
    else
        print_text(&report, &how);
    if (status == HONE_ERROR_INTERRUPTED) return CLI_INTERRUPTED;
    return report.called_different * 100 > report.duels ? CLI_NO : CLI_FINE;
}
