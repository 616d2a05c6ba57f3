/* Modules: what brings a backend, kernels, ops, or all three, whether it is part of the program or a shared object.
 *
 * A shared object exports hone_module_open. It gets the table of what a module may call, so that it links no symbol of
 * the library, and gives its own table, which stays as it is for as long as the process runs. NULL is a module with
 * nothing to offer on this machine, after host->fail() said why. It is called in a process of its own before it is
 * called in the host's (runtime/modules.h).
 *
 * What a module keeps of its own is static: memory of host->allocate() is for what it is asked to release. */
#ifndef HONE_KERNELS_MODULE_H
#define HONE_KERNELS_MODULE_H

#include "kernels/kernel.h"

/* Raised with every change of what a module sees: this header, kernel.h, op.h and backend.h. */
#define HONE_MODULE_ABI 3

typedef struct hone_host {
    unsigned abi; /* HONE_MODULE_ABI of the library; first in every version */
    /* Zeroed memory of count * size bytes, aligned to 64; NULL, with the sentence set. */
    void *(*allocate)(size_t count, size_t size);
    void (*release)(void *memory);
    /* Sets the sentence, and gives the status back. */
    hone_status (*fail)(hone_status status, const char *format, ...) HONE_PRINTF(2, 3);
    /* Heard while hone_module_open() runs: told to the log as information, and warnings kept for `hone doctor`. */
    void (*log)(hone_log_level level, const char *format, ...) HONE_PRINTF(2, 3);
    /* work(argument, chunk) for each chunk, on the team's threads where there are several and the work is worth it.
     * `seconds`: what all of it is believed to take on one thread; <= 0: not known. */
    void (*each)(const hone_team *team, int chunks, double seconds, void (*work)(void *argument, int chunk),
                 void *argument);
} hone_host;

typedef struct hone_module {
    unsigned                  abi; /* HONE_MODULE_ABI; first in every version */
    const char               *name;
    const hone_backend       *backend; /* NULL: none */
    const hone_op *const     *ops;     /* end with NULL; NULL: none */
    const hone_kernel *const *kernels;
} hone_module;

HONE_API const hone_module *hone_module_open(const hone_host *host);
typedef const hone_module *hone_module_open_function(const hone_host *host);

#endif
