/* exp, tanh and erf of whole vectors, over the vocabulary of simd_<isa>.h, of which one is included before this.
 *
 * Errors are at most these, in units in the last place, with fused multiply-add (without); looked for over every fifth
 * float, and 10^8 random doubles, by tests/kernels/test_simd_math.c:
 *
 *          exp         tanh        erf
 *   f32    1.1 (1.1)   1.5 (1.5)   1.2 (1.6)
 *   f64    1.1 (1.1)   1.5 (1.5)   1.3 (1.6)
 *
 * NaN stays NaN; overflow gives Inf and underflow subnormals and 0, as arithmetic says. The polynomials are minimax
 * fits of the functions named beside them. */
#ifndef HONE_KERNELS_COMMON_SIMD_MATH_H
#define HONE_KERNELS_COMMON_SIMD_MATH_H

#define VEC_COUNT(c) ((int)(sizeof(c) / sizeof((c)[0])))

/* (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2; (tanh(x) / x - 1) / x^2 by x^2, on |x| <= 0.55;
 * erf(x) / x - 1 by x^2, on |x| <= 1; -ln(1 - erf(x)) on 1 <= x <= 4, where 1 - erf(x) is past the last place. */
static const float vec_exp_c_f32[] = {
    0.5f, 0x1.55548ep-3f, 0x1.55545ep-5f, 0x1.123b56p-7f, 0x1.6db4dp-10f};
static const float vec_tanh_c_f32[] = {
    -0x1.55554cp-2f, 0x1.110d4cp-3f, -0x1.b92e06p-5f, 0x1.596736p-6f, -0x1.9c0fa6p-8f};
static const float vec_erf_c_f32[] = {
    0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d2p-4f, -0x1.b7fbb4p-6f, 0x1.5419f2p-8f, -0x1.a485dp-11f,
    0x1.4ae484p-14f};
static const float vec_erf_tail_c_f32[] = {
    -0x1.8a5384p-13f, 0x1.212c0cp+0f, 0x1.44356ap-1f, 0x1.bc1502p-4f, -0x1.9d02d4p-6f, 0x1.138c74p-8f,
    -0x1.cec51ap-12f, 0x1.6bd6aap-16f};

static inline __attribute__((always_inline)) vec_f32 vec_polynomial_f32(vec_f32 x, const float *c, const int count)
{
    vec_f32 y = vec_broadcast_f32(c[count - 1]);
    HONE_UNROLL
    for (int i = count - 2; i >= 0; i--) y = vec_fma_f32(y, x, vec_broadcast_f32(c[i]));
    return y;
}

/* e^x = 2^n e^r with n whole and |r| <= ln 2 / 2. The high part of ln 2 has room for n: n * high is exact. */
static inline vec_f32 vec_exp_f32(vec_f32 x)
{
    const vec_f32 low = vec_broadcast_f32(-104.0f), high = vec_broadcast_f32(89.0f);
    x = vec_if_less_f32(high, x, high, x);
    x = vec_if_less_f32(x, low, low, x);
    vec_f32 n = vec_round_f32(x * vec_broadcast_f32(0x1.715476p+0f));
    vec_f32 r = vec_fma_f32(n, vec_broadcast_f32(-0x1.62e4p-1f), x);
    r = vec_fma_f32(n, vec_broadcast_f32(-0x1.7f7d1cp-20f), r);
    vec_f32 y = vec_polynomial_f32(r, vec_exp_c_f32, VEC_COUNT(vec_exp_c_f32));
    y = vec_fma_f32(y * r, r, r) + vec_broadcast_f32(1.0f);
    return vec_scale2_f32(y, n);
}

/* Small: by the polynomial, so that small arguments keep all places. Else 1 - 2 / (e^2x + 1), with the sign of x. */
static inline vec_f32 vec_tanh_f32(vec_f32 x)
{
    const vec_f32 one = vec_broadcast_f32(1.0f), two = one + one;
    vec_f32 size = vec_with_sign_f32(x, one), square = x * x;
    vec_f32 small = vec_polynomial_f32(square, vec_tanh_c_f32, VEC_COUNT(vec_tanh_c_f32));
    vec_f32 large = one - two / (vec_exp_f32(size + size) + one);
    small = vec_fma_f32(small * square, x, x);
    return vec_if_less_f32(size, vec_broadcast_f32(0.55f), small, vec_with_sign_f32(large, x));
}

/* Small: by the polynomial. Else 1 - e^-q(x), with the sign of x. */
static inline vec_f32 vec_erf_f32(vec_f32 x)
{
    const vec_f32 one = vec_broadcast_f32(1.0f), end = vec_broadcast_f32(4.0f);
    vec_f32 size = vec_with_sign_f32(x, one), square = x * x;
    vec_f32 small = vec_polynomial_f32(square, vec_erf_c_f32, VEC_COUNT(vec_erf_c_f32));
    vec_f32 capped = vec_if_less_f32(end, size, end, size);
    vec_f32 tail = vec_polynomial_f32(capped, vec_erf_tail_c_f32, VEC_COUNT(vec_erf_tail_c_f32));
    vec_f32 large = one - vec_exp_f32(-tail);
    return vec_if_less_f32(size, one, vec_fma_f32(small, x, x), vec_with_sign_f32(large, x));
}

/* (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2; (tanh(x) / x - 1) / x^2 by x^2, on |x| <= 0.55;
 * erf(x) / x - 1 by x^2, on |x| <= 1; -ln(1 - erf(x)) on 1 <= x <= 6, where 1 - erf(x) is past the last place. */
static const double vec_exp_c_f64[] = {
    0.5, 0x1.555555555555bp-3, 0x1.555555555555ap-5, 0x1.111111110ec07p-7, 0x1.6c16c16c14127p-10,
    0x1.a01a01b3a1578p-13, 0x1.a01a01b20a86cp-16, 0x1.71ddefc8c1c89p-19, 0x1.27e4c2a95099fp-22,
    0x1.af6c7ee718cd9p-26, 0x1.1f99deb61d3ep-29};
static const double vec_tanh_c_f64[] = {
    -0x1.5555555555555p-2, 0x1.11111111110bfp-3, -0x1.ba1ba1ba1508ap-5, 0x1.664f4880a7ab7p-6, -0x1.226e34fad382bp-7,
    0x1.d6d3b96e08b89p-9, -0x1.7da18cdad881cp-10, 0x1.353ecce2c8c64p-11, -0x1.f39c52ff64b27p-13,
    0x1.8a4bb2b4f25b2p-14, -0x1.14f3c53c94401p-15, 0x1.f5a946957a3bp-18};
static const double vec_erf_c_f64[] = {
    0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bdep-4, -0x1.b82ce312889c2p-6, 0x1.565bcd0e65193p-8,
    -0x1.c02db3fef017bp-11, 0x1.f9a326c2d8d12p-14, -0x1.f4d2562a0c85fp-17, 0x1.b9e6518d904c8p-20,
    -0x1.5f6d9cb9a03dep-23, 0x1.fc43eff55d14dp-27, -0x1.4e63595aadf71p-30, 0x1.7f171534db1dep-34,
    -0x1.29e131c3c9a4cp-38};
static const double vec_erf_tail_c_f64[] = {
    0x1.8bf81276321fep-23, 0x1.20dd556554fe4p+0, 0x1.45f4328dafd4dp-1, 0x1.a4d9a9b9e9684p-4, -0x1.388e8b9ff14f5p-6,
    -0x1.27f0a3b24a2a8p-12, 0x1.d03ceb6ab645cp-10, -0x1.5107e13776af9p-11, 0x1.81838c58daf4p-15,
    0x1.248d8bcecc4efp-14, -0x1.778e60a62cab4p-15, 0x1.13818fdeaac8fp-16, -0x1.20afd5f9d5aa2p-18,
    0x1.c5c20cf67e943p-21, -0x1.0c122870e6281p-23, 0x1.d09ded07d8a4bp-27, -0x1.178f95211c238p-30,
    0x1.a1f551bb0ca4bp-35, -0x1.2475dc458aebp-40};

static inline __attribute__((always_inline)) vec_f64 vec_polynomial_f64(vec_f64 x, const double *c, const int count)
{
    vec_f64 y = vec_broadcast_f64(c[count - 1]);
    HONE_UNROLL
    for (int i = count - 2; i >= 0; i--) y = vec_fma_f64(y, x, vec_broadcast_f64(c[i]));
    return y;
}

/* e^x = 2^n e^r with n whole and |r| <= ln 2 / 2. The high part of ln 2 has room for n: n * high is exact. */
static inline vec_f64 vec_exp_f64(vec_f64 x)
{
    const vec_f64 low = vec_broadcast_f64(-746.0), high = vec_broadcast_f64(710.0);
    x = vec_if_less_f64(high, x, high, x);
    x = vec_if_less_f64(x, low, low, x);
    vec_f64 n = vec_round_f64(x * vec_broadcast_f64(0x1.71547652b82fep+0));
    vec_f64 r = vec_fma_f64(n, vec_broadcast_f64(-0x1.62e42fefa38p-1), x);
    r = vec_fma_f64(n, vec_broadcast_f64(-0x1.ef35793c7673p-45), r);
    vec_f64 y = vec_polynomial_f64(r, vec_exp_c_f64, VEC_COUNT(vec_exp_c_f64));
    y = vec_fma_f64(y * r, r, r) + vec_broadcast_f64(1.0);
    return vec_scale2_f64(y, n);
}

/* Small: by the polynomial, so that small arguments keep all places. Else 1 - 2 / (e^2x + 1), with the sign of x. */
static inline vec_f64 vec_tanh_f64(vec_f64 x)
{
    const vec_f64 one = vec_broadcast_f64(1.0), two = one + one;
    vec_f64 size = vec_with_sign_f64(x, one), square = x * x;
    vec_f64 small = vec_polynomial_f64(square, vec_tanh_c_f64, VEC_COUNT(vec_tanh_c_f64));
    vec_f64 large = one - two / (vec_exp_f64(size + size) + one);
    small = vec_fma_f64(small * square, x, x);
    return vec_if_less_f64(size, vec_broadcast_f64(0.55), small, vec_with_sign_f64(large, x));
}

/* Small: by the polynomial. Else 1 - e^-q(x), with the sign of x. */
static inline vec_f64 vec_erf_f64(vec_f64 x)
{
    const vec_f64 one = vec_broadcast_f64(1.0), end = vec_broadcast_f64(6.0);
    vec_f64 size = vec_with_sign_f64(x, one), square = x * x;
    vec_f64 small = vec_polynomial_f64(square, vec_erf_c_f64, VEC_COUNT(vec_erf_c_f64));
    vec_f64 capped = vec_if_less_f64(end, size, end, size);
    vec_f64 tail = vec_polynomial_f64(capped, vec_erf_tail_c_f64, VEC_COUNT(vec_erf_tail_c_f64));
    vec_f64 large = one - vec_exp_f64(-tail);
    return vec_if_less_f64(size, one, vec_fma_f64(small, x, x), vec_with_sign_f64(large, x));
}

#define vec_exp(x)  _Generic((x), vec_f32: vec_exp_f32, vec_f64: vec_exp_f64)(x)
#define vec_tanh(x) _Generic((x), vec_f32: vec_tanh_f32, vec_f64: vec_tanh_f64)(x)
#define vec_erf(x)  _Generic((x), vec_f32: vec_erf_f32, vec_f64: vec_erf_f64)(x)

#endif
