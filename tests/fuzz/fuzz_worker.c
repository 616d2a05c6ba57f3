/* What a worker answers, as bytes that a mad candidate may have written: a head, and the bodies of answers. The first
 * byte says which, the second of how many candidates. */
#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tuner/wire.h"
#include "tuner/worker.h"

enum { COUNT_MAX = 8, ROUNDS = 3 };

static void as_admitted(const uint8_t *body, size_t bytes)
{
    hone_worker_admitted it;
    if (!hone_worker_read_admitted(body, bytes, &it)) return;
    FUZZ_ASSERT(it.fate >= 0 && it.fate < HONE_FATE_COUNT && it.compared >= 0);
    FUZZ_ASSERT(memchr(it.why, 0, sizeof it.why));
    FUZZ_ASSERT(it.fate != HONE_FATE_RIGHT || (isfinite(it.seconds) && it.seconds > 0));
}

static void as_timed(const uint8_t *body, size_t bytes, int count)
{
    double         seconds[COUNT_MAX * ROUNDS];
    hone_admission fates[COUNT_MAX] = {{0}};
    if (!hone_worker_read_timed(body, bytes, count, ROUNDS, seconds, fates)) return;
    for (int i = 0; i < count * ROUNDS; i++) {
        const hone_admission *fate = &fates[i % count];
        FUZZ_ASSERT(fate->fate >= 0 && fate->fate < HONE_FATE_COUNT && memchr(fate->why, 0, sizeof fate->why));
        FUZZ_ASSERT(fate->fate == HONE_FATE_RIGHT ? isfinite(seconds[i]) && seconds[i] > 0 : isnan(seconds[i]));
    }
}

static void as_head(const uint8_t *data, size_t bytes)
{
    unsigned char head[HONE_WIRE_HEAD];
    if (bytes < sizeof head) return;
    memcpy(head, data, sizeof head);
    int64_t body = hone_wire_expect(head, HONE_WIRE_ANSWER + HONE_WIRE_ADMIT, 7);
    FUZZ_ASSERT(body >= -1 && body <= HONE_WIRE_BODY_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2) return 0;
    uint8_t *body = malloc(bytes - 1); /* exactly as long as it is: a sanitizer sees a step too far */
    memcpy(body, data + 2, bytes - 2);
    switch (data[0] % 3) {
    case 0: as_head(body, bytes - 2); break;
    case 1: as_admitted(body, bytes - 2); break;
    default: as_timed(body, bytes - 2, 1 + data[1] % COUNT_MAX); break;
    }
    free(body);
    return 0;
}
