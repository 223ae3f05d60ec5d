/** The curve of a fit and its solver.
 *
 * Curve: log S(B) = s + log(1 + exp(alpha (c - log B))): s = log S_min, c = log B_crit, alpha = 1 unless it is free.
 * Minimised: D = sum of w (y - mu)^2 over runs that reached the target - 2 sigma^2 sum of log P(Z > (y - mu) / sigma)
 * over censored ones, which is -2 sigma^2 times the log likelihood.  Not collective. */
#ifndef LOCKSTEP_STUDY_FIT_SOLVE_H
#define LOCKSTEP_STUDY_FIT_SOLVE_H

#include <stdbool.h>

typedef struct ls_fit_term {
    double log_b, y; /* y: log of steps, or mean of it, or log of a cap */
    double weight;   /* runs */
    bool censored;
} ls_fit_term;

typedef struct ls_curve {
    double s, c, alpha;
    double deviance;      /* D at the solution */
    double inverse[3][3]; /* of the information / sigma^2: covariance = sigma^2 * inverse; [n_free][n_free] */
    bool settled;         /* the solver converged away from the ends of its range */
} ls_curve;

/** log S at log_b. */
double ls__curve_at(const ls_curve *curve, double log_b);

/** Fits s and c (alpha = 1) to n terms, of which two or more batch sizes reached the target.  sigma > 0 matters to
 *  censored terms alone. */
void ls__curve_fit(const ls_fit_term *terms, int n, double sigma, ls_curve *out);

/** Frees alpha, starting from a fit. */
void ls__curve_fit_alpha(const ls_fit_term *terms, int n, double sigma, const ls_curve *start, ls_curve *out);

#endif
