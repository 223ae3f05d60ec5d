/** One trial: a run of a study's base configuration at one key, looked at on its grid. */
#ifndef LOCKSTEP_STUDY_TRIAL_H
#define LOCKSTEP_STUDY_TRIAL_H

#include "lockstep/job.h"
#include "study/file.h"

struct ls_data;

/** When rank 0 of a trial's job is asked: between two iterations, behind a look, where a save was asked for (by its
 *  answer at a step, or by a signal), or when a signal ends the job. */
typedef enum ls_trial_moment { LS_TRIAL_STEP, LS_TRIAL_LOOK, LS_TRIAL_KEEP, LS_TRIAL_STOP } ls_trial_moment;

/** What it answers. */
typedef struct ls_trial_turn {
    int64_t cap; /* from now on: no more than the iterations so far ends the trial; not read at LS_TRIAL_STEP */
    bool keep;   /* at LS_TRIAL_STEP: asks at the end of the next iteration.  Else: saves the state, which stays on disk
                    if the trial ends here; its record is in the store */
} ls_trial_turn;

/** Where a trial runs, and who is told about it; all is borrowed. */
typedef struct ls_trial_place {
    const ls_job *job;
    const ls_study_file *file;
    const struct ls_data *data; /* of the whole process, shared by all its trials */
    const char *directory;      /* the study's, for states that are kept; NULL: none are */
    const ls_trial *record;     /* rank 0: what is known of the trial, which may go on from a state; NULL: nothing */
    void (*tick)(void *context, const ls_trial *so_far, ls_trial_moment moment, ls_trial_turn *turn); /* NULL: nobody */
    void *context;
} ls_trial_place;

/** Runs a trial until the strictest target, divergence or `cap` iterations, as `tick` may move them, from its start or
 *  from the state in which it was cut.  Evaluation is off the clock; the test set is used at the first crossing of a
 *  target only.  Its bits do not depend on the ranks, nor on cuts.  The caller frees out->look.  *cut (may be NULL): it
 *  is to be gone on with from a state; the states of any other may go (ls_partial_remove) once its record is stored.
 *  Collective; errors are agreed; a state that cannot be saved is warned of. */
ls_status ls_trial_run(const ls_trial_place *place, const ls_trial_key *key, int64_t cap, ls_trial *out, bool *cut);

/** First look below `target` among those up to `cap`, as iteration; -1. */
int64_t ls_trial_steps(const ls_trial *trial, double target, int64_t cap);

void ls_trial_destroy(ls_trial *trial);

#endif
