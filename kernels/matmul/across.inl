/* The text that multiplies a few rows by lines of b that are contiguous along n. Set before including it, and unset by
 * it:
 *
 *   ACROSS_NAME, ACROSS_PACK, ACROSS_SCALE, ACROSS_ADD   the functions, and ACROSS_LOOP, an inner loop: local names;
 * the third and fourth, which see sums alone, unset where there are some already ACROSS_REAL                    float
 * or double ACROSS_STORED                  what a and b are stored in: the same, or 16 bits (stored.h), widened on the
 * way ACROSS_DEPTH, ACROSS_VECTORS   steps of k, and vectors of columns, held in registers: depth 8, 4 or 2
 *
 * A sum goes through memory once in ACROSS_DEPTH steps, and is near: so rows may be as many as they like, and b is read
 * along its lines, as the machine likes to fetch it. Sums run over k in order, one fused step each. */
#ifndef ACROSS_WAYS
#define ACROSS_WAYS
typedef enum across_way {
    ACROSS_PLAIN = 0,
    ACROSS_MASKED = 1, /* the last vector is masked */
    ACROSS_AHEAD = 2,  /* asks for what lies further along each line */
    ACROSS_ONE_ROW = 4 /* of a */
} across_way;
#endif

static inline __attribute__((always_inline)) void ACROSS_LOOP(const hone_matmul_across_job *job, const ACROSS_REAL *a,
                                                              const ACROSS_STORED *b, int64_t from, int64_t columns,
                                                              const int depth, const int vectors, const across_way way)
{
    enum { LANES = vec_lanes(ACROSS_REAL), AHEAD = HONE_MATMUL_THIN_AHEAD / (int)sizeof(ACROSS_STORED) };
    typedef vec_of(ACROSS_REAL) vec;
    const int64_t m = way & ACROSS_ONE_ROW ? 1 : job->m, b_k = job->b_k, sums_m = job->sums_m;
    const ACROSS_STORED
        *lines[(ACROSS_DEPTH + 2) / 3]; /* every third: an address with one stride reaches the next two */
    vec one[ACROSS_DEPTH];

    HONE_UNROLL
    for (int g = 0; g < (depth + 2) / 3; g++) lines[g] = b + 3 * g * b_k + from;
    if (way & ACROSS_ONE_ROW) {
        HONE_UNROLL
        for (int k = 0; k < depth; k++) one[k] = vec_broadcast(a[k]);
    }
    for (int64_t j = from; j < columns; j += vectors * LANES) {
        vec row[ACROSS_DEPTH][ACROSS_VECTORS];
        HONE_UNROLL
        for (int k = 0; k < depth; k++)
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) {
                const ACROSS_STORED *at = lines[k / 3] + k % 3 * b_k + v * LANES;
                row[k][v] = way & ACROSS_MASKED ? vec_load_first(at, vec_first(ACROSS_REAL, columns - j - v * LANES))
                                                : vec_load(at);
                if (way & ACROSS_AHEAD && v * LANES * (int)sizeof(ACROSS_STORED) % 64 == 0)
                    __builtin_prefetch(at + AHEAD, 0, 2);
            }
        HONE_UNROLL
        for (int g = 0; g < (depth + 2) / 3; g++) lines[g] += vectors * LANES;

        const ACROSS_REAL *x = a;
        ACROSS_REAL *to = (ACROSS_REAL *)job->sums + j;
        for (int64_t i = 0; i < m; i++, x += ACROSS_DEPTH, to += sums_m) {
            vec sum[ACROSS_VECTORS];
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[v] = vec_load(to + v * LANES);
            HONE_UNROLL
            for (int k = 0; k < depth; k++) {
                const vec y = way & ACROSS_ONE_ROW ? one[k] : vec_broadcast(x[k]);
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) sum[v] = vec_fma(y, row[k][v], sum[v]);
            }
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) vec_store(to + v * LANES, sum[v]);
        }
    }
}

/* So many steps of k: panels of all vectors, then of one, the last of them masked. */
#define ACROSS_STEPS(steps, way)                                                                                       \
    do {                                                                                                               \
        ACROSS_LOOP(job, a, b, 0, whole, steps, ACROSS_VECTORS, way);                                                  \
        if (whole < job->n) ACROSS_LOOP(job, a, b, whole, job->n, steps, 1, ACROSS_MASKED);                            \
    } while (0)

static void ACROSS_NAME(const hone_matmul_across_job *job)
{
    enum { WIDTH = ACROSS_VECTORS * vec_lanes(ACROSS_REAL), LINE = 64 / (int)sizeof(ACROSS_STORED) };
    const ACROSS_REAL *a = job->a;
    const ACROSS_STORED *b = job->b;
    const int64_t whole = job->n / WIDTH * WIDTH, b_k = job->b_k;
    int64_t k = job->k;

    for (; k >= ACROSS_DEPTH; k -= ACROSS_DEPTH, a += job->m * ACROSS_DEPTH, b += ACROSS_DEPTH * b_k) {
        /* Where lines end and begin, the machine does not fetch ahead on its own. */
        for (int d = 0; d < ACROSS_DEPTH; d++) {
            if (whole < job->n) __builtin_prefetch(b + d * b_k + whole, 0, 2);
            __builtin_prefetch(b + (ACROSS_DEPTH + d) * b_k, 0, 2);
            __builtin_prefetch(b + (ACROSS_DEPTH + d) * b_k + LINE, 0, 2);
        }
        if (job->m == 1 && job->ahead)
            ACROSS_STEPS(ACROSS_DEPTH, ACROSS_ONE_ROW | ACROSS_AHEAD);
        else if (job->m == 1)
            ACROSS_STEPS(ACROSS_DEPTH, ACROSS_ONE_ROW);
        else if (job->ahead)
            ACROSS_STEPS(ACROSS_DEPTH, ACROSS_AHEAD);
        else
            ACROSS_STEPS(ACROSS_DEPTH, ACROSS_PLAIN);
    }
    if (ACROSS_DEPTH > 4 && k & 4) {
        ACROSS_STEPS((4 < ACROSS_DEPTH ? 4 : 1), ACROSS_PLAIN);
        a += 4, b += 4 * b_k;
    }
    if (k & 2) {
        ACROSS_STEPS(2, ACROSS_PLAIN);
        a += 2, b += 2 * b_k;
    }
    if (k & 1) ACROSS_STEPS(1, ACROSS_PLAIN);
}

static void ACROSS_PACK(const hone_matmul_thin_pack_job *job)
{
    const int64_t m = job->m, from_m = job->from_m, from_k = job->from_k;
    const ACROSS_STORED *from = job->from;
    ACROSS_REAL *to = job->to;
    if (m == 1 && from_k == 1) { /* as it lies */
        enum { LANES = vec_lanes(ACROSS_REAL) };
        int64_t k = 0;
        for (; k + LANES <= job->k; k += LANES) vec_store(to + k, vec_load(from + k));
        const vec_mask_of(ACROSS_REAL) rest = vec_first(ACROSS_REAL, job->k - k);
        vec_store_first(to + k, rest, vec_load_first(from + k, rest));
        return;
    }
    for (int64_t k = 0; k < job->k; k += ACROSS_DEPTH, from += ACROSS_DEPTH * from_k)
        for (int64_t i = 0; i < m; i++, to += ACROSS_DEPTH) {
            if (job->k - k >= ACROSS_DEPTH) {
                HONE_UNROLL
                for (int d = 0; d < ACROSS_DEPTH; d++) to[d] = vec_one(from + i * from_m + d * from_k);
            } else {
                for (int64_t d = 0; d < job->k - k; d++) to[d] = vec_one(from + i * from_m + d * from_k);
            }
        }
}

#ifdef ACROSS_SCALE
static void ACROSS_SCALE(void *x, int64_t count, double by)
{
    enum { LANES = vec_lanes(ACROSS_REAL) };
    ACROSS_REAL *at = x;
    const vec_of(ACROSS_REAL) factor = vec_broadcast((ACROSS_REAL)by);
    for (int64_t i = 0; i < count; i += LANES) vec_store(at + i, factor * vec_load(at + i));
}

static void ACROSS_ADD(void *x, const void *y, int64_t count)
{
    enum { LANES = vec_lanes(ACROSS_REAL) };
    ACROSS_REAL *to = x;
    const ACROSS_REAL *from = y;
    for (int64_t i = 0; i < count; i += LANES) vec_store(to + i, vec_load(to + i) + vec_load(from + i));
}
#undef ACROSS_SCALE
#undef ACROSS_ADD
#endif

#undef ACROSS_STEPS
#undef ACROSS_NAME
#undef ACROSS_PACK
#undef ACROSS_LOOP
#undef ACROSS_REAL
#undef ACROSS_STORED
#undef ACROSS_DEPTH
#undef ACROSS_VECTORS
