/* The parts of `hone bench`: each in a file of its own. */
#ifndef HONE_CLI_VERB_BENCH_H
#define HONE_CLI_VERB_BENCH_H

#include "cli/cli.h"
#include "tuner/stats.h"

/* Where and with what figures were taken: Google Benchmark's context, and ours. */
json_t *cli_bench_context(const hone_be_device *device);

/* Does the stopwatch deserve belief? */
int cli_bench_selftest(const cli_call *call);

/* What a call costs beyond its kernel. */
int cli_bench_overhead(const cli_call *call);

/* What a second thread costs and is worth, alone and beside an OpenMP library. */
int cli_bench_threads(const cli_call *call);

/* "12.3 us", "[12.2, 12.4] us": three digits, the interval in the unit of the figure. */
cli_figure cli_interval(hone_interval seconds);

#endif
