/* The CPU's table. A stream does its work inside the call that queues it, so nothing waits, nothing is late, and an
 * event has passed as soon as it is recorded. Memory is the host's, aligned to a cache line. */
#include "backends/cpu/cpu.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "backends/cpu/topology.h"
#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"

typedef struct cpu {
    hone_threads    threads; /* the caller's */
    hone_team       team;    /* of its streams */
    hone_be_device  device;
    hone_be_device *list[1];
} cpu;

typedef struct buffer {
    hone_be_buffer base;
    void          *own; /* what we allocated; NULL: adopted */
} buffer;

/* --- what it is ----------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <cpuid.h>

static void brand(char out[49])
{
    unsigned *words = (unsigned *)(void *)out;
    memset(out, 0, 49);
    for (unsigned leaf = 0; leaf < 3; leaf++)
        if (!__get_cpuid(0x80000002u + leaf, &words[4 * leaf], &words[4 * leaf + 1], &words[4 * leaf + 2],
                         &words[4 * leaf + 3])) {
            out[0] = 0;
            return;
        }
}

/* "AuthenticAMD/25/17": who made it, and which design. The stepping is left out: it tells of mended faults. */
static void silicon(hone_text *text)
{
    unsigned a = 0, b, c, d, vendor[4] = {0};
    if (!__get_cpuid(0, &a, &vendor[0], &vendor[2], &vendor[1])) return;
    char name[13] = {0};
    memcpy(name, vendor, 12);
    for (char *at = name; *at; at++) /* a hypervisor may call itself anything */
        if (*at <= ' ' || *at >= 127) *at = '_';
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    unsigned family = a >> 8 & 15, model = a >> 4 & 15;
    if (family == 6 || family == 15) model += (a >> 16 & 15) << 4;
    if (family == 15) family += a >> 20 & 255;
    hone_text_add(text, "%s/%u/%u", name, family, model);
}

#else
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void brand(char out[49])
{
    out[0] = 0;
}

/* On ARM the main identification register, less its revision; elsewhere nothing but the architecture is known. */
static void silicon(hone_text *text)
{
    char    id[32] = {0};
    int     file = open("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, id, sizeof id - 1);
    if (file >= 0) close(file);
#if defined(__aarch64__)
    hone_text_add(text, "aarch64");
#elif defined(__riscv)
    hone_text_add(text, "riscv");
#else
    hone_text_add(text, "generic%d", (int)sizeof(void *) * 8);
#endif
    if (got > 0) hone_text_add(text, "/%08llx", strtoull(id, NULL, 0) & 0xff0ffff0u);
}

#endif

static void add_extensions(hone_text *text, char before, unsigned extensions)
{
    static const struct {
        unsigned    bit;
        const char *name;
    } names[] = {{HONE_CPU_BF16, "bf16"},
                 {HONE_CPU_FP16, "fp16"},
                 {HONE_CPU_VNNI, "vnni"},
                 {HONE_CPU_AMX, "amx"},
                 {HONE_CPU_AVX_VNNI, "avxvnni"}};
    if (extensions & HONE_CPU_VNNI) extensions &= ~(unsigned)HONE_CPU_AVX_VNNI; /* the same, and said already */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (extensions & names[i].bit) hone_text_add(text, "%c%s", before, names[i].name);
}

/* Spaces, tabs and what cannot be printed become one space each run; none at the ends. */
static void tidy(char *out, size_t capacity, const char *text)
{
    size_t length = 0;
    for (; *text && length + 1 < capacity; text++) {
        bool space = (unsigned char)*text <= ' ' || (unsigned char)*text >= 127;
        if (!space)
            out[length++] = *text;
        else if (length && out[length - 1] != ' ')
            out[length++] = ' ';
    }
    while (length && out[length - 1] == ' ') length--;
    out[length] = 0;
}

void hone_cpu_describe(const hone_cpu_layout *layout, hone_isa isa_limit, hone_be_device *out)
{
    hone_isa full = hone_cpu_isa(), isa = isa_limit < full ? isa_limit : full;
    unsigned extensions = hone_cpu_extensions();
    char     words[49];

    memset(out, 0, sizeof *out);
    out->backend = &hone_cpu_backend;
    snprintf(out->name, sizeof out->name, "cpu:0");
    brand(words);
    tidy(out->label, sizeof out->label, *words ? words : layout->model);
    if (!*out->label) snprintf(out->label, sizeof out->label, "CPU");

    out->threads = layout->at_once;
    out->memory_bytes = layout->memory_bytes;
    out->cpu.isa = isa;
    out->cpu.extensions = hone_cpu_extensions_at(isa, extensions);
    out->cpu.cores = layout->cores;
    out->cpu.line_bytes = layout->line_bytes;
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++) {
        out->cpu.cache_bytes[level] = layout->cache_bytes[level];
        out->cpu.cache_cores[level] = layout->cache_cores[level];
    }

    hone_text text = hone_text_in(out->instructions, sizeof out->instructions);
    hone_text_add(&text, "%s", hone_cpu_isa_name(isa));
    add_extensions(&text, ' ', out->cpu.extensions);

    /* The silicon, whatever HONE_ISA says: a limit hides kernels, it does not make another machine. */
    text = hone_text_in(out->fingerprint, sizeof out->fingerprint);
    hone_text_add(&text, "cpu ");
    silicon(&text);
    hone_text_add(&text, " %s", hone_cpu_isa_name(full));
    add_extensions(&text, '+', extensions);
    hone_text_add(&text, " cores=%d", layout->kinds[0]);
    for (int kind = 1; kind < HONE_CPU_KINDS_MAX && layout->kinds[kind]; kind++)
        hone_text_add(&text, "+%d", layout->kinds[kind]);
    hone_text_add(&text, " threads=%d", layout->threads);
    if (layout->at_once < layout->cores) hone_text_add(&text, " at_once=%d", layout->at_once);
    for (int level = 0; level < HONE_LEVEL_MEMORY; level++)
        if (layout->cache_bytes[level])
            hone_text_add(&text, " l%d=%zuk/%d", level + 1, layout->cache_bytes[level] >> 10,
                          layout->cache_cores[level]);
}

static hone_status cpu_open(const hone_backend_options *options, void **self, hone_be_device ***devices, int *count)
{
    hone_cpu_layout layout;
    hone_cpu_mask   usable;
    *self = NULL;
    *devices = NULL;
    *count = 0;
    cpu *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    if (options->threads) it->threads = *options->threads;
    hone_cpu_layout_here(&layout);
    hone_cpu_describe(&layout, options->isa_limit, &it->device);
    hone_cpu_usable(&usable);
    hone_cpu_pool_allow(&usable, it->device.threads, options->bind ? &layout.first : NULL);
    it->team = options->threads ? (hone_team){&it->threads, it->threads.count}
                                : (hone_team){NULL, options->thread_count ? options->thread_count : it->device.threads};
    it->list[0] = &it->device;
    *self = it;
    *devices = it->list;
    *count = 1;
    return HONE_OK;
}

static void cpu_close(void *self)
{
    hone_free(self);
}

/* --- streams and events --------------------------------------------------------------------------------------- */

static hone_status stream_create(hone_be_device *device, hone_be_stream **out)
{
    cpu *it = (cpu *)((char *)device - offsetof(cpu, device));
    *out = hone_alloc(1, sizeof **out);
    if (!*out) return HONE_ERROR_MEMORY;
    **out = (hone_be_stream){device, it->team};
    return HONE_OK;
}

static void stream_destroy(hone_be_stream *stream)
{
    hone_free(stream);
}

static hone_status stream_wait(hone_be_stream *stream, uint64_t *failed_ticket)
{
    (void)stream;
    *failed_ticket = 0;
    return HONE_OK;
}

static hone_status event_create(hone_be_device *device, hone_be_event **out)
{
    *out = hone_alloc(1, sizeof **out);
    if (!*out) return HONE_ERROR_MEMORY;
    (*out)->device = device;
    return HONE_OK;
}

static void event_destroy(hone_be_event *event)
{
    hone_free(event);
}

static hone_status event_record(hone_be_event *event, hone_be_stream *stream)
{
    (void)event;
    (void)stream;
    return HONE_OK;
}

static hone_status event_wait(hone_be_event *event)
{
    (void)event;
    return HONE_OK;
}

static hone_status stream_wait_event(hone_be_stream *stream, hone_be_event *event)
{
    (void)stream;
    (void)event;
    return HONE_OK;
}

/* --- buffers -------------------------------------------------------------------------------------------------- */

static hone_status buffer_create(hone_be_device *device, size_t bytes, hone_be_buffer **out)
{
    *out = NULL;
    buffer *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->own = hone_alloc_raw(bytes, HONE_CACHE_LINE);
    if (!it->own) {
        hone_free(it);
        return HONE_ERROR_MEMORY;
    }
    it->base = (hone_be_buffer){device, bytes, it->own};
    *out = &it->base;
    return HONE_OK;
}

static hone_status buffer_adopt(hone_be_device *device, void *memory, size_t bytes, hone_be_buffer **out)
{
    *out = NULL;
    HONE_CHECK(memory || !bytes, HONE_ERROR_ARGUMENT, "buffer: %zu bytes at NULL cannot be adopted", bytes);
    HONE_CHECK(bytes <= UINTPTR_MAX - (uintptr_t)memory, HONE_ERROR_ARGUMENT,
               "buffer: %zu bytes from %p on go past the end of the address space", bytes, memory);
    buffer *it = hone_alloc(1, sizeof *it);
    if (!it) return HONE_ERROR_MEMORY;
    it->base = (hone_be_buffer){device, bytes, memory};
    *out = &it->base;
    return HONE_OK;
}

static void buffer_destroy(hone_be_buffer *base)
{
    if (!base) return;
    hone_free(((buffer *)base)->own);
    hone_free(base);
}

static hone_status within(const hone_be_buffer *base, size_t offset, size_t bytes)
{
    HONE_CHECK(offset <= base->bytes && bytes <= base->bytes - offset, HONE_ERROR_ARGUMENT,
               "buffer: %zu bytes from offset %zu on go past its end at %zu", bytes, offset, base->bytes);
    return HONE_OK;
}

static hone_status buffer_write(hone_be_stream *stream, hone_be_buffer *base, size_t offset, const void *host,
                                size_t bytes)
{
    (void)stream;
    HONE_TRY(within(base, offset, bytes));
    if (bytes) memmove((char *)base->host + offset, host, bytes); /* adopted memory may be the caller's own source */
    return HONE_OK;
}

static hone_status buffer_read(hone_be_stream *stream, hone_be_buffer *base, size_t offset, void *host, size_t bytes)
{
    (void)stream;
    HONE_TRY(within(base, offset, bytes));
    if (bytes) memmove(host, (const char *)base->host + offset, bytes);
    return HONE_OK;
}

static hone_status buffer_map(hone_be_stream *stream, hone_be_buffer *base, void **out)
{
    (void)stream;
    *out = base->host;
    return HONE_OK;
}

static hone_status buffer_unmap(hone_be_stream *stream, hone_be_buffer *base)
{
    (void)stream;
    (void)base;
    return HONE_OK;
}

const hone_backend hone_cpu_backend = {
    .abi = HONE_BACKEND_ABI,
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_wait = stream_wait,
    .buffer_create = buffer_create,
    .buffer_adopt = buffer_adopt,
    .buffer_destroy = buffer_destroy,
    .buffer_write = buffer_write,
    .buffer_read = buffer_read,
    .buffer_map = buffer_map,
    .buffer_unmap = buffer_unmap,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_wait = event_wait,
    .stream_wait_event = stream_wait_event,
};
