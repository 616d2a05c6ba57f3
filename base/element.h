/* One element of any type as a double, and back: rounded once, to nearest even; whole numbers are held at the ends of
 * their range, and a NaN becomes 0 there. For references, judges and data, not for speed.
 *
 * Elements of four bits lie two in a byte, the low half first; an index counts elements, and may be negative. */
#ifndef HONE_BASE_ELEMENT_H
#define HONE_BASE_ELEMENT_H

#include <math.h>
#include <stdbool.h>

#include <hone/dtype.h>

#include "base/half.h"

static inline bool hone_dtype_floats(hone_dtype type)
{
    return type == HONE_F64 || type == HONE_F32 || type == HONE_F16 || type == HONE_BF16;
}

/* The ends of a type of whole numbers. */
static inline double hone_dtype_least(hone_dtype type)
{
    switch (type) {
    case HONE_S64: return -0x1p63;
    case HONE_S32: return -0x1p31;
    case HONE_S8: return -128;
    case HONE_S4: return -8;
    default: return 0;
    }
}

static inline double hone_dtype_most(hone_dtype type)
{
    switch (type) {
    case HONE_S64: return 0x1.fffffffffffffp62;
    case HONE_S32: return 0x1p31 - 1;
    case HONE_S8: return 127;
    case HONE_U8: return 255;
    case HONE_S4: return 7;
    case HONE_U4: return 15;
    default: return 0;
    }
}

static inline double hone_element_load(hone_dtype type, const void *at, int64_t index)
{
    switch (type) {
    case HONE_F64: return ((const double *)at)[index];
    case HONE_F32: return (double)((const float *)at)[index];
    case HONE_F16: return (double)hone_f16_to_f32(((const uint16_t *)at)[index]);
    case HONE_BF16: return (double)hone_bf16_to_f32(((const uint16_t *)at)[index]);
    case HONE_S64: return (double)((const int64_t *)at)[index];
    case HONE_S32: return ((const int32_t *)at)[index];
    case HONE_S8: return ((const int8_t *)at)[index];
    case HONE_U8: return ((const uint8_t *)at)[index];
    case HONE_S4:
    case HONE_U4: {
        int half = ((const uint8_t *)at)[index >> 1] >> (4 * (index & 1)) & 15;
        return half < 8 || type == HONE_U4 ? half : half - 16;
    }
    case HONE_DTYPE_NONE: break;
    }
    return 0;
}

/* What an element of this type holds that is set to `value`. */
static inline double hone_element_rounded(hone_dtype type, double value)
{
    switch (type) {
    case HONE_F64: return value;
    case HONE_F32: return (double)(float)value;
    case HONE_F16: return (double)hone_f16_to_f32(hone_f16_from_f64(value));
    case HONE_BF16: return (double)hone_bf16_to_f32(hone_bf16_from_f64(value));
    default: break;
    }
    if (isnan(value)) return 0;
    return fmin(fmax(nearbyint(value), hone_dtype_least(type)), hone_dtype_most(type));
}

static inline void hone_element_store(hone_dtype type, void *at, int64_t index, double value)
{
    switch (type) {
    case HONE_F64: ((double *)at)[index] = value; return;
    case HONE_F32: ((float *)at)[index] = (float)value; return;
    case HONE_F16: ((uint16_t *)at)[index] = hone_f16_from_f64(value); return;
    case HONE_BF16: ((uint16_t *)at)[index] = hone_bf16_from_f64(value); return;
    default: break;
    }
    value = hone_element_rounded(type, value);
    switch (type) {
    case HONE_S64: ((int64_t *)at)[index] = (int64_t)value; return;
    case HONE_S32: ((int32_t *)at)[index] = (int32_t)value; return;
    case HONE_S8: ((int8_t *)at)[index] = (int8_t)value; return;
    case HONE_U8: ((uint8_t *)at)[index] = (uint8_t)value; return;
    case HONE_S4:
    case HONE_U4: {
        uint8_t *byte = (uint8_t *)at + (index >> 1);
        int      shift = 4 * (int)(index & 1);
        *byte = (uint8_t)((*byte & ~(15 << shift)) | ((int)value & 15) << shift);
        return;
    }
    default: return;
    }
}

#endif
