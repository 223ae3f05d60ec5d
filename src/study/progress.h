/** The progress line of a study.  Rank 0 of the job only. */
#ifndef LOCKSTEP_STUDY_PROGRESS_H
#define LOCKSTEP_STUDY_PROGRESS_H

#include "study/run.h"

typedef struct ls_progress_line {
    const ls_study *study;
    bool shown, fresh; /* a size was finished since the last line */
    double printed_s;
    int n_trials, n_done, n_parts;           /* a part is a batch size of an arm */
    double rank_seconds, first_rank_seconds; /* trained: in all, and before this process */
    double s_min, b_crit;
} ls_progress_line;

void ls_progress_start(ls_progress_line *line, const ls_study *study, bool shown);

/** Takes note of where the study stands, by the records of the store: done is a trial that is not wanted any further.
 */
void ls_progress_take(ls_progress_line *line, const ls_study_state *state, const ls_store *store);

/** Prints a line when one is due: after a finished size, else every 10 seconds. */
void ls_progress_show(ls_progress_line *line, const ls_store *store);

#endif
