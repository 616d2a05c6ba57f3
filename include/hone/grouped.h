/* Grouped matrix products: rows in groups, each multiplied by a b of its own, as the experts of a mixture are. */
#ifndef HONE_GROUPED_H
#define HONE_GROUPED_H

#include <hone/api.h>
#include <hone/matmul.h>
#include <hone/plan.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** c = a * b by groups, with what `options` adds (NULL: nothing), queued on `stream`; may return before it is done.
 *  Group g is offsets[g] .. offsets[g+1]-1, and one of two things is asked, told by the ranks:
 *
 *      a rows x k, b groups x k x n, c rows x n:
 *          c[rows of g] = steps(alpha * a[rows of g] * b[g] + beta * c[rows of g])
 *
 *      a m x rows, b rows x n, c groups x m x n:
 *          c[g] = alpha * a[:, rows of g] * b[rows of g] + beta * c[g]
 *
 *  The second is the gradient of the first's b, and takes no steps. offsets is a vector of groups + 1 s32 or s64, one
 *  after another; they may not fall, nor leave 0 .. rows: HONE_ERROR_ARGUMENT, with c untouched. They are read when it
 *  runs. A group may be empty (the second: its c becomes beta * c), and rows of no group are left as they are. The
 *  operand of a bias or of a scale of columns is a vector for all groups, or groups x n; other operands follow the rows
 *  of c. Types are those of hone_matmul's real numbers; any strides. Operands are borrowed until the stream passes; c
 *  must not share an element with another (a residual may be exactly c). One stream, one thread at a time. */
HONE_API HONE_MUST_USE hone_status hone_matmul_grouped(hone_stream *stream, const hone_tensor *a, const hone_tensor *b,
                                                       const hone_tensor *offsets, hone_tensor *c,
                                                       const hone_matmul_options *options);

/* Operands of a grouped plan: those of a matmul plan, and the offsets behind them. Values are a matmul plan's. */
enum {
    HONE_MATMUL_GROUPED_OFFSETS = HONE_MATMUL_STEP0 + HONE_STEPS_MAX,
    HONE_MATMUL_GROUPED_OPERANDS
};

/** A plan that the caller holds, for every routing of this many rows or fewer: offsets are an operand of each run, and
 *  bad ones are HONE_ERROR_ARGUMENT then. All else as hone_matmul_plan. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_matmul_grouped_plan(hone_device *device, const hone_tensor *a,
                                                            const hone_tensor *b, const hone_tensor *offsets,
                                                            const hone_tensor *c, const hone_matmul_options *options,
                                                            hone_plan **out);

#ifdef __cplusplus
}
#endif
#endif
