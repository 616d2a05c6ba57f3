/* The words that load and store 16-bit numbers, as functions. Set before including it: CHECK_NAME, and the
 * simd_<isa>.h is included. */
#include "tests/kernels/simd_stored.h"

#define CHECK_TYPE(widen, narrow, one, put_one, type)                                                                  \
    static void widen(const uint16_t *from, float *to, int64_t first)                                                  \
    {                                                                                                                  \
        const type *p = (const type *)from;                                                                            \
        vec_store(to, first == VEC_LANES_F32 ? vec_load(p) : vec_load_first(p, vec_first_f32(first)));                 \
    }                                                                                                                  \
    static void narrow(const float *from, uint16_t *to, int64_t first)                                                 \
    {                                                                                                                  \
        type *p = (type *)to;                                                                                          \
        if (first == VEC_LANES_F32)                                                                                    \
            vec_store(p, vec_load(from));                                                                              \
        else                                                                                                           \
            vec_store_first(p, vec_first_f32(first), vec_load(from));                                                  \
    }                                                                                                                  \
    static float one(const uint16_t *from) { return vec_one((const type *)from); }                                     \
    static void put_one(uint16_t *to, float x) { vec_put_one((type *)to, x); }

CHECK_TYPE(widen_bf16, narrow_bf16, one_bf16, put_one_bf16, stored_bf16)
CHECK_TYPE(widen_f16, narrow_f16, one_f16, put_one_f16, stored_f16)

const simd_stored CHECK_NAME = {VEC_LANES_F32, {widen_bf16, widen_f16}, {narrow_bf16, narrow_f16},
                                {one_bf16, one_f16}, {put_one_bf16, put_one_f16}};
