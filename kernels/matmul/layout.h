/* Named layouts of b: what a tag means, for all who read it. Modules include this too, so all of it is inline.
 *
 *     nW       hone's own, n32 say: panels of W columns over the whole of k, the last one filled up with zeros.
 *              Element (k, j) of b stands at ((j / W) * K + k) * W + j % W; so k may be cut anywhere.
 *
 *              b  K ┌──W──┬──W──┬─┐       memory  │ K lines of W │ K lines of W │ K lines of W │
 *                   └─────┴─────┴─┘
 *
 *     nWkG     the same, G (2, 4 or 8) consecutive k of a column together, as dot-product instructions read them,
 *              n32k4 say: element (k, j) stands at ((j / W) * ceil(K / G) + k / G) * W * G + (j % W) * G + k % G. What
 *              lies beyond K in the last group is 0 too. Elements of four bits lie two in a byte, the low half first:
 *              of n32k8 each word of 32 bits is eight k of one column.
 *
 *     who:...  a kernel's own, "onednn:BA16a64b" say: nobody else looks inside. What it takes is told beside the tag.
 *
 * The matrices of a batch stand one after the other. */
#ifndef HONE_KERNELS_MATMUL_LAYOUT_H
#define HONE_KERNELS_MATMUL_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/size.h"
#include "kernels/op.h"

enum { HONE_MATMUL_WIDTH_MAX = 1024 };

/* W of hone's own "nW" and "nWkG"; 0: the tag is none of those. */
static inline int64_t hone_matmul_layout_width(const char *tag)
{
    int64_t width = 0;
    int     i = 1;
    if (tag[0] != 'n' || tag[1] < '1' || tag[1] > '9') return 0;
    for (; tag[i] >= '0' && tag[i] <= '9'; i++) {
        if (i > 4) return 0;
        width = 10 * width + tag[i] - '0';
    }
    if (tag[i] && (tag[i] != 'k' || (tag[i + 1] != '2' && tag[i + 1] != '4' && tag[i + 1] != '8') || tag[i + 2]))
        return 0;
    return width <= HONE_MATMUL_WIDTH_MAX ? width : 0;
}

/* G of one of hone's own; 1: they stand alone. */
static inline int64_t hone_matmul_layout_group(const char *tag)
{
    const char *k = hone_matmul_layout_width(tag) ? strchr(tag, 'k') : NULL;
    return k ? k[1] - '0' : 1;
}

/* A kernel's own: printable, no blanks and no '=', a ':' with something on both sides. */
static inline bool hone_matmul_layout_foreign(const char *tag)
{
    const char *colon = strchr(tag, ':');
    if (!colon || colon == tag || !colon[1]) return false;
    for (const char *at = tag; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '=') return false;
    return true;
}

/* Is it a tag, ended by a zero, with nothing but zeros behind? */
static inline bool hone_matmul_layout_legal(const char tag[HONE_LAYOUT_NAME_MAX])
{
    size_t length = strnlen(tag, HONE_LAYOUT_NAME_MAX);
    if (length == HONE_LAYOUT_NAME_MAX) return false;
    for (size_t i = length; i < HONE_LAYOUT_NAME_MAX; i++)
        if (tag[i]) return false;
    return hone_matmul_layout_width(tag) || hone_matmul_layout_foreign(tag);
}

/* Bytes of one k x n matrix in panels of `width` columns, `group` of k together, of elements of 4 bits or of whole
 * bytes. False: they overflow. */
static inline bool hone_matmul_layout_bytes(int64_t width, int64_t group, int element_bits, int64_t k, int64_t n,
                                            int64_t *out)
{
    int64_t columns, rows, elements;
    if (!hone_extent_mul(hone_divide_up(n, width), width, &columns) ||
        !hone_extent_mul(hone_divide_up(k, group), group, &rows) || !hone_extent_mul(columns, rows, &elements))
        return false;
    if (element_bits >= 8) return hone_extent_mul(elements, element_bits / 8, out);
    *out = elements / 2 + elements % 2;
    return true;
}

/* Does each line of a plain matrix begin with a byte? Of elements of four bits one of its strides must be 1 then, and
 * the other even; strides of extents of 1 nobody follows. */
static inline bool hone_matmul_lines_whole(int element_bits, int64_t k, int64_t n, int64_t row, int64_t column)
{
    const bool rows = (column == 1 || n <= 1) && (row % 2 == 0 || k <= 1);
    const bool columns = (row == 1 || k <= 1) && (column % 2 == 0 || n <= 1);
    return element_bits >= 8 || rows || columns;
}

/* What a line of so many elements takes at least: of four bits, pairs. */
static inline int64_t hone_matmul_line(int element_bits, int64_t extent)
{
    return extent + (element_bits == 4 && extent % 2 && extent < INT64_MAX);
}

/* Where element (at, column) stands, of k rows. */
static inline int64_t hone_matmul_layout_at(int64_t width, int64_t group, int64_t k, int64_t at, int64_t column)
{
    return ((column / width) * hone_divide_up(k, group) + at / group) * width * group + column % width * group +
           at % group;
}

/* Of an nW: where column `column` begins; from there its rows stand `width` apart. */
static inline int64_t hone_matmul_layout_column(int64_t width, int64_t k, int64_t column)
{
    return column / width * k * width + column % width;
}

#endif
