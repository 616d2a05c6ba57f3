/* Weights of four bits: real numbers become whole ones with a scale for each group of 32, and are multiplied as such.
 */
#include <hone/hone.h>
#include <stdint.h>
#include <stdio.h>

enum { INPUTS = 96, OUTPUTS = 40, GROUP = 32, GROUPS = INPUTS / GROUP };

static float   weight[INPUTS][OUTPUTS], scale[GROUPS][OUTPUTS], token[INPUTS], out[OUTPUTS];
static uint8_t packed[INPUTS][OUTPUTS / 2]; /* two in a byte, the low half first */

static float size(float x)
{
    return x < 0 ? -x : x;
}

static void quantise(void)
{
    for (int g = 0; g < GROUPS; g++)
        for (int j = 0; j < OUTPUTS; j++) {
            float largest = 1e-6f;
            for (int k = g * GROUP; k < (g + 1) * GROUP; k++)
                if (size(weight[k][j]) > largest) largest = size(weight[k][j]);
            scale[g][j] = largest / 7;
            for (int k = g * GROUP; k < (g + 1) * GROUP; k++) {
                unsigned q = ((unsigned)(weight[k][j] / scale[g][j] + 7.5f) - 7u) & 15; /* -7 .. 7, the nearest */
                packed[k][j / 2] = (uint8_t)(packed[k][j / 2] | q << 4 * (j % 2));
            }
        }
}

int main(void)
{
    hone_context *hone;
    hone_device  *device;
    hone_stream  *s;
    for (int k = 0; k < INPUTS; k++) {
        token[k] = (float)(k % 7 - 3);
        for (int j = 0; j < OUTPUTS; j++) weight[k][j] = (float)((k * 37 + j * 11) % 101 - 50) / 50;
    }
    quantise();
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "cpu:0", &device) || hone_stream_create(device, &s))
        return puts(hone_last_error());

    hone_tensor a = hone_matrix(HONE_F32, 1, INPUTS, token), b = hone_matrix(HONE_S4, INPUTS, OUTPUTS, packed);
    hone_tensor c = hone_matrix(HONE_F32, 1, OUTPUTS, out), scales = hone_matrix(HONE_F32, GROUPS, OUTPUTS, scale);
    hone_matmul_options options = HONE_MATMUL_OPTIONS;
    options.b_scales = &scales;
    options.b_group = GROUP;
    if (hone_matmul(s, &a, &b, &c, &options) || hone_stream_wait(s)) return puts(hone_last_error());

    double worst = 0; /* each weight is off by no more than half its scale */
    for (int j = 0; j < OUTPUTS; j++) {
        double sum = 0, allowed = 0;
        for (int k = 0; k < INPUTS; k++) {
            sum += (double)token[k] * (double)weight[k][j];
            allowed += (double)size(token[k]) * (double)scale[k / GROUP][j] * 0.501;
        }
        double off = ((double)out[j] - sum) / allowed;
        if (off > worst || -off > worst) worst = off > 0 ? off : -off;
    }
    printf("%d x %d weights in %zu bytes; the worst sum is off by %.0f %% of what rounding them may do\n", INPUTS,
           OUTPUTS, sizeof packed + sizeof scale, 100 * worst);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    return worst < 1 ? 0 : 1;
}
