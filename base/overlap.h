/* Do strided views share memory? Decided exactly, within a bound on the work. */
#ifndef HONE_BASE_OVERLAP_H
#define HONE_BASE_OVERLAP_H

#include <stdint.h>

/* A view: its element 0, ..., 0 lies at `at`; strides are in elements. Its whole reach in bytes must fit 63 bits. */
typedef struct hone_strided {
    const void    *at;
    int64_t        element_bytes;
    int            rank; /* at most HONE_RANK_MAX */
    const int64_t *shape, *stride;
} hone_strided;

typedef enum hone_overlap { HONE_DISJOINT = 0, HONE_OVERLAPS, HONE_OVERLAP_UNDECIDED } hone_overlap;

/* Do two views share a byte? */
hone_overlap hone_overlap_of(const hone_strided *a, const hone_strided *b);

/* Do two different indices of one view name the same element? `at` does not count. */
hone_overlap hone_overlap_within(const hone_strided *view);

#endif
