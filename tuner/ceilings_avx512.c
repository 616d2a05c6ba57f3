/* The loops for AVX-512, and for its extensions: dot products of bf16 and of bytes, arithmetic in fp16. Having an
 * extension says nothing of its speed: there are cores on which bf16 dot products run at half the rate of fp32. */
#include "tuner/probes.h"

#include <immintrin.h>

#define PEAK_REGISTER "v"
typedef long long line __attribute__((vector_size(64), may_alias));

#define PEAK_NAME          peak_f32
#define PEAK_VECTOR        __m512
#define PEAK_CHAINS        HONE_PEAK_24
#define PEAK_SET(x)        _mm512_set1_ps(x)
#define PEAK_STEP(c, a, b) _mm512_fmadd_ps(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

#define PEAK_NAME          peak_f64
#define PEAK_VECTOR        __m512d
#define PEAK_CHAINS        HONE_PEAK_24
#define PEAK_SET(x)        _mm512_set1_pd(x)
#define PEAK_STEP(c, a, b) _mm512_fmadd_pd(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

/* Pairs of bf16 1.0: every lane grows by 2 a turn. */
#define PEAK_NAME          peak_bf16
#define PEAK_VECTOR        __m512
#define PEAK_CHAINS        HONE_PEAK_24
#define PEAK_SET(x)        _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80))
#define PEAK_STEP(c, a, b) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#define PEAK_TARGET        __attribute__((target("avx512bf16")))
#include "tuner/peak.inl"

#define PEAK_NAME          peak_s8
#define PEAK_VECTOR        __m512i
#define PEAK_CHAINS        HONE_PEAK_24
#define PEAK_SET(x)        _mm512_set1_epi8(1)
#define PEAK_STEP(c, a, b) _mm512_dpbusd_epi32(c, a, b)
#define PEAK_TARGET        __attribute__((target("avx512vnni")))
#include "tuner/peak.inl"

/* The same where there is no such instruction: see ceilings_avx2.c. */
static inline __m512i dot_by_three(__m512i c, __m512i a, __m512i b)
{
    __m512i pairs;
    __asm__ volatile("vpmaddubsw %2, %1, %0" : "=v"(pairs) : "v"(a), "v"(b));
    return _mm512_add_epi32(c, _mm512_madd_epi16(pairs, b));
}

#define PEAK_NAME          peak_s8_by_three
#define PEAK_VECTOR        __m512i
#define PEAK_CHAINS        HONE_PEAK_6
#define PEAK_SET(x)        _mm512_set1_epi8(1)
#define PEAK_STEP(c, a, b) dot_by_three(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"

/* fp16 is written as the instruction itself: compilers that know it differ in when they offer its type. */
#if HONE_ASSEMBLES_FP16
static inline __m512i multiply_add_ph(__m512i c, __m512i a, __m512i b)
{
    __asm__("vfmadd213ph %2, %1, %0" : "+v"(c) : "v"(a), "v"(b)); /* c = c * a + b */
    return c;
}

#define PEAK_NAME          peak_f16
#define PEAK_VECTOR        __m512i
#define PEAK_CHAINS        HONE_PEAK_24
#define PEAK_SET(x)        _mm512_set1_epi16((x) < 1 ? 0x3800 : 0x3c00) /* 0.5 and 1.0 */
#define PEAK_STEP(c, a, b) multiply_add_ph(c, a, b)
#define PEAK_TARGET
#include "tuner/peak.inl"
#endif

#define TRAFFIC_VECTOR        line
#define TRAFFIC_REGISTER      PEAK_REGISTER
#define TRAFFIC_STREAM(to, v) _mm512_stream_si512((__m512i *)(to), (__m512i)(v))
#define TRAFFIC_FENCE()       _mm_sfence()
#include "tuner/traffic.inl"

static const hone_peak peaks[] = {
    {HONE_F32, 0, 24 * 16 * 2, peak_f32},
    {HONE_F64, 0, 24 * 8 * 2, peak_f64},
    {HONE_BF16, HONE_CPU_BF16, 24 * 32 * 2, peak_bf16},
    {HONE_S8, 0, 6 * 64 * 2, peak_s8_by_three},
    {HONE_S8, HONE_CPU_VNNI, 24 * 64 * 2, peak_s8},
#if HONE_ASSEMBLES_FP16
    {HONE_F16, HONE_CPU_FP16, 24 * 32 * 2, peak_f16},
#endif
};

const hone_probes hone_probes_avx512 = {sizeof peaks / sizeof *peaks, peaks, read_block, copy_block, stream_block};
