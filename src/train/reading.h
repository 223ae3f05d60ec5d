/** Reading the gradient noise scale from a run's own gradients, every so many iterations.
 *
 * The groups are the shards, or for a single shard the halves of the batch.  Every group's gradient is whole at one
 * rank, which leaves its |g_i|^2 in the shard's record: the exchange brings it to all ranks with the losses, added in
 * tree order (P2).  An iteration that is read gives the same training bits as one that is not. */
#ifndef LOCKSTEP_TRAIN_READING_H
#define LOCKSTEP_TRAIN_READING_H

#include "lockstep/layer.h"
#include "lockstep/plan.h"

struct ls_trainer;

/** Part of a trainer. */
typedef struct ls_reading {
    int64_t every;  /* iterations from one to the next; 0: none */
    bool now;       /* the iteration at hand is read */
    float *scratch; /* [n_floats] for a gradient that has no buffer of its own; NULL where this rank has none such */
} ls_reading;

/** Decides how often, and makes room.  Not collective; LS_ENOMEM. */
ls_status ls__reading_create(struct ls_trainer *trainer);
void ls__reading_destroy(struct ls_trainer *trainer);

/** Before the gradients of an iteration: decides whether it is read, the same on every rank. */
void ls__reading_begin(struct ls_trainer *trainer, const ls_batch *batch, int64_t completed);

/** Pairs share buffers, so that in this iteration each run, which then is a whole shard, is computed by itself between
 *  these two: a right leaf goes to the scratch, and is added to its left neighbour after its norm was taken. */
bool ls__reads_by_leaf(const struct ls_trainer *trainer);
void ls__reading_leaf_begin(struct ls_trainer *trainer, ls_run *run);
void ls__reading_leaf_end(struct ls_trainer *trainer, const ls_run *run);

/** Norms of this rank's shards, whose gradients lie complete in their buffers. */
void ls__reading_shards(struct ls_trainer *trainer, const ls_batch *batch);

/** The single shard is here and its halves are to be read: rows of the first; 0: not so. */
int64_t ls__reading_half(const struct ls_trainer *trainer, const ls_batch *batch);
/** Norms of both halves, the gradient of the first being in the scratch. */
void ls__reading_halves(struct ls_trainer *trainer, const ls_batch *batch);

/** After the exchange: the groups' and the batch's gradient squares become a reading in the run's window. */
void ls__reading_take(struct ls_trainer *trainer, const ls_batch *batch, double squares_total);

#endif
