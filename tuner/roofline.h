/* The roofline of a problem: the least time that arithmetic and traffic can take on a device, by its ceilings. */
#ifndef HONE_TUNER_ROOFLINE_H
#define HONE_TUNER_ROOFLINE_H

#include "kernels/kernel.h"

typedef struct hone_roof {
    double      seconds;          /* 0: the ceilings it needs are not known */
    double      flops, bandwidth; /* the ceilings it rests on */
    const char *bound;            /* what decides: "arithmetic", "L2", "memory", ...; static */
} hone_roof;

/* `cold`: operands come from memory; else from the nearest level that holds them all. */
hone_roof hone_roof_of(const hone_request *request, bool cold);

/* The type that a problem computes in: that of its first argument. */
hone_dtype hone_type_of(const hone_op *op, const void *problem);

#endif
