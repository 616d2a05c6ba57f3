/* bf16, f16 and elements of all types: every half there is, and floats about every boundary between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/element.h"

/* What the bits of a format mean, told in another way than half.h does. */
static double meaning(uint16_t half, int fraction_bits)
{
    int    exponent_bits = 15 - fraction_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int    exponent = half >> fraction_bits & ((1 << exponent_bits) - 1), fraction = half & ((1 << fraction_bits) - 1);
    double size = exponent ? ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits)
                           : ldexp(fraction, 1 - bias - fraction_bits);
    if (exponent == (1 << exponent_bits) - 1) size = fraction ? (double)NAN : (double)INFINITY;
    return half & 0x8000 ? -size : size;
}

static void every_half_is_read_and_written(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint16_t half = (uint16_t)bits;
        float    bf16 = hone_bf16_to_f32(half), f16 = hone_f16_to_f32(half);
        double   b = meaning(half, 7), f = meaning(half, 10);
        if (isnan(b) ? !isnan(bf16) : (double)bf16 != b || !signbit(bf16) != !signbit(b)) fail_msg("bf16 %#x", bits);
        if (isnan(f) ? !isnan(f16) : (double)f16 != f || !signbit(f16) != !signbit(f)) fail_msg("f16 %#x", bits);
        /* back again: the same bits, a NaN made quiet */
        assert_int_equal(hone_bf16_from_f32(bf16), isnan(b) ? half | 0x40 : half);
        assert_int_equal(hone_f16_from_f32(f16), isnan(f) ? half | 0x200 : half);
        assert_int_equal(hone_bf16_from_f64((double)bf16) | 0x40, half | 0x40);
        assert_int_equal(hone_f16_from_f64((double)f16) | 0x200, half | 0x200);
    }
}

/* Between two neighbours: what lies below the middle goes down, above it up, and the middle to the even one. */
static void check_between(uint16_t low, int fraction_bits, uint16_t (*from_f32)(float), uint16_t (*from_f64)(double))
{
    uint16_t high = (uint16_t)(low + 1), even = low & 1 ? high : low;
    double   least = meaning(low, fraction_bits), most = meaning(high, fraction_bits);
    if (isinf(most)) most = 2 * least - meaning((uint16_t)(low - 1), fraction_bits); /* where it would be */
    double middle = least + (most - least) / 2;
    for (int sign = 0; sign < 2; sign++) {
        uint16_t minus = sign ? 0x8000 : 0;
        double   s = sign ? -1 : 1;
        float    below = nextafterf((float)middle, 0), above = nextafterf((float)middle, INFINITY);
        assert_int_equal(from_f32((float)(s * middle)), even | minus);
        assert_int_equal(from_f32((float)s * below), low | minus);
        assert_int_equal(from_f32((float)s * above), high | minus);
        assert_int_equal(from_f64(s * middle), even | minus);
        /* so near that a float in between would be the middle itself */
        assert_int_equal(from_f64(s * nextafter(middle, 0)), low | minus);
        assert_int_equal(from_f64(s * nextafter(middle, 2 * most)), high | minus);
    }
}

static void rounding_is_to_the_nearest_even(void **state)
{
    (void)state;
    for (uint16_t low = 0; low < 0x7c00; low++) check_between(low, 10, hone_f16_from_f32, hone_f16_from_f64);
    for (uint16_t low = 0; low < 0x7f80; low++) check_between(low, 7, hone_bf16_from_f32, hone_bf16_from_f64);
    assert_int_equal(hone_f16_from_f32(65519.996f), 0x7bff);
    assert_int_equal(hone_f16_from_f32(65520), 0x7c00);
    assert_int_equal(hone_f16_from_f64(1e300), 0x7c00);
    assert_int_equal(hone_bf16_from_f64(-1e300), 0xff80);
    assert_int_equal(hone_bf16_from_f64(1e-300), 0);
    assert_int_equal(hone_f16_from_f64(-1e-300), 0x8000);
    assert_true(isnan(hone_bf16_to_f32(hone_bf16_from_f32(hone_f32_of_bits(0x7f800001u)))));
    assert_true(isnan(hone_f16_to_f32(hone_f16_from_f32(hone_f32_of_bits(0xff800001u)))));
}

static void elements_are_rounded_once_and_held(void **state)
{
    static const struct {
        hone_dtype type;
        double     value, held;
    } cases[] = {{HONE_S8, 127.4, 127},     {HONE_S8, 127.5, 127},   {HONE_S8, -128.6, -128}, {HONE_S8, 2.5, 2},
                 {HONE_S8, 3.5, 4},         {HONE_S8, -0.5, 0},      {HONE_U8, -1, 0},        {HONE_U8, 255.5, 255},
                 {HONE_U8, 254.5, 254},     {HONE_S4, 7.5, 7},       {HONE_S4, -9, -8},       {HONE_S4, -2.5, -2},
                 {HONE_U4, 15.5, 15},     {HONE_U4, -1, 0},        {HONE_U4, 8.5, 8},
                 {HONE_S32, 0x1p31, 0x1p31 - 1}, {HONE_S32, -0x1p33, -0x1p31}, {HONE_S32, 1.5, 2},
                 {HONE_S64, 0x1p40 + 1, 0x1p40 + 1}, {HONE_S8, INFINITY, 127}, {HONE_U8, NAN, 0},
                 {HONE_F32, 0.1, (double)0.1f}, {HONE_F64, 0.1, 0.1}, {HONE_BF16, 257, 256}, {HONE_F16, 2049, 2048}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int64_t at = 0; at < 4; at++) {
            unsigned char memory[64], before[64];
            memset(memory, 0x5a, sizeof memory);
            hone_element_store(cases[i].type, memory, at, cases[i].value);
            assert_true(hone_element_load(cases[i].type, memory, at) == cases[i].held);
            assert_true(hone_element_rounded(cases[i].type, cases[i].value) == cases[i].held);
            /* and its neighbours are as they were */
            memset(before, 0x5a, sizeof before);
            for (int64_t other = 0; other < 6; other++)
                if (other != at)
                    assert_true(memcmp(&(double){hone_element_load(cases[i].type, memory, other)},
                                       &(double){hone_element_load(cases[i].type, before, other)}, 8) == 0);
        }
    uint8_t nibbles = 0;
    hone_element_store(HONE_S4, &nibbles, 0, -1); /* the low half first */
    assert_int_equal(nibbles, 0x0f);
    assert_true(hone_dtype_floats(HONE_BF16) && !hone_dtype_floats(HONE_S8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_read_and_written),
        cmocka_unit_test(rounding_is_to_the_nearest_even),
        cmocka_unit_test(elements_are_rounded_once_and_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
