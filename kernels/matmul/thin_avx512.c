/* The micro-kernels of thin problems for AVX-512: 32 registers. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/thin.h"

/* 16 vectors of b + 2 sums + 1 of a, and room for the next row's. */
#define ACROSS_NAME    across_f32
#define ACROSS_PACK    pack_f32
#define ACROSS_SCALE   scale_f32
#define ACROSS_ADD     add_f32
#define ACROSS_LOOP    across_loop_f32
#define ACROSS_REAL    float
#define ACROSS_STORED  float
#define ACROSS_DEPTH   8
#define ACROSS_VECTORS 2
#include "kernels/matmul/across.inl"

/* 24 or 25 sums + a vector of each row + 1 of b. */
#define DOTS_NAME      dots_f32
#define DOTS_ADD_LANES add_lanes_f32
#define DOTS_LOOP      dots_loop_f32
#define DOTS_REAL      float
#define DOTS_STORED    float
#define DOTS_C1        8
#define DOTS_C2        8
#define DOTS_C3        8
#define DOTS_C4        6
#define DOTS_C5        5
#include "kernels/matmul/dots.inl"

const hone_matmul_thin_kit hone_matmul_thin_f32_avx512 = {"f32_avx512",
                                                          HONE_ISA_AVX512,
                                                          HONE_F32,
                                                          8,
                                                          2 * VEC_LANES_F32,
                                                          across_f32,
                                                          pack_f32,
                                                          dots_f32,
                                                          add_lanes_f32,
                                                          scale_f32,
                                                          add_f32,
                                                          5,
                                                          {0, 8, 8, 8, 6, 5},
                                                          &hone_matmul_kit_f32_avx512};

/* bf16 and f16 are floats once loaded. */
#define ACROSS_NAME    across_bf16
#define ACROSS_PACK    pack_bf16
#define ACROSS_LOOP    across_loop_bf16
#define ACROSS_REAL    float
#define ACROSS_STORED  stored_bf16
#define ACROSS_DEPTH   8
#define ACROSS_VECTORS 2
#include "kernels/matmul/across.inl"

#define DOTS_NAME      dots_bf16
#define DOTS_LOOP      dots_loop_bf16
#define DOTS_REAL      float
#define DOTS_STORED    stored_bf16
#define DOTS_C1        8
#define DOTS_C2        8
#define DOTS_C3        8
#define DOTS_C4        6
#define DOTS_C5        5
#include "kernels/matmul/dots.inl"

const hone_matmul_thin_kit hone_matmul_thin_bf16_avx512 = {"bf16_avx512",
                                                          HONE_ISA_AVX512,
                                                          HONE_BF16,
                                                          8,
                                                          2 * VEC_LANES_F32,
                                                          across_bf16,
                                                          pack_bf16,
                                                          dots_bf16,
                                                          add_lanes_f32,
                                                          scale_f32,
                                                          add_f32,
                                                          5,
                                                          {0, 8, 8, 8, 6, 5},
                                                          &hone_matmul_kit_bf16_avx512};

#define ACROSS_NAME    across_f16
#define ACROSS_PACK    pack_f16
#define ACROSS_LOOP    across_loop_f16
#define ACROSS_REAL    float
#define ACROSS_STORED  stored_f16
#define ACROSS_DEPTH   8
#define ACROSS_VECTORS 2
#include "kernels/matmul/across.inl"

#define DOTS_NAME      dots_f16
#define DOTS_LOOP      dots_loop_f16
#define DOTS_REAL      float
#define DOTS_STORED    stored_f16
#define DOTS_C1        8
#define DOTS_C2        8
#define DOTS_C3        8
#define DOTS_C4        6
#define DOTS_C5        5
#include "kernels/matmul/dots.inl"

const hone_matmul_thin_kit hone_matmul_thin_f16_avx512 = {"f16_avx512",
                                                          HONE_ISA_AVX512,
                                                          HONE_F16,
                                                          8,
                                                          2 * VEC_LANES_F32,
                                                          across_f16,
                                                          pack_f16,
                                                          dots_f16,
                                                          add_lanes_f32,
                                                          scale_f32,
                                                          add_f32,
                                                          5,
                                                          {0, 8, 8, 8, 6, 5},
                                                          &hone_matmul_kit_f16_avx512};

#define ACROSS_NAME    across_f64
#define ACROSS_PACK    pack_f64
#define ACROSS_SCALE   scale_f64
#define ACROSS_ADD     add_f64
#define ACROSS_LOOP    across_loop_f64
#define ACROSS_REAL    double
#define ACROSS_STORED  double
#define ACROSS_DEPTH   8
#define ACROSS_VECTORS 2
#include "kernels/matmul/across.inl"

#define DOTS_NAME      dots_f64
#define DOTS_ADD_LANES add_lanes_f64
#define DOTS_LOOP      dots_loop_f64
#define DOTS_REAL      double
#define DOTS_STORED    double
#define DOTS_C1        8
#define DOTS_C2        8
#define DOTS_C3        8
#define DOTS_C4        6
#define DOTS_C5        5
#include "kernels/matmul/dots.inl"

const hone_matmul_thin_kit hone_matmul_thin_f64_avx512 = {"f64_avx512",
                                                          HONE_ISA_AVX512,
                                                          HONE_F64,
                                                          8,
                                                          2 * VEC_LANES_F64,
                                                          across_f64,
                                                          pack_f64,
                                                          dots_f64,
                                                          add_lanes_f64,
                                                          scale_f64,
                                                          add_f64,
                                                          5,
                                                          {0, 8, 8, 8, 6, 5},
                                                          &hone_matmul_kit_f64_avx512};
