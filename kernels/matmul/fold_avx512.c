/* The micro-kernels that fold sums, for AVX-512: 32 registers. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/fold.h"

/* At most 25 sums, vectors of b or a vector of each row, whichever are fewer, and one of the other. */
#define FOLD_NAME   multiply_f32
#define FOLD_PACK   pack_f32
#define FOLD_LOOP   loop_f32
#define FOLD_HALVE  halve_f32
#define FOLD_STORE  store_f32
#define FOLD_STRIPS strips_f32
#define FOLD_REAL   float
#define FOLD_R1     12
#define FOLD_R2     12
#define FOLD_R3     8
#define FOLD_R4     6
#define FOLD_R5     5
#define FOLD_R6     4
#define FOLD_R7     3
#define FOLD_R8     3
#include "kernels/matmul/fold.inl"

const hone_matmul_fold_kit hone_matmul_fold_f32_avx512 = {
    "f32_avx512", HONE_ISA_AVX512, HONE_F32, {0, 12, 12, 8, 6, 5, 4, 3, 3}, pack_f32, multiply_f32,
    &hone_matmul_kit_f32_avx512};

#define FOLD_NAME   multiply_f64
#define FOLD_PACK   pack_f64
#define FOLD_LOOP   loop_f64
#define FOLD_HALVE  halve_f64
#define FOLD_STORE  store_f64
#define FOLD_STRIPS strips_f64
#define FOLD_REAL   double
#define FOLD_R1     12
#define FOLD_R2     12
#define FOLD_R3     8
#define FOLD_R4     6
#define FOLD_R5     5
#define FOLD_R6     4
#define FOLD_R7     3
#define FOLD_R8     3
#include "kernels/matmul/fold.inl"

const hone_matmul_fold_kit hone_matmul_fold_f64_avx512 = {
    "f64_avx512", HONE_ISA_AVX512, HONE_F64, {0, 12, 12, 8, 6, 5, 4, 3, 3}, pack_f64, multiply_f64,
    &hone_matmul_kit_f64_avx512};
