/* An allocator for tests: counts what is out, fails the n-th call on demand, and looks after misuse of the hook. */
#ifndef HONE_TESTS_MEMORY_H
#define HONE_TESTS_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hone/context.h>

typedef struct test_memory {
    int64_t calls;   /* of allocate, so far */
    int64_t fail_at; /* the call that fails, counted from 1; 0: none */
    int64_t blocks, bytes;
} test_memory;

static inline void *test_memory_allocate(void *user, size_t bytes, size_t alignment)
{
    test_memory *memory = user;
    if (++memory->calls == memory->fail_at) return NULL;
    memory->blocks++;
    memory->bytes += (int64_t)bytes;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static inline void test_memory_release(void *user, void *block, size_t bytes)
{
    test_memory *memory = user;
    memory->blocks--;
    memory->bytes -= (int64_t)bytes;
    memset(block, 0xdd, bytes); /* whoever reads it still gets nonsense */
    free(block);
}

/* Puts `memory`, zeroed, before hone; NULL puts the C library back. */
static inline hone_status test_memory_use(test_memory *memory)
{
    hone_allocator hook = {memory, test_memory_allocate, test_memory_release};
    if (memory) memset(memory, 0, sizeof *memory);
    return hone_allocator_set(memory ? &hook : NULL);
}

#endif
