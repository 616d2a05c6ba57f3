/* The text that multiplies by a flat b; flat.h tells how. Set before including it, and unset by it:
 *
 *   FLAT_NAME, FLAT_INDEX    the functions; FLAT_LOOP, FLAT_FOLD what they are made of: names local to the file; the
 *                            second unset where there is one already
 *   FLAT_REAL                float or double
 *   FLAT_STORED              what a and b are stored in: the same, or 16 bits (stored.h), widened as they are read
 *
 * And set once for all types of the file: FLAT_R2 .. FLAT_R12, the most rows beside 2 .. 12 columns.
 *
 * The loop is written once and inlined for each number of rows and columns: its sums are registers. */
#ifdef FLAT_INDEX
static void FLAT_INDEX(int n, void *room)
{
    enum { LANES = vec_lanes(FLAT_REAL) };
    for (int v = 0; v < n; v++)
        for (int l = 0; l < LANES; l++)
            vec_index_put(FLAT_REAL, (char *)room + v * (int)sizeof(vec_of(FLAT_REAL)), l, (v * LANES + l) / n);
}
#undef FLAT_INDEX
#endif

/* Adds what belongs to one column, `n` apart, in four chains; behind `lanes` there is a vector more of zeros. */
static void FLAT_FOLD(const hone_matmul_flat_job *job, const FLAT_REAL *lanes)
{
    enum { LANES = vec_lanes(FLAT_REAL), CHAINS = LANES < 4 ? LANES : 4 };
    typedef vec_of(FLAT_REAL) vec;
    const int n = (int)job->n;
    for (int64_t i = 0; i < job->m; i++, lanes += n * LANES)
        for (int j = 0; j < n; j += LANES) {
            const vec_mask_of(FLAT_REAL) first = vec_first(FLAT_REAL, n - j);
            FLAT_REAL *to = (FLAT_REAL *)job->to + i * job->to_m + j;
            vec sum[CHAINS];
            HONE_UNROLL
            for (int l = 0; l < CHAINS; l++) sum[l] = vec_load(lanes + j + l * n);
            HONE_UNROLL
            for (int l = CHAINS; l < LANES; l++) sum[l % CHAINS] = sum[l % CHAINS] + vec_load(lanes + j + l * n);
            HONE_UNROLL
            for (int step = CHAINS / 2; step > 0; step /= 2)
                HONE_UNROLL
                for (int l = 0; l < step; l++) sum[l] = sum[l] + sum[l + step];
            if (job->adds) sum[0] = vec_load_first(to, first) + sum[0];
            vec_store_first(to, first, sum[0]);
        }
}

static inline __attribute__((always_inline)) void FLAT_LOOP(const hone_matmul_flat_job *job, const int rows,
                                                            const int columns)
{
    enum { LANES = vec_lanes(FLAT_REAL), BYTES = (int)sizeof(vec_of(FLAT_REAL)) };
    typedef vec_of(FLAT_REAL) vec;
    const int kept = rows * columns < HONE_MATMUL_FLAT_SUMS ? rows : rows - 1; /* rows of a in registers */
    const char *at = job->index;
    const FLAT_STORED *a = job->a, *b = job->b;
    int64_t a_m = job->a_m, rest = job->k % LANES, left = job->k - rest;
    FLAT_REAL lanes[(HONE_MATMUL_FLAT_SUMS + 1) * LANES] __attribute__((aligned(64)));
    FLAT_STORED end[(HONE_MATMUL_FLAT_ROWS + HONE_MATMUL_FLAT_COLUMNS) * LANES] __attribute__((aligned(64)));
    vec sum[HONE_MATMUL_FLAT_ROWS][HONE_MATMUL_FLAT_COLUMNS];

    HONE_UNROLL
    for (int i = 0; i < rows; i++)
        HONE_UNROLL
        for (int v = 0; v < columns; v++) sum[i][v] = vec_broadcast((FLAT_REAL)0);

    for (;;) {
        for (; left; left -= LANES, a += LANES, b += columns * LANES) {
            vec x[HONE_MATMUL_FLAT_ROWS];
            HONE_UNROLL
            for (int i = 0; i < kept; i++) x[i] = vec_load(a + i * a_m);
            HONE_UNROLL
            for (int v = 0; v < columns; v++) {
                const vec y = vec_load(b + v * LANES);
                const vec_index_of(FLAT_REAL) index = vec_index_load(FLAT_REAL, at + v * BYTES);
                vec_loaded();
                HONE_UNROLL
                for (int i = 0; i < rows; i++)
                    sum[i][v] = vec_fma(vec_permute(i < kept ? x[i] : vec_load(a + i * a_m), index), y, sum[i][v]);
            }
        }
        if (!rest) break;
        /* what remains of k goes through the same text, from where there are zeros of a and of b beyond it */
        for (int i = 0; i < rows; i++)
            vec_store(end + i * LANES, vec_load_first(a + i * a_m, vec_first(FLAT_REAL, rest)));
        for (int v = 0; v < columns; v++)
            vec_store(end + (rows + v) * LANES,
                      vec_load_first(b + v * LANES, vec_first(FLAT_REAL, rest * columns - v * LANES)));
        a = end, a_m = LANES, b = end + rows * LANES, left = LANES, rest = 0;
    }

    HONE_UNROLL
    for (int i = 0; i < rows; i++)
        HONE_UNROLL
        for (int v = 0; v < columns; v++) vec_store(lanes + (i * columns + v) * LANES, sum[i][v]);
    vec_store(lanes + rows * columns * LANES, vec_broadcast((FLAT_REAL)0));
    FLAT_FOLD(job, lanes);
}

#ifdef HONE_SANITIZED
static void FLAT_NAME(const hone_matmul_flat_job *job)
{
    FLAT_LOOP(job, (int)job->m, (int)job->n);
}
#else
#define FLAT_CASE(columns, most, rows)                                                                                 \
    case rows:                                                                                                         \
        if (rows <= most) FLAT_LOOP(job, rows <= most ? rows : 1, columns);                                            \
        break;
#define FLAT_CASES(columns, most)                                                                                      \
    switch (job->m) {                                                                                                  \
        FLAT_CASE(columns, most, 1) FLAT_CASE(columns, most, 2) FLAT_CASE(columns, most, 3)                            \
        FLAT_CASE(columns, most, 4) FLAT_CASE(columns, most, 5) FLAT_CASE(columns, most, 6)                            \
        FLAT_CASE(columns, most, 7) FLAT_CASE(columns, most, 8)                                                        \
    }

static void FLAT_NAME(const hone_matmul_flat_job *job)
{
    switch (job->n) {
    case 2: FLAT_CASES(2, FLAT_R2) break;
    case 3: FLAT_CASES(3, FLAT_R3) break;
    case 4: FLAT_CASES(4, FLAT_R4) break;
    case 5: FLAT_CASES(5, FLAT_R5) break;
    case 6: FLAT_CASES(6, FLAT_R6) break;
    case 7: FLAT_CASES(7, FLAT_R7) break;
    case 8: FLAT_CASES(8, FLAT_R8) break;
    case 9: FLAT_CASES(9, FLAT_R9) break;
    case 10: FLAT_CASES(10, FLAT_R10) break;
    case 11: FLAT_CASES(11, FLAT_R11) break;
    case 12: FLAT_CASES(12, FLAT_R12) break;
    }
}
#undef FLAT_CASE
#undef FLAT_CASES
#endif

#undef FLAT_NAME
#undef FLAT_LOOP
#undef FLAT_FOLD
#undef FLAT_REAL
#undef FLAT_STORED
