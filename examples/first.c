/* first.c: the README's program. It asks the library which one it is. */
#include <hone/hone.h>
#include <stdio.h>

int main(void)
{
    printf("hone %s\n", hone_version_string());
    return hone_version() < HONE_VERSION;
}
