#include "kernels/common/simd_avx2.h"

#define CHECK_NAME simd_math_avx2
#include "tests/kernels/simd_math.inl"
