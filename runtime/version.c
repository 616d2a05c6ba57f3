/* version.c: what hone/version.h promises, frozen into the library when it was built. */
#include "hone/version.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

uint32_t hone_version(void)
{
    return HONE_VERSION;
}

int hone_abi_version(void)
{
    return HONE_ABI_VERSION;
}

const char *hone_version_string(void)
{
    return TEXT(HONE_VERSION_MAJOR) "." TEXT(HONE_VERSION_MINOR) "." TEXT(HONE_VERSION_PATCH);
}
