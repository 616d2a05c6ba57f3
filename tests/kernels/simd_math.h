#ifndef HONE_TESTS_KERNELS_SIMD_MATH_H
#define HONE_TESTS_KERNELS_SIMD_MATH_H

#include <stdint.h>

typedef struct simd_math_errors {
    double f32[3], f64[3]; /* of exp, tanh, erf: units in the last place */
    double exp2; /* of 2^x, x <= 0, in f32 */
} simd_math_errors;

/* Over every step-th float, and random doubles. */
void simd_math_portable(uint32_t step, simd_math_errors *out);
void simd_math_avx2(uint32_t step, simd_math_errors *out);
void simd_math_avx512(uint32_t step, simd_math_errors *out);

#endif
