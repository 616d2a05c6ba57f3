/* cpu.small's micro-kernels for any machine: 16 registers of 4 floats or 2 doubles are enough for them. */
#include "kernels/common/simd_portable.h"
#include "kernels/matmul/small.h"

/* 8 sums + 2 vectors of b + 1 of a, and one for a product where there is no fused multiply-add. */
#define SMALL_NAME     multiply_f32
#define SMALL_LOOP     loop_f32
#define SMALL_REAL     float
#define SMALL_ROWS_1   8
#define SMALL_ROWS_2   4
#define SMALL_ROWS_3   0
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f32_any = {
    HONE_ISA_PORTABLE, HONE_F32, VEC_LANES_F32, {8, 4, 0}, multiply_f32, NULL, &hone_matmul_kit_f32_any};

#define SMALL_NAME     multiply_f64
#define SMALL_LOOP     loop_f64
#define SMALL_REAL     double
#define SMALL_ROWS_1   8
#define SMALL_ROWS_2   4
#define SMALL_ROWS_3   0
#include "kernels/matmul/small.inl"
const hone_matmul_small_set hone_matmul_small_f64_any = {
    HONE_ISA_PORTABLE, HONE_F64, VEC_LANES_F64, {8, 4, 0}, multiply_f64, NULL, &hone_matmul_kit_f64_any};
