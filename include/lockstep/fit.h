/** The fit of a batch-size study: how steps to target fall with the batch size, with intervals.
 *
 * Model: S(B) = S_min (1 + B_crit / B), the same curve as a + b / B with a = S_min and b = S_min B_crit = E_min; E(B) =
 * B S(B) = E_min (1 + B / B_crit).  Source: McCandlish et al., arXiv 1812.06162.  Least squares on log S (of the mean
 * of log S per batch size, weighted by its runs); a run that did not reach the target enters by the likelihood of the
 * interval (cap, infinity).  Primary intervals: Student t on the log scale with the variance pooled within batch sizes.
 * Nothing here is collective; steps are parameter updates, batch sizes samples of the global batch. */
#ifndef LOCKSTEP_FIT_H
#define LOCKSTEP_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

/** One run. */
typedef struct ls_fit_point {
    int64_t batch_size; /* >= 1 */
    double steps;       /* > 0: steps to target, or the cap of a censored run */
    int64_t seed;       /* names the run; the fit does not use it */
    bool censored;      /* the target was not reached within `steps` */
} ls_fit_point;

/** A number with its 95 % interval; without one low and high are NaN. */
typedef struct ls_estimate {
    double value, low, high;
} ls_estimate;

/** The runs of one batch size.  A censored run ranks behind all others: a median or bound in its place is INFINITY. */
typedef struct ls_fit_batch {
    int64_t batch_size;
    int n, n_censored;  /* runs, and those among them that did not reach the target */
    ls_estimate median; /* with the order-statistic interval, and: */
    double coverage;    /* of that interval; below 0.95 with fewer than 6 runs (5: 0.9375; 1: 0, and none) */
    double mean_log;    /* of log S, censored runs by interval likelihood; NaN when all are censored */
    double cap;         /* the longest censored run; NaN without one */
    double fitted;      /* steps on the curve; NaN without a fit */
} ls_fit_batch;

enum { LS_FIT_VERDICT = 256 };

typedef struct ls_fit {
    int64_t n_points, n_censored;
    int n_batches;         /* distinct batch sizes */
    ls_fit_batch *batches; /* [n_batches], ascending, owned */

    bool identified;              /* B_crit can be trusted to exist in the data */
    char verdict[LS_FIT_VERDICT]; /* a sentence: "B_crit identified ...", or "B_crit not identified: ..." with why */

    bool estimated; /* at least 3 batch sizes reached the target; all below is NaN or 0 otherwise */
    /** Data without a bend: no intervals, and B_crit at the end of the search, 1100 times beyond the batch sizes. */
    ls_estimate s_min, b_crit, e_min; /* a = s_min.value, b = e_min.value */
    double sigma;                     /* standard deviation of log S of one run */
    double df, t95;                   /* its degrees of freedom, and Student's t for 95 % (NaN at df 0: no intervals) */
    bool pooled;                      /* sigma within batch sizes; false: few repeats, residuals about the curve */
    double cov[3];                    /* of (log S_min, log B_crit): [ss, sc, cc]; NaN without intervals */

    ls_estimate b_linear;   /* steps 20 % above linear scaling from 256: b/(5a) + 1.2 * 256, Zhang arXiv 2410.21676 */
    ls_estimate b_near_min; /* steps 10 % above S_min: 10 B_crit */

    double leave_one_out_low, leave_one_out_high; /* B_crit with one batch size left out; NaN below 4 batch sizes */
    int64_t leave_one_out_batch;                  /* the batch size whose absence moves B_crit most; 0: none */

    ls_estimate alpha; /* lack of fit: S = a + b / B^alpha; NaN below 4 batch sizes or where it does not settle */
    double alpha_p;    /* two-sided p of alpha = 1 (F of the drop in deviance) */

    int n_bootstrap;                                 /* resamples of the runs within batch sizes; 0: too few repeats */
    ls_estimate boot_s_min, boot_b_crit, boot_e_min; /* medians and percentile intervals: a cross-check only */
} ls_fit;

typedef struct ls_fit_options {
    int n_bootstrap;    /* resamples; 0: none */
    uint64_t seed;      /* of the resampling */
    bool estimate_only; /* S_min, B_crit, E_min, sigma and intervals alone: the running fit of a study */
} ls_fit_options;

/** Fits n points in any order; too few or one-sided points are not an error but a verdict.  Bits depend on the multiset
 *  of points only through its sorted order (batch size, censored last, steps).  options NULL: 1000 resamples, seed 1,
 *  everything computed.  The caller destroys *out.  LS_EDATA: a point out of range; LS_ENOMEM. */
ls_status ls_fit_create(const ls_fit_point *points, int64_t n, const ls_fit_options *options, ls_fit **out);
void ls_fit_destroy(ls_fit **fit);

/** Steps on the fitted curve at a batch size > 0 with the pointwise 95 % band of the curve (not of single runs).
 *  Samples are B times these.  All NaN when not fit->estimated; NaN band without intervals. */
ls_estimate ls_fit_steps(const ls_fit *fit, double batch_size);

/** Adds a fit as one JSON object to a text of base/text.h: keys as the fields above, and a, b, variance ("pooled" or
 *  "residual"), leave_one_out {low, high, batch_size}, bootstrap {s_min, b_crit, e_min, resamples}; an estimate is
 * {value, low, high}; not-a-number and infinity are null. */
struct ls_text;
void ls_fit_json(const ls_fit *fit, struct ls_text *out);

LS_END_DECLS

#endif
