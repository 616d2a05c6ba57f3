/* One way to do an operation on one kind of device: the table a kernel fills, and what a request is. */
#ifndef HONE_KERNELS_KERNEL_H
#define HONE_KERNELS_KERNEL_H

#include "kernels/op.h"

#define HONE_PARAMETERS_MAX 16
#define HONE_KERNEL_ALIGNMENT_MAX 64

/* All that may change the choice: the key of the plan cache, and of a profile's row. */
typedef struct hone_request {
    const hone_be_device *device;
    const hone_op        *op;
    const void           *problem;
    int                   threads;   /* how many a launch may use */
    unsigned              alignment; /* of every operand, in bytes: a power of two, at most 64 */
    unsigned              flags;     /* HONE_REQUEST_* */
    size_t                scratch_cap; /* no plan that needs more; 0: as it likes */
} hone_request;

enum {
    HONE_REQUEST_DETERMINISTIC = 1u, /* only kernels with all HONE_BITWISE_* properties */
    HONE_REQUEST_CAPTURED      = 2u, /* will be recorded into a graph of the device */
    HONE_REQUEST_CALLERS_THREADS = 4u /* the caller brought a pool: vendor libraries keep to the calling thread */
};

/* What a kernel promises about itself. */
enum {
    HONE_BITWISE_THREADS   = 1u, /* the same bits for any number of threads */
    HONE_BITWISE_RUNS      = 2u, /* ... in every run */
    HONE_BITWISE_ALIGNMENT = 4u, /* ... for any alignment of the operands */
    HONE_BITWISE_ALL       = 7u,
    HONE_CAPTURABLE        = 8u,  /* launch() only queues: it can be recorded */
    HONE_ONE_THREAD        = 16u, /* runs on the calling thread alone, and starts none */
    HONE_IS_REFERENCE      = 32u  /* slow by intent: chosen only where nothing else is left */
};

/* One tunable parameter. Its values are numbers, and may have names (a tile's). Stored by name, never by position. */
typedef struct hone_parameter {
    const char        *name;
    int64_t            standard; /* its default: one of the values */
    int                count;
    const int64_t     *values;
    const char *const *names; /* NULL: numbers */
    const char        *meaning;
} hone_parameter;

typedef struct hone_config {
    int64_t value[HONE_PARAMETERS_MAX];
} hone_config;

/* Why some values do not go together, or not with this request. It reads the parameters that it names and no others, so
 * that it is answered as soon as the last of them is decided: a space is a tree, and what is refused is never built. */
typedef struct hone_constraint {
    unsigned looks_at; /* 1u << index of each parameter that it reads; 0: a rule of the request alone */
    const char *(*refuses)(const hone_request *request, const hone_config *config); /* NULL: legal */
} hone_constraint;

/* Values of one parameter that mean the same for this request, and which of them stands for all. That one is legal
 * where any of them is, and stands for itself. */
typedef struct hone_sameness {
    int      parameter;
    unsigned looks_at; /* what it reads beside the parameter: earlier ones */
    int64_t (*stands)(const hone_request *request, const hone_config *config);
} hone_sameness;

typedef struct hone_space {
    int                    count;
    const hone_parameter  *parameters; /* in the order in which they are decided */
    int                    constraint_count;
    const hone_constraint *constraints;
    int                    same_count;
    const hone_sameness   *same; /* by rising parameter, one each at most */
} hone_space;

typedef struct hone_needs {
    size_t scratch_bytes; /* aligned to 64 */
} hone_needs;

/* For an op over many tensors: what does not fit a problem. NULL elsewhere. It belongs to the plan, not to its key. */
typedef struct hone_details {
    int64_t        count;
    const int64_t *sizes;
} hone_details;

typedef struct hone_kernel {
    const char *name; /* "cpu.packed" */
    const char *op;   /* by name, so that kernels of modules need not link it; with */
    unsigned    op_version;
    size_t      problem_size;
    const char *backend; /* "cpu" */
    unsigned    version; /* raised when its speed or its meaning changes */
    unsigned    properties;

    const char *(*identity)(const hone_be_device *device); /* what stands behind it; NULL: hone itself */
    const char *(*refuses)(const hone_request *request);   /* NULL: takes it. else the reason, in words */
    const hone_space *space;                               /* NULL: nothing to tune */
    /* The few configurations worth guessing, best first; at least one where it does not refuse. */
    int (*suggest)(const hone_request *request, hone_config *configs, int cap);
    /* The layouts in which it would like argument `role` of this problem, which is plain there; best first. How many,
     * at most `cap`. NULL: it takes things as they are. Each is also what it takes such problems in. */
    int (*layouts)(const hone_request *request, int role, hone_layout *out, int cap);
    /* Seconds, from the device's ceilings, or from built-in ones where none were measured. */
    double (*estimate)(const hone_request *request, const hone_config *config);
    /* May refuse still: HONE_ERROR_UNSUPPORTED. */
    hone_status (*prepare)(const hone_request *request, const hone_config *config, const hone_details *details,
                           void **ready, hone_needs *needs);
    /* Re-entrant: `ready` is shared. No allocation, no lock. */
    hone_status (*launch)(void *ready, hone_be_stream *stream, const hone_arguments *arguments, hone_span scratch);
    void (*release)(void *ready);
} hone_kernel;

/* Does something other than hone stand behind it? */
static inline bool hone_kernel_is_foreign(const hone_kernel *kernel, const hone_be_device *device)
{
    return kernel->identity && kernel->identity(device);
}

/* The tables, in fixed order; they end with NULL. */
extern const hone_op *const     hone_ops[];
extern const hone_kernel *const hone_kernels[]; /* best guess first; the reference last */

/* The parameter's position in a kernel's space; -1: no such name. */
int hone_space_find(const hone_space *space, const char *name, size_t length);

/* "tile=14x32 mc=112 kc=256", and back; what the text does not name keeps its standard value. */
void        hone_config_print(const hone_space *space, const hone_config *config, char *out, size_t capacity);
hone_status hone_config_parse(const hone_request *request, const hone_kernel *kernel, const char *text,
                              hone_config *out);
void        hone_config_standard(const hone_space *space, hone_config *out);
/* NULL: every value is one of the parameter's and the space does not refuse them together. */
const char *hone_config_refuses(const hone_request *request, const hone_kernel *kernel, const hone_config *config);
/* Why the first `known` values cannot stand together, whatever follows. NULL: nothing speaks against them so far. */
const char *hone_config_refuses_first(const hone_request *request, const hone_kernel *kernel, const hone_config *config,
                                      int known);
/* The configuration that stands for all that mean the same as this legal one; what lies past the space is 0. */
void hone_config_canonical(const hone_request *request, const hone_kernel *kernel, hone_config *config);

#endif
