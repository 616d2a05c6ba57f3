/* Vectors whose type in memory is known at run time: an operand of a step, a result. One of simd_<isa>.h is included
 * before this. What is floats in registers may be stored as such, or in 16 bits (stored.h). */
#ifndef HONE_KERNELS_COMMON_SIMD_TYPED_H
#define HONE_KERNELS_COMMON_SIMD_TYPED_H

#include <string.h>

#include <hone/dtype.h>

/* Bytes of an element, without asking the table: that is not for a micro-kernel. */
static inline int vec_bytes_of(hone_dtype type)
{
    return type == HONE_F64 ? 8 : type == HONE_F32 ? 4 : 2;
}

static inline vec_f32 vec_load_typed_f32(const void *p, hone_dtype type, vec_mask_f32 first)
{
    if (type == HONE_BF16) return vec_load_first_bf16(p, first);
    if (type == HONE_F16) return vec_load_first_f16(p, first);
    return vec_load_first_f32(p, first);
}

static inline vec_f64 vec_load_typed_f64(const void *p, hone_dtype type, vec_mask_f64 first)
{
    (void)type;
    return vec_load_first_f64(p, first);
}

static inline void vec_store_typed_f32(void *p, hone_dtype type, vec_mask_f32 first, vec_f32 x)
{
    if (type == HONE_BF16)
        vec_store_first_bf16(p, first, x);
    else if (type == HONE_F16)
        vec_store_first_f16(p, first, x);
    else
        vec_store_first_f32(p, first, x);
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
        else
            memcpy(y, x, 8);
    }
}

#endif
