/* Reading and copying: whole vectors, eight at a time, plainly or past the caches.
 *
 *   TRAFFIC_VECTOR         the type, its size dividing HONE_PROBE_BLOCK / 8
 *   TRAFFIC_REGISTER       the constraint of a register of it, a string
 *   TRAFFIC_STREAM(to, v)  a store past the caches; undefined: there is none
 *   TRAFFIC_FENCE()        after such stores
 *
 * The empty asm in the copies keeps the compiler from making a memcpy of them, the one after a pass from making one
 * pass of many. */
static void read_block(const void *from, size_t bytes, int64_t passes)
{
    TRAFFIC_VECTOR s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (; passes > 0; passes--) {
        const TRAFFIC_VECTOR *p = from, *end = p + bytes / sizeof *p;
        for (; p < end; p += 8) {
            s0 |= p[0];
            s1 |= p[1];
            s2 |= p[2];
            s3 |= p[3];
            s4 |= p[4];
            s5 |= p[5];
            s6 |= p[6];
            s7 |= p[7];
        }
        __asm__ volatile("" ::: "memory");
    }
    s0 |= s1 | s2 | s3 | s4 | s5 | s6 | s7;
    __asm__ volatile("" : "+" TRAFFIC_REGISTER(s0));
}

static void copy_block(void *to, const void *from, size_t bytes, int64_t passes)
{
    for (; passes > 0; passes--) {
        const TRAFFIC_VECTOR *p = from, *end = p + bytes / sizeof *p;
        TRAFFIC_VECTOR       *q = to;
        for (; p < end; p += 8, q += 8) {
            q[0] = p[0];
            q[1] = p[1];
            q[2] = p[2];
            q[3] = p[3];
            q[4] = p[4];
            q[5] = p[5];
            q[6] = p[6];
            q[7] = p[7];
            __asm__ volatile("" ::: "memory");
        }
    }
}

#ifdef TRAFFIC_STREAM
static void stream_block(void *to, const void *from, size_t bytes, int64_t passes)
{
    for (; passes > 0; passes--) {
        const TRAFFIC_VECTOR *p = from, *end = p + bytes / sizeof *p;
        TRAFFIC_VECTOR       *q = to;
        for (; p < end; p += 8, q += 8) {
            TRAFFIC_STREAM(q + 0, p[0]);
            TRAFFIC_STREAM(q + 1, p[1]);
            TRAFFIC_STREAM(q + 2, p[2]);
            TRAFFIC_STREAM(q + 3, p[3]);
            TRAFFIC_STREAM(q + 4, p[4]);
            TRAFFIC_STREAM(q + 5, p[5]);
            TRAFFIC_STREAM(q + 6, p[6]);
            TRAFFIC_STREAM(q + 7, p[7]);
            __asm__ volatile("" ::: "memory");
        }
    }
    TRAFFIC_FENCE();
}
#endif
