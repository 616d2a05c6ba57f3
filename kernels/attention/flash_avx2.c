/* The inner loops of cpu.flash for AVX2: 12 sums, two vectors of the panel, one number spread: 15 of 16 registers. */
#include "kernels/common/simd_avx2.h"

#define FLASH_KIT  hone_attention_flash_avx2
#define FLASH_NAME "avx2"
#define FLASH_ISA  HONE_ISA_AVX2
#define FLASH_ROWS 6
#define FLASH_COST 12
#include "kernels/attention/flash.inl"
