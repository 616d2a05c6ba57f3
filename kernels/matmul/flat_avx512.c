/* The micro-kernels of a flat b for AVX-512: at most 25 sums, vectors of as many rows, 1 of b, 1 of indices. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/flat.h"

/* The most rows beside so many columns. */
#define FLAT_R2  8
#define FLAT_R3  8
#define FLAT_R4  6
#define FLAT_R5  5
#define FLAT_R6  4
#define FLAT_R7  3
#define FLAT_R8  3
#define FLAT_R9  2
#define FLAT_R10 2
#define FLAT_R11 2
#define FLAT_R12 2

#define FLAT_NAME   multiply_f32
#define FLAT_INDEX  index_f32
#define FLAT_LOOP   loop_f32
#define FLAT_FOLD   fold_f32
#define FLAT_REAL   float
#define FLAT_STORED float
#include "kernels/matmul/flat.inl"

const hone_matmul_flat_kit hone_matmul_flat_f32_avx512 = {
    "f32_avx512", HONE_ISA_AVX512, HONE_F32, VEC_LANES_F32, 1.5, FLAT_ROWS, index_f32, multiply_f32};

/* bf16 and f16 are floats once loaded. */
#define FLAT_NAME   multiply_bf16
#define FLAT_LOOP   loop_bf16
#define FLAT_FOLD   fold_bf16
#define FLAT_REAL   float
#define FLAT_STORED stored_bf16
#include "kernels/matmul/flat.inl"

const hone_matmul_flat_kit hone_matmul_flat_bf16_avx512 = {
    "bf16_avx512", HONE_ISA_AVX512, HONE_BF16, VEC_LANES_F32, 1.5, FLAT_ROWS, index_f32, multiply_bf16};

#define FLAT_NAME   multiply_f16
#define FLAT_LOOP   loop_f16
#define FLAT_FOLD   fold_f16
#define FLAT_REAL   float
#define FLAT_STORED stored_f16
#include "kernels/matmul/flat.inl"

const hone_matmul_flat_kit hone_matmul_flat_f16_avx512 = {
    "f16_avx512", HONE_ISA_AVX512, HONE_F16, VEC_LANES_F32, 1.5, FLAT_ROWS, index_f32, multiply_f16};

#define FLAT_NAME   multiply_f64
#define FLAT_INDEX  index_f64
#define FLAT_LOOP   loop_f64
#define FLAT_FOLD   fold_f64
#define FLAT_REAL   double
#define FLAT_STORED double
#include "kernels/matmul/flat.inl"

const hone_matmul_flat_kit hone_matmul_flat_f64_avx512 = {
    "f64_avx512", HONE_ISA_AVX512, HONE_F64, VEC_LANES_F64, 1.5, FLAT_ROWS, index_f64, multiply_f64};
