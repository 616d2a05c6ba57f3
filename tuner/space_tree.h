/* The legal configurations of one kernel for one request, as a tree: parameters are decided in order, and a branch is
 * built only where no constraint speaks against it. So a space is counted, drawn from, enumerated and walked without
 * ever making a configuration that is refused.
 *
 *     tile         14x32          8x48     (4x8 is refused here: the branch does not exist)
 *                 /     \        /    \
 *     mc        112     224    112    448  (224 and 336 mean the same as 112 there: 112 stands for them)
 *
 * Of configurations that mean the same only the one that stands for them is in it (kernels/kernel.h, hone_sameness).
 * Branches below a node depend on the values that later constraints read, and on no others; each different one is
 * counted once. */
#ifndef HONE_TUNER_SPACE_TREE_H
#define HONE_TUNER_SPACE_TREE_H

#include "base/random.h"
#include "kernels/kernel.h"

typedef struct hone_space_tree hone_space_tree;

/* Request and kernel are borrowed until it is closed. The kernel must take the request. HONE_ERROR_OVERFLOW: more
 * configurations than 63 bits count. */
hone_status hone_space_tree_open(const hone_request *request, const hone_kernel *kernel, hone_space_tree **out);
void        hone_space_tree_close(hone_space_tree *tree);

/* How many configurations there are; 1 for a kernel with nothing to tune. */
uint64_t hone_space_tree_count(const hone_space_tree *tree);
/* The configuration of this number, below the count: in the order of parameters and of their values. */
void hone_space_tree_at(const hone_space_tree *tree, uint64_t index, hone_config *out);
/* The number of this configuration; false: it is none of them. */
bool hone_space_tree_find(const hone_space_tree *tree, const hone_config *config, uint64_t *index);
/* One of them, each as likely as any other; there must be one. */
void hone_space_tree_draw(const hone_space_tree *tree, hone_random *random, hone_config *out);

/* The configurations that differ from this one (which is in the tree) in one parameter: by one step, that is the next
 * value above and below with which anything is legal, or any value that has a name; `far`: by any value. Later
 * parameters keep their values where they can, and else take the nearest with which they can. How many, at most `cap`;
 * none twice. */
int hone_space_tree_neighbours(const hone_space_tree *tree, const hone_config *config, bool far, hone_config *out,
                               int cap);
/* This configuration, or one with its values as far as they go together, nearest ones otherwise. There must be one. */
void hone_space_tree_repair(const hone_space_tree *tree, const hone_config *wish, hone_config *out);

#endif
