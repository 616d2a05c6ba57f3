/* Records spaces, and tells how strategies do on recorded ones.
 *
 *     spaces record "PROBLEM" THREADS FILE    measures all configurations of hone's own kernels for it, on a quiet
 * machine spaces show FILE...                     what is in them spaces table [blind] [SHARE] FILE...    what each
 * strategy finds in a share (0.05) of the evaluations, of the speed of the exhaustive best; blind: without estimates,
 * from the worst third */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "runtime/hall.h"
#include "tuner/here.h"
#include "tuner/replay.h"
#include "tuner/search.h"

static int failed(void)
{
    fprintf(stderr, "spaces: %s\n", hone_last_error());
    return 1;
}

static void progress(void *self, int done, int of)
{
    (void)self;
    if (done / 24 % 20 == 0) fprintf(stderr, "\r%d of %d ", done, of);
}

static int record(const char *text, int threads, const char *path)
{
    static hone_recording recording;
    hone_context         *handle;
    hone_rt_context      *context;
    const hone_op        *op;
    hone_rt_problem       problem;
    hone_rt_candidate     candidates[HONE_RT_KERNELS_MAX];
    const hone_kernel    *kernels[HONE_RT_KERNELS_MAX];
    const char           *rule;
    hone_here            *here;
    hone_context_options  how = {.size = sizeof how, .thread_count = threads};
    if (hone_context_create(&how, &handle) || hone_rt_context_hold(handle, &context)) return failed();
    if (hone_rt_problem_parse(context, text, &op, &problem)) return failed();
    hone_be_device *device = hone_rt_device_find(context, "cpu:0");
    if (!device) return failed();
    hone_request request = {.device = device, .op = op, .problem = problem.bytes, .threads = threads, .alignment = 64};

    int count = hone_rt_rank_first(context, &request, candidates, HONE_RT_KERNELS_MAX, &rule), taking = 0;
    for (int i = 0; i < count; i++)
        if (!candidates[i].refusal && !(candidates[i].kernel->properties & HONE_IS_REFERENCE))
            kernels[taking++] = candidates[i].kernel;
    hone_choice         untuned = {candidates[0].kernel, candidates[0].config};
    hone_here_options   options = hone_here_defaults();
    hone_record_options with = hone_record_defaults();
    options.unjudged = true;
    with.progress = progress;
    if (hone_here_open(context, &request, &options, &here)) return failed();
    hone_oracle oracle = hone_here_oracle(here);
    if (hone_space_record(&request, &untuned, 1, kernels, taking, &oracle, &with, &recording)) return failed();
    snprintf(recording.machine, sizeof recording.machine, "%s, %d cores, %s", hone_cpu_isa_name(device->cpu.isa),
             device->cpu.cores, device->ceilings_known ? "ceilings measured" : "ceilings built in");
    if (hone_recording_save(&recording, path)) return failed();
    const hone_recorded_row *best = &recording.rows[hone_recording_best(&recording)];
    const hone_recorded_row *first = &recording.rows[recording.starts[0]];
    printf("%s, %d threads: %d configurations in %.0f s, best %.3g us, untuned %.3g us (%.3f)\n", recording.problem,
           threads, recording.row_count, oracle.clock(oracle.self), best->seconds * 1e6, first->seconds * 1e6,
           first->seconds / best->seconds);
    hone_recording_free(&recording);
    hone_here_close(here);
    hone_rt_context_release(context);
    hone_context_destroy(handle);
    return 0;
}

static int show(int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        static hone_recording it;
        if (hone_recording_load(paths[i], &it)) return failed();
        const hone_recorded_row *best = &it.rows[hone_recording_best(&it)], *untuned = &it.rows[it.starts[0]];
        printf("%-40s %d %6d rows, best %9.2f us, untuned %.3f, noise %.2f %%, %s\n", it.problem, it.threads,
               it.row_count, best->seconds * 1e6, untuned->seconds / best->seconds,
               it.residual_count ? 50.0 * (it.residuals[it.residual_count * 9 / 10] -
                                           it.residuals[it.residual_count / 10]) : 0.0,
               it.machine);
        hone_recording_free(&it);
    }
    return 0;
}

/* A start for searches that get no help: the row at two thirds of all, by time. */
static int poor_row(const hone_recording *recording)
{
    double *seconds = malloc((size_t)recording->row_count * sizeof *seconds), best = 0;
    int     count = 0, row = 0;
    for (int i = 0; i < recording->row_count; i++)
        if (recording->rows[i].fate == HONE_FATE_RIGHT) seconds[count++] = recording->rows[i].seconds;
    hone_stats_sort(seconds, count);
    best = seconds[count * 2 / 3];
    while (recording->rows[row].seconds != best) row++;
    free(seconds);
    return row;
}

enum { SEEDS = 5, FILES_MAX = 64 };

/* The speed of what a search chose, of the best one's. */
static double found(const hone_recording *recording, const char *strategy, uint64_t seed, double share, bool blind,
                    int *trials, int *launches)
{
    hone_replay        *replay;
    hone_search_options options = hone_search_defaults();
    hone_search_result  result;
    int                 kernel_count, start_count;
    if (hone_replay_open(recording, seed, blind, &replay)) exit(failed());
    const hone_kernel *const *kernels = hone_replay_kernels(replay, &kernel_count);
    const hone_choice        *starts = hone_replay_starts(replay, &start_count);
    hone_choice               poor = hone_replay_choice(replay, poor_row(recording));
    hone_oracle               oracle = hone_replay_oracle(replay);
    options.strategy = strategy;
    options.seed = seed;
    options.trials_max = (int)(share * recording->row_count);
    if (hone_search(hone_replay_request(replay), blind ? &poor : starts, blind ? 1 : start_count, kernels, kernel_count,
                    &oracle, &options, &result))
        exit(failed());
    double speed = recording->rows[hone_recording_best(recording)].seconds /
                   recording->rows[hone_replay_row(replay, &result.findings[0].choice)].seconds;
    *trials += result.trials;
    *launches += result.launches;
    hone_search_result_free(&result);
    hone_replay_close(replay);
    return speed;
}

static int table(int count, char **words)
{
    static hone_recording recordings[FILES_MAX];
    static double         speeds[FILES_MAX], all[FILES_MAX * SEEDS];
    bool                  blind = count && !strcmp(words[0], "blind");
    double                share = 0.05;
    int                   files = 0;
    words += blind, count -= blind;
    if (count && strtod(words[0], NULL) > 0) share = strtod(*words++, NULL), count--;
    for (; files < count && files < FILES_MAX; files++)
        if (hone_recording_load(words[files], &recordings[files])) return failed();
    printf("%-8s  median of spaces   5th of 100 runs   worst run   trials   launches   under 0.97\n", "strategy");
    const char *name;
    for (int i = 0; (name = hone_search_strategy(i, NULL)); i++) {
        int trials = 0, launches = 0, runs = 0, under = 0, rows = 0;
        for (int file = 0; file < files; file++) {
            double of_file[SEEDS];
            for (int seed = 0; seed < SEEDS; seed++)
                all[runs++] = of_file[seed] =
                    found(&recordings[file], name, (uint64_t)seed + 1, share, blind, &trials, &launches);
            rows += recordings[file].row_count;
            speeds[file] = hone_stats_median(of_file, SEEDS);
            under += speeds[file] < 0.97;
            if (getenv("EACH")) printf("  %-40s %d %.4f\n", recordings[file].problem, recordings[file].threads,
                                       speeds[file]);
        }
        hone_stats_sort(all, runs);
        printf("%-8s            %.4f            %.4f      %.4f     %4.1f %%  %9d   %d of %d\n", name,
               hone_stats_median(speeds, files), hone_stats_quantile(all, runs, 0.05), all[0],
               100.0 * trials / SEEDS / rows, launches / SEEDS, under, files);
    }
    for (int i = 0; i < files; i++) hone_recording_free(&recordings[i]);
    return 0;
}

int main(int count, char **words)
{
    if (count == 5 && !strcmp(words[1], "record")) return record(words[2], atoi(words[3]), words[4]);
    if (count >= 3 && !strcmp(words[1], "show")) return show(count - 2, words + 2);
    if (count >= 3 && !strcmp(words[1], "table")) return table(count - 2, words + 2);
    fprintf(stderr, "spaces record \"PROBLEM\" THREADS FILE | show FILE... | table [blind] [SHARE] FILE...\n");
    return 2;
}
