/* One arithmetic peak: fourteen chains, more than latency times ports of any core in use, and few enough that
 * they and two operands stay in sixteen registers.
 *
 *   PEAK_NAME     the function
 *   PEAK_VECTOR   its type;  PEAK_REGISTER  the constraint of a register of it, a string
 *   PEAK_SET(x)   a vector full of the float x, or of the bytes of 1.0 where that is what the operation eats
 *   PEAK_STEP     (c, a, b): the next value of c
 *   PEAK_OTHER    the same for every second chain, where that is something else; undefined: PEAK_STEP
 *   PEAK_TARGET   an attribute, where the operation needs more than the file is compiled for; or nothing
 *
 * Values settle, stay or grow slowly: nothing becomes denormal. Each accumulator passes through an empty asm, or the
 * compiler would see that all hold the same and keep one. */
#ifndef PEAK_OTHER
#define PEAK_OTHER PEAK_STEP
#endif
PEAK_TARGET static void PEAK_NAME(int64_t turns)
{
#define HIDE(x) __asm__ volatile("" : "+" PEAK_REGISTER(x))
#define TURN(c, d)                                                                                                     \
    HIDE(c);                                                                                                           \
    c = PEAK_STEP(c, a, b);                                                                                            \
    HIDE(d);                                                                                                           \
    d = PEAK_OTHER(d, a, b)
    PEAK_VECTOR a = PEAK_SET(0.5f), b = PEAK_SET(1.0f);
    HIDE(a);
    HIDE(b);
    PEAK_VECTOR c0 = b, c1 = b, c2 = b, c3 = b, c4 = b, c5 = b, c6 = b;
    PEAK_VECTOR c7 = b, c8 = b, c9 = b, c10 = b, c11 = b, c12 = b, c13 = b;
    for (; turns > 0; turns--) {
        TURN(c0, c1);
        TURN(c2, c3);
        TURN(c4, c5);
        TURN(c6, c7);
        TURN(c8, c9);
        TURN(c10, c11);
        TURN(c12, c13);
    }
    HIDE(c0);
    HIDE(c1);
    HIDE(c2);
    HIDE(c3);
    HIDE(c4);
    HIDE(c5);
    HIDE(c6);
    HIDE(c7);
    HIDE(c8);
    HIDE(c9);
    HIDE(c10);
    HIDE(c11);
    HIDE(c12);
    HIDE(c13);
#undef TURN
#undef HIDE
}
#undef PEAK_NAME
#undef PEAK_VECTOR
#undef PEAK_SET
#undef PEAK_STEP
#undef PEAK_OTHER
#undef PEAK_TARGET
