/* cpu.small's micro-kernels for AVX-512: 32 registers of 16 floats or 8 doubles. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/small.h"

/* 24 sums + 1 vector of b, a's elements straight from memory; 28 + 2 + 1; 24 + 3 + 1. */
#define SMALL_NAME     multiply_f32
#define SMALL_LOOP     loop_f32
#define SMALL_REAL     float
#define SMALL_ROWS_1   24
#define SMALL_ROWS_2   14
#define SMALL_ROWS_3   8
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f32_avx512 = {
    HONE_ISA_AVX512, HONE_F32, VEC_LANES_F32, {24, 14, 8}, multiply_f32, &hone_matmul_small_f32_avx512_half,
    &hone_matmul_kit_f32_avx512};

#define SMALL_NAME     multiply_f64
#define SMALL_LOOP     loop_f64
#define SMALL_REAL     double
#define SMALL_ROWS_1   24
#define SMALL_ROWS_2   14
#define SMALL_ROWS_3   8
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f64_avx512 = {
    HONE_ISA_AVX512, HONE_F64, VEC_LANES_F64, {24, 14, 8}, multiply_f64, &hone_matmul_small_f64_avx512_half,
    &hone_matmul_kit_f64_avx512};
