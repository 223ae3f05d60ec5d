/** The pace of each rank: which one keeps the others waiting for a whole run. */
#ifndef LOCKSTEP_TRAIN_PACE_H
#define LOCKSTEP_TRAIN_PACE_H

#include "lockstep/trainer.h"

typedef struct ls_pace {
    double compute_s, rows; /* of this rank: forward and backward, less waiting; rows of its batches */
    double *all;            /* [size][2] of all ranks, then [size] scratch */
    int *counts;            /* [size] */
} ls_pace;

/** Not collective.  LS_ENOMEM. */
ls_status ls_pace_create(int size, ls_pace *out);
void ls_pace_destroy(ls_pace *pace);

/** The slow rank of all, in a training of training_s seconds.  Collective. */
ls_slow_rank ls_pace_gather(ls_pace *pace, const ls_job *job, double training_s);

/** The rank with the longest time a row, when that is at least a quarter above the median of the other ranks and the
 *  difference makes up a tenth of the training; shorter trainings than a second name none.  Ranks without rows do not
 *  count.  all [n][2]: seconds and rows; scratch [n].  Not collective. */
ls_slow_rank ls_pace_find(const double *all, int n, double training_s, double *scratch);

#endif
