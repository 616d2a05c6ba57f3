/* The parts of the matmul op, one a file; op.c puts them into its table. */
#ifndef HONE_KERNELS_MATMUL_PARTS_H
#define HONE_KERNELS_MATMUL_PARTS_H

#include "kernels/matmul/problem.h"

void        hone_matmul_print(const void *problem, char *out, size_t capacity);                   /* text.c */
hone_status hone_matmul_parse(const char *text, void *problem);
const char *hone_step_name(int64_t kind); /* "?": none */

hone_status hone_matmul_check(const void *problem);                                                /* op.c */
int         hone_matmul_roles(const void *problem, hone_role roles[HONE_ROLES_MAX]);

hone_status hone_matmul_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                              hone_truth *truth);                                                  /* reference.c */
/* The whole product, by plain loops. */
void        hone_matmul_plainly(const hone_matmul_problem *p, const hone_arguments *arguments);
bool        hone_matmul_exact(const void *problem, hone_data_kind kind);                            /* data.c */
hone_status hone_matmul_generate(const void *problem, hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                 hone_scalar *scalars);
/* The same for arguments of other shapes that are summed as this problem's are. */
hone_status hone_matmul_generate_for(const hone_matmul_problem *p, const hone_role *roles, int count,
                                     hone_data_kind kind, uint64_t seed, const hone_arguments *into,
                                     hone_scalar *scalars);
hone_status hone_matmul_gradient(const void *problem, hone_gradient *out);                         /* gradient.c */
const char *const *hone_matmul_suite(const char *name);                                             /* suites.c */
void        hone_matmul_random(uint64_t seed, double flops, void *problem);                        /* random.c */

/* Dense strides of batches whose matrices take `matrix` elements, or of none (shared) where that is 0. False: they
 * overflow. */
bool hone_matmul_dense_batch(const hone_matmul_problem *p, int64_t matrix, int64_t stride[HONE_BATCH_MAX]);

/* The places that a rows x columns matrix takes from one of a batch to the next. False: it overflows. */
bool hone_matmul_matrix_places(int64_t rows, int64_t columns, int64_t row, int64_t column, int64_t *out);

/* Strides of scales or zeros along extents below 2, which nobody follows, as they are where the text does not tell. */
void hone_matmul_groups_settle(const hone_matmul_problem *p, hone_matmul_groups *lie);

/* A problem of this type and size, dense, no batch, no steps. */
hone_matmul_problem hone_matmul_plain(hone_dtype type, int64_t m, int64_t n, int64_t k);

#endif
