/* One arithmetic peak: chains of dependent operations, so many that every port is always busy, and so few that they and
 * two operands stay in registers.
 *
 *   PEAK_NAME     the function
 *   PEAK_VECTOR   its type;  PEAK_REGISTER  the constraint of a register of it, a string
 *   PEAK_CHAINS   HONE_PEAK_6, _14 or _24: the list of its chains; probes.h says when which
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
#define HIDE(x)     __asm__ volatile("" : "+" PEAK_REGISTER(x));
#define BEGIN(c, d) PEAK_VECTOR c = b, d = b;
#define END(c, d)   HIDE(c) HIDE(d)
#define TURN(c, d)                                                                                                     \
    HIDE(c)                                                                                                            \
    c = PEAK_STEP(c, a, b);                                                                                            \
    HIDE(d)                                                                                                            \
    d = PEAK_OTHER(d, a, b);
    PEAK_VECTOR a = PEAK_SET(0.5f), b = PEAK_SET(1.0f);
    HIDE(a)
    HIDE(b)
    PEAK_CHAINS(BEGIN)
    for (; turns > 0; turns--) {
        PEAK_CHAINS(TURN)
    }
    PEAK_CHAINS(END)
#undef TURN
#undef END
#undef BEGIN
#undef HIDE
}
#undef PEAK_NAME
#undef PEAK_VECTOR
#undef PEAK_CHAINS
#undef PEAK_SET
#undef PEAK_STEP
#undef PEAK_OTHER
#undef PEAK_TARGET
