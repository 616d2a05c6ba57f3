/* What is asked of a packing: weights from any strides into a layout (kernels/matmul/layout.h), or back.
 *
 * Arguments: HONE_PACK_FROM and HONE_PACK_TO of op.h. The plain side has strides, the packed one has none: its matrices
 * stand one after the other. As text, extents first, then what is not the default:
 *
 *     matmul_pack f32 n 768x3072 b=n32 batch=12 ld=4096
 *
 * K x N of what is packed, which lies row-major (n) or column-major (t); s=ROWxCOLUMN are strides that no leading
 * dimension tells, bs= how far apart the plain matrices stand. unpack=1 goes from the layout back to plain. b_bytes= is
 * what one packed matrix takes, where the layout is a kernel's own.
 *
 * What lies beyond n in the last panel, and beyond k in its last group, is 0 after packing, and never read when
 * unpacking. */
#ifndef HONE_KERNELS_MATMUL_PACK_PROBLEM_H
#define HONE_KERNELS_MATMUL_PACK_PROBLEM_H

#include "kernels/matmul/layout.h"
#include "kernels/op.h"

typedef struct hone_matmul_pack_problem {
    uint8_t type, unpack; /* unpack: 1 from the layout to plain */
    uint8_t zero[6];
    int64_t k, n;
    int64_t row, column; /* strides of a plain matrix, in elements */
    int64_t count;       /* matrices */
    int64_t matrix;      /* from one plain matrix to the next; 0 where there is one */
    int64_t bytes;       /* of one packed matrix */
    char    layout[HONE_LAYOUT_NAME_MAX];
} hone_matmul_pack_problem;

_Static_assert(sizeof(hone_matmul_pack_problem) <= HONE_PROBLEM_MAX, "a problem must fit its slot");

extern const hone_op hone_matmul_pack_op;

#endif
