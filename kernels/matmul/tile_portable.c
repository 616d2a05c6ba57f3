/* The tiles for any machine: 16 registers of 4 floats or 2 doubles are enough for them. */
#include "kernels/common/simd_portable.h"
#include "kernels/common/simd_activation.h"
#include "kernels/common/simd_typed.h"
#include "kernels/matmul/tile.h"

/* 8 sums + 2 vectors of b + 1 of a, and one for a product where there is no fused multiply-add. */
#define TILE_NAME   hone_matmul_tile_f32_any_4x8
#define TILE_LOOP   loop_f32_4x8
#define TILE_KEEP   keep_f32_4x8
#define TILE_REAL   float
#define TILE_STORED float
#define TILE_M      4
#define TILE_N      8
#include "kernels/matmul/tile.inl"

/* 8 + 2 + 1 + 1. */
#define TILE_NAME   hone_matmul_tile_f64_any_4x4
#define TILE_LOOP   loop_f64_4x4
#define TILE_KEEP   keep_f64_4x4
#define TILE_REAL   double
#define TILE_STORED double
#define TILE_M      4
#define TILE_N      4
#include "kernels/matmul/tile.inl"

/* bf16 and f16: floats once loaded. */
#define TILE_NAME   hone_matmul_tile_bf16_any_4x8
#define TILE_LOOP   loop_bf16_4x8
#define TILE_KEEP   keep_bf16_4x8
#define TILE_REAL   float
#define TILE_STORED stored_bf16
#define TILE_M      4
#define TILE_N      8
#include "kernels/matmul/tile.inl"

#define TILE_NAME   hone_matmul_tile_f16_any_4x8
#define TILE_LOOP   loop_f16_4x8
#define TILE_KEEP   keep_f16_4x8
#define TILE_REAL   float
#define TILE_STORED stored_f16
#define TILE_M      4
#define TILE_N      8
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
const hone_matmul_kit hone_matmul_kit_f32_any = {VEC_LANES_F32, pack_f32, finish_f32};

#define PACK_NAME   pack_bf16
#define PACK_REAL   float
#define PACK_STORED stored_bf16
#include "kernels/matmul/pack.inl"
const hone_matmul_kit hone_matmul_kit_bf16_any = {VEC_LANES_F32, pack_bf16, finish_f32};

#define PACK_NAME   pack_f16
#define PACK_REAL   float
#define PACK_STORED stored_f16
#include "kernels/matmul/pack.inl"
const hone_matmul_kit hone_matmul_kit_f16_any = {VEC_LANES_F32, pack_f16, finish_f32};

#define PACK_NAME   pack_f64
#define PACK_REAL   double
#define PACK_STORED double
#include "kernels/matmul/pack.inl"
#define FINISH_NAME    finish_f64
#define FINISH_GATHER  gather_f64
#define FINISH_SCATTER scatter_f64
#define FINISH_REAL    double
#include "kernels/matmul/finish.inl"
const hone_matmul_kit hone_matmul_kit_f64_any = {VEC_LANES_F64, pack_f64, finish_f64};
