/* first.c: c = a * b on the processor. It is the README program. */
#include <hone/hone.h>
#include <stdio.h>

int main(void)
{
    float a_data[2 * 3] = {1, 2, 3, 4, 5, 6}, b_data[3 * 2] = {1, 0, 0, 1, 1, 1}, c_data[2 * 2];
    hone_context *hone;
    hone_device  *cpu;
    hone_stream  *s;
    if (hone_context_create(NULL, &hone) || hone_device_find(hone, "cpu:0", &cpu) || hone_stream_create(cpu, &s))
        return puts(hone_last_error());

    hone_tensor a = hone_matrix(HONE_F32, 2, 3, a_data); /* a view: any strides, owns nothing */
    hone_tensor b = hone_matrix(HONE_F32, 3, 2, b_data);
    hone_tensor c = hone_matrix(HONE_F32, 2, 2, c_data);
    if (hone_matmul(s, &a, &b, &c, NULL) || hone_stream_wait(s)) return puts(hone_last_error());

    printf("%g %g\n%g %g\n", c_data[0], c_data[1], c_data[2], c_data[3]);
    hone_stream_destroy(s);
    hone_context_destroy(hone);
    return 0;
}
