/** A batch-size study: how many iterations each global batch size needs to reach a target, tuned at every size.
 *
 * The policy is a pure function of the trial records: replay walks the study's canonical, sequential order and says
 * which trials it still needs, or the result.  So a study may be killed, continued, run by many workers or on any
 * number of ranks, and ends with the same numbers.  Sources: Shallue et al. 2019 (protocol, statuses), McCandlish et
 * al. 2018 (curve), MLPerf (seeds, censoring). */
#ifndef LOCKSTEP_STUDY_H
#define LOCKSTEP_STUDY_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

enum { LS_STUDY_MAX_SIZES = 64, LS_STUDY_MAX_TARGETS = 8, LS_STUDY_MAX_SEEDS = 64 };

/** How the learning rate of a batch size is found: tuned at that size, or by a rule from the base size's optimum. */
typedef enum ls_study_arm { LS_ARM_TUNED, LS_ARM_FIXED, LS_ARM_LINEAR, LS_ARM_SQRT, LS_N_ARMS } ls_study_arm;

typedef enum ls_study_search { LS_SEARCH_GRID, LS_SEARCH_SOBOL } ls_study_search;

/** The study file, completed with its defaults. */
typedef struct ls_study_settings {
    int n_sizes;
    int64_t size[LS_STUDY_MAX_SIZES]; /* global batch sizes, ascending */
    int n_targets;
    double target[LS_STUDY_MAX_TARGETS];        /* validation errors, descending: the last is the strictest */
    int64_t n_samples;                          /* of the training set */
    int64_t n_seeds, tuning_seed, scoring_seed; /* scoring runs a size; first seed of each kind: they never meet */
    bool vary_init, vary_order;                 /* which seeds a scoring run changes; one at least if n_seeds > 1 */
    ls_study_search search;
    double lr_start, lr_min, lr_max;                /* the grid's first point at the first size tuned, and its bounds */
    int64_t sobol_trials;                           /* of a size */
    double momentum_min, momentum_max;              /* sobol: 1 - momentum is log-uniform between; NaN: not searched */
    bool arm[LS_N_ARMS];                            /* which are run; the tuned one always */
    int64_t base_size;                              /* of the rules; 0: a small one, size[(n_sizes - 1) / 4] */
    double cap_factor, race_factor, diverge_factor; /* 4, 1.6, 10 */
    int64_t max_iterations, max_epochs;             /* of any trial, one of them at least; 0: none */
    int64_t looks;                                  /* evaluations to the target that are aimed at, 64 */
    int64_t min_looks;                              /* tuning with fewer to the target is done again; warned of; 16 */
    double first_epochs;                            /* the target is guessed to take until a size is tuned; 4 */
} ls_study_settings;

/** What a trial is: everything its trajectory depends on, besides the base configuration. */
typedef struct ls_trial_key {
    int64_t global_batch_size;
    double lr, momentum; /* momentum NaN: the configuration's */
    int64_t init_seed, order_seed;
    int64_t look_every; /* iterations between evaluations; another value is another key */
} ls_trial_key;

/** Validation means after `iteration` updates (0: initial). */
typedef struct ls_look {
    int64_t iteration;
    double error, loss;
    double test_error;  /* NaN but at a first crossing of a target */
    double noise_scale; /* B_simple of the window at this look; NaN: undetermined */
    double noise_se;    /* its standard error; NaN with it */
} ls_look;

/** A recorded trial: the trajectory of its key up to `iterations`; a longer or shorter cap of the same key cuts or
 *  extends it and never changes what is there. */
typedef struct ls_trial {
    ls_trial_key key;
    int64_t iterations; /* run; it ended there by its cap, the strictest target or divergence */
    bool diverged;      /* not finite, or a loss above diverge_factor times the initial one */
    int n_looks;        /* at 0, look_every, 2 look_every, ... up to iterations */
    ls_look *look;      /* owned by who made the record */
    double seconds;     /* of training, without evaluation; never used by the policy */
    int n_ranks;        /* that ran it; never used by the policy */
} ls_trial;

typedef enum ls_trial_status {
    LS_TRIAL_COMPLETE,   /* reached the strictest target */
    LS_TRIAL_CENSORED,   /* ran to its cap without */
    LS_TRIAL_INCOMPLETE, /* abandoned in tuning: another learning rate was faster */
    LS_TRIAL_INFEASIBLE  /* diverged */
} ls_trial_status;

/** A trial that the policy needs: run `key` until the strictest target, divergence or `cap` iterations. */
typedef struct ls_want {
    ls_trial_key key;
    int64_t cap;      /* a multiple of look_every; of speculation perhaps less than will be needed */
    int64_t expected; /* iterations it will take, as far as the size's tuning or its neighbour's tells; at most cap */
    ls_study_arm arm;
    bool scoring; /* else tuning */
} ls_want;

/** One scored run of a size. */
typedef struct ls_score {
    int64_t init_seed, order_seed, cap;
    ls_trial_status status;
    int64_t steps[LS_STUDY_MAX_TARGETS]; /* first look below each target; -1: not reached within the cap */
    double test_error;                   /* at the strictest target's crossing; NaN */
    const ls_trial *trial;               /* borrowed from the records */
} ls_score;

/** One learning rate tried at a size. */
typedef struct ls_probe {
    double lr, momentum;
    ls_trial_status status;
    int64_t steps; /* to the strictest target; -1 */
    int64_t cap;
    double best_error; /* seen within the cap */
    const ls_trial *trial;
} ls_probe;

/** What is known of a size under an arm. */
typedef struct ls_size_result {
    int64_t size, look_every;
    double lr,
        momentum; /* chosen: the fastest, or of the lowest error where none reached the target; NaN: all diverged */
    bool tuned;   /* false: the optimum lies at the search's edge, or none; kept out of the fit (UNTUNED);
                     under a rule: the base size's */
    int n_probes;
    ls_probe *probe; /* ascending learning rates; of the last search, where coarse looks made it search again; owned */
    int n_scores;
    ls_score *score;   /* [n_seeds] when complete; owned */
    double best_error; /* lowest validation error seen at this size; NaN */
    bool done;         /* tuned and scored, as all sizes canonically before it: nothing of this is provisional */
} ls_size_result;

typedef struct ls_study_state {
    bool done;
    int n_wants; /* in canonical order: the first is needed for certain, the rest is speculation; 0 when done */
    ls_want *want;
    int n_sizes[LS_N_ARMS];
    ls_size_result *size[LS_N_ARMS]; /* ascending sizes, filled as far as the records go */
    double s_min, b_crit;            /* of the running fit of the tuned arm at the strictest target; NaN: none yet */
} ls_study_state;

/** Where the study stands, from its settings and records (in any order; keys are unique).  Pure.  The caller destroys
 *  the state before the records.  At most `max_wants` wants, >= 1.  LS_ENOMEM; LS_EUSAGE for
 *  settings that make no study. */
ls_status ls_study_replay(const ls_study_settings *settings, const ls_trial *trials, int n_trials, int max_wants,
                          ls_study_state *out);
void ls_study_state_destroy(ls_study_state *state);

#endif
