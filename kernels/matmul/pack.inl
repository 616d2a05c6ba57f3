/* Packing: the text for one type. Set before including it, and unset by it: PACK_NAME, PACK_REAL, and PACK_STORED, what
 * is copied: the same, or 16 bits (stored.h), widened on the way.
 *
 * Lines that are contiguous are copied. Lines that lie across are transposed in registers, a square of vectors at a
 * time, the squares at the edges with masks; of so many streams the CPU follows only some, so each is asked for in
 * advance. What is contiguous neither way goes element by element. */
#ifndef PACK_WAYS
#define PACK_WAYS
enum { PACK_AHEAD = 512 }; /* bytes */
#endif
static void PACK_NAME(const hone_matmul_pack_job *job)
{
    enum { LANES = vec_lanes(PACK_REAL) };
    typedef vec_of(PACK_REAL) vec;
    typedef vec_mask_of(PACK_REAL) mask;
    const PACK_STORED *from = job->from;
    PACK_REAL *to = job->to;
    const int64_t lines = job->lines, length = job->length, from_line = job->from_line, from_at = job->from_at;
    const int64_t to_line = job->to_line, whole = length / LANES * LANES;

    if (from_at == 1) {
        const mask rest = vec_first(PACK_REAL, length - whole);
        for (int64_t line = 0; line < lines; line++) {
            const PACK_STORED *x = from + line * from_line;
            PACK_REAL *y = to + line * to_line;
            for (int64_t at = 0; at < whole; at += LANES) vec_store(y + at, vec_load(x + at));
            if (whole < length) vec_store_first(y + whole, rest, vec_load_first(x + whole, rest));
        }
    } else if (from_line == 1) {
        for (int64_t line = 0; line < lines; line += LANES)
            for (int64_t at = 0; at < length; at += LANES) {
                vec square[LANES];
                if (line + LANES <= lines && at < whole) {
                    HONE_UNROLL
                    for (int i = 0; i < LANES; i++) {
                        square[i] = vec_load(from + line + (at + i) * from_at);
                        __builtin_prefetch(from + line + PACK_AHEAD / sizeof *from + (at + i) * from_at, 0, 2);
                    }
                    vec_transpose(square);
                    HONE_UNROLL
                    for (int i = 0; i < LANES; i++) vec_store(to + (line + i) * to_line + at, square[i]);
                } else {
                    const mask across = vec_first(PACK_REAL, lines - line), along = vec_first(PACK_REAL, length - at);
                    HONE_UNROLL
                    for (int i = 0; i < LANES; i++)
                        square[i] = at + i < length ? vec_load_first(from + line + (at + i) * from_at, across)
                                                    : vec_broadcast((PACK_REAL)0);
                    vec_transpose(square);
                    HONE_UNROLL
                    for (int i = 0; i < LANES; i++)
                        if (line + i < lines) vec_store_first(to + (line + i) * to_line + at, along, square[i]);
                }
            }
    } else {
        for (int64_t line = 0; line < lines; line++)
            for (int64_t at = 0; at < length; at++)
                to[line * to_line + at] = vec_one(from + line * from_line + at * from_at);
    }

    for (int64_t line = 0; length < job->width && line < lines; line++)
        for (int64_t at = length; at < job->width; at++) to[line * to_line + at] = 0;
}

#undef PACK_NAME
#undef PACK_REAL
#undef PACK_STORED
