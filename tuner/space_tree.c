/* Spaces as trees: see space_tree.h.
 *
 * What stands below a node is kept by the node's depth and the values that anything deeper still reads; the count of a
 * branch is all that is kept, and the rest follows from counts. */
#include "tuner/space_tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"

enum { VALUES_MAX = 255, FIRST_SLOTS = 256 };

/* What tells a node from others with the same branches below: places of values, 0 where nothing deeper reads them. */
typedef struct node {
    uint8_t  used, depth;
    uint8_t  at[HONE_PARAMETERS_MAX];
    uint64_t count; /* of configurations below */
} node;

struct hone_space_tree {
    const hone_request *request;
    const hone_kernel  *kernel;
    int                 depth;
    unsigned            reads[HONE_PARAMETERS_MAX + 1]; /* what is read from this depth on */
    uint64_t            count;
    node               *nodes; /* a table with open addresses */
    size_t              slots, used;
};

static const hone_parameter *parameter_of(const hone_space_tree *tree, int depth)
{
    return &tree->kernel->space->parameters[depth];
}

static int highest(unsigned bits)
{
    return bits ? 31 - __builtin_clz(bits) : -1;
}

static int place_of(const hone_parameter *parameter, int64_t value)
{
    for (int i = 0; i < parameter->count; i++)
        if (parameter->values[i] == value) return i;
    return -1;
}

/* --- nodes ----------------------------------------------------------------------------------------------------- */

static node key_of(const hone_space_tree *tree, const hone_config *config, int depth)
{
    node key = {.used = 1, .depth = (uint8_t)depth};
    for (int i = 0; i < depth; i++)
        if (tree->reads[depth] >> i & 1) key.at[i] = (uint8_t)place_of(parameter_of(tree, i), config->value[i]);
    return key;
}

static node *slot_of(node *nodes, size_t slots, const node *key)
{
    const size_t bytes = offsetof(node, at) + sizeof key->at;
    size_t       at = hone_hash(key, bytes, 0) & (slots - 1);
    while (nodes[at].used && memcmp(&nodes[at], key, bytes)) at = (at + 1) & (slots - 1);
    return &nodes[at];
}

static hone_status keep(hone_space_tree *tree, const node *it)
{
    if (2 * (tree->used + 1) > tree->slots) {
        size_t slots = tree->slots ? 2 * tree->slots : FIRST_SLOTS;
        node  *nodes = hone_alloc(slots, sizeof *nodes);
        if (!nodes) return HONE_ERROR_MEMORY;
        for (size_t i = 0; i < tree->slots; i++)
            if (tree->nodes[i].used) *slot_of(nodes, slots, &tree->nodes[i]) = tree->nodes[i];
        hone_free(tree->nodes);
        tree->nodes = nodes;
        tree->slots = slots;
    }
    *slot_of(tree->nodes, tree->slots, it) = *it;
    tree->used++;
    return HONE_OK;
}

/* --- what is legal --------------------------------------------------------------------------------------------- */

/* May the value at this depth follow those before it? It must stand for itself, too. */
static bool may_follow(const hone_space_tree *tree, const hone_config *config, int depth)
{
    const hone_space *space = tree->kernel->space;
    for (int i = 0; i < space->constraint_count; i++) {
        const hone_constraint *it = &space->constraints[i];
        if (highest(it->looks_at) == depth && it->refuses(tree->request, config)) return false;
    }
    for (int i = 0; i < space->same_count; i++)
        if (space->same[i].parameter == depth && space->same[i].stands(tree->request, config) != config->value[depth])
            return false;
    return true;
}

/* Counts what stands below the first `depth` values, and keeps it. */
static hone_status count_below(hone_space_tree *tree, hone_config *config, int depth, uint64_t *out)
{
    *out = 1;
    if (depth == tree->depth) return HONE_OK;
    node key = key_of(tree, config, depth);
    if (tree->slots) {
        const node *known = slot_of(tree->nodes, tree->slots, &key);
        *out = known->count;
        if (known->used) return HONE_OK;
    }
    const hone_parameter *parameter = parameter_of(tree, depth);
    for (int i = 0; i < parameter->count; i++) {
        uint64_t below;
        config->value[depth] = parameter->values[i];
        if (!may_follow(tree, config, depth)) continue;
        HONE_TRY(count_below(tree, config, depth + 1, &below));
        HONE_CHECK(below <= INT64_MAX - key.count, HONE_ERROR_OVERFLOW,
                   "%s has more configurations than 63 bits count", tree->kernel->name);
        key.count += below;
    }
    *out = key.count;
    return keep(tree, &key);
}

/* The same of what was counted before; 0 where the last of these values may not follow. */
static uint64_t known_below(const hone_space_tree *tree, const hone_config *config, int depth)
{
    if (depth && !may_follow(tree, config, depth - 1)) return 0;
    if (depth == tree->depth) return 1;
    node key = key_of(tree, config, depth);
    return slot_of(tree->nodes, tree->slots, &key)->count;
}

static hone_status open_tree(hone_space_tree *tree)
{
    const hone_space *space = tree->kernel->space;
    hone_config       config = {{0}};
    tree->depth = space ? space->count : 0;
    for (int i = 0; i < tree->depth; i++)
        HONE_CHECK(space->parameters[i].count <= VALUES_MAX, HONE_ERROR_ARGUMENT, "%s: %d values of '%s', at most %d",
                   tree->kernel->name, space->parameters[i].count, space->parameters[i].name, VALUES_MAX);
    for (int depth = 0; depth < tree->depth; depth++) {
        for (int i = 0; i < space->constraint_count; i++)
            if (highest(space->constraints[i].looks_at) >= depth) tree->reads[depth] |= space->constraints[i].looks_at;
        for (int i = 0; i < space->same_count; i++)
            if (space->same[i].parameter >= depth) tree->reads[depth] |= space->same[i].looks_at;
        tree->reads[depth] &= (1u << depth) - 1;
    }
    for (int i = 0; space && i < space->constraint_count; i++)
        if (!space->constraints[i].looks_at && space->constraints[i].refuses(tree->request, &config)) return HONE_OK;
    return count_below(tree, &config, 0, &tree->count);
}

hone_status hone_space_tree_open(const hone_request *request, const hone_kernel *kernel, hone_space_tree **out)
{
    *out = NULL;
    hone_space_tree *tree = hone_alloc(1, sizeof *tree);
    if (!tree) return HONE_ERROR_MEMORY;
    tree->request = request;
    tree->kernel = kernel;
    hone_status status = open_tree(tree);
    if (status != HONE_OK) {
        hone_space_tree_close(tree);
        return status;
    }
    *out = tree;
    return HONE_OK;
}

void hone_space_tree_close(hone_space_tree *tree)
{
    if (!tree) return;
    hone_free(tree->nodes);
    hone_free(tree);
}

/* --- walking --------------------------------------------------------------------------------------------------- */

uint64_t hone_space_tree_count(const hone_space_tree *tree)
{
    return tree->count;
}

void hone_space_tree_at(const hone_space_tree *tree, uint64_t index, hone_config *out)
{
    memset(out, 0, sizeof *out);
    for (int depth = 0; depth < tree->depth; depth++) {
        const hone_parameter *parameter = parameter_of(tree, depth);
        for (int i = 0; i < parameter->count; i++) {
            out->value[depth] = parameter->values[i];
            uint64_t below = known_below(tree, out, depth + 1);
            if (index < below) break;
            index -= below;
        }
    }
}

bool hone_space_tree_find(const hone_space_tree *tree, const hone_config *config, uint64_t *index)
{
    hone_config walk = {{0}};
    *index = 0;
    if (!tree->count) return false;
    for (int depth = 0; depth < tree->depth; depth++) {
        const hone_parameter *parameter = parameter_of(tree, depth);
        int                   place = place_of(parameter, config->value[depth]);
        if (place < 0) return false;
        for (int i = 0; i < place; i++) {
            walk.value[depth] = parameter->values[i];
            *index += known_below(tree, &walk, depth + 1);
        }
        walk.value[depth] = config->value[depth];
        if (!known_below(tree, &walk, depth + 1)) return false;
    }
    return true;
}

void hone_space_tree_draw(const hone_space_tree *tree, hone_random *random, hone_config *out)
{
    hone_space_tree_at(tree, hone_random_below(random, tree->count), out);
}

/* Values from `depth` on: the one wished for, or the nearest below which there is anything. */
static void settle(const hone_space_tree *tree, const hone_config *wish, int depth, hone_config *config)
{
    for (; depth < tree->depth; depth++) {
        const hone_parameter *parameter = parameter_of(tree, depth);
        int                   wished = place_of(parameter, wish->value[depth]);
        if (wished < 0) wished = place_of(parameter, parameter->standard);
        for (int away = 0; away < parameter->count; away++) {
            if (wished + away < parameter->count) {
                config->value[depth] = parameter->values[wished + away];
                if (known_below(tree, config, depth + 1)) break;
            }
            if (wished - away < 0) continue;
            config->value[depth] = parameter->values[wished - away];
            if (known_below(tree, config, depth + 1)) break;
        }
    }
}

void hone_space_tree_repair(const hone_space_tree *tree, const hone_config *wish, hone_config *out)
{
    hone_config config = {{0}};
    settle(tree, wish, 0, &config);
    *out = config;
}

static bool is_among(const hone_config *list, int count, const hone_config *config)
{
    for (int i = 0; i < count; i++)
        if (!memcmp(&list[i], config, sizeof *config)) return true;
    return false;
}

int hone_space_tree_neighbours(const hone_space_tree *tree, const hone_config *config, bool far, hone_config *out,
                               int cap)
{
    int count = 0;
    for (int depth = 0; depth < tree->depth; depth++) {
        const hone_parameter *parameter = parameter_of(tree, depth);
        int                   here = place_of(parameter, config->value[depth]);
        for (int up = 0; up < 2; up++)
            for (int i = up ? here + 1 : here - 1; i >= 0 && i < parameter->count; i += up ? 1 : -1) {
                hone_config other = *config;
                other.value[depth] = parameter->values[i];
                if (!known_below(tree, &other, depth + 1)) continue;
                settle(tree, config, depth + 1, &other);
                if (count < cap && !is_among(out, count, &other)) out[count++] = other;
                if (!far && !parameter->names) break;
            }
    }
    return count;
}
