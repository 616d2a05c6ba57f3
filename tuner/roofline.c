/* The least time that a device's ceilings allow: see roofline.h. */
#include "tuner/roofline.h"

hone_dtype hone_type_of(const hone_op *op, const void *problem)
{
    hone_role roles[HONE_ROLES_MAX];
    return op->roles(problem, roles) > 0 ? roles[0].type : HONE_DTYPE_NONE;
}

/* The nearest level whose caches, of all threads at work, hold `bytes`. */
static int level_of(const hone_be_device *device, double bytes, int threads)
{
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) {
        int sharing = device->cpu.cache_cores[level] > 0 ? device->cpu.cache_cores[level] : 1;
        int caches = (threads + sharing - 1) / sharing;
        if (bytes <= (double)device->cpu.cache_bytes[level] * caches) return level;
    }
    return HONE_LEVEL_MEMORY;
}

/* What `threads` reach together: between one thread's figure and that of all, never more than all give. */
static double at_width(const double figures[HONE_WIDTH_COUNT], int threads)
{
    double one = figures[HONE_WIDTH_ONE], all = figures[HONE_WIDTH_ALL];
    if (threads <= 1 || !(all > one)) return one;
    return one * threads < all ? one * threads : all;
}

/* Halves may be widened to f32 on their way, whole numbers of 8 bits have one figure. */
static double flops_of(const hone_be_device *device, hone_dtype type, int threads)
{
    double (*const figures)[HONE_WIDTH_COUNT] = (double (*)[HONE_WIDTH_COUNT])device->ceilings.flops[device->cpu.isa];
    double flops = at_width(figures[type == HONE_U8 ? HONE_S8 : type], threads);
    double wide = at_width(figures[HONE_F32], threads);
    return (type == HONE_BF16 || type == HONE_F16) && wide > flops ? wide : flops;
}

hone_roof hone_roof_of(const hone_request *request, bool cold)
{
    static const char *const bounds[] = {"L1", "L2", "L3", "memory"};
    hone_roof                roof = {.bound = "not known"};
    const hone_be_device    *device = request->device;
    if (!device->ceilings_known) return roof;
    hone_cost  cost = request->op->cost(request->problem);
    hone_dtype type = hone_type_of(request->op, request->problem);
    double     bytes = cost.bytes_read + cost.bytes_written;
    int        level = cold ? HONE_LEVEL_MEMORY : level_of(device, bytes, request->threads);
    roof.flops = flops_of(device, type, request->threads);
    roof.bandwidth = at_width(device->ceilings.read[level], request->threads);
    if (!(roof.flops > 0) || !(roof.bandwidth > 0)) return roof;
    double computing = cost.flops / roof.flops, moving = bytes / roof.bandwidth;
    roof.seconds = computing > moving ? computing : moving;
    roof.bound = computing > moving ? "arithmetic" : bounds[level];
    return roof;
}
