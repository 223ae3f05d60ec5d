/** Parts of what a study writes.  Not collective. */
#ifndef LOCKSTEP_STUDY_RESULTS_H
#define LOCKSTEP_STUDY_RESULTS_H

#include "study/run.h"

/** A scored or tuning run of the canonical result. */
typedef struct ls_study_row {
    ls_study_arm arm;
    const ls_size_result *size;
    const ls_trial *trial; /* cut at cap */
    bool scoring;
    ls_trial_status status;
    int64_t cap, iterations;
    int64_t steps[LS_STUDY_MAX_TARGETS]; /* -1: not reached */
    double test_error;
} ls_study_row;

/** Visits the rows in canonical order: arms, sizes, tuning by learning rate, scoring by seed. */
typedef void ls_study_visit(void *context, const ls_study_row *row);
void ls_study_each(const ls_study *study, const ls_study_state *state, ls_study_visit *visit, void *context);

/** Adds the objects "fits", of one arm, and "times" and "choice" of results.json.  LS_ENOMEM. */
ls_status ls_study_fits_json(const ls_study *study, const ls_study_state *state, ls_study_arm arm, ls_text *out);
void ls_study_times_json(const ls_study *study, const ls_study_state *state, const ls_study_time *times, int n,
                         ls_text *out);

/** Writes export/<dataset>/<model>/<optimizer>/<batch size>/, as Shallue et al. published their measurements. */
ls_status ls_study_export(const ls_study *study, const ls_study_state *state);

#endif
