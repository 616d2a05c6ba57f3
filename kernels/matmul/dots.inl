/* The text that multiplies along k: rows of a and columns of b are contiguous along it, and the lanes of a vector are
 * steps of k. Set before including it, and unset by it:
 *
 *   DOTS_NAME, DOTS_ADD_LANES   the functions; DOTS_LOOP its inner loop: names local to the file; the second, which
 * sees sums alone, unset where there is one already DOTS_REAL                   float or double, of a DOTS_STORED what
 * b is stored in: the same, or 16 bits (stored.h), widened as it is read DOTS_C1 .. DOTS_C5          the most columns
 * beside 1 .. 5 rows; 0: so many rows are too many
 *
 * The loop is written once and inlined for each number of rows and columns: its sums are registers. */
static inline __attribute__((always_inline)) void DOTS_LOOP(const hone_matmul_dots_job *job, const int rows,
                                                            const int columns, const int ahead)
{
    enum { LANES = vec_lanes(DOTS_REAL), AHEAD = HONE_MATMUL_THIN_AHEAD / (int)sizeof(DOTS_STORED) };
    typedef vec_of(DOTS_REAL) vec;
    const DOTS_REAL *a[HONE_MATMUL_DOTS_ROWS];
    const DOTS_STORED *b[HONE_MATMUL_DOTS_COLUMNS];
    const int64_t whole = job->k / LANES * LANES;
    DOTS_REAL *to = job->sums;
    vec sum[HONE_MATMUL_DOTS_ROWS][HONE_MATMUL_DOTS_COLUMNS];

    HONE_UNROLL
    for (int i = 0; i < rows; i++) a[i] = (const DOTS_REAL *)job->a + i * job->a_m;
    HONE_UNROLL
    for (int j = 0; j < columns; j++) b[j] = (const DOTS_STORED *)job->b + j * job->b_n;
    HONE_UNROLL
    for (int i = 0; i < rows; i++)
        HONE_UNROLL
        for (int j = 0; j < columns; j++)
            sum[i][j] = job->first ? vec_broadcast((DOTS_REAL)0) : vec_load(to + (i * columns + j) * LANES);

    for (int64_t k = 0; k < whole; k += LANES) {
        vec x[HONE_MATMUL_DOTS_ROWS];
        HONE_UNROLL
        for (int i = 0; i < rows; i++) x[i] = vec_load(a[i] + k);
        HONE_UNROLL
        for (int j = 0; j < columns; j++) {
            const vec y = vec_load(b[j] + k);
            if (ahead) __builtin_prefetch(b[j] + k + AHEAD, 0, 2);
            HONE_UNROLL
            for (int i = 0; i < rows; i++) sum[i][j] = vec_fma(x[i], y, sum[i][j]);
        }
    }
    if (whole < job->k) {
        const vec_mask_of(DOTS_REAL) rest = vec_first(DOTS_REAL, job->k - whole);
        vec x[HONE_MATMUL_DOTS_ROWS];
        HONE_UNROLL
        for (int i = 0; i < rows; i++) x[i] = vec_load_first(a[i] + whole, rest);
        HONE_UNROLL
        for (int j = 0; j < columns; j++) {
            const vec y = vec_load_first(b[j] + whole, rest);
            HONE_UNROLL
            for (int i = 0; i < rows; i++) sum[i][j] = vec_fma(x[i], y, sum[i][j]);
        }
    }

    HONE_UNROLL
    for (int i = 0; i < rows; i++)
        HONE_UNROLL
        for (int j = 0; j < columns; j++) vec_store(to + (i * columns + j) * LANES, sum[i][j]);
}

#ifdef HONE_SANITIZED
static void DOTS_NAME(const hone_matmul_dots_job *job)
{
    DOTS_LOOP(job, (int)job->m, (int)job->n, job->ahead);
}
#else
#define DOTS_CASE(rows, most, columns, ahead)                                                                          \
    case columns:                                                                                                      \
        if (columns <= most) DOTS_LOOP(job, rows, columns <= most ? columns : 1, ahead);                               \
        break;
#define DOTS_CASES(rows, most, ahead)                                                                                  \
    switch (job->n) {                                                                                                  \
        DOTS_CASE(rows, most, 1, ahead) DOTS_CASE(rows, most, 2, ahead) DOTS_CASE(rows, most, 3, ahead)                \
        DOTS_CASE(rows, most, 4, ahead) DOTS_CASE(rows, most, 5, ahead) DOTS_CASE(rows, most, 6, ahead)                \
        DOTS_CASE(rows, most, 7, ahead) DOTS_CASE(rows, most, 8, ahead)                                                \
    }

static void DOTS_NAME(const hone_matmul_dots_job *job)
{
    switch (job->m) {
    case 1:
        if (job->ahead) {
            DOTS_CASES(1, DOTS_C1, 1)
        } else {
            DOTS_CASES(1, DOTS_C1, 0)
        }
        break;
    case 2: DOTS_CASES(2, DOTS_C2, 0) break;
    case 3: DOTS_CASES(3, DOTS_C3, 0) break;
    case 4: DOTS_CASES(4, DOTS_C4, 0) break;
    case 5: DOTS_CASES(5, DOTS_C5, 0) break;
    }
}
#undef DOTS_CASE
#undef DOTS_CASES
#endif

#ifdef DOTS_ADD_LANES
static void DOTS_ADD_LANES(const hone_matmul_add_lanes_job *job)
{
    enum { LANES = vec_lanes(DOTS_REAL) };
    const int64_t count = job->m * job->n;
    const DOTS_REAL *from = job->sums;
    DOTS_REAL *to = job->to;
    DOTS_REAL room[LANES] __attribute__((aligned(64)));
    int64_t i = 0, j = 0;

    for (int64_t at = 0; at < count; at += LANES, from += LANES * LANES) {
        const int64_t here = count - at < LANES ? count - at : LANES;
        vec_of(DOTS_REAL) x[LANES];
        HONE_UNROLL
        for (int l = 0; l < LANES; l++) x[l] = vec_load(from + (l < here ? l : 0) * LANES);
        vec_store(room, vec_sums(x));
        for (int64_t l = 0; l < here; l++) {
            DOTS_REAL *c = to + i * job->to_m + j * job->to_n;
            *c = job->adds ? *c + room[l] : room[l];
            if (++j == job->n) j = 0, i++;
        }
    }
}
#undef DOTS_ADD_LANES
#endif

#undef DOTS_NAME
#undef DOTS_LOOP
#undef DOTS_REAL
#undef DOTS_STORED
#undef DOTS_C1
#undef DOTS_C2
#undef DOTS_C3
#undef DOTS_C4
#undef DOTS_C5
