/** The runs of a fit in order, grouped by batch size, and what is computed from one batch size alone.  Not collective.
 */
#ifndef LOCKSTEP_STUDY_FIT_RUNS_H
#define LOCKSTEP_STUDY_FIT_RUNS_H

#include "lockstep/fit.h"
#include "study/fit_solve.h"

typedef struct ls_fit_run {
    double log_b, y; /* logs of batch size and steps */
    double steps;
    int64_t batch_size;
    bool censored;
} ls_fit_run;

typedef struct ls_fit_runs {
    int n, n_batches;
    ls_fit_run *run; /* [n], by batch size, then reached before censored, then steps */
    int *first;      /* [n_batches + 1]: runs first[b] .. first[b + 1] share a batch size */
} ls_fit_runs;

/** Checks, sorts and groups points.  The caller frees with ls__fit_runs_free, also after a failure. */
ls_status ls__fit_runs_make(const ls_fit_point *points, int64_t n, ls_fit_runs *out);
void ls__fit_runs_free(ls_fit_runs *runs);

/** Runs of batch size b that reached the target, and batch sizes with one such run or more. */
int ls__fit_n_reached(const ls_fit_runs *runs, int b);
int ls__fit_n_measured(const ls_fit_runs *runs);

/** The terms of all batch sizes but `skip` (-1: none): the mean of the runs that reached the target, and each censored
 *  run by itself.  Returns their number, at most runs->n. */
int ls__fit_terms(const ls_fit_runs *runs, int skip, ls_fit_term *out);

/** Mean of log S at batch size b by interval likelihood with standard deviation sigma; NaN when all are censored.
 *  *squares: the expected sum of squares about it. */
double ls__fit_mean(const ls_fit_runs *runs, int b, double sigma, double *squares);

/** Standard deviation of log S of a run about the means of the batch sizes, and its degrees of freedom: the runs that
 *  reached the target less their batch sizes.  With censored runs the fixed point of expected squares / (runs - batch
 *  sizes); without, the usual pooled variance.  Returns 0 at 0 degrees. */
double ls__fit_pooled_sigma(const ls_fit_runs *runs, double *df);

/** sigma from residuals about the curve: the fixed point of fitting and expected squares / (runs - 2).  Fits *curve. */
double ls__fit_residual_sigma(const ls_fit_runs *runs, const ls_fit_term *terms, int n_terms, ls_curve *curve);

/** Numbers of batch size b that need no curve: count, median, interval, cap. */
void ls__fit_describe(const ls_fit_runs *runs, int b, ls_fit_batch *out);

#endif
