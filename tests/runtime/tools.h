/* What the tests of the door share: saying what a call should answer, an allocator that counts and fails on command,
 * and the product as plain loops over tensors. */
#ifndef HONE_TESTS_RUNTIME_TOOLS_H
#define HONE_TESTS_RUNTIME_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <hone/hone.h>

/* The call succeeds, else its sentence is shown. */
#define works(call) tools_works((call), #call, __FILE__, __LINE__)

/* The call fails with this status and a sentence of its own that has all of `words`, "one|another". */
#define refused(call, status, words)                                                                                   \
    (tools_forget(), tools_refused((call), (status), (words), #call, __FILE__, __LINE__))

void tools_works(hone_status status, const char *call, const char *file, int line);
void tools_refused(hone_status got, hone_status status, const char *words, const char *call, const char *file,
                   int line);

void tools_forget(void); /* leaves a sentence behind that no call would say */
/* NULL: the last sentence is a new one, in order, and has all of `words`. Else what is wrong with it. */
const char *tools_sentence_lacks(const char *words);

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Sets the counting allocator for the whole process, or takes it away. */
void    tools_allocator_use(void);
void    tools_allocator_end(void);
int64_t tools_allocations(void); /* since the beginning */
int64_t tools_blocks(void);      /* that are out */
/* The nth allocation from now on fails, and with `for_ever` all behind it; n 0: none. */
void tools_allocator_fail(int64_t nth, int for_ever);
int  tools_allocator_failed(void); /* how many did, since then */

/* --- truth -------------------------------------------------------------------------------------------------------- */

/* c = steps(alpha * a * b + beta * c) for tensors in host memory that an op would take: any ranks, strides and
 * broadcasting; exact steps alone. Sums in double, each element rounded once. */
void tools_matmul(const hone_tensor *a, const hone_tensor *b, const hone_tensor *c, const hone_matmul_options *options);

/* Small integers, such that products of them are exact: -4 .. 4, from a seed. */
void tools_fill(hone_dtype type, void *memory, int64_t count, uint64_t seed);

#endif
