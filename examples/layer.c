/* A linear layer with its activation fused: y = gelu(x * w + bias), for a batch of sequences, the pre-activation kept
 * for the backward pass. The weights lie [outputs, inputs], as many frameworks keep them: transposed by view. */
#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4, TIME = 32, INPUTS = 96, OUTPUTS = 160 };

static float *filled(size_t count)
{
    float *data = malloc(count * sizeof *data);
    for (size_t i = 0; data && i < count; i++) data[i] = (float)((double)rand() / RAND_MAX - 0.5);
    return data;
}

int main(void)
{
    hone_context *hone;
    hone_device  *device;
    hone_stream  *s;
    float *x_data = filled(BATCH * TIME * INPUTS), *w_data = filled(OUTPUTS * INPUTS), *bias_data = filled(OUTPUTS);
    float *y_data = filled(BATCH * TIME * OUTPUTS), *kept_data = filled(BATCH * TIME * OUTPUTS);
    if (!x_data || !w_data || !bias_data || !y_data || !kept_data) return puts("out of memory");
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "best", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    hone_tensor x = hone_tensor_dense(HONE_F32, 3, (int64_t[]){BATCH, TIME, INPUTS}, x_data);
    hone_tensor w = hone_transposed(hone_matrix(HONE_F32, OUTPUTS, INPUTS, w_data));
    hone_tensor bias = hone_vector(HONE_F32, OUTPUTS, bias_data);
    hone_tensor y = hone_tensor_dense(HONE_F32, 3, (int64_t[]){BATCH, TIME, OUTPUTS}, y_data);
    hone_tensor kept = hone_tensor_dense(HONE_F32, 3, (int64_t[]){BATCH, TIME, OUTPUTS}, kept_data);

    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    options.step_count = 3;
    options.steps[0] = (hone_step){HONE_STEP_BIAS, 0, &bias};
    options.steps[1] = (hone_step){HONE_STEP_STORE, 0, &kept};
    options.steps[2] = (hone_step){HONE_STEP_GELU, 0, NULL};
    if (hone_matmul(s, &x, &w, &y, &options) || hone_stream_wait(s)) return puts(hone_last_error());

    printf("y[0][0][0] = gelu(%g) = %g\n", kept_data[0], y_data[0]);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    free(x_data), free(w_data), free(bias_data), free(y_data), free(kept_data);
    return 0;
}
