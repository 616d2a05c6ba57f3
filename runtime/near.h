/* Rows made into what prediction knows (runtime/predict.h): for the choice, and for the price of guessing. */
#ifndef HONE_RUNTIME_NEAR_H
#define HONE_RUNTIME_NEAR_H

#include "runtime/measured.h"
#include "runtime/predict.h"

/* False: this process cannot use what the row says is best, or not read its problem. *out points into *problem. */
bool hone_rt_known_of(const hone_rt_row *row, const hone_be_device *device, const hone_op *op,
                      const hone_kernel *const *kernels, int count, hone_rt_problem *problem, hone_rt_known *out);

#endif
