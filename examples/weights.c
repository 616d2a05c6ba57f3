/* Weights packed once: products read them as the kernel likes them best, and they are saved as they are. */
#include <hone/hone.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 96, OUTPUTS = 80, TOKENS = 20 };

static float weight_data[INPUTS * OUTPUTS], token_data[INPUTS], out_data[OUTPUTS];

int main(void)
{
    hone_context        *hone;
    hone_device         *device;
    hone_stream         *s;
    hone_matmul_weights *packed, *loaded;
    for (int i = 0; i < INPUTS * OUTPUTS; i++) weight_data[i] = (float)(i % 5);
    for (int i = 0; i < INPUTS; i++) token_data[i] = (float)(i % 3);
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "cpu:0", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    hone_tensor              b = hone_matrix(HONE_F32, INPUTS, OUTPUTS, weight_data);
    hone_matmul_pack_options how = HONE_MATMUL_PACK_OPTIONS;
    how.m_typical = 1; /* one token at a time */
    if (hone_matmul_pack(s, &b, &how, &packed)) return puts(hone_last_error());

    /* What there is to save: the facts, and the bytes. */
    hone_matmul_weights_facts facts = {.size = sizeof facts};
    if (hone_matmul_weights_describe(packed, &facts)) return puts(hone_last_error());
    void *file = aligned_alloc(64, (facts.memory.bytes + 63) / 64 * 64);
    if (hone_buffer_read(s, facts.memory.buffer, 0, file, facts.memory.bytes) || hone_stream_wait(s))
        return puts(hone_last_error());
    printf("%d x %d weights, packed as %s, %zu bytes\n", INPUTS, OUTPUTS, facts.layout, facts.memory.bytes);
    hone_matmul_weights_destroy(packed);

    /* Another day: nothing is packed again, nothing is copied; a mapped file would do as well. */
    facts.memory = (hone_operand){.host = file, .bytes = facts.memory.bytes};
    if (hone_matmul_weights_adopt(device, &facts, &loaded)) return puts(hone_last_error());
    hone_tensor a = hone_matrix(HONE_F32, 1, INPUTS, token_data), c = hone_matrix(HONE_F32, 1, OUTPUTS, out_data);
    for (int token = 0; token < TOKENS; token++)
        if (hone_matmul_prepacked(s, &a, loaded, &c, NULL)) return puts(hone_last_error());
    if (hone_stream_wait(s)) return puts(hone_last_error());

    float sum = 0;
    for (int k = 0; k < INPUTS; k++) sum += token_data[k] * weight_data[k * OUTPUTS + 7];
    printf("c[0][7] = %g, by hand %g\n", (double)out_data[7], (double)sum);
    hone_matmul_weights_destroy(loaded);
    free(file);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    return out_data[7] == sum ? 0 : 1;
}
