#include "kernels/common/simd_portable.h"

#define CHECK_NAME simd_stored_portable
#include "tests/kernels/simd_stored.inl"
