/* The table of the thin micro-kernels, made of thins.def. */
#include "kernels/matmul/thin.h"

const hone_matmul_thin_kit *const hone_matmul_thins[] = {
#define HONE_THIN(name) &name,
#include "kernels/matmul/thins.def"
#undef HONE_THIN
};

const int hone_matmul_thin_count = (int)(sizeof hone_matmul_thins / sizeof hone_matmul_thins[0]);

const hone_matmul_thin_kit *hone_matmul_thin_for(const hone_be_device *device, hone_dtype type)
{
    for (int i = 0; i < hone_matmul_thin_count; i++)
        if (hone_matmul_thins[i]->type == type && hone_matmul_thins[i]->isa <= device->cpu.isa)
            return hone_matmul_thins[i];
    return NULL;
}
