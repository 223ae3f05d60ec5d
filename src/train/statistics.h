/** Sums over rows that layers make in training (batchnorm): kept per shard, added over all shards, and the running
 *  statistics that follow from them. */
#ifndef LOCKSTEP_TRAIN_STATISTICS_H
#define LOCKSTEP_TRAIN_STATISTICS_H

#include "lockstep/network.h"
#include "lockstep/plan.h"
#include "lockstep/reduction.h"

struct ls_trainer;

/** Part of a trainer; zero when no layer makes sums. */
typedef struct ls_statistics {
    ls_reduction *reduction;
    double **leaf; /* [this rank's shards], vectors of ls_network_n_sums */
    double *block; /* their memory */
    double *total; /* of the whole batch */
    ls_pass_sums pass;
} ls_statistics;

/** Sizes of the batches of a course: of each phase a full one and an epoch's last.  Returns their number. */
int ls__batch_sizes(const ls_course *course, int64_t sizes[2 * LS_MAX_PHASES]);

/** A network's statistics make sense for a plan: a shard is one micro-batch and has two rows, a batch two numbers a
 *  channel, and no last batch is a single sample.  LS_EUSAGE names the layer and what to change.  Not collective. */
ls_status ls_statistics_check(const ls_plan *plan, const ls_network *network);

/** Statistics over the batch need all rows of a rank, one of `size`, in one group of micro-batches: LS_EUSAGE when they
 *  exceed what runtime.memory_limit, in MB, allows.  Not collective, the same on every rank. */
ls_status ls_statistics_check_memory(const ls_plan *plan, const ls_network *network, int64_t limit_mb, int size);

/** Collective; errors are agreed. */
ls_status ls__statistics_create(struct ls_trainer *trainer);
void ls__statistics_destroy(struct ls_trainer *trainer);

/** Before the gradients of a batch: clears the sums.  Allocates nothing. */
void ls__statistics_begin(struct ls_trainer *trainer, int64_t batch_rows);

/** After them: the running statistics move by those of the batch, alike on every rank.  Allocates nothing.  Collective.
 */
void ls__statistics_end(struct ls_trainer *trainer, int64_t batch_rows);

#endif
