/* A mixture of experts: rows sorted by expert, each expert with weights of its own, all in one product. */
#include <hone/hone.h>
#include <stdint.h>
#include <stdio.h>

enum { EXPERTS = 4, ROWS = 10, INPUTS = 48, OUTPUTS = 32 };

static float rows[ROWS * INPUTS], weights[EXPERTS * INPUTS * OUTPUTS], bias[EXPERTS * OUTPUTS], out[ROWS * OUTPUTS];

int main(void)
{
    hone_context *hone;
    hone_device  *device;
    hone_stream  *s;
    for (int i = 0; i < ROWS * INPUTS; i++) rows[i] = (float)(i % 3);
    for (int i = 0; i < EXPERTS * INPUTS * OUTPUTS; i++) weights[i] = (float)(i % 5 - 2);
    for (int i = 0; i < EXPERTS * OUTPUTS; i++) bias[i] = (float)(i % 7);
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "cpu:0", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    /* Expert 0 has rows 0 .. 2, expert 1 none, expert 2 rows 3 .. 8, expert 3 row 9. Other routings, same plan. */
    int32_t     first_row[EXPERTS + 1] = {0, 3, 3, 9, 10};
    hone_tensor a = hone_matrix(HONE_F32, ROWS, INPUTS, rows), c = hone_matrix(HONE_F32, ROWS, OUTPUTS, out);
    hone_tensor b = {.data = weights, .dtype = HONE_F32, .rank = 3, .shape = {EXPERTS, INPUTS, OUTPUTS},
                     .stride = {INPUTS * OUTPUTS, OUTPUTS, 1}};
    hone_tensor offsets = hone_vector(HONE_S32, EXPERTS + 1, first_row);
    hone_tensor biases = hone_matrix(HONE_F32, EXPERTS, OUTPUTS, bias);
    hone_matmul_options with = HONE_MATMUL_OPTIONS;
    with.step_count = 2;
    with.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &biases};
    with.steps[1] = (hone_step){HONE_STEP_RELU, 0, NULL};
    if (hone_matmul_grouped(s, &a, &b, &offsets, &c, &with) || hone_stream_wait(s)) return puts(hone_last_error());

    /* Row 5 by hand: it is expert 2's. */
    float sum = bias[2 * OUTPUTS + 7];
    for (int k = 0; k < INPUTS; k++) sum += rows[5 * INPUTS + k] * weights[2 * INPUTS * OUTPUTS + k * OUTPUTS + 7];
    if (sum < 0) sum = 0;
    printf("out[5][7] = %g, by hand %g\n", (double)out[5 * OUTPUTS + 7], (double)sum);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    return out[5 * OUTPUTS + 7] == sum ? 0 : 1;
}
