/* The loops for AVX2 with fused multiply-add, and for dot products of bytes with and without AVX-VNNI. */
#include "tuner/probes.h"

#include <immintrin.h>

#define PEAK_REGISTER "x"
typedef long long line __attribute__((vector_size(32), may_alias));

#define PEAK_NAME          peak_f32
#define PEAK_VECTOR        __m256
#define PEAK_CHAINS        HONE_PEAK_14
#define PEAK_SET(x)        _mm256_set1_ps(x)
#define PEAK_STEP(c, a, b) _mm256_fmadd_ps(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

#define PEAK_NAME          peak_f64
#define PEAK_VECTOR        __m256d
#define PEAK_CHAINS        HONE_PEAK_14
#define PEAK_SET(x)        _mm256_set1_pd(x)
#define PEAK_STEP(c, a, b) _mm256_fmadd_pd(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

/* Bytes without a dot product: unsigned by signed to pairs, pairs to fours, and the add. The first is written as the
 * instruction, or it would leave the loop: its operands never change. */
static inline __m256i dot_by_three(__m256i c, __m256i a, __m256i b)
{
    __m256i pairs;
    __asm__ volatile("vpmaddubsw %2, %1, %0" : "=x"(pairs) : "x"(a), "x"(b));
    return _mm256_add_epi32(c, _mm256_madd_epi16(pairs, b));
}

#define PEAK_NAME          peak_s8_by_three
#define PEAK_VECTOR        __m256i
#define PEAK_CHAINS        HONE_PEAK_6
#define PEAK_SET(x)        _mm256_set1_epi8(1)
#define PEAK_STEP(c, a, b) dot_by_three(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

/* AVX-VNNI, as the instruction itself: compilers learnt of it late. */
#if HONE_ASSEMBLES_AVX_VNNI
static inline __m256i dot(__m256i c, __m256i a, __m256i b)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}

#define PEAK_NAME          peak_s8
#define PEAK_VECTOR        __m256i
#define PEAK_CHAINS        HONE_PEAK_14
#define PEAK_SET(x)        _mm256_set1_epi8(1)
#define PEAK_STEP(c, a, b) dot(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"
#endif

#define TRAFFIC_VECTOR        line
#define TRAFFIC_REGISTER      PEAK_REGISTER
#define TRAFFIC_STREAM(to, v) _mm256_stream_si256((__m256i *)(to), (__m256i)(v))
#define TRAFFIC_FENCE()       _mm_sfence()
#include "tuner/traffic.inl"

static const hone_peak peaks[] = {
    {HONE_F32, 0, 14 * 8 * 2, peak_f32},
    {HONE_F64, 0, 14 * 4 * 2, peak_f64},
    {HONE_S8, 0, 6 * 32 * 2, peak_s8_by_three},
#if HONE_ASSEMBLES_AVX_VNNI
    {HONE_S8, HONE_CPU_AVX_VNNI, 14 * 32 * 2, peak_s8},
#endif
};

const hone_probes hone_probes_avx2 = {sizeof peaks / sizeof *peaks, peaks, read_block, copy_block, stream_block};
