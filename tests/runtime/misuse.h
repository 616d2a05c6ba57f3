/* What the misuse tests share: a table of calls that must be answered with a status and a sentence, or, where they only
 * look wrong, with the right result.
 *
 *     case      begin: everything stands as when the world was made      the row's edit      the call      finish
 *     finish    status and words as the row says; outputs, guards and inputs untouched; nothing new in memory;
 *               and the same stream still computes a right product */
#ifndef HONE_TESTS_RUNTIME_MISUSE_H
#define HONE_TESTS_RUNTIME_MISUSE_H

#include "tests/runtime/tools.h"

enum { ARENA = 65536, DEAD = 8 };

/* What the rows change. The arena holds all host memory that calls are given, so that one comparison finds whatever was
 * written. */
typedef struct world {
    hone_context *hone, *other;
    hone_device  *cpu, *other_cpu;
    hone_stream  *stream, *other_stream;
    hone_event   *event, *other_event;
    hone_buffer  *buffer, *other_buffer; /* 4096 bytes */
    hone_plan    *plan, *many_plan;      /* of a, b, c as they stand; two items */
    hone_matmul_weights *weights, *other_weights; /* of a b as it stands */
    void         *dead[DEAD];            /* by hone_handle_kind's numbers: 1 context ... 7 weights */
    void         *alive[DEAD];

    hone_tensor         a, b, c, t[HONE_STEPS_MAX];
    const hone_tensor  *a_at, *b_at, *c_at; /* what is given for them */
    hone_matmul_options options;
    const hone_matmul_options *options_at;
    int64_t             count; /* of arrays of pointers */
    const void         *a_items[4], *b_items[4];
    void               *c_items[4];
    const void *const  *a_array, *const *b_array;
    void *const        *c_array;

    hone_operand        operand[HONE_MATMUL_OPERANDS];
    double              value[HONE_MATMUL_VALUES];
    hone_plan_arguments arguments;
    hone_context_options context_options;
    hone_threads        threads;
    hone_device_facts   facts;
    hone_matmul_pack_options  packing;
    hone_matmul_weights_facts packed; /* as a saved b of 5 x 3 in panels of 8 */
} world;

extern char arena[ARENA]; /* all host memory that calls are given */
extern int  misuse_cases, misuse_refusals;

/* Where things lie in the arena. */
enum { A_AT = 1024, B_AT = 4096, C_AT = 8192, T_AT = 16384, SECOND = 1024, SCRATCH_AT = 32768, SCRATCH = 24576 };

/* Everything as it was made, but for what only handles know. */
void misuse_begin(world *w);
/* Before a call: what it may not change is remembered. */
void misuse_freeze(void);
/* A row that fails is told, and the others are still asked. */
void misuse_fail(const char *what, const char *row, const char *door, const char *file, int line);
/* After a call that must change nothing: a refusal, or what is empty. */
void misuse_expect(world *w, hone_status got, hone_status status, const char *words, const char *row, const char *door,
                   const char *file, int line);
/* A small product of another shape, on the stream that was just misused. */
void misuse_still_multiplies(world *w);

/* One handle of each kind, by hone_handle_kind's numbers; and their end, the context's too. */
void misuse_handles_make(hone_context *context, void *out[DEAD]);
void misuse_handles_end(void *const handle[DEAD]);

/* For cmocka: of a test, of all of them. */
int misuse_none_wrong(void **state);
int misuse_set_up(void **state);
int misuse_tear_down(void **state);

static inline void set_step(world *w, int s, hone_step_kind kind, hone_tensor *t)
{
    w->options.steps[s] = (hone_step){kind, 2, t};
    if (w->options.step_count <= s) w->options.step_count = s + 1;
}

#define CASE(status, words, ...)                                                                                       \
    do {                                                                                                               \
        misuse_freeze();                                                                                               \
        hone_status case_gave = (__VA_ARGS__);                                                                         \
        misuse_expect(w, case_gave, status, words, #__VA_ARGS__, NULL, __FILE__, __LINE__);                            \
        misuse_begin(w);                                                                                               \
    } while (0)

#endif
