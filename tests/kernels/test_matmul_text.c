/* A matmul's text and back: the same bytes for any legal problem, and a sentence, with the nearest right word, for what
 * is not legal. The fuzzer's corpus is replayed too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <hone/accuracy.h>

#include "kernels/matmul/parts.h"
#include "kernels/matmul_pack/problem.h"

static void same_bytes(const hone_matmul_problem *p, const char *from)
{
    char                text[HONE_PROBLEM_TEXT_MAX];
    hone_matmul_problem again;
    memset(&again, 0xaa, sizeof again);
    hone_matmul_op.print(p, text, sizeof text);
    if (strlen(text) + 16 > sizeof text) fail_msg("%s: too long: %s", from, text);
    if (hone_matmul_op.parse(text, &again)) fail_msg("%s: '%s' is not read: %s", from, text, hone_last_error());
    if (memcmp(p, &again, sizeof again) != 0) {
        char other[HONE_PROBLEM_TEXT_MAX];
        hone_matmul_op.print(&again, other, sizeof other);
        fail_msg("%s: '%s' comes back as '%s'", from, text, other);
    }
}

static void random_problems_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40000 / HONE_TEST_SHARE; seed++) {
        hone_matmul_problem p;
        char                from[48];
        snprintf(from, sizeof from, "seed %d", (int)seed);
        hone_matmul_op.random(seed, seed % 5 ? 1e5 : 1e7, &p);
        if (hone_matmul_op.check(&p)) fail_msg("%s: %s", from, hone_last_error());
        if (seed % 7 == 0) p.accuracy = (uint32_t)(seed / 7) & HONE_ACCURACY_ALL;
        same_bytes(&p, from);
    }
}

/* The longest text there can be still fits. */
static void longest_fits(void **state)
{
    (void)state;
    hone_matmul_problem p = hone_matmul_plain(HONE_F64, 1, 1, 1);
    const int64_t       most = INT64_MIN / 8;
    p.accuracy = HONE_ACCURACY_ALL;
    p.reads_c = 1;
    p.batch_rank = HONE_BATCH_MAX;
    p.a_row = p.a_column = p.b_row = p.b_column = p.c_row = p.c_column = most;
    p.step_count = HONE_STEPS_MAX;
    for (int i = 0; i < HONE_BATCH_MAX; i++) p.batch[i] = 1, p.a_batch[i] = p.b_batch[i] = p.c_batch[i] = most;
    for (int i = 0; i < HONE_STEPS_MAX; i++) {
        p.step[i].kind = HONE_STEP_GELU_ERF_GRADIENT;
        p.step[i].row_stride = p.step[i].column_stride = most;
        for (int j = 0; j < HONE_BATCH_MAX; j++) p.step[i].batch_stride[j] = most;
    }
    assert_int_equal(hone_matmul_op.check(&p), HONE_OK);
    same_bytes(&p, "the longest");
    p.type_a = p.type_c = p.type_scale = HONE_BF16;
    p.type_b = HONE_U8;
    p.group_k = p.group_n = INT64_MAX;
    p.zeros = HONE_MATMUL_ZERO_GROUPS;
    p.scale.row = p.scale.column = p.zero.row = p.zero.column = most;
    for (int i = 0; i < HONE_BATCH_MAX; i++) p.scale.batch[i] = p.zero.batch[i] = most;
    if (hone_matmul_op.check(&p)) fail_msg("%s", hone_last_error());
    same_bytes(&p, "the longest with scales");
}

/* What the text says, as the problem that is meant. */
static void words_mean_what_they_say(void **state)
{
    (void)state;
    hone_matmul_problem p;
    assert_int_equal(hone_matmul_op.parse("f32 nt 128x3072x768 +bias+gelu batch=4 ldb=4096 beta=1", &p), HONE_OK);
    assert_int_equal(p.type_a, HONE_F32);
    assert_int_equal(p.m, 128);
    assert_int_equal(p.n, 3072);
    assert_int_equal(p.k, 768);
    assert_int_equal(p.a_row, 768);
    assert_int_equal(p.a_column, 1);
    assert_int_equal(p.b_row, 1); /* k runs fastest */
    assert_int_equal(p.b_column, 4096);
    assert_int_equal(p.b_batch[0], 4096 * 3072);
    assert_int_equal(p.a_batch[0], 128 * 768);
    assert_int_equal(p.c_batch[0], 128 * 3072);
    assert_int_equal(p.reads_c, 1);
    assert_int_equal(p.step_count, 2);
    assert_int_equal(p.step[0].kind, HONE_STEP_BIAS);
    assert_int_equal(p.step[0].column_stride, 1);
    assert_int_equal(p.step[0].batch_stride[0], 0);
    assert_int_equal(p.step[1].kind, HONE_STEP_GELU);
    assert_int_equal(hone_matmul_op.parse("f64 tn 5x6x7 batch=2x3 +store s0=1x5 bs0=90x30 sc=-6x1", &p), HONE_OK);
    assert_int_equal(p.a_column, 5);
    assert_int_equal(p.a_batch[0], 105);
    assert_int_equal(p.a_batch[1], 35);
    assert_int_equal(p.c_row, -6);
    assert_int_equal(p.step[0].column_stride, 5);
    assert_int_equal(p.step[0].batch_stride[1], 30);
    assert_int_equal(hone_matmul_op.parse("f32 tn 8x33x7 batch=2x3 b=n32", &p), HONE_OK);
    assert_string_equal(p.b_layout, "n32");
    assert_int_equal(p.b_bytes, 64 * 7 * 4); /* two panels */
    assert_int_equal(p.b_row, 0);
    assert_int_equal(p.b_column, 0);
    assert_int_equal(p.b_batch[0], 3); /* in matrices */
    assert_int_equal(p.b_batch[1], 1);
    assert_int_equal(hone_matmul_op.parse("f64 nn 8x33x7 b=onednn:BA16a64b b_bytes=8192", &p), HONE_OK);
    assert_string_equal(p.b_layout, "onednn:BA16a64b");
    assert_int_equal(p.b_bytes, 8192);
    assert_int_equal(hone_matmul_op.parse("bf16:f16:f32 nn 8x33x7", &p), HONE_OK);
    assert_int_equal(p.type_a, HONE_BF16);
    assert_int_equal(p.type_b, HONE_F16);
    assert_int_equal(p.type_c, HONE_F32);
    assert_int_equal(hone_matmul_op.parse("f16 nn 8x33x7 b=n32 +bias:f32+bias_rows", &p), HONE_OK);
    assert_int_equal(p.b_bytes, 64 * 7 * 2);
    assert_int_equal(p.step[0].type, HONE_F32);
    assert_int_equal(p.step[1].type, 0);
    assert_int_equal(hone_matmul_step_type(&p, 1), HONE_F16);
    assert_int_equal(hone_matmul_op.parse("u8:s8:s8 nn 8x33x7 +scale_columns+residual+shift a_zero=1 b=n32k4", &p),
                     HONE_OK);
    assert_int_equal(p.zeros, HONE_MATMUL_ZERO_A);
    assert_int_equal(p.b_bytes, 64 * 8);
    assert_int_equal(hone_matmul_step_type(&p, 0), HONE_F32);
    assert_int_equal(hone_matmul_step_type(&p, 1), HONE_S8);
    assert_int_equal(hone_matmul_b_offset(&p, 6, 32), 32 * 8 + 1 * 32 * 4 + 0 * 4 + 2);
    assert_int_equal(hone_matmul_op.parse("bf16:s4:f32 nt 8x33x71 group=32 scales=bf16 zeros=1 batch=2 sz=33x1", &p),
                     HONE_OK);
    assert_int_equal(p.b_column, 72); /* 71 of them, and each line begins with a byte */
    assert_int_equal(p.b_batch[0], 72 * 33);
    assert_int_equal(p.group_k, 32);
    assert_int_equal(p.group_n, 1);
    assert_int_equal(p.type_scale, HONE_BF16);
    assert_int_equal(p.zeros, HONE_MATMUL_ZERO_GROUPS);
    assert_int_equal(p.scale.row, 1); /* as b: k runs fastest, in three groups */
    assert_int_equal(p.scale.column, 3);
    assert_int_equal(p.scale.batch[0], 99);
    assert_int_equal(p.zero.row, 33);
    assert_int_equal(p.zero.batch[0], 99);
    assert_int_equal(hone_matmul_op.parse("f32:u4:f32 nn 8x33x71 group=1x16 b=n32k8", &p), HONE_OK);
    assert_int_equal(p.group_k, 1);
    assert_int_equal(p.group_n, 16);
    assert_int_equal(p.scale.row, 3);
    assert_int_equal(p.b_bytes, 64 * 72 / 2);
    assert_int_equal(hone_matmul_b_offset(&p, 70, 33), 32 * 72 + 8 * 32 * 8 + 1 * 8 + 6);
    assert_int_equal(hone_matmul_op.parse("f32:u4:f32 nn 1x3x3 b=n3", &p), HONE_OK);
    assert_int_equal(p.b_bytes, 5);
}

/* A plain problem with b laid out is what its text says, and an opaque one is taken apart into what it came from. */
static void layouts_go_in_and_out(void **state)
{
    static const struct {
        const char *plain, *packed;
        hone_layout layout;
    } cases[] = {{"f32 nt 8x33x7", "f32 nn 8x33x7 b=n32", {"n32", 0}},
                 {"f64 tn 8x33x7 +bias batch=2x3x5 bsb=0x231x0", "f64 tn 8x33x7 +bias batch=2x3x5 b=n4 bsb=0x1x0",
                  {"n4", 0}},
                 {"f32 nn 8x3x7 batch=4 pointers=1", "f32 nn 8x3x7 batch=4 pointers=1 b=n16", {"n16", 0}},
                 {"f32 nn 4x3x5 batch=2", "f32 nn 4x3x5 batch=2 b=x:y b_bytes=64", {"x:y", 64}}};
    static const hone_layout wrong[] = {{"", 0}, {"n0", 0}, {"k32", 0}, {"n32 ", 0}, {":x", 4}, {"x:", 4}, {"x:y", -1}};
    hone_matmul_problem      p, packed, meant;
    hone_packing             apart;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(hone_matmul_op.parse(cases[i].plain, &p), HONE_OK);
        assert_int_equal(hone_matmul_op.lay_out(&p, HONE_MATMUL_B, &cases[i].layout, &packed), HONE_OK);
        assert_int_equal(hone_matmul_op.parse(cases[i].packed, &meant), HONE_OK);
        assert_memory_equal(&packed, &meant, sizeof meant);
        same_bytes(&packed, cases[i].packed);
        assert_int_equal(hone_matmul_op.lay_out(&packed, HONE_MATMUL_B, &cases[i].layout, &meant), HONE_ERROR_ARGUMENT);
        assert_int_equal(hone_matmul_op.lay_out(&p, HONE_MATMUL_A, &cases[i].layout, &meant), HONE_ERROR_UNSUPPORTED);
        assert_false(hone_matmul_op.take_apart(&p, &apart));
        assert_int_equal(hone_matmul_op.take_apart(&packed, &apart), cases[i].layout.bytes != 0);
    }
    assert_int_equal(apart.role, HONE_MATMUL_B);
    assert_string_equal(apart.op, "matmul_pack");
    assert_memory_equal(apart.plain.bytes, &p, sizeof p);
    char text[HONE_PROBLEM_TEXT_MAX];
    assert_int_equal(hone_matmul_pack_op.check(apart.pack.bytes), HONE_OK);
    hone_matmul_pack_op.print(apart.pack.bytes, text, sizeof text);
    assert_string_equal(text, "f32 n 5x3 b=x:y batch=2 b_bytes=64");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(hone_matmul_op.lay_out(&p, HONE_MATMUL_B, &wrong[i], &packed), HONE_ERROR_ARGUMENT);
}

static void texts_are_short(void **state)
{
    static const char *const texts[] = {"f32 nn 128x3072x768 +bias+gelu ldb=4096",
                                        "f64 tt 5x6x7",
                                        "f32 nn 0x0x0",
                                        "f32 nt 1x1x1",
                                        "f32 nn 8x8x8 batch=4 bsb=0",
                                        "f32 nn 4x4x4 batch=9 pointers=1",
                                        "f32 nn 3x3x3 accuracy=tf32+winograd",
                                        "f32 nn 12x34x0 +residual+gelu_gradient",
                                        "f32 nn 7x1x9 sb=0x0",
                                        "f32 nn 8x4096x4096 b=n32",
                                        "f32 tn 8x9x5 +bias batch=2x3 b=n1024 bsb=1x0",
                                        "f64 nn 8x9x5 b=onednn:BA16a64b4a b_bytes=4096",
                                        "f32 nn 4x5x6 +store+relu batch=2x3 beta=1", "bf16:bf16:f32 nt 3x5x7",
                                        "f16 nn 3x5x7 +bias:f32+gelu b=n16", "s8 nn 3x5x7 a_zero=1 b_zero=1",
                                        "u8:s8:s32 nt 3x5x7 +scale_rows+shift beta=1 b_zero=1",
                                        "f32:s4:f32 nn 1x4096x4096 group=128", "f32:s8:f32 nt 3x5x7",
                                        "f32:u4:bf16 nt 3x5x7 +bias:f32 group=4 scales=f16 zeros=1",
                                        "bf16:u8:f32 tn 3x5x7 batch=2x3 bsb=0x35 group=0x4 zeros=1 ss=0x1 bsz=0x1",
                                        "f32:s4:f32 nn 3x5x7 ldb=8 group=2x2", "f32:s4:f32 nn 3x5x7 b=n8k2"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_problem p;
        char                text[HONE_PROBLEM_TEXT_MAX];
        if (hone_matmul_op.parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
        hone_matmul_op.print(&p, text, sizeof text);
        if (i == 3) continue; /* a 1 x 1 matrix lies either way */
        assert_string_equal(text, texts[i]);
    }
}

static void suites_are_legal(void **state)
{
    static const char *const names[] = {"smoke", "quick", "transformer", "full", "matmul-s8", "matmul-s4w",
                                        "matmul-s8w"};
    (void)state;
    for (int i = 0; i < 7; i++)
        for (const char *const *text = hone_matmul_op.suite(names[i]); *text; text++) {
            hone_matmul_problem p;
            if (hone_matmul_op.parse(*text, &p)) fail_msg("%s: '%s': %s", names[i], *text, hone_last_error());
            same_bytes(&p, *text);
        }
    assert_null(hone_matmul_op.suite("nonsense"));
}

/* A text that is refused, how, and what the sentence must name. */
static const struct {
    const char *text;
    hone_status status;
    const char *says;
} refused[] = {
    {"", HONE_ERROR_FORMAT, "nothing is asked"},
    {"f13 nn 4x4x4", HONE_ERROR_FORMAT, "no type"},
    {"f33 nn 4x4x4", HONE_ERROR_FORMAT, "'f32'"},
    {"bf17 nn 4x4x4", HONE_ERROR_FORMAT, "'bf16'"},
    {"bf16:bf16 nn 4x4x4", HONE_ERROR_FORMAT, "two types"},
    {"bf16:bf16:f32:f32 nn 4x4x4", HONE_ERROR_FORMAT, "more types"},
    {"bf16::f32 nn 4x4x4", HONE_ERROR_FORMAT, "no type"},
    {"f64:f64:f32 nn 4x4x4", HONE_ERROR_TYPE, "c is f32"},
    {"f32 nn 4x4x4 +bias:f32", HONE_ERROR_TYPE, "fewer bits"},
    {"bf16 nn 4x4x4 +bias:f16", HONE_ERROR_TYPE, "is f16"},
    {"bf16 nn 4x4x4 +residual:f32", HONE_ERROR_TYPE, "a vector"},
    {"bf16 nn 4x4x4 +relu:f32", HONE_ERROR_TYPE, "a vector"},
    {"bf16 nn 4x4x4 +bias:", HONE_ERROR_FORMAT, "no type"},
    {"u8 nn 4x4x4", HONE_ERROR_TYPE, "b s8"},
    {"u8:s8:u8 nn 4x4x4 +bias:f32", HONE_ERROR_TYPE, "fewer bits"},
    {"s8:s8:s32 nn 4x4x4 a_zero=2", HONE_ERROR_FORMAT, "0 or 1"},
    {"bf16 nn 4x4x4 a_zero=1", HONE_ERROR_ARGUMENT, "whole numbers"},
    {"s8 nn 4x4x4 b=n32k3", HONE_ERROR_FORMAT, "n32k4"},
    {"s8 nn 4x4x4 b=n32k", HONE_ERROR_FORMAT, "n32k4"},
    {"s8 nn 4x4x4 b=n32k44", HONE_ERROR_FORMAT, "n32k4"},
    {"f32", HONE_ERROR_FORMAT, "layouts"},
    {"f32 nx 4x4x4", HONE_ERROR_FORMAT, "nn, nt, tn or tt"},
    {"f32 nnn 4x4x4", HONE_ERROR_FORMAT, "nn, nt, tn or tt"},
    {"f32 nn", HONE_ERROR_FORMAT, "MxNxK"},
    {"f32 nn 4x4", HONE_ERROR_FORMAT, "4x4"},
    {"f32 nn 4x4x4x4", HONE_ERROR_FORMAT, "4x4x4x4"},
    {"f32 nn -1x4x4", HONE_ERROR_FORMAT, "-1x4x4"},
    {"f32 nn 4x4x99999999999999999999", HONE_ERROR_FORMAT, "63 bits"},
    {"f32 nn 4 x4x4", HONE_ERROR_FORMAT, "'4'"},
    {"f32 nn 4x4x4 lbb=4", HONE_ERROR_FORMAT, "'ldb'"},
    {"f32 nn 4x4x4 bacth=4", HONE_ERROR_FORMAT, "'batch'"},
    {"f32 nn 4x4x4 accurcy=tf32", HONE_ERROR_FORMAT, "'accuracy'"},
    {"f32 nn 4x4x4 accuracy=tf33", HONE_ERROR_FORMAT, "'tf32'"},
    {"f32 nn 4x4x4 accuracy=", HONE_ERROR_FORMAT, "no accuracy ''"},
    {"f32 nn 4x4x4 accuracy=tf32+tf32", HONE_ERROR_FORMAT, "twice"},
    {"f32 nn 4x4x4 +gelo", HONE_ERROR_FORMAT, "'gelu'"},
    {"f32 nn 4x4x4 +", HONE_ERROR_FORMAT, "no step ''"},
    {"f32 nn 4x4x4 +bias+", HONE_ERROR_FORMAT, "no step ''"},
    {"f32 nn 4x4x4 +bias +gelu", HONE_ERROR_FORMAT, "told once"},
    {"f32 nn 4x4x4 +relu+relu+relu+relu+relu", HONE_ERROR_FORMAT, "more than 4"},
    {"f32 nn 4x4x4 ldb=4 ldb=4", HONE_ERROR_FORMAT, "'ldb' is given twice"},
    {"f32 nn 4x4x4 ldb=4 sb=4x1", HONE_ERROR_FORMAT, "both"},
    {"f32 nn 4x4x4 ldb=3", HONE_ERROR_FORMAT, "ldb=3"},
    {"f32 nn 4x4x4 ldb=-4", HONE_ERROR_FORMAT, "'sb'"},
    {"f32 nn 4x4x4 ldb=4x4", HONE_ERROR_FORMAT, "2 numbers"},
    {"f32 nn 4x4x4 ldb=+4", HONE_ERROR_FORMAT, "ldb=+4"},
    {"f32 nn 4x4x4 ldb=", HONE_ERROR_FORMAT, "whole numbers"},
    {"f32 nn 4x4x4 ldb", HONE_ERROR_FORMAT, "key=value"},
    {"f32 nn 4x4x4 sa=4", HONE_ERROR_FORMAT, "it should have 2"},
    {"f32 nn 4x4x4 batch=2x2x2x2", HONE_ERROR_FORMAT, "1 to 3"},
    {"f32 nn 4x4x4 batch=-2", HONE_ERROR_FORMAT, "-2"},
    {"f32 nn 4x4x4 bsa=16", HONE_ERROR_FORMAT, "'bsa' has 1 numbers, it should have 0"},
    {"f32 nn 4x4x4 beta=2", HONE_ERROR_FORMAT, "beta=2"},
    {"f32 nn 4x4x4 pointers=1", HONE_ERROR_SHAPE, "one dimension"},
    {"f32 nn 4x4x4 pointers=1 batch=2x2", HONE_ERROR_SHAPE, "one dimension"},
    {"f32 nn 4x4x4 pointers=1 batch=2 bsa=16", HONE_ERROR_ARGUMENT, "pointers tell where"},
    {"f32 nn 4x4x4 pointers=1 batch=2 +residual", HONE_ERROR_UNSUPPORTED, "'residual'"},
    {"f32 nn 4x4x4 +gelu s0=4x1", HONE_ERROR_FORMAT, "no operand"},
    {"f32 nn 4x4x4 s3=4x1", HONE_ERROR_FORMAT, "step 3"},
    {"f32 nn 4x4x4 +bias s0=4x1", HONE_ERROR_FORMAT, "it should have 1"},
    {"f32 nn 4x4x4 +residual bs0=1", HONE_ERROR_FORMAT, "'bs0'"},
    {"f32 nn 4x4x4 sc=0x1", HONE_ERROR_OVERLAP, "c is written"},
    {"f32 nn 4x4x4 sc=1x1", HONE_ERROR_OVERLAP, "c is written"},
    {"f32 nn 4x6x4 sc=3x2", HONE_ERROR_OVERLAP, "c is written"},
    {"f32 nn 4x4x4 batch=3 bsc=15", HONE_ERROR_OVERLAP, "c is written"},
    {"f32 nn 4x4x4 batch=3 bsc=0", HONE_ERROR_OVERLAP, "c is written"},
    {"f32 nn 4x4x4 +store s0=0x1", HONE_ERROR_OVERLAP, "step 0 is written"},
    {"f32 nn 4294967296x4294967296x1", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 1x3037000500x3037000500", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 0x4294967296x4294967296 sb=0x0", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 4x4x4 lda=4611686018427387904", HONE_ERROR_OVERFLOW, "a of a"},
    {"f32 nn 4x4x4 batch=4294967296x4294967296 bsa=0x0 bsb=0x0 bsc=0x0", HONE_ERROR_OVERFLOW, "matrices"},
    {"f32 nn 4x4x4 batch=4611686018427387904", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 4x4x4 batch=2 lda=4611686018427387903", HONE_ERROR_OVERFLOW, "batch strides of a"},
    {"f32 nn 4x4x4 batch=4x4611686018427387904", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f64 nn 2x2x2 sa=-1152921504606846976x1", HONE_ERROR_OVERFLOW, "a of a"},
    {"f32 nn 4x4x4 b=n0", HONE_ERROR_FORMAT, "n32"},
    {"f32 nn 4x4x4 b=n1025", HONE_ERROR_FORMAT, "n1024"},
    {"f32 nn 4x4x4 b=n032", HONE_ERROR_FORMAT, "'n032'"},
    {"f32 nn 4x4x4 b=", HONE_ERROR_FORMAT, "no layout"},
    {"f32 nn 4x4x4 b=onednn", HONE_ERROR_FORMAT, "':'"},
    {"f32 nn 4x4x4 b=onednn:0123456789012345678901234567890", HONE_ERROR_FORMAT, "longer than the 31"},
    {"f32 nn 4x4x4 b=n4 b=n4", HONE_ERROR_FORMAT, "twice"},
    {"f32 nt 4x4x4 b=n4", HONE_ERROR_FORMAT, "counts as n, not t"},
    {"f32 nn 4x4x4 b=n4 ldb=4", HONE_ERROR_FORMAT, "'ldb' is given, but b is packed"},
    {"f32 nn 4x4x4 b=n4 sb=4x1", HONE_ERROR_FORMAT, "'sb' is given, but b is packed"},
    {"f32 nn 4x4x4 b=n4 b_bytes=64", HONE_ERROR_FORMAT, "follows from b=n4"},
    {"f32 nn 4x4x4 b=x:y", HONE_ERROR_FORMAT, "'b_bytes' is missing"},
    {"f32 nn 4x4x4 b_bytes=64", HONE_ERROR_FORMAT, "none is given"},
    {"f32 nn 4x4x4 b=x:y b_bytes=-4", HONE_ERROR_ARGUMENT, "-4"},
    {"f32 nn 4x4x4 batch=2 b=n4 bsb=-1", HONE_ERROR_ARGUMENT, "counts matrices"},
    {"f32 nn 4x4x4 batch=2 pointers=1 b=x:y b_bytes=64", HONE_ERROR_UNSUPPORTED, "hone's own"},
    {"f32 nn 1x4611686018427387904x1 b=n32", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 1x4x4 batch=2 b=n4 bsb=288230376151711744", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 1x4294967296x4294967296 b=x:y b_bytes=1", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32 nn 4x4x4 group=2", HONE_ERROR_FORMAT, "'group' is given, which goes with weights"},
    {"s8 nn 4x4x4 zeros=1", HONE_ERROR_FORMAT, "'zeros'"},
    {"f32:s44:f32 nn 4x4x4", HONE_ERROR_FORMAT, "'s4'"},
    {"s4:s4:s32 nn 4x4x4", HONE_ERROR_TYPE, "s8, u8, s4 or u4 with scales"},
    {"f64:s4:f64 nn 4x4x4", HONE_ERROR_TYPE, "a is f64"},
    {"f32:s32:f32 nn 4x4x4", HONE_ERROR_TYPE, "b is s32"},
    {"f32:s4:s8 nn 4x4x4", HONE_ERROR_TYPE, "c is s8"},
    {"f32:s4:f32 nn 4x4x4 scales=s8", HONE_ERROR_TYPE, "scales of s8"},
    {"f32:s4:f32 nn 4x4x4 scales=", HONE_ERROR_FORMAT, "no type"},
    {"f32:s4:f32 nn 4x4x4 group=-2", HONE_ERROR_FORMAT, "from 0 on"},
    {"f32:s4:f32 nn 4x4x4 group=2x2x2", HONE_ERROR_FORMAT, "1 or 2"},
    {"f32:s4:f32 nn 4x4x4 a_zero=1", HONE_ERROR_ARGUMENT, "a matrix beside them"},
    {"f32:s4:f32 nn 4x4x4 sz=4x1", HONE_ERROR_FORMAT, "zeros=1 is not"},
    {"f32:s4:f32 nn 4x4x4 ss=4", HONE_ERROR_FORMAT, "it should have 2"},
    {"f32:s4:f32 nn 4x4x4 bss=4", HONE_ERROR_FORMAT, "it should have 0"},
    {"f32:s4:f32 nn 4x5x4 ldb=5", HONE_ERROR_FORMAT, "less than the 6"},
    {"f32:s4:f32 nn 4x5x4 ldb=7", HONE_ERROR_ARGUMENT, "the other even"},
    {"f32:s4:f32 nn 4x4x4 sb=8x2", HONE_ERROR_ARGUMENT, "begins with a byte"},
    {"f32:u4:f32 nn 4x4x4 batch=2 bsb=17", HONE_ERROR_ARGUMENT, "batch stride 0 is 17"},
    {"f32:s4:f32 nn 4x4x4 batch=2 pointers=1", HONE_ERROR_UNSUPPORTED, "use a batch"},
    {"f32:s4:f32 nn 4x9223372036854775807x1", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32:s4:f32 nt 4x1x9223372036854775807", HONE_ERROR_OVERFLOW, "63 bits"},
    {"f32:s4:f32 nn 1x4x4 ss=4611686018427387904x1 group=1", HONE_ERROR_OVERFLOW, "b_scales of a"},
    {"f32:s4:f32 nn 4x4x4 b=n32k16", HONE_ERROR_FORMAT, "n32k4"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        hone_matmul_problem p;
        hone_status         status = hone_matmul_op.parse(refused[i].text, &p);
        if (status != refused[i].status)
            fail_msg("'%s' gives %s (%s)", refused[i].text, hone_status_name(status), status ? hone_last_error() : "");
        if (!strstr(hone_last_error(), refused[i].says)) fail_msg("'%s' says: %s", refused[i].text, hone_last_error());
    }
}

/* Strides that interleave without meeting are legal outputs. */
static void interleaved_outputs_are_legal(void **state)
{
    static const char *const texts[] = {"f32 nn 3x2x4 sc=2x3", "f32 nn 4x4x4 batch=3 sc=12x1 bsc=4",
                                        "f32 nn 4x4x4 sc=-4x-1", "f32 nn 2x2x2 batch=2x2 sc=3x5 bsc=20x9"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_problem p;
        if (hone_matmul_op.parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
    }
}

/* Overlap of an output against brute force, on small shapes of any strides. */
static void overlap_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20000 / HONE_TEST_SHARE; seed++) {
        hone_role role = {.name = "c", .type = HONE_F32, .rank = 1 + (int)(seed % 4)};
        uint64_t  bits = seed * 0x9e3779b97f4a7c15u;
        for (int d = 0; d < role.rank; d++) {
            role.shape[d] = 1 + (int64_t)(bits >> (8 * d) & 3);
            role.stride[d] = (int64_t)(bits >> (8 * d + 2) & 63) - 20;
        }
        bool   meets = false, seen[4096] = {false};
        for (int64_t at = 0; at < hone_role_count(&role); at++) {
            bool *place = &seen[2048 + hone_role_offset(&role, at)];
            meets |= *place;
            *place = true;
        }
        assert_int_equal(hone_role_overlaps_itself(&role), meets);
    }
}

/* check() refuses what no text can say. */
static void structs_are_checked(void **state)
{
    (void)state;
    hone_matmul_problem good = hone_matmul_plain(HONE_F32, 4, 5, 6), p;
    assert_int_equal(hone_matmul_op.check(&good), HONE_OK);
#define REFUSED(change, status)                                                                                        \
    p = good;                                                                                                          \
    change;                                                                                                            \
    assert_int_equal(hone_matmul_op.check(&p), status)
    REFUSED(p.type_b = HONE_F64, HONE_ERROR_TYPE);
    REFUSED(p.type_a = p.type_b = p.type_c = HONE_S32, HONE_ERROR_TYPE);
    REFUSED(p.type_a = p.type_b = p.type_c = 77, HONE_ERROR_TYPE);
    REFUSED(p.m = -1, HONE_ERROR_SHAPE);
    REFUSED(p.reads_c = 2, HONE_ERROR_ARGUMENT);
    REFUSED(p.zeros = 1, HONE_ERROR_ARGUMENT);
    REFUSED((p.type_a = p.type_b = HONE_S8, p.type_c = HONE_S32, p.zeros = 4), HONE_ERROR_ARGUMENT);
    REFUSED((p.type_a = p.type_b = HONE_U8, p.type_c = HONE_S32), HONE_ERROR_TYPE);
    REFUSED((p.type_a = p.type_b = HONE_S8, p.type_c = HONE_BF16), HONE_ERROR_TYPE);
    REFUSED(p.accuracy = 1u << 20, HONE_ERROR_ARGUMENT);
    REFUSED(p.batch_rank = 4, HONE_ERROR_SHAPE);
    REFUSED(p.batch[0] = 4, HONE_ERROR_SHAPE);
    REFUSED(p.a_batch[0] = 4, HONE_ERROR_ARGUMENT);
    REFUSED(p.step_count = 5, HONE_ERROR_ARGUMENT);
    REFUSED(p.step_count = 1, HONE_ERROR_ARGUMENT); /* of no kind */
    REFUSED((p.step_count = 1, p.step[0].kind = 99), HONE_ERROR_ARGUMENT);
    REFUSED((p.step_count = 1, p.step[0].kind = HONE_STEP_RELU, p.step[0].row_stride = 1), HONE_ERROR_ARGUMENT);
    REFUSED((p.step_count = 1, p.step[0].kind = HONE_STEP_BIAS, p.step[0].row_stride = 1), HONE_ERROR_ARGUMENT);
    REFUSED((p.step_count = 1, p.step[0].kind = HONE_STEP_BIAS, p.step[0].batch_stride[0] = 1), HONE_ERROR_ARGUMENT);
    REFUSED(p.step[0].kind = HONE_STEP_RELU, HONE_ERROR_ARGUMENT);
    REFUSED(p.c_row = INT64_MIN, HONE_ERROR_OVERFLOW);
    REFUSED(p.b_bytes = 4, HONE_ERROR_ARGUMENT);
    REFUSED(p.zero_too[1] = 1, HONE_ERROR_ARGUMENT);
    REFUSED(p.zeros = HONE_MATMUL_ZERO_GROUPS, HONE_ERROR_ARGUMENT);
    REFUSED(p.group_k = 4, HONE_ERROR_ARGUMENT);
    REFUSED(p.scale.batch[2] = 4, HONE_ERROR_ARGUMENT);
    REFUSED(p.type_scale = HONE_F32, HONE_ERROR_TYPE); /* b is f32 */
    good.type_b = HONE_S8, good.type_scale = HONE_F32;
    REFUSED(p.group_k = -1, HONE_ERROR_ARGUMENT);
    REFUSED(p.zero.row = 1, HONE_ERROR_ARGUMENT);
    REFUSED(p.scale.batch[0] = 4, HONE_ERROR_ARGUMENT);
    REFUSED(p.type_scale = HONE_F64, HONE_ERROR_TYPE);
    good.type_b = HONE_F32, good.type_scale = 0;
    REFUSED(p.b_layout[1] = 'n', HONE_ERROR_ARGUMENT);
    REFUSED(strcpy(p.b_layout, "n4"), HONE_ERROR_ARGUMENT); /* with strides */
    REFUSED((strcpy(p.b_layout, "n4"), p.b_row = p.b_column = 0), HONE_ERROR_ARGUMENT); /* without its bytes */
    REFUSED((memset(p.b_layout, 'n', sizeof p.b_layout), p.b_row = p.b_column = 0), HONE_ERROR_ARGUMENT);
#undef REFUSED
    char text[HONE_PROBLEM_TEXT_MAX]; /* an illegal problem is still printed, for the sentence that refuses it */
    memset(&p, 0xff, sizeof p);
    hone_matmul_op.print(&p, text, sizeof text);
    hone_matmul_op.print(&good, text, 3);
    assert_string_equal(text, "f3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_problems_come_back), cmocka_unit_test(longest_fits),
        cmocka_unit_test(words_mean_what_they_say),  cmocka_unit_test(texts_are_short),
        cmocka_unit_test(layouts_go_in_and_out),
        cmocka_unit_test(suites_are_legal),          cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(interleaved_outputs_are_legal), cmocka_unit_test(overlap_is_exact),
        cmocka_unit_test(structs_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
