/* The loops for AVX2 with fused multiply-add. */
#include "tuner/probes.h"

#include <immintrin.h>

#define PEAK_REGISTER "x"
typedef long long line __attribute__((vector_size(32), may_alias));

#define PEAK_NAME          peak_f32
#define PEAK_VECTOR        __m256
#define PEAK_SET(x)        _mm256_set1_ps(x)
#define PEAK_STEP(c, a, b) _mm256_fmadd_ps(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

#define PEAK_NAME          peak_f64
#define PEAK_VECTOR        __m256d
#define PEAK_SET(x)        _mm256_set1_pd(x)
#define PEAK_STEP(c, a, b) _mm256_fmadd_pd(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

#define TRAFFIC_VECTOR        line
#define TRAFFIC_REGISTER      PEAK_REGISTER
#define TRAFFIC_STREAM(to, v) _mm256_stream_si256((__m256i *)(to), (__m256i)(v))
#define TRAFFIC_FENCE()       _mm_sfence()
#include "tuner/traffic.inl"

static const hone_peak peaks[] = {
    {HONE_F32, 0, HONE_PEAK_CHAINS * 8 * 2, peak_f32},
    {HONE_F64, 0, HONE_PEAK_CHAINS * 4 * 2, peak_f64},
};

const hone_probes hone_probes_avx2 = {sizeof peaks / sizeof *peaks, peaks, read_block, copy_block, stream_block};
