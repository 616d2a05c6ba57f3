/* Every gradient against central differences: the backward problems are run as they are told, through the kernel of
 * plain loops, on f64, and each input's gradient is held against what the forward problem does when it is nudged.
 *
 *     L = sum over c of w * c, for a random w: the gradient of c is w */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/element.h"
#include "base/random.h"
#include "kernels/kernel.h"
#include "kernels/matmul/parts.h"

extern const hone_kernel hone_matmul_reference;

/* Memory for one argument, from its lowest element on. */
typedef struct memory {
    double *all;
    int64_t first, count; /* element 0, ..., 0; and how many there are */
} memory;

static memory memory_for(const hone_role *role)
{
    int64_t low, high;
    hone_role_extent(role, &low, &high);
    memory m = {NULL, -low / 8, (high - low) / 8};
    m.all = calloc((size_t)m.count + 1, sizeof *m.all);
    return m;
}

static void launch(const hone_matmul_problem *p, const hone_span *at, const hone_scalar *scalars)
{
    const hone_kernel *kernel = &hone_matmul_reference;
    hone_request       request = {.op = &hone_matmul_op, .problem = p, .threads = 1, .alignment = 8};
    hone_config        config;
    hone_needs         needs;
    void              *ready;
    hone_arguments arguments = {HONE_MATMUL_STEP0 + p->step_count, HONE_MATMUL_VALUE0 + p->step_count, at, scalars, 0};
    assert_int_equal(kernel->suggest(&request, &config, 1), 1);
    assert_int_equal(kernel->prepare(&request, &config, NULL, &ready, &needs), HONE_OK);
    assert_int_equal(kernel->launch(ready, NULL, &arguments, (hone_span){0}), HONE_OK);
    kernel->release(ready);
}

typedef struct forward {
    hone_matmul_problem p;
    int                 count;
    hone_role           role[HONE_ROLES_MAX];
    memory              m[HONE_ROLES_MAX];      /* inputs as they were; outputs as they came out */
    memory              c0;                     /* what c was before */
    memory              w;                      /* the gradient of c */
    hone_scalar         scalars[HONE_SCALARS_MAX];
} forward;

static void run_forward(forward *f)
{
    hone_span at[HONE_ROLES_MAX] = {{0}};
    for (int i = 0; i < f->count; i++)
        if (f->m[i].all) at[i].host = f->m[i].all + f->m[i].first;
    memcpy(f->m[HONE_MATMUL_C].all, f->c0.all, (size_t)f->c0.count * sizeof *f->c0.all);
    launch(&f->p, at, f->scalars);
}

static double loss(forward *f)
{
    const hone_role *c = &f->role[HONE_MATMUL_C];
    double           total = 0;
    run_forward(f);
    for (int64_t e = 0, n = hone_role_count(c); e < n; e++) {
        int64_t at = f->c0.first + hone_role_offset(c, e);
        total += f->w.all[at] * f->m[HONE_MATMUL_C].all[at];
    }
    return total;
}

static forward begin(const hone_matmul_problem *p, uint64_t seed)
{
    forward f;
    memset(&f, 0, sizeof f);
    f.p = *p;
    f.count = hone_matmul_op.roles(&f.p, f.role);
    for (int i = 0; i < f.count; i++) {
        if (f.role[i].direction == HONE_UNUSED) continue;
        f.m[i] = memory_for(&f.role[i]);
        for (int64_t e = 0; e < f.m[i].count; e++)
            f.m[i].all[e] = hone_random_signed(hone_random_at(seed * 8 + (uint64_t)i, (uint64_t)e));
    }
    f.c0 = memory_for(&f.role[HONE_MATMUL_C]);
    f.w = memory_for(&f.role[HONE_MATMUL_C]);
    for (int64_t e = 0; e < f.c0.count; e++) {
        f.c0.all[e] = hone_random_signed(hone_random_at(seed + 100, (uint64_t)e));
        f.w.all[e] = hone_random_signed(hone_random_at(seed + 200, (uint64_t)e));
    }
    f.scalars[HONE_MATMUL_ALPHA].value = 0.75;
    f.scalars[HONE_MATMUL_BETA].value = -1.25;
    for (int i = 0; i < HONE_STEPS_MAX; i++) f.scalars[HONE_MATMUL_VALUE0 + i].value = 1.5 - i;
    run_forward(&f);
    return f;
}

static void end(forward *f)
{
    for (int i = 0; i < f->count; i++) free(f->m[i].all);
    free(f->c0.all);
    free(f->w.all);
}

/* Runs the backward problems in their order; gradients[i] is that of the forward argument i. */
static void run_backward(const forward *f, const hone_gradient *g, memory gradients[HONE_ROLES_MAX])
{
    static double one = 1;
    memory        made[HONE_GRADIENT_STEPS_MAX] = {{0}}, also;
    for (int s = 0; s < g->count; s++) {
        const hone_gradient_step  *step = &g->step[s];
        const hone_matmul_problem *p = (const hone_matmul_problem *)step->problem.bytes;
        hone_role                  role[HONE_ROLES_MAX];
        hone_span                  at[HONE_ROLES_MAX] = {{0}};
        hone_scalar                scalars[HONE_SCALARS_MAX] = {{0}};
        int                        count = hone_matmul_op.roles(p, role);
        bool                       sourced[HONE_ROLES_MAX] = {false};
        assert_string_equal(step->op, "matmul");
        assert_int_equal(hone_matmul_op.check(p), HONE_OK);
        for (int i = 0; i < step->source_count; i++) {
            const hone_source *from = &step->source[i];
            const memory      *m = NULL;
            if (from->kind == HONE_FROM_FORWARD) m = &f->m[from->index];
            if (from->kind == HONE_FROM_GRADIENT) m = from->index == HONE_MATMUL_C ? &f->w : &gradients[from->index];
            if (from->kind == HONE_FROM_STEP) {
                assert_true(from->index < s);
                m = &made[from->index];
            }
            if (m) assert_non_null(m->all);
            at[from->role].host = m ? m->all + m->first : &one;
            sourced[from->role] = true;
        }
        for (int i = 0; i < count; i++) /* all that is read comes from somewhere */
            if ((role[i].direction & HONE_IN) && hone_role_count(&role[i]) > 0) assert_true(sourced[i]);
        for (int i = 0; i < HONE_MATMUL_VALUE0 + p->step_count; i++)
            scalars[i].value = step->scalar_from[i] ? f->scalars[step->scalar_from[i] - 1].value : step->scalar[i];
        made[s] = memory_for(&role[step->output]);
        for (int64_t e = 0; e < made[s].count; e++) made[s].all[e] = NAN;
        at[step->output].host = made[s].all + made[s].first;
        if (step->also) {
            also = memory_for(&role[step->also]);
            for (int64_t e = 0; e < also.count; e++) also.all[e] = NAN;
            at[step->also].host = also.all + also.first;
            gradients[step->also_of] = also;
        }
        launch(p, at, scalars);
        if (step->gradient_of >= 0) gradients[step->gradient_of] = made[s];
    }
    for (int s = 0; s < g->count; s++)
        if (g->step[s].gradient_of < 0) free(made[s].all);
}

/* The gradient of one argument against differences of the loss, at some of its elements. */
static void compare(forward *f, int index, const memory *gradient, const char *text)
{
    const hone_role *role = &f->role[index];
    memory          *m = index == HONE_MATMUL_C ? &f->c0 : &f->m[index];
    int64_t          count = hone_role_count(role);
    if (count == 0) return;
    if (!gradient->all) fail_msg("%s: no gradient of %s", text, role->name);
    for (int64_t n = 0; n < (count < 12 ? count : 12); n++) {
        int64_t at =
            hone_role_offset(role, count < 12 ? n : (int64_t)(hone_random_at(7, (uint64_t)n) % (uint64_t)count));
        double *x = &m->all[m->first + at], old = *x, h = 1e-5;
        *x = old + h;
        double above = loss(f);
        *x = old - h;
        double below = loss(f);
        *x = old;
        double should = (above - below) / (2 * h), got = gradient->all[gradient->first + at];
        if (!(fabs(got - should) <= 1e-6 * (1 + fabs(should))))
            fail_msg("%s: the gradient of %s at %lld is %.9g, differences give %.9g", text, role->name, (long long)at,
                     got, should);
    }
    run_forward(f);
}

static void check(const hone_matmul_problem *p, uint64_t seed, const hone_gradient *g)
{
    char    text[HONE_PROBLEM_TEXT_MAX];
    memory  gradients[HONE_ROLES_MAX] = {{0}};
    forward f = begin(p, seed);
    hone_matmul_op.print(p, text, sizeof text);
    run_backward(&f, g, gradients);
    for (int i = 0; i < f.count; i++)
        if (f.role[i].direction & HONE_IN) compare(&f, i, &gradients[i], text);
    for (int i = 0; i < HONE_ROLES_MAX; i++) free(gradients[i].all);
    end(&f);
}

static const char *const texts[] = {
    "f64 nn 5x4x6",
    "f64 tn 5x4x6",
    "f64 nt 5x4x6",
    "f64 tt 5x4x6 ldc=9",
    "f64 nn 5x4x6 beta=1",
    "f64 nn 5x4x6 sc=1x5",
    "f64 nn 1x1x1 beta=1",
    "f64 nn 5x4x0 beta=1",
    "f64 nn 5x4x0 +bias",
    "f64 nn 0x4x6 +bias",
    "f64 nn 5x4x6 +bias",
    "f64 nn 5x4x6 +bias_rows",
    "f64 nn 5x4x6 +residual",
    "f64 nn 5x4x6 +scale",
    "f64 nn 5x4x6 +relu",
    "f64 nn 5x4x6 +bias+relu",
    "f64 nn 5x4x6 +store+relu",
    "f64 nn 5x4x6 +store+gelu",
    "f64 nn 5x4x6 +store+gelu_erf",
    "f64 nn 5x4x6 +store+silu",
    "f64 nn 5x4x6 +bias+store+gelu+residual beta=1",
    "f64 nn 5x4x6 +scale+bias+scale+bias_rows",
    "f64 nn 5x4x6 +store+gelu+store+silu",
    "f64 nn 5x4x6 +scale+scale+scale+scale",
    "f64 nn 5x4x6 +residual+residual",
    "f64 tn 5x4x6 +bias+store+gelu_erf+scale ldc=7 lda=11",
    "f64 nn 5x4x6 sa=-6x1 sb=-4x-1 beta=1 sc=-4x1",
    "f64 nn 5x4x6 batch=3",
    "f64 nn 5x4x6 batch=3 beta=1 +bias+store+silu",
    "f64 nn 5x4x6 batch=3 bsb=0",
    "f64 nn 5x4x6 batch=3 bsa=0",
    "f64 nn 5x4x6 batch=3 bsa=0 bsb=0",
    "f64 tn 5x4x6 batch=3 bsb=0 +bias_rows+store+gelu",
    "f64 nn 5x4x6 batch=2x3 bsb=0x0 +bias",
    "f64 nn 5x4x6 batch=2x3 bsb=24x0 +bias bs0=4x0",
    "f64 nn 5x4x6 batch=2x3 bsa=0x30 +residual bs0=0x20",
    "f64 nn 5x4x6 batch=2x3x2 bsa=0x30x0 bsb=24x0x0 +bias_rows",
    "f64 nn 5x4x6 batch=3 +bias bs0=4",
    "f64 nn 5x4x6 batch=3 +bias bs0=0 ldc=8",
    "f64 nn 5x4x6 batch=3 +residual bs0=0",
    "f64 nn 5x1x6 +bias",
    "f64 nn 1x4x6 +bias+bias_rows",
    "f64 nn 5x4x6 batch=1 bsb=0 +bias",
    "f64 nn 5x4x6 batch=3 sc=12x1 bsc=4 bsb=0 +bias",
    "f64 nn 5x4x6 +store+scale_columns",
    "f64 nn 5x4x6 +store+scale_rows+store+gelu",
    "f64 nn 5x4x6 batch=2x3 bsb=0x24 +store+scale_columns bs1=4x0",
    "f64 nn 5x4x6 batch=2x3 +store+scale_rows+bias bs1=15x5 bs2=0x4",
    "f64 nn 5x4x6 +residual+store+gelu",
    "f64 nn 5x4x6 +bias+residual+store+silu beta=1",
    /* long enough for steps of a and b */
    "f64 nn 33x34x35 +bias",
    "f64 nn 33x34x35 +bias_rows",
    "f64 nn 33x34x35 +bias+store+gelu",
    "f64 tn 34x35x33 +bias_rows+bias+store+silu",
    "f64 nt 35x33x34 +bias+store+gelu_erf+scale",
    "f64 nn 33x34x35 +scale+bias+store+relu",
    "f64 nn 33x34x35 +bias+store+relu+residual",
    "f64 nn 33x34x35 +store+gelu+store+silu ldc=40",
    "f64 nn 33x34x35 +bias+store+silu beta=1",
    "f64 nn 33x34x35 +scale+bias+scale beta=1",
    "f64 nn 33x34x35 batch=2 bsb=0 +bias+store+gelu",
    "f64 nn 33x34x35 batch=2 +bias+store+gelu bs0=40",
    "f64 nn 33x34x35 batch=2 bsa=0 +bias_rows+store+relu",
    "f64 nn 33x34x35 batch=2 bsa=0 +bias+store+relu s1=1x33 bs1=1200",
};

/* How many backward problems, and how many of them make two gradients. */
static void fewer_passes(void **state)
{
    static const struct {
        const char *text;
        int         count, also;
    } rows[] = {{"f32 nn 64x64x64 +bias", 2, 1},
                {"f32 nn 64x64x64 +bias_rows+bias", 2, 2},
                {"bf16 nn 64x64x64 +bias+store+gelu", 3, 1},
                {"f32 nn 64x64x64 +scale+scale", 2, 0},
                {"f32 nn 64x64x64 +bias+scale", 3, 0},       /* the bias' own sum, times a number */
                {"f32 nn 64x64x64 +scale+bias", 3, 0},
                {"f32 nn 64x64x64 +bias+store+silu beta=1", 4, 1},
                {"f32 nn 64x64x64 +residual+store+silu", 3, 0},
                {"f32 nn 8x64x64 +bias+relu", 4, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hone_matmul_problem p;
        hone_gradient       g;
        int                 also = 0;
        assert_int_equal(hone_matmul_op.parse(rows[i].text, &p), HONE_OK);
        if (hone_matmul_op.gradient(&p, &g)) fail_msg("'%s': %s", rows[i].text, hone_last_error());
        for (int s = 0; s < g.count; s++) also += g.step[s].also != 0;
        if (g.count != rows[i].count || also != rows[i].also)
            fail_msg("'%s': %d problems, %d of them make two gradients", rows[i].text, g.count, also);
    }
}

static void each_step_and_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_problem p;
        hone_gradient       g;
        if (hone_matmul_op.parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
        if (hone_matmul_op.gradient(&p, &g)) fail_msg("'%s': %s", texts[i], hone_last_error());
        check(&p, i + 1, &g);
    }
}

/* Random problems: a gradient, or a sentence that says why there is none. */
static void random_problems(void **state)
{
    int done = 0, refused = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 3000 / HONE_TEST_SHARE; seed++) {
        hone_matmul_problem p;
        hone_gradient       g;
        hone_matmul_op.random(seed, 600, &p);
        p.type_a = p.type_b = p.type_c = HONE_F64;
        for (int i = 0; i < p.step_count; i++) p.step[i].type = 0;
        if (hone_matmul_op.check(&p)) continue;
        hone_status status = hone_matmul_op.gradient(&p, &g);
        if (status == HONE_OK) {
            check(&p, seed, &g);
            done++;
            continue;
        }
        assert_int_equal(status, HONE_ERROR_UNSUPPORTED);
        assert_true(strlen(hone_last_error()) > 40);
        refused++;
    }
    print_message("%d gradients, %d refusals\n", done, refused);
    assert_true(2 * done > refused); /* about as many: activations that nothing stored, arrays, a packed b */
}

/* Of weights: da is alpha times c's gradient times what they stand for, transposed; and nothing else has a gradient. */
static void weights_give_back(void **state)
{
    static const struct {
        const char *forward, *backward;
    } rows[] = {{"f32:s4:f32 nn 3x6x7 group=3 zeros=1", "f32:s4:f32 nt 3x7x6 group=1x3 zeros=1"},
                {"f32:u4:f32 nt 3x6x7 group=2", "f32:u4:f32 nn 3x7x6 group=1x2"},
                {"f32:s8:f32 nn 3x6x7 batch=2", "f32:s8:f32 nt 3x7x6 batch=2 group=1x0"}};
    static float a[64], b_bytes[64], scale[64], zero[64], w[64], da[64];
    (void)state;
    for (size_t t = 0; t < sizeof rows / sizeof *rows; t++) {
        hone_matmul_problem p;
        hone_gradient       g;
        char                text[HONE_PROBLEM_TEXT_MAX];
        if (hone_matmul_op.parse(rows[t].forward, &p)) fail_msg("'%s': %s", rows[t].forward, hone_last_error());
        assert_int_equal(hone_matmul_op.gradient(&p, &g), HONE_OK);
        assert_int_equal(g.count, 1);
        assert_int_equal(g.step[0].gradient_of, HONE_MATMUL_A);
        assert_int_equal(g.step[0].scalar_from[HONE_MATMUL_ALPHA], 1 + HONE_MATMUL_ALPHA);
        hone_matmul_op.print(g.step[0].problem.bytes, text, sizeof text);
        assert_string_equal(text, rows[t].backward);
        const hone_matmul_problem *back = (const hone_matmul_problem *)(const void *)g.step[0].problem.bytes;
        hone_span      ahead[HONE_ROLES_MAX] = {{.host = a}, {.host = b_bytes}}, at[HONE_ROLES_MAX] = {{0}};
        hone_scalar    scalars[HONE_SCALARS_MAX] = {{0}};
        hone_arguments arguments = {HONE_MATMUL_OPERANDS, HONE_MATMUL_VALUES, ahead, scalars, 0};
        ahead[HONE_MATMUL_B_SCALES].host = scale, ahead[HONE_MATMUL_B_ZEROS].host = zero;
        assert_int_equal(hone_matmul_op.generate(&p, HONE_DATA_INTEGERS, t + 1, &arguments, scalars), HONE_OK);
        for (int i = 0; i < 64; i++) w[i] = (float)(i * 7 % 11 - 5);
        for (int i = 0; i < g.step[0].source_count; i++) {
            const hone_source *from = &g.step[0].source[i];
            assert_int_equal(from->kind, from->role == HONE_MATMUL_A ? HONE_FROM_GRADIENT : HONE_FROM_FORWARD);
            at[from->role].host = from->role == HONE_MATMUL_A ? w : ahead[from->index].host;
        }
        at[HONE_MATMUL_C].host = da;
        launch(back, at, scalars);
        for (int64_t matrix = 0; matrix < hone_matmul_batch(&p); matrix++)
            for (int64_t i = 0; i < p.m; i++)
                for (int64_t k = 0; k < p.k; k++) {
                    double total = 0;
                    for (int64_t j = 0; j < p.n; j++) {
                        int64_t group = hone_matmul_group_of(k, p.group_k);
                        double  q = hone_element_load(p.type_b, b_bytes,
                                                      hone_matmul_b_batch_offset(&p, matrix) +
                                                          hone_matmul_b_offset(&p, k, j));
                        double  s = (double)scale[hone_matmul_batch_offset(&p, p.scale.batch, matrix) +
                                                 group * p.scale.row + j * p.scale.column];
                        double  z = p.zeros ? (double)zero[group * p.zero.row + j * p.zero.column] : 0;
                        total += (double)w[matrix * p.m * p.n + i * p.n + j] * (q - z) * s;
                    }
                    assert_true((double)da[matrix * p.m * p.k + i * p.k + k] ==
                                scalars[HONE_MATMUL_ALPHA].value * total);
                }
    }
}

/* The type of what a backward problem reads: that of the forward argument, of c's gradient, or of another problem's
 * output. */
static hone_dtype source_type(const hone_role *ahead, const hone_gradient *g, const hone_source *from)
{
    hone_role role[HONE_ROLES_MAX];
    if (from->kind != HONE_FROM_STEP) return ahead[from->index].type;
    hone_matmul_op.roles(g->step[from->index].problem.bytes, role);
    return role[g->step[from->index].output].type;
}

/* Mixed types: each gradient is of its argument's type, and each backward problem reads what is there. */
static void types_agree(void **state)
{
    int mixed = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 4000 / HONE_TEST_SHARE; seed++) {
        hone_matmul_problem p;
        hone_gradient       g;
        hone_role           ahead[HONE_ROLES_MAX], role[HONE_ROLES_MAX];
        hone_matmul_op.random(seed, 600, &p);
        if (hone_matmul_op.gradient(&p, &g)) continue;
        hone_matmul_op.roles(&p, ahead);
        for (int s = 0; s < g.count; s++) {
            const hone_gradient_step *step = &g.step[s];
            assert_int_equal(hone_matmul_op.check(step->problem.bytes), HONE_OK);
            hone_matmul_op.roles(step->problem.bytes, role);
            if (step->gradient_of >= 0) assert_int_equal(role[step->output].type, ahead[step->gradient_of].type);
            for (int i = 0; i < step->source_count; i++)
                if (step->source[i].kind != HONE_FROM_ONE)
                    assert_int_equal(role[step->source[i].role].type, source_type(ahead, &g, &step->source[i]));
        }
        mixed += p.type_a != p.type_c;
    }
    assert_true(mixed > 100 / HONE_TEST_SHARE);
}

static void refusals_tell_what_would_do(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {{"f32 nn 4x4x4 +gelu", "'store'"},
                {"f32 nn 4x4x4 +relu+scale", "'store'"},
                {"f32 nn 4x4x4 +store+bias+silu", "'silu'"},
                {"f32 nn 4x4x4 +gelu_gradient", "'gelu_gradient'"},
                {"f32 nn 4x4x4 +scale_columns", "'store'"},
                {"f32 nn 4x4x4 +sum_b", "'sum_b'"},
                {"f32 nn 4x4x4 batch=2 pointers=1", "pointers"},
                {"f32 nn 4x4x4 sa=0x1", "two elements"},
                {"s8:s8:s32 nn 4x4x4", "whole numbers have no gradient"},
                {"f32:s4:f32 nn 4x4x4 batch=3 bsa=0", "give each matrix of the batch an a"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hone_matmul_problem p;
        hone_gradient       g;
        assert_int_equal(hone_matmul_op.parse(rows[i].text, &p), HONE_OK);
        assert_int_equal(hone_matmul_op.gradient(&p, &g), HONE_ERROR_UNSUPPORTED);
        if (!strstr(hone_last_error(), rows[i].says)) fail_msg("'%s' says: %s", rows[i].text, hone_last_error());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_and_layout),
        cmocka_unit_test(fewer_passes),
        cmocka_unit_test(random_problems),
        cmocka_unit_test(types_agree),
        cmocka_unit_test(weights_give_back),
        cmocka_unit_test(refusals_tell_what_would_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
