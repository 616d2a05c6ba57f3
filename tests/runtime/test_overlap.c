/* Overlap, decided by base/overlap.h, against looking at each element: small views drawn at random, of every rank up to
 * four, with strides of both signs, repeating ones, and extents of 0 and 1. Then views that programs make, and some
 * that are hard, with a bound on the time they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <stdbool.h>

#include "base/overlap.h"
#include "base/random.h"

enum { ROOM = 4096, MIDDLE = ROOM / 2, RANK = 4 };

typedef struct view {
    hone_strided it;
    int64_t      shape[RANK], stride[RANK];
} view;

static char memory[ROOM];

static void describe(const view *v, char *out, size_t capacity)
{
    int length = snprintf(out, capacity, "at %d, %d bytes each:", (int)((const char *)v->it.at - memory),
                          (int)v->it.element_bytes);
    for (int i = 0; i < v->it.rank && length < (int)capacity; i++)
        length += snprintf(out + length, capacity - (size_t)length, " %d by %d", (int)v->shape[i], (int)v->stride[i]);
}

/* Counts how often each byte of the view is named; gives the greatest count of one element. */
static int paint(const view *v, unsigned char *count)
{
    int64_t index[RANK] = {0};
    int     most = 0;
    for (int i = 0; i < v->it.rank; i++)
        if (v->shape[i] == 0) return 0;
    for (;;) {
        int64_t at = (const char *)v->it.at - memory;
        for (int i = 0; i < v->it.rank; i++) at += index[i] * v->stride[i] * v->it.element_bytes;
        assert_true(at >= 0 && at + v->it.element_bytes <= ROOM);
        for (int64_t byte = 0; byte < v->it.element_bytes; byte++) count[at + byte]++;
        if (count[at] > most) most = count[at];
        int d = v->it.rank - 1;
        while (d >= 0 && ++index[d] == v->shape[d]) index[d--] = 0;
        if (d < 0) return most;
    }
}

static void draw(hone_random *r, view *v)
{
    static const int64_t sizes[] = {1, 2, 4, 4, 8};
    memset(v, 0, sizeof *v);
    v->it.element_bytes = sizes[hone_random_below(r, 5)];
    v->it.rank = (int)hone_random_below(r, RANK + 1);
    v->it.shape = v->shape;
    v->it.stride = v->stride;
    int64_t widest = MIDDLE / 8 / 8; /* elements a dimension reaches at most, so that four stay in the room */
    for (int i = 0; i < v->it.rank; i++) {
        v->shape[i] = (int64_t)hone_random_below(r, 7);
        if (v->shape[i] == 0 && hone_random_below(r, 4)) v->shape[i] = 3;
        int64_t most = v->shape[i] > 1 ? widest / (v->shape[i] - 1) : widest;
        v->stride[i] = (int64_t)hone_random_below(r, (uint64_t)(2 * most + 1)) - most;
        if (hone_random_below(r, 3) == 0) v->stride[i] = 1;
    }
    v->it.at = memory + MIDDLE + (int64_t)hone_random_below(r, 129) - 64;
}

static void random_pairs_are_decided_rightly(void **state)
{
    hone_random r = hone_random_seeded(5);
    int         overlapping = 0, undecided = 0;
    (void)state;
    enum { PAIRS = 60000 / HONE_TEST_SHARE };
    for (int i = 0; i < PAIRS; i++) {
        view          a, b;
        unsigned char count_a[ROOM] = {0}, count_b[ROOM] = {0};
        bool          share = false;
        draw(&r, &a);
        draw(&r, &b);
        paint(&a, count_a);
        paint(&b, count_b);
        for (int at = 0; at < ROOM; at++) share |= count_a[at] && count_b[at];
        hone_overlap got = hone_overlap_of(&a.it, &b.it), turned = hone_overlap_of(&b.it, &a.it);
        overlapping += share;
        undecided += got == HONE_OVERLAP_UNDECIDED;
        if (got != turned || got != (share ? HONE_OVERLAPS : HONE_DISJOINT)) {
            char text_a[128], text_b[128];
            describe(&a, text_a, sizeof text_a);
            describe(&b, text_b, sizeof text_b);
            fail_msg("pair %d: %s share: %s and %s; the answer is %d, and %d the other way round", i,
                     share ? "they" : "nothing", text_a, text_b, got, turned);
        }
    }
    assert_int_equal(undecided, 0);
    assert_in_range(overlapping, PAIRS / 10, PAIRS * 9 / 10);
    print_message("%d pairs, %d of them overlap\n", PAIRS, overlapping);
}

static void random_views_know_themselves(void **state)
{
    hone_random r = hone_random_seeded(6);
    int         overlapping = 0;
    (void)state;
    enum { VIEWS = 60000 / HONE_TEST_SHARE };
    for (int i = 0; i < VIEWS; i++) {
        view          v;
        unsigned char count[ROOM] = {0};
        draw(&r, &v);
        v.it.element_bytes = 1; /* elements, not bytes: strides are in elements */
        bool         twice = paint(&v, count) > 1;
        hone_overlap got = hone_overlap_within(&v.it);
        overlapping += twice;
        if (got != (twice ? HONE_OVERLAPS : HONE_DISJOINT)) {
            char text[128];
            describe(&v, text, sizeof text);
            fail_msg("view %d: %s; the answer is %d, not %d", i, text, got, twice);
        }
    }
    assert_in_range(overlapping, VIEWS / 10, VIEWS * 9 / 10);
    print_message("%d views, %d of them overlap themselves\n", VIEWS, overlapping);
}

static hone_strided matrix(const void *at, const int64_t shape[2], const int64_t stride[2])
{
    return (hone_strided){at, 4, 2, shape, stride};
}

static void views_of_programs(void **state)
{
    const int64_t side = 3000, shape[] = {side, side}, half[] = {side, side / 2}, dense[] = {side, 1};
    const int64_t columns[] = {2 * side, 2}, wide[] = {2 * side, 1}, backwards[] = {-side, -1};
    const char   *at = (const char *)(uintptr_t)0x7f0000000000;
    (void)state;
    /* blocks of columns of one parent */
    hone_strided left = matrix(at, half, wide), right = matrix(at + 4 * side / 2, half, wide);
    assert_int_equal(hone_overlap_of(&left, &right), HONE_DISJOINT);
    right.at = at + 4 * (side / 2 - 1);
    assert_int_equal(hone_overlap_of(&left, &right), HONE_OVERLAPS);
    right.at = at + 4 * (side / 2) - 1; /* by one byte */
    assert_int_equal(hone_overlap_of(&left, &right), HONE_OVERLAPS);
    /* odd and even columns */
    hone_strided even = matrix(at, shape, columns), odd = matrix(at + 4, shape, columns);
    assert_int_equal(hone_overlap_of(&even, &odd), HONE_DISJOINT);
    odd.at = at + 2;
    assert_int_equal(hone_overlap_of(&even, &odd), HONE_OVERLAPS);
    odd.at = at + 8;
    assert_int_equal(hone_overlap_of(&even, &odd), HONE_OVERLAPS);
    /* backwards, up to the very end of another */
    hone_strided forth = matrix(at, shape, dense), back = matrix(at + 4 * (2 * side * side - 1), shape, backwards);
    assert_int_equal(hone_overlap_of(&forth, &back), HONE_DISJOINT);
    back.at = at + 4 * (2 * side * side - 2);
    assert_int_equal(hone_overlap_of(&forth, &back), HONE_OVERLAPS);
    assert_int_equal(hone_overlap_within(&back), HONE_DISJOINT);
    assert_int_equal(hone_overlap_within(&even), HONE_DISJOINT);
    /* queries, keys and values of all heads, side by side in one row a token */
    const int64_t heads[] = {4, 12, 1024, 64}, packed[] = {1024 * 2304, 64, 2304, 1};
    for (int i = 0; i < 3; i++) {
        hone_strided one = {at + 4 * 768 * i, 4, 4, heads, packed};
        assert_int_equal(hone_overlap_within(&one), HONE_DISJOINT);
        for (int j = 0; j < 3; j++) {
            hone_strided other = {at + 4 * 768 * j, 4, 4, heads, packed};
            assert_int_equal(hone_overlap_of(&one, &other), i == j ? HONE_OVERLAPS : HONE_DISJOINT);
        }
    }
}

/* The reach of a view goes to the ends of the address space, and its products to those of 64 bits. */
static void views_at_the_ends(void **state)
{
    const int64_t shape[] = {2, 1}, far[] = {((int64_t)1 << 60), 1}, near[] = {1, 1}, empty[] = {0, (int64_t)1 << 62};
    (void)state;
    hone_strided a = matrix((const void *)(uintptr_t)64, shape, far),
                 b = matrix((const void *)(uintptr_t)(64 + ((uintptr_t)1 << 62)), shape, near);
    assert_int_equal(hone_overlap_of(&a, &b), HONE_OVERLAPS);
    b.at = (const void *)(uintptr_t)(68 + ((uintptr_t)1 << 62));
    assert_int_equal(hone_overlap_of(&a, &b), HONE_DISJOINT);
    b = matrix((const void *)(UINTPTR_MAX - 7), shape, near);
    assert_int_equal(hone_overlap_of(&a, &b), HONE_DISJOINT);
    assert_int_equal(hone_overlap_of(&b, &b), HONE_OVERLAPS);
    a = matrix((const void *)(uintptr_t)64, empty, far);
    assert_int_equal(hone_overlap_of(&a, &a), HONE_DISJOINT);
    assert_int_equal(hone_overlap_within(&a), HONE_DISJOINT);
    hone_strided scalar = {(const void *)(uintptr_t)64, 8, 0, NULL, NULL};
    assert_int_equal(hone_overlap_of(&scalar, &scalar), HONE_OVERLAPS);
    assert_int_equal(hone_overlap_within(&scalar), HONE_DISJOINT);
}

/* Knapsacks in disguise: eight dimensions whose strides nearly divide each other. They end, and never with a lie. */
static void hard_views_end(void **state)
{
    hone_random r = hone_random_seeded(7);
    int         undecided = 0;
    (void)state;
    for (int i = 0; i < 300; i++) {
        int64_t      shape[8], stride[8];
        hone_strided v = {memory, 4, 8, shape, stride}, other = v;
        for (int d = 0; d < 8; d++) {
            shape[d] = 2 + (int64_t)hone_random_below(&r, 40);
            stride[d] = 100000 + (int64_t)hone_random_below(&r, 1000000) * 2;
        }
        other.at = memory + 4 * (1 + 2 * hone_random_below(&r, 1000)); /* an odd number of elements away */
        hone_overlap within = hone_overlap_within(&v), between = hone_overlap_of(&v, &other);
        undecided += within == HONE_OVERLAP_UNDECIDED;
        assert_int_not_equal(between, HONE_OVERLAPS); /* all strides are even */
    }
    print_message("of 300 hard views %d were left undecided\n", undecided);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_pairs_are_decided_rightly),
        cmocka_unit_test(random_views_know_themselves),
        cmocka_unit_test(views_of_programs),
        cmocka_unit_test(views_at_the_ends),
        cmocka_unit_test(hard_views_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
