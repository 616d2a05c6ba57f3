/* The words that fit either type: each picks vec_<word>_f32 or vec_<word>_f64 by its first argument; those that load
 * and store also take what is stored in 16 bits (stored.h), and make floats of it. Included by the simd_<isa>.h alone.
 */
#ifndef HONE_KERNELS_COMMON_SIMD_WORDS_H
#define HONE_KERNELS_COMMON_SIMD_WORDS_H

/* Before a loop whose bounds are literal once inlined: it becomes straight text, its arrays become registers.
 * Sanitizers look at every access of it; for them loops stay loops, or compiling would take minutes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HONE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HONE_SANITIZED 1
#endif
#endif
#if defined(HONE_SANITIZED)
#define HONE_UNROLL
#elif defined(__clang__)
#define HONE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HONE_UNROLL _Pragma("GCC unroll 32")
#endif

/* For text that knows its type as a macro: vec_of(float) is vec_f32, vec_first(float, 3) its mask of three lanes. */
/* Which of these the pointer asks for. A vocabulary without stored.h has no numbers of 16 bits. */
#ifdef HONE_KERNELS_COMMON_STORED_H
#define vec_word_for(p, f32, f64, bf16, f16)                                                                           \
    _Generic(*(p), float: f32, double: f64, stored_bf16: bf16, stored_f16: f16)
/* Stored numbers, one at a time. */
static inline float vec_one_f32(const float *p) { return *p; }
static inline double vec_one_f64(const double *p) { return *p; }
static inline float vec_one_bf16(const stored_bf16 *p) { return vec_load_first_bf16(p, vec_first_f32(1))[0]; }
static inline float vec_one_f16(const stored_f16 *p) { return vec_load_first_f16(p, vec_first_f32(1))[0]; }
static inline void vec_put_one_f32(float *p, float x) { *p = x; }
static inline void vec_put_one_f64(double *p, double x) { *p = x; }

static inline void vec_put_one_bf16(stored_bf16 *p, float x)
{
    vec_store_first_bf16(p, vec_first_f32(1), vec_broadcast_f32(x));
}

static inline void vec_put_one_f16(stored_f16 *p, float x)
{
    vec_store_first_f16(p, vec_first_f32(1), vec_broadcast_f32(x));
}
#define vec_one(p)        vec_word_for(p, vec_one_f32, vec_one_f64, vec_one_bf16, vec_one_f16)(p)
#define vec_put_one(p, x) vec_word_for(p, vec_put_one_f32, vec_put_one_f64, vec_put_one_bf16, vec_put_one_f16)(p, x)
#else
#define vec_word_for(p, f32, f64, bf16, f16) _Generic(*(p), float: f32, double: f64)
#endif

#define vec_of(type)           __typeof__(_Generic((type)0, float: vec_load_f32, double: vec_load_f64)((type *)0))
#define vec_mask_of(type)      __typeof__(_Generic((type)0, float: vec_first_f32, double: vec_first_f64)(0))
#define vec_lanes(type)        ((int)(sizeof(vec_of(type)) / sizeof(type)))
#define vec_first(type, n)     _Generic((type)0, float: vec_first_f32, double: vec_first_f64)(n)

#define vec_broadcast(x)            _Generic((x), float: vec_broadcast_f32, double: vec_broadcast_f64)(x)
#define vec_load_group(p, count)    _Generic(*(p), float: vec_load_group_f32, double: vec_load_group_f64)(p, count)
#define vec_load(p)     vec_word_for(p, vec_load_f32, vec_load_f64, vec_load_bf16, vec_load_f16)(p)
#define vec_store(p, x) vec_word_for(p, vec_store_f32, vec_store_f64, vec_store_bf16, vec_store_f16)(p, x)
#define vec_load_first(p, mask)                                                                                        \
    vec_word_for(p, vec_load_first_f32, vec_load_first_f64, vec_load_first_bf16, vec_load_first_f16)(p, mask)
#define vec_store_first(p, mask, x)                                                                                    \
    vec_word_for(p, vec_store_first_f32, vec_store_first_f64, vec_store_first_bf16, vec_store_first_f16)(p, mask, x)
#define vec_fma(a, b, c)            _Generic((a), vec_f32: vec_fma_f32, vec_f64: vec_fma_f64)(a, b, c)
#define vec_if_less(a, b, x, y)     _Generic((a), vec_f32: vec_if_less_f32, vec_f64: vec_if_less_f64)(a, b, x, y)
#define vec_round(x)                _Generic((x), vec_f32: vec_round_f32, vec_f64: vec_round_f64)(x)
#define vec_scale2(x, n)            _Generic((x), vec_f32: vec_scale2_f32, vec_f64: vec_scale2_f64)(x, n)
#define vec_with_sign(x, s)         _Generic((x), vec_f32: vec_with_sign_f32, vec_f64: vec_with_sign_f64)(x, s)
#define vec_pairs(x, y)             _Generic((x), vec_f32: vec_pairs_f32, vec_f64: vec_pairs_f64)(x, y)
#define vec_sums(x)                 _Generic(*(x), vec_f32: vec_sums_f32, vec_f64: vec_sums_f64)(x)
#define vec_transpose(x)            _Generic(*(x), vec_f32: vec_transpose_f32, vec_f64: vec_transpose_f64)(x)

/* What was loaded before it is in registers, once, and what is loaded after it is not fetched early: where a compiler,
 * left alone, would load a vector again for each use, or keep more of them than there are registers. */
#define vec_loaded() __asm__ volatile("" ::: "memory")

/* The compiler forgets what it knew of where this pointer points: gcc 12 aligns arrays on the stack for its vectors,
 * and under AddressSanitizer puts them elsewhere. */
#define vec_forget(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

/* Which lane of another vector each lane takes: kept in memory as large as a vector, lane by lane. */
#define vec_index_put(type, room, lane, from)                                                                          \
    _Generic((type)0, float: vec_index_put_f32, double: vec_index_put_f64)(room, lane, from)
#define vec_index_of(type) __typeof__(vec_index_load(type, (const void *)0))
#define vec_index_load(type, room) _Generic((type)0, float: vec_index_load_f32, double: vec_index_load_f64)(room)
#define vec_permute(x, index)      _Generic((x), vec_f32: vec_permute_f32, vec_f64: vec_permute_f64)(x, index)

#endif
