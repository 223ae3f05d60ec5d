#include "lockstep/fit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lockstep/rng.h"
#include "study/fit_runs.h"
#include "study/stats.h"

enum { MIN_ESTIMATE = 3, MIN_SPARE = 4, MIN_POOLED_DF = 5, MIN_BATCHES = 6, MIN_BRANCH = 2 };

/* Steps of Zhang et al.'s definition: linear scaling starts from this batch size. */
#define LINEAR_FROM 256.0

static const ls_fit_options defaults = {.n_bootstrap = 1000, .seed = 1};

static const ls_estimate unknown = {NAN, NAN, NAN};

typedef struct work {
    ls_fit_runs runs;
    ls_fit_term *terms; /* [runs.n], scratch */
    ls_curve curve;
    double sigma;
} work;

/* Of a variance that rounding may have put below zero; NaN stays NaN. */
static double root(double variance)
{
    return variance < 0 ? 0 : sqrt(variance);
}

/* exp of a log value +- reach. */
static ls_estimate around(double log_value, double reach)
{
    return (ls_estimate){exp(log_value), exp(log_value - reach), exp(log_value + reach)};
}

static ls_estimate scaled(ls_estimate e, double factor, double shift)
{
    return (ls_estimate){e.value * factor + shift, e.low * factor + shift, e.high * factor + shift};
}

/* Pooled within batch sizes when there are repeats enough, else about the curve; fits the curve in both cases. */
static void fit_curve(work *w, ls_fit *fit)
{
    const int n = ls__fit_terms(&w->runs, -1, w->terms);
    w->sigma = ls__fit_pooled_sigma(&w->runs, &fit->df);
    fit->pooled = fit->df >= MIN_POOLED_DF;
    if (fit->pooled)
        ls__curve_fit(w->terms, n, w->sigma, &w->curve);
    else {
        w->sigma = ls__fit_residual_sigma(&w->runs, w->terms, n, &w->curve);
        fit->df = (double)(fit->n_points - fit->n_censored - 2);
    }
    fit->sigma = w->sigma;
    fit->t95 = ls__t95(fit->df);
}

static void set_estimates(const work *w, ls_fit *fit)
{
    const double variance = w->curve.settled ? w->sigma * w->sigma : NAN;
    const double ss = variance * w->curve.inverse[0][0], sc = variance * w->curve.inverse[0][1],
                 cc = variance * w->curve.inverse[1][1];
    fit->cov[0] = ss;
    fit->cov[1] = sc;
    fit->cov[2] = cc;
    fit->s_min = around(w->curve.s, fit->t95 * root(ss));
    fit->b_crit = around(w->curve.c, fit->t95 * root(cc));
    fit->e_min = around(w->curve.s + w->curve.c, fit->t95 * root(ss + 2 * sc + cc));
    /* steps = 1.2 linear: a + b/B = 1.2 (a + b/256) 256/B, so B = 1.2 * 256 + b/(5a); 1 + B_crit/B = 1.1 */
    fit->b_linear = scaled(fit->b_crit, 0.2, 1.2 * LINEAR_FROM);
    fit->b_near_min = scaled(fit->b_crit, 10, 0);
    for (int b = 0; b < fit->n_batches; b++)
        fit->batches[b].fitted = exp(ls__curve_at(&w->curve, w->runs.run[w->runs.first[b]].log_b));
}

/* B_crit with each measured batch size left out in turn. */
static void leave_one_out(const work *w, ls_fit *fit)
{
    double furthest = -1;
    for (int b = 0; b < fit->n_batches && ls__fit_n_measured(&w->runs) >= MIN_SPARE; b++) {
        ls_curve curve;
        if (ls__fit_n_reached(&w->runs, b) == 0) continue;
        ls__curve_fit(w->terms, ls__fit_terms(&w->runs, b, w->terms), w->sigma, &curve);
        const double b_crit = exp(curve.c), moved = fabs(curve.c - w->curve.c);
        fit->leave_one_out_low = fmin(fit->leave_one_out_low, b_crit); /* fmin of NaN and x is x */
        fit->leave_one_out_high = fmax(fit->leave_one_out_high, b_crit);
        if (moved <= furthest) continue;
        furthest = moved;
        fit->leave_one_out_batch = fit->batches[b].batch_size;
    }
}

/* F(1, df) of the drop in deviance, whose root is a Student t.  Without repeats the free fit gives the variance. */
static void lack_of_fit(const work *w, ls_fit *fit)
{
    ls_curve curve;
    if (!w->curve.settled || ls__fit_n_measured(&w->runs) < MIN_SPARE) return;
    ls__curve_fit_alpha(w->terms, ls__fit_terms(&w->runs, -1, w->terms), w->sigma, &w->curve, &curve);
    if (!curve.settled) return;
    const double drop = fmax(w->curve.deviance - curve.deviance, 0), df = fit->pooled ? fit->df : fit->df - 1;
    const double variance = w->sigma * w->sigma * (fit->pooled ? 1 : fit->df / df) - (fit->pooled ? 0 : drop / df);
    if (!(df > 0 && variance > 0)) return;
    const double reach = ls__t95(df) * sqrt(variance * curve.inverse[2][2]);
    fit->alpha = (ls_estimate){curve.alpha, curve.alpha - reach, curve.alpha + reach};
    fit->alpha_p = ls__t_two_sided(sqrt(drop / variance), df);
}

/* Runs drawn with replacement within each batch size. */
static void resample(const ls_fit_runs *from, uint64_t key, int round, ls_fit_run *to)
{
    for (int b = 0; b < from->n_batches; b++) {
        const int first = from->first[b], n = from->first[b + 1] - first;
        for (int i = first; i < first + n; i++)
            to[i] = from->run[first + (int)(ls_rng_uniform(key, (uint64_t)round, (uint64_t)i) * n)];
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ls_estimate percentiles(double *logs, int n)
{
    qsort(logs, (size_t)n, sizeof *logs, ascending);
    return (ls_estimate){exp(ls__quantile(logs, n, 0.5)), exp(ls__quantile(logs, n, 0.025)),
                         exp(ls__quantile(logs, n, 0.975))};
}

static bool all_repeated(const ls_fit_runs *runs)
{
    for (int b = 0; b < runs->n_batches; b++)
        if (runs->first[b + 1] - runs->first[b] < 2) return false;
    return true;
}

static ls_status bootstrap(const work *w, const ls_fit_options *options, ls_fit *fit)
{
    const int rounds = options->n_bootstrap;
    if (rounds <= 0 || !all_repeated(&w->runs)) return LS_OK;
    ls_fit_runs drawn = w->runs;
    drawn.run = ls_calloc((size_t)w->runs.n, sizeof *drawn.run);
    double *logs = ls_calloc((size_t)rounds, 3 * sizeof *logs); /* [3, rounds] */
    int n = 0;
    for (int round = 0; round < rounds && drawn.run != NULL && logs != NULL; round++) {
        ls_curve curve;
        resample(&w->runs, ls_rng_key(options->seed, LS_STREAM_BOOTSTRAP), round, drawn.run);
        if (ls__fit_n_measured(&drawn) < MIN_ESTIMATE) continue;
        ls__curve_fit(w->terms, ls__fit_terms(&drawn, -1, w->terms), w->sigma, &curve);
        logs[n] = curve.s;
        logs[rounds + n] = curve.c;
        logs[2 * rounds + n++] = curve.s + curve.c;
    }
    const bool complete = drawn.run != NULL && logs != NULL;
    if (n > 0) {
        fit->n_bootstrap = n;
        fit->boot_s_min = percentiles(logs, n);
        fit->boot_b_crit = percentiles(logs + rounds, n);
        fit->boot_e_min = percentiles(logs + 2 * rounds, n);
    }
    ls_free(drawn.run);
    ls_free(logs);
    LS_REQUIRE(complete, LS_ENOMEM, "out of memory for %d resamples", rounds);
    return LS_OK;
}

/* Measured batch sizes up to B_crit, and from it on. */
static void count_branches(const ls_fit *fit, int *steep, int *flat)
{
    *steep = *flat = 0;
    for (int b = 0; b < fit->n_batches; b++) {
        if (fit->batches[b].n == fit->batches[b].n_censored) continue;
        *steep += (double)fit->batches[b].batch_size <= fit->b_crit.value;
        *flat += (double)fit->batches[b].batch_size >= fit->b_crit.value;
    }
}

static void judge(const work *w, ls_fit *fit)
{
    const int measured = ls__fit_n_measured(&w->runs);
    int steep, flat;
    count_branches(fit, &steep, &flat);
#define SAY(...) (void)snprintf(fit->verdict, sizeof fit->verdict, __VA_ARGS__)
    if (measured < MIN_BATCHES)
        SAY("B_crit not identified: %d batch sizes reached the target, the fit needs %d", measured, MIN_BATCHES);
    else if (!w->curve.settled && flat == 0)
        SAY("B_crit not identified: steps fall as 1/B up to the largest batch size; measure larger ones");
    else if (!w->curve.settled && steep == 0)
        SAY("B_crit not identified: steps do not fall from the smallest batch size on; measure smaller ones");
    else if (steep < MIN_BRANCH)
        SAY("B_crit not identified: batch sizes below B_crit = %.3g, where steps fall as 1/B: %d, the fit needs %d; "
            "measure smaller ones",
            fit->b_crit.value, steep, MIN_BRANCH);
    else if (flat < MIN_BRANCH)
        SAY("B_crit not identified: batch sizes above B_crit = %.3g, where steps level off: %d, the fit needs %d; "
            "measure larger ones",
            fit->b_crit.value, flat, MIN_BRANCH);
    else if (!w->curve.settled)
        SAY("B_crit not identified: the fit of the curve did not settle");
    else {
        fit->identified = true;
        SAY("B_crit identified: %d batch sizes below it, %d above", steep, flat);
    }
#undef SAY
}

static ls_status compute(work *w, const ls_fit_options *options, ls_fit *fit)
{
    fit->estimated = ls__fit_n_measured(&w->runs) >= MIN_ESTIMATE;
    if (fit->estimated) {
        fit_curve(w, fit);
        set_estimates(w, fit);
    }
    for (int b = 0; b < fit->n_batches; b++) {
        double squares;
        fit->batches[b].mean_log = ls__fit_mean(&w->runs, b, fit->estimated ? w->sigma : 1, &squares);
    }
    judge(w, fit);
    if (!fit->estimated || options->estimate_only) return LS_OK;
    leave_one_out(w, fit);
    lack_of_fit(w, fit);
    return bootstrap(w, options, fit);
}

static void set_unknown(ls_fit *fit)
{
    fit->sigma = fit->t95 = fit->cov[0] = fit->cov[1] = fit->cov[2] = NAN;
    fit->leave_one_out_low = fit->leave_one_out_high = fit->alpha_p = NAN;
    fit->s_min = fit->b_crit = fit->e_min = fit->b_linear = fit->b_near_min = fit->alpha = unknown;
    fit->boot_s_min = fit->boot_b_crit = fit->boot_e_min = unknown;
}

static ls_status fill(const ls_fit_point *points, int64_t n, const ls_fit_options *options, work *w, ls_fit *fit)
{
    set_unknown(fit);
    LS_TRY(ls__fit_runs_make(points, n, &w->runs));
    w->terms = ls_calloc((size_t)n, sizeof *w->terms);
    fit->batches = ls_calloc((size_t)w->runs.n_batches, sizeof *fit->batches);
    LS_REQUIRE(w->terms != NULL && fit->batches != NULL, LS_ENOMEM, "out of memory for %" PRId64 " points", n);
    fit->n_points = n;
    fit->n_batches = w->runs.n_batches;
    for (int b = 0; b < fit->n_batches; b++) {
        ls__fit_describe(&w->runs, b, &fit->batches[b]);
        fit->n_censored += fit->batches[b].n_censored;
    }
    return compute(w, options, fit);
}

ls_status ls_fit_create(const ls_fit_point *points, int64_t n, const ls_fit_options *options, ls_fit **out)
{
    *out = NULL;
    ls_fit *fit = ls_calloc(1, sizeof *fit);
    LS_REQUIRE(fit != NULL, LS_ENOMEM, "out of memory for a fit");
    work w = {0};
    const ls_status status = fill(points, n, options != NULL ? options : &defaults, &w, fit);
    ls__fit_runs_free(&w.runs);
    ls_free(w.terms);
    if (status == LS_OK)
        *out = fit;
    else
        ls_fit_destroy(&fit);
    return status;
}

void ls_fit_destroy(ls_fit **fit)
{
    if (fit == NULL || *fit == NULL) return;
    ls_free((*fit)->batches);
    ls_free(*fit);
    *fit = NULL;
}

ls_estimate ls_fit_steps(const ls_fit *fit, double batch_size)
{
    if (!fit->estimated) return unknown;
    const double ratio = fit->b_crit.value / batch_size, u = ratio / (1 + ratio);
    const double variance = fit->cov[0] + 2 * u * fit->cov[1] + u * u * fit->cov[2];
    return around(log(fit->s_min.value) + log1p(ratio), fit->t95 * root(variance));
}
