/** Forward passes over whole data sets, for evaluation and prediction.  A set is cut into chunks of `chunk` rows from
 *  its start, the chunks are dealt to ranks, and their sums are added in chunk order, so every sample counts once and
 *  the bits do not depend on the rank count (P2, P3). */
#ifndef LOCKSTEP_TRAIN_SCORER_H
#define LOCKSTEP_TRAIN_SCORER_H

#include "lockstep/dataset.h"
#include "lockstep/job.h"
#include "lockstep/loss.h"
#include "lockstep/network.h"
#include "lockstep/trainer.h"
#include "train/classes.h"

typedef struct ls_scorer {
    const ls_job *job;
    const ls_network *network;
    ls_executor *executor; /* for at least `chunk` rows */
    const ls_loss *loss;
    const ls_normalizer *normalizer;
    int64_t chunk;
    int64_t *ids;        /* [chunk] */
    ls_classes *classes; /* borrowed; counts this rank's samples in evaluations; NULL: no counts */
} ls_scorer;

/** Borrows everything.  Not collective. */
ls_status ls_scorer_create(const ls_job *job, const ls_network *network, ls_executor *executor, const ls_loss *loss,
                           const ls_normalizer *normalizer, int64_t chunk, ls_scorer **out);
void ls_scorer_destroy(ls_scorer **scorer);

/** Outputs [n, n_out] of samples [first, first + n) of a set, n <= chunk; valid until the next pass.  Not collective.
 */
const float *ls_scorer_forward(ls_scorer *scorer, const float *params, const ls_dataset *set, int64_t first, int64_t n);

/** Means over the whole set, the same on all ranks.  Collective; errors are agreed. */
ls_status ls_scorer_evaluate(ls_scorer *scorer, const float *params, const ls_dataset *set, ls_evaluation *out);

#endif
