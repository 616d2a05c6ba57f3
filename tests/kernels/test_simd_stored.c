/* Numbers of 16 bits, on each instruction set that this machine has, against what their bits mean: all of them widened,
 * and narrowed what lies on them, half-way between two, and next to both; every float where the step is 1 (the first
 * argument; else every 9973rd). First parts of vectors touch nothing else: a page that may not be touched follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/simd_stored.h"

enum { BF16, F16, TYPES, LANES_MAX = 16 };

static uint32_t step = 9973;
static const char *const names[TYPES] = {"bf16", "f16"};
static const int places[TYPES] = {7, 10}, exponents[TYPES] = {8, 5}; /* bits */

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* What 16 bits mean: sign, exponent, places. NaN for what is none. */
static double meaning(int type, uint16_t bits)
{
    const int bias = (1 << (exponents[type] - 1)) - 1, most = (1 << exponents[type]) - 1;
    const int exponent = bits >> places[type] & most, fraction = bits & ((1 << places[type]) - 1);
    double size = ldexp(fraction + (exponent ? 1 << places[type] : 0), (exponent ? exponent : 1) - bias - places[type]);
    if (exponent == most) size = fraction ? (double)NAN : (double)INFINITY;
    return bits & 0x8000 ? -size : size;
}

/* The magnitude that is nearest to x, a positive number: the even one of two. By halving what lies between. */
static uint16_t nearest(int type, double x)
{
    const uint16_t infinity = (uint16_t)(((1 << exponents[type]) - 1) << places[type]);
    uint16_t       low = 0, high = infinity; /* meaning(low) <= x < meaning(high) */
    if (isinf(x)) return infinity;
    while (high - low > 1) {
        const uint16_t between = (uint16_t)((low + high) / 2);
        if (meaning(type, between) <= x)
            low = between;
        else
            high = between;
    }
    /* where the next is infinity, it counts as the number that would stand there */
    const double below = meaning(type, low);
    const double gap = high == infinity ? below - meaning(type, (uint16_t)(low - 1)) : meaning(type, high) - below;
    const double over = x - below;
    if (over * 2 == gap) return low & 1 ? high : low;
    return over * 2 > gap ? high : low;
}

static void check_narrow(const simd_stored *words, const char *isa, int type, const float *x)
{
    uint16_t got[LANES_MAX];
    words->narrow[type](x, got, words->lanes);
    for (int i = 0; i < words->lanes; i++) {
        if (isnan(x[i])) {
            assert_true(isnan(meaning(type, got[i])));
            assert_int_equal(got[i] >> 15, bits_of(x[i]) >> 31);
            continue;
        }
        const uint16_t truth = (uint16_t)(nearest(type, fabs((double)x[i])) | (signbit(x[i]) ? 0x8000 : 0));
        if (got[i] != truth) fail_msg("%s %s: %a becomes %#x, not %#x", isa, names[type], (double)x[i], got[i], truth);
    }
}

static void check(const char *isa, const simd_stored *words)
{
    const int lanes = words->lanes;
    for (int type = 0; type < TYPES; type++) {
        for (uint32_t bits = 0; bits < 1 << 16; bits += (uint32_t)lanes) {
            uint16_t from[LANES_MAX];
            float    to[LANES_MAX], between[3][LANES_MAX];
            for (int i = 0; i < lanes; i++) from[i] = (uint16_t)(bits + (uint32_t)i);
            words->widen[type](from, to, lanes);
            for (int i = 0; i < lanes; i++) {
                const double truth = meaning(type, from[i]);
                double       next = meaning(type, (uint16_t)(from[i] + 1));
                if (isinf(next)) next = 2 * truth - meaning(type, (uint16_t)(from[i] - 1)); /* half-way to overflow */
                if (isnan(truth) ? !isnan(to[i]) : (double)to[i] != truth || !signbit(to[i]) != !signbit(truth))
                    fail_msg("%s %s: %#x becomes %a, not %a", isa, names[type], from[i], (double)to[i], truth);
                between[0][i] = to[i];
                between[1][i] = (float)((truth + next) / 2);
                assert_true(isnan(truth) || isnan(next) || (double)between[1][i] == (truth + next) / 2);
                between[2][i] = nextafterf(between[1][i], INFINITY);
                between[1][i] = nextafterf(between[2][i], -INFINITY);
            }
            for (int i = 0; i < 3; i++) check_narrow(words, isa, type, between[i]);
            for (int i = 0; i < lanes; i++) between[1][i] = nextafterf(between[1][i], -INFINITY);
            check_narrow(words, isa, type, between[1]);
        }
        for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += (uint64_t)step * (uint64_t)lanes) {
            float x[LANES_MAX];
            for (int i = 0; i < lanes; i++) x[i] = float_of((uint32_t)(bits + (uint64_t)i * step));
            check_narrow(words, isa, type, x);
        }

        guarded memory = guarded_make(64);
        for (int first = 0; first <= lanes; first++)
            for (int at_end = 0; at_end < 2; at_end++) {
                uint16_t *p = (uint16_t *)(void *)guarded_at(&memory, (size_t)first * 2, at_end);
                float     x[LANES_MAX], y[LANES_MAX];
                for (int i = 0; i < lanes; i++) x[i] = (float)(i + 1);
                words->narrow[type](x, p, first);
                words->widen[type](p, y, first);
                for (int i = 0; i < lanes; i++) assert_true(y[i] == (i < first ? x[i] : 0));
                for (int i = 0; i < first; i++) assert_true(words->one[type](p + i) == x[i]);
                for (int i = 0; i < first; i++) words->put_one[type](p + i, -x[i]);
                for (int i = 0; i < first; i++) assert_true(words->one[type](p + i) == -x[i]);
                memset(p, 0xff, (size_t)first * 2);
                for (size_t i = 0; i < memory.bytes; i++) assert_true(memory.map[memory.page + i] == (char)0xff);
            }
        guarded_free(&memory);
    }
}

static void portable(void **state)
{
    (void)state;
    check("portable", &simd_stored_portable);
}

#ifdef __x86_64__
static void avx2(void **state)
{
    (void)state;
    if (hone_cpu_isa() < HONE_ISA_AVX2) skip();
    check("avx2", &simd_stored_avx2);
}

static void avx512(void **state)
{
    (void)state;
    if (hone_cpu_isa() < HONE_ISA_AVX512) skip();
    check("avx512", &simd_stored_avx512);
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
