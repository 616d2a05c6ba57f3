/* What the tests of vendor modules share: the rows of one module, judged and put to the edges. */
#ifndef HONE_TESTS_MODULES_ROWS_H
#define HONE_TESTS_MODULES_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "kernels/matmul/problem.h"
#include "runtime/hall.h"
#include "runtime/modules.h"

extern hone_rt_context   *rows_context;
extern hone_be_device    *rows_device;
extern const hone_kernel *rows_kernels[HONE_RT_KERNELS_MAX];
extern int                rows_count;
extern const hone_kernel *rows_packed[HONE_RT_KERNELS_MAX]; /* those that read a packed b alone */
extern int                rows_packed_count;
extern uint64_t           rows_cases;

/* Opens hone with the modules of words[2], tried with words[1] (words[3]: how many cases), keeps the rows whose names
 * begin so, and runs the tests. 77 where there are none. */
int rows_main(int count, char **words, const char *prefix, const struct CMUnitTest *tests, size_t test_count);
#define ROWS_MAIN(count, words, prefix, tests)                                                                         \
    rows_main(count, words, prefix, tests, sizeof(tests) / sizeof((tests)[0]))

hone_request       rows_request(const hone_matmul_problem *p);
const hone_kernel *rows_find(const char *name); /* NULL: it is not here */

/* Every row on random problems: at least one in `one_in` must be taken. With or without steps behind the product. */
void rows_judge(bool steps, uint64_t one_in);
/* Those that read a packed b, in each layout that they offer. */
void rows_judge_packed(uint64_t one_in);
/* beta = 0 and c = NaN, alpha = 0 and NaN in b, k = 0, for each row. */
void rows_edges(void);
/* A product of 40 x 50 over k, every element of a as given, those of b 1 but for one in column 3. */
void rows_run(const hone_kernel *kernel, int64_t k, bool reads_c, double alpha, double beta, float a_value, float odd_b,
              float *c);
/* One launch of a plan for so many threads, with these flags, of a problem of at most 4096 elements an operand. */
void rows_launch(const hone_kernel *kernel, const hone_matmul_problem *p, int threads, unsigned flags);
/* 300 small products; NULL, or what failed. On one thread, and on four at once. */
void *rows_call_often(void *kernel);
void  rows_call_at_once(const hone_kernel *kernel);

#endif
