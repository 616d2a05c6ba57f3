/* Steps of a and b: see reads.h. */
#include "kernels/matmul/reads.h"

#include "base/element.h"

void hone_matmul_reads_make(const hone_matmul_frame *frame, hone_matmul_reads *out)
{
    *out = (hone_matmul_reads){.alone = frame->step_count > 0};
    for (int s = 0; s < frame->step_count; s++) {
        const hone_step_kind    kind = (hone_step_kind)frame->step[s].kind;
        const hone_step_operand form = hone_step_operand_of(kind);
        out->slopes_a |= form == HONE_OPERAND_A;
        out->slopes_b |= form == HONE_OPERAND_B;
        out->sums_a |= kind == HONE_STEP_SUM_A;
        out->sums_b |= kind == HONE_STEP_SUM_B;
        out->alone &= hone_step_of_operand(kind);
    }
}

void hone_matmul_reading_take(hone_matmul_item *item, int step_count, hone_matmul_reading *out)
{
    out->count = 0;
    for (int s = 0; s < step_count; s++) {
        if (!hone_step_of_operand(item->step[s].kind)) continue;
        out->step[out->count++] = item->step[s];
        item->step[s] = (hone_epilogue_now){.kind = HONE_STEP_NONE};
    }
}

void hone_matmul_reading_slopes(const hone_matmul_reading *reading, hone_step_operand operand,
                                const hone_matmul_kit *kit, hone_dtype type, void *copy, int64_t lines, int64_t length,
                                int64_t line, int64_t row, int64_t column, bool across)
{
    hone_epilogue_now steps[HONE_STEPS_MAX];
    int               count = 0;
    for (int s = 0; s < reading->count; s++) {
        const hone_epilogue_now *step = &reading->step[s];
        if (hone_step_operand_of(step->kind) != operand) continue;
        steps[count] = *step;
        steps[count].kind = hone_step_slope_of(step->kind);
        if (across) {
            steps[count].row_stride = step->column_stride;
            steps[count].column_stride = step->row_stride;
        }
        count++;
    }
    kit->finish(&(hone_matmul_finish_job){.m = lines, .n = length, .from = copy, .from_m = line, .c = copy,
                                          .c_m = line, .c_n = 1, .row = across ? column : row,
                                          .column = across ? row : column, .step_count = count, .steps = steps,
                                          .c_type = type});
}

void hone_matmul_reading_put(const hone_matmul_reading *reading, hone_step_kind kind, hone_dtype type, const void *sums,
                             int64_t first, int64_t count)
{
    for (int s = 0; s < reading->count; s++) {
        const hone_epilogue_now *step = &reading->step[s];
        const int64_t            stride = kind == HONE_STEP_SUM_A ? step->row_stride : step->column_stride;
        if (step->kind != kind) continue;
        for (int64_t at = 0; at < count; at++)
            hone_element_store(step->type, step->at, (first + at) * stride, hone_element_load(type, sums, at));
    }
}
