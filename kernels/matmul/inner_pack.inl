/* What serves the tiles of cpu.inner, for the words of inner_<isa>.h: lines along k become words, a line or a panel at
 * a time; and sums are scaled. Set before including it, and unset by it: INNER_KIT, the name of the kit.
 *
 * Lines that are contiguous are read vector by vector, and transposed into panels a square of words at a time; those
 * that lie across are unpacked as the tile does it; what is contiguous neither way goes element by element. */
enum { GROUP = 4 / sizeof(INNER_ELEMENT) / (INNER_WORD == 1 ? 2 : 1) };
typedef int32_t pack_word __attribute__((may_alias, aligned(1)));

/* One element as a word holds it, in the place of its group. */
static inline uint32_t one(const INNER_ELEMENT *from, int64_t at, int64_t i, hone_matmul_change change)
{
#if INNER_WORD == 0
    return (uint32_t)(uint8_t)(from[at] ^ change.flip) << (8 * i);
#elif INNER_WORD == 1
    return (uint32_t)(uint16_t)((int8_t)(from[at] ^ change.flip) - change.less) << (16 * i);
#else
    return (void)change, (uint32_t)from[at] << (16 * i);
#endif
}

static void scattered(const hone_matmul_inner_pack *job, int64_t line, pack_word *to, int64_t apart)
{
    const INNER_ELEMENT *from = (const INNER_ELEMENT *)job->from + line * job->from_line;
    for (int64_t at = 0; at < job->length; at += GROUP, to += apart) {
        uint32_t word = 0;
        for (int64_t i = 0; i < GROUP && at + i < job->length; i++)
            word |= one(from, (at + i) * job->from_at, i, job->change);
        *to = (pack_word)word;
    }
}

static void pack_lines(const hone_matmul_inner_pack *job)
{
    enum { STEP = GROUP * WORD_LANES };
    const words_change change = words_change_of(job->change);
    for (int64_t line = 0; line < job->lines; line++) {
        const INNER_ELEMENT *from = (const INNER_ELEMENT *)job->from + line * job->from_line;
        pack_word *to = (pack_word *)job->to + line * job->to_line;
        if (job->from_at != 1) {
            scattered(job, line, to, 1);
            continue;
        }
        int64_t at = 0;
        for (; at + STEP <= job->length; at += STEP, to += WORD_LANES)
            words_store(to, words_along(from + at, STEP, change));
        if (at < job->length)
            words_store_first(to, words_first((job->length - at + GROUP - 1) / GROUP),
                              words_along(from + at, job->length - at, change));
    }
}

/* Lines that lie together, from line `line` on: a square of words at a time. */
static void pack_square(const hone_matmul_inner_pack *job, int64_t line, pack_word *to, words_change change)
{
    enum { STEP = GROUP * WORD_LANES };
    for (int64_t at = 0; at < job->length; at += STEP) {
        const INNER_ELEMENT *from = (const INNER_ELEMENT *)job->from + line * job->from_line + at;
        const int64_t length = job->length - at < STEP ? job->length - at : STEP;
        vec_f32 square[WORD_LANES];
        for (int i = 0; i < WORD_LANES; i++) {
            const words x = line + i >= job->lines ? words_zero()
                            : length == STEP ? words_along(from + i * job->from_line, STEP, change)
                                             : words_along(from + i * job->from_line, length, change);
            square[i] = (vec_f32)x;
        }
        vec_transpose_f32(square);
        for (int i = 0; i < WORD_LANES && i * GROUP < length; i++, to += job->width) words_store(to, (words)square[i]);
    }
}

/* Lines side by side, from line `line` on: as many as one unpacking takes. */
static void pack_across(const hone_matmul_inner_pack *job, int64_t line, words_change change)
{
    enum { CHUNK = GROUP * WORD_LANES };
    const char *from = (const char *)((const INNER_ELEMENT *)job->from + line);
    const int64_t apart = job->from_at * (int64_t)sizeof(INNER_ELEMENT);
    pack_word *to[GROUP];
    const int vectors = (int)((hone_min(job->lines - line, CHUNK) + WORD_LANES - 1) / WORD_LANES);
    for (int i = 0; i < vectors; i++) {
        const int64_t first = line + i * WORD_LANES;
        to[i] = (pack_word *)job->to + first / job->width * job->to_line + first % job->width;
    }
    for (int64_t at = 0; at < job->length; at += GROUP, from += GROUP * apart) {
        words row[GROUP];
        if (at + GROUP <= job->length && line + CHUNK <= job->lines)
            words_group(from, apart, GROUP, CHUNK, change, row);
        else
            words_group(from, apart, job->length - at, job->lines - line, change, row);
        for (int i = 0; i < vectors; i++, to[i - 1] += job->width) words_store(to[i], row[i]);
    }
}

static void pack_panels(const hone_matmul_inner_pack *job)
{
    enum { CHUNK = GROUP * WORD_LANES };
    const words_change change = words_change_of(job->change);
    if (job->from_line == 1 && job->from_at != 1) {
        for (int64_t line = 0; line < job->lines; line += CHUNK) pack_across(job, line, change);
        return;
    }
    for (int64_t line = 0; line < job->lines; line += WORD_LANES) {
        pack_word *to = (pack_word *)job->to + line / job->width * job->to_line + line % job->width;
        if (job->from_at == 1) {
            pack_square(job, line, to, change);
            continue;
        }
        for (int64_t i = 0; i < WORD_LANES; i++)
            if (line + i < job->lines) scattered(job, line + i, to + i, job->width);
            else for (int64_t at = 0; at < job->length; at += GROUP) to[i + at / GROUP * job->width] = 0;
    }
}

#if INNER_WORD >= 2
static void sums_scale(void *sums, int64_t rows, int64_t columns, int64_t line, double alpha)
{
    const vec_f32 times = vec_broadcast_f32((float)alpha);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += WORD_LANES) {
            float *at = (float *)sums + i * line + j;
            const words_mask first = words_first(columns - j);
            words_store_first(at, first, (words)((vec_f32)words_load_first(at, first) * times));
        }
}
#else
#define sums_scale NULL
#endif

const hone_matmul_inner_kit INNER_KIT = {(hone_matmul_word)INNER_WORD, WORD_LANES, pack_lines, pack_panels,
                                         sums_scale};
#undef sums_scale
#undef INNER_KIT
