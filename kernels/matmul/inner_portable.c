/* The tiles of cpu.inner for any machine: bytes widened to 16 bits. */
#define INNER_WORD    1
#define INNER_ELEMENT int8_t
#include "kernels/matmul/inner_portable.h"

/* 8 sums + 2 vectors of b + 1 of a + 1 of products. */
#define INNER_NAME hone_matmul_inner_s16_any_4x8
#define INNER_LOOP loop_4x8
#define INNER_M    4
#define INNER_N    8
#include "kernels/matmul/inner.inl"

#define INNER_KIT hone_matmul_inner_kit_s16_any
#include "kernels/matmul/inner_pack.inl"
