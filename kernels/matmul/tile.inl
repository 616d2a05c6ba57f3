/* The text of every tile. Set before including it, and unset by it:
 *
 *   TILE_NAME        the function, hone_matmul_tile_<type>_<isa>_<m>x<n>
 *   TILE_LOOP        its inner loop, and TILE_KEEP, the copying of b alone: names local to the file
 *   TILE_REAL        float or double, of a, c and the panel
 *   TILE_STORED      what b is stored in: the same, or 16 bits (stored.h), widened as it is read
 *   TILE_M, TILE_N   rows and columns; columns in whole vectors
 *
 * All accumulators live in registers. The loop is written once, and inlined for each number of rows and
 * vectors, so that a tile at the edge does little more work than it must. Its bounds are then literal,
 * and every small loop in it unrolls. */
#ifndef TILE_WAYS
#define TILE_WAYS
/* Lines of b that a panel is made of are asked for so many rows ahead, into the second-level cache; where they lie
 * across cache lines once more, into the first, as half a line that is missing costs more than a whole one. Not much
 * further: rows nearly a page apart share few of its sets. */
enum { TILE_AHEAD = 48, TILE_NEAR = 4 };
/* The last steps of k are done row by row, and each row is stored when it is done: a burst of more than some 16 stores
 * stops the multiplications, the same stores among them cost almost nothing (8 x 48: 57 cycles a tile beyond its
 * multiplications, and 20). Two steps, where there are registers for two lines of b. */
enum { TILE_TAIL = VEC_REGISTERS >= 32 ? 2 : 1 };
typedef enum tile_way {
    TILE_WHOLE, /* whole vectors */
    TILE_EDGE,  /* the last vector is masked */
    TILE_KEEPS  /* masked, and b is kept in a panel; what is widened asks for that as it goes: fewer texts */
} tile_way;
#endif

static inline __attribute__((always_inline)) void TILE_LOOP(const hone_matmul_tile_job *job,
                                                            vec_mask_of(TILE_REAL) last, const int rows,
                                                            const int vectors, const tile_way way)
{
    enum { LANES = vec_lanes(TILE_REAL), VECTORS = TILE_N / LANES, GROUPS = (TILE_M + 2) / 3 };
    enum { WIDENS = sizeof(TILE_STORED) < sizeof(TILE_REAL) };
    typedef vec_of(TILE_REAL) vec;
    const int64_t a_m = job->a_m, a_k = job->a_k, b_k = job->b_k;
    const TILE_REAL *a[GROUPS]; /* every third row: from there an address with one stride reaches the next two */
    const int keeps = way == TILE_KEEPS || (WIDENS && job->panel);
    const TILE_STORED *b = job->b, *ahead = keeps ? b + TILE_AHEAD * b_k : NULL;
    const int64_t near = ((uintptr_t)b | (uintptr_t)b_k * sizeof(TILE_STORED)) % 64 ? TILE_NEAR * b_k : 0;
    TILE_REAL *panel = job->panel;
    vec sum[TILE_M][VECTORS];

    HONE_UNROLL
    for (int g = 0; g < GROUPS; g++)
        a[g] = (const TILE_REAL *)job->a + 3 * g * a_m;
    HONE_UNROLL
    for (int i = 0; i < rows; i++)
        HONE_UNROLL
        for (int j = 0; j < vectors; j++)
            sum[i][j] = vec_broadcast((TILE_REAL)0);

    if (job->k >= 64) { /* long enough for c to arrive meanwhile */
        const TILE_REAL *c = job->c;
        HONE_UNROLL
        for (int i = 0; i < rows; i++, c += job->c_m)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                __builtin_prefetch(c + j * LANES, 1);
    }

    const int     apart = !WIDENS && job->alpha == 1 && job->k >= TILE_TAIL; /* are the last steps done apart? */
    const int64_t after = apart ? TILE_TAIL : 0;
    for (int64_t k = job->k; k > after; k--) {
        vec row[VECTORS];
        HONE_UNROLL
        for (int j = 0; j < vectors; j++) {
            row[j] =
                way == TILE_WHOLE || j < vectors - 1 ? vec_load(b + j * LANES) : vec_load_first(b + j * LANES, last);
            if (keeps) {
                vec_store(panel + j * LANES, row[j]);
                if ((j + 1) * LANES * (int)sizeof(TILE_STORED) % 64 && j < vectors - 1) continue; /* the same line */
                __builtin_prefetch(ahead + j * LANES + LANES - 1, 0, 2); /* the later line, where it lies across two */
                __builtin_prefetch(b + near + j * LANES + LANES - 1, 0, 3);
            }
        }
        if (rows <= 4) vec_loaded(); /* else gcc loads them again for each of few rows */
        HONE_UNROLL
        for (int i = 0; i < rows; i++) {
            vec x = vec_broadcast(a[i / 3][i % 3 * a_m]);
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = vec_fma(x, row[j], sum[i][j]);
        }
        HONE_UNROLL
        for (int g = 0; g < GROUPS; g++)
            a[g] += a_k;
        b += b_k;
        if (keeps) {
            panel += TILE_N;
            ahead = k == TILE_AHEAD + 1 ? job->ahead : ahead + b_k;
        }
    }

    TILE_REAL *c = job->c;
    const vec alpha = vec_broadcast((TILE_REAL)job->alpha), beta = vec_broadcast((TILE_REAL)job->beta);
    const int reads = job->beta != 0;
    if (apart) {
        vec row[TILE_TAIL][VECTORS];
        HONE_UNROLL
        for (int t = 0; t < TILE_TAIL; t++)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++) {
                const TILE_STORED *p = b + t * b_k + j * LANES;
                row[t][j] = way == TILE_WHOLE || j < vectors - 1 ? vec_load(p) : vec_load_first(p, last);
                if (way == TILE_KEEPS) vec_store(panel + t * TILE_N + j * LANES, row[t][j]);
            }
        vec_loaded();
        HONE_UNROLL
        for (int adds = 0; adds < 2; adds++) { /* a text for each: whether c is added is not asked in every row */
            if (adds != reads) continue;
            HONE_UNROLL
            for (int i = 0; i < rows; i++, c += job->c_m) {
                HONE_UNROLL
                for (int t = 0; t < TILE_TAIL; t++) {
                    vec x = vec_broadcast(a[i / 3][i % 3 * a_m + t * a_k]);
                    HONE_UNROLL
                    for (int j = 0; j < vectors; j++)
                        sum[i][j] = vec_fma(x, row[t][j], sum[i][j]);
                }
                HONE_UNROLL
                for (int j = 0; j < vectors; j++) {
                    vec x = sum[i][j];
                    if (way == TILE_WHOLE || j < vectors - 1) {
                        if (adds) x = vec_fma(beta, vec_load(c + j * LANES), x);
                        vec_store(c + j * LANES, x);
                    } else {
                        if (adds) x = vec_fma(beta, vec_load_first(c + j * LANES, last), x);
                        vec_store_first(c + j * LANES, last, x);
                    }
                }
                vec_loaded();
            }
        }
        return;
    }
    if (job->alpha != 1) { /* a multiplication for each sum: of a short tile, that shows */
        HONE_UNROLL
        for (int i = 0; i < rows; i++)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = alpha * sum[i][j];
    }
    HONE_UNROLL
    for (int i = 0; i < rows; i++, c += job->c_m)
        HONE_UNROLL
        for (int j = 0; j < vectors; j++) {
            vec x = sum[i][j];
            if (way == TILE_WHOLE || j < vectors - 1) {
                if (reads)
                    x = vec_fma(beta, vec_load(c + j * LANES), x);
                vec_store(c + j * LANES, x);
            } else {
                if (reads)
                    x = vec_fma(beta, vec_load_first(c + j * LANES, last), x);
                vec_store_first(c + j * LANES, last, x);
            }
        }
}

/* Vectors are all there are, or one, two or three of up to four. */
#define TILE_WAY(rows, way)                                                                                            \
    vectors == VECTORS                  ? TILE_LOOP(job, last, rows, VECTORS, way)                                     \
    : (VECTORS < 3 || vectors == 1)     ? TILE_LOOP(job, last, rows, 1, way)                                           \
    : (VECTORS < 4 || vectors == 2)     ? TILE_LOOP(job, last, rows, VECTORS < 2 ? VECTORS : 2, way)                   \
                                        : TILE_LOOP(job, last, rows, VECTORS < 3 ? VECTORS : 3, way)
#define TILE_CASE(rows)                                                                                                \
    case rows:                                                                                                         \
        if (rows > TILE_M) return;                                                                                     \
        if (rows >= TILE_M / 2 && job->panel && !WIDENS)                                                               \
            TILE_WAY((rows <= TILE_M ? rows : TILE_M), TILE_KEEPS);                                                    \
        else if (whole)                                                                                                \
            TILE_WAY((rows <= TILE_M ? rows : TILE_M), TILE_WHOLE);                                                    \
        else                                                                                                           \
            TILE_WAY((rows <= TILE_M ? rows : TILE_M), TILE_EDGE);                                                     \
        break;

/* Fills the panel. */
static __attribute__((noinline, unused)) void TILE_KEEP(const hone_matmul_tile_job *job)
{
    enum { LANES = vec_lanes(TILE_REAL) };
    const TILE_STORED *b = job->b;
    TILE_REAL *panel = job->panel;
    for (int64_t k = 0; k < job->k; k++, b += job->b_k, panel += TILE_N)
        for (int64_t j = 0; j < job->n; j += LANES)
            vec_store(panel + j, vec_load_first(b + j, vec_first(TILE_REAL, job->n - j)));
}

void TILE_NAME(const hone_matmul_tile_job *job)
{
    enum { LANES = vec_lanes(TILE_REAL), VECTORS = TILE_N / LANES };
    enum { WIDENS = sizeof(TILE_STORED) < sizeof(TILE_REAL) };
    const int vectors = (int)(job->n + LANES - 1) / LANES;
    const vec_mask_of(TILE_REAL) last = vec_first(TILE_REAL, job->n - (vectors - 1) * LANES);
    const int whole = !VEC_MASKS_ARE_FREE && job->n == vectors * LANES;
    if (vectors <= 0 || vectors > VECTORS)
        return;
#ifdef HONE_SANITIZED
    TILE_LOOP(job, last, (int)job->m, vectors, job->panel && !WIDENS ? TILE_KEEPS : whole ? TILE_WHOLE : TILE_EDGE);
#else
    /* Strips are alike to a row: of two or more, the one that keeps b has half of a tile's rows at least. */
    if (job->panel && !WIDENS && job->m < TILE_M / 2) {
        TILE_KEEP(job);
        hone_matmul_tile_job kept = *job;
        kept.b = job->panel, kept.b_k = TILE_N, kept.panel = NULL;
        TILE_NAME(&kept);
        return;
    }
    switch (job->m) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6) TILE_CASE(7)
        TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13) TILE_CASE(14)
    }
#endif
}

#undef TILE_WAY
#undef TILE_CASE
#undef TILE_NAME
#undef TILE_LOOP
#undef TILE_KEEP
#undef TILE_REAL
#undef TILE_STORED
#undef TILE_M
#undef TILE_N
