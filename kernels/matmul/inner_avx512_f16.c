/* The tiles of cpu.inner for AVX-512 with FP16: sums of runs in f16, 32 of them in a register, for products that allow
 * them. A test that says what a step is, INNER_F16_STEP, compiles the same text for machines that have no such
 * instruction. */
#include <hone/accuracy.h>

#define INNER_WORD    3
#define INNER_ELEMENT uint16_t
#include "kernels/matmul/inner_avx512.h"

/* 24 sums + 3 vectors of b + 1 of a: 11 loads for 24 multiplies, for rows in eights. */
#define INNER_NAME hone_matmul_inner_f16_avx512_8x48
#define INNER_ONCE once_8x48
#define INNER_LOOP loop_8x48
#define INNER_M    8
#define INNER_N    48
#include "kernels/matmul/inner.inl"

/* 24 + 2 + 1: 14 loads, for rows in twelves and few columns. */
#define INNER_NAME hone_matmul_inner_f16_avx512_12x32
#define INNER_ONCE once_12x32
#define INNER_LOOP loop_12x32
#define INNER_M    12
#define INNER_N    32
#include "kernels/matmul/inner.inl"

#define INNER_KIT hone_matmul_inner_kit_f16_avx512
#include "kernels/matmul/inner_pack.inl"
