/* What a caller may allow beyond the full accuracy of the types. Nothing is allowed unless it is said. */
#ifndef HONE_ACCURACY_H
#define HONE_ACCURACY_H

#define HONE_ACCURACY_TF32           1u  /* inputs of f32 products rounded to 11 significant bits */
#define HONE_ACCURACY_BF16X3         2u  /* f32 inputs as sums of three bf16, their products summed in f32 */
#define HONE_ACCURACY_F16_ACCUMULATE 4u  /* short sums of f16 products kept in f16: see below */
#define HONE_ACCURACY_WINOGRAD       8u  /* convolution by Winograd's transforms */
#define HONE_ACCURACY_ALL            15u

/* HONE_ACCURACY_F16_ACCUMULATE: of a product whose a and b are f16, up to 32 products at a time are summed in f16, one
 * fused step each, and such sums in f32. With S the sum of |a| |b| over k that allows, beside what f32 does,
 *
 *     8 sqrt(32) 2^-11 |alpha| S + |alpha| k 2^-25      (less than 2.3 % of S)
 *
 * the same probabilistic bound as for other sums; and a sum of 32 products beyond 65504 is infinite. */
#define HONE_ACCURACY_F16_RUN 32

#endif
