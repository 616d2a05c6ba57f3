/* cpu.inner where sums in f16 are allowed, by the tiles of inner_f16_soft.c: on random problems, every element within
 * the published bound, between guards, the same bits for any number of threads. The device says that it has FP16,
 * whatever this one has; the rest of the text is AVX-512, and is skipped where that is not. */
#include "backends/backend.h"
#include "kernels/matmul/parts.h"

#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"

/* A random problem with a and b of f16 that may be summed in it; where its packed b does not go with that, as it is. */
static void turn(hone_matmul_problem *problem, uint64_t seed)
{
    hone_matmul_problem p = *problem;
    p.type_a = p.type_b = HONE_F16;
    p.type_c = seed % 3 ? HONE_F16 : HONE_F32;
    p.accuracy = HONE_ACCURACY_F16_ACCUMULATE;
    p.zeros = 0;
    for (int i = 0; i < p.step_count; i++) p.step[i].type = 0;
    if (hone_matmul_check(&p) == HONE_OK) *problem = p;
}

#define KERNELS_SOFT     HONE_CPU_FP16
#define KERNELS_TURN     turn
#define KERNELS_REQUIRED HONE_ISA_AVX512
#include "tests/kernels/test_matmul_kernels.c"
