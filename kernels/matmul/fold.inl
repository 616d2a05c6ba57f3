/* The text that folds sums; fold.h tells how. Set before including it, and unset by it:
 *
 *   FOLD_NAME, FOLD_PACK    the functions; FOLD_LOOP, FOLD_HALVE, FOLD_STORE, FOLD_STRIPS what they are made of: names
 *                           local to the file
 *   FOLD_REAL               float or double
 *   FOLD_R1 .. FOLD_R8      the most rows beside 1 .. 8 vectors
 *
 * The loop is written once and inlined for each group and number of vectors and of rows: its sums are registers. */
#ifndef FOLD_WAYS
#define FOLD_WAYS
#define FOLD_INLINE static inline __attribute__((always_inline))
enum { FOLD_SUMS = 25 }; /* vectors: the most rows x vectors of any kit */
#endif

/* Few columns without gaps, in one vector: each vector is a permutation of so many numbers. */
static void FOLD_PACK(const hone_matmul_fold_pack_job *job)
{
    enum { LANES = vec_lanes(FOLD_REAL) };
    const int64_t n = job->n, group = job->group, across = LANES / group;
    const FOLD_REAL *from = job->from;
    FOLD_REAL *to = job->to;
    if (job->vectors == 1 && job->from_n == 1 && job->from_k == n) {
        char room[sizeof(vec_of(FOLD_REAL))] __attribute__((aligned(64)));
        for (int64_t j = 0; j < across; j++)
            for (int64_t g = 0; g < group; g++)
                vec_index_put(FOLD_REAL, room, (int)(j * group + g), (int)(j < n ? g * n + j : 0));
        const vec_index_of(FOLD_REAL) index = vec_index_load(FOLD_REAL, room);
        for (int64_t left = job->k * n; left > 0; left -= group * n, from += group * n, to += LANES) {
            const vec_mask_of(FOLD_REAL) here = vec_first(FOLD_REAL, left < group * n ? left : group * n);
            vec_store(to, vec_permute(vec_load_first(from, here), index));
        }
        return;
    }
    const int64_t width = job->vectors * LANES, from_k = job->from_k, from_n = job->from_n;
    const vec_of(FOLD_REAL) zero = vec_broadcast((FOLD_REAL)0);
    for (int64_t k = 0; k < job->k; k += group, to += width) {
        const int64_t here = job->k - k < group ? job->k - k : group;
        if (here < group || n < job->vectors * across)
            for (int64_t x = 0; x < width; x += LANES) vec_store(to + x, zero);
        for (int64_t g = 0; g < here; g++, from += from_k) {
            const FOLD_REAL *x = from;
            FOLD_REAL *y = to + g;
            for (int64_t j = 0; j < n; j++, x += from_n, y += group) *y = *x;
        }
    }
}

/* Sums of neighbours, half as many vectors; what is missing at the end is zero. */
FOLD_INLINE void FOLD_HALVE(vec_of(FOLD_REAL) *x, const int count, const int wanted)
{
    if (!wanted) return;
    HONE_UNROLL
    for (int i = 0; i < (count + 1) / 2; i++)
        x[i] = vec_pairs(x[2 * i], 2 * i + 1 < count ? x[2 * i + 1] : vec_broadcast((FOLD_REAL)0));
}

/* `rows` rows of results, one after the other with `line` columns each, at their place in c. */
FOLD_INLINE void FOLD_STORE(const hone_matmul_fold_job *job, const vec_of(FOLD_REAL) *x, FOLD_REAL *c, const int rows,
                            const int line)
{
    enum { LANES = vec_lanes(FOLD_REAL) };
    typedef vec_of(FOLD_REAL) vec;
    const int vectors = (rows * line + LANES - 1) / LANES, rest = rows * line - (vectors - 1) * LANES;
    const int plain = job->alpha == 1 && job->beta == 0;
    const int64_t n = job->n;
    if (plain && n == line && job->c_m == line) {
        HONE_UNROLL
        for (int i = 0; i < vectors; i++)
            if (i < vectors - 1 || rest == LANES)
                vec_store(c + i * LANES, x[i]);
            else
                vec_store_first(c + i * LANES, vec_first(FOLD_REAL, rest), x[i]);
        return;
    }
    FOLD_REAL room[(FOLD_SUMS + 1) * LANES] __attribute__((aligned(64))), *from = room;
    const vec alpha = vec_broadcast((FOLD_REAL)job->alpha), beta = vec_broadcast((FOLD_REAL)job->beta);
    HONE_UNROLL
    for (int i = 0; i < vectors; i++) vec_store(room + i * LANES, x[i]);
    vec_store(room + vectors * LANES, vec_broadcast((FOLD_REAL)0));
    for (int i = 0; i < rows; i++, from += line, c += job->c_m)
        for (int64_t j = 0; j < n; j += LANES) {
            const vec_mask_of(FOLD_REAL) here = vec_first(FOLD_REAL, n - j);
            vec y = vec_load(from + j);
            if (!plain) {
                y = alpha * y;
                if (job->beta != 0) y = vec_fma(beta, vec_load_first(c + j, here), y);
            }
            vec_store_first(c + j, here, y);
        }
}

/* So many strips of `rows` rows, from `row` on. */
FOLD_INLINE void FOLD_LOOP(const hone_matmul_fold_job *job, int64_t row, int64_t strips, const int group,
                           const int vectors, const int rows)
{
    enum { LANES = vec_lanes(FOLD_REAL), THIRDS = HONE_MATMUL_FOLD_ROWS / 3 };
    typedef vec_of(FOLD_REAL) vec;
    const FOLD_REAL *from = (const FOLD_REAL *)job->a + row * job->a_m;
    FOLD_REAL *c = (FOLD_REAL *)job->c + row * job->c_m;

    for (; strips > 0; strips--, from += rows * job->a_m, c += rows * job->c_m) {
        const FOLD_REAL *a[THIRDS], *b = job->b; /* of a every third: an address with one stride reaches the next two */
        int64_t a_m = job->a_m, rest = job->k % group, left = job->k / group;
        FOLD_REAL end[HONE_MATMUL_FOLD_ROWS * LANES] __attribute__((aligned(64)));
        vec sum[FOLD_SUMS + 1];

        HONE_UNROLL
        for (int i = 0; i < rows; i += 3) a[i / 3] = from + i * a_m;
        HONE_UNROLL
        for (int i = 0; i < rows * vectors; i++) sum[i] = vec_broadcast((FOLD_REAL)0);
        for (;;) {
            for (; left > 0; left--, b += vectors * LANES) {
                vec kept[HONE_MATMUL_FOLD_ROWS]; /* of a or of b, whichever are fewer */
                if (vectors <= rows) {
                    HONE_UNROLL
                    for (int v = 0; v < vectors; v++) kept[v] = vec_load(b + v * LANES);
                    vec_loaded();
                    HONE_UNROLL
                    for (int i = 0; i < rows; i++) {
                        const vec x = vec_load_group(a[i / 3] + i % 3 * a_m, group);
                        if (vectors > 1) vec_loaded();
                        HONE_UNROLL
                        for (int v = 0; v < vectors; v++)
                            sum[i * vectors + v] = vec_fma(x, kept[v], sum[i * vectors + v]);
                    }
                } else {
                    HONE_UNROLL
                    for (int i = 0; i < rows; i++) kept[i] = vec_load_group(a[i / 3] + i % 3 * a_m, group);
                    vec_loaded();
                    HONE_UNROLL
                    for (int v = 0; v < vectors; v++) {
                        const vec y = vec_load(b + v * LANES);
                        if (rows > 1) vec_loaded();
                        HONE_UNROLL
                        for (int i = 0; i < rows; i++)
                            sum[i * vectors + v] = vec_fma(kept[i], y, sum[i * vectors + v]);
                    }
                }
                HONE_UNROLL
                for (int i = 0; i < rows; i += 3) a[i / 3] += group;
            }
            if (!rest) break;
            /* what remains of k goes through the same text, from where there are zeros of a beyond it */
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                vec_store(end + i * LANES, vec_load_first(a[i / 3] + i % 3 * a_m, vec_first(FOLD_REAL, rest)));
            a_m = LANES, rest = 0, left = 1;
            HONE_UNROLL
            for (int i = 0; i < rows; i += 3) a[i / 3] = end + i * a_m;
        }

        const int count = rows * vectors, half = (count + 1) / 2, quarter = (half + 1) / 2, eighth = (quarter + 1) / 2;
        FOLD_HALVE(sum, count, group > 1);
        FOLD_HALVE(sum, half, group > 2);
        FOLD_HALVE(sum, quarter, group > 4);
        FOLD_HALVE(sum, eighth, group > 8);
        FOLD_STORE(job, sum, c, rows, vectors * (LANES / group));
    }
}

#ifdef HONE_SANITIZED
static void FOLD_STRIPS(const hone_matmul_fold_job *job, int64_t row, int64_t strips, int rows)
{
    FOLD_LOOP(job, row, strips, job->group, job->vectors, rows);
}
#else
#define FOLD_CASE(group, across, most, count)                                                                          \
    if (rows == count && count <= most) {                                                                              \
        FOLD_LOOP(job, row, strips, group <= vec_lanes(FOLD_REAL) ? group : 1,                                         \
                  across <= HONE_MATMUL_FOLD_MOST(vec_lanes(FOLD_REAL), group) ? across : 1,                           \
                  across <= HONE_MATMUL_FOLD_MOST(vec_lanes(FOLD_REAL), group) && count <= most ? count : 1);          \
        return;                                                                                                        \
    }
#define FOLD_ACROSS(group, across, most)                                                                               \
    case across:                                                                                                       \
        if (across > HONE_MATMUL_FOLD_MOST(vec_lanes(FOLD_REAL), group)) return;                                       \
        FOLD_CASE(group, across, most, most)                                                                           \
        FOLD_CASE(group, across, most, 4)                                                                              \
        FOLD_CASE(group, across, most, 2)                                                                              \
        FOLD_CASE(group, across, most, 1)                                                                              \
        return;
#define FOLD_GROUP(group)                                                                                              \
    switch (job->vectors) {                                                                                            \
        FOLD_ACROSS(group, 1, FOLD_R1) FOLD_ACROSS(group, 2, FOLD_R2) FOLD_ACROSS(group, 3, FOLD_R3)                   \
        FOLD_ACROSS(group, 4, FOLD_R4) FOLD_ACROSS(group, 5, FOLD_R5) FOLD_ACROSS(group, 6, FOLD_R6)                   \
        FOLD_ACROSS(group, 7, FOLD_R7) FOLD_ACROSS(group, 8, FOLD_R8)                                                  \
    }                                                                                                                  \
    return;

static void FOLD_STRIPS(const hone_matmul_fold_job *job, int64_t row, int64_t strips, int rows)
{
    switch (job->group) {
    case 2: FOLD_GROUP(2)
    case 4: FOLD_GROUP(4)
    case 8: FOLD_GROUP(8)
    case 16: FOLD_GROUP(16)
    }
}
#undef FOLD_CASE
#undef FOLD_ACROSS
#undef FOLD_GROUP
#endif

/* Strips of as many rows as registers hold, then of four, two and one. */
static void FOLD_NAME(const hone_matmul_fold_job *job)
{
    static const int most[HONE_MATMUL_FOLD_VECTORS + 1] = {0,       FOLD_R1, FOLD_R2, FOLD_R3, FOLD_R4,
                                                           FOLD_R5, FOLD_R6, FOLD_R7, FOLD_R8};
    int64_t row = 0;
    for (int rows = most[job->vectors] <= job->rows ? most[job->vectors] : 4; rows > 0;
         rows = rows > 4 ? 4 : rows > 2 ? 2 : rows - 1) {
        if (rows > most[job->vectors]) continue;
        const int64_t strips = (job->m - row) / rows;
        if (strips) FOLD_STRIPS(job, row, strips, rows);
        row += strips * rows;
    }
}

#undef FOLD_NAME
#undef FOLD_PACK
#undef FOLD_LOOP
#undef FOLD_HALVE
#undef FOLD_STORE
#undef FOLD_STRIPS
#undef FOLD_REAL
#undef FOLD_R1
#undef FOLD_R2
#undef FOLD_R3
#undef FOLD_R4
#undef FOLD_R5
#undef FOLD_R6
#undef FOLD_R7
#undef FOLD_R8
