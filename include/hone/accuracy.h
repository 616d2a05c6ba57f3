/* What a caller may allow beyond the full accuracy of the types. Nothing is allowed unless it is said. */
#ifndef HONE_ACCURACY_H
#define HONE_ACCURACY_H

#define HONE_ACCURACY_TF32           1u  /* inputs of f32 products rounded to 11 significant bits */
#define HONE_ACCURACY_BF16X3         2u  /* f32 inputs as sums of three bf16, their products summed in f32 */
#define HONE_ACCURACY_F16_ACCUMULATE 4u  /* short sums of f16 products kept in f16 */
#define HONE_ACCURACY_WINOGRAD       8u  /* convolution by Winograd's transforms */
#define HONE_ACCURACY_ALL            15u

#endif
