/* Do two strided views share memory? The question is whether
 *
 *     address(a) + sum stride_i x_i  =  address(b) + sum stride_j y_j,     0 <= x_i < extent_i,  0 <= y_j < extent_j
 *
 * has a solution in bytes. Turning y around makes all coefficients positive: sum c_i x_i = d, 0 <= x_i <= u_i, which is
 * searched depth first, the largest coefficient first, cut by the greatest common divisor and the greatest sum of what
 * is left. Views that programs really make are decided in a handful of steps; the work is bounded for all others. */
#include "base/overlap.h"

#include <stdbool.h>

#include <hone/tensor.h>

enum { TERMS_MAX = 2 * HONE_RANK_MAX + 2, STEPS_MAX = 20000 };

typedef struct equation {
    int      count, steps;
    __int128 coefficient[TERMS_MAX];   /* > 0, falling */
    __int128 bound[TERMS_MAX];         /* > 0 */
    __int128 rest_most[TERMS_MAX + 1]; /* the greatest sum of the terms from here on */
    __int128 rest_divisor[TERMS_MAX + 1];
} equation;

static void add_term(equation *e, __int128 coefficient, __int128 bound)
{
    int at = e->count;
    if (coefficient == 0 || bound == 0) return;
    while (at > 0 && e->coefficient[at - 1] < coefficient) {
        e->coefficient[at] = e->coefficient[at - 1];
        e->bound[at] = e->bound[at - 1];
        at--;
    }
    e->coefficient[at] = coefficient;
    e->bound[at] = bound;
    e->count++;
}

/* Terms that together reach every multiple of the smaller coefficient are one: c x + k c y with k <= u_x + 1 is c z
 * with 0 <= z <= u_x + k u_y. So rows that are dense, and equal strides of two views, are not searched at all. Whether
 * there is a solution stays the same, how many there are does not. */
static void merge(equation *e)
{
    for (int at = e->count - 1; at > 0; at--)
        for (int i = at - 1; i >= 0; i--) {
            if (e->coefficient[i] % e->coefficient[at]) continue;
            __int128 times = e->coefficient[i] / e->coefficient[at];
            if (times > e->bound[at] + 1) continue;
            e->bound[at] += times * e->bound[i];
            e->count--;
            for (int j = i; j < e->count; j++) {
                e->coefficient[j] = e->coefficient[j + 1];
                e->bound[j] = e->bound[j + 1];
            }
            at--;
        }
}

static void prepare(equation *e)
{
    e->rest_most[e->count] = 0;
    e->rest_divisor[e->count] = 0;
    for (int i = e->count - 1; i >= 0; i--) {
        __int128 a = e->coefficient[i], b = e->rest_divisor[i + 1];
        while (b) {
            __int128 t = a % b;
            a = b;
            b = t;
        }
        e->rest_divisor[i] = a;
        e->rest_most[i] = e->rest_most[i + 1] + e->coefficient[i] * e->bound[i];
    }
}

/* How many solutions there are, counting no further than `enough`; -1: too much work to say. */
static int solutions(equation *e, int at, __int128 d, int enough)
{
    if (d < 0 || d > e->rest_most[at]) return 0;
    if (at == e->count) return 1;
    if (d % e->rest_divisor[at]) return 0;
    __int128 c = e->coefficient[at], rest = e->rest_most[at + 1];
    __int128 first = d > rest ? (d - rest + c - 1) / c : 0;
    __int128 last = d / c < e->bound[at] ? d / c : e->bound[at];
    int      found = 0;
    for (__int128 x = first; x <= last && found < enough; x++) {
        if (++e->steps > STEPS_MAX) return found ? found : -1;
        int more = solutions(e, at + 1, d - c * x, enough - found);
        if (more < 0) return found ? found : -1;
        found += more;
    }
    return found;
}

static bool empty(const hone_strided *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] == 0) return true;
    return false;
}

/* Adds a view's dimensions, in bytes; gives how far below its first element it begins. */
static __int128 add_view(equation *e, const hone_strided *t)
{
    __int128 bytes = t->element_bytes, below = 0;
    for (int i = 0; i < t->rank; i++) {
        __int128 stride = t->stride[i] * bytes;
        if (stride < 0) below += -stride * (t->shape[i] - 1);
        add_term(e, stride < 0 ? -stride : stride, t->shape[i] - 1);
    }
    add_term(e, 1, bytes - 1);
    return below;
}

static __int128 reach(const hone_strided *t)
{
    equation e = {0};
    add_view(&e, t);
    prepare(&e);
    return e.rest_most[0];
}

hone_overlap hone_overlap_of(const hone_strided *a, const hone_strided *b)
{
    equation e = {0};
    if (empty(a) || empty(b)) return HONE_DISJOINT;
    __int128 a_first = (__int128)(uintptr_t)a->at - add_view(&e, a);
    __int128 b_first = (__int128)(uintptr_t)b->at - add_view(&e, b);
    __int128 b_last = b_first + reach(b);
    merge(&e);
    prepare(&e);
    int found = solutions(&e, 0, b_last - a_first, 1);
    return found < 0 ? HONE_OVERLAP_UNDECIDED : found ? HONE_OVERLAPS : HONE_DISJOINT;
}

/* Differences d_i of two indices, -u_i <= d_i <= u_i, with sum stride_i d_i = 0: shifted by u_i that is the same
 * question, which always has the solution d = 0. A second one is an overlap. */
hone_overlap hone_overlap_within(const hone_strided *t)
{
    equation e = {0};
    __int128 middle = 0;
    if (empty(t)) return HONE_DISJOINT;
    for (int i = 0; i < t->rank; i++) {
        __int128 stride = t->stride[i] < 0 ? -(__int128)t->stride[i] : t->stride[i];
        if (t->shape[i] > 1 && stride == 0) return HONE_OVERLAPS;
        add_term(&e, stride, 2 * ((__int128)t->shape[i] - 1));
        middle += stride * (t->shape[i] - 1);
    }
    prepare(&e);
    bool nested = true; /* each stride steps over all that the smaller ones reach: the usual case */
    for (int i = 0; i < e.count; i++) nested &= e.coefficient[i] > e.rest_most[i + 1] / 2;
    if (nested) return HONE_DISJOINT;
    int found = solutions(&e, 0, middle, 2);
    return found < 0 ? HONE_OVERLAP_UNDECIDED : found > 1 ? HONE_OVERLAPS : HONE_DISJOINT;
}
