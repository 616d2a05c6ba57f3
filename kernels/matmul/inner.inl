/* One tile of cpu.inner: the text for all sizes and words. Set before including it, and unset by it: INNER_NAME; and
 * INNER_LOOP, a name for the loop, local to the file; INNER_M and INNER_N, rows and columns. The words (words_dot ...)
 * come from inner_<isa>.h, INNER_ELEMENT is what they are made of. Of f16, INNER_ONCE is a name for a run.
 *
 * Rows and vectors of a row are literal wherever the loop is inlined, so that the sums stay in registers. A plain b is
 * put into words in registers: each is made once and used for all rows, by units that would idle otherwise. */
#ifndef HONE_MATMUL_INNER_INL
#define HONE_MATMUL_INNER_INL
typedef enum inner_way {
    INNER_WHOLE, /* packed words, whole vectors */
    INNER_EDGE,  /* the last vector is masked */
    INNER_PLAIN  /* masked, and b is plain */
} inner_way;
typedef int32_t inner_word __attribute__((may_alias, aligned(1)));
#endif

static inline __attribute__((always_inline)) void INNER_LOOP(const hone_matmul_inner_job *job, words_mask last,
                                                             const int rows, const int vectors, const inner_way way)
{
    enum {
        VECTORS = INNER_N / WORD_LANES,
        THIRDS = (INNER_M + 2) / 3,
        GROUP = 4 / sizeof(INNER_ELEMENT) / (INNER_WORD == 1 ? 2 : 1),
        TAKEN = (VECTORS + GROUP - 1) / GROUP * GROUP
    };
    const int64_t a_m = job->a_m, a_k = job->a_k, b_k = way == INNER_PLAIN ? job->b_k * GROUP : job->b_k * 4;
    const inner_word *a[THIRDS]; /* every third row: from there an address with one stride reaches the next two */
    const char *b = job->b;
    words sum[INNER_M][VECTORS];

    HONE_UNROLL
    for (int g = 0; g < THIRDS; g++)
        a[g] = (const inner_word *)job->a + 3 * g * a_m;
    if (job->adds && INNER_WORD != 3) {
        const inner_word *c = job->c;
        HONE_UNROLL
        for (int i = 0; i < rows; i++, c += job->c_m)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = way == INNER_WHOLE || j < vectors - 1 ? words_load(c + j * WORD_LANES)
                                                                  : words_load_first(c + j * WORD_LANES, last);
    } else {
        HONE_UNROLL
        for (int i = 0; i < rows; i++)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = words_zero();
    }

    const words_change change = words_change_of(job->change);
    int64_t lines = job->lines;
    inner_word *panel = job->panel;
    for (int64_t k = job->words; k > 0; k--) {
        words row[TAKEN];
        if (way == INNER_PLAIN) {
            const bool whole = lines >= GROUP && vectors == VECTORS && job->n == INNER_N;
            HONE_UNROLL
            for (int j = 0; j < vectors; j += GROUP) {
                const char *at = b + j * WORD_LANES * (int)sizeof(INNER_ELEMENT);
                if (whole)
                    words_group(at, job->b_k, GROUP, INNER_N - j * WORD_LANES, change, row + j);
                else
                    words_group(at, job->b_k, lines, job->n - j * WORD_LANES, change, row + j);
            }
            if (job->ahead) {
                HONE_UNROLL
                for (int i = 0; i < GROUP; i++)
                    HONE_UNROLL
                    for (int at = 0; at < vectors * WORD_LANES * (int)sizeof(INNER_ELEMENT); at += 64)
                        __builtin_prefetch(b + job->ahead + i * job->b_k + at, 0, 3);
            }
            lines -= GROUP;
            if (panel) {
                HONE_UNROLL
                for (int j = 0; j < vectors; j++)
                    words_store(panel + j * WORD_LANES, row[j]);
                panel += INNER_N;
            }
        } else {
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                row[j] = words_load(b + j * WORD_LANES * 4);
        }
        HONE_UNROLL
        for (int i = 0; i < rows; i++) {
            const words x = words_set(a[i / 3][i % 3 * a_m]);
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = words_dot(sum[i][j], x, row[j]);
        }
        HONE_UNROLL
        for (int g = 0; g < THIRDS; g++)
            a[g] += a_k;
        b += b_k;
    }

    char *c = job->end == HONE_INNER_SUMS ? job->c : job->out;
    const int64_t c_bytes = job->end == HONE_INNER_SUMS ? 4 * job->c_m : job->out_bytes;
#if INNER_WORD < 2
    if (job->column) {
        HONE_UNROLL
        for (int j = 0; j < vectors; j++) {
            const words x = way == INNER_WHOLE || j < vectors - 1
                                ? words_load(job->column + j * WORD_LANES)
                                : words_load_first(job->column + j * WORD_LANES, last);
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                sum[i][j] = words_add(sum[i][j], x);
        }
    }
    if (job->row) {
        HONE_UNROLL
        for (int i = 0; i < rows; i++) {
            const words x = words_set(job->row[i]);
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = words_add(sum[i][j], x);
        }
    }
    if (job->end == HONE_INNER_FLOATS) {
        HONE_UNROLL
        for (int j = 0; j < vectors; j++) {
            const bool all = way == INNER_WHOLE || j < vectors - 1;
            const float *times = job->times + j * WORD_LANES, *plus = job->plus + j * WORD_LANES;
            const vec_f32 t = all ? vec_load_f32(times) : vec_load_first_f32(times, last);
            const vec_f32 s = all ? vec_load_f32(plus) : vec_load_first_f32(plus, last);
            HONE_UNROLL
            for (int i = 0; i < rows; i++)
                sum[i][j] = (words)(words_floats(sum[i][j]) * vec_broadcast_f32(job->alpha) * t + s);
        }
    }
#elif INNER_WORD == 2
    if (job->end == HONE_INNER_NARROW) {
        HONE_UNROLL
        for (int i = 0; i < rows; i++, c += c_bytes)
            HONE_UNROLL
            for (int j = 0; j < vectors; j++)
                words_store_narrow(c + 2 * j * WORD_LANES, j < vectors - 1 ? words_first(WORD_LANES) : last, sum[i][j]);
        return;
    }
#endif
    HONE_UNROLL
    for (int i = 0; i < rows; i++, c += c_bytes)
        HONE_UNROLL
        for (int j = 0; j < vectors; j++) {
#if INNER_WORD == 3
            const words_mask there = way == INNER_WHOLE || j < vectors - 1 ? words_first(WORD_LANES) : last;
            sum[i][j] =
                words_fold(sum[i][j], job->adds ? words_load_first(c + 4 * j * WORD_LANES, there) : words_zero());
#endif
            if (way == INNER_WHOLE || j < vectors - 1)
                words_store(c + 4 * j * WORD_LANES, sum[i][j]);
            else
                words_store_first(c + 4 * j * WORD_LANES, last, sum[i][j]);
        }
}

/* Vectors are all there are, or one, two or three of up to four. */
#define INNER_WAY(rows, way)                                                                                           \
    vectors == VECTORS              ? INNER_LOOP(job, last, rows, VECTORS, way)                                        \
    : (VECTORS < 3 || vectors == 1) ? INNER_LOOP(job, last, rows, 1, way)                                              \
    : (VECTORS < 4 || vectors == 2) ? INNER_LOOP(job, last, rows, VECTORS < 2 ? VECTORS : 2, way)                      \
                                    : INNER_LOOP(job, last, rows, VECTORS < 3 ? VECTORS : 3, way)
#define INNER_CASE(rows)                                                                                               \
    case rows:                                                                                                         \
        if (rows > INNER_M) return;                                                                                    \
        if (job->lines)                                                                                                \
            INNER_WAY((rows <= INNER_M ? rows : INNER_M), INNER_PLAIN);                                                \
        else if (whole)                                                                                                \
            INNER_WAY((rows <= INNER_M ? rows : INNER_M), INNER_WHOLE);                                                \
        else                                                                                                           \
            INNER_WAY((rows <= INNER_M ? rows : INNER_M), INNER_EDGE);                                                 \
        break;

#if INNER_WORD == 3
static void INNER_ONCE(const hone_matmul_inner_job *job)
#else
void INNER_NAME(const hone_matmul_inner_job *job)
#endif
{
    enum { VECTORS = INNER_N / WORD_LANES };
    const int vectors = (int)(job->n + WORD_LANES - 1) / WORD_LANES;
    const words_mask last = words_first(job->n - (vectors - 1) * WORD_LANES);
    const bool whole = !WORD_MASKS_ARE_FREE && job->n == vectors * WORD_LANES;
    if (vectors <= 0 || vectors > VECTORS) return;
#ifdef HONE_SANITIZED
    INNER_LOOP(job, last, (int)job->m, vectors, job->lines ? INNER_PLAIN : whole ? INNER_WHOLE : INNER_EDGE);
#else
    switch (job->m) {
        INNER_CASE(1) INNER_CASE(2) INNER_CASE(3) INNER_CASE(4) INNER_CASE(5) INNER_CASE(6)
        INNER_CASE(7) INNER_CASE(8) INNER_CASE(9) INNER_CASE(10) INNER_CASE(11) INNER_CASE(12)
    }
#endif
}

#if INNER_WORD == 3
/* Run after run: each half of a lane sums one product a word. */
void INNER_NAME(const hone_matmul_inner_job *job)
{
    enum { RUN = HONE_ACCURACY_F16_RUN, LINES = 2 * RUN };
    hone_matmul_inner_job run = *job;
    for (int64_t left = job->words;; left -= RUN) {
        run.words = left < RUN ? left : RUN;
        INNER_ONCE(&run);
        if (left <= RUN) return;
        run.a = (const inner_word *)run.a + RUN * run.a_k;
        run.b = (const char *)run.b + (run.lines ? LINES : 4 * RUN) * run.b_k;
        if (run.lines) run.lines -= LINES;
        if (run.panel) run.panel = (inner_word *)run.panel + RUN * INNER_N;
        run.adds = true;
    }
}
#undef INNER_ONCE
#endif

#undef INNER_WAY
#undef INNER_CASE
#undef INNER_NAME
#undef INNER_LOOP
#undef INNER_M
#undef INNER_N
