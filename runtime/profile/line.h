/* What every line of a profile begins with, whatever it is about:
 *
 *     {"key":"0011223344556677","sum":"8899aabbccddeeff","row":...}
 *      |----------- 51 bytes, always the same ----------||-- what `sum` is the hash of, with the key its seed --|
 *
 * so that a reader finds its row by comparing 16 letters, and knows it whole before it parses it. */
#ifndef HONE_RUNTIME_PROFILE_LINE_H
#define HONE_RUNTIME_PROFILE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HONE_RT_PROFILE_SEAL     = 51,
    HONE_RT_PROFILE_LINE_MAX = 1 << 16, /* bytes of a line, its newline among them */
    HONE_RT_PROFILE_FILE_MAX = 1 << 28, /* bytes of a file that is read */
    HONE_RT_HEX              = 16
};

/* Key and checksum of a line without its newline; false when it does not begin as every line does. */
bool hone_rt_line_read(const char *line, size_t bytes, uint64_t *key, uint64_t *sum);
/* The checksum that such a line should have. */
uint64_t hone_rt_line_sum(uint64_t key, const char *line, size_t bytes);
/* Both, with a right checksum. */
bool hone_rt_line_sound(const char *line, size_t bytes, uint64_t *key);
/* Writes them into the beginning of a line whose rest stands. `bytes` with or without the newline. */
void   hone_rt_line_seal(uint64_t key, char *line, size_t bytes);
size_t hone_rt_line_without_newline(const char *line, size_t bytes);

/* The key of the silicon itself: of its first line, and the name of its files. */
uint64_t hone_rt_silicon_key(const char *silicon);
void     hone_rt_hex_put(char at[HONE_RT_HEX], uint64_t value);
bool     hone_rt_hex_get(const char *at, uint64_t *out);

#endif
