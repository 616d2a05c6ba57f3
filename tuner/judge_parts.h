/* What the judge's files share: the memory of a case (judge_memory.c), and what it is held against (judge_compare.c).
 */
#ifndef HONE_TUNER_JUDGE_PARTS_H
#define HONE_TUNER_JUDGE_PARTS_H

#include "tuner/judge.h"

/* The memory of one argument:
 *
 *     guard | item 0 | guard | guard | item 1 | guard | ...        an item: from the lowest byte touched to the highest
 *
 * `live` is what a kernel sees, at a distance of `shift` from where it begins, so that the same content can be had at
 * other alignments; `before[kind]` is what it held before any launch. Arrays of pointers have one for each. */
typedef struct hone_judge_memory {
    hone_role      role;
    hone_direction direction; /* HONE_UNUSED: no memory; an alias has that of the other */
    int            alias;     /* the argument whose memory this is; -1: its own */
    int64_t        items, count; /* count: elements of one item */
    size_t         guard, bytes, item_bytes, first; /* first: element 0, ..., 0 of item 0, from the beginning */
    int            element_bytes; /* gathered; of four bits, 1 */
    char          *live, *before[HONE_DATA_COUNT];
    void         **table, **table_before[HONE_DATA_COUNT]; /* indirect: pointers; with a guard on both sides */
    char          *got;   /* outputs: what a launch left, elements in row-major order */
    char          *bits;  /* outputs: what the first launch left, for promises of equal bits */
    /* what is looked at, of outputs */
    int64_t     sample_count;
    int64_t    *sample;
    hone_truth *truth[HONE_DATA_COUNT];
} hone_judge_memory;

struct hone_judge_case {
    const hone_op     *op;
    hone_rt_problem    problem;
    hone_judge_options options;
    unsigned           alignment;
    int                count, scalar_count;
    hone_judge_memory  memory[HONE_ROLES_MAX];
    bool               made[HONE_DATA_COUNT];
    hone_scalar        scalars[HONE_DATA_COUNT][HONE_SCALARS_MAX];
    hone_judge_pool   *pool; /* made when first needed */
    double            *errors; /* room for the largest sample, twice */
    const char        *kernel; /* whose plan is judged */
    /* An argument in a layout that only its kernel knows: data are made for the plain problem, and packed; results are
     * held against the plain problem's reference. */
    bool         opaque;
    hone_packing packing;
    hone_role    plain; /* of the plain problem, in its place */
    char        *plain_before[HONE_DATA_COUNT];
};

/* The problem whose data and truth are asked for. */
static inline const void *hone_judge_asked(const hone_judge_case *c)
{
    return c->opaque ? c->packing.plain.bytes : c->problem.bytes;
}

enum { HONE_JUDGE_POINTER_GUARD = 16 }; /* pointers before and behind an array of them */

/* Who did what on which problem. */
void hone_judge_sentence(const hone_judge_case *c, hone_fault fault, const char *what, char *out, size_t capacity);

hone_status hone_judge_memory_make(hone_judge_case *c);
void        hone_judge_memory_free(hone_judge_case *c);

/* The arguments as they lie in `before[kind]`, what is opaque in its plain form; spans must hold HONE_ROLES_MAX. */
hone_arguments hone_judge_before(hone_judge_case *c, hone_data_kind kind, hone_span *spans);
/* Makes the inputs of this kind, if they are not there yet; packs what is opaque, for the plan's device. */
hone_status hone_judge_data(hone_judge_case *c, hone_data_kind kind, hone_rt_context *context,
                            const hone_request *request);
/* Puts them where a launch finds them, `shift` bytes on (less than 128). */
hone_arguments hone_judge_lay_out(hone_judge_case *c, hone_data_kind kind, size_t shift, hone_span *spans);
/* Gathers what a launch wrote, then looks at all the rest: false, with the argument and a word for the place, where
 * something changed. */
bool hone_judge_gather(hone_judge_case *c, hone_data_kind kind, size_t shift, int *role, const char **place);

/* Whether an element was left as it was filled. */
bool   hone_judge_unwritten(const hone_judge_memory *m, int64_t element);
double hone_judge_value(const hone_judge_memory *m, const char *elements, int64_t element);

/* Which elements of the outputs are looked at. */
hone_status hone_judge_sample(hone_judge_case *c);
/* Holds what was gathered against the truth; fills *out where it fails. */
hone_status hone_judge_compare(hone_judge_case *c, hone_data_kind kind, hone_verdict *out);

#endif
