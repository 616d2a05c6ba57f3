/* Plans: a kernel and its configuration made ready for one problem. Level 0 keeps them for the caller; here the caller
 * holds one, and pays for no look-up. */
#ifndef HONE_PLAN_H
#define HONE_PLAN_H

#include <hone/api.h>
#include <hone/buffer.h>
#include <hone/status.h>
#include <hone/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_plan hone_plan;

/** Where one argument lies: host memory, or `offset` bytes into a buffer. */
typedef struct hone_operand {
    hone_buffer *buffer; /* NULL: host memory */
    void        *host;   /* the element of index 0, ..., 0 */
    size_t       offset;
    size_t       bytes;  /* how much is there from that element on; 0: not told, not checked */
} hone_operand;

/** What one run of a plan is given. The order of operands and values is told by the operation's own header. */
typedef struct hone_plan_arguments {
    size_t              size;    /* sizeof(hone_plan_arguments) */
    const hone_operand *operands;
    int                 operand_count;
    int                 value_count;
    const double       *values;
    hone_operand        scratch; /* at least hone_plan_scratch bytes, aligned to 64; not shared with a running plan */
    int64_t             items;   /* for arrays of pointers: how many; else 0 */
} hone_plan_arguments;

/** How much scratch a run needs. */
HONE_API HONE_MUST_USE hone_status hone_plan_scratch(hone_plan *plan, size_t *bytes);

/** Runs the plan on `stream`, which must be of the plan's device: no look-up, no allocation, no lock. Plans are
 *  immutable: many streams may run one at a time each. The operands are borrowed until the stream passes; that they
 *  do not overlap is the caller's promise here. Operands less aligned than the plan was made for, missing ones, and
 *  scratch too small are HONE_ERROR_ARGUMENT and nothing is run. */
HONE_API HONE_MUST_USE hone_status hone_plan_run(hone_stream *stream, hone_plan *plan,
                                                 const hone_plan_arguments *arguments);

/** One line about the plan: problem, kernel, configuration, and by which rule it was chosen. Always ended by a zero,
 *  cut where `capacity` is too small. */
HONE_API HONE_MUST_USE hone_status hone_plan_describe(hone_plan *plan, char *out, size_t capacity);

/** Gives back the caller's hold. NULL is fine. Streams that still run it must have been waited for. */
HONE_API hone_status hone_plan_destroy(hone_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
