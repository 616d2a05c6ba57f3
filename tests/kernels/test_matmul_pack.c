/* Packing into hone's own layouts and back: text, what is refused, every element in its place at every instruction set
 * and number of threads, nothing touched beside it, and unpacking gives back the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "kernels/kernel.h"
#include "kernels/matmul_pack/problem.h"
#include "tests/kernels/guarded.h"

extern const hone_kernel hone_matmul_pack_panels;
static const hone_op *const     op = &hone_matmul_pack_op;
static const hone_kernel *const kernel = &hone_matmul_pack_panels;

static void texts_come_back(void **state)
{
    static const char *const texts[] = {
        "f32 n 768x3072 b=n32",          "f64 t 768x3072 b=n16 unpack=1",
        "f32 n 5x7 b=n1 batch=3 ld=9",   "f32 t 5x7 b=n1024 batch=3 ld=9",
        "f32 n 5x7 b=n8 s=-7x2",         "f32 n 5x7 b=n8 batch=2 bs=100",
        "f32 n 0x0 b=n8",                "f32 n 5x7 b=onednn:AB16b b_bytes=448",
        "f32 n 5x7 b=n8 batch=0",        "f32 n 5x7 b=n8 s=0x1"};
    hone_matmul_pack_problem p, again;
    char                     text[HONE_PROBLEM_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (op->parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
        op->print(&p, text, sizeof text);
        assert_string_equal(text, texts[i]);
    }
    for (uint64_t seed = 0; seed < 20000 / HONE_TEST_SHARE; seed++) {
        op->random(seed, 1e5, &p);
        memset(&again, 0xaa, sizeof again);
        op->print(&p, text, sizeof text);
        if (op->parse(text, &again)) fail_msg("'%s': %s", text, hone_last_error());
        if (memcmp(&p, &again, sizeof p)) fail_msg("'%s' comes back as another", text);
    }
    for (int suite = 0; suite < 2; suite++)
        for (const char *const *one = op->suite(suite ? "full" : "smoke"); *one; one++)
            if (op->parse(*one, &p)) fail_msg("'%s': %s", *one, hone_last_error());
    assert_null(op->suite("none"));
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text;
        hone_status status;
        const char *says;
    } refused[] = {
        {"", HONE_ERROR_FORMAT, "nothing is asked"},
        {"s32 n 4x4 b=n8", HONE_ERROR_FORMAT, "is no type"},
        {"f32 4x4 b=n8", HONE_ERROR_FORMAT, "n (row-major)"},
        {"f32 n", HONE_ERROR_FORMAT, "KxN"},
        {"f32 n 4x4x4 b=n8", HONE_ERROR_FORMAT, "KxN"},
        {"f32 n -4x4 b=n8", HONE_ERROR_FORMAT, "KxN"},
        {"f32 n 4x4", HONE_ERROR_FORMAT, "b= is missing"},
        {"f32 n 4x4 b=m8", HONE_ERROR_FORMAT, "'m8' is no layout"},
        {"f32 n 4x4 b=n8 b=n8", HONE_ERROR_FORMAT, "twice"},
        {"f32 n 4x4 b=n8 what", HONE_ERROR_FORMAT, "'what' is none of"},
        {"f32 n 4x4 b=n8 ld=3", HONE_ERROR_FORMAT, "ld=3"},
        {"f32 n 4x4 b=n8 ld=4x4", HONE_ERROR_FORMAT, "a whole number"},
        {"f32 n 4x4 b=n8 s=4", HONE_ERROR_FORMAT, "two whole numbers"},
        {"f32 n 4x4 b=n8 s=4x1 ld=4", HONE_ERROR_FORMAT, "both"},
        {"f32 n 4x4 b=n8 unpack=2", HONE_ERROR_FORMAT, "unpack=2"},
        {"f32 n 4x4 b=n8 batch=-1", HONE_ERROR_FORMAT, "batch=-1"},
        {"f32 n 4x4 b=n8 b_bytes=4", HONE_ERROR_FORMAT, "follows from b=n8"},
        {"f32 n 4x4 b=x:y", HONE_ERROR_FORMAT, "'b_bytes' is missing"},
        {"f32 n 4x4 b=x:y b_bytes=-1", HONE_ERROR_ARGUMENT, "-1"},
        {"f32 n 4x4 b=0123456789:0123456789012345678901", HONE_ERROR_FORMAT, "longer than the 31"},
        {"f32 n 4x4 b=n8 bs=3", HONE_ERROR_ARGUMENT, "one matrix"},
        {"f32 n 4x4 b=n8 s=0x1 unpack=1", HONE_ERROR_OVERLAP, "two elements"},
        {"f32 n 4294967296x4294967296 b=n8", HONE_ERROR_OVERFLOW, "63 bits"},
        {"f32 n 4x4 b=n8 batch=1152921504606846976", HONE_ERROR_OVERFLOW, "63 bits"},
        {"f32 n 4x4 b=n8 s=4611686018427387904x1", HONE_ERROR_OVERFLOW, "63 bits"},
        {"f32 n 4x4 b=n8 batch=2 s=4611686018427387904x1", HONE_ERROR_OVERFLOW, "dense matrices"},
    };
    hone_matmul_pack_problem p;
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        hone_status status = op->parse(refused[i].text, &p);
        if (status != refused[i].status)
            fail_msg("'%s' gives %s (%s)", refused[i].text, hone_status_name(status), status ? hone_last_error() : "");
        if (!strstr(hone_last_error(), refused[i].says)) fail_msg("'%s' says: %s", refused[i].text, hone_last_error());
    }
    assert_int_equal(op->parse("f32 n 4x4 b=n8", &p), HONE_OK);
    p.zero[2] = 1;
    assert_int_equal(op->check(&p), HONE_ERROR_ARGUMENT);
    p.zero[2] = 0;
    p.bytes++;
    assert_int_equal(op->check(&p), HONE_ERROR_ARGUMENT);
}

static void backwards(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    (void)user;
    while (chunks-- > 0) work(argument, chunks);
}
static const hone_threads pool = {NULL, 4096, backwards};

static void run(const hone_matmul_pack_problem *p, hone_isa isa, int threads, void *from, void *to)
{
    void          *ready;
    hone_needs     needs;
    hone_config    config;
    hone_be_device device = {.name = "cpu:0", .threads = 4, .cpu = {.isa = isa, .cores = 4}};
    hone_request   request = {&device, op, p, threads, 1, 0, 0};
    hone_span      spans[2] = {{NULL, from, 0, 0}, {NULL, to, 0, 0}};
    hone_arguments arguments = {2, 0, spans, NULL, 0};
    hone_be_stream stream = {&device, {threads > 1 ? &pool : NULL, threads}};
    assert_null(kernel->refuses(&request));
    assert_int_equal(kernel->suggest(&request, &config, 1), 1);
    assert_true(kernel->estimate(&request, &config) > 0);
    assert_int_equal(kernel->prepare(&request, &config, NULL, &ready, &needs), HONE_OK);
    assert_int_equal(kernel->launch(ready, &stream, &arguments, (hone_span){0}), HONE_OK);
    kernel->release(ready);
}

/* Bytes from the lowest element on, and where the first stands in them. */
static size_t span_of(const hone_role *role, int64_t *low)
{
    int64_t high;
    hone_role_extent(role, low, &high);
    return (size_t)(high - *low);
}

/* By the definition, element by element. */
static void every_element_in_its_place(const hone_matmul_pack_problem *p, const char *plain, const char *packed)
{
    const int64_t width = hone_matmul_layout_width(p->layout), size = hone_dtype_bits((hone_dtype)p->type) / 8;
    const int64_t group = hone_matmul_layout_group(p->layout);
    static const char zero[8];
    for (int64_t matrix = 0; matrix < p->count; matrix++)
        for (int64_t k = 0; k < hone_round_up(p->k, group); k++)
            for (int64_t j = 0; j < hone_round_up(p->n, width); j++) {
                const char *at = packed + matrix * p->bytes +
                                 ((j / width * hone_divide_up(p->k, group) + k / group) * width * group +
                                  j % width * group + k % group) * size;
                const char *from =
                    j < p->n && k < p->k ? plain + (matrix * p->matrix + k * p->row + j * p->column) * size : zero;
                if (memcmp(at, from, (size_t)size)) fail_msg("element (%d, %d) is not in its place", (int)k, (int)j);
            }
}

static void every_way_there_and_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1200 / HONE_TEST_SHARE; seed++) {
        hone_matmul_pack_problem p, back;
        hone_role                roles[HONE_ROLES_MAX];
        int64_t                  low;
        op->random(seed, seed % 9 ? 2e3 : 4e4, &p);
        p.unpack = 0;
        assert_int_equal(op->roles(&p, roles), 2);
        size_t  bytes = span_of(&roles[HONE_PACK_FROM], &low), packed_bytes = (size_t)(p.bytes * p.count);
        guarded plain = guarded_make(bytes + 1), packed = guarded_make(packed_bytes + 1),
                again = guarded_make(bytes + 1);
        char   *from = guarded_at(&plain, bytes, seed & 1), *to = guarded_at(&packed, packed_bytes, seed & 1);
        for (size_t i = 0; i < bytes; i++) from[i] = (char)(seed * 31 + i * 7 + i / 251);
        for (int isa = 0; isa <= (int)hone_cpu_isa(); isa++) {
            int threads = isa + seed % 4 ? 1 + (int)(seed % 7) : 1;
            memset(to, 0xff, packed_bytes);
            run(&p, (hone_isa)isa, threads, from - low, to);
            every_element_in_its_place(&p, from - low, to);
            back = p;
            back.unpack = 1;
            if (op->check(&back)) continue; /* it repeats an element */
            char *out = guarded_at(&again, bytes, !(seed & 1));
            memcpy(out, from, bytes);
            run(&back, (hone_isa)isa, threads, to, out - low);
            assert_memory_equal(out, from, bytes);
            memset(out, 0xff, bytes);
            run(&back, (hone_isa)isa, threads, to, out - low);
            every_element_in_its_place(&p, out - low, to);
        }
        guarded_free(&plain), guarded_free(&packed), guarded_free(&again);
    }
}

static void others_layouts_are_refused(void **state)
{
    hone_matmul_pack_problem p;
    hone_truth               truth;
    int64_t                  first = 0;
    hone_be_device           device = {.name = "cpu:0", .threads = 1, .cpu = {.isa = HONE_ISA_PORTABLE, .cores = 1}};
    (void)state;
    assert_int_equal(op->parse("f32 n 4x4 b=x:y b_bytes=64", &p), HONE_OK);
    assert_string_equal(kernel->refuses(&(hone_request){&device, op, &p, 1, 1, 0, 0}), "the layout is a kernel's own");
    assert_int_equal(op->reference(&p, &(hone_arguments){0}, &(hone_sample){HONE_PACK_TO, 1, &first}, &truth),
                     HONE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(hone_last_error(), "only its kernel knows"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts_come_back), cmocka_unit_test(mistakes_are_named),
                                       cmocka_unit_test(every_way_there_and_back),
                                       cmocka_unit_test(others_layouts_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
