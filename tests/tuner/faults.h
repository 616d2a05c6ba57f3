/* Matmuls that are wrong in one way each, and matmuls that are right in many ways: what the judge is judged by. */
#ifndef HONE_TESTS_TUNER_FAULTS_H
#define HONE_TESTS_TUNER_FAULTS_H

#include "tuner/judge.h"

/* name, what is wrong, the problems on which it shows, separated by '|' */
#define FAULT_LIST(X)                                                                                                  \
    X(FAULT_TERM_IN_ONE, "one term dropped in one element", "f32 nn 33x17x64|f64 nt 9x9x31")                           \
    X(FAULT_TERM_IN_ONE_LONG, "one term dropped in one element of a long sum", "f32 nn 8x8x8192")                      \
    X(FAULT_FIRST_K, "the first k dropped", "f32 nn 16x16x1|f32 tn 40x30x100")                                         \
    X(FAULT_LAST_K, "the last k dropped", "f32 nn 16x16x64|f64 nn 7x5x1000")                                           \
    X(FAULT_TAIL_K, "k cut to a multiple of 4", "f32 nn 8x8x7|f64 nn 8x8x257")                                         \
    X(FAULT_TAIL_K_STALE, "k filled up with what was there before", "f32 nn 8x8x7|f64 nn 8x8x257")                     \
    X(FAULT_TAIL_M, "the last row not written", "f32 nn 15x8x8|f32 nn 15x8x8 beta=1")                                  \
    X(FAULT_TAIL_M_TWICE, "the last row made from the one before", "f32 nn 15x8x8|f64 tt 5x9x7")                       \
    X(FAULT_TAIL_N, "the last column made from the one before", "f32 nn 8x33x8|f64 nn 3x2x9")                          \
    X(FAULT_WRONG_LANE, "one lane too far in the last row", "f32 nn 6x16x12|f32 nn 31x63x127")                         \
    X(FAULT_SWAPPED_LANES, "two lanes exchanged in the last row", "f32 nn 6x16x12|f64 nn 4x8x99")                      \
    X(FAULT_TF32, "inputs rounded to tf32", "f32 nn 16x16x64|f32 nn 16x16x1024|f32 nn 16x16x8192")                     \
    X(FAULT_BF16, "inputs rounded to bf16", "f32 nn 16x16x1|f32 nn 16x16x8192|f16 nn 8x8x8|f32:s4:f32 nn 8x8x99")      \
    X(FAULT_F16, "inputs rounded to f16", "f32 nn 4x4x16|f32 nn 8x8x20000")                                            \
    X(FAULT_F32, "inputs of f64 rounded to f32", "f64 nn 8x8x8|f64 nn 8x8x8192")                                       \
    X(FAULT_SUM_BF16, "sums kept in bf16", "f32 nn 16x16x16|f32 nn 8x8x4096|bf16:bf16:f32 nn 8x8x64")                  \
    X(FAULT_SUM_F16, "sums kept in f16",                                                                               \
      "f32 nn 16x16x16|f32 nn 8x8x4096|f16 nn 8x8x999|f16:f16:f32 nn 16x16x4096 accuracy=f16_accumulate")              \
    X(FAULT_SUM_F32, "sums of f64 kept in f32", "f64 nn 16x16x16|f64 nn 8x8x4096")                                     \
    X(FAULT_SUM_TF32, "sums kept in tf32 every 64th k", "f32 nn 16x16x256|f32 nn 16x16x8192")                          \
    X(FAULT_CUT_SUM, "sums cut, not rounded", "f32 nn 16x16x256|f64 nn 16x16x512")                                     \
    X(FAULT_CUT_RESULT, "results cut, not rounded", "f32 nn 32x32x1|f32 nn 24x24x8|f64 nn 24x24x4")                    \
    X(FAULT_BLOCK_LOST, "each block of k overwrites the one before", "f32 nn 8x8x300|f64 nn 3x3x513")                  \
    X(FAULT_BETA_IGNORED, "beta ignored", "f32 nn 8x8x8 beta=1|f64 nn 8x8x0 beta=1")                                   \
    X(FAULT_BETA_ONE, "beta taken for 1", "f32 nn 8x8x8 beta=1|f64 nn 8x8x100 beta=1")                                 \
    X(FAULT_BETA_LATE, "beta applied after the steps", "f32 nn 8x8x8 +relu beta=1|f32 nn 8x8x8 +scale beta=1")         \
    X(FAULT_C_READ, "c read where beta is 0", "f32 nn 8x8x8|f64 nn 4x4x4 +bias")                                       \
    X(FAULT_ALPHA_IGNORED, "alpha ignored", "f32 nn 8x8x8|f64 nn 5x5x50")                                              \
    X(FAULT_ALPHA_ON_C, "alpha applied to c too", "f32 nn 8x8x8 beta=1")                                               \
    X(FAULT_STEPS_REVERSED, "the steps in reverse order", "f32 nn 8x8x8 +bias+relu|f32 nn 8x8x8 +bias+scale")          \
    X(FAULT_STEP_LAST, "the last step forgotten", "f32 nn 8x8x8 +bias+relu|f32 nn 9x9x9 +gelu")                        \
    X(FAULT_BIAS_LAST, "no bias on the last column", "f32 nn 8x17x8 +bias|f64 nn 3x1x8 +bias")                         \
    X(FAULT_BIAS_SHIFTED, "the bias of the next column", "f32 nn 8x17x8 +bias")                                        \
    X(FAULT_BIAS_ROWS, "the bias taken along rows", "f32 nn 17x17x8 +bias")                                            \
    X(FAULT_BIAS_BATCH, "the first matrix's bias for all", "f32 nn 8x8x8 batch=3 +bias bs0=8")                         \
    X(FAULT_GELU_OTHER, "tanh's gelu for erf's", "f32 nn 16x16x8 +gelu_erf|f32 nn 16x16x8 +gelu")                      \
    X(FAULT_GELU_ROUGH, "gelu to four places", "f32 nn 16x16x8 +gelu|f64 nn 16x16x8 +gelu_erf")                        \
    X(FAULT_SILU_ROUGH, "silu to five places", "f32 nn 16x16x8 +silu|f64 nn 16x16x8 +silu")                            \
    X(FAULT_RELU_NAN, "relu turns NaN into 0", "f32 nn 16x16x16 +relu|f64 nn 8x8x8 +bias+relu")                        \
    X(FAULT_SLOPE_AT_ZERO, "relu's slope at 0 taken for 1", "f32 nn 16x16x4 +relu_gradient")                           \
    X(FAULT_RESIDUAL_TWICE, "the residual added twice", "f32 nn 8x8x8 +residual")                                      \
    X(FAULT_RESIDUAL_LATE, "the residual read after c is written", "f32 nn 8x8x8 +residual")                           \
    X(FAULT_STORE_LATE, "stored after the activation", "f32 nn 8x8x8 +store+relu|f64 nn 8x8x8 +store+gelu")            \
    X(FAULT_STORE_FORGOTTEN, "not stored", "f32 nn 8x8x8 +store+relu")                                                 \
    X(FAULT_SCALE_TWICE, "scaled twice", "f32 nn 8x8x8 +scale")                                                        \
    X(FAULT_BATCH_A, "the first matrix's a for all", "f32 nn 8x8x8 batch=3|f64 nn 4x4x4 batch=2x2")                    \
    X(FAULT_BATCH_HALF, "the last matrix forgotten", "f32 nn 8x8x8 batch=3|f32 nn 8x8x8 batch=3 beta=1")               \
    X(FAULT_BROADCAST, "a repeated b read on", "f32 nn 8x8x8 batch=3 bsb=0")                                           \
    X(FAULT_POINTERS, "the first pointer for all", "f32 nn 8x8x8 batch=5 pointers=1")                                  \
    X(FAULT_TRANSPOSED, "a read transposed", "f32 nn 8x8x8|f64 tn 16x3x16")                                            \
    X(FAULT_UNWRITTEN, "one element not written", "f32 nn 8x8x8|f32 nn 200x100x4")                                     \
    X(FAULT_PADDING, "written past the end of a row", "f32 nn 8x7x8 ldc=9|f32 nn 40x30x8 ldc=32")                      \
    X(FAULT_GUARD_BEHIND, "written past the end", "f32 nn 8x8x8|f64 nn 3x3x3")                                         \
    X(FAULT_GUARD_BEFORE, "written before the beginning", "f32 nn 8x8x8|f64 nn 3x3x3")                                 \
    X(FAULT_INPUT, "an input changed", "f32 nn 8x8x8|f64 nn 3x3x3")                                                    \
    X(FAULT_MODES, "the float modes changed", "f32 nn 8x8x8")                                                          \
    X(FAULT_STATUS, "the launch fails", "f32 nn 8x8x8")                                                                \
    X(FAULT_NAN_SWALLOWED, "NaN among the inputs taken for 0", "f32 nn 16x16x16|f64 nn 8x8x8")                         \
    X(FAULT_INFINITY_CLIPPED, "infinities clipped", "f32 nn 16x16x16|f64 nn 8x8x8")                                    \
    X(FAULT_TIES_AWAY, "ties rounded away from 0", "bf16 nn 16x16x64|f16 nn 16x16x1024|bf16 tn 33x9x500 beta=1")       \
    X(FAULT_CUT_HALF, "results cut to 16 bits", "bf16 nn 8x8x8|f16 nn 8x8x8|f16:bf16:bf16 nn 8x8x300 +bias:f32")       \
    X(FAULT_ROUNDED_TWICE, "results rounded twice", "bf16 nn 32x32x64|f16 nn 64x64x700|bf16 nn 32x32x64 +bias+relu")   \
    X(FAULT_SUM_IN_C, "sums kept in c every 64th k", "bf16 nn 8x8x256|f16 nn 16x16x256|bf16 nt 9x9x1000")              \
    X(FAULT_STEPS_IN_C, "the steps done to what is rounded", "bf16 nn 8x8x8 +bias:f32|f16 nn 8x8x8 +scale+residual")   \
    X(FAULT_ZERO_A, "a's zero point forgotten", "u8:s8:s32 nn 8x8x8 a_zero=1|u8:s8:f32 nn 8x8x300 a_zero=1 b_zero=1")  \
    X(FAULT_ZERO_B, "b's zero point forgotten", "u8:s8:s32 nn 8x8x8 b_zero=1|s8 nn 8x8x64 a_zero=1 b_zero=1")          \
    X(FAULT_ZERO_SIGN, "a's zero point added", "u8:s8:s32 nn 8x8x8 a_zero=1|s8 nn 8x8x8 a_zero=1")                     \
    X(FAULT_READ_SIGNED, "u8 read as s8", "u8:s8:s32 nn 8x8x8|u8:s8:u8 nn 8x8x100")                                    \
    X(FAULT_READ_UNSIGNED, "s8 read as u8", "s8:s8:s32 nn 8x8x8|s8 nn 8x8x100 +bias")                                  \
    X(FAULT_PAIRS_HELD, "pairs of products held in 16 bits",                                                           \
      "u8:s8:s32 nn 8x8x8|u8:s8:f32 nn 16x16x64|u8:s8:u8 nn 8x8x9")                                                    \
    X(FAULT_SUM_REAL, "whole numbers summed in f32", "u8:s8:s32 nn 8x8x20000 b_zero=1")                                \
    X(FAULT_SUM_IN_F32, "sums of 32 bits by way of f32", "s8:s8:s32 nn 8x8x20000 a_zero=1 b_zero=1")                   \
    X(FAULT_CUT_WHOLE, "results cut to whole numbers",                                                                 \
      "s8 nn 8x8x8|u8:s8:u8 nn 8x8x100 +bias|u8:s8:s32 nn 8x8x8 +scale")                                               \
    X(FAULT_TIES_WHOLE, "ties of whole numbers rounded away from 0", "s8 nn 16x16x1024|u8:s8:u8 nn 32x32x2000")        \
    X(FAULT_NOT_HELD, "results wrap at the end of their type", "s8 nn 16x16x64|u8:s8:u8 nn 8x8x8|s8 nn 8x8x8 +bias")   \
    X(FAULT_HELD_EVENLY, "s8 held at -127", "s8 nn 32x32x64|u8:s8:s8 nn 32x32x300")                                    \
    X(FAULT_SCALE_SHIFTED, "the scale of the next column",                                                             \
      "u8:s8:s8 nn 8x17x8 +scale_columns|f32 nn 8x9x8 +scale_columns")                                                 \
    X(FAULT_OPERAND_SUMS, "sums of b forgotten", "f32 nn 8x8x8 +sum_b|f64 nn 5x9x33 +sum_b")                           \
    X(FAULT_OPERAND_LAST, "sums of a without the last k", "f32 nn 8x8x8 +sum_a|bf16 nn 9x9x200 +sum_a:f32")            \
    X(FAULT_OPERAND_ALPHA, "sums of a times alpha", "f32 nn 8x8x8 +sum_a|f64 nn 8x8x64 +sum_a+bias")                   \
    X(FAULT_OPERAND_PLAIN, "the slopes of b forgotten", "f32 nn 8x8x8 +b_relu_gradient+sum_b")                         \
    X(FAULT_OPERAND_SLOPE, "a's slope taken of the next k",                                                            \
      "f32 nn 8x8x8 +a_relu_gradient|f64 nn 8x8x9 +a_silu_gradient")                                                   \
    X(FAULT_GROUP_NEXT, "the scale of the next group",                                                                 \
      "f32:s4:f32 nn 4x8x64 group=16|bf16:u8:f32 nt 4x8x70 group=32 scales=bf16|f32:s8:f32 nn 8x9x8 group=1x4")        \
    X(FAULT_GROUP_COLUMN, "the scale of the next column", "f32:s4:f32 nn 4x8x64|f16:u4:f16 nt 4x9x33 group=8")         \
    X(FAULT_GROUP_SHORT, "the last group, a short one, dropped",                                                       \
      "f32:s4:f32 nn 4x8x65 group=16|f32:s8:f32 nt 4x8x129 group=64 zeros=1")                                          \
    X(FAULT_HALVES_SWAPPED, "the halves of a byte exchanged", "f32:s4:f32 nn 4x8x9|bf16:u4:bf16 nt 4x8x64 group=32")   \
    X(FAULT_WEIGHT_SIGN, "the sign of weights misread",                                                                \
      "f32:s4:f32 nn 4x8x9|f32:u4:f32 nt 4x8x64|f32:u8:f32 nn 4x8x64 group=32|f32:s8:f32 nn 4x8x9 b=n8k4")             \
    X(FAULT_GROUP_ZERO, "zeros of weights forgotten",                                                                  \
      "f32:u4:f32 nn 4x8x64 group=16 zeros=1|f32:s8:bf16 nt 4x8x9 zeros=1")                                            \
    X(FAULT_GROUP_ZERO_SIGN, "zeros of weights added", "f32:u4:f32 nn 4x8x64 group=16 zeros=1")                        \
    X(FAULT_GROUP_ZERO_WHOLE, "zeros of weights taken for whole numbers", "f32:u4:f32 nn 4x8x64 group=16 zeros=1")     \
    X(FAULT_WEIGHT_BF16, "weights rounded to bf16 on their way",                                                       \
      "f32:s4:f32 nn 8x8x64 group=16|f32:u8:f32 nt 8x8x512 group=64 zeros=1")                                          \
    X(FAULT_PAD_ZERO, "what fills up the last group of k in a panel taken for weights",                                \
      "f32:u4:f32 nn 4x8x13 zeros=1 b=n8k8")                                                                           \
    X(FAULT_BITS_RUNS, "other bits in every run", "f32 nn 16x16x200|f64 nn 8x8x100")                                   \
    X(FAULT_BITS_THREADS, "other bits on more threads", "f32 nn 16x16x200|f64 nn 8x8x100")                             \
    X(FAULT_BITS_ALIGNMENT, "other bits at another alignment", "f32 nn 16x16x200|f64 nn 8x8x100")

#define FAULT_ENUM(name, meaning, problems) name,
typedef enum fault { FAULT_NONE = 0, FAULT_LIST(FAULT_ENUM) FAULT_COUNT } fault;
#undef FAULT_ENUM

/* Sound ways to sum. */
typedef enum honest {
    HONEST_FORWARDS = 0,
    HONEST_BACKWARDS,
    HONEST_FUSED,     /* multiply and add rounded once */
    HONEST_TWO,       /* two, four, sixteen running sums */
    HONEST_FOUR,
    HONEST_SIXTEEN,
    HONEST_PAIRWISE,
    HONEST_BLOCKS,    /* of 64, each added to c */
    HONEST_ALPHA_IN,  /* alpha multiplied into a */
    HONEST_C_FIRST,   /* beginning with beta * c, alpha in a */
    HONEST_DOUBLE,    /* in double, rounded once */
    HONEST_GROUPS,    /* of weights: a q and a z summed over each group, multiplied by its scale once */
    HONEST_COUNT
} honest;

typedef struct matmul_way {
    fault  wrong;
    honest right;
    int    launches; /* so far */
} matmul_way;

/* A matmul done this way: to be judged by hone_judge_launch_of; `self` is a matmul_way. */
hone_status matmul_launch(void *self, const hone_rt_plan *plan, hone_be_stream *stream, const hone_arguments *arguments,
                          hone_span scratch);

const char *fault_meaning(fault f);
const char *fault_problems(fault f);

/* A kernel that promises equal bits and takes everything; what it does is what the judge is given in its launch's
 * place. */
extern const hone_kernel subject_kernel;

#endif
