/** One trial: a run of a study's base configuration at one key, looked at on its grid. */
#ifndef LOCKSTEP_STUDY_TRIAL_H
#define LOCKSTEP_STUDY_TRIAL_H

#include "lockstep/job.h"
#include "study/file.h"

struct ls_data;

/** Where a trial runs, and who is told about it; all is borrowed. */
typedef struct ls_trial_place {
    const ls_job *job;
    const ls_study_file *file;
    const struct ls_data *data; /* of the whole process, shared by all its trials */
    /** Called on rank 0 of the job after each iteration, and after each look (`look`), whose answer is the cap from
     * then on: no more than so_far->iterations ends the trial.  NULL: nobody. */
    int64_t (*tick)(void *context, const ls_trial *so_far, bool look, int64_t cap);
    void *context;
} ls_trial_place;

/** Runs a trial until the strictest target, divergence or `cap` iterations, as `tick` may move them.
 *  Evaluation is off the clock; the test set is used at the first crossing of a target only.  Its bits do not depend on
 *  the ranks.  The caller frees out->look.  Collective; errors are agreed. */
ls_status ls_trial_run(const ls_trial_place *place, const ls_trial_key *key, int64_t cap, ls_trial *out);

/** First look below `target` among those up to `cap`, as iteration; -1. */
int64_t ls_trial_steps(const ls_trial *trial, double target, int64_t cap);

void ls_trial_destroy(ls_trial *trial);

#endif
