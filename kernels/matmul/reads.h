/* What is done to a and b while they are read, as cpu.packed does it: slopes, to the copies that tiles read, and sums
 * along k. The steps themselves are told in hone/matmul.h.
 *
 * Copies are of the type of arithmetic. Sums grow over the blocks of k in a room of their own and are written when they
 * are whole, as their operand may have fewer bits. */
#ifndef HONE_KERNELS_MATMUL_READS_H
#define HONE_KERNELS_MATMUL_READS_H

#include "kernels/matmul/frame.h"

/* Which of them a problem asks for. */
typedef struct hone_matmul_reads {
    bool slopes_a, slopes_b, sums_a, sums_b;
    bool alone; /* there are no others */
} hone_matmul_reads;

void hone_matmul_reads_make(const hone_matmul_frame *frame, hone_matmul_reads *out);

/* The steps of a and b of one matrix, taken out of those that its end goes through. */
typedef struct hone_matmul_reading {
    int               count;
    hone_epilogue_now step[HONE_STEPS_MAX];
} hone_matmul_reading;

void hone_matmul_reading_take(hone_matmul_item *item, int step_count, hone_matmul_reading *out);

/* The slopes of a (HONE_OPERAND_A) or b, done in place to a copy of `lines` x `length` elements that begins at
 * element (row, column) of the operand; across: a line of the copy is a column of it. */
void hone_matmul_reading_slopes(const hone_matmul_reading *reading, hone_step_operand operand,
                                const hone_matmul_kit *kit, hone_dtype type, void *copy, int64_t lines, int64_t length,
                                int64_t line, int64_t row, int64_t column, bool across);

/* Writes whole sums of a (b), `count` of them in the type of arithmetic, from line `first` of the operand on. */
void hone_matmul_reading_put(const hone_matmul_reading *reading, hone_step_kind kind, hone_dtype type, const void *sums,
                             int64_t first, int64_t count);

#endif
