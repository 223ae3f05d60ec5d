/** The parts of the policy.  All of it walks the study's canonical, sequential order over an index of the records; a
 *  trial without a (long enough) record is taken down as wanted, counts as worse than any other, and the walk goes on:
 *  what it asks for after its first gap is speculation, by the same code and without a second set of rules. */
#ifndef LOCKSTEP_STUDY_POLICY_H
#define LOCKSTEP_STUDY_POLICY_H

#include "lockstep/fit.h"
#include "lockstep/study.h"

/** What the cut of a trial at a cap shows. */
typedef struct ls_outcome {
    ls_trial_status status; /* COMPLETE, INFEASIBLE or CENSORED */
    bool missing;           /* no record, or one too short: the rest is empty */
    int64_t cap, steps[LS_STUDY_MAX_TARGETS];
    double loss, test_error; /* at the crossing of the strictest target; NaN */
    double best_error;
    const ls_trial *trial;
} ls_outcome;

typedef struct ls_policy {
    const ls_study_settings *settings;
    ls_study_state *out;
    const ls_trial **index; /* [n_trials], by key */
    int n_trials, max_wants;
    int order[LS_STUDY_MAX_SIZES];           /* the canonical order: positions in settings->size */
    int64_t tuned_steps[LS_STUDY_MAX_SIZES]; /* of the best probe, by position in settings->size; -1 */
    ls_fit_point *point;                     /* [n_sizes n_seeds], of the running fit */
    int64_t n_points;
    double s_min, b_crit;           /* NaN: no fit yet */
    int64_t fitted_from, fitted_to; /* smallest and largest size in it; 0: none */
} ls_policy;

/** Settings of which a study can be made; else LS_EUSAGE. */
ls_status ls__policy_check(const ls_study_settings *settings);

/** Sorts the records.  LS_ENOMEM. */
ls_status ls__policy_index(ls_policy *policy, const ls_trial *trials, int n_trials);

/** The outcome of a trial; when it is missing it joins the wants.  Speculative tuning is cut short where it runs longer
 *  than expected: the canonical cap will often be nearer than the one that holds before there is an incumbent. */
ls_outcome ls__policy_ask(ls_policy *policy, const ls_want *want);

/** Iterations as a cap on the grid of looks: rounded down, one look at least. */
int64_t ls__policy_grid(double iterations, int64_t look_every);

/** A trial's cap: cap_factor times the steps of the running fit (of what they are at most, for a size outside of those
 *  fitted), within max_iterations and max_epochs. */
int64_t ls__policy_cap(const ls_policy *policy, int64_t size, int64_t look_every);

/** Iterations between looks, for the steps to the target that are expected. */
int64_t ls__policy_look_every(const ls_study_settings *settings, double steps);

/** Finds the learning rate of size[i], i = order[n_before]. */
ls_status ls__policy_tune(ls_policy *policy, int n_before, ls_size_result *result);

/** Runs every scoring seed of a size whose rate is chosen. */
ls_status ls__policy_score(ls_policy *policy, ls_study_arm arm, int i, ls_size_result *result);

/** Adds a finished and tuned size to the running fit. */
ls_status ls__policy_fit(ls_policy *policy, const ls_size_result *result);

/** The arms whose rates follow a rule. */
ls_status ls__policy_arms(ls_policy *policy);

#endif
