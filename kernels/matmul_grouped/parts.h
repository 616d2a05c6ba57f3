/* The parts of the grouped op, one a file; op.c puts them into its table. */
#ifndef HONE_KERNELS_MATMUL_GROUPED_PARTS_H
#define HONE_KERNELS_MATMUL_GROUPED_PARTS_H

#include "kernels/matmul_grouped/problem.h"

hone_status hone_matmul_grouped_check(const void *problem);                                          /* op.c */
int         hone_matmul_grouped_roles(const void *problem, hone_role roles[HONE_ROLES_MAX]);

void        hone_matmul_grouped_print(const void *problem, char *out, size_t capacity);              /* text.c */
hone_status hone_matmul_grouped_parse(const char *text, void *problem);
/* The strides of groups that are not told: dense. False: they overflow. */
bool hone_matmul_grouped_usual(const hone_matmul_grouped_problem *p, int64_t *group_stride,
                               int64_t step_group[HONE_STEPS_MAX]);

void        hone_matmul_grouped_random(uint64_t seed, double flops, void *problem);                  /* data.c */
hone_status hone_matmul_grouped_generate(const void *problem, hone_data_kind kind, uint64_t seed,
                                         const hone_arguments *into, hone_scalar *scalars);
bool        hone_matmul_grouped_exact(const void *problem, hone_data_kind kind);

hone_status hone_matmul_grouped_truth(const void *problem, const hone_arguments *before, const hone_sample *sample,
                                      hone_truth *truth);                                            /* reference.c */
hone_status hone_matmul_grouped_gradient(const void *problem, hone_gradient *out);                   /* gradient.c */

#endif
