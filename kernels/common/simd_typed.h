/* Vectors whose type in memory is known at run time: an operand of a step, a result. One of simd_<isa>.h is included
 * before this. What is floats in registers may be stored as such, in 16 bits (stored.h), or as whole numbers. */
#ifndef HONE_KERNELS_COMMON_SIMD_TYPED_H
#define HONE_KERNELS_COMMON_SIMD_TYPED_H

#include <string.h>

#include <hone/dtype.h>

/* Bytes of an element, without asking the table: that is not for a micro-kernel. */
static inline int vec_bytes_of(hone_dtype type)
{
    switch (type) {
    case HONE_F64: return 8;
    case HONE_F16:
    case HONE_BF16: return 2;
    case HONE_U8:
    case HONE_S8: return 1;
    default: return 4;
    }
}

static inline vec_f32 vec_load_typed_f32(const void *p, hone_dtype type, vec_mask_f32 first)
{
    switch (type) {
    case HONE_BF16: return vec_load_first_bf16(p, first);
    case HONE_F16: return vec_load_first_f16(p, first);
    case HONE_S32: return vec_load_first_s32(p, first);
    case HONE_S8: return vec_load_first_s8(p, first);
    case HONE_U8: return vec_load_first_u8(p, first);
    default: return vec_load_first_f32(p, first);
    }
}

static inline vec_f64 vec_load_typed_f64(const void *p, hone_dtype type, vec_mask_f64 first)
{
    (void)type;
    return vec_load_first_f64(p, first);
}

static inline void vec_store_typed_f32(void *p, hone_dtype type, vec_mask_f32 first, vec_f32 x)
{
    switch (type) {
    case HONE_BF16: vec_store_first_bf16(p, first, x); break;
    case HONE_F16: vec_store_first_f16(p, first, x); break;
    case HONE_S32: vec_store_first_s32(p, first, x); break;
    case HONE_S8: vec_store_first_s8(p, first, x); break;
    case HONE_U8: vec_store_first_u8(p, first, x); break;
    default: vec_store_first_f32(p, first, x); break;
    }
}

static inline void vec_store_typed_f64(void *p, hone_dtype type, vec_mask_f64 first, vec_f64 x)
{
    (void)type;
    vec_store_first_f64(p, first, x);
}

#define vec_load_typed(real, p, type, first)                                                                           \
    _Generic((real)0, float: vec_load_typed_f32, double: vec_load_typed_f64)(p, type, first)
#define vec_store_typed(p, type, first, x)                                                                             \
    _Generic((x), vec_f32: vec_store_typed_f32, vec_f64: vec_store_typed_f64)(p, type, first, x)

/* n elements, `apart` bytes from one to the next, to or from where they lie together. */
static inline void vec_move_typed(void *to, int64_t to_apart, const void *from, int64_t from_apart, int n, int bytes)
{
    char       *y = to;
    const char *x = from;
    for (; n > 0; n--, x += from_apart, y += to_apart) {
        if (bytes == 4)
            memcpy(y, x, 4);
        else if (bytes == 2)
            memcpy(y, x, 2);
        else if (bytes == 1)
            *y = *x;
        else
            memcpy(y, x, 8);
    }
}

#endif
