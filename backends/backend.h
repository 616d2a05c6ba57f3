/* What a device is to the floors above: where its memory is, how work is queued, and what it can reach.
 *
 * A backend fills one table. The runtime calls it; kernels of the backend know its own structs, which begin with the
 * ones here. Nothing of a vendor's SDK leaves a backend's folder: its errors become statuses with a sentence.
 *
 *     hone_be_device   owned by the backend, one a device, lives until hone_backend.close
 *     hone_be_stream   made from a device; one thread at a time; late errors come out of wait()
 *     hone_be_buffer   memory of a device
 *     hone_be_event    a mark in a stream
 */
#ifndef HONE_BACKENDS_BACKEND_H
#define HONE_BACKENDS_BACKEND_H

#include <stdbool.h>

#include <hone/context.h>
#include <hone/dtype.h>
#include <hone/status.h>

#define HONE_BACKEND_ABI 1u

typedef struct hone_backend   hone_backend;
typedef struct hone_be_device hone_be_device;
typedef struct hone_be_stream hone_be_stream;
typedef struct hone_be_buffer hone_be_buffer;
typedef struct hone_be_event  hone_be_event;

/* The instruction sets that CPU kernels are compiled for, each containing the ones before it. */
typedef enum hone_isa { HONE_ISA_PORTABLE = 0, HONE_ISA_AVX2, HONE_ISA_AVX512, HONE_ISA_COUNT } hone_isa;

/* Extensions beyond the levels: tested one by one. All but AVX-VNNI, which is VNNI for AVX2, come with AVX-512. */
enum { HONE_CPU_BF16 = 1u, HONE_CPU_FP16 = 2u, HONE_CPU_VNNI = 4u, HONE_CPU_AMX = 8u, HONE_CPU_AVX_VNNI = 16u };

enum { HONE_LEVEL_L1 = 0, HONE_LEVEL_L2, HONE_LEVEL_L3, HONE_LEVEL_MEMORY, HONE_LEVEL_COUNT };
enum { HONE_WIDTH_ONE = 0, HONE_WIDTH_ALL, HONE_WIDTH_COUNT }; /* one thread, all threads */
enum { HONE_DTYPE_LAST = 9 };                                  /* the greatest hone_dtype */

/* What the machine gave when it was measured. 0: not measured. Rates a second. */
typedef struct hone_ceilings {
    double flops[HONE_ISA_COUNT][HONE_DTYPE_LAST + 1][HONE_WIDTH_COUNT]; /* multiply and add count two */
    double read[HONE_LEVEL_COUNT][HONE_WIDTH_COUNT];                     /* bytes read */
    double copy[HONE_LEVEL_COUNT][HONE_WIDTH_COUNT];                     /* bytes read and written */
    double launch_seconds;                                               /* an empty launch, until it is waited for */
    double fork_seconds;                                                 /* handing work to all threads and back */
} hone_ceilings;

typedef struct hone_cpu_facts {
    hone_isa isa; /* the highest level that CPU and operating system both give, and HONE_ISA allows */
    unsigned extensions;
    int      cores;
    size_t   cache_bytes[HONE_LEVEL_MEMORY]; /* one L1, L2 and L3 as a core sees it; only L3 may be 0 */
    int      cache_cores[HONE_LEVEL_MEMORY]; /* how many of the cores share it; 0 where there is none */
    size_t   line_bytes;
} hone_cpu_facts;

struct hone_be_device {
    const hone_backend *backend;
    char                name[32];         /* "cpu:0" */
    char                label[96];        /* for people */
    char                instructions[32]; /* for people */
    char                fingerprint[160]; /* the silicon, not the host: profiles are kept under it */
    uint64_t            memory_bytes;
    int                 threads;          /* how many may run at once */
    hone_cpu_facts      cpu;              /* of CPU devices */
    bool                ceilings_known;
    hone_ceilings       ceilings;         /* as measured, read from a profile; set by the runtime before first use */
};

/* Where kernels run their chunks: the caller's pool, or where `threads` is NULL, hone's own. */
typedef struct hone_team {
    const hone_threads *threads;
    int                 count; /* threads at once; 1: the calling one alone */
} hone_team;

struct hone_be_stream {
    hone_be_device *device;
    hone_team       team; /* of CPU streams */
};

struct hone_be_buffer {
    hone_be_device *device;
    size_t          bytes;
    void           *host; /* where the host reaches it directly, else NULL */
};

struct hone_be_event {
    hone_be_device *device;
};

/* Where one argument lies: the element of index 0, ..., 0. */
typedef struct hone_span {
    hone_be_buffer *buffer; /* NULL: host memory */
    void           *host;
    size_t          offset, bytes; /* into the buffer; and how much there is from there on (0: not told) */
} hone_span;

/* A value that changes from step to step: told by the host, or read from the device when the kernel runs. */
typedef struct hone_scalar {
    double           value;
    const hone_span *at; /* NULL: value. Else a double lies there */
} hone_scalar;

/* What a launch is given. Operands stand in the order of the op's roles, scalars in the order of its list. */
typedef struct hone_arguments {
    int                count;
    int                scalar_count;
    const hone_span   *at;
    const hone_scalar *scalars;
    int64_t            items; /* arrays of pointers: how many */
} hone_arguments;

typedef struct hone_backend_options {
    const hone_threads *threads; /* the caller's; NULL: hone's own */
    int                 thread_count; /* of hone's own, at most; 0: as many as the device gives */
    bool                bind;         /* each of hone's own stays on one CPU */
    hone_isa            isa_limit;
} hone_backend_options;

struct hone_backend {
    unsigned    abi; /* HONE_BACKEND_ABI */
    const char *name;

    /* Finds the devices. *devices stays the backend's. No device is a success with *count 0. */
    hone_status (*open)(const hone_backend_options *options, void **self, hone_be_device ***devices, int *count);
    void (*close)(void *self);

    hone_status (*stream_create)(hone_be_device *device, hone_be_stream **out);
    void (*stream_destroy)(hone_be_stream *stream); /* after it was waited for */
    /* Launches carry numbers, set by the runtime before each; a late failure is told once, with the number of the
     * launch that caused it (0: not known). Afterwards the stream is usable again. */
    void (*stream_ticket)(hone_be_stream *stream, uint64_t ticket); /* optional: NULL where nothing is ever late */
    hone_status (*stream_wait)(hone_be_stream *stream, uint64_t *failed_ticket);

    hone_status (*buffer_create)(hone_be_device *device, size_t bytes, hone_be_buffer **out);
    hone_status (*buffer_adopt)(hone_be_device *device, void *memory, size_t bytes, hone_be_buffer **out);
    void (*buffer_destroy)(hone_be_buffer *buffer);
    hone_status (*buffer_write)(hone_be_stream *stream, hone_be_buffer *buffer, size_t offset, const void *host,
                                size_t bytes);
    hone_status (*buffer_read)(hone_be_stream *stream, hone_be_buffer *buffer, size_t offset, void *host, size_t bytes);
    hone_status (*buffer_map)(hone_be_stream *stream, hone_be_buffer *buffer, void **out);
    hone_status (*buffer_unmap)(hone_be_stream *stream, hone_be_buffer *buffer);

    hone_status (*event_create)(hone_be_device *device, hone_be_event **out);
    void (*event_destroy)(hone_be_event *event);
    hone_status (*event_record)(hone_be_event *event, hone_be_stream *stream);
    hone_status (*event_wait)(hone_be_event *event);
    hone_status (*stream_wait_event)(hone_be_stream *stream, hone_be_event *event); /* of the same backend */
};

/* The host address of a span's first element; NULL where the host cannot reach it. */
static inline void *hone_span_host(const hone_span *span)
{
    if (!span->buffer) return span->host;
    return span->buffer->host ? (char *)span->buffer->host + span->offset : NULL;
}

#endif
