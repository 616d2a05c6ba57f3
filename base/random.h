/* Random numbers that depend on a seed and nothing else: the same on every machine, thread count and run. */
#ifndef HONE_BASE_RANDOM_H
#define HONE_BASE_RANDOM_H

#include <stdint.h>

typedef struct hone_random {
    uint64_t state;
} hone_random;

/* The number that belongs to (seed, index): a strong mix (splitmix64), for data filled in any order. */
static inline uint64_t hone_random_at(uint64_t seed, uint64_t index)
{
    uint64_t z = seed * 0xd1342543de82ef95u + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline hone_random hone_random_seeded(uint64_t seed)
{
    return (hone_random){hone_random_at(seed, 0x686f6e65)};
}

static inline uint64_t hone_random_next(hone_random *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in 0 .. bound-1, without bias worth the name for bounds below 2^32; 0 for bound 0. */
static inline uint64_t hone_random_below(hone_random *r, uint64_t bound)
{
    return bound ? (uint64_t)(((unsigned __int128)hone_random_next(r) * bound) >> 64) : 0;
}

/* Uniform in [-1, 1), 53 bits. */
static inline double hone_random_signed(uint64_t bits)
{
    return (double)((int64_t)bits >> 11) * 0x1p-52;
}

#endif
