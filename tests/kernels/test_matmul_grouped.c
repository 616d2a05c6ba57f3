/* The op matmul_grouped: its text, what it refuses, its offsets, and every gradient against central differences, run as
 * it is told through the kernels of plain loops on f64. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "base/status.h"
#include "kernels/kernel.h"
#include "kernels/matmul/parts.h"
#include "kernels/matmul_grouped/parts.h"

static const hone_op *const op = &hone_matmul_grouped_op;

/* --- text ------------------------------------------------------------------------------------------------------- */

static void texts_come_back(void **state)
{
    static const char *const texts[] = {
        "f32 nn 4096x1408x2048 groups=64", "bf16 nt 64x32x48 +bias+relu groups=8 offsets=s64",
        "f64 tn 9x40x56 groups=3 sums=1", "f32 nn 5x6x7 +bias+scale_columns groups=4 gs=100 gs0=0 gs1=9",
        "bf16:bf16:f32 nn 5x6x7 +bias_rows+residual beta=1 lda=9 groups=0"};
    char again[HONE_PROBLEM_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_grouped_problem p;
        if (op->parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
        op->print(&p, again, sizeof again);
        assert_string_equal(again, texts[i]);
    }
    for (uint64_t seed = 1; seed <= 4000 / HONE_TEST_SHARE; seed++) {
        hone_matmul_grouped_problem p, back;
        op->random(seed, 1e5, &p);
        op->print(&p, again, sizeof again);
        if (op->parse(again, &back)) fail_msg("'%s': %s", again, hone_last_error());
        assert_memory_equal(&p, &back, sizeof p);
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {{"f32 nn 4x4x4", "groups= is missing"},
                {"f32 nn 4x4x4 groups=-1", "groups=-1"},
                {"f32 nn 4x4x4 groups=2 groups=2", "twice"},
                {"f32 nn 4x4x4 groups=2 sums=2", "sums=2"},
                {"f32 nn 4x4x4 groups=2 offsets=f32", "s32 or s64"},
                {"f32 nn 4x4x4 groups=2 gs=x", "whole number"},
                {"f32 nn 4x4x4 groups=2 batch=3", "batch"},
                {"f32 nn 4x4x4 groups=2 pointers=1 batch=3", "pointers"},
                {"f32 nn 4x4x4 groups=2 b=n16", "packed"},
                {"u8:s8:s32 nn 4x4x4 groups=2", "u8"},
                {"f32 nn 4x4x4 +bias groups=2 sums=1", "no"},
                {"f32 nn 4x4x4 +relu groups=2 gs0=4", "no vector"},
                {"f32 nn 4x4x4 groups=3 sums=1 gs=8", "one place"},
                {"f32 nn 4x4x4 groups=4611686018427387904", "groups"},
                {"f32 nn 4x4x4 group=2", "'group'"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hone_matmul_grouped_problem p;
        hone_fail(HONE_OK, "%s", "");
        if (op->parse(rows[i].text, &p) == HONE_OK) fail_msg("'%s' is taken", rows[i].text);
        if (!strstr(hone_last_error(), rows[i].says)) fail_msg("'%s' says: %s", rows[i].text, hone_last_error());
    }
}

static void offsets_are_held_against_the_rows(void **state)
{
    static const struct {
        int64_t     at[4];
        const char *says; /* NULL: they are fine */
    } rows[] = {{{0, 3, 3, 10}, NULL},
                {{2, 2, 2, 2}, NULL},
                {{10, 10, 10, 10}, NULL},
                {{-1, 3, 4, 5}, "offsets[0] is -1"},
                {{0, 4, 3, 5}, "offsets[1] is 4 and offsets[2] is 3"},
                {{0, 4, 5, 11}, "offsets[3] is 11, but there are 10 rows"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int wide = 0; wide < 2; wide++) {
            hone_matmul_grouped_problem p;
            int32_t                     narrow[4];
            for (int g = 0; g < 4; g++) narrow[g] = (int32_t)rows[i].at[g];
            int64_t   at[4];
            hone_span spans[HONE_ROLES_MAX] = {{0}};
            memcpy(at, rows[i].at, sizeof at);
            spans[HONE_MATMUL_GROUPED_OFFSETS].host = wide ? (void *)at : (void *)narrow;
            hone_arguments arguments = {HONE_MATMUL_GROUPED_OPERANDS, 0, spans, NULL, 0};
            assert_int_equal(op->parse(wide ? "f32 nn 10x2x2 groups=3 offsets=s64" : "f32 nn 10x2x2 groups=3", &p), 0);
            const hone_status status = hone_matmul_grouped_offsets_check(&p, &arguments);
            assert_int_equal(status, rows[i].says ? HONE_ERROR_ARGUMENT : HONE_OK);
            if (rows[i].says && !strstr(hone_last_error(), rows[i].says)) fail_msg("%s", hone_last_error());
        }
}

/* --- gradients -------------------------------------------------------------------------------------------------- */

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

static void launch(const hone_op *its, const void *problem, const hone_span *at, const hone_scalar *scalars)
{
    hone_role      roles[HONE_ROLES_MAX];
    const char    *names[HONE_SCALARS_MAX];
    double         neutral[HONE_SCALARS_MAX];
    hone_arguments arguments = {its->roles(problem, roles), its->scalars(problem, names, neutral), at, scalars, 0};
    assert_int_equal(its->check(problem), HONE_OK);
    for (int k = 0; hone_kernels[k]; k++) {
        const hone_kernel *kernel = hone_kernels[k];
        hone_request       request = {.op = its, .problem = problem, .threads = 1, .alignment = 8};
        hone_config        config;
        hone_needs         needs;
        void              *ready;
        if (strcmp(kernel->op, its->name) || !(kernel->properties & HONE_IS_REFERENCE)) continue;
        assert_int_equal(kernel->suggest(&request, &config, 1), 1);
        assert_int_equal(kernel->prepare(&request, &config, NULL, &ready, &needs), HONE_OK);
        assert_int_equal(kernel->launch(ready, NULL, &arguments, (hone_span){0}), HONE_OK);
        kernel->release(ready);
        return;
    }
    fail_msg("no reference of %s", its->name);
}

typedef struct forward {
    hone_matmul_grouped_problem p;
    int                         count;
    hone_role                   role[HONE_ROLES_MAX];
    memory                      m[HONE_ROLES_MAX]; /* inputs as they were; outputs as they came out */
    memory                      c0, w;             /* what c was before; the gradient of c */
    int64_t                     offsets[64];
    hone_scalar                 scalars[HONE_SCALARS_MAX];
} forward;

static void run_forward(forward *f)
{
    hone_span at[HONE_ROLES_MAX] = {{0}};
    for (int i = 0; i < f->count; i++)
        if (f->m[i].all) at[i].host = f->m[i].all + f->m[i].first;
    at[HONE_MATMUL_GROUPED_OFFSETS].host = f->offsets;
    memcpy(f->m[HONE_MATMUL_C].all, f->c0.all, (size_t)f->c0.count * sizeof *f->c0.all);
    launch(op, &f->p, at, f->scalars);
}

static double loss(forward *f)
{
    const hone_role *c = &f->role[HONE_MATMUL_C];
    double           total = 0;
    run_forward(f);
    for (int64_t e = 0, n = hone_role_count(c); e < n; e++) {
        const int64_t at = f->c0.first + hone_role_offset(c, e);
        total += f->w.all[at] * f->m[HONE_MATMUL_C].all[at];
    }
    return total;
}

/* All rows are in groups: what becomes of the others has no gradient. */
static forward begin(const hone_matmul_grouped_problem *p, uint64_t seed)
{
    forward f;
    memset(&f, 0, sizeof f);
    f.p = *p;
    f.count = op->roles(&f.p, f.role);
    assert_true(p->groups < 64 && p->offsets == HONE_S64);
    const int64_t rows = hone_matmul_grouped_rows(p);
    for (int64_t g = 1; g < p->groups; g++)
        f.offsets[g] = f.offsets[g - 1] + (int64_t)(hone_random_at(seed, (uint64_t)g) %
                                                    (uint64_t)(rows - f.offsets[g - 1] + 1)) / (g % 2 ? 2 : 1);
    f.offsets[p->groups] = rows;
    for (int i = 0; i < f.count; i++) {
        if (f.role[i].direction == HONE_UNUSED || i == HONE_MATMUL_GROUPED_OFFSETS) continue;
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

static void run_backward(const forward *f, const hone_gradient *g, memory gradients[HONE_ROLES_MAX])
{
    static double one = 1;
    memory        made[HONE_GRADIENT_STEPS_MAX] = {{0}};
    for (int s = 0; s < g->count; s++) {
        const hone_gradient_step *step = &g->step[s];
        const hone_op            *its = strcmp(step->op, "matmul") ? op : &hone_matmul_op;
        hone_role                 role[HONE_ROLES_MAX];
        hone_span                 at[HONE_ROLES_MAX] = {{0}};
        hone_scalar               scalars[HONE_SCALARS_MAX] = {{0}};
        bool                      sourced[HONE_ROLES_MAX] = {false};
        assert_string_equal(its->name, step->op);
        const int count = its->roles(step->problem.bytes, role);
        for (int i = 0; i < step->source_count; i++) {
            const hone_source *from = &step->source[i];
            void              *host = &one;
            if (from->kind == HONE_FROM_FORWARD && from->index == HONE_MATMUL_GROUPED_OFFSETS)
                host = (void *)(uintptr_t)f->offsets;
            else if (from->kind == HONE_FROM_FORWARD)
                host = f->m[from->index].all + f->m[from->index].first;
            else if (from->kind == HONE_FROM_GRADIENT)
                host = f->w.all + f->w.first;
            else if (from->kind == HONE_FROM_STEP)
                host = made[from->index].all + made[from->index].first;
            at[from->role].host = host;
            sourced[from->role] = true;
        }
        for (int i = 0; i < count; i++) /* all that is read comes from somewhere */
            if ((role[i].direction & HONE_IN) && hone_role_count(&role[i]) > 0) assert_true(sourced[i]);
        for (int i = 0; i < HONE_SCALARS_MAX; i++)
            scalars[i].value = step->scalar_from[i] ? f->scalars[step->scalar_from[i] - 1].value : step->scalar[i];
        made[s] = memory_for(&role[step->output]);
        for (int64_t e = 0; e < made[s].count; e++) made[s].all[e] = NAN;
        at[step->output].host = made[s].all + made[s].first;
        launch(its, step->problem.bytes, at, scalars);
        if (step->gradient_of >= 0) gradients[step->gradient_of] = made[s];
    }
    for (int s = 0; s < g->count; s++)
        if (g->step[s].gradient_of < 0) free(made[s].all);
}

static void compare(forward *f, int index, const memory *gradient, const char *text)
{
    const hone_role *role = &f->role[index];
    memory          *m = index == HONE_MATMUL_C ? &f->c0 : &f->m[index];
    const int64_t    count = hone_role_count(role), rows = hone_matmul_grouped_rows(&f->p);
    if (count == 0 || (f->p.groups == 0 && !gradient->all)) return;
    if (f->p.groups == 0 || (rows == 0 && !gradient->all)) return;
    if (!gradient->all) fail_msg("%s: no gradient of %s", text, role->name);
    for (int64_t n = 0; n < (count < 12 ? count : 12); n++) {
        const int64_t at =
            hone_role_offset(role, count < 12 ? n : (int64_t)(hone_random_at(7, (uint64_t)n) % (uint64_t)count));
        double *x = &m->all[m->first + at], old = *x, h = 1e-5;
        *x = old + h;
        const double above = loss(f);
        *x = old - h;
        const double below = loss(f);
        *x = old;
        const double should = (above - below) / (2 * h), got = gradient->all[gradient->first + at];
        if (!(fabs(got - should) <= 1e-6 * (1 + fabs(should))))
            fail_msg("%s: the gradient of %s at %lld is %.9g, differences give %.9g", text, role->name, (long long)at,
                     got, should);
    }
    run_forward(f);
}

static void check(const hone_matmul_grouped_problem *p, uint64_t seed, const hone_gradient *g)
{
    char    text[HONE_PROBLEM_TEXT_MAX];
    memory  gradients[HONE_ROLES_MAX] = {{0}};
    forward f = begin(p, seed);
    op->print(p, text, sizeof text);
    run_backward(&f, g, gradients);
    for (int i = 0; i < HONE_MATMUL_GROUPED_OFFSETS; i++)
        if (f.role[i].direction & HONE_IN) compare(&f, i, &gradients[i], text);
    for (int i = 0; i < HONE_ROLES_MAX; i++) free(gradients[i].all);
    for (int i = 0; i < f.count; i++) free(f.m[i].all);
    free(f.c0.all);
    free(f.w.all);
}

static void each_step_has_its_gradient(void **state)
{
    static const char *const texts[] = {
        "f64 nn 9x4x6 groups=3", "f64 tn 9x4x6 groups=4", "f64 nt 9x4x6 groups=1 beta=1",
        "f64 nn 9x4x6 +bias groups=3", "f64 nn 9x4x6 +bias groups=3 gs0=0", "f64 nn 9x4x6 +bias groups=1",
        "f64 nn 9x4x6 +bias_rows groups=3", "f64 nn 9x4x6 +residual groups=3", "f64 nn 9x4x6 +relu groups=3",
        "f64 nn 9x4x6 +bias+store+gelu+residual groups=3 beta=1", "f64 nn 9x4x6 +scale+bias+scale groups=2 gs0=0",
        "f64 nt 9x4x6 +store+silu+store+gelu_erf groups=3 sc=1x9", "f64 nn 9x4x0 +bias groups=3",
        "f64 nn 4x5x9 groups=3 sums=1", "f64 tn 4x5x9 groups=5 sums=1 beta=1", "f64 nt 4x5x9 groups=3 sums=1 ldc=7",
        "f64 nn 0x4x6 groups=3", "f64 nn 4x5x0 groups=2 sums=1 beta=1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_matmul_grouped_problem p;
        hone_gradient               g;
        if (op->parse(texts[i], &p)) fail_msg("'%s': %s", texts[i], hone_last_error());
        p.offsets = HONE_S64;
        if (op->gradient(&p, &g)) fail_msg("'%s': %s", texts[i], hone_last_error());
        check(&p, i + 1, &g);
    }
}

static void random_ones_too(void **state)
{
    int done = 0, refused = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 1200 / HONE_TEST_SHARE; seed++) {
        hone_matmul_grouped_problem p;
        hone_gradient               g;
        op->random(seed, 600, &p);
        p.one.type_a = p.one.type_b = p.one.type_c = HONE_F64;
        p.offsets = HONE_S64;
        for (int i = 0; i < p.one.step_count; i++) p.one.step[i].type = 0;
        if (op->check(&p) || p.groups == 0) continue;
        const hone_status status = op->gradient(&p, &g);
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
    assert_true(2 * done > refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_back), cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(offsets_are_held_against_the_rows), cmocka_unit_test(each_step_has_its_gradient),
        cmocka_unit_test(random_ones_too)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
