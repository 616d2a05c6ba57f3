/* Modules that are found: shared objects hone_NAME.so in the library's own folder, which bring kernels for the devices
 * that are there.
 *
 *     <libdir>/hone/modules-ABI/   beside libhone.so; of a program that libhone.a is part of, what lies so beside the
 *                                  program's own folder, else where the library was installed. Never the current folder
 *     <libexecdir>/hone/hone-probe what a module is tried with, in a process of its own
 *
 * Whoever asks for all kernels of a kind of device (hone_rt_kernels) has them looked for, those tried that no kept
 * proof speaks for, and those opened that have kernels for it, once for the process, for as long as it runs. A call
 * that finds its kernel among hone's own (hone_rt_rank_first) never gets here. One that fails costs a sentence. In a
 * child of fork the kernels of modules refuse: what stands behind them may have had threads. */
#ifndef HONE_RUNTIME_MODULES_H
#define HONE_RUNTIME_MODULES_H

#include <stdatomic.h>

#include "runtime/runtime.h"

typedef enum hone_rt_module_state {
    HONE_RT_MODULE_PROVEN = 1, /* not opened yet */
    HONE_RT_MODULE_OPEN,
    HONE_RT_MODULE_IDLE,    /* sound, with nothing to offer here */
    HONE_RT_MODULE_REFUSED, /* and the sentence says why */
    HONE_RT_MODULE_SAYS     /* a warning of a module that is open */
} hone_rt_module_state;

typedef struct hone_rt_module_remark {
    const char          *name, *path; /* path: the module's, or the folder's, where that is refused */
    hone_rt_module_state state;
    const char          *sentence; /* empty where there is nothing to say. All of it stays for as long as the process */
} hone_rt_module_remark;

/* All that was found, with what is to be said of it, after opening what can be opened. Gives how many. */
int hone_rt_module_remarks(const hone_rt_context *context, hone_rt_module_remark *out, int cap);

/* Where to look instead; both stay the caller's, and stand for as long as the process. Before the first request. */
void hone_rt_modules_at(const char *folder, const char *probe);

/* Where a program of ours that is no user's to call was installed: beside hone-probe in libexec. It need not exist. */
void hone_rt_program(const char *name, char *out, size_t capacity);
/* Where data of ours was installed, "hone/profiles" in share. It need not exist. */
void hone_rt_shared(const char *name, char *out, size_t capacity);

/* --- for the hall ---------------------------------------------------------------------------------------------- */

/* The file of kept proofs: in the folder of this device's profiles. Empty where none is known. */
void hone_rt_modules_proofs(const hone_be_device *device, const char *profile_path, char *out, size_t capacity);

/* Kernels of an op for a kind of device, of modules opened now if they were not. Gives how many. */
int hone_rt_module_kernels(const hone_rt_context *context, const char *op, const char *backend,
                           const hone_kernel **out, int cap);

/* Is it one of theirs? */
bool hone_rt_module_owns(const hone_kernel *kernel);
/* Why it cannot run in this process; NULL: it can. */
const char *hone_rt_module_refuses(const hone_kernel *kernel);

extern _Atomic(bool) hone_rt_modules_lost; /* this process is a child of the one that opened them */
#define HONE_RT_MODULE_LOST "its library was opened before a fork, and may have had threads that are gone"

/* --- proofs ---------------------------------------------------------------------------------------------------- */

typedef struct hone_rt_proof {
    hone_rt_module_state state;        /* PROVEN, IDLE or REFUSED */
    bool                 hung;         /* refused for that: it may have been the machine */
    char                 backends[96]; /* " cpu ": those that it has kernels for */
    char                 sentence[400];
} hone_rt_proof;

extern int hone_rt_proof_seconds; /* what a trial may take: 10, as a library from a cold disk is slow. Tests lower it */

/* Tries a module in a child process. Needs no signal of the host's, nor its wait(). */
void hone_rt_prove(const char *probe, const char *path, hone_rt_proof *out);

/* Proofs on disk, by key; what is not understood is passed over. A refusal is tried again after a day, and
 * one that hung after ten minutes. */
bool hone_rt_proof_recall(const char *file, uint64_t key, hone_rt_proof *out);
void hone_rt_proof_keep(const char *file, uint64_t key, const hone_rt_proof *proof);

#endif
