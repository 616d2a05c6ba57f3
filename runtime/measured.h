/* What was measured, as selection uses it: the rows of a context's devices, each looked at again before it is believed,
 * and what is in quarantine. Which kernel follows from it is select.c's; where rows lie and how they are read is
 * runtime/profile/'s. */
#ifndef HONE_RUNTIME_MEASURED_H
#define HONE_RUNTIME_MEASURED_H

#include "runtime/profile/rows.h"

/* The rows of one device, as its context opened them. */
typedef struct hone_rt_measured hone_rt_measured;

/* Reads the device's rows; what is wrong with their files is told to the log. HONE_ERROR_MEMORY alone is a failure:
 * what cannot be read counts as not there. */
hone_status hone_rt_measured_open(const hone_be_device *device, const char *path, const hone_log *log,
                                  hone_rt_measured **out);
void        hone_rt_measured_close(hone_rt_measured *measured); /* NULL is fine */
/* The rows again, after some were added. */
void hone_rt_measured_refresh(hone_rt_measured *measured);

/* What may not be tried for a problem. */
enum { HONE_RT_CULPRITS_MAX = 512, HONE_RT_DOUBT_MAX = 1024 };
typedef struct hone_rt_culprits {
    int      count;
    uint64_t at[HONE_RT_CULPRITS_MAX]; /* hashes of kernel, version, identity and configuration */
} hone_rt_culprits;

void hone_rt_culprits_of(hone_rt_measured *measured, const hone_request *request, hone_rt_culprits *out);
bool hone_rt_culprits_have(const hone_rt_culprits *culprits, const hone_request *request, const hone_kernel *kernel,
                           const hone_config *config);

/* Kernels that were measured for a request and may be used: the row's best, and the runner-up. */
typedef struct hone_rt_evidence {
    int count;
    struct {
        const hone_kernel *kernel;
        hone_config        config;
        double             seconds;
        const char        *basis;
    } at[2];
    bool predicted; /* from rows of other problems: near.c */
    bool borrowed; /* measured elsewhere: the row is of a layer beyond the one that is written */
    bool foreign;  /* a kernel that is none of `kernels` was best: those of modules must be asked */
    bool        outdated; /* a row is there, and kernels have changed since, or come: it decides nothing, */
    int         row_layer; /* ... and counts as the nearest neighbour of all */
    hone_rt_row row;
} hone_rt_evidence;

/* Nothing is known. */
static inline void hone_rt_evidence_clear(hone_rt_evidence *it)
{
    it->count = 0;
    it->predicted = it->borrowed = it->foreign = it->outdated = false;
}

/* Of these kernels, which are all there are unless `some`: then a best kernel that is none of them stops the search and
 * is told in `foreign`. What cannot be used is passed over, and told to the log. `given` (may be NULL) is looked at
 * before all other rows. */
void hone_rt_evidence_of(hone_rt_measured *measured, const hone_request *request, const hone_rt_row *given,
                         const hone_kernel *const *kernels, int count, bool some, const hone_rt_culprits *culprits,
                         hone_rt_evidence *out);

/* Where nothing speaks for a request: what its neighbours among the rows speak for (near.c), its own row that is
 * outdated before all others, which *out has from the function above. As above; with `some`, a neighbour whose best
 * kernel is none of `kernels` is told in `foreign`. */
void hone_rt_evidence_near(hone_rt_measured *measured, const hone_request *request, const hone_kernel *const *kernels,
                           int count, bool some, const hone_rt_culprits *culprits, hone_rt_evidence *out);

/* May a figure be used for a request? NULL: it may, and *config is what it says. Else why not, in `why` or static.
 * `culprits` NULL: none. */
const char *hone_rt_figure_doubt(const hone_request *request, const hone_kernel *const *kernels, int count,
                                 const hone_rt_culprits *culprits, const hone_rt_figure *it,
                                 const hone_kernel **kernel, hone_config *config, char why[HONE_RT_DOUBT_MAX]);
/* NULL: there are none. */
hone_rt_rows *hone_rt_measured_rows(hone_rt_measured *measured);

/* Could this context use what a row says? NULL: it could, and *plan (may be NULL) is of it. Else why not, in `why` or
 * static. All modules are asked. */
const char *hone_rt_row_doubt(hone_rt_context *context, const hone_be_device *device, const hone_rt_row *row,
                              char why[HONE_RT_DOUBT_MAX], hone_rt_plan **plan);

/* "kernel version identity configuration" of a problem, as one number: equal where the same would be launched. */
uint64_t hone_rt_choice_hash(const char *problem, int threads, unsigned alignment, unsigned flags, const char *kernel,
                             unsigned version, const char *identity, const char *config);

#endif
