/** The few distributions that a fit with intervals needs, in double.  Pure functions; not collective. */
#ifndef LOCKSTEP_STUDY_STATS_H
#define LOCKSTEP_STUDY_STATS_H

/** P(|T| > t) of Student's t with df > 0 degrees of freedom: I_x(df / 2, 1 / 2) at x = df / (df + t^2), the regularised
 *  incomplete beta function by its continued fraction (Abramowitz and Stegun 26.5.8, modified Lentz). */
double ls__t_two_sided(double t, double df);

/** The t with P(|T| <= t) = 0.95; NaN unless df > 0. */
double ls__t95(double df);

/** log P(Z > z) of a standard normal, and the hazard phi(z) / P(Z > z): finite and accurate for every finite z (the
 *  asymptotic series of Mills' ratio beyond z = 30). */
double ls__normal_log_tail(double z);
double ls__normal_hazard(double z);

/** Minus the second derivative of the log tail, hazard (hazard - z): between 0 and 1. */
double ls__normal_tail_curvature(double z);

/** The interval [x_(rank), x_(n + 1 - rank)] of n sorted values that covers the median of any continuous distribution
 *  with probability at least 0.95, the shortest such; rank 1 and less coverage when n < 6.  Returns the rank from 1;
 *  n >= 1.  Source: coverage 1 - 2 P(Binomial(n, 1/2) < rank). */
int ls__median_rank(int n, double *coverage);

/** The p quantile of n >= 1 sorted values, linear between neighbours (position p (n - 1)). */
double ls__quantile(const double *sorted, int n, double p);

#endif
