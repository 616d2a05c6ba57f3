/* The CPU device: what it says of itself, and its table: streams, events, buffers, misuse, short memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>

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
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    assert_int_equal(hone_cpu_isa(), avx512 ? HONE_ISA_AVX512 : avx2 ? HONE_ISA_AVX2 : HONE_ISA_PORTABLE);
    if (avx512) {
        assert_int_equal(!!(hone_cpu_extensions() & HONE_CPU_VNNI), !!__builtin_cpu_supports("avx512vnni"));
        assert_int_equal(!!(hone_cpu_extensions() & HONE_CPU_BF16), !!__builtin_cpu_supports("avx512bf16"));
    } else {
        assert_int_equal(hone_cpu_extensions(), 0);
    }
}
#endif

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
    hone_cpu_layout layout = {.cores = 8, .threads = 16, .kinds = {6, 2}, .cache_bytes = {32768, 1 << 20, 32 << 20},
                              .cache_cores = {1, 1, 8}, .model = "\t Some   CPU\n(TM)  "};
    hone_be_device  one, two;
    (void)state;
    hone_cpu_describe(&layout, HONE_ISA_AVX512, &one);
    assert_non_null(strstr(one.fingerprint, " cores=6+2 threads=16 l1=32k/1 l2=1024k/1 l3=32768k/8"));
    layout.cache_bytes[HONE_LEVEL_L3] = 16 << 20;
    hone_cpu_describe(&layout, HONE_ISA_AVX512, &two);
    assert_string_not_equal(one.fingerprint, two.fingerprint);

    /* the longest there can be still ends within its place */
    layout = (hone_cpu_layout){.cores = 1 << 20, .threads = 1 << 20, .kinds = {1 << 20, 1 << 20, 1 << 20, 1 << 20},
                               .cache_bytes = {1 << 30, 1 << 30, 1 << 30}, .cache_cores = {1 << 20, 1 << 20, 1 << 20}};
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
        cmocka_unit_test(a_device_tells_of_itself),
        cmocka_unit_test(the_fingerprint_tells_machines_apart),
        cmocka_unit_test(streams_carry_the_callers_threads),
        cmocka_unit_test(buffers_hold_what_is_written),
        cmocka_unit_test(short_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
