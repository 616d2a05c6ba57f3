/* Double-double: a number as the unevaluated sum of two doubles, about 106 bits. For truths, not for speed. Knuth's and
 * Dekker's error-free sums and products; they need round-to-nearest, and no compiler that contracts or reorders. */
#ifndef HONE_KERNELS_COMMON_DD_H
#define HONE_KERNELS_COMMON_DD_H

#include <math.h>

typedef struct hone_dd {
    double high, low; /* |low| <= half an ulp of high */
} hone_dd;

static inline hone_dd hone_dd_of(double x)
{
    return (hone_dd){x, 0};
}

/* Near infinity and beyond the low parts are of no use: they would turn infinities into NaN. */
static inline hone_dd hone_dd_made(double high, double low)
{
    return (hone_dd){high, isfinite(high) && isfinite(low) ? low : 0};
}

static inline hone_dd hone_dd_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return hone_dd_made(s, (a - (s - t)) + (b - t));
}

/* |a| >= |b| */
static inline hone_dd hone_dd_sum_ordered(double a, double b)
{
    double s = a + b;
    return hone_dd_made(s, b - (s - a));
}

static inline hone_dd hone_dd_product(double a, double b)
{
    double p = a * b;
#ifdef __FP_FAST_FMA
    return hone_dd_made(p, __builtin_fma(a, b, -p));
#else
    double scale = 0x1p27 + 1; /* halves of 26 bits: their products are exact */
    double as = scale * a, bs = scale * b;
    double ah = as - (as - a), bh = bs - (bs - b), al = a - ah, bl = b - bh;
    return hone_dd_made(p, ((ah * bh - p) + ah * bl + al * bh) + al * bl);
#endif
}

static inline hone_dd hone_dd_add(hone_dd a, hone_dd b)
{
    hone_dd s = hone_dd_sum(a.high, b.high), t = hone_dd_sum(a.low, b.low);
    if (!isfinite(s.high)) return s;
    s = hone_dd_sum_ordered(s.high, s.low + t.high);
    return hone_dd_sum_ordered(s.high, s.low + t.low);
}

static inline hone_dd hone_dd_mul(hone_dd a, hone_dd b)
{
    hone_dd p = hone_dd_product(a.high, b.high);
    if (!isfinite(p.high)) return p;
    return hone_dd_sum_ordered(p.high, p.low + (a.high * b.low + a.low * b.high));
}

static inline long double hone_dd_long(hone_dd a)
{
    return (long double)a.high + a.low;
}

static inline hone_dd hone_dd_from_long(long double x)
{
    double high = (double)x;
    return hone_dd_made(high, (double)(x - high));
}

#endif
