/* Further tiles of cpu.inner for AVX-512 with VNNI; their kit stands in inner_avx512_u8s8.c. */
#define INNER_WORD    0
#define INNER_ELEMENT int8_t
#include "kernels/matmul/inner_avx512.h"

/* 24 + 4 + 1: 10 loads; lines of whole cache lines of bytes. */
#define INNER_NAME hone_matmul_inner_u8s8_avx512_6x64
#define INNER_LOOP loop_6x64
#define INNER_M    6
#define INNER_N    64
#include "kernels/matmul/inner.inl"

/* 24 + 2 + 1: 14 loads, for rows in twelves and few columns. */
#define INNER_NAME hone_matmul_inner_u8s8_avx512_12x32
#define INNER_LOOP loop_12x32
#define INNER_M    12
#define INNER_N    32
#include "kernels/matmul/inner.inl"
