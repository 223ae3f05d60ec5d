/** The one order in which shard sums are added: a binary tree over n leaves, a run of which splits at the largest power
 *  of two below its length (the Merkle-tree split of RFC 6962).  Nothing here is collective. */
#ifndef LOCKSTEP_COMM_TREE_H
#define LOCKSTEP_COMM_TREE_H

#include <stdint.h>

#include "lockstep/status.h"

/** A run of leaves [first, end): a leaf, or a node of the tree. */
typedef struct ls_leaves {
    int first, end;
} ls_leaves;

/** Leaves of the left child of a node with n >= 2 leaves. */
int ls_tree_split(int n);

/** The fewest tree nodes that make up the leaves `part` of a tree over n leaves, in order, into out; at most 64.
 *  Returns their number. */
int ls_tree_cover(int n, ls_leaves part, ls_leaves out[64]);

/** Adds the values of leaves [0, n) in tree order; stride in doubles between two leaves. */
double ls_tree_sum(const double *leaf, int n, int stride);

/** A sum over vectors, compiled: which sources are added into which buffers, in order. */
typedef struct ls_sum ls_sum;

/** The sum of the tree node `node` from sources that are tree nodes inside it and together make it up. */
ls_status ls_sum_create(ls_leaves node, const ls_leaves *sources, int n_sources, ls_sum **out);
void ls_sum_destroy(ls_sum **sum);

/** Buffers of n floats that ls_sum_run needs at most. */
int ls_sum_n_buffers(const ls_sum *sum);

/** A source vector: data holds its elements from `base` on. */
typedef struct ls_source {
    float *data;
    int64_t base;
} ls_source;

/** Adds elements [first, first + n) of the sources.  Buffers lie one after the other in `buffers`, n floats each.
 *  Returns where the result is: in a buffer, or a single source itself. */
float *ls_sum_run(const ls_sum *sum, const ls_source *sources, int64_t first, int64_t n, float *buffers);

#endif
