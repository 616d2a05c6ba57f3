/* The vector functions, against the C library in a wider type: no more than 2 units in the last place, for every
 * float where the step is 1 (the first argument; else every 4999th), on each instruction set that this machine has; and
 * 2^x no more than 1, without fused multiply-add 1.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>

#include "backends/cpu/cpu.h"
#include "tests/kernels/simd_math.h"

static uint32_t step = 4999;

static void check(const char *isa, void (*measure)(uint32_t, simd_math_errors *), double exp2_most)
{
    simd_math_errors e;
    measure(step, &e);
    printf("%-8s f32 exp %.3f tanh %.3f erf %.3f   f64 exp %.3f tanh %.3f erf %.3f   f32 exp2 %.3f\n", isa, e.f32[0],
           e.f32[1], e.f32[2], e.f64[0], e.f64[1], e.f64[2], e.exp2);
    assert_true(e.exp2 <= exp2_most);
    for (int i = 0; i < 3; i++) {
        assert_true(e.f32[i] <= 2);
        assert_true(e.f64[i] <= 2);
    }
}

static void portable(void **state)
{
    (void)state;
    check("portable", simd_math_portable, 1.1);
}

#ifdef __x86_64__
static void avx2(void **state)
{
    (void)state;
    if (hone_cpu_isa() < HONE_ISA_AVX2) skip();
    check("avx2", simd_math_avx2, 1);
}

static void avx512(void **state)
{
    (void)state;
    if (hone_cpu_isa() < HONE_ISA_AVX512) skip();
    check("avx512", simd_math_avx512, 1);
}
#endif

int main(int count, char **arguments)
{
    if (count > 1) step = (uint32_t)strtoul(arguments[1], NULL, 10);
    if (!step) return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portable),
#ifdef __x86_64__
        cmocka_unit_test(avx2),
        cmocka_unit_test(avx512),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
