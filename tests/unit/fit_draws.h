/* Draws of steps to target from a known hyperbola with log-normal noise, for the tests of the fit. */
#ifndef LOCKSTEP_TESTS_UNIT_FIT_DRAWS_H
#define LOCKSTEP_TESTS_UNIT_FIT_DRAWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "lockstep/fit.h"
#include "lockstep/rng.h"

enum { MAX_DRAWN = 128 };

typedef struct design {
    int n_batches, n_seeds, first, ratio; /* batch sizes first, first * ratio, ... */
    double s_min, b_crit, alpha, sigma;
    double cap; /* runs longer than this are censored; 0: none */
} design;

/* log of the true steps, written apart from the code under test */
static double truth(const design *d, double batch_size)
{
    return log(d->s_min * (1.0 + pow(d->b_crit / batch_size, d->alpha)));
}

/* Points of draw `draw` into out; returns their number. */
static int draw_points(const design *d, uint64_t draw, ls_fit_point out[MAX_DRAWN])
{
    int n = 0;
    int64_t batch_size = d->first;
    for (int b = 0; b < d->n_batches; b++, batch_size *= d->ratio)
        for (int seed = 0; seed < d->n_seeds; seed++, n++) {
            const double noise = d->sigma * ls_rng_normal(ls_rng_key(97, LS_STREAM_SYNTHETIC), draw, (uint64_t)n);
            const double steps = exp(truth(d, (double)batch_size) + noise);
            const bool censored = d->cap > 0 && steps > d->cap;
            out[n] = (ls_fit_point){batch_size, censored ? d->cap : steps, seed, censored};
        }
    return n;
}

static ls_fit *fit_points(const ls_fit_point *points, int n, const ls_fit_options *options)
{
    ls_fit *fit;
    if (ls_fit_create(points, n, options, &fit) != LS_OK) fail_msg("%s", ls_status_message());
    return fit;
}

static const ls_fit_options only_estimates = {.estimate_only = true};
static const ls_fit_options no_bootstrap = {.n_bootstrap = 0};

static inline bool covers(const ls_estimate *e, double value)
{
    return e->low <= value && value <= e->high;
}

static inline void assert_close(const char *what, double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("%s: found %.12g, expected %.12g within %g", what, found, expected, relative);
}

#endif
