/* What the vendor libraries' rows share: a problem as a BLAS sees it, whatever the library, and how many of its own
 * threads it may use. Compiled into each module. */
#ifndef HONE_KERNELS_MATMUL_BLAS_H
#define HONE_KERNELS_MATMUL_BLAS_H

#include "kernels/matmul/frame.h"

/* A frame whose c lies along its rows; each operand plain or transposed, with its leading dimension. */
typedef struct hone_blas_shape {
    hone_matmul_frame frame;
    bool              a_transposed, b_transposed;
    int64_t           lda, ldb, ldc;
} hone_blas_shape;

/* NULL, or why a BLAS has no words for it. Types and steps are not looked at, nor a b that is packed (ldb 0). */
const char *hone_blas_shape_make(const hone_matmul_problem *problem, hone_blas_shape *out);

/* c = alpha * a * b + beta * c of the library itself: m x n of it at these addresses, over all of k. */
typedef void hone_blas_call(const void *self, int64_t m, int64_t n, double alpha, const char *a, const char *b,
                            double beta, char *c, int64_t ldc);

/* One matrix of the batch. A BLAS takes alpha = 0 and k = 0 for leave to read nothing; where NaN is in a or b it must
 * come out all the same, so for alpha = 0 the product is made in blocks beside c. */
void hone_blas_product(const hone_blas_shape *shape, hone_blas_call *call, const void *self, double alpha,
                       const hone_matmul_item *item, double beta);

/* c = alpha * product + beta * c of m x n elements; the product is dense. */
void hone_blas_combine(const hone_blas_shape *shape, int64_t m, int64_t n, double alpha, const char *product,
                       double beta, char *c);

/* What this CPU can do, and a library that looks for itself will use. */
hone_isa hone_blas_cpu(void);

/* NULL, or that the context was told to use less of the CPU than a library would. */
const char *hone_blas_isa_refuses(const hone_request *request);

/* How many threads a library may use for it: its own, so only the calling one beside a pool that the caller brought. */
int hone_blas_threads(const hone_request *request);

/* Seconds: `share` of the peak of that many threads, both operands packed once more, and what a call costs. */
double hone_blas_estimate(const hone_request *request, const hone_blas_shape *shape, double share, double call_seconds);

/* The one configuration of a row without a space. */
int hone_blas_suggest(const hone_request *request, hone_config *configs, int cap);

#endif
