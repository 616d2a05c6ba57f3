/* Causal attention over two sequences packed one behind the other, as q, k and v come out of one projection: rows of
 * q, k and v side by side, seen as three views. Four heads of q share two of k and v. */
#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 48, HEADS = 4, KV_HEADS = 2, SIZE = 32, WIDTH = (HEADS + 2 * KV_HEADS) * SIZE };

static hone_tensor heads_of(float *data, int64_t heads)
{
    hone_tensor t = hone_tensor_dense(HONE_F32, 3, (int64_t[]){ROWS, heads, SIZE}, data);
    t.stride[0] = WIDTH;
    return t;
}

int main(void)
{
    hone_context *hone;
    hone_device  *device;
    hone_stream  *s;
    float *data = malloc(ROWS * WIDTH * sizeof *data), *out_data = malloc(ROWS * HEADS * SIZE * sizeof *out_data);
    if (!data || !out_data) return puts("out of memory");
    for (int i = 0; i < ROWS * WIDTH; i++) data[i] = (float)((double)rand() / RAND_MAX - 0.5);
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "best", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    hone_tensor q = heads_of(data, HEADS), k = heads_of(data + HEADS * SIZE, KV_HEADS);
    hone_tensor v = heads_of(data + (HEADS + KV_HEADS) * SIZE, KV_HEADS);
    hone_tensor out = hone_tensor_dense(HONE_F32, 3, (int64_t[]){ROWS, HEADS, SIZE}, out_data);
    int32_t     begins[] = {0, 20, ROWS}; /* rows 0 .. 19, and 20 .. 47 */
    hone_tensor offsets = hone_vector(HONE_S32, 3, begins);

    hone_attention_options options = HONE_ATTENTION_OPTIONS;
    options.causal = 1;
    options.q_offsets = options.k_offsets = &offsets;
    if (hone_attention(s, &q, &k, &v, &out, &options) || hone_stream_wait(s)) return puts(hone_last_error());

    /* A sequence's first row sees itself alone, and so is its own value. */
    const float *value = data + 20 * WIDTH + (HEADS + KV_HEADS) * SIZE;
    printf("out[20][0][0] = %g, v[20][0][0] = %g\n", out_data[20 * HEADS * SIZE], value[0]);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    free(data), free(out_data);
    return 0;
}
