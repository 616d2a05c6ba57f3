/* Keys and checksums of lines: how they are written, read and made. */
#include "runtime/profile/line.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { KEY_AT = 8, SUM_AT = 33 };

void hone_rt_hex_put(char at[HONE_RT_HEX], uint64_t value)
{
    for (int i = HONE_RT_HEX - 1; i >= 0; i--, value >>= 4) at[i] = "0123456789abcdef"[value & 15];
}

bool hone_rt_hex_get(const char *at, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < HONE_RT_HEX; i++) {
        unsigned digit = (unsigned char)at[i];
        if (digit - '0' < 10)
            digit -= '0';
        else if (digit - 'a' < 6)
            digit -= 'a' - 10;
        else
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

uint64_t hone_rt_silicon_key(const char *silicon)
{
    char   text[256];
    int    length = snprintf(text, sizeof text, "device %s", silicon);
    size_t bytes = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    return hone_hash(text, bytes, 0);
}

bool hone_rt_line_read(const char *line, size_t bytes, uint64_t *key, uint64_t *sum)
{
    return bytes > HONE_RT_PROFILE_SEAL && memcmp(line, "{\"key\":\"", KEY_AT) == 0 &&
           hone_rt_hex_get(line + KEY_AT, key) && memcmp(line + KEY_AT + HONE_RT_HEX, "\",\"sum\":\"", 9) == 0 &&
           hone_rt_hex_get(line + SUM_AT, sum) && memcmp(line + SUM_AT + HONE_RT_HEX, "\",", 2) == 0;
}

uint64_t hone_rt_line_sum(uint64_t key, const char *line, size_t bytes)
{
    return hone_hash(line + HONE_RT_PROFILE_SEAL, bytes - HONE_RT_PROFILE_SEAL, key);
}

bool hone_rt_line_sound(const char *line, size_t bytes, uint64_t *key)
{
    uint64_t sum;
    return hone_rt_line_read(line, bytes, key, &sum) && hone_rt_line_sum(*key, line, bytes) == sum;
}

size_t hone_rt_line_without_newline(const char *line, size_t bytes)
{
    return bytes && line[bytes - 1] == '\n' ? bytes - 1 : bytes;
}

void hone_rt_line_seal(uint64_t key, char *line, size_t bytes)
{
    memcpy(line, "{\"key\":\"0000000000000000\",\"sum\":\"0000000000000000\",", HONE_RT_PROFILE_SEAL);
    hone_rt_hex_put(line + KEY_AT, key);
    hone_rt_hex_put(line + SUM_AT, hone_rt_line_sum(key, line, hone_rt_line_without_newline(line, bytes)));
}
