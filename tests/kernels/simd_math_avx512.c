#include "kernels/common/simd_avx512.h"

#define CHECK_NAME simd_math_avx512
#include "tests/kernels/simd_math.inl"
