/* What an operation tells the rest of hone about itself, once. Dispatcher, judge, stopwatch, tuner and the hone program
 * work on this table and the kernel's (kernel.h); none of them knows what a matmul is.
 *
 * A problem is a plain struct, zeroed before it is filled, so that equal problems are equal bytes. */
#ifndef HONE_KERNELS_OP_H
#define HONE_KERNELS_OP_H

#include <hone/tensor.h>

#include "backends/backend.h"

#define HONE_PROBLEM_MAX      1024 /* bytes of the largest problem struct */
#define HONE_PROBLEM_TEXT_MAX 1536
#define HONE_ROLES_MAX        16
#define HONE_SCALARS_MAX      16
#define HONE_LAYOUT_NAME_MAX  32 /* bytes of a layout's tag, with the zero at its end */

/* What flows through an argument. IN_OUT is read and written. */
typedef enum hone_direction { HONE_UNUSED = 0, HONE_IN = 1, HONE_OUT = 2, HONE_IN_OUT = 3 } hone_direction;

/* One argument of a problem: what it is for, and exactly which elements it is made of. From this alone operands are
 * made, guarded, compared and checked for overlap. */
typedef struct hone_role {
    const char    *name;
    hone_direction direction;
    hone_dtype     type;
    int            rank;
    int64_t        shape[HONE_RANK_MAX];
    int64_t        stride[HONE_RANK_MAX]; /* in elements */
    unsigned       may_alias;             /* bit r: may be exactly the memory of role r, with equal strides */
    bool           indirect;              /* the span holds pointers to such arguments, */
    int64_t        items;                 /* ... this many expected; else 0 */
    bool           opaque;                /* bytes (u8) in a layout that only a kernel knows: made by packing alone */
} hone_role;

/* How an argument lies where strides cannot tell: a tag that a kernel offers ("n32", "onednn:BA16a64b"), and the bytes
 * that one matrix takes. A tag is ended and filled up by zeros. */
typedef struct hone_layout {
    char    name[HONE_LAYOUT_NAME_MAX];
    int64_t bytes;
} hone_layout;

/* A problem with an argument in such a layout, and what it comes from: the same problem with that argument plain, and
 * the problem of packing it, whose roles are HONE_PACK_FROM, the plain argument, and HONE_PACK_TO, the packed one. */
typedef union hone_problem_bytes {
    unsigned char bytes[HONE_PROBLEM_MAX];
    int64_t       align;
} hone_problem_bytes;

enum { HONE_PACK_FROM = 0, HONE_PACK_TO = 1 };

typedef struct hone_packing {
    int                role; /* the argument, of both problems */
    hone_problem_bytes plain;
    const char        *op; /* that packs it */
    hone_problem_bytes pack;
} hone_packing;

/* The least that must be done: the roofline stands on it. */
typedef struct hone_cost {
    double flops, bytes_read, bytes_written;
} hone_cost;

/* Data for the judges. Integers are small enough that every order of summing is exact. */
typedef enum hone_data_kind {
    HONE_DATA_RANDOM = 0, /* uniform and symmetric about 0, about [-1, 1), finite, no denormals */
    HONE_DATA_INTEGERS,   /* a few bits: finds wrong indices */
    HONE_DATA_WIDE,       /* integers of more than 11 bits against -1, 0, 1: finds inputs rounded on the way */
    HONE_DATA_NOT_FINITE, /* random, but for a NaN or an infinity in each input, whose way arithmetic tells */
    HONE_DATA_COUNT
} hone_data_kind;

/* Which elements of an output are looked at. Flat indices in the role's row-major order; for an indirect role the item
 * is the slowest dimension. */
typedef struct hone_sample {
    int            role;
    int64_t        count;
    const int64_t *at;
} hone_sample;

/* What one output element should be. high + low is the truth; the derived forward bound is how far the arithmetic of
 * the problem's types may go before its result is rounded to the role's type; naive is what plain loops in that
 * arithmetic give, before it too; and likely is an error, seldom much below six standard deviations of honest
 * rounding, that no sound order of operations is seen to exceed: where few elements are compared, the largest error of
 * the naive ones is a matter of luck, and this stands in for it. */
typedef struct hone_truth {
    double high, low, bound, naive, likely; /* bound < 0, high NaN: a launch leaves this element as it was */
} hone_truth;

/* Where an argument of a backward problem comes from. */
typedef enum hone_source_kind {
    HONE_FROM_FORWARD = 1, /* the forward problem's argument `index`, as that left it */
    HONE_FROM_GRADIENT,    /* the gradient of the forward problem's argument `index`: given for an output, else made */
    HONE_FROM_STEP,        /* what step `index` of this gradient wrote to its own output */
    HONE_FROM_ONE          /* a single 1 */
} hone_source_kind;

typedef struct hone_source {
    int              role; /* of the backward problem */
    hone_source_kind kind;
    int              index;
} hone_source;

enum { HONE_GRADIENT_STEPS_MAX = 16 };

struct hone_op;

/* One backward problem: run in order, each with its arguments. */
typedef struct hone_gradient_step {
    const char *op;
    hone_problem_bytes problem;
    int         source_count;
    hone_source source[HONE_ROLES_MAX];
    double      scalar[HONE_SCALARS_MAX]; /* fixed values ... */
    int         scalar_from[HONE_SCALARS_MAX]; /* ... or 1 + the index of the forward scalar to use instead; 0: fixed */
    int         output;      /* the role of the backward problem that is made */
    int         gradient_of; /* the forward argument whose gradient that is; -1: an intermediate of this gradient */
    int         also;        /* another role that is made by the way; 0: none */
    int         also_of;     /* ... and the forward argument whose gradient that is */
} hone_gradient_step;

/* How the gradients of all inputs follow from the gradients of all outputs, each laid out as its argument. Arguments
 * without elements have no source. What the backward pass needs of the forward one must be among the forward problem's
 * own arguments: an op refuses where it is not, in words. */
typedef struct hone_gradient {
    int                count;
    hone_gradient_step step[HONE_GRADIENT_STEPS_MAX];
} hone_gradient;

typedef struct hone_op {
    const char *name; /* "matmul" */
    unsigned    version;
    size_t      problem_size;
    /* How many leading bytes of a problem tell it from all others: whatever lies behind them is zero in each problem
     * that is equal up to there. Keys are made of these alone. NULL: all of it. */
    size_t (*significant)(const void *problem);

    /* Legal? else the sentence that says why. */
    hone_status (*check)(const void *problem);
    /* "matmul f32 nn 128x3072x768 +bias+gelu ldb=4096", and exactly the inverse, without the op's name in front.
     * parse() fills a zeroed problem and checks it. */
    void (*print)(const void *problem, char *out, size_t capacity);
    hone_status (*parse)(const char *text, void *problem);
    /* The arguments of this problem: how many; and the names of its scalars, with the value each that most calls give.
     */
    int (*roles)(const void *problem, hone_role roles[HONE_ROLES_MAX]);
    int (*scalars)(const void *problem, const char *names[HONE_SCALARS_MAX], double neutral[HONE_SCALARS_MAX]);
    hone_cost (*cost)(const void *problem);
    /* A legal problem drawn at random, with edges (0, 1, tile sizes and their neighbours, primes) well covered; at most
     * about `flops` of work. */
    void (*random)(uint64_t seed, double flops, void *problem);
    /* Values of this kind for the inputs and scalars of a problem. Inputs come with their memory, already guarded. */
    hone_status (*generate)(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                            hone_scalar *scalars);
    /* Can results on this kind of data be told bit for bit? */
    bool (*exact)(const void *problem, hone_data_kind kind);
    /* The definition of the op: plain loops, never made fast. `before` holds all arguments as they were before the
     * launch, in host memory. */
    hone_status (*reference)(const void *problem, const hone_arguments *before, const hone_sample *sample,
                             hone_truth *truth);
    /* Inner layouts; NULL: the op has none. lay_out(): the same problem with a plain argument in this layout, checked.
     * take_apart(): false where no argument is opaque; else where the first of them comes from. Generate leaves opaque
     * arguments alone, and of such problems the reference knows nothing: both are asked of the plain ones. */
    hone_status (*lay_out)(const void *problem, int role, const hone_layout *layout, void *out);
    bool (*take_apart)(const void *problem, hone_packing *out);
    /* NULL: no gradient of this problem is defined; else fills *out, or says why not. */
    hone_status (*gradient)(const void *problem, hone_gradient *out);
    /* The problems of a suite ("quick", "full", ...) as text, ended by NULL; NULL where it has none. */
    const char *const *(*suite)(const char *name);
} hone_op;

/* The bytes that an argument touches, from its first element: low <= 0 (negative strides), high > 0. Empty: 0, 0. */
void hone_role_extent(const hone_role *role, int64_t *low, int64_t *high);

/* Can counts, offsets and bytes of this role be told in 63 bits? Ask before any of the others, of untrusted shapes. */
bool hone_role_fits(const hone_role *role);

/* Do two of its indices lie at one place? Proven, or, past a long search, not found. */
bool hone_role_overlaps_itself(const hone_role *role);

/* How many elements it has; 0 when one extent is 0. */
int64_t hone_role_count(const hone_role *role);

/* Where the flat row-major index `at` lies, in elements from the first. */
int64_t hone_role_offset(const hone_role *role, int64_t at);

/* What the elements of an argument are drawn from. */
typedef struct hone_values {
    bool    integers;
    bool    odd;     /* odd ones alone, which need every bit */
    bool    all;     /* of a type of whole numbers: all that it holds (s32: 21 bits); of real ones as without it */
    int64_t one_in;  /* all but one in so many are 0; 0 or 1: none is */
    double  least, largest; /* in size; the sign is drawn. reals: uniform in [-largest, largest) */
} hone_values;

/* Fills an argument in host memory. An element's value depends on seed and place alone. */
void hone_role_fill(const hone_role *role, const hone_span *span, int64_t items, const hone_values *values,
                    uint64_t seed);

#endif
