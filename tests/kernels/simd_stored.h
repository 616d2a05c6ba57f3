#ifndef HONE_TESTS_KERNELS_SIMD_STORED_H
#define HONE_TESTS_KERNELS_SIMD_STORED_H

#include <stdint.h>

/* What the words of one instruction set do to numbers of 16 bits. */
typedef struct simd_stored {
    int lanes;
    void (*widen[2])(const uint16_t *from, float *to, int64_t first);  /* bf16, f16: the first lanes of a vector; */
    void (*narrow[2])(const float *from, uint16_t *to, int64_t first); /* at `lanes` by the words for whole ones */
    float (*one[2])(const uint16_t *from);
    void (*put_one[2])(uint16_t *to, float x);
} simd_stored;

extern const simd_stored simd_stored_portable, simd_stored_avx2, simd_stored_avx512;

#endif
