/* The CPU device: what it says of itself, and its table: streams, events, buffers, misuse, short memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "backends/cpu/cpu.h"
#include "backends/cpu/topology.h"
#include "base/alloc.h"
#include "base/status.h"
#include "tests/memory.h"

static hone_be_device *open_cpu(const hone_threads *threads, hone_isa limit, void **self)
{
    hone_backend_options options = {.threads = threads, .isa_limit = limit};
    hone_be_device     **devices;
    int                  count;
    assert_int_equal(hone_cpu_backend.open(&options, self, &devices, &count), HONE_OK);
    assert_int_equal(count, 1);
    return devices[0];
}

static void levels_have_names(void **state)
{
    hone_isa isa = HONE_ISA_AVX512;
    (void)state;
    for (int level = 0; level < HONE_ISA_COUNT; level++) {
        assert_true(hone_cpu_isa_parse(hone_cpu_isa_name((hone_isa)level), &isa));
        assert_int_equal(isa, level);
    }
    assert_string_equal(hone_cpu_isa_name((hone_isa)77), "?");
    static const char *const wrong[] = {"", "AVX2", "avx", "avx5", "avx512 ", "sse", "?"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(hone_cpu_isa_parse(wrong[i], &isa));
    assert_false(hone_cpu_isa_parse(NULL, &isa));
}

#if defined(__x86_64__)
static void the_compiler_sees_the_same_levels(void **state)
{
    (void)state;
    __builtin_cpu_init();
    unsigned a, b, c = 0, d;
    bool     f16c = __get_cpuid(1, &a, &b, &c, &d) && c >> 29 & 1; /* clang 14 knows no such name */
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && f16c;
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    assert_int_equal(hone_cpu_isa(), avx512 ? HONE_ISA_AVX512 : avx2 ? HONE_ISA_AVX2 : HONE_ISA_PORTABLE);
    if (avx512) {
        assert_int_equal(!!(hone_cpu_extensions() & HONE_CPU_VNNI), !!__builtin_cpu_supports("avx512vnni"));
        assert_int_equal(!!(hone_cpu_extensions() & HONE_CPU_BF16), !!__builtin_cpu_supports("avx512bf16"));
    } else {
        assert_int_equal(hone_cpu_extensions_at(hone_cpu_isa(), hone_cpu_extensions()), hone_cpu_extensions());
    }
}
#endif

/* What CPUs answered, each as its maker let it be read, and what follows from it. */
enum { XCR0_SSE = 0x3, XCR0_AVX = 0x7, XCR0_ZMM = 0xe7, XCR0_TILES = 0x602e7 };
#define ZEN_2           .leaf_max = 0x10, .leaf1_ecx = 0x7ed8320b, .leaf7_ebx = 0x219c91a9, .leaf7_ecx = 0x00400004
#define SKYLAKE_X                                                                                                      \
    .leaf_max = 0x16, .leaf1_ecx = 0x7ffefbff, .leaf7_ebx = 0xd39ffffb, .leaf7_ecx = 0x00000008, .leaf7_edx = 0xbc000400
#define ZEN_4                                                                                                          \
    .leaf_max = 0x1c, .leaf1_ecx = 0xfffa3203, .leaf7_eax = 1, .leaf7_ebx = 0xf1bf07ab, .leaf7_ecx = 0x00405fc6,       \
    .leaf7_edx = 0x00000010, .leaf7_1_eax = 0x00000020
#define ALDER_LAKE                                                                                                     \
    .leaf_max = 0x20, .leaf1_ecx = 0x7ffafbbf, .leaf7_eax = 1, .leaf7_ebx = 0x239ca7eb, .leaf7_ecx = 0x984007ac,       \
    .leaf7_edx = 0xfc18c410, .leaf7_1_eax = 0x00400810
#define SAPPHIRE_RAPIDS                                                                                                \
    .leaf_max = 0x20, .leaf1_ecx = 0x7ffef3ff, .leaf7_eax = 2, .leaf7_ebx = 0xf3bfb7ef, .leaf7_ecx = 0xfb417ffe,       \
    .leaf7_1_eax = 0x00001c30
#define SAPPHIRE_EDX        0xffdd4432u
#define SAPPHIRE_EDX_HIDDEN (SAPPHIRE_EDX & ~0x03400000u)
enum { ALL_OF_SAPPHIRE = HONE_CPU_BF16 | HONE_CPU_FP16 | HONE_CPU_VNNI | HONE_CPU_AVX_VNNI };

static const struct {
    const char    *name;
    hone_cpu_words words;
    hone_isa       isa;
    unsigned       extensions;
} recorded[] = {
    {"nothing", {0}, HONE_ISA_PORTABLE, 0},
    {"Zen 2", {ZEN_2, .xcr0 = XCR0_AVX}, HONE_ISA_AVX2, 0},
    {"Zen 2, ymm not saved", {ZEN_2, .xcr0 = XCR0_SSE}, HONE_ISA_PORTABLE, 0},
    {"Zen 2, zmm said to be saved", {ZEN_2, .xcr0 = XCR0_ZMM}, HONE_ISA_AVX2, 0},
    {"Skylake-X", {SKYLAKE_X, .xcr0 = 0x2ff}, HONE_ISA_AVX512, 0},
    {"Skylake-X, zmm not saved", {SKYLAKE_X, .xcr0 = XCR0_AVX}, HONE_ISA_AVX2, 0},
    {"Skylake-X, opmask not saved", {SKYLAKE_X, .xcr0 = XCR0_ZMM & ~0x20}, HONE_ISA_AVX2, 0},
    {"Skylake-X, zmm 16-31 not saved", {SKYLAKE_X, .xcr0 = XCR0_ZMM & ~0x80}, HONE_ISA_AVX2, 0},
    {"Skylake-X, ymm not saved", {SKYLAKE_X, .xcr0 = XCR0_ZMM & ~0x4}, HONE_ISA_PORTABLE, 0},
    {"Zen 4", {ZEN_4, .xcr0 = XCR0_ZMM}, HONE_ISA_AVX512, HONE_CPU_BF16 | HONE_CPU_VNNI},
    {"Zen 4 under a system that knows SSE alone", {ZEN_4, .xcr0 = XCR0_SSE}, HONE_ISA_PORTABLE, 0},
    {"Alder Lake, AVX-512 fused off", {ALDER_LAKE, .xcr0 = 0x207}, HONE_ISA_AVX2, HONE_CPU_AVX_VNNI},
    {"Alder Lake, ymm not saved", {ALDER_LAKE, .xcr0 = XCR0_SSE}, HONE_ISA_PORTABLE, 0},
    {"Sapphire Rapids", {SAPPHIRE_RAPIDS, .leaf7_edx = SAPPHIRE_EDX, .xcr0 = XCR0_TILES, .tiles_given = true},
     HONE_ISA_AVX512, ALL_OF_SAPPHIRE | HONE_CPU_AMX},
    {"Sapphire Rapids, tiles refused", {SAPPHIRE_RAPIDS, .leaf7_edx = SAPPHIRE_EDX, .xcr0 = XCR0_TILES},
     HONE_ISA_AVX512, ALL_OF_SAPPHIRE},
    {"Sapphire Rapids, tiles not saved",
     {SAPPHIRE_RAPIDS, .leaf7_edx = SAPPHIRE_EDX, .xcr0 = 0x2e7, .tiles_given = true},
     HONE_ISA_AVX512, ALL_OF_SAPPHIRE},
    {"Sapphire Rapids, AMX hidden by the hypervisor",
     {SAPPHIRE_RAPIDS, .leaf7_edx = SAPPHIRE_EDX_HIDDEN, .xcr0 = XCR0_TILES, .tiles_given = true},
     HONE_ISA_AVX512, ALL_OF_SAPPHIRE},
};

static void answers_of_other_cpus_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        unsigned extensions = ~0u;
        hone_isa isa = hone_cpu_isa_of(&recorded[i].words, &extensions);
        if (isa != recorded[i].isa || extensions != recorded[i].extensions)
            fail_msg("%s: %s with %#x, expected %s with %#x", recorded[i].name, hone_cpu_isa_name(isa), extensions,
                     hone_cpu_isa_name(recorded[i].isa), recorded[i].extensions);
    }
}

/* Each thing that a level needs, taken away alone, takes the level away: nothing is inferred from a neighbour. */
static void every_single_bit_is_asked(void **state)
{
    static const struct {
        size_t   word;
        unsigned bit;
        hone_isa left;
    } needed[] = {
        {offsetof(hone_cpu_words, leaf1_ecx), 12, HONE_ISA_PORTABLE}, /* FMA */
        {offsetof(hone_cpu_words, leaf1_ecx), 27, HONE_ISA_PORTABLE}, /* OSXSAVE */
        {offsetof(hone_cpu_words, leaf1_ecx), 28, HONE_ISA_PORTABLE}, /* AVX */
        {offsetof(hone_cpu_words, leaf1_ecx), 29, HONE_ISA_PORTABLE}, /* F16C */
        {offsetof(hone_cpu_words, leaf7_ebx), 5, HONE_ISA_PORTABLE},  /* AVX2 */
        {offsetof(hone_cpu_words, leaf7_ebx), 16, HONE_ISA_AVX2},     /* F */
        {offsetof(hone_cpu_words, leaf7_ebx), 17, HONE_ISA_AVX2},     /* DQ */
        {offsetof(hone_cpu_words, leaf7_ebx), 30, HONE_ISA_AVX2},     /* BW */
        {offsetof(hone_cpu_words, leaf7_ebx), 31, HONE_ISA_AVX2},     /* VL */
    };
    static const struct {
        size_t   word;
        unsigned bit, lost;
    } extra[] = {
        {offsetof(hone_cpu_words, leaf7_ecx), 11, HONE_CPU_VNNI},
        {offsetof(hone_cpu_words, leaf7_edx), 23, HONE_CPU_FP16},
        {offsetof(hone_cpu_words, leaf7_1_eax), 5, HONE_CPU_BF16},
        {offsetof(hone_cpu_words, leaf7_1_eax), 4, HONE_CPU_AVX_VNNI},
        {offsetof(hone_cpu_words, leaf7_edx), 22, HONE_CPU_AMX},
        {offsetof(hone_cpu_words, leaf7_edx), 24, HONE_CPU_AMX},
        {offsetof(hone_cpu_words, leaf7_edx), 25, HONE_CPU_AMX},
    };
    const hone_cpu_words full = {SAPPHIRE_RAPIDS, .leaf7_edx = SAPPHIRE_EDX, .xcr0 = XCR0_TILES, .tiles_given = true};
    const unsigned       all = ALL_OF_SAPPHIRE | HONE_CPU_AMX;
    unsigned             extensions;
    (void)state;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        hone_cpu_words less = full;
        *(unsigned *)(void *)((char *)&less + needed[i].word) &= ~(1u << needed[i].bit);
        assert_int_equal(hone_cpu_isa_of(&less, &extensions), needed[i].left);
        assert_int_equal(extensions, hone_cpu_extensions_at(needed[i].left, all));
    }
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        hone_cpu_words less = full;
        *(unsigned *)(void *)((char *)&less + extra[i].word) &= ~(1u << extra[i].bit);
        assert_int_equal(hone_cpu_isa_of(&less, &extensions), HONE_ISA_AVX512);
        assert_int_equal(extensions, all & ~extra[i].lost);
    }
    /* leaves beyond the greatest are answered with something: not to be read */
    hone_cpu_words old = full;
    old.leaf_max = 6;
    assert_int_equal(hone_cpu_isa_of(&old, &extensions), HONE_ISA_PORTABLE);
    old = full;
    old.leaf7_eax = 0;
    assert_int_equal(hone_cpu_isa_of(&old, &extensions), HONE_ISA_AVX512);
    assert_int_equal(extensions, all & ~(unsigned)(HONE_CPU_BF16 | HONE_CPU_AVX_VNNI));
}

static void this_cpu_is_understood_alike(void **state)
{
    hone_cpu_words words;
    unsigned       extensions;
    (void)state;
    hone_cpu_words_here(&words);
    assert_int_equal(hone_cpu_isa_of(&words, &extensions), hone_cpu_isa());
    assert_int_equal(extensions, hone_cpu_extensions());
}

static void a_device_tells_of_itself(void **state)
{
    void           *self;
    hone_be_device *device = open_cpu(NULL, HONE_ISA_AVX512, &self);
    (void)state;
    assert_string_equal(device->name, "cpu:0");
    assert_ptr_equal(device->backend, &hone_cpu_backend);
    assert_true(strlen(device->label) > 0 && device->label[0] != ' ');
    assert_int_equal(
        strncmp(device->instructions, hone_cpu_isa_name(hone_cpu_isa()), strlen(hone_cpu_isa_name(hone_cpu_isa()))), 0);
    assert_int_equal(strncmp(device->fingerprint, "cpu ", 4), 0);
    assert_non_null(strstr(device->fingerprint, " cores="));
    assert_non_null(strstr(device->fingerprint, " l1="));
    assert_true(strlen(device->fingerprint) < sizeof device->fingerprint - 1);
    assert_false(device->ceilings_known);
    assert_true(device->threads >= 1 && device->cpu.cores >= 1 && device->memory_bytes > 0);
    assert_int_equal(device->cpu.isa, hone_cpu_isa());

    /* a limit hides instructions; the silicon stays what it is, and is told alike each time */
    void           *limited_self;
    hone_be_device *limited = open_cpu(NULL, HONE_ISA_PORTABLE, &limited_self);
    assert_int_equal(limited->cpu.isa, HONE_ISA_PORTABLE);
    assert_int_equal(limited->cpu.extensions, 0);
    assert_string_equal(limited->instructions, "portable");
    assert_string_equal(limited->fingerprint, device->fingerprint);
    hone_cpu_backend.close(limited_self);
    hone_cpu_backend.close(self);
}

static void the_fingerprint_tells_machines_apart(void **state)
{
    hone_cpu_layout layout = {.cores = 8,
                              .threads = 16,
                              .at_once = 8,
                              .kinds = {6, 2},
                              .cache_bytes = {32768, 1 << 20, 32 << 20},
                              .cache_cores = {1, 1, 8},
                              .model = "\t Some   CPU\n(TM)  "};
    hone_be_device  one, two;
    (void)state;
    hone_cpu_describe(&layout, HONE_ISA_AVX512, &one);
    assert_non_null(strstr(one.fingerprint, " cores=6+2 threads=16 l1=32k/1 l2=1024k/1 l3=32768k/8"));
    layout.cache_bytes[HONE_LEVEL_L3] = 16 << 20;
    hone_cpu_describe(&layout, HONE_ISA_AVX512, &two);
    assert_string_not_equal(one.fingerprint, two.fingerprint);

    /* the longest there can be still ends within its place */
    enum { MOST = HONE_CPU_MASK_WORDS * 64 };
    layout = (hone_cpu_layout){.cores = MOST, .threads = MOST, .at_once = MOST - 1, .kinds = {MOST, MOST, MOST, MOST},
                               .cache_bytes = {1 << 30, 1 << 30, 1 << 30}, .cache_cores = {MOST, MOST, MOST}};
    hone_cpu_describe(&layout, HONE_ISA_AVX512, &two);
    assert_true(strlen(two.fingerprint) < sizeof two.fingerprint - 1);
}

static int chunks_run;

static void run_backwards(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    ++*(int *)user;
    for (int chunk = chunks - 1; chunk >= 0; chunk--) work(argument, chunk);
}

static void count_chunk(void *argument, int chunk)
{
    chunks_run++;
    ((int *)argument)[chunk]++;
}

static void streams_carry_the_callers_threads(void **state)
{
    void           *self;
    hone_be_stream *stream;
    int             pool_runs = 0, seen[5] = {0};
    hone_threads    threads = {&pool_runs, 3, run_backwards};
    (void)state;
    hone_be_device *device = open_cpu(&threads, HONE_ISA_AVX512, &self);
    memset(&threads, 0, sizeof threads); /* copied */
    assert_int_equal(hone_cpu_backend.stream_create(device, &stream), HONE_OK);
    assert_int_equal(stream->team.count, 3);
    hone_cpu_each(&stream->team, 5, 0, count_chunk, seen);
    assert_int_equal(pool_runs, 1);
    hone_cpu_each(&stream->team, 1, 0, count_chunk, seen); /* not worth the way */
    assert_int_equal(pool_runs, 1);
    assert_int_equal(chunks_run, 6);
    for (int i = 0; i < 5; i++) assert_int_equal(seen[i], i ? 1 : 2);
    uint64_t ticket = 9;
    assert_int_equal(hone_cpu_backend.stream_wait(stream, &ticket), HONE_OK);
    assert_int_equal(ticket, 0);
    hone_cpu_backend.stream_destroy(stream);
    hone_cpu_backend.close(self);

    device = open_cpu(NULL, HONE_ISA_AVX512, &self);
    assert_int_equal(hone_cpu_backend.stream_create(device, &stream), HONE_OK);
    assert_int_equal(stream->team.count, device->threads);
    assert_null(stream->team.threads);
    hone_cpu_each(&stream->team, 5, 0, count_chunk, seen);
    for (int i = 0; i < 5; i++) assert_int_equal(seen[i], i ? 2 : 3);
    hone_cpu_backend.stream_destroy(stream);
    hone_cpu_backend.close(self);
}

static void buffers_hold_what_is_written(void **state)
{
    const hone_backend *cpu = &hone_cpu_backend;
    void               *self, *mapped;
    hone_be_stream     *stream;
    hone_be_buffer     *buffer, *adopted, *none;
    hone_be_event      *event;
    char                text[16] = "abcdefghijklmno", back[16] = {0};
    (void)state;
    hone_be_device *device = open_cpu(NULL, HONE_ISA_AVX512, &self);
    assert_int_equal(cpu->stream_create(device, &stream), HONE_OK);
    assert_int_equal(cpu->buffer_create(device, 100, &buffer), HONE_OK);
    assert_int_equal((uintptr_t)buffer->host % 64, 0);
    assert_int_equal(buffer->bytes, 100);
    assert_int_equal(cpu->buffer_write(stream, buffer, 84, text, 16), HONE_OK);
    assert_int_equal(cpu->buffer_read(stream, buffer, 84, back, 16), HONE_OK);
    assert_string_equal(back, text);
    assert_int_equal(cpu->buffer_map(stream, buffer, &mapped), HONE_OK);
    assert_memory_equal((char *)mapped + 84, text, 16);
    assert_int_equal(cpu->buffer_unmap(stream, buffer), HONE_OK);

    static const size_t beyond[][2] = {{85, 16}, {101, 0}, {SIZE_MAX, 2}, {2, SIZE_MAX}, {0, 101}};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        assert_int_equal(cpu->buffer_write(stream, buffer, beyond[i][0], text, beyond[i][1]), HONE_ERROR_ARGUMENT);
        assert_int_equal(cpu->buffer_read(stream, buffer, beyond[i][0], back, beyond[i][1]), HONE_ERROR_ARGUMENT);
    }
    assert_string_equal(hone_last_error(), "buffer: 101 bytes from offset 0 on go past its end at 100");
    assert_int_equal(cpu->buffer_write(stream, buffer, 100, NULL, 0), HONE_OK); /* nothing, at the end */

    assert_int_equal(cpu->buffer_adopt(device, text, sizeof text, &adopted), HONE_OK);
    assert_ptr_equal(adopted->host, text);
    assert_int_equal(cpu->buffer_write(stream, adopted, 1, text, 8), HONE_OK); /* onto itself */
    assert_string_equal(text, "aabcdefghjklmno");
    assert_int_equal(cpu->buffer_adopt(device, NULL, 1, &none), HONE_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(cpu->buffer_adopt(device, text, SIZE_MAX, &none), HONE_ERROR_ARGUMENT);
    assert_int_equal(cpu->buffer_adopt(device, NULL, 0, &none), HONE_OK);
    cpu->buffer_destroy(none);
    assert_int_equal(cpu->buffer_create(device, 0, &none), HONE_OK);
    cpu->buffer_destroy(none);
    assert_int_equal(cpu->buffer_create(device, SIZE_MAX / 2, &none), HONE_ERROR_MEMORY);
    assert_null(none);

    assert_int_equal(cpu->event_create(device, &event), HONE_OK);
    assert_ptr_equal(event->device, device);
    assert_int_equal(cpu->event_wait(event), HONE_OK);
    assert_int_equal(cpu->event_record(event, stream), HONE_OK);
    assert_int_equal(cpu->stream_wait_event(stream, event), HONE_OK);
    assert_int_equal(cpu->event_wait(event), HONE_OK);
    cpu->event_destroy(event);
    cpu->buffer_destroy(adopted);
    cpu->buffer_destroy(buffer);
    cpu->buffer_destroy(NULL);
    cpu->stream_destroy(stream);
    cpu->close(self);
    assert_string_equal(text, "aabcdefghjklmno"); /* adopted memory is not ours to touch */
}

/* One of everything, the way back where anything fails. */
static hone_status use_all(void)
{
    const hone_backend  *cpu = &hone_cpu_backend;
    hone_backend_options options = {.isa_limit = HONE_ISA_AVX512};
    void                *self = NULL;
    hone_be_device     **devices;
    hone_be_stream      *stream = NULL;
    hone_be_buffer      *made = NULL, *adopted = NULL;
    hone_be_event       *event = NULL;
    int                  count;
    static char          memory[64];
    hone_status          status = cpu->open(&options, &self, &devices, &count);
    if (status != HONE_OK) return status;
    status = cpu->stream_create(devices[0], &stream);
    if (status == HONE_OK) status = cpu->buffer_create(devices[0], 1000, &made);
    if (status == HONE_OK) status = cpu->buffer_adopt(devices[0], memory, sizeof memory, &adopted);
    if (status == HONE_OK) status = cpu->event_create(devices[0], &event);
    if (event) cpu->event_destroy(event);
    if (adopted) cpu->buffer_destroy(adopted);
    if (made) cpu->buffer_destroy(made);
    if (stream) cpu->stream_destroy(stream);
    cpu->close(self);
    return status;
}

static void short_memory_leaves_nothing_behind(void **state)
{
    test_memory memory;
    (void)state;
    for (int64_t n = 1;; n++) {
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = n;
        hone_status status = use_all();
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(hone_alloc_live(), 0);
        bool reached = memory.calls >= n;
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_int_equal(status, reached ? HONE_ERROR_MEMORY : HONE_OK);
        if (!reached) {
            assert_true(n > 5);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_have_names),
#if defined(__x86_64__)
        cmocka_unit_test(the_compiler_sees_the_same_levels),
#endif
        cmocka_unit_test(answers_of_other_cpus_are_understood),
        cmocka_unit_test(every_single_bit_is_asked),
        cmocka_unit_test(this_cpu_is_understood_alike),
        cmocka_unit_test(a_device_tells_of_itself),
        cmocka_unit_test(the_fingerprint_tells_machines_apart),
        cmocka_unit_test(streams_carry_the_callers_threads),
        cmocka_unit_test(buffers_hold_what_is_written),
        cmocka_unit_test(short_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
