/* The tiles of cpu.inner for AVX2 with AVX-VNNI. */
#define INNER_WORD    0
#define INNER_ELEMENT int8_t
#include "kernels/matmul/inner_avx2.h"

/* 12 sums + 2 vectors of b + 1 of a. */
#define INNER_NAME hone_matmul_inner_u8s8_avx2_6x16
#define INNER_LOOP loop_6x16
#define INNER_M    6
#define INNER_N    16
#include "kernels/matmul/inner.inl"

#define INNER_KIT hone_matmul_inner_kit_u8s8_avx2
#include "kernels/matmul/inner_pack.inl"
