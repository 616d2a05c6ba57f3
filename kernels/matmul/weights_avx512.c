/* The micro-kernels of weights for AVX-512: 32 registers. */
#include "kernels/common/simd_avx512.h"
#include "kernels/matmul/weights.h"

static inline __m512i units(__m512i x, __m512i mask, __m512i code)
{
    return _mm512_ternarylogic_epi32(x, mask, code, 0x6a);
}

static inline void pair(const uint8_t *low, const uint8_t *high, uint8_t *to)
{
    const __m256i x = _mm256_loadu_si256((const void *)low), y = _mm256_loadu_si256((const void *)high);
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i even = _mm256_ternarylogic_epi32(half, x, _mm256_slli_epi16(y, 4), 0xca);
    const __m256i odd = _mm256_ternarylogic_epi32(half, _mm256_srli_epi16(x, 4), y, 0xca);
    const __m256i a = _mm256_unpacklo_epi8(even, odd), b = _mm256_unpackhi_epi8(even, odd);
    _mm256_storeu_si256((void *)to, _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256((void *)(to + 32), _mm256_permute2x128_si256(a, b, 0x31));
}

/* Four lines of 64 become four vectors: in each 128 bits of a line those words are brought together that belong there
 * after two rounds of unpacking, so that columns come out in order. */
static inline void weave(const uint8_t *const lines[4], uint32_t *to)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i       x[4];
    for (int i = 0; i < 4; i++) x[i] = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(lines[i]));
    const __m512i low = _mm512_unpacklo_epi8(x[0], x[1]), high = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i low2 = _mm512_unpacklo_epi8(x[2], x[3]), high2 = _mm512_unpackhi_epi8(x[2], x[3]);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi16(low, low2));
    _mm512_storeu_si512(to + 16, _mm512_unpackhi_epi16(low, low2));
    _mm512_storeu_si512(to + 32, _mm512_unpacklo_epi16(high, high2));
    _mm512_storeu_si512(to + 48, _mm512_unpackhi_epi16(high, high2));
}

/* 24 sums + 4 vectors of words + 1 of b, and what numbers are made by. */
#define WEIGHTS_KIT     hone_matmul_weights_avx512
#define WEIGHTS_NAME    "avx512"
#define WEIGHTS_ISA     HONE_ISA_AVX512
#define WEIGHTS_ROWS    6
#define WEIGHTS_VECTORS 4
#define WEIGHTS_UNITS(x, mask, code) units((__m512i)(x), (__m512i)(mask), (__m512i)(code))
#define WEIGHTS_LOOKUP  1
#define WEIGHTS_FOUND(x, table) _mm512_permutexvar_ps((__m512i)(x), table)
#define WEIGHTS_PAIR    pair
#define WEIGHTS_WEAVE   weave
#include "kernels/matmul/weights.inl"
