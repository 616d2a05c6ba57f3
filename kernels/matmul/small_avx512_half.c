/* cpu.small's micro-kernels for AVX-512 with vectors half as long: for what is left of few columns. All 32 registers
 * are there, elements of a come straight from memory, and where a core adds two short vectors while it adds a long one,
 * nothing is lost. */
#include <immintrin.h>
#include <stdint.h>

#include "kernels/matmul/small.h"

/* The words that small.inl uses: as in simd_avx512.h. */
typedef __m256 vec_f32;
typedef __m256d vec_f64;
typedef __mmask8 vec_mask_f32;
typedef __mmask8 vec_mask_f64;
#define VEC_LANES_F32      8
#define VEC_LANES_F64      4
#define VEC_MASKS_ARE_FREE 1
#define VEC_REGISTERS      32

static inline vec_f32 vec_load_f32(const float *p) { return _mm256_loadu_ps(p); }
static inline vec_f64 vec_load_f64(const double *p) { return _mm256_loadu_pd(p); }
static inline void vec_store_f32(float *p, vec_f32 x) { _mm256_storeu_ps(p, x); }
static inline void vec_store_f64(double *p, vec_f64 x) { _mm256_storeu_pd(p, x); }
static inline vec_f32 vec_broadcast_f32(float x) { return _mm256_set1_ps(x); }
static inline vec_f64 vec_broadcast_f64(double x) { return _mm256_set1_pd(x); }
static inline vec_f32 vec_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec_f64 vec_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fmadd_pd(a, b, c); }

static inline __mmask8 first(int64_t n, int64_t lanes)
{
    return (__mmask8)(n >= lanes ? 0xffu : n <= 0 ? 0u : (1u << n) - 1u);
}

static inline vec_mask_f32 vec_first_f32(int64_t n) { return first(n, VEC_LANES_F32); }
static inline vec_mask_f64 vec_first_f64(int64_t n) { return first(n, VEC_LANES_F64); }
static inline vec_f32 vec_load_first_f32(const float *p, vec_mask_f32 m) { return _mm256_maskz_loadu_ps(m, p); }
static inline vec_f64 vec_load_first_f64(const double *p, vec_mask_f64 m) { return _mm256_maskz_loadu_pd(m, p); }
static inline void vec_store_first_f32(float *p, vec_mask_f32 m, vec_f32 x) { _mm256_mask_storeu_ps(p, m, x); }
static inline void vec_store_first_f64(double *p, vec_mask_f64 m, vec_f64 x) { _mm256_mask_storeu_pd(p, m, x); }

#include "kernels/common/simd_words.h"

/* 24 sums + 1 vector of b. */
#define SMALL_NAME     multiply_f32
#define SMALL_LOOP     loop_f32
#define SMALL_REAL     float
#define SMALL_ROWS_1   24
#define SMALL_ROWS_2   0
#define SMALL_ROWS_3   0
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f32_avx512_half = {
    HONE_ISA_AVX512, HONE_F32, VEC_LANES_F32, {24, 0, 0}, multiply_f32, NULL,
    &hone_matmul_kit_f32_avx512};

#define SMALL_NAME     multiply_f64
#define SMALL_LOOP     loop_f64
#define SMALL_REAL     double
#define SMALL_ROWS_1   24
#define SMALL_ROWS_2   0
#define SMALL_ROWS_3   0
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f64_avx512_half = {
    HONE_ISA_AVX512, HONE_F64, VEC_LANES_F64, {24, 0, 0}, multiply_f64, NULL,
    &hone_matmul_kit_f64_avx512};
