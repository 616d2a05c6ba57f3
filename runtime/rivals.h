/* Rivals: hone's own kernels that a row was measured beside, each by its version; so that a kernel that came later, or
 * became quicker since (scripts/speed), is not kept back by a row that never met it. Other people's are not among them:
 * which of those are here is the machine's matter. */
#ifndef HONE_RUNTIME_RIVALS_H
#define HONE_RUNTIME_RIVALS_H

#include "runtime/runtime.h"

/* Those of `kernels` that take the request, "cpu.direct 1,cpu.packed 2"; what does not fit is left out, and so counts
 * as never met. */
void hone_rt_rivals_print(const hone_request *request, const hone_kernel *const *kernels, int count, char *out,
                          size_t capacity);
/* Is a kernel among them, in its version? An empty list: nobody noted them, and all were. */
bool hone_rt_rivals_have(const char *rivals, const hone_kernel *kernel);
/* One of hone's own that takes the request and is not among them; NULL: there is none. */
const hone_kernel *hone_rt_rivals_lack(const char *rivals, const hone_request *request,
                                       const hone_kernel *const *kernels, int count);

#endif
