/* The tiles of doubles for AVX-512: 32 registers of 8. */
#include "kernels/common/simd_avx512.h"
#include "kernels/common/simd_activation.h"
#include "kernels/common/simd_typed.h"
#include "kernels/matmul/tile.h"

/* Two of the three shapes of f32 (tile_avx512_f32.c): each more is a tenth of all that is compiled. */
#define TILE_NAME   hone_matmul_tile_f64_avx512_14x16
#define TILE_LOOP   loop_f64_14x16
#define TILE_KEEP   keep_f64_14x16
#define TILE_REAL   double
#define TILE_STORED double
#define TILE_M      14
#define TILE_N      16
#include "kernels/matmul/tile.inl"

#define TILE_NAME   hone_matmul_tile_f64_avx512_8x24
#define TILE_LOOP   loop_f64_8x24
#define TILE_KEEP   keep_f64_8x24
#define TILE_REAL   double
#define TILE_STORED double
#define TILE_M      8
#define TILE_N      24
#include "kernels/matmul/tile.inl"

#define PACK_NAME   pack_f64
#define PACK_REAL   double
#define PACK_STORED double
#include "kernels/matmul/pack.inl"
#define FINISH_NAME    finish_f64
#define FINISH_GATHER  gather_f64
#define FINISH_SCATTER scatter_f64
#define FINISH_REAL    double
#include "kernels/matmul/finish.inl"
const hone_matmul_kit hone_matmul_kit_f64_avx512 = {VEC_LANES_F64, pack_f64, finish_f64};
