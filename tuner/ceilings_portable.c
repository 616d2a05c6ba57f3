/* The loops for vectors of 16 bytes, which every target has: SSE2 or NEON, or what the compiler makes of them. */
#include "tuner/probes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define PEAK_REGISTER          "x"
#define TRAFFIC_STREAM(to, v)  _mm_stream_si128((__m128i *)(to), (__m128i)(v))
#define TRAFFIC_FENCE()        _mm_sfence()
#elif defined(__aarch64__)
#include <arm_neon.h>
#define PEAK_REGISTER "w"
#else
#define PEAK_REGISTER "m"
#endif

typedef float     vec4 __attribute__((vector_size(16)));
typedef double    vec2 __attribute__((vector_size(16)));
typedef long long line __attribute__((vector_size(16), may_alias));

/* Without a fused multiply-add the peak is as many multiplies as adds, and each in chains of its own: in one chain
 * they came out at 80 or at 100 % by chance of scheduling. */
#if defined(__aarch64__)
#define FLOPS_A_LANE 2
#define CHAINS       HONE_PEAK_24
#define CHAIN_COUNT  24
#else
#define FLOPS_A_LANE 1
#define CHAINS       HONE_PEAK_14
#define CHAIN_COUNT  14
#endif

#define PEAK_NAME     peak_f32
#define PEAK_VECTOR   vec4
#define PEAK_CHAINS   CHAINS
#define PEAK_SET(x)   ((vec4){x, x, x, x})
#if defined(__aarch64__)
#define PEAK_STEP(c, a, b) ((vec4)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b))
#else
#define PEAK_STEP(c, a, b)  (c * b)
#define PEAK_OTHER(c, a, b) (c + a)
#endif
#define PEAK_TARGET
#include "tuner/peak.inl"

#define PEAK_NAME     peak_f64
#define PEAK_VECTOR   vec2
#define PEAK_CHAINS   CHAINS
#define PEAK_SET(x)   ((vec2){x, x})
#if defined(__aarch64__)
#define PEAK_STEP(c, a, b) ((vec2)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b))
#else
#define PEAK_STEP(c, a, b)  (c * b)
#define PEAK_OTHER(c, a, b) (c + a)
#endif
#define PEAK_TARGET
#include "tuner/peak.inl"

#define TRAFFIC_VECTOR   line
#define TRAFFIC_REGISTER PEAK_REGISTER
#include "tuner/traffic.inl"

static const hone_peak peaks[] = {
    {HONE_F32, 0, CHAIN_COUNT * 4 * FLOPS_A_LANE, peak_f32},
    {HONE_F64, 0, CHAIN_COUNT * 2 * FLOPS_A_LANE, peak_f64},
};

const hone_probes hone_probes_portable = {
    sizeof peaks / sizeof *peaks, peaks, read_block, copy_block,
#ifdef TRAFFIC_STREAM
    stream_block,
#else
    NULL,
#endif
};
