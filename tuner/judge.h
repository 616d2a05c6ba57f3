/* The judge: is a kernel's result right? It knows ops and kernels by their tables alone.
 *
 * For each kind of data the arguments of the problem are made with guard zones around them, outputs filled with NaN,
 * the kernel is run, and then, in this order: guard zones, padding and inputs untouched; no NaN left where there should
 * be none, over the whole output; and on all elements of a small output, or a seeded sample of a large one (its
 * corners, edges and the neighbours of tile ends among them), against the op's reference:
 *
 *     exact      integer data: equal bit for bit
 *     bounded    |got - truth| <= the bound derived by the op, and one rounding of the result
 *     relative   |got - truth| <= twice the largest error of the naive loop and u max|truth|, or what the op calls
 *                likely where that is more (and one rounding)
 *     biased     the signed errors of sums and products do not lean to one side: results are rounded, not cut
 *
 * NaN and infinities among the inputs must come out where the reference has them, and nowhere else. */
#ifndef HONE_TUNER_JUDGE_H
#define HONE_TUNER_JUDGE_H

#include "runtime/runtime.h"

typedef enum hone_fault {
    HONE_FAULT_NONE = 0,
    HONE_FAULT_STATUS,    /* the launch failed */
    HONE_FAULT_FOOTPRINT, /* it changed what it must not: a guard zone, an input, padding between rows, the float modes
                           */
    HONE_FAULT_MISSED,    /* an element was left unwritten, or NaN came from nowhere */
    HONE_FAULT_EXACT,
    HONE_FAULT_BOUNDED,
    HONE_FAULT_RELATIVE,
    HONE_FAULT_BIASED,
    HONE_FAULT_BITS /* a promise of equal bits (threads, runs, alignment) is broken */
} hone_fault;

typedef struct hone_verdict {
    hone_fault     fault;
    hone_data_kind data;     /* on which it was found */
    int            role;     /* which output */
    int64_t        element;  /* flat row-major index */
    double         got, truth, allowed;
    int64_t        compared; /* elements held against the reference */
    double         worst;    /* largest error, as a share of what was allowed */
    char           sentence[512];
} hone_verdict;

typedef struct hone_judge_options {
    uint64_t seed;
    int64_t  sample;     /* elements of an output that are compared; 0: 512, and all of those with up to 4,096 */
    bool     bits;       /* test the promises of equal bits too */
    bool     in_place;   /* let outputs be exactly the inputs that their roles allow */
    const hone_threads *threads; /* for the promise about threads; NULL: two of its own */
} hone_judge_options;

/* Judges one plan. A fault is a verdict, not a failure: HONE_OK is returned when judging itself went well. */
hone_status hone_judge_plan(hone_rt_context *context, const hone_rt_plan *plan, const hone_judge_options *options,
                            hone_verdict *out);

/* The same with any function in the launch's place: so that seeded faults can be judged. */
typedef hone_status (*hone_judge_launch)(void *self, const hone_rt_plan *plan, hone_be_stream *stream,
                                         const hone_arguments *arguments, hone_span scratch);
hone_status hone_judge_launch_of(hone_rt_context *context, const hone_rt_plan *plan, hone_judge_launch launch,
                                 void *self, const hone_judge_options *options, hone_verdict *out);

/* One problem's arguments and truths, made once for many plans: of this op and problem, on one device, and made for no
 * more than `alignment`. One thread at a time. `options` (may be NULL) is copied, its threads borrowed. */
typedef struct hone_judge_case hone_judge_case;

hone_status hone_judge_case_create(const hone_op *op, const void *problem, unsigned alignment,
                                   const hone_judge_options *options, hone_judge_case **out);
hone_status hone_judge_case_plan(hone_judge_case *judge_case, hone_rt_context *context, const hone_rt_plan *plan,
                                 hone_judge_launch launch, void *self, hone_verdict *out);
void        hone_judge_case_destroy(hone_judge_case *judge_case);

/* A small pool for launches on several threads: `count` of them, the caller's own among them. */
typedef struct hone_judge_pool hone_judge_pool;

hone_status         hone_judge_pool_create(int count, hone_judge_pool **out);
const hone_threads *hone_judge_pool_threads(hone_judge_pool *pool);
void                hone_judge_pool_destroy(hone_judge_pool *pool);

const char *hone_fault_text(hone_fault fault);

#endif
