/* The largest errors of vec_exp, vec_tanh, vec_erf and vec_exp2 on one instruction set, in units in the last place.
 * Set before including it: CHECK_NAME, and the simd_<isa>.h is included. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "kernels/common/simd_exp2.h"
#include "kernels/common/simd_math.h"
#include "tests/kernels/simd_math.h"

/* How far `got` is from `truth`, where the type has `places` binary places and its least normal exponent is `least`. */
static double places_off(long double truth, double got, int places, int least)
{
    int exponent;
    if (isnan(truth)) return isnan(got) ? 0 : INFINITY;
    frexpl(truth, &exponent);
    if (exponent < least) exponent = least;
    if (isinf(got)) /* right where the truth rounds to more than the greatest number */
        return fabsl(truth) >= ldexpl(1 - ldexpl(1, -places - 1), least == -125 ? 128 : 1024) ? 0 : INFINITY;
    return (double)(fabsl(got - truth) / ldexpl(1, exponent - places));
}

static void keep_worst(double *worst, double off)
{
    if (!(off <= *worst)) *worst = off;
}

void CHECK_NAME(uint32_t step, simd_math_errors *out)
{
    *out = (simd_math_errors){{0}, {0}, 0};
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += (uint64_t)step * VEC_LANES_F32) {
        float x[VEC_LANES_F32], y[4][VEC_LANES_F32];
        for (int i = 0; i < VEC_LANES_F32; i++) memcpy(&x[i], &(uint32_t){(uint32_t)(bits + (uint64_t)i * step)}, 4);
        vec_store(y[0], vec_exp(vec_load(x)));
        vec_store(y[1], vec_tanh(vec_load(x)));
        vec_store(y[2], vec_erf(vec_load(x)));
        vec_store(y[3], vec_exp2_f32(vec_load(x)));
        for (int i = 0; i < VEC_LANES_F32; i++) {
            if (!(x[i] > 0)) keep_worst(&out->exp2, places_off(exp2(x[i]), y[3][i], 24, -125));
            keep_worst(&out->f32[0], places_off(exp(x[i]), y[0][i], 24, -125));
            keep_worst(&out->f32[1], places_off(tanh(x[i]), y[1][i], 24, -125));
            keep_worst(&out->f32[2], places_off(erf(x[i]), y[2][i], 24, -125));
        }
    }
    hone_random r = hone_random_seeded(7);
    for (int64_t turn = 0; turn < INT64_C(400000000) / step / VEC_LANES_F64; turn++) {
        double x[VEC_LANES_F64], y[3][VEC_LANES_F64];
        for (int i = 0; i < VEC_LANES_F64; i++) {
            const double u = hone_random_signed(hone_random_next(&r));
            x[i] = turn % 4 == 0   ? u * 760
                   : turn % 4 == 1 ? u * 7
                   : turn % 4 == 2 ? u
                                   : ldexp(u, -(int)hone_random_below(&r, 1070));
        }
        vec_store(y[0], vec_exp(vec_load(x)));
        vec_store(y[1], vec_tanh(vec_load(x)));
        vec_store(y[2], vec_erf(vec_load(x)));
        for (int i = 0; i < VEC_LANES_F64; i++) {
            keep_worst(&out->f64[0], places_off(expl(x[i]), y[0][i], 53, -1021));
            keep_worst(&out->f64[1], places_off(tanhl(x[i]), y[1][i], 53, -1021));
            keep_worst(&out->f64[2], places_off(erfl(x[i]), y[2][i], 53, -1021));
        }
    }
}
