/* The micro-kernels that sweep along b, for AVX-512: 32 registers. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/sweep.h"

/* At most 24 sums + a vector of each row + 1 of b. */
#define SWEEP_NAME   multiply_f32
#define SWEEP_LOOP   loop_f32
#define SWEEP_SHORT  short_f32
#define SWEEP_RUN    run_f32
#define SWEEP_STRIPS strips_f32
#define SWEEP_END    end_f32
#define SWEEP_REAL   float
#define SWEEP_V1     8
#define SWEEP_V2     8
#define SWEEP_V3     8
#define SWEEP_V4     6
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f32_avx512 = {
    "f32_avx512", HONE_ISA_AVX512, HONE_F32, {0, 8, 8, 8, 6}, multiply_f32, &hone_matmul_kit_f32_avx512};

#define SWEEP_NAME   multiply_f64
#define SWEEP_LOOP   loop_f64
#define SWEEP_SHORT  short_f64
#define SWEEP_RUN    run_f64
#define SWEEP_STRIPS strips_f64
#define SWEEP_END    end_f64
#define SWEEP_REAL   double
#define SWEEP_V1     8
#define SWEEP_V2     8
#define SWEEP_V3     8
#define SWEEP_V4     6
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f64_avx512 = {
    "f64_avx512", HONE_ISA_AVX512, HONE_F64, {0, 8, 8, 8, 6}, multiply_f64, &hone_matmul_kit_f64_avx512};
