/* oneDNN as its rows use it: one face for the C APIs of its versions 2 and 3, and for the threads that each build has.
 * None is linked, and no header of it is needed: what stands here are facts of its two binary interfaces.
 *
 *     onednn_found.c     which libraries are here, and what each of them is worth
 *     onednn_shim.c      a product of matrices made ready and run: descriptors, attributes, primitives
 *     onednn_threads.c   how many threads it takes for that
 *     onednn.c           the rows */
#ifndef HONE_KERNELS_MATMUL_ONEDNN_H
#define HONE_KERNELS_MATMUL_ONEDNN_H

#include <stdatomic.h>

#include "kernels/matmul/blas.h"
#include "kernels/module.h"

enum { ONEDNN_3, ONEDNN_2, ONEDNN_LIBRARIES };
enum { ONEDNN_DONE = 0, ONEDNN_NO_MEMORY = 1 };
enum { ONEDNN_RANK_MAX = 2 + HONE_BATCH_MAX };

/* A memory descriptor. Version 2: the struct itself, 696 bytes in all its releases. Version 3: a handle. */
typedef union onednn_layout {
    void   *handle;
    int64_t bytes[128];
} onednn_layout;

typedef struct onednn_version {
    int         major, minor, patch;
    const char *hash;
    unsigned    cpu_runtime, gpu_runtime;
} onednn_version;

typedef struct onednn_argument {
    int   which;
    void *memory;
} onednn_argument;

/* What dnnl_version() tells of how it was built. */
enum {
    ONEDNN_BUILT_ALONE      = 1u,
    ONEDNN_BUILT_FOR_OPENMP = 2u,
    ONEDNN_BUILT_FOR_TBB    = 4u,
    ONEDNN_BUILT_FOR_SYCL   = 512u
};

/* Whose threads it runs on. */
typedef enum onednn_runtime {
    ONEDNN_ALONE,  /* it has none */
    ONEDNN_OPENMP, /* a team of the calling thread's, whose size that thread has a count of its own for */
    ONEDNN_TBB     /* an arena of so many places, that a call is run in */
} onednn_runtime;

typedef struct onednn_library {
    char           identity[96]; /* "onednn 2.6.3 avx512 openmp"; empty: it is not here */
    int            major;
    double         share; /* of the CPU's peak, that it is presumed to reach */
    onednn_runtime runtime;
    void          *engine; /* NULL: it has no primitives here, but its call */
    /* Both versions. Pointers to handles are void **. */
    const onednn_version *(*version)(void);
    unsigned (*effective_isa)(void);
    int (*sgemm)(char transposed_a, char transposed_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
    int (*engine_create)(void **engine, int kind, size_t index);
    int (*stream_create)(void **stream, void *engine, unsigned flags);
    int (*stream_destroy)(void *stream);
    int (*attributes_create)(void **attributes);
    int (*attributes_destroy)(void *attributes);
    int (*set_scratchpad)(void *attributes, int mode);
    int (*set_post_ops)(void *attributes, const void *post_ops);
    int (*post_ops_create)(void **post_ops);
    int (*post_ops_destroy)(void *post_ops);
    size_t (*layout_bytes)(const void *layout);
    int (*query)(const void *description, int what, int index, void *result);
    const void *(*query_layout)(const void *description, int what, int index);
    int (*description_destroy)(void *description);
    int (*primitive_create)(void **primitive, const void *description);
    int (*primitive_destroy)(void *primitive);
    int (*execute)(const void *primitive, void *stream, int count, const onednn_argument *arguments);
    int (*memory_create)(void **memory, const void *layout, void *engine, void *at);
    int (*memory_set)(void *memory, void *at);
    int (*memory_destroy)(void *memory);
    /* For packing; NULL in a library that lacks one of them, which then offers none. */
    int (*layout_init_tag2)(void *layout, int rank, const int64_t *sizes, int type, int tag);
    int (*layout_create_tag3)(void **layout, int rank, const int64_t *sizes, int type, int tag);
    int (*layout_equal)(const void *a, const void *b);
    int (*reorder_create)(void **description, const void *from, void *from_engine, const void *to, void *to_engine,
                          const void *attributes);
    /* Version 2 alone. */
    int (*layout_init2)(void *layout, int rank, const int64_t *sizes, int type, const int64_t *strides);
    int (*matmul_init2)(void *operation, const void *a, const void *b, const void *bias, const void *c);
    int (*description_create2)(void **description, const void *operation, const void *attributes, void *engine,
                               const void *hint);
    int (*append_sum2)(void *post_ops, float scale);
    int (*append_activation2)(void *post_ops, float scale, int kind, float alpha, float beta);
    /* Version 3 alone. */
    int (*layout_create3)(void **layout, int rank, const int64_t *sizes, int type, const int64_t *strides);
    int (*layout_destroy3)(void *layout);
    int (*matmul_create3)(void **description, void *engine, const void *a, const void *b, const void *bias,
                          const void *c, const void *attributes);
    int (*append_sum3)(void *post_ops, float scale, int32_t zero_point, int type);
    int (*append_activation3)(void *post_ops, int kind, float alpha, float beta);
    /* OpenMP's, where that is its runtime. */
    int (*count)(void);
    void (*set_count)(int count);
    /* oneTBB's, where that is. */
    void (*arena_start)(void *arena);
    void (*arena_run)(void *arena, void *work);
    int (*arena_places)(const void *arena);
} onednn_library;

/* In that order. */
extern onednn_library hone_onednn_libraries[ONEDNN_LIBRARIES];

/* Opens what there is, and says what is wrong with it. */
void hone_onednn_find(const hone_host *host);

/* --- threads ---------------------------------------------------------------------------------------------------- */

/* NULL: work can be kept to any number of threads; else why not. `object` is the library, opened. */
const char *hone_onednn_threads_find(onednn_library *library, void *object, unsigned cpu_runtime);

/* Runs work(argument) on this thread, with oneDNN taking `threads` of them; its count is as before when it returns. */
void hone_onednn_with(const onednn_library *library, int threads, void (*work)(void *argument), void *argument);

/* --- a product of matrices -------------------------------------------------------------------------------------- */

/* c = activation(a * b + bias), or with what c holds added before the activation. Sizes slowest first, the last two
 * those of the matrices; a size of 1 is repeated along the batch. */
typedef struct onednn_ask {
    int            rank, threads;
    hone_dtype     type_a, type_b, type_c, type_bias;
    int64_t        a_size[ONEDNN_RANK_MAX], a_stride[ONEDNN_RANK_MAX];
    int64_t        b_size[ONEDNN_RANK_MAX], b_stride[ONEDNN_RANK_MAX];
    int64_t        c_size[ONEDNN_RANK_MAX], c_stride[ONEDNN_RANK_MAX];
    bool           adds_c, bias; /* bias: a vector along the columns of c */
    int            b_layout;     /* above 0: b is packed so, and has no strides */
    hone_step_kind activation;   /* HONE_STEP_NONE, or one that is not refused */
} onednn_ask;

enum { ONEDNN_A, ONEDNN_B, ONEDNN_C, ONEDNN_BIAS, ONEDNN_SCRATCH, ONEDNN_OPERANDS };

/* Layouts of a packed b by their numbers here, 1 .. ONEDNN_LAYOUTS; 0: it is plain. Both versions mean the same by a
 * name: "onednn:BA16a64b" are blocks of 16 x 64, down the columns of blocks. */
enum { ONEDNN_LAYOUTS = 4 };
int         hone_onednn_layout_find(const char *name); /* 0: it is none of these */
const char *hone_onednn_layout_name(int layout);
bool        hone_onednn_packs(const onednn_library *library);
/* Which of them oneDNN would like b in; *bytes: of one such b. 0: none of them. */
int     hone_onednn_layout_wanted(const onednn_library *library, const onednn_ask *ask, int64_t *bytes);
int64_t hone_onednn_layout_bytes(const onednn_library *library, int layout, int64_t k, int64_t n);

/* What one launch at a time needs. */
typedef struct onednn_place {
    _Atomic(bool) taken;
    void         *stream, *memory[ONEDNN_OPERANDS];
} onednn_place;

enum { ONEDNN_PLACES = 4 }; /* launches of one plan at once; a further one makes its own place */

typedef struct onednn_product {
    const onednn_library *library;
    int                   threads;
    void                 *description, *primitive;
    onednn_layout         layout[ONEDNN_OPERANDS];
    bool                  has[ONEDNN_OPERANDS];
    size_t                scratch_bytes;
    char                  how[64]; /* what oneDNN calls its implementation */
    onednn_place          places[ONEDNN_PLACES];
} onednn_product;

/* NULL: its activation means what ours does. */
const char *hone_onednn_activation_refused(const onednn_library *library, hone_step_kind kind);

/* HONE_OK, HONE_ERROR_MEMORY, or HONE_ERROR_UNSUPPORTED with *why; on failure nothing is left to release. */
hone_status hone_onednn_product_make(const onednn_library *library, const onednn_ask *ask, onednn_product *out,
                                     const char **why);
/* The same for b's way into a layout (from ONEDNN_A, plain, to ONEDNN_C), or back where `unpack`. */
hone_status hone_onednn_reorder_make(const onednn_library *library, const onednn_ask *ask, bool unpack,
                                     onednn_product *out, const char **why);
void        hone_onednn_product_end(onednn_product *product);
hone_status hone_onednn_product_run(onednn_product *product, void *const at[ONEDNN_OPERANDS]);

#endif
