/* Numbers stored in 16 bits that are floats in registers: types of their own, so that the words of simd_words.h
 * know what a pointer points at. What a number means is told in base/half.h. */
#ifndef HONE_KERNELS_COMMON_STORED_H
#define HONE_KERNELS_COMMON_STORED_H

#include <stdint.h>

typedef struct stored_bf16 { uint16_t bits; } stored_bf16;
typedef struct stored_f16 { uint16_t bits; } stored_f16;

#endif
