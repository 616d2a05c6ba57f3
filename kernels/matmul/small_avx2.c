/* cpu.small's micro-kernels for AVX2: 16 registers of 8 floats or 4 doubles. */
#include "kernels/common/simd_avx2.h"
#include "kernels/matmul/small.h"

/* 12 sums + 1 vector of b + 1 of a; 12 + 2 + 1; 12 + 3 + 1. */
#define SMALL_NAME     multiply_f32
#define SMALL_LOOP     loop_f32
#define SMALL_REAL     float
#define SMALL_ROWS_1   12
#define SMALL_ROWS_2   6
#define SMALL_ROWS_3   4
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f32_avx2 = {
    HONE_ISA_AVX2, HONE_F32, VEC_LANES_F32, {12, 6, 4}, multiply_f32, NULL, &hone_matmul_kit_f32_avx2};

#define SMALL_NAME     multiply_f64
#define SMALL_LOOP     loop_f64
#define SMALL_REAL     double
#define SMALL_ROWS_1   12
#define SMALL_ROWS_2   6
#define SMALL_ROWS_3   4
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f64_avx2 = {
    HONE_ISA_AVX2, HONE_F64, VEC_LANES_F64, {12, 6, 4}, multiply_f64, NULL, &hone_matmul_kit_f64_avx2};
