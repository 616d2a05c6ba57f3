/* What Google Benchmark times, seen from C++: names, each opened (prepared and judged) when its turn comes. */
#ifndef HONE_BENCH_SUBJECTS_H
#define HONE_BENCH_SUBJECTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_subject bench_subject;

/* All of them: the problems of the ops' smoke and quick suites by every kernel that takes them, and what a call costs.
 * NULL: it was said on stderr why. Lives as long as the program. */
bench_subject *const *bench_subjects(int *count);
const char           *bench_name(const bench_subject *subject);

/* Prepares and judges. NULL: ready; else the sentence that says why not. */
const char *bench_open(bench_subject *subject);
/* Runs `launches` times and gives the seconds that took, below 0 when it failed. */
double bench_run(bench_subject *subject, int64_t launches);
/* So many launches make a sample worth reading a clock for. */
int64_t bench_batch(const bench_subject *subject);
void    bench_close(bench_subject *subject);

/* Of one launch; 0 where it means nothing. */
double bench_flops(const bench_subject *subject);
double bench_bytes(const bench_subject *subject);
double bench_roofline(const bench_subject *subject); /* seconds; 0: no ceilings are kept */

#ifdef __cplusplus
}
#endif
#endif
