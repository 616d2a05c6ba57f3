/* What the doors of matmul share: tensors become a problem, its operands and its scalars (ops/matmul.c). */
#ifndef HONE_RUNTIME_OPS_MATMUL_H
#define HONE_RUNTIME_OPS_MATMUL_H

#include "kernels/matmul/problem.h"
#include "runtime/hall.h"
#include "runtime/ops/weights.h"

/* The parts of a call. Operands stand in the order of the op's roles. */
typedef struct hone_rt_matmul_call {
    hone_matmul_problem problem;
    bool                empty; /* c has no elements: nothing happens */
    int                 operands, scalars;
    const hone_rt_weights *weights; /* b is packed; its tensor stands for them; NULL: it is plain */
    const hone_tensor  *tensor[HONE_MATMUL_OPERANDS]; /* NULL: the step has none */
    hone_rt_view        view[HONE_MATMUL_OPERANDS];
    int64_t             four_bits; /* bytes of a plain b of such elements */
    hone_span           span[HONE_MATMUL_OPERANDS];
    hone_scalar         scalar[HONE_MATMUL_VALUES];
} hone_rt_matmul_call;

hone_status hone_rt_matmul_describe(hone_rt_matmul_call *call, const hone_be_device *device, const hone_tensor *a,
                                    const hone_tensor *b, const hone_tensor *c, const hone_matmul_options *options,
                                    hone_rt_data data);

/* What is written lies apart from all else, or is a residual in place? By the tensors and views as they stand. */
hone_status hone_rt_matmul_check_overlap(const hone_rt_matmul_call *call);

/* The class of alignment that all operands have, and this address as well. */
unsigned hone_rt_matmul_alignment(const hone_rt_matmul_call *call, uintptr_t also);

#endif
