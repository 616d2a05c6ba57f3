#include "kernels/common/simd_portable.h"

#define CHECK_NAME simd_math_portable
#include "tests/kernels/simd_math.inl"
