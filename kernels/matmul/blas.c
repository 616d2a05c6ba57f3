/* A problem as a BLAS sees it: blas.h says what for. */
#include "kernels/matmul/blas.h"

#include <string.h>

hone_isa hone_blas_cpu(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                   ? HONE_ISA_AVX512
                   : HONE_ISA_AVX2;
#endif
    return HONE_ISA_PORTABLE;
}

const char *hone_blas_isa_refuses(const hone_request *request)
{
    return request->device->cpu.isa < hone_blas_cpu() ? "HONE_ISA asks for less than what this library will use" : NULL;
}

int hone_blas_threads(const hone_request *request)
{
    return request->flags & HONE_REQUEST_CALLERS_THREADS ? 1 : request->threads;
}

/* How a matrix lies, and its leading dimension; strides of extents of 1 are nobody's. NULL: a BLAS takes it. */
static const char *lies(int64_t row, int64_t column, int64_t rows, int64_t columns, bool *transposed, int64_t *ld)
{
    int64_t leading;
    if ((column == 1 || columns <= 1) && (row >= columns || rows <= 1)) {
        *transposed = false;
        leading = rows <= 1 ? columns : row;
    } else if ((row == 1 || rows <= 1) && (column >= rows || columns <= 1)) {
        *transposed = true;
        leading = columns <= 1 ? rows : column;
    } else {
        return "an operand is contiguous along neither direction, or repeats or turns round its rows";
    }
    *ld = leading > 1 ? leading : 1;
    return NULL;
}

const char *hone_blas_shape_make(const hone_matmul_problem *problem, hone_blas_shape *out)
{
    hone_matmul_frame *f = &out->frame;
    bool               c_transposed;
    const char        *why;
    hone_matmul_frame_make(problem, f);
    out->b_transposed = false;
    out->ldb = 0;
    if ((why = lies(f->a_m, f->a_k, f->m, f->k, &out->a_transposed, &out->lda))) return why;
    if (!hone_matmul_packed_b(problem) && (why = lies(f->b_k, f->b_n, f->k, f->n, &out->b_transposed, &out->ldb)))
        return why;
    if ((why = lies(f->c_m, f->c_n, f->m, f->n, &c_transposed, &out->ldc))) return why;
    return c_transposed ? "c is contiguous along neither direction" : NULL;
}

/* Element by element, where a BLAS would leave the product out. */
void hone_blas_combine(const hone_blas_shape *shape, int64_t m, int64_t n, double alpha, const char *product,
                       double beta, char *c)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t at = i * shape->ldc + j, from = i * n + j;
            if (shape->frame.type == HONE_F32) {
                float x = (float)alpha * ((const float *)(const void *)product)[from], *out = (float *)(void *)c + at;
                *out = beta != 0 ? x + (float)beta * *out : x;
            } else {
                double x = alpha * ((const double *)(const void *)product)[from], *out = (double *)(void *)c + at;
                *out = beta != 0 ? x + beta * *out : x;
            }
        }
}

static void in_blocks(const hone_blas_shape *shape, hone_blas_call *call, const void *self, double alpha,
                      const hone_matmul_item *item, double beta)
{
    enum { BLOCK = 32 };
    const hone_matmul_frame *f = &shape->frame;
    char                     product[BLOCK * BLOCK * 8] __attribute__((aligned(64)));
    memset(product, 0, sizeof product);
    for (int64_t i = 0; i < f->m; i += BLOCK)
        for (int64_t j = 0; j < f->n; j += BLOCK) {
            const int64_t m = f->m - i < BLOCK ? f->m - i : BLOCK, n = f->n - j < BLOCK ? f->n - j : BLOCK;
            if (f->k)
                call(self, m, n, 1, item->a + i * f->a_m * f->bytes_a, item->b + j * f->b_n * f->bytes_b, 0, product,
                     n);
            hone_blas_combine(shape, m, n, alpha, product, beta, item->c + (i * f->c_m + j) * f->bytes_c);
        }
}

void hone_blas_product(const hone_blas_shape *shape, hone_blas_call *call, const void *self, double alpha,
                       const hone_matmul_item *item, double beta)
{
    const hone_matmul_frame *f = &shape->frame;
    if (alpha == 0 || !f->k)
        in_blocks(shape, call, self, alpha, item, beta);
    else
        call(self, f->m, f->n, alpha, item->a, item->b, beta, item->c, shape->ldc);
}

/* --- what it may take ------------------------------------------------------------------------------------------- */

static double peak_of(const hone_be_device *device, hone_dtype type)
{
    const hone_dtype listed = type == HONE_U8 ? HONE_S8 : type;
    const double measured =
        device->ceilings_known ? device->ceilings.flops[device->cpu.isa][listed][HONE_WIDTH_ONE] : 0;
    const double of_f32 = type == HONE_BF16 || type == HONE_F16 ? peak_of(device, HONE_F32) : 0; /* widened */
    const double lanes = (device->cpu.isa == HONE_ISA_PORTABLE ? 4 : 8) * (type == HONE_F64 ? 0.5 : 1);
    return measured > of_f32 ? measured : of_f32 > 0 ? of_f32 : 2 * 2 * 3e9 * lanes;
}

double hone_blas_estimate(const hone_request *request, const hone_blas_shape *shape, double share, double call_seconds)
{
    const hone_matmul_frame *f = &shape->frame;
    const double m = (double)f->m, n = (double)f->n, k = (double)f->k, items = (double)f->items;
    const double all = f->bytes_a * m * k + f->bytes_b * k * n + f->bytes_c * m * n;
    const double flops = 2 * k * (m > 4 ? m : 4) * (n > 8 ? n : 8);
    const double move = hone_matmul_read_seconds(request->device, 2 * all, all * items);
    const double threads = hone_blas_threads(request);
    return items * (call_seconds + (move + flops / (share * peak_of(request->device, f->type_a))) / threads);
}

int hone_blas_suggest(const hone_request *request, hone_config *configs, int cap)
{
    (void)request;
    if (cap < 1) return 0;
    memset(configs, 0, sizeof *configs);
    return 1;
}
