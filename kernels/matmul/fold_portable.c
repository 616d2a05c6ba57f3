/* The micro-kernels that fold sums, for any machine: 16 registers are enough for them. */
#include "kernels/common/simd_portable.h"
#include "kernels/matmul/fold.h"

/* At most 10 sums, vectors of b or a vector of each row, one of the other, and one for a product. */
#define FOLD_NAME   multiply_f32
#define FOLD_PACK   pack_f32
#define FOLD_LOOP   loop_f32
#define FOLD_HALVE  halve_f32
#define FOLD_STORE  store_f32
#define FOLD_STRIPS strips_f32
#define FOLD_REAL   float
#define FOLD_R1     8
#define FOLD_R2     5
#define FOLD_R3     3
#define FOLD_R4     2
#define FOLD_R5     2
#define FOLD_R6     1
#define FOLD_R7     1
#define FOLD_R8     1
#include "kernels/matmul/fold.inl"

const hone_matmul_fold_kit hone_matmul_fold_f32_any = {
    "f32_any", HONE_ISA_PORTABLE, HONE_F32, {0, 8, 5, 3, 2, 2, 1, 1, 1}, pack_f32, multiply_f32,
    &hone_matmul_kit_f32_any};

#define FOLD_NAME   multiply_f64
#define FOLD_PACK   pack_f64
#define FOLD_LOOP   loop_f64
#define FOLD_HALVE  halve_f64
#define FOLD_STORE  store_f64
#define FOLD_STRIPS strips_f64
#define FOLD_REAL   double
#define FOLD_R1     8
#define FOLD_R2     5
#define FOLD_R3     3
#define FOLD_R4     2
#define FOLD_R5     2
#define FOLD_R6     1
#define FOLD_R7     1
#define FOLD_R8     1
#include "kernels/matmul/fold.inl"

const hone_matmul_fold_kit hone_matmul_fold_f64_any = {
    "f64_any", HONE_ISA_PORTABLE, HONE_F64, {0, 8, 5, 3, 2, 2, 1, 1, 1}, pack_f64, multiply_f64,
    &hone_matmul_kit_f64_any};
