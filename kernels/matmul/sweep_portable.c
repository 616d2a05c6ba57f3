/* The micro-kernels that sweep along b, for any machine: 16 registers are enough for them. */
#include "kernels/common/simd_portable.h"
#include "kernels/matmul/sweep.h"

/* At most 9 sums + a vector of each row + 1 of b + 1 for a product. */
#define SWEEP_NAME   multiply_f32
#define SWEEP_LOOP   loop_f32
#define SWEEP_SHORT  short_f32
#define SWEEP_RUN    run_f32
#define SWEEP_STRIPS strips_f32
#define SWEEP_END    end_f32
#define SWEEP_REAL   float
#define SWEEP_V1     8
#define SWEEP_V2     5
#define SWEEP_V3     3
#define SWEEP_V4     2
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f32_any = {
    "f32_any", HONE_ISA_PORTABLE, HONE_F32, {0, 8, 5, 3, 2}, multiply_f32, &hone_matmul_kit_f32_any};

#define SWEEP_NAME   multiply_f64
#define SWEEP_LOOP   loop_f64
#define SWEEP_SHORT  short_f64
#define SWEEP_RUN    run_f64
#define SWEEP_STRIPS strips_f64
#define SWEEP_END    end_f64
#define SWEEP_REAL   double
#define SWEEP_V1     8
#define SWEEP_V2     5
#define SWEEP_V3     3
#define SWEEP_V4     2
#include "kernels/matmul/sweep.inl"

const hone_matmul_sweep_kit hone_matmul_sweep_f64_any = {
    "f64_any", HONE_ISA_PORTABLE, HONE_F64, {0, 8, 5, 3, 2}, multiply_f64, &hone_matmul_kit_f64_any};
