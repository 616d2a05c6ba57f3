// Google Benchmark's face over hone: every subject of subjects.h becomes a benchmark of its own. Time is taken around
// the launches alone ("manual time"), so that making operands fresh again is not counted.
//
//     hone_bench --benchmark_filter='^smoke/'      hone_bench --benchmark_filter=dispatch
#include <benchmark/benchmark.h>

#include "bench/subjects.h"

static void run(benchmark::State &state, bench_subject *subject)
{
    if (const char *why = bench_open(subject)) {
        state.SkipWithError(why);
        return;
    }
    const int64_t batch = bench_batch(subject);
    while (state.KeepRunningBatch(batch)) {
        const double seconds = bench_run(subject, batch);
        if (seconds < 0) {
            state.SkipWithError("a launch failed");
            break;
        }
        state.SetIterationTime(seconds);
    }
    const double launches = static_cast<double>(state.iterations());
    const double flops = bench_flops(subject), bytes = bench_bytes(subject), roofline = bench_roofline(subject);
    using benchmark::Counter;
    if (flops > 0) state.counters["flops"] = Counter(flops * launches, Counter::kIsRate);
    if (bytes > 0) state.counters["bytes_per_second"] = Counter(bytes * launches, Counter::kIsRate);
    if (roofline > 0) state.counters["share_of_ceiling"] = Counter(roofline * launches, Counter::kIsRate);
    bench_close(subject);
}

int main(int count, char **words)
{
    int                   subjects = 0;
    bench_subject *const *all = bench_subjects(&subjects);
    if (!all) return 1;
    benchmark::Initialize(&count, words);
    if (benchmark::ReportUnrecognizedArguments(count, words)) return 1;
    for (int i = 0; i < subjects; i++)
        benchmark::RegisterBenchmark(bench_name(all[i]), run, all[i])->UseManualTime()->Unit(benchmark::kMicrosecond);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
