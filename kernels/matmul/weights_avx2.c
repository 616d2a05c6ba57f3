/* The micro-kernels of weights for AVX2: 16 registers. */
#include "kernels/common/simd_avx2.h"
#include "kernels/matmul/weights.h"

static inline void pair(const uint8_t *low, const uint8_t *high, uint8_t *to)
{
    const __m256i x = _mm256_loadu_si256((const void *)low), y = _mm256_loadu_si256((const void *)high);
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i even = _mm256_or_si256(_mm256_and_si256(x, half), _mm256_andnot_si256(half, _mm256_slli_epi16(y, 4)));
    const __m256i odd = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(x, 4), half), _mm256_andnot_si256(half, y));
    const __m256i a = _mm256_unpacklo_epi8(even, odd), b = _mm256_unpackhi_epi8(even, odd);
    _mm256_storeu_si256((void *)to, _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256((void *)(to + 32), _mm256_permute2x128_si256(a, b, 0x31));
}

static inline void weave(const uint8_t *const lines[4], uint32_t *to)
{
    for (int j = 0; j < HONE_MATMUL_WEIGHTS_WIDTH; j += 16, to += 16) {
        const __m128i x0 = _mm_loadu_si128((const void *)(lines[0] + j));
        const __m128i x1 = _mm_loadu_si128((const void *)(lines[1] + j));
        const __m128i x2 = _mm_loadu_si128((const void *)(lines[2] + j));
        const __m128i x3 = _mm_loadu_si128((const void *)(lines[3] + j));
        const __m128i low = _mm_unpacklo_epi8(x0, x1), high = _mm_unpackhi_epi8(x0, x1);
        const __m128i low2 = _mm_unpacklo_epi8(x2, x3), high2 = _mm_unpackhi_epi8(x2, x3);
        _mm_storeu_si128((void *)to, _mm_unpacklo_epi16(low, low2));
        _mm_storeu_si128((void *)(to + 4), _mm_unpackhi_epi16(low, low2));
        _mm_storeu_si128((void *)(to + 8), _mm_unpacklo_epi16(high, high2));
        _mm_storeu_si128((void *)(to + 12), _mm_unpackhi_epi16(high, high2));
    }
}

/* 8 sums + 2 vectors of words + 2 of b + 1 of a. */
#define WEIGHTS_KIT     hone_matmul_weights_avx2
#define WEIGHTS_NAME    "avx2"
#define WEIGHTS_ISA     HONE_ISA_AVX2
#define WEIGHTS_ROWS    4
#define WEIGHTS_VECTORS 2
#define WEIGHTS_UNITS(x, mask, code) (((x) & (mask)) ^ (code))
#define WEIGHTS_LOOKUP  0
#define WEIGHTS_PAIR    pair
#define WEIGHTS_WEAVE   weave
#include "kernels/matmul/weights.inl"
