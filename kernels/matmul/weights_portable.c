/* The micro-kernels of weights for any machine: 16 registers are enough for them. */
#include "kernels/common/simd_portable.h"
#include "kernels/matmul/weights.h"

static inline void pair(const uint8_t *low, const uint8_t *high, uint8_t *to)
{
    for (int i = 0; i < HONE_MATMUL_WEIGHTS_WIDTH / 2; i++) {
        to[2 * i] = (uint8_t)((low[i] & 15) | high[i] << 4);
        to[2 * i + 1] = (uint8_t)(low[i] >> 4 | (high[i] & 0xf0));
    }
}

static inline void weave(const uint8_t *const lines[4], uint32_t *to)
{
    for (int j = 0; j < HONE_MATMUL_WEIGHTS_WIDTH; j++)
        to[j] = lines[0][j] | (uint32_t)lines[1][j] << 8 | (uint32_t)lines[2][j] << 16 | (uint32_t)lines[3][j] << 24;
}

/* 8 sums + 2 vectors of words + 2 of b + 1 of a, and one for a product where there is no fused multiply-add. */
#define WEIGHTS_KIT     hone_matmul_weights_any
#define WEIGHTS_NAME    "any"
#define WEIGHTS_ISA     HONE_ISA_PORTABLE
#define WEIGHTS_ROWS    4
#define WEIGHTS_VECTORS 2
#define WEIGHTS_UNITS(x, mask, code) (((x) & (mask)) ^ (code))
#define WEIGHTS_LOOKUP  0
#define WEIGHTS_PAIR    pair
#define WEIGHTS_WEAVE   weave
#include "kernels/matmul/weights.inl"
