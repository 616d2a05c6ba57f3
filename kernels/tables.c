/* The tables of ops and kernels, each from one list. */
#include "kernels/kernel.h"

#define HONE_OP(name) extern const hone_op name;
#include "kernels/ops.def"
#undef HONE_OP

const hone_op *const hone_ops[] = {
#define HONE_OP(name) &name,
#include "kernels/ops.def"
#undef HONE_OP
    NULL};

#define HONE_KERNEL(name) extern const hone_kernel name;
#include "kernels/kernels.def"
#undef HONE_KERNEL

const hone_kernel *const hone_kernels[] = {
#define HONE_KERNEL(name) &name,
#include "kernels/kernels.def"
#undef HONE_KERNEL
    NULL};
