/* A library with what the module asks of MKL: plain loops, and a count of threads for each thread. It keeps what it was
 * set to while it multiplied, for the test to see. */
#include <stdio.h>

void MKL_Get_Version_String(char *out, int capacity);
int  MKL_Set_Num_Threads_Local(int count);
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);

_Atomic(int)             stand_in_calls_of_many; /* with any count but 1 */
static _Thread_local int local_count;

void MKL_Get_Version_String(char *out, int capacity)
{
    snprintf(out, (size_t)capacity, "Stand-in Version 2020.4 for tests");
}

int MKL_Set_Num_Threads_Local(int count)
{
    int former = local_count;
    local_count = count;
    return former;
}

#define GEMM(name, real)                                                                                               \
    void name(int order, int ta, int tb, int m, int n, int k, real alpha, const real *a, int lda, const real *b,       \
              int ldb, real beta, real *c, int ldc)                                                                    \
    {                                                                                                                  \
        static _Atomic(int) first = 1; /* the trial of 2 x 2 */                                                        \
        if (!first && (local_count != 1 || order != 101)) stand_in_calls_of_many++;                                    \
        first = 0;                                                                                                     \
        for (int i = 0; i < m; i++)                                                                                    \
            for (int j = 0; j < n; j++) {                                                                              \
                double sum = 0;                                                                                        \
                for (int l = 0; l < k; l++)                                                                            \
                    sum += (double)a[ta == 111 ? (long)i * lda + l : (long)l * lda + i] *                              \
                           (double)b[tb == 111 ? (long)l * ldb + j : (long)j * ldb + l];                               \
                real *out = c + (long)i * ldc + j;                                                                     \
                *out = (real)(beta == 0 ? alpha * sum : alpha * sum + (double)beta * *out);                            \
            }                                                                                                          \
    }
GEMM(cblas_sgemm, float)
GEMM(cblas_dgemm, double)
