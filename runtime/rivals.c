/* Who was there when a row was measured: see rivals.h. */
#include "runtime/rivals.h"

#include <stdio.h>
#include <string.h>

#include "runtime/hall.h"

static bool is_rival(const hone_request *request, const hone_kernel *kernel)
{
    return !(kernel->properties & HONE_IS_REFERENCE) && !hone_kernel_is_foreign(kernel, request->device) &&
           !hone_rt_refuses(request, kernel);
}

void hone_rt_rivals_print(const hone_request *request, const hone_kernel *const *kernels, int count, char *out,
                          size_t capacity)
{
    size_t length = 0;
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        if (!is_rival(request, kernels[i])) continue;
        const int bytes = snprintf(out + length, capacity - length, "%s%s %u", length ? "," : "", kernels[i]->name,
                                   kernels[i]->version);
        if (bytes < 0 || (size_t)bytes >= capacity - length) { /* not in part */
            out[length] = 0;
            return;
        }
        length += (size_t)bytes;
    }
}

bool hone_rt_rivals_have(const char *rivals, const hone_kernel *kernel)
{
    const size_t name = strlen(kernel->name);
    if (!*rivals) return true;
    for (const char *at = rivals; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, kernel->name, name) != 0 || at[name] != ' ') continue;
        uint64_t version = 0;
        for (at += name + 1; *at >= '0' && *at <= '9' && version <= UINT32_MAX; at++)
            version = version * 10 + (uint64_t)(*at - '0');
        return version == kernel->version;
    }
    return false;
}

const hone_kernel *hone_rt_rivals_lack(const char *rivals, const hone_request *request,
                                       const hone_kernel *const *kernels, int count)
{
    for (int i = 0; i < count && *rivals; i++)
        if (!hone_rt_rivals_have(rivals, kernels[i]) && is_rival(request, kernels[i])) return kernels[i];
    return NULL;
}
