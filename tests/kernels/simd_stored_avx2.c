#include "kernels/common/simd_avx2.h"

#define CHECK_NAME simd_stored_avx2
#include "tests/kernels/simd_stored.inl"
