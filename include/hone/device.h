/* Devices: what computes. "cpu:0" is always there. */
#ifndef HONE_DEVICE_H
#define HONE_DEVICE_H

#include <hone/api.h>
#include <hone/context.h>
#include <hone/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_device hone_device;

/** How many devices `context` has, at least 1. */
HONE_API HONE_MUST_USE hone_status hone_device_count(hone_context *context, int *out);

/** The device of that index, 0 .. count-1. It belongs to the context: never destroy it. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_device_at(hone_context *context, int index, hone_device **out);

/** A device by name: "cpu:0", "cuda:0", "opencl:1", or "best", the fastest one known. It belongs to the context.
 *  HONE_ERROR_NOT_FOUND names the devices there are. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_device_find(hone_context *context, const char *name, hone_device **out);

typedef struct hone_device_facts {
    size_t   size;           /* sizeof(hone_device_facts), set by the caller */
    char     name[32];       /* "cpu:0" */
    char     label[96];      /* what its maker calls it */
    char     instructions[32]; /* "avx512", "portable", ...; what kernels are chosen by */
    int      threads;        /* how many may run at once */
    uint64_t memory_bytes;   /* 0: not known */
} hone_device_facts;

/** What is known of a device, without measuring. Copies into *facts, at most facts->size bytes. */
HONE_API HONE_MUST_USE hone_status hone_device_describe(hone_device *device, hone_device_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
