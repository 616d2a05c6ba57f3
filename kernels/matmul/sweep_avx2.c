/* The micro-kernels that sweep along b, for AVX2 with FMA: 16 registers. */
#include "kernels/common/simd_avx2.h"
#include "kernels/matmul/sweep.h"

/* At most 12 sums + a vector of each row + 1 of b. */
#define SWEEP_NAME   multiply_f32
#define SWEEP_LOOP   loop_f32
#define SWEEP_SHORT  short_f32
#define SWEEP_RUN    run_f32
#define SWEEP_STRIPS strips_f32
#define SWEEP_END    end_f32
#define SWEEP_REAL   float
#define SWEEP_V1     8
#define SWEEP_V2     6
#define SWEEP_V3     4
#define SWEEP_V4     2
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f32_avx2 = {
    "f32_avx2", HONE_ISA_AVX2, HONE_F32, {0, 8, 6, 4, 2}, multiply_f32, &hone_matmul_kit_f32_avx2};

#define SWEEP_NAME   multiply_f64
#define SWEEP_LOOP   loop_f64
#define SWEEP_SHORT  short_f64
#define SWEEP_RUN    run_f64
#define SWEEP_STRIPS strips_f64
#define SWEEP_END    end_f64
#define SWEEP_REAL   double
#define SWEEP_V1     8
#define SWEEP_V2     6
#define SWEEP_V3     4
#define SWEEP_V4     2
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f64_avx2 = {
    "f64_avx2", HONE_ISA_AVX2, HONE_F64, {0, 8, 6, 4, 2}, multiply_f64, &hone_matmul_kit_f64_avx2};
