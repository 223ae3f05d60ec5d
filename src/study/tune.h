/** The search for a batch size's learning rate: a list of probes in the order they were made, and the best of them. */
#ifndef LOCKSTEP_STUDY_TUNE_H
#define LOCKSTEP_STUDY_TUNE_H

#include "study/policy.h"

typedef struct ls_attempt {
    ls_probe probe;
    double loss; /* at the crossing: parts equal steps */
    bool missing;
} ls_attempt;

typedef struct ls_tuning {
    ls_policy *policy;
    int64_t size, look_every, expected; /* iterations, before there is an incumbent */
    double start;                       /* the grid's first rate */
    int n, best;                        /* attempts; position of the best, the first while all are missing */
    ls_attempt *attempt;
} ls_tuning;

/** Makes one attempt under the cap that the incumbent leaves it.  LS_ENOMEM. */
ls_status ls__tuning_try(ls_tuning *tuning, double lr, double momentum);

/** The two searches. */
ls_status ls__tune_grid(ls_tuning *tuning);
ls_status ls__tune_sobol(ls_tuning *tuning);

/** Point i >= 1 of the two-dimensional Sobol sequence, both in (0, 1). */
void ls__sobol_point(uint32_t i, double out[2]);

#endif
