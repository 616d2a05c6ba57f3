/* The tiles of cpu.inner for AVX-512 without VNNI: bytes widened to 16 bits. */
#define INNER_WORD    1
#define INNER_ELEMENT int8_t
#include "kernels/matmul/inner_avx512.h"

/* 24 sums + 3 vectors of b + 1 of a + 1 of products. */
#define INNER_NAME hone_matmul_inner_s16_avx512_8x48
#define INNER_LOOP loop_8x48
#define INNER_M    8
#define INNER_N    48
#include "kernels/matmul/inner.inl"

#define INNER_KIT hone_matmul_inner_kit_s16_avx512
#include "kernels/matmul/inner_pack.inl"
