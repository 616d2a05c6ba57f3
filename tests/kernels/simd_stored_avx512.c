#include "kernels/common/simd_avx512.h"

#define CHECK_NAME simd_stored_avx512
#include "tests/kernels/simd_stored.inl"
