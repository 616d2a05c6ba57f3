/* The CBLAS libraries of this machine, as cblas.c calls them. None is linked: each is opened where it is found. */
#ifndef HONE_KERNELS_MATMUL_CBLAS_H
#define HONE_KERNELS_MATMUL_CBLAS_H

#include <pthread.h>

#include "kernels/module.h"

enum { CBLAS_ROW_MAJOR = 101, CBLAS_PLAIN = 111, CBLAS_TRANSPOSED = 112 };

typedef void cblas_sgemm_function(int order, int transposed_a, int transposed_b, int m, int n, int k, float alpha,
                                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void cblas_dgemm_function(int order, int transposed_a, int transposed_b, int m, int n, int k, double alpha,
                                  const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc);

/* How a library is kept to a number of threads while it works for us. */
typedef enum cblas_threads {
    CBLAS_NEVER_MORE,   /* it has no threads */
    CBLAS_LOCAL_COUNT,  /* it keeps a count a thread: set and put back around each call */
    CBLAS_SHARED_COUNT, /* one count for the process: set by the first of our calls, put back by the last */
    CBLAS_FIXED_COUNT   /* no safe way: it is used only where its count is that already */
} cblas_threads;

typedef struct cblas_library {
    char                  identity[96]; /* "openblas 0.3.21 SkylakeX" */
    double                share;        /* of the CPU's peak, that it is presumed to reach */
    cblas_sgemm_function *sgemm;
    cblas_dgemm_function *dgemm;
    cblas_threads         threads;
    int (*count)(void);
    void (*set_count)(int count);
    int (*set_local_count)(int count); /* gives the former */
    pthread_mutex_t lock;
    int             inside, inside_count, outside_count; /* our calls in it, its count now, and before the first */
} cblas_library;

enum { CBLAS_OPENBLAS, CBLAS_BLIS, CBLAS_MKL, CBLAS_REFERENCE, CBLAS_LIBRARIES };

/* In that order; sgemm == NULL: it is not here. */
extern cblas_library hone_cblas_libraries[CBLAS_LIBRARIES];

/* Opens what there is, and says what is wrong with it. */
void hone_cblas_find(const hone_host *host);

#endif
