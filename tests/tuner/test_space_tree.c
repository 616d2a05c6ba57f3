/* Spaces as trees: against plain filtering, on spaces drawn at random; and the spaces of matmul's kernels on problems
 * drawn at random: constraints that read what they name, and samenesses that mean the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "backends/cpu/cpu.h"
#include "base/hash.h"
#include "kernels/matmul/problem.h"
#include "tests/memory.h"
#include "tuner/space_tree.h"

/* --- spaces drawn at random ------------------------------------------------------------------------------------ */

enum { PARAMETERS = 5, VALUES = 5, CONSTRAINTS = 4, FULL = VALUES * VALUES * VALUES * VALUES * VALUES };

static struct {
    uint64_t        seed;
    hone_constraint constraints[CONSTRAINTS];
    hone_sameness   same[2];
    hone_parameter  parameters[PARAMETERS];
    hone_space      space;
    hone_kernel     kernel;
    int             asked_early; /* constraints asked about something undecided */
} drawn;

static const int64_t          numbers[VALUES] = {1, 2, 4, 8, 16};
static const char *const      names[VALUES] = {"one", "two", "four", "eight", "sixteen"};
static const char *const      titles[PARAMETERS] = {"a", "b", "c", "d", "e"};
static const hone_request     nothing;

static uint64_t mixed(const hone_config *config, unsigned bits, uint64_t with)
{
    int64_t read[PARAMETERS] = {0};
    for (int i = 0; i < PARAMETERS; i++)
        if (bits >> i & 1) {
            read[i] = config->value[i];
            drawn.asked_early += !read[i];
        }
    return hone_hash(read, sizeof read, drawn.seed + with);
}

static const char *refuses(const hone_config *config, int which)
{
    return mixed(config, drawn.constraints[which].looks_at, (uint64_t)which) % 5 < 2 ? "by chance" : NULL;
}
static const char *refuses0(const hone_request *r, const hone_config *c) { return (void)r, refuses(c, 0); }
static const char *refuses1(const hone_request *r, const hone_config *c) { return (void)r, refuses(c, 1); }
static const char *refuses2(const hone_request *r, const hone_config *c) { return (void)r, refuses(c, 2); }
static const char *refuses3(const hone_request *r, const hone_config *c) { return (void)r, refuses(c, 3); }

/* In half of the cases all values from 4 on are alike. */
static int64_t stands(const hone_config *config, int which)
{
    const hone_sameness *it = &drawn.same[which];
    const int64_t        value = config->value[it->parameter];
    return value > 4 && mixed(config, it->looks_at, 100 + (uint64_t)which) % 2 ? 4 : value;
}
static int64_t stands0(const hone_request *r, const hone_config *c) { return (void)r, stands(c, 0); }
static int64_t stands1(const hone_request *r, const hone_config *c) { return (void)r, stands(c, 1); }

static void draw_space(uint64_t seed)
{
    static const char *(*const each[])(const hone_request *, const hone_config *) = {refuses0, refuses1, refuses2,
                                                                                     refuses3};
    hone_random r = hone_random_seeded(seed);
    unsigned    read = 0;
    memset(&drawn, 0, sizeof drawn);
    drawn.seed = seed;
    for (int i = 0; i < PARAMETERS; i++)
        drawn.parameters[i] = (hone_parameter){titles[i], 4, 3 + (int)hone_random_below(&r, VALUES - 2), numbers,
                                               hone_random_below(&r, 4) ? NULL : names, ""};
    drawn.space = (hone_space){PARAMETERS, drawn.parameters, (int)hone_random_below(&r, CONSTRAINTS + 1),
                               drawn.constraints, 0, drawn.same};
    for (int i = 0; i < drawn.space.constraint_count; i++) {
        drawn.constraints[i] = (hone_constraint){0, each[i]};
        for (int take = 0; take < 2; take++)
            drawn.constraints[i].looks_at |= 1u << hone_random_below(&r, PARAMETERS);
        if (seed % 7 == 0 && i == 0) drawn.constraints[i].looks_at = 0; /* of the request alone */
        read |= drawn.constraints[i].looks_at;
    }
    for (int i = 0; i < PARAMETERS && drawn.space.same_count < 2; i++) {
        if (read >> i & 1 || hone_random_below(&r, 2)) continue;
        const unsigned earlier = (1u << i) - 1;
        drawn.same[drawn.space.same_count] =
            (hone_sameness){i, (unsigned)hone_random_next(&r) & earlier, drawn.space.same_count ? stands1 : stands0};
        drawn.space.same_count++;
    }
    drawn.kernel = (hone_kernel){.name = "drawn", .space = &drawn.space};
}

/* The plain way: everything, and what is refused thrown away. */
static int filter(hone_config *out)
{
    int     count = 0;
    int64_t at[PARAMETERS] = {0};
    for (;;) {
        hone_config config = {{0}};
        bool        legal = true;
        for (int i = 0; i < PARAMETERS; i++) config.value[i] = numbers[at[i]];
        for (int i = 0; i < drawn.space.constraint_count; i++)
            legal &= !drawn.constraints[i].refuses(&nothing, &config);
        for (int i = 0; i < drawn.space.same_count; i++)
            legal &= drawn.same[i].stands(&nothing, &config) == config.value[drawn.same[i].parameter];
        if (legal) out[count++] = config;
        int i = PARAMETERS - 1;
        while (i >= 0 && ++at[i] == drawn.parameters[i].count) at[i--] = 0;
        if (i < 0) return count;
    }
}

static int differences(const hone_config *a, const hone_config *b)
{
    int count = 0;
    for (int i = 0; i < PARAMETERS; i++) count += a->value[i] != b->value[i];
    return count;
}

static bool has(const hone_config *list, int count, const hone_config *it)
{
    for (int i = 0; i < count; i++)
        if (!memcmp(&list[i], it, sizeof *it)) return true;
    return false;
}

static void look_at_neighbours(const hone_space_tree *tree, const hone_config *all, int count)
{
    hone_config list[PARAMETERS * VALUES];
    uint64_t    index;
    for (int i = 0; i < count; i += 1 + count / 30) {
        int near = hone_space_tree_neighbours(tree, &all[i], false, list, PARAMETERS * VALUES);
        assert_true(near <= PARAMETERS * VALUES);
        for (int j = 0; j < near; j++) {
            assert_true(hone_space_tree_find(tree, &list[j], &index));
            assert_int_not_equal(differences(&list[j], &all[i]), 0);
            assert_false(has(list, j, &list[j]));
        }
        int far = hone_space_tree_neighbours(tree, &all[i], true, list, PARAMETERS * VALUES);
        assert_true(far >= near);
        for (int j = 0; j < count; j++) /* whatever differs in one value only is a neighbour */
            if (differences(&all[i], &all[j]) == 1) assert_true(has(list, far, &all[j]));
        if (far > 1) assert_int_equal(hone_space_tree_neighbours(tree, &all[i], true, list, 1), 1);
    }
}

static void trees_are_what_filtering_leaves(void **state)
{
    static hone_config all[FULL];
    int                empty = 0, full = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        hone_space_tree *tree;
        hone_config      config;
        uint64_t         index;
        draw_space(seed);
        const int count = filter(all);
        drawn.asked_early = 0;
        assert_int_equal(hone_space_tree_open(&nothing, &drawn.kernel, &tree), HONE_OK);
        assert_int_equal(hone_space_tree_count(tree), count);
        empty += count == 0;
        full += count > 200;
        for (int i = 0; i < count; i++) {
            hone_space_tree_at(tree, (uint64_t)i, &config);
            assert_memory_equal(&config, &all[i], sizeof config);
            assert_true(hone_space_tree_find(tree, &config, &index));
            assert_int_equal(index, i);
            hone_space_tree_repair(tree, &config, &config);
            assert_memory_equal(&config, &all[i], sizeof config);
        }
        hone_random r = hone_random_seeded(seed);
        for (int i = 0; i < 100; i++) {
            memset(&config, 0, sizeof config);
            for (int j = 0; j < PARAMETERS; j++)
                config.value[j] = numbers[hone_random_below(&r, (uint64_t)drawn.parameters[j].count)];
            assert_int_equal(hone_space_tree_find(tree, &config, &index), has(all, count, &config));
            if (!count) continue;
            hone_space_tree_repair(tree, &config, &config);
            assert_true(has(all, count, &config));
        }
        config.value[0] = 3; /* no value at all */
        assert_false(hone_space_tree_find(tree, &config, &index));
        look_at_neighbours(tree, all, count);
        assert_int_equal(drawn.asked_early, 0);
        hone_space_tree_close(tree);
    }
    assert_true(empty > 10 && full > 50);
}

static void draws_are_even(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static int       times[FULL];
        hone_space_tree *tree;
        hone_config      config;
        uint64_t         index;
        hone_random      r = hone_random_seeded(seed);
        draw_space(seed);
        assert_int_equal(hone_space_tree_open(&nothing, &drawn.kernel, &tree), HONE_OK);
        const int count = (int)hone_space_tree_count(tree), draws = 20 * count;
        memset(times, 0, sizeof times);
        for (int i = 0; i < draws; i++) {
            hone_space_tree_draw(tree, &r, &config);
            assert_true(hone_space_tree_find(tree, &config, &index));
            times[index]++;
        }
        double chi = 0;
        for (int i = 0; i < count; i++) chi += (times[i] - 20.0) * (times[i] - 20.0) / 20;
        if (count > 1) assert_true(chi < count + 6 * __builtin_sqrt(2.0 * count));
        hone_space_tree_close(tree);
    }
}

/* Sixteen free parameters of sixteen values are not enumerated to be counted; 40 values each are too many. */
static void large_spaces(void **state)
{
    static int64_t   many[40];
    hone_parameter   parameters[HONE_PARAMETERS_MAX];
    hone_space       space = {12, parameters, 0, NULL, 0, NULL};
    hone_kernel      kernel = {.name = "large", .space = &space};
    hone_space_tree *tree;
    hone_config      config;
    uint64_t         index;
    (void)state;
    for (int i = 0; i < 40; i++) many[i] = i + 1;
    for (int i = 0; i < HONE_PARAMETERS_MAX; i++) parameters[i] = (hone_parameter){"p", 1, 32, many, NULL, ""};
    assert_int_equal(hone_space_tree_open(&nothing, &kernel, &tree), HONE_OK);
    assert_true(hone_space_tree_count(tree) == (uint64_t)1 << 60);
    hone_space_tree_at(tree, 0x123456789abcdefu, &config);
    assert_true(hone_space_tree_find(tree, &config, &index));
    assert_true(index == 0x123456789abcdefu);
    hone_space_tree_close(tree);
    space.count = HONE_PARAMETERS_MAX;
    assert_int_equal(hone_space_tree_open(&nothing, &kernel, &tree), HONE_ERROR_OVERFLOW);
    assert_non_null(strstr(hone_last_error(), "more configurations than 63 bits count"));
    assert_null(tree);
    kernel.space = NULL;
    assert_int_equal(hone_space_tree_open(&nothing, &kernel, &tree), HONE_OK);
    assert_int_equal(hone_space_tree_count(tree), 1);
    assert_true(hone_space_tree_find(tree, &config, &index));
    assert_int_equal(hone_space_tree_neighbours(tree, &config, true, &config, 1), 0);
    hone_space_tree_close(tree);
}

static void out_of_memory(void **state)
{
    test_memory memory;
    (void)state;
    draw_space(3);
    hone_status status = HONE_ERROR_MEMORY;
    for (int64_t fail_at = 1; status == HONE_ERROR_MEMORY; fail_at++) {
        hone_space_tree *tree;
        assert_int_equal(test_memory_use(&memory), HONE_OK);
        memory.fail_at = fail_at;
        status = hone_space_tree_open(&nothing, &drawn.kernel, &tree);
        hone_space_tree_close(tree);
        assert_int_equal(memory.blocks, 0);
        assert_int_equal(test_memory_use(NULL), HONE_OK);
        assert_true(fail_at < 100);
    }
    assert_int_equal(status, HONE_OK);
}

/* --- matmul's kernels ------------------------------------------------------------------------------------------ */

extern const hone_kernel hone_matmul_packed, hone_matmul_direct, hone_matmul_thin, hone_matmul_dots, hone_matmul_flat,
    hone_matmul_fold, hone_matmul_sweep, hone_matmul_small;
static const hone_kernel *const kernels[] = {&hone_matmul_packed, &hone_matmul_direct, &hone_matmul_thin,
                                             &hone_matmul_dots, &hone_matmul_flat, &hone_matmul_small};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

/* Other values in all parameters but these. */
static hone_config scrambled(const hone_space *space, const hone_config *config, unsigned but, hone_random *r)
{
    hone_config other = *config;
    for (int i = 0; i < space->count; i++)
        if (!(but >> i & 1))
            other.value[i] = space->parameters[i].values[hone_random_below(r, (uint64_t)space->parameters[i].count)];
    return other;
}

/* Returns whether something else stood for the configuration. */
static bool look_at(const hone_request *request, const hone_kernel *kernel, hone_random *r)
{
    const hone_space *space = kernel->space;
    hone_config       config = {{0}}, other, plain;
    config = scrambled(space, &config, 0, r);
    for (int i = 0; i < space->constraint_count; i++) {
        const hone_constraint *it = &space->constraints[i];
        other = scrambled(space, &config, it->looks_at, r);
        assert_ptr_equal(it->refuses(request, &config), it->refuses(request, &other));
    }
    for (int known = 0; known <= space->count; known++) /* refused once is refused for good */
        if (hone_config_refuses_first(request, kernel, &config, known))
            assert_non_null(hone_config_refuses(request, kernel, &config));
    if (hone_config_refuses(request, kernel, &config)) return false;

    plain = config;
    hone_config_canonical(request, kernel, &plain);
    assert_null(hone_config_refuses(request, kernel, &plain));
    other = plain;
    hone_config_canonical(request, kernel, &other);
    assert_memory_equal(&plain, &other, sizeof plain);
    for (int i = 0; i < space->same_count; i++) {
        const hone_sameness *it = &space->same[i];
        if (i) assert_true(it->parameter > space->same[i - 1].parameter);
        assert_true(it->looks_at >> it->parameter == 0);
        other = scrambled(space, &plain, it->looks_at | 1u << it->parameter, r);
        if (!hone_config_refuses(request, kernel, &other))
            assert_int_equal(it->stands(request, &plain), it->stands(request, &other));
    }
    /* What means the same is estimated alike, and asks for as much. */
    double one = kernel->estimate(request, &config), two = kernel->estimate(request, &plain);
    if (!(one <= two * 1.02 && two <= one * 1.02)) {
        char a[256], b[256], text[HONE_PROBLEM_TEXT_MAX];
        hone_config_print(space, &config, a, sizeof a);
        hone_config_print(space, &plain, b, sizeof b);
        request->op->print(request->problem, text, sizeof text);
        fail_msg("%s %s: %s is estimated at %g s, and %s, which stands for it, at %g s", kernel->name, text, a, one, b,
                 two);
    }
    return memcmp(&config, &plain, sizeof config) != 0;
}

static void kernels_tell_the_truth(void **state)
{
    int alike[KERNELS] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 1500 / HONE_TEST_SHARE; seed++) {
        hone_matmul_problem problem;
        hone_random         r = hone_random_seeded(seed);
        memset(&problem, 0, sizeof problem);
        hone_matmul_op.random(seed, 1e9, &problem);
        for (int i = 0; i < KERNELS; i++) {
            hone_be_device device = {.name = "cpu:0", .threads = 4, .cpu = {.isa = hone_cpu_isa(), .cores = 4}};
            hone_request   request = {&device, &hone_matmul_op, &problem, 1 + (int)(seed % 4), 1, 0, 0};
            hone_config    suggested[8];
            uint64_t       index;
            hone_space_tree *tree;
            memset(suggested, 0, sizeof suggested);
            if (kernels[i]->refuses(&request)) continue;
            for (int j = 0; j < 20; j++) alike[i] += look_at(&request, kernels[i], &r);
            if (seed % 8) continue;
            assert_int_equal(hone_space_tree_open(&request, kernels[i], &tree), HONE_OK);
            for (int j = kernels[i]->suggest(&request, suggested, 8) - 1; j >= 0; j--) {
                hone_config_canonical(&request, kernels[i], &suggested[j]);
                assert_true(hone_space_tree_find(tree, &suggested[j], &index));
            }
            hone_space_tree_close(tree);
        }
    }
    for (int i = 0; i < KERNELS; i++)
        if (kernels[i]->space->same_count) assert_true(alike[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_what_filtering_leaves),
        cmocka_unit_test(draws_are_even),
        cmocka_unit_test(large_spaces),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(kernels_tell_the_truth),
    };
    return cmocka_run_group_tests_name("tuner.space_tree", tests, NULL, NULL);
}
