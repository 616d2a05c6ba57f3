/* The inner loops of cpu.flash for any machine: as few registers as the smallest have. */
#include "kernels/common/simd_portable.h"

#define FLASH_KIT  hone_attention_flash_portable
#define FLASH_NAME "portable"
#define FLASH_ISA  HONE_ISA_PORTABLE
#define FLASH_ROWS 6
#define FLASH_COST 16
#include "kernels/attention/flash.inl"
