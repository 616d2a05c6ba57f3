/* The text of cpu.small's micro-kernels for one type. Set before including it, and unset by it:
 *
 *   SMALL_NAME              the function, a name local to the file
 *   SMALL_LOOP              its loop, a name local to the file
 *   SMALL_REAL              float or double
 *   SMALL_ROWS_1, _2, _3    the most rows that registers hold, for 1, 2, 3 vectors across; at most 24; 0: none
 *
 * The loop is inlined for each number of rows and of vectors, as in tile.inl: its bounds are then literal, and every
 * small loop in it unrolls. */
#ifndef SMALL_WAYS
#define SMALL_WAYS
#define SMALL_INLINE static inline __attribute__((always_inline))
/* The last steps of k are done row by row, each stored when it is done: as in tile.inl. */
enum { SMALL_TAIL = VEC_REGISTERS >= 32 ? 2 : 1 };
#endif

SMALL_INLINE void SMALL_LOOP(const hone_matmul_small_part *part, const hone_matmul_small_run *run,
                              const vec_mask_of(SMALL_REAL) last, const int rows, const int vectors, const int masked)
{
    enum { LANES = vec_lanes(SMALL_REAL) };
    typedef vec_of(SMALL_REAL) vec;
    const int64_t bytes = sizeof(SMALL_REAL), a_m = part->a_m, a_k = part->a_k, b_k = part->b_k, c_m = part->c_m;
    const vec alpha = vec_broadcast((SMALL_REAL)run->alpha), beta = vec_broadcast((SMALL_REAL)run->beta);
    const int scales = run->alpha != 1, reads = run->beta != 0;
    const int     apart = !scales && part->k >= SMALL_TAIL; /* are the last steps done apart? */
    const int64_t after = apart ? SMALL_TAIL : 0;

    for (int64_t strip = 0; strip < part->strips; strip++) {
        const int64_t a_at = part->a_at + strip * rows * a_m * bytes, c_at = part->c_at + strip * rows * c_m * bytes;
        for (int64_t at = 0; at < run->count; at++) {
            const SMALL_REAL *first = (const void *)(run->a[at] + a_at);
            const SMALL_REAL *b = (const void *)(run->b[at] + part->b_at);
            SMALL_REAL *c = (void *)(run->c[at] + c_at);
            const SMALL_REAL *a[8]; /* every third row: from there an address with one stride reaches the next two */
            vec sum[24][HONE_MATMUL_SMALL_ACROSS_MAX];

            HONE_UNROLL
            for (int g = 0; g < (rows + 2) / 3; g++) a[g] = first + 3 * g * a_m;
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                HONE_UNROLL
                for (int j = 0; j < vectors; j++) sum[i][j] = vec_broadcast((SMALL_REAL)0);

            for (int64_t k = part->k; k > after; k--) {
                vec row[HONE_MATMUL_SMALL_ACROSS_MAX];
                HONE_UNROLL
                for (int j = 0; j < vectors; j++)
                    row[j] = masked && j == vectors - 1 ? vec_load_first(b + j * LANES, last) : vec_load(b + j * LANES);
                HONE_UNROLL
                for (int i = 0; i < rows; i++) {
                    const vec x = vec_broadcast(a[i / 3][i % 3 * a_m]);
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++) sum[i][j] = vec_fma(x, row[j], sum[i][j]);
                }
                HONE_UNROLL
                for (int g = 0; g < (rows + 2) / 3; g++) a[g] += a_k;
                b += b_k;
            }

            if (apart) {
                vec row[SMALL_TAIL][HONE_MATMUL_SMALL_ACROSS_MAX];
                HONE_UNROLL
                for (int t = 0; t < SMALL_TAIL; t++)
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++) {
                        const SMALL_REAL *p = b + t * b_k + j * LANES;
                        row[t][j] = masked && j == vectors - 1 ? vec_load_first(p, last) : vec_load(p);
                    }
                vec_loaded();
                HONE_UNROLL
                for (int i = 0; i < rows; i++, c += c_m) {
                    HONE_UNROLL
                    for (int t = 0; t < SMALL_TAIL; t++) {
                        const vec x = vec_broadcast(a[i / 3][i % 3 * a_m + t * a_k]);
                        HONE_UNROLL
                        for (int j = 0; j < vectors; j++) sum[i][j] = vec_fma(x, row[t][j], sum[i][j]);
                    }
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++) {
                        const int at_end = masked && j == vectors - 1;
                        vec       x = sum[i][j];
                        if (reads) {
                            const vec y = at_end ? vec_load_first(c + j * LANES, last) : vec_load(c + j * LANES);
                            x = vec_fma(beta, y, x);
                        }
                        if (at_end)
                            vec_store_first(c + j * LANES, last, x);
                        else
                            vec_store(c + j * LANES, x);
                    }
                    vec_loaded();
                }
                continue;
            }
            if (scales)
                HONE_UNROLL
                for (int i = 0; i < rows; i++)
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++) sum[i][j] = alpha * sum[i][j];
            if (reads) {
                const SMALL_REAL *p = c;
                HONE_UNROLL
                for (int i = 0; i < rows; i++, p += c_m)
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++)
                        sum[i][j] = vec_fma(
                            beta, masked && j == vectors - 1 ? vec_load_first(p + j * LANES, last)
                                                             : vec_load(p + j * LANES), sum[i][j]);
            }
            HONE_UNROLL
            for (int i = 0; i < rows; i++, c += c_m)
                HONE_UNROLL
                for (int j = 0; j < vectors; j++)
                    if (masked && j == vectors - 1)
                        vec_store_first(c + j * LANES, last, sum[i][j]);
                    else
                        vec_store(c + j * LANES, sum[i][j]);
        }
    }
}

/* clang-format off */
#define SMALL_EACH(X, limit, across)                                                                                   \
    X(1, limit, across)  X(2, limit, across)  X(3, limit, across)  X(4, limit, across)  X(5, limit, across)            \
    X(6, limit, across)  X(7, limit, across)  X(8, limit, across)  X(9, limit, across)  X(10, limit, across)           \
    X(11, limit, across) X(12, limit, across) X(13, limit, across) X(14, limit, across) X(15, limit, across)           \
    X(16, limit, across) X(17, limit, across) X(18, limit, across) X(19, limit, across) X(20, limit, across)           \
    X(21, limit, across) X(22, limit, across) X(23, limit, across) X(24, limit, across)
    /* clang-format on */
#define SMALL_CASE(count, limit, across)                                                                         \
    case count:                                                                                                        \
        if (count > (limit)) return;                                                                                   \
        if (masked)                                                                                                    \
            SMALL_LOOP(part, run, last, count <= (limit) ? count : 1, across, 1);                                     \
        else                                                                                                           \
            SMALL_LOOP(part, run, last, count <= (limit) ? count : 1, across, 0);                                     \
        return;

static void SMALL_NAME(const hone_matmul_small_part *part, const hone_matmul_small_run *run)
{
    const int64_t beside = (int64_t)(part->across - 1) * vec_lanes(SMALL_REAL);
    const vec_mask_of(SMALL_REAL) last = vec_first(SMALL_REAL, part->n - beside);
    const int masked = VEC_MASKS_ARE_FREE || part->n - beside != vec_lanes(SMALL_REAL);
#ifdef HONE_SANITIZED
    SMALL_LOOP(part, run, last, part->rows, part->across, masked);
#else
    switch (part->across) {
    case 1: switch (part->rows) { SMALL_EACH(SMALL_CASE, SMALL_ROWS_1, 1) } return;
    case 2: switch (part->rows) { SMALL_EACH(SMALL_CASE, SMALL_ROWS_2, 2) } return;
    case 3: switch (part->rows) { SMALL_EACH(SMALL_CASE, SMALL_ROWS_3, 3) } return;
    }
#endif
}

#undef SMALL_EACH
#undef SMALL_CASE
#undef SMALL_NAME
#undef SMALL_LOOP
#undef SMALL_REAL
#undef SMALL_ROWS_1
#undef SMALL_ROWS_2
#undef SMALL_ROWS_3
