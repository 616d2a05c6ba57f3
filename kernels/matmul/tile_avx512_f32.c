/* The tiles of floats for AVX-512: 32 registers of 16. */
#include "kernels/common/simd_avx512.h"
#include "kernels/common/simd_activation.h"
#include "kernels/common/simd_typed.h"
#include "kernels/matmul/tile.h"

/* 28 sums + 2 vectors of b + 1 of a = 31 of the 32 registers; 16 loads for 28 multiplies. */
#define TILE_NAME   hone_matmul_tile_f32_avx512_14x32
#define TILE_LOOP   loop_f32_14x32
#define TILE_KEEP   keep_f32_14x32
#define TILE_REAL   float
#define TILE_STORED float
#define TILE_M      14
#define TILE_N      32
#include "kernels/matmul/tile.inl"

/* 24 + 3 + 1: 11 loads for 24 multiplies, for rows in eights. */
#define TILE_NAME   hone_matmul_tile_f32_avx512_8x48
#define TILE_LOOP   loop_f32_8x48
#define TILE_KEEP   keep_f32_8x48
#define TILE_REAL   float
#define TILE_STORED float
#define TILE_M      8
#define TILE_N      48
#include "kernels/matmul/tile.inl"

/* 24 + 4 + 1: 10 loads for 24 multiplies. */
#define TILE_NAME   hone_matmul_tile_f32_avx512_6x64
#define TILE_LOOP   loop_f32_6x64
#define TILE_KEEP   keep_f32_6x64
#define TILE_REAL   float
#define TILE_STORED float
#define TILE_M      6
#define TILE_N      64
#include "kernels/matmul/tile.inl"

#define PACK_NAME   pack_f32
#define PACK_REAL   float
#define PACK_STORED float
#include "kernels/matmul/pack.inl"
#define FINISH_NAME    finish_f32
#define FINISH_GATHER  gather_f32
#define FINISH_SCATTER scatter_f32
#define FINISH_REAL    float
#include "kernels/matmul/finish.inl"
const hone_matmul_kit hone_matmul_kit_f32_avx512 = {VEC_LANES_F32, pack_f32, finish_f32};

#define PACK_NAME   pack_bf16
#define PACK_REAL   float
#define PACK_STORED stored_bf16
#include "kernels/matmul/pack.inl"
const hone_matmul_kit hone_matmul_kit_bf16_avx512 = {VEC_LANES_F32, pack_bf16, finish_f32};

#define PACK_NAME   pack_f16
#define PACK_REAL   float
#define PACK_STORED stored_f16
#include "kernels/matmul/pack.inl"
const hone_matmul_kit hone_matmul_kit_f16_avx512 = {VEC_LANES_F32, pack_f16, finish_f32};
