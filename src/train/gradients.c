/* Where this rank's shards leave their gradients, and the order in which these become sums of subtrees: the first leaf
 * of a subtree writes into the exchange's buffer, the others into private memory, and each node of the tree is added as
 * soon as its right child is complete. */
#include "base/mem.h"
#include "comm/tree.h"
#include "math/vec.h"
#include "train/trainer_internal.h"

/* Gradients lie an odd number of cache lines apart, so that equal elements fall into different sets. */
enum { STAGGER = 17 * LS_ALIGNMENT_FLOATS };

bool ls__is_right(const ls_trainer *t, int shard)
{
    return t->pairs && shard % 2 == 1 && shard > ls_exchange_first_shard(t->exchange);
}

/* Nodes of the tree below `node` that this rank has whole, children first; pairs are merged by their products. */
static void list_merges(ls_trainer *t, ls_leaves node)
{
    const int first = ls_exchange_first_shard(t->exchange), end = first + ls_exchange_n_shards(t->exchange);
    if (node.end - node.first < 2 || node.end <= first || end <= node.first) return;
    const int middle = node.first + ls_tree_split(node.end - node.first);
    list_merges(t, (ls_leaves){node.first, middle});
    list_merges(t, (ls_leaves){middle, node.end});
    const bool whole = first <= node.first && node.end <= end;
    if (whole && !(node.end - node.first == 2 && ls__is_right(t, middle)))
        t->merges[t->n_merges++] = (ls_merge){node.end - 1 - first, node.first - first, middle - first};
}

ls_status ls__create_gradients(ls_trainer *t)
{
    const int first = ls_exchange_first_shard(t->exchange), n = ls_exchange_n_shards(t->exchange);
    const size_t stride = (size_t)ls_network_n_floats(t->network) + STAGGER;
    size_t n_private = 0;
    for (int s = first; s < first + n; s++)
        n_private += ls_exchange_gradient(t->exchange, s) == NULL && !ls__is_right(t, s);
    t->gradients = ls_calloc((size_t)n, sizeof *t->gradients);
    t->merges = ls_calloc((size_t)n, sizeof *t->merges);
    t->private_gradients = ls_calloc(n_private * stride, sizeof(float));
    LS_REQUIRE(t->gradients && t->merges && t->private_gradients, LS_ENOMEM, "out of memory for gradients");
    float *next = t->private_gradients;
    for (int s = 0; s < n; s++) {
        t->gradients[s] =
            ls__is_right(t, first + s) ? t->gradients[s - 1] : ls_exchange_gradient(t->exchange, first + s);
        if (t->gradients[s] != NULL) continue;
        t->gradients[s] = next;
        next += stride;
    }
    list_merges(t, (ls_leaves){0, (int)t->plan.n_shards});
    return LS_OK;
}

void ls__merge_gradients(ls_trainer *t)
{
    for (const ls_merge *m = t->merges; m < t->merges + t->n_merges; m++)
        ls_vec_add(ls_network_n_floats(t->network), t->gradients[m->into], t->gradients[m->from],
                   t->gradients[m->into]);
}
