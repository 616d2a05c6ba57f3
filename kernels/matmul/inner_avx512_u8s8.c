/* The first tile of cpu.inner for AVX-512 with VNNI, 32 registers of 16 words, and the kit of all: the others stand in
 * inner_avx512_u8s8_more.c, so that no file takes long to compile. */
#define INNER_WORD    0
#define INNER_ELEMENT int8_t
#include "kernels/matmul/inner_avx512.h"

/* 24 sums + 3 vectors of b + 1 of a: 11 loads for 24 multiplies, for rows in eights. */
#define INNER_NAME hone_matmul_inner_u8s8_avx512_8x48
#define INNER_LOOP loop_8x48
#define INNER_M    8
#define INNER_N    48
#include "kernels/matmul/inner.inl"

#define INNER_KIT hone_matmul_inner_kit_u8s8_avx512
#include "kernels/matmul/inner_pack.inl"
