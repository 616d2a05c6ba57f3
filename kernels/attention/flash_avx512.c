/* The inner loops of cpu.flash for AVX-512: 28 sums, two vectors of the panel, one number spread: 31 of 32 registers.
 */
#include "kernels/common/simd_avx512.h"

#define FLASH_KIT  hone_attention_flash_avx512
#define FLASH_NAME "avx512"
#define FLASH_ISA  HONE_ISA_AVX512
#define FLASH_ROWS 14
#define FLASH_COST 9
#include "kernels/attention/flash.inl"
