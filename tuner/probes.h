/* The loops that ceilings are measured with: one table an instruction set, from a file compiled for it. To be entered
 * only where the CPU has that set, and for a peak also the extension it names. */
#ifndef HONE_TUNER_PROBES_H
#define HONE_TUNER_PROBES_H

#include "backends/backend.h"

/* Arithmetic in registers alone: enough independent chains to fill every port. A turn is one link of each. */
#define HONE_PEAK_CHAINS 14
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
