/* The table of number types. */
#include <hone/dtype.h>

const char *hone_dtype_name(hone_dtype dtype)
{
    switch ((int)dtype) {
#define DTYPE_NAME(name, number, text, bits)                                                                           \
    case number: return text;
        HONE_DTYPE_LIST(DTYPE_NAME)
#undef DTYPE_NAME
    }
    return "?";
}

int hone_dtype_bits(hone_dtype dtype)
{
    switch ((int)dtype) {
#define DTYPE_BITS(name, number, text, bits)                                                                           \
    case number: return bits;
        HONE_DTYPE_LIST(DTYPE_BITS)
#undef DTYPE_BITS
    }
    return 0;
}
