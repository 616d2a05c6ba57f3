/* The text of a matmul, of a grouped one, of a packing and of attention: what is taken is legal, and prints as a text
 * that means the same bytes, and prints the same again. */
#include <string.h>

#include "base/status.h"
#include "kernels/attention/problem.h"
#include "kernels/matmul/problem.h"
#include "kernels/matmul_grouped/problem.h"
#include "kernels/matmul_pack/problem.h"
#include "tests/fuzz/fuzz.h"

static void one_op(const hone_op *op, const char *text)
{
    hone_problem_bytes problem, again;
    hone_role          roles[HONE_ROLES_MAX];
    char               first[HONE_PROBLEM_TEXT_MAX], second[HONE_PROBLEM_TEXT_MAX];
    hone_fail(HONE_OK, "%s", "");
    if (op->parse(text, &problem) != HONE_OK) {
        FUZZ_ASSERT(hone_last_error()[0] != 0);
        return;
    }
    FUZZ_ASSERT(op->check(&problem) == HONE_OK);
    op->print(&problem, first, sizeof first);
    FUZZ_ASSERT(strlen(first) + strlen(op->name) + 1 < sizeof first);
    memset(&again, 0xa5, sizeof again);
    FUZZ_ASSERT(op->parse(first, &again) == HONE_OK);
    FUZZ_ASSERT(memcmp(&problem, &again, op->problem_size) == 0);
    op->print(&again, second, sizeof second);
    FUZZ_ASSERT(strcmp(first, second) == 0);
    int count = op->roles(&problem, roles);
    for (int i = 0; i < count; i++) {
        int64_t low, high;
        hone_role_extent(&roles[i], &low, &high);
        FUZZ_ASSERT(low <= 0 && high >= 0 && hone_role_count(&roles[i]) >= 0);
    }
    hone_cost cost = op->cost(&problem);
    FUZZ_ASSERT(cost.flops >= 0 && cost.bytes_read >= 0 && cost.bytes_written >= 0);
    hone_packing apart;
    if (!op->take_apart || !op->take_apart(&problem, &apart)) return;
    FUZZ_ASSERT(op->check(apart.plain.bytes) == HONE_OK);
    FUZZ_ASSERT(hone_matmul_pack_op.check(apart.pack.bytes) == HONE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = calloc(bytes + 1, 1);
    if (bytes) memcpy(text, data, bytes);
    one_op(&hone_matmul_op, text);
    one_op(&hone_matmul_pack_op, text);
    one_op(&hone_attention_op, text);
    one_op(&hone_matmul_grouped_op, text);
    free(text);
    return 0;
}
