/* The vector vocabulary in GNU vector extensions, for any machine: 4 floats or 2 doubles a vector (SSE2,
 * NEON and most others have these). See simd_avx512.h. */
#ifndef HONE_KERNELS_COMMON_SIMD_PORTABLE_H
#define HONE_KERNELS_COMMON_SIMD_PORTABLE_H

#include <stdint.h>
#include <string.h>
#ifdef __aarch64__
#include <arm_neon.h>
#endif

#include "kernels/common/stored.h"

typedef float vec_f32 __attribute__((vector_size(16)));
typedef double vec_f64 __attribute__((vector_size(16)));
typedef int32_t vec_i32 __attribute__((vector_size(16)));
typedef uint32_t vec_u32 __attribute__((vector_size(16)));
typedef int64_t vec_i64 __attribute__((vector_size(16)));
typedef struct vec_mask_f32 { int lanes; } vec_mask_f32;
typedef struct vec_mask_f64 { int lanes; } vec_mask_f64;
#define VEC_LANES_F32 4
#define VEC_LANES_F64 2
#define VEC_MASKS_ARE_FREE 0 /* is a masked load as quick as a plain one? */
#define VEC_REGISTERS 16

static inline vec_f32 vec_load_f32(const float *p)
{
    vec_f32 x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline vec_f64 vec_load_f64(const double *p)
{
    vec_f64 x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void vec_store_f32(float *p, vec_f32 x) { memcpy(p, &x, sizeof x); }
static inline void vec_store_f64(double *p, vec_f64 x) { memcpy(p, &x, sizeof x); }
static inline vec_f32 vec_broadcast_f32(float x) { return (vec_f32){x, x, x, x}; }
static inline vec_f64 vec_broadcast_f64(double x) { return (vec_f64){x, x}; }

/* Rounded once where the base of the architecture has a fused instruction, else twice. */
#ifdef __aarch64__
static inline vec_f32 vec_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return vfmaq_f32(c, a, b); }
static inline vec_f64 vec_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return vfmaq_f64(c, a, b); }
#else
static inline vec_f32 vec_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return a * b + c; }
static inline vec_f64 vec_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
#endif

static inline vec_mask_f32 vec_first_f32(int64_t n) { return (vec_mask_f32){n >= 4 ? 4 : n <= 0 ? 0 : (int)n}; }
static inline vec_mask_f64 vec_first_f64(int64_t n) { return (vec_mask_f64){n >= 2 ? 2 : n <= 0 ? 0 : (int)n}; }

static inline vec_f32 vec_load_first_f32(const float *p, vec_mask_f32 m)
{
    if (m.lanes == VEC_LANES_F32)
        return vec_load_f32(p);
    switch (m.lanes) {
    case 3: return (vec_f32){p[0], p[1], p[2]};
    case 2: return (vec_f32){p[0], p[1]};
    case 1: return (vec_f32){p[0]};
    default: return (vec_f32){0};
    }
}

static inline vec_f64 vec_load_first_f64(const double *p, vec_mask_f64 m)
{
    return m.lanes == VEC_LANES_F64 ? vec_load_f64(p) : m.lanes == 1 ? (vec_f64){p[0]} : (vec_f64){0};
}

static inline void vec_store_first_f32(float *p, vec_mask_f32 m, vec_f32 x)
{
    if (m.lanes == VEC_LANES_F32)
        vec_store_f32(p, x);
    else
        for (int i = 0; i < m.lanes; i++)
            p[i] = x[i];
}

static inline void vec_store_first_f64(double *p, vec_mask_f64 m, vec_f64 x)
{
    if (m.lanes == VEC_LANES_F64)
        vec_store_f64(p, x);
    else
        for (int i = 0; i < m.lanes; i++)
            p[i] = x[i];
}

/* Stored ones: see simd_avx512.h. Four of 16 bits, as the low halves of lanes; made of whole numbers, so that neither
 * the way denormals are treated nor a conversion that the machine lacks counts. What is long, or rare, is a call. */
#define VEC_CALL __attribute__((noinline, unused)) static
static inline vec_i32 vec_pick_i32(vec_i32 yes, vec_i32 x, vec_i32 y) { return (yes & x) | (~yes & y); }

VEC_CALL vec_i32 vec_lanes_16(const uint16_t *p, int count)
{
    if (count == 4) return (vec_i32){p[0], p[1], p[2], p[3]};
    if (count == 3) return (vec_i32){p[0], p[1], p[2]};
    if (count == 2) return (vec_i32){p[0], p[1]};
    if (count == 1) return (vec_i32){p[0]};
    return (vec_i32){0};
}

VEC_CALL void vec_put_16(uint16_t *p, int count, vec_i32 x)
{
    for (int i = 0; i < count; i++) p[i] = (uint16_t)x[i];
}

static inline vec_f32 vec_widen_bf16(vec_i32 x) { return (vec_f32)(x << 16); }

VEC_CALL vec_i32 vec_narrow_bf16(vec_f32 x)
{
    const vec_u32 bits = (vec_u32)x, high = bits >> 16;
    return vec_pick_i32((vec_i32)(x != x), (vec_i32)(high | 0x40), (vec_i32)((bits + 0x7fff + (high & 1)) >> 16));
}

/* The exponent moves from a bias of 15 to one of 127. What has none is a multiple of 2^-24: a difference of two normal
 * numbers, exactly. */
VEC_CALL vec_f32 vec_widen_f16(vec_i32 x)
{
    const vec_i32 size = (x & 0x7fff) << 13, sign = (x & 0x8000) << 16;
    const vec_i32 normal = size + (112 << 23) + ((size >= 31 << 23) & (112 << 23));
    const vec_f32 small = (vec_f32)(size + (113 << 23)) - vec_broadcast_f32(0x1p-14f);
    return (vec_f32)(vec_pick_i32(size < 1 << 23, (vec_i32)small, normal) | sign);
}

VEC_CALL vec_i32 vec_narrow_f16(vec_f32 x)
{
    const vec_i32 bits = (vec_i32)x, size = bits & 0x7fffffff, sign = (vec_i32)((vec_u32)bits >> 16) & 0x8000;
    const vec_i32 normal = (size - (112 << 23) + 0xfff + ((size >> 13) & 1)) >> 13;
    /* beside 0.5 the last place is that of the least number: adding rounds to it */
    const vec_i32 small = (vec_i32)((vec_f32)size + vec_broadcast_f32(0.5f)) - 0x3f000000;
    const vec_i32 nan = ((size >> 13) & 0x3ff) | 0x7e00;
    vec_i32 y = vec_pick_i32(size < 113 << 23, small, normal);
    y = vec_pick_i32(size >= 0x477ff000, (vec_i32){0x7c00, 0x7c00, 0x7c00, 0x7c00}, y); /* 65520 and more */
    return vec_pick_i32(size > 0x7f800000, nan, y) | sign;
}

static inline vec_f32 vec_load_bf16(const stored_bf16 *p)
{
    return vec_widen_bf16((vec_i32){p[0].bits, p[1].bits, p[2].bits, p[3].bits});
}

static inline vec_f32 vec_load_f16(const stored_f16 *p) { return vec_widen_f16(vec_lanes_16(&p->bits, 4)); }

VEC_CALL vec_f32 vec_load_first_bf16(const stored_bf16 *p, vec_mask_f32 m)
{
    return vec_widen_bf16(vec_lanes_16(&p->bits, m.lanes));
}

VEC_CALL vec_f32 vec_load_first_f16(const stored_f16 *p, vec_mask_f32 m)
{
    return vec_widen_f16(vec_lanes_16(&p->bits, m.lanes));
}

static inline void vec_store_bf16(stored_bf16 *p, vec_f32 x) { vec_put_16(&p->bits, 4, vec_narrow_bf16(x)); }
static inline void vec_store_f16(stored_f16 *p, vec_f32 x) { vec_put_16(&p->bits, 4, vec_narrow_f16(x)); }

VEC_CALL void vec_store_first_bf16(stored_bf16 *p, vec_mask_f32 m, vec_f32 x)
{
    vec_put_16(&p->bits, m.lanes, vec_narrow_bf16(x));
}

VEC_CALL void vec_store_first_f16(stored_f16 *p, vec_mask_f32 m, vec_f32 x)
{
    vec_put_16(&p->bits, m.lanes, vec_narrow_f16(x));
}

/* Whole numbers in memory: see simd_avx512.h. A conversion cuts; what it cut says where the nearest lies. */
static inline int32_t vec_one_whole(float x, float least, float most)
{
    if (!(x == x)) return 0;
    if (x >= most) return most >= 0x1p31f ? INT32_MAX : (int32_t)most;
    if (x <= least) return (int32_t)least;
    int32_t whole = (int32_t)x;
    const float rest = x - (float)whole; /* exact */
    if (rest > 0.5f || (rest == 0.5f && (whole & 1))) return whole + 1;
    if (rest < -0.5f || (rest == -0.5f && (whole & 1))) return whole - 1;
    return whole;
}

static inline vec_f32 vec_load_first_s32(const int32_t *p, vec_mask_f32 m)
{
    vec_f32 x = {0};
    for (int i = 0; i < m.lanes; i++) x[i] = (float)p[i];
    return x;
}

static inline vec_f32 vec_load_first_s8(const int8_t *p, vec_mask_f32 m)
{
    vec_f32 x = {0};
    for (int i = 0; i < m.lanes; i++) x[i] = p[i];
    return x;
}

static inline vec_f32 vec_load_first_u8(const uint8_t *p, vec_mask_f32 m)
{
    vec_f32 x = {0};
    for (int i = 0; i < m.lanes; i++) x[i] = p[i];
    return x;
}

static inline void vec_store_first_s32(int32_t *p, vec_mask_f32 m, vec_f32 x)
{
    for (int i = 0; i < m.lanes; i++) p[i] = vec_one_whole(x[i], -0x1p31f, 0x1p31f);
}

static inline void vec_store_first_s8(int8_t *p, vec_mask_f32 m, vec_f32 x)
{
    for (int i = 0; i < m.lanes; i++) p[i] = (int8_t)vec_one_whole(x[i], -128, 127);
}

static inline void vec_store_first_u8(uint8_t *p, vec_mask_f32 m, vec_f32 x)
{
    for (int i = 0; i < m.lanes; i++) p[i] = (uint8_t)vec_one_whole(x[i], 0, 255);
}

static inline vec_f32 vec_if_less_f32(vec_f32 a, vec_f32 b, vec_f32 x, vec_f32 y)
{
    vec_i32 yes = (vec_i32)(a < b);
    return (vec_f32)((yes & (vec_i32)x) | (~yes & (vec_i32)y));
}

static inline vec_f64 vec_if_less_f64(vec_f64 a, vec_f64 b, vec_f64 x, vec_f64 y)
{
    vec_i64 yes = (vec_i64)(a < b);
    return (vec_f64)((yes & (vec_i64)x) | (~yes & (vec_i64)y));
}

/* Right for |x| < 2^22 (2^51), which is all that is asked of it; adding 1.5 * 2^23 leaves no bits for a fraction. */
static inline vec_f32 vec_round_f32(vec_f32 x)
{
    const vec_f32 big = vec_broadcast_f32(0x1.8p23f);
    return (x + big) - big;
}

static inline vec_f64 vec_round_f64(vec_f64 x)
{
    const vec_f64 big = vec_broadcast_f64(0x1.8p52);
    return (x + big) - big;
}

/* x * 2^n for x near 1 and n whole, within the range of twice an exponent. */
static inline vec_f32 vec_scale2_f32(vec_f32 x, vec_f32 n)
{
    vec_i32 whole = __builtin_convertvector(n, vec_i32), half = whole >> 1, rest = whole - half;
    return x * (vec_f32)((half + 127) << 23) * (vec_f32)((rest + 127) << 23);
}

static inline vec_f64 vec_scale2_f64(vec_f64 x, vec_f64 n)
{
    vec_i64 whole = __builtin_convertvector(n, vec_i64), half = whole >> 1, rest = whole - half;
    return x * (vec_f64)((half + 1023) << 52) * (vec_f64)((rest + 1023) << 52);
}

static inline vec_f32 vec_with_sign_f32(vec_f32 x, vec_f32 s)
{
    const vec_i32 magnitude = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    return (vec_f32)((magnitude & (vec_i32)x) | (~magnitude & (vec_i32)s));
}

static inline vec_f64 vec_with_sign_f64(vec_f64 x, vec_f64 s)
{
    const vec_i64 magnitude = {INT64_MAX, INT64_MAX};
    return (vec_f64)((magnitude & (vec_i64)x) | (~magnitude & (vec_i64)s));
}

static inline void vec_transpose_f32(vec_f32 x[VEC_LANES_F32])
{
    vec_f32 low0 = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
    vec_f32 low1 = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
    vec_f32 high0 = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
    vec_f32 high1 = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
    x[0] = __builtin_shufflevector(low0, high0, 0, 1, 4, 5);
    x[1] = __builtin_shufflevector(low0, high0, 2, 3, 6, 7);
    x[2] = __builtin_shufflevector(low1, high1, 0, 1, 4, 5);
    x[3] = __builtin_shufflevector(low1, high1, 2, 3, 6, 7);
}

static inline void vec_transpose_f64(vec_f64 x[VEC_LANES_F64])
{
    vec_f64 low = __builtin_shufflevector(x[0], x[1], 0, 2);
    x[1] = __builtin_shufflevector(x[0], x[1], 1, 3);
    x[0] = low;
}

/* Lane i is the sum of the lanes of x[i], by the same tree for each. In: lanes vectors, which are spent. */
static inline vec_f32 vec_sums_f32(vec_f32 x[VEC_LANES_F32])
{
    vec_transpose_f32(x);
    return (x[0] + x[1]) + (x[2] + x[3]);
}

static inline vec_f64 vec_sums_f64(vec_f64 x[VEC_LANES_F64])
{
    vec_transpose_f64(x);
    return x[0] + x[1];
}

/* Lane i is p[i % count], for a count of 1, 2, 4, ... lanes. */
static inline vec_f32 vec_load_group_f32(const float *p, int count)
{
    return count == 1 ? vec_broadcast_f32(*p) : count == 2 ? (vec_f32){p[0], p[1], p[0], p[1]} : vec_load_f32(p);
}

static inline vec_f64 vec_load_group_f64(const double *p, int count)
{
    return count == 1 ? vec_broadcast_f64(*p) : vec_load_f64(p);
}

/* The sums of neighbours: those of x, then those of y. */
static inline vec_f32 vec_pairs_f32(vec_f32 x, vec_f32 y)
{
    return __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
}

static inline vec_f64 vec_pairs_f64(vec_f64 x, vec_f64 y)
{
    return __builtin_shufflevector(x, y, 0, 2) + __builtin_shufflevector(x, y, 1, 3);
}

/* Lane i of vec_permute(x, index) is lane index[i] of x. */
typedef vec_i32 vec_index_f32;
typedef vec_i64 vec_index_f64;
static inline void vec_index_put_f32(void *room, int lane, int from) { ((int32_t *)room)[lane] = from; }
static inline void vec_index_put_f64(void *room, int lane, int from) { ((int64_t *)room)[lane] = from; }

static inline vec_index_f32 vec_index_load_f32(const void *room)
{
    vec_index_f32 index;
    memcpy(&index, room, sizeof index);
    return index;
}

static inline vec_index_f64 vec_index_load_f64(const void *room)
{
    vec_index_f64 index;
    memcpy(&index, room, sizeof index);
    return index;
}

static inline vec_f32 vec_permute_f32(vec_f32 x, vec_index_f32 index)
{
    return (vec_f32){x[index[0]], x[index[1]], x[index[2]], x[index[3]]};
}

static inline vec_f64 vec_permute_f64(vec_f64 x, vec_index_f64 index)
{
    return (vec_f64){x[index[0]], x[index[1]]};
}

#include "kernels/common/simd_words.h"

#endif
