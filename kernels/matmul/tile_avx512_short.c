/* The tiles of bf16 and f16 for AVX-512: floats once loaded, so their shapes are those of f32 (tile_avx512_f32.c). What
 * is widened takes the place of a vector of b. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/tile.h"

#define TILE_NAME   hone_matmul_tile_bf16_avx512_8x48
#define TILE_LOOP   loop_bf16_8x48
#define TILE_KEEP   keep_bf16_8x48
#define TILE_REAL   float
#define TILE_STORED stored_bf16
#define TILE_M      8
#define TILE_N      48
#include "kernels/matmul/tile.inl"

#define TILE_NAME   hone_matmul_tile_bf16_avx512_14x32
#define TILE_LOOP   loop_bf16_14x32
#define TILE_KEEP   keep_bf16_14x32
#define TILE_REAL   float
#define TILE_STORED stored_bf16
#define TILE_M      14
#define TILE_N      32
#include "kernels/matmul/tile.inl"

#define TILE_NAME   hone_matmul_tile_f16_avx512_8x48
#define TILE_LOOP   loop_f16_8x48
#define TILE_KEEP   keep_f16_8x48
#define TILE_REAL   float
#define TILE_STORED stored_f16
#define TILE_M      8
#define TILE_N      48
#include "kernels/matmul/tile.inl"

#define TILE_NAME   hone_matmul_tile_f16_avx512_14x32
#define TILE_LOOP   loop_f16_14x32
#define TILE_KEEP   keep_f16_14x32
#define TILE_REAL   float
#define TILE_STORED stored_f16
#define TILE_M      14
#define TILE_N      32
#include "kernels/matmul/tile.inl"
