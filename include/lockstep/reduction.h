/** Reduction points: sums of all shards, wanted in the middle of an iteration, between two layers (statistics over the
 *  whole batch).  Every rank takes part, also one without shards.  Not an exchange of gradients: a few hundred doubles,
 *  which every rank gets and adds itself, in tree order, so that all have the same bits (P2).  On one node they lie in
 *  node memory and a reduction is one barrier; between nodes they are gathered by one collective. */
#ifndef LOCKSTEP_REDUCTION_H
#define LOCKSTEP_REDUCTION_H

#include "lockstep/job.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

typedef struct ls_reduction ls_reduction;

/** For sums of at most max_n doubles over n_shards shards, dealt as ls_shard_first deals them.  Borrows the job.
 *  Collective.  LS_ENOMEM on every rank. */
ls_status ls_reduction_create(const ls_job *job, int n_shards, int64_t max_n, ls_reduction **out);
void ls_reduction_destroy(ls_reduction **reduction);

/** total[i] = the sum over all shards of element first + i, for i in [0, n), in tree order; leaf[s] is the vector of
 * this rank's s-th shard.  Allocates nothing.  Collective; first and n are the same everywhere. */
void ls_reduction_run(ls_reduction *reduction, double *const *leaf, int64_t first, int64_t n, double *total);

LS_END_DECLS

#endif
