/* The types of numbers that tensors hold. */
#ifndef HONE_DTYPE_H
#define HONE_DTYPE_H

#include <hone/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, number, text, bits. Numbers are part of the ABI: new ones are added at the end. */
#define HONE_DTYPE_LIST(X)                                                                                             \
    X(HONE_F64, 1, "f64", 64)                                                                                          \
    X(HONE_F32, 2, "f32", 32)                                                                                          \
    X(HONE_F16, 3, "f16", 16)                                                                                          \
    X(HONE_BF16, 4, "bf16", 16)                                                                                        \
    X(HONE_S64, 5, "s64", 64)                                                                                          \
    X(HONE_S32, 6, "s32", 32)                                                                                          \
    X(HONE_S8, 7, "s8", 8)                                                                                             \
    X(HONE_U8, 8, "u8", 8)                                                                                             \
    X(HONE_S4, 9, "s4", 4)                                                                                             \
    X(HONE_U4, 10, "u4", 4)

#define HONE_DTYPE_ENUM(name, number, text, bits) name = number,
typedef enum hone_dtype { HONE_DTYPE_NONE = 0, HONE_DTYPE_LIST(HONE_DTYPE_ENUM) } hone_dtype;
#undef HONE_DTYPE_ENUM

/** The short name of a type, "f32"; "?" for a number that is none. Static. */
HONE_API const char *hone_dtype_name(hone_dtype dtype);

/** How many bits one element takes; 0 for a number that is no type. */
HONE_API int hone_dtype_bits(hone_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
