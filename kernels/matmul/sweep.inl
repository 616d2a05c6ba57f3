/* The text that sweeps along b; sweep.h tells how. Set before including it, and unset by it:
 *
 *   SWEEP_NAME              the function; SWEEP_LOOP, SWEEP_SHORT, SWEEP_RUN, SWEEP_STRIPS, SWEEP_END what it is made
 *                           of: names local to the file
 *   SWEEP_REAL              float or double
 *   SWEEP_V1 .. SWEEP_V4    the most vectors across beside 1 .. 4 rows
 *
 * The loops are written once and inlined for each number of rows and vectors, or of rows and steps: sums are registers.
 */
#ifndef SWEEP_WAYS
#define SWEEP_WAYS
#define SWEEP_INLINE static inline __attribute__((always_inline))
/* Panels of equal width: side by side in a strip, or one under the other, a strip each. */
typedef struct sweep_run {
    const void *a, *b; /* of the first */
    void       *c;
    int64_t     count, a_step, b_step, c_step; /* in elements, from one to the next */
    int         vectors, masked;               /* masked: the last vector is */
} sweep_run;
#endif

/* A vector of results, at its place in c. */
SWEEP_INLINE void SWEEP_END(SWEEP_REAL *c, vec_of(SWEEP_REAL) x, const int masked, const vec_mask_of(SWEEP_REAL) last)
{
    if (masked)
        vec_store_first(c, last, x);
    else
        vec_store(c, x);
}

/* The panels of a run, of `rows` rows. */
SWEEP_INLINE void SWEEP_LOOP(const hone_matmul_sweep_job *job, const sweep_run *run, const vec_mask_of(SWEEP_REAL) last,
                             const int rows, const int vectors, const int chains, const int masked)
{
    enum { LANES = vec_lanes(SWEEP_REAL) };
    typedef vec_of(SWEEP_REAL) vec;
    const int64_t a_m = job->a_m, a_k = job->a_k, b_k = job->b_k, c_m = job->c_m;
    const SWEEP_REAL *first = run->a, *from = run->b;
    SWEEP_REAL *to = run->c;
    const int plain = job->alpha == 1 && job->beta == 0;

    for (int64_t left = run->count; left > 0; left--, first += run->a_step, from += run->b_step, to += run->c_step) {
        const SWEEP_REAL *a = first, *fourth = rows > 3 ? first + 3 * a_m : first; /* one stride reaches the others */
        const SWEEP_REAL *b = from;
        int64_t k = job->k;
        vec sum[HONE_MATMUL_SWEEP_CHAINS][HONE_MATMUL_SWEEP_ROWS][HONE_MATMUL_SWEEP_ACROSS];

        HONE_UNROLL
        for (int q = 0; q < chains; q++)
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) sum[q][i][v] = vec_broadcast((SWEEP_REAL)0);

        for (; k >= chains; k -= chains) {
            HONE_UNROLL
            for (int q = 0; q < chains; q++, a += a_k, fourth += a_k, b += b_k) {
                vec x[HONE_MATMUL_SWEEP_ROWS];
                HONE_UNROLL
                for (int i = 0; i < rows; i++) x[i] = vec_broadcast(i < 3 ? a[i * a_m] : *fourth);
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) {
                    const vec y = masked && v == vectors - 1 ? vec_load_first(b + v * LANES, last)
                                                             : vec_load(b + v * LANES);
                    vec_loaded();
                    HONE_UNROLL
                    for (int i = 0; i < rows; i++) sum[q][i][v] = vec_fma(x[i], y, sum[q][i][v]);
                }
            }
        }
        if (chains > 1) {
            for (; k > 0; k--, a += a_k, b += b_k)
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) {
                    const vec y = masked && v == vectors - 1 ? vec_load_first(b + v * LANES, last)
                                                             : vec_load(b + v * LANES);
                    vec_loaded();
                    HONE_UNROLL
                    for (int i = 0; i < rows; i++)
                        sum[0][i][v] = vec_fma(vec_broadcast(a[i * a_m]), y, sum[0][i][v]);
                }
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                HONE_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[0][i][v] = (sum[0][i][v] + sum[1][i][v]) + (sum[2][i][v] + sum[3][i][v]);
        }

        if (!plain)
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) {
                    const SWEEP_REAL *c = to + i * c_m + v * LANES;
                    vec x = vec_broadcast((SWEEP_REAL)job->alpha) * sum[0][i][v];
                    if (job->beta != 0)
                        x = vec_fma(vec_broadcast((SWEEP_REAL)job->beta),
                                    masked && v == vectors - 1 ? vec_load_first(c, last) : vec_load(c), x);
                    sum[0][i][v] = x;
                }
        HONE_UNROLL
        for (int i = 0; i < rows; i++)
            HONE_UNROLL
            for (int v = 0; v < vectors; v++)
                SWEEP_END(to + i * c_m + v * LANES, sum[0][i][v], masked && v == vectors - 1, last);
    }
}

/* The same for `depth` steps of k, all columns, alpha 1 and beta 0: rows of a stay in registers. */
SWEEP_INLINE void SWEEP_SHORT(const hone_matmul_sweep_job *job, int64_t row, int64_t strips, const int rows,
                              const int depth)
{
    enum { LANES = vec_lanes(SWEEP_REAL), ACROSS = 2 };
    typedef vec_of(SWEEP_REAL) vec;
    const int64_t a_m = job->a_m, b_k = job->b_k, c_m = job->c_m, n = job->n, whole = n / (ACROSS * LANES);
    const SWEEP_REAL *a = (const SWEEP_REAL *)job->a + row * a_m;
    SWEEP_REAL *line = (SWEEP_REAL *)job->c + row * c_m;

    for (; strips > 0; strips--, a += rows * a_m, line += rows * c_m) {
        vec x[HONE_MATMUL_SWEEP_ROWS][HONE_MATMUL_SWEEP_LITERAL];
        const SWEEP_REAL *b = job->b;
        SWEEP_REAL *c = line;
        HONE_UNROLL
        for (int i = 0; i < rows; i++)
            HONE_UNROLL
            for (int k = 0; k < depth; k++) x[i][k] = vec_broadcast(a[i * a_m + k * job->a_k]);
        for (int64_t j = whole; j > 0; j--, b += ACROSS * LANES, c += ACROSS * LANES)
            HONE_UNROLL
            for (int v = 0; v < ACROSS; v++) {
                vec sum[HONE_MATMUL_SWEEP_ROWS];
                HONE_UNROLL
                for (int i = 0; i < rows; i++) sum[i] = vec_broadcast((SWEEP_REAL)0); /* + 0: no sum is -0 */
                HONE_UNROLL
                for (int k = 0; k < depth; k++) {
                    const vec y = vec_load(b + k * b_k + v * LANES);
                    vec_loaded();
                    HONE_UNROLL
                    for (int i = 0; i < rows; i++) sum[i] = vec_fma(x[i][k], y, sum[i]);
                }
                HONE_UNROLL
                for (int i = 0; i < rows; i++) vec_store(c + i * c_m + v * LANES, sum[i]);
            }
        for (int64_t j = whole * ACROSS * LANES; j < n; j += LANES, b += LANES, c += LANES) {
            const vec_mask_of(SWEEP_REAL) here = vec_first(SWEEP_REAL, n - j);
            vec sum[HONE_MATMUL_SWEEP_ROWS];
            HONE_UNROLL
            for (int i = 0; i < rows; i++) sum[i] = vec_broadcast((SWEEP_REAL)0);
            HONE_UNROLL
            for (int k = 0; k < depth; k++) {
                const vec y = vec_load_first(b + k * b_k, here);
                vec_loaded();
                HONE_UNROLL
                for (int i = 0; i < rows; i++) sum[i] = vec_fma(x[i][k], y, sum[i]);
            }
            HONE_UNROLL
            for (int i = 0; i < rows; i++) vec_store_first(c + i * c_m, here, sum[i]);
        }
    }
}

#ifdef HONE_SANITIZED
static void SWEEP_RUN(const hone_matmul_sweep_job *job, const sweep_run *run, const vec_mask_of(SWEEP_REAL) last,
                      int rows)
{
    SWEEP_LOOP(job, run, last, rows, run->vectors, job->chains ? HONE_MATMUL_SWEEP_CHAINS : 1, run->masked);
}
#else
#define SWEEP_CASE(rows, most, across)                                                                                 \
    case across:                                                                                                       \
        if (across > most) return;                                                                                     \
        if (across * rows <= HONE_MATMUL_SWEEP_CHAINED && job->chains)                                                 \
            SWEEP_LOOP(job, run, last, rows, across <= most && across * rows <= 3 ? across : 1,           \
                       HONE_MATMUL_SWEEP_CHAINS, 1);                                                                   \
        else if (run->masked)                                                                                          \
            SWEEP_LOOP(job, run, last, rows, across <= most ? across : 1, 1, 1);                          \
        else                                                                                                           \
            SWEEP_LOOP(job, run, last, rows, across <= most ? across : 1, 1, 0);                          \
        return;
#define SWEEP_CASES(rows, most)                                                                                        \
    switch (run->vectors) {                                                                                            \
        SWEEP_CASE(rows, most, 1) SWEEP_CASE(rows, most, 2) SWEEP_CASE(rows, most, 3) SWEEP_CASE(rows, most, 4)        \
        SWEEP_CASE(rows, most, 5) SWEEP_CASE(rows, most, 6) SWEEP_CASE(rows, most, 7) SWEEP_CASE(rows, most, 8)        \
    }                                                                                                                  \
    return;

static void SWEEP_RUN(const hone_matmul_sweep_job *job, const sweep_run *run, const vec_mask_of(SWEEP_REAL) last,
                      int rows)
{
    switch (rows) {
    case 1: SWEEP_CASES(1, SWEEP_V1)
    case 2: SWEEP_CASES(2, SWEEP_V2)
    case 3: SWEEP_CASES(3, SWEEP_V3)
    case 4: SWEEP_CASES(4, SWEEP_V4)
    }
}
#undef SWEEP_CASE
#undef SWEEP_CASES
#endif

#define SWEEP_DEPTHS(rows)                                                                                             \
    switch (job->k) {                                                                                                  \
    case 1: SWEEP_SHORT(job, row, strips, rows, 1); return;                                                            \
    case 2: SWEEP_SHORT(job, row, strips, rows, 2); return;                                                            \
    case 3: SWEEP_SHORT(job, row, strips, rows, 3); return;                                                            \
    case 4: SWEEP_SHORT(job, row, strips, rows, 4); return;                                                            \
    }                                                                                                                  \
    return;

/* So many strips of `rows` rows, from `row` on. */
static void SWEEP_STRIPS(const hone_matmul_sweep_job *job, int64_t row, int64_t strips, int rows)
{
    enum { LANES = vec_lanes(SWEEP_REAL) };
    static const int most[HONE_MATMUL_SWEEP_ROWS + 1] = {0, SWEEP_V1, SWEEP_V2, SWEEP_V3, SWEEP_V4};
    const int64_t    vectors = (job->n + LANES - 1) / LANES,
                  across = job->across < most[rows] && !job->chains ? job->across : most[rows];

    if (job->k >= 1 && job->k <= HONE_MATMUL_SWEEP_LITERAL && job->alpha == 1 && job->beta == 0) {
        switch (rows) {
        case 1: SWEEP_DEPTHS(1)
        case 2: SWEEP_DEPTHS(2)
        case 3: SWEEP_DEPTHS(3)
        case 4: SWEEP_DEPTHS(4)
        }
    }
    /* Wide panels, then those one narrower, then the last one where it is masked. */
    const int64_t panels = vectors <= across ? 1 : (vectors + across - 1) / across;
    const int wide = (int)(panels == 1 ? vectors : (vectors + panels - 1) / panels);
    const int64_t wider = vectors - (wide - 1) * panels;
    const vec_mask_of(SWEEP_REAL) last = vec_first(SWEEP_REAL, job->n - (vectors - 1) * LANES);
    const int masked = job->n % LANES != 0;
    sweep_run run[3];
    int runs = 0;
    const int64_t left = panels - wider, whole = left ? wider : wider - masked;
    const int narrow = left ? wide - 1 : wide;
    if (whole) run[runs++] = (sweep_run){.count = whole, .vectors = wide};
    if (left > masked) run[runs++] = (sweep_run){.count = left - masked, .vectors = narrow};
    if (masked) run[runs++] = (sweep_run){.count = 1, .vectors = narrow, .masked = 1};
    const SWEEP_REAL *a = (const SWEEP_REAL *)job->a + row * job->a_m;
    SWEEP_REAL *c = (SWEEP_REAL *)job->c + row * job->c_m;
    if (panels == 1) {
        run->a = a, run->b = job->b, run->c = c, run->count = strips;
        run->a_step = rows * job->a_m, run->c_step = rows * job->c_m;
        SWEEP_RUN(job, run, last, rows);
        return;
    }
    for (; strips > 0; strips--, a += rows * job->a_m, c += rows * job->c_m) {
        int64_t column = 0;
        for (int i = 0; i < runs; i++) {
            run[i].a = a, run[i].b = (const SWEEP_REAL *)job->b + column, run[i].c = c + column;
            run[i].b_step = run[i].c_step = run[i].vectors * LANES;
            column += run[i].count * run[i].b_step;
            SWEEP_RUN(job, &run[i], last, rows);
        }
    }
}
#undef SWEEP_DEPTHS

static void SWEEP_NAME(const hone_matmul_sweep_job *job)
{
    const int64_t strips = (job->m + HONE_MATMUL_SWEEP_ROWS - 1) / HONE_MATMUL_SWEEP_ROWS;
    if (!strips || !job->n) return;
    if (strips == 1) {
        SWEEP_STRIPS(job, 0, 1, (int)job->m);
        return;
    }
    const int64_t rows = job->m / strips, longer = job->m % strips;
    if (longer) SWEEP_STRIPS(job, 0, longer, (int)rows + 1);
    SWEEP_STRIPS(job, longer * (rows + 1), strips - longer, (int)rows);
}

#undef SWEEP_NAME
#undef SWEEP_LOOP
#undef SWEEP_SHORT
#undef SWEEP_RUN
#undef SWEEP_STRIPS
#undef SWEEP_END
#undef SWEEP_REAL
#undef SWEEP_V1
#undef SWEEP_V2
#undef SWEEP_V3
#undef SWEEP_V4
