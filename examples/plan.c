/* A plan that the caller holds: no look-up and no allocation from one run to the next. */
#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 64, RUNS = 1000 };

static float a_data[N * N], b_data[N * N], c_data[N * N];

int main(void)
{
    hone_context *hone;
    hone_device  *device;
    hone_stream  *s;
    hone_plan    *plan;
    size_t        bytes;
    char          what[256];
    for (int i = 0; i < N * N; i++) {
        a_data[i] = (float)(i % 7);
        b_data[i] = i / N == i % N; /* the identity: c becomes a */
    }
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "cpu:0", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    hone_tensor a = hone_matrix(HONE_F32, N, N, a_data), b = hone_matrix(HONE_F32, N, N, b_data);
    hone_tensor c = hone_matrix(HONE_F32, N, N, c_data);
    if (hone_matmul_plan(device, &a, &b, &c, NULL, &plan) || hone_plan_scratch(plan, &bytes) ||
        hone_plan_describe(plan, what, sizeof what))
        return puts(hone_last_error());
    puts(what);

    /* Operands in the order HONE_MATMUL_A, _B, _C; values in the order HONE_MATMUL_ALPHA, _BETA. */
    hone_operand        operands[] = {{.host = a_data}, {.host = b_data}, {.host = c_data}};
    double              values[] = {1, 0};
    void               *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    hone_plan_arguments run = {.size = sizeof run,
                               .operands = operands,
                               .operand_count = 3,
                               .values = values,
                               .value_count = 2,
                               .scratch = {.host = scratch, .bytes = bytes}};
    for (int i = 0; i < RUNS; i++)
        if (hone_plan_run(s, plan, &run)) return puts(hone_last_error());
    if (hone_stream_wait(s)) return puts(hone_last_error());

    printf("c[1][2] = %g, a[1][2] = %g\n", c_data[N + 2], a_data[N + 2]);
    free(scratch);
    hone_plan_destroy(plan);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    return 0;
}
