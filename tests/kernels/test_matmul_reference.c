/* The reference against results known otherwise: worked by hand, by other types, and by the kernel of plain loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/element.h"
#include "kernels/common/step.h"
#include "kernels/kernel.h"
#include "kernels/matmul/parts.h"

extern const hone_kernel hone_matmul_reference;

typedef struct run {
    hone_matmul_problem p;
    hone_span           at[HONE_MATMUL_OPERANDS];
    hone_scalar         scalars[HONE_MATMUL_VALUES];
} run;

static run run_of(const char *text)
{
    run r;
    memset(&r, 0, sizeof r);
    if (hone_matmul_op.parse(text, &r.p)) fail_msg("'%s': %s", text, hone_last_error());
    r.scalars[HONE_MATMUL_ALPHA].value = 1;
    return r;
}

static hone_arguments arguments_of(const run *r)
{
    hone_role roles[HONE_ROLES_MAX];
    return (hone_arguments){hone_matmul_op.roles(&r->p, roles), HONE_MATMUL_VALUE0 + r->p.step_count, r->at,
                            r->scalars, r->p.pointers ? r->p.batch[0] : 0};
}

static void launch(run *r)
{
    const hone_kernel *kernel = &hone_matmul_reference;
    hone_request       request = {.op = &hone_matmul_op, .problem = &r->p, .threads = 1, .alignment = 4};
    hone_config        config;
    hone_needs         needs;
    void              *ready;
    hone_arguments     arguments = arguments_of(r);
    assert_null(kernel->refuses(&request));
    assert_int_equal(kernel->suggest(&request, &config, 1), 1);
    assert_int_equal(kernel->prepare(&request, &config, NULL, &ready, &needs), HONE_OK);
    assert_int_equal(kernel->launch(ready, NULL, &arguments, (hone_span){0}), HONE_OK);
    kernel->release(ready);
}

static void by_hand(void **state)
{
    (void)state;
    float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, -1, 3, 1}, c[] = {10, 20, 30, 40}, bias[] = {100, -200}, before[4];
    run   r = run_of("f32 nn 2x2x3 +bias+store+relu beta=1");
    r.at[0].host = a, r.at[1].host = b, r.at[2].host = c, r.at[3].host = bias, r.at[4].host = before;
    r.scalars[HONE_MATMUL_ALPHA].value = 2;
    r.scalars[HONE_MATMUL_BETA].value = -1;
    launch(&r); /* a b = 14 1; 32 1 */
    static const float stored[] = {28 - 10 + 100, 2 - 20 - 200, 64 - 30 + 100, 2 - 40 - 200}, out[] = {118, 0, 134, 0};
    assert_memory_equal(before, stored, sizeof stored);
    assert_memory_equal(c, out, sizeof out);
}

static void strides_and_pointers(void **state)
{
    (void)state;
    double a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, c0[4] = {0}, c1[4] = {0};
    void  *as[] = {a, b}, *bs[] = {b, a}, *cs[] = {c0, c1};
    run    r = run_of("f64 tn 2x2x2 batch=2 pointers=1 sc=1x2"); /* a transposed; c column-major */
    r.at[0].host = as, r.at[1].host = bs, r.at[2].host = cs;
    launch(&r);
    static const double first[] = {1 * 5 + 3 * 7, 2 * 5 + 4 * 7, 1 * 6 + 3 * 8, 2 * 6 + 4 * 8};
    static const double second[] = {5 * 1 + 7 * 3, 6 * 1 + 8 * 3, 5 * 2 + 7 * 4, 6 * 2 + 8 * 4};
    assert_memory_equal(c0, first, sizeof first);
    assert_memory_equal(c1, second, sizeof second);
}

/* Weights: two groups of k, the second a short one, and zeros that are no whole numbers. */
static void weights_by_hand(void **state)
{
    (void)state;
    static const int q[3][3] = {{7, -8, 1}, {-1, 2, -3}, {4, -5, 6}};
    static const float scale[] = {0.5f, 2, 1, 4, 0.25f, 8}, zero[] = {0.5f, -1, 0, 1.5f, 2, -0.5f};
    static const char *const texts[] = {"f32:s4:f32 nn 2x3x3 group=2 zeros=1", "f32:s4:f32 nt 2x3x3 group=2 zeros=1",
                                        "f32:s4:f32 nn 2x3x3 group=2 zeros=1 b=n2k8",
                                        "f32:s4:f32 nn 2x3x3 group=2 zeros=1 b=n3",
                                        "f32:s8:f32 nn 2x3x3 group=2 zeros=1 b=n2k4",
                                        "f32:s8:f32 nn 2x3x3 group=2 zeros=1 ldb=5"};
    float a[] = {1, 2, 3, -1, 0.5f, 4}, out[2][3];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            out[i][j] = 0;
            for (int k = 0; k < 3; k++)
                out[i][j] += a[3 * i + k] * (((float)q[k][j] - zero[k / 2 * 3 + j]) * scale[k / 2 * 3 + j]);
        }
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        unsigned char b[64];
        float         c[6], s[6], z[6];
        run           r = run_of(texts[t]);
        memset(b, 0xff, sizeof b); /* what is none of it */
        for (int k = 0; k < 3; k++)
            for (int j = 0; j < 3; j++) hone_element_store(r.p.type_b, b, hone_matmul_b_offset(&r.p, k, j), q[k][j]);
        for (int g = 0; g < 2; g++)
            for (int j = 0; j < 3; j++) {
                s[g * r.p.scale.row + j * r.p.scale.column] = scale[3 * g + j];
                z[g * r.p.zero.row + j * r.p.zero.column] = zero[3 * g + j];
            }
        r.at[HONE_MATMUL_A].host = a, r.at[HONE_MATMUL_B].host = b, r.at[HONE_MATMUL_C].host = c;
        r.at[HONE_MATMUL_B_SCALES].host = s, r.at[HONE_MATMUL_B_ZEROS].host = z;
        launch(&r);
        assert_memory_equal(c, out, sizeof out);
        for (int64_t e = 0; e < 6; e++) {
            hone_truth     truth;
            hone_sample    sample = {HONE_MATMUL_C, 1, &e};
            hone_arguments arguments = arguments_of(&r);
            assert_int_equal(hone_matmul_op.reference(&r.p, &arguments, &sample, &truth), HONE_OK);
            assert_true(truth.high == (double)c[e] && truth.naive == (double)c[e]);
        }
        assert_int_equal(hone_matmul_op.cost(&r.p).bytes_written, sizeof out);
    }
    run r = run_of("f32:u4:f32 nn 1x64x256 group=128");
    assert_true(hone_matmul_op.cost(&r.p).bytes_read == 256 * 4 + 64 * 256 / 2 + 2 * 64 * 4);
}

/* A kernel may take zeros out of the sums, where they are far larger than what is left: still within the bound. */
static void zeros_out_of_the_sums(void **state)
{
    enum { K = 512, GROUP = 64, N = 24 };
    static float   a[K], scale[K / GROUP * N], zero[K / GROUP * N], c[N];
    static uint8_t b[K * N];
    double         worst = 0;
    (void)state;
    run r = run_of("f32:u8:f32 nn 1x24x512 group=64 zeros=1");
    r.at[HONE_MATMUL_A].host = a, r.at[HONE_MATMUL_B].host = b, r.at[HONE_MATMUL_C].host = c;
    r.at[HONE_MATMUL_B_SCALES].host = scale, r.at[HONE_MATMUL_B_ZEROS].host = zero;
    hone_arguments arguments = arguments_of(&r);
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(hone_matmul_op.generate(&r.p, HONE_DATA_RANDOM, seed, &arguments, r.scalars), HONE_OK);
        for (int i = 0; i < K / GROUP * N; i++) zero[i] = 200 + zero[i];
        r.scalars[HONE_MATMUL_ALPHA].value = 1;
        for (int64_t j = 0; j < N; j++) {
            float total = 0;
            for (int g = 0; g < K / GROUP; g++) {
                float with_q = 0, with_one = 0;
                for (int k = g * GROUP; k < (g + 1) * GROUP; k++) {
                    with_q += a[k] * (float)b[k * N + j];
                    with_one += a[k];
                }
                total += (with_q - zero[g * N + j] * with_one) * scale[g * N + j];
            }
            hone_truth  truth;
            hone_sample sample = {HONE_MATMUL_C, 1, &j};
            assert_int_equal(hone_matmul_op.reference(&r.p, &arguments, &sample, &truth), HONE_OK);
            double error = fabs((double)total - truth.high), rounding = 0x1p-24 * fabs(truth.high);
            assert_true(error <= truth.bound + rounding && error <= truth.likely + rounding);
            worst = fmax(worst, error / truth.likely);
        }
    }
    print_message("sums without zeros used at most %.0f %% of what is likely\n", 100 * worst);
}

static void no_k_and_nothing(void **state)
{
    (void)state;
    float c[] = {1, -2, 3, -4}, nothing[1] = {7};
    run   r = run_of("f32 nn 2x2x0 +relu beta=1");
    r.at[2].host = c;
    r.scalars[HONE_MATMUL_BETA].value = 3;
    launch(&r);
    static const float out[] = {3, 0, 9, 0};
    assert_memory_equal(c, out, sizeof out);
    r = run_of("f32 nn 0x4x4 batch=2");
    r.at[2].host = nothing;
    launch(&r);
    assert_true(nothing[0] == 7);
}

static void nan_and_infinity_go_on(void **state)
{
    (void)state;
    float a[] = {NAN, 1, 0, 1}, b[] = {0, INFINITY, 1, 1}, c[] = {NAN, NAN, NAN, NAN};
    run   r = run_of("f32 nn 2x2x2 +relu");
    r.at[0].host = a, r.at[1].host = b, r.at[2].host = c;
    launch(&r);
    assert_true(isnan(c[0]) && isnan(c[1]));
    assert_true(c[2] == 1 && isnan(c[3])); /* 0 * inf */
    hone_truth     truth[4];
    const int64_t  all[] = {0, 1, 2, 3};
    hone_sample    sample = {HONE_MATMUL_C, 4, all};
    hone_arguments arguments = arguments_of(&r);
    assert_int_equal(hone_matmul_op.reference(&r.p, &arguments, &sample, truth), HONE_OK);
    assert_true(isnan(truth[0].high) && isnan(truth[1].high) && isnan(truth[3].high));
    assert_true(truth[2].high == 1 && truth[2].low == 0);
    sample.role = HONE_MATMUL_A;
    assert_int_equal(hone_matmul_op.reference(&r.p, &arguments, &sample, truth), HONE_ERROR_ARGUMENT);
}

/* Each step, in each of its four writings, against each other and its slope against differences. */
static void steps_agree(void **state)
{
    (void)state;
    for (int kind = HONE_STEP_BIAS; kind <= HONE_STEP_SHIFT; kind++)
        for (double x = -9; x <= 9; x += 0.37)
            for (double t = -3; t <= 3; t += 1.1) {
                hone_step_kind s = (hone_step_kind)kind;
                double         y = hone_step_f64(s, x, 1.5, t);
                double floor32 = hone_step_error(s, x, 1.5, t, 0x1p-24, FLT_MIN) + 0x1p-22 * (fabs(y) + fabs(x));
                hone_dd        exact = hone_step_dd(s, hone_dd_of(x), 1.5, t);
                assert_true(fabs(hone_step_f32(s, (float)x, 1.5f, (float)t) - y) <= 16 * floor32);
                assert_true(fabs(exact.high - y) <=
                            hone_step_error(s, x, 1.5, t, 0x1p-53, DBL_MIN) + 0x1p-53 * fabs(y));
                double h = 1e-6, rise = (hone_step_f64(s, x + h, 1.5, t) - hone_step_f64(s, x - h, 1.5, t)) / (2 * h);
                assert_true(fabs(rise) <= hone_step_growth(s, 1.5, t) + 1e-6);
                hone_step_kind slope = s == HONE_STEP_GELU       ? HONE_STEP_GELU_GRADIENT
                                       : s == HONE_STEP_GELU_ERF ? HONE_STEP_GELU_ERF_GRADIENT
                                       : s == HONE_STEP_SILU     ? HONE_STEP_SILU_GRADIENT
                                       : s == HONE_STEP_RELU     ? HONE_STEP_RELU_GRADIENT
                                                                 : HONE_STEP_NONE;
                if (slope) assert_true(fabs(rise - hone_step_f64(slope, 1, 0, x)) < 1e-7);
            }
    assert_true(isnan(hone_step_f32(HONE_STEP_RELU, NAN, 0, 0)));
    assert_true(hone_step_f64(HONE_STEP_RELU, -INFINITY, 0, 0) == 0);
    assert_true(hone_step_f64(HONE_STEP_GELU, INFINITY, 0, 0) == INFINITY);
    assert_true(hone_step_f64(HONE_STEP_GELU_ERF, 1, 0, 0) > 0.84134474 &&
                hone_step_f64(HONE_STEP_GELU_ERF, 1, 0, 0) < 0.84134475);
    assert_true(fabs(hone_step_f64(HONE_STEP_GELU, 1, 0, 0) - 0.84119199060827676) < 1e-15);
    assert_true(fabs(hone_step_f64(HONE_STEP_SILU, 1, 0, 0) - 0.73105857863000488) < 1e-15);
}

/* Double-double keeps what doubles lose. */
static void double_double_is_double(void **state)
{
    (void)state;
    hone_dd s = hone_dd_of(0);
    for (int i = 0; i < 1000; i++) s = hone_dd_add(s, hone_dd_product(0.1, 0.1));
    s = hone_dd_add(s, hone_dd_mul(hone_dd_of(-1000), hone_dd_product(0.1, 0.1)));
    assert_true(fabs(s.high) < 1e-28);
    s = hone_dd_add(hone_dd_of(1e16), hone_dd_of(1));
    s = hone_dd_add(s, hone_dd_of(-1e16));
    assert_true(s.high == 1 && s.low == 0);
    assert_true(hone_dd_product(1e308, 1e10).high == INFINITY && hone_dd_product(1e308, 1e10).low == 0);
    assert_true(isnan(hone_dd_add(hone_dd_of(INFINITY), hone_dd_of(-INFINITY)).high));
}

/* Operands of a problem in plain memory: enough for what hone_role_extent tells. */
static void operands_make(run *r, void *owned[HONE_MATMUL_OPERANDS])
{
    hone_role roles[HONE_ROLES_MAX];
    int       count = hone_matmul_op.roles(&r->p, roles);
    memset(owned, 0, HONE_MATMUL_OPERANDS * sizeof *owned);
    for (int i = 0; i < count; i++) {
        int64_t low, high;
        if (!roles[i].direction) continue;
        hone_role_extent(&roles[i], &low, &high);
        owned[i] = calloc(1, (size_t)(high - low) + 1);
        r->at[i].host = (char *)owned[i] - low;
    }
}

/* The kernel's every element lies within the bound of the truth, and so does the naive loop; integer data are exact. */
static void kernel_is_within_bounds(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 0; seed < 1500 / HONE_TEST_SHARE; seed++) {
        run   r;
        void *owned[HONE_MATMUL_OPERANDS];
        memset(&r, 0, sizeof r);
        do hone_matmul_op.random(seed * 1009, 2e4, &r.p);
        while (r.p.pointers && ++seed);
        operands_make(&r, owned);
        hone_role      roles[HONE_ROLES_MAX];
        int            count = hone_matmul_op.roles(&r.p, roles);
        hone_data_kind kind = (hone_data_kind)(seed % HONE_DATA_NOT_FINITE); /* numbers all */
        hone_arguments arguments = arguments_of(&r);
        assert_int_equal(hone_matmul_op.generate(&r.p, kind, seed, &arguments, r.scalars), HONE_OK);
        for (int i = 0; i < count; i++) {
            int64_t n = hone_role_count(&roles[i]);
            if (!(roles[i].direction & HONE_OUT) || n == 0) continue;
            hone_truth *truth = calloc((size_t)n, sizeof *truth);
            int64_t    *all = calloc((size_t)n, sizeof *all);
            for (int64_t e = 0; e < n; e++) all[e] = e;
            hone_sample sample = {i, n, all};
            assert_int_equal(hone_matmul_op.reference(&r.p, &arguments, &sample, truth), HONE_OK);
            run again = r;
            int64_t low, high;
            hone_role_extent(&roles[HONE_MATMUL_C], &low, &high);
            void *old = malloc((size_t)(high - low));
            memcpy(old, owned[HONE_MATMUL_C], (size_t)(high - low));
            launch(&again);
            for (int64_t e = 0; e < n; e++) {
                int64_t at = hone_role_offset(&roles[i], e);
                hone_dtype type = roles[i].type;
                double     got = hone_element_load(type, r.at[i].host, at), t = truth[e].high + truth[e].low;
                double     allowed = truth[e].bound + (type == HONE_F64 ? 0x1p-53 * fabs(t) + 0x1p-1074
                                                                        : 0x1p-24 * fabs(t) + 0x1p-149);
                if (hone_matmul_op.exact(&r.p, kind))
                    assert_true(got == hone_element_rounded(type, t) && truth[e].naive == t);
                if (!(hone_element_rounded(type, t - allowed) <= got && got <= hone_element_rounded(type, t + allowed)))
                    fail_msg("seed %d: got %g, truth %g, bound %g", (int)seed, got, t, truth[e].bound);
                if (!(fabs(truth[e].naive - t) <= allowed))
                    fail_msg("seed %d: naive %g, truth %g", (int)seed, truth[e].naive, t);
                worst = fmax(worst, fabs(truth[e].naive - t) / fmax(allowed, DBL_MIN));
            }
            memcpy(owned[HONE_MATMUL_C], old, (size_t)(high - low));
            free(old);
            free(all);
            free(truth);
        }
        for (int i = 0; i < HONE_MATMUL_OPERANDS; i++) free(owned[i]);
    }
    print_message("the naive loop used at most %.0f %% of what is allowed\n", 100 * worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),          cmocka_unit_test(strides_and_pointers),
        cmocka_unit_test(weights_by_hand),  cmocka_unit_test(zeros_out_of_the_sums),
        cmocka_unit_test(no_k_and_nothing), cmocka_unit_test(nan_and_infinity_go_on),
        cmocka_unit_test(steps_agree),      cmocka_unit_test(double_double_is_double),
        cmocka_unit_test(kernel_is_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
