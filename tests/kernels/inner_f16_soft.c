/* The tiles of cpu.inner that sum in f16, with a step in software that rounds as the instruction does: the program that
 * links this has no others, so that their text is tried on machines without FP16. */
#include "base/half.h"
#include "kernels/common/simd_avx512.h"

static __m512i step(__m512i sum, __m512i a, __m512i b)
{
    uint16_t s[32], x[32], y[32];
    _mm512_storeu_si512(s, sum);
    _mm512_storeu_si512(x, a);
    _mm512_storeu_si512(y, b);
    for (int i = 0; i < 32; i++)
        s[i] = hone_f16_from_f64((double)hone_f16_to_f32(x[i]) * hone_f16_to_f32(y[i]) + hone_f16_to_f32(s[i]));
    return _mm512_loadu_si512(s);
}

#define INNER_F16_STEP(sum, a, b) step(sum, a, b)
#include "kernels/matmul/inner_avx512_f16.c"
