/** States of trials that are cut, so that a trial longer than a job goes on in the next one, on the same worker or
 *  another (P4: with the same bits): DIRECTORY/partial/<trial's name>/ckpt-N.safetensors.  The record of the trial is
 *  put into the store before its state is saved: a state is never ahead of its record. */
#ifndef LOCKSTEP_STUDY_PARTIAL_H
#define LOCKSTEP_STUDY_PARTIAL_H

#include "lockstep/job.h"
#include "lockstep/study.h"

/** Where the states of a trial of the study in `directory` are; owned by the caller, NULL without memory. */
char *ls_partial_place(const char *directory, const ls_trial_key *key);

/** Cuts rank 0's record (NULL elsewhere, or when there is none) to the newest state kept for it and gives all ranks the
 *  result: iterations, seconds and looks (owned, also after a failure) into *out, and the path of the state (owned).
 *  *state is NULL when there is none that is whole: the trial begins anew.  Collective; errors are agreed. */
ls_status ls_partial_find(const ls_job *job, const char *place, const ls_trial *record, ls_trial *out, char **state);

/** Removes the states of a trial, and those of all trials of a study.  Not collective. */
void ls_partial_remove(const char *place);
void ls_partial_clear(const char *directory);

#endif
