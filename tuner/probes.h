/* The loops that ceilings are measured with: one table an instruction set, from a file compiled for it. To be entered
 * only where the CPU has that set, and for a peak also the extension it names. */
#ifndef HONE_TUNER_PROBES_H
#define HONE_TUNER_PROBES_H

#include "backends/backend.h"

/* Arithmetic in registers alone, in chains that do not wait for one another: more of them than a port's latency times
 * the ports of any core in use, or there is no peak. A turn is one link of each.
 *
 *   24   where there are 32 registers: cores with four ports and a latency of four need 16
 *   14   with 16 registers: two ports, latencies of up to six
 *    6   where a link is one add and the rest of the work stands beside the chain */
#define HONE_PEAK_6(X) X(c0, c1) X(c2, c3) X(c4, c5)
#define HONE_PEAK_14(X) HONE_PEAK_6(X) X(c6, c7) X(c8, c9) X(c10, c11) X(c12, c13)
#define HONE_PEAK_24(X) HONE_PEAK_14(X) X(c14, c15) X(c16, c17) X(c18, c19) X(c20, c21) X(c22, c23)
typedef struct hone_peak {
    hone_dtype dtype;
    unsigned   needs; /* HONE_CPU_..., or 0 */
    double     flops; /* a turn */
    void (*run)(int64_t turns);
} hone_peak;

/* Whole lines from memory, so many times over; bytes are multiples of HONE_PROBE_BLOCK, addresses of 64. */
#define HONE_PROBE_BLOCK 1024
typedef struct hone_probes {
    int              peak_count;
    const hone_peak *peaks;
    void (*read)(const void *from, size_t bytes, int64_t passes);
    void (*copy)(void *to, const void *from, size_t bytes, int64_t passes);
    void (*stream)(void *to, const void *from, size_t bytes, int64_t passes); /* past the caches; NULL: not here */
} hone_probes;

extern const hone_probes hone_probes_portable, hone_probes_avx2, hone_probes_avx512;

#endif
