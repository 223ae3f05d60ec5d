#include "study/fit_runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "study/stats.h"

enum { MAX_POINTS = 1000000, MAX_ROUNDS = 2000 };

#define BATCH_MAX      9007199254740992.0 /* exact as a double */
#define ROUNDS_AGREE   1e-10              /* relative, between two rounds of a fixed point */
#define SIGMA_START    0.1
#define SIGMA_SMALLEST 1e-7
#define SIGMA_LARGEST  10.0

static int by_batch_then_steps(const void *a, const void *b)
{
    const ls_fit_run *x = a, *y = b;
    if (x->batch_size != y->batch_size) return x->batch_size < y->batch_size ? -1 : 1;
    if (x->censored != y->censored) return x->censored ? 1 : -1;
    return (x->steps > y->steps) - (x->steps < y->steps);
}

static ls_status take(const ls_fit_point *p, int64_t i, ls_fit_run *out)
{
    LS_REQUIRE(p->batch_size >= 1 && (double)p->batch_size <= BATCH_MAX, LS_EDATA,
               "point %" PRId64 ": expected a batch size of 1 or more, found %" PRId64, i, p->batch_size);
    LS_REQUIRE(isfinite(p->steps) && p->steps > 0, LS_EDATA, "point %" PRId64 ": expected steps above 0, found %g", i,
               p->steps);
    *out = (ls_fit_run){.log_b = log((double)p->batch_size),
                        .y = log(p->steps),
                        .steps = p->steps,
                        .batch_size = p->batch_size,
                        .censored = p->censored};
    return LS_OK;
}

ls_status ls__fit_runs_make(const ls_fit_point *points, int64_t n, ls_fit_runs *out)
{
    *out = (ls_fit_runs){0};
    LS_REQUIRE(n >= 0 && n <= MAX_POINTS, LS_EDATA, "%" PRId64 " points; a fit takes at most %d", n, MAX_POINTS);
    out->run = ls_calloc((size_t)n, sizeof *out->run);
    out->first = ls_calloc((size_t)n + 1, sizeof *out->first);
    LS_REQUIRE(out->run != NULL && out->first != NULL, LS_ENOMEM, "out of memory for %" PRId64 " points", n);
    for (int64_t i = 0; i < n; i++) LS_TRY(take(&points[i], i, &out->run[i]));
    qsort(out->run, (size_t)n, sizeof *out->run, by_batch_then_steps);
    out->n = (int)n;
    for (int i = 0; i < out->n; i++)
        if (i == 0 || out->run[i].batch_size != out->run[i - 1].batch_size) out->first[out->n_batches++] = i;
    out->first[out->n_batches] = out->n;
    return LS_OK;
}

void ls__fit_runs_free(ls_fit_runs *runs)
{
    ls_free(runs->run);
    ls_free(runs->first);
    *runs = (ls_fit_runs){0};
}

int ls__fit_n_reached(const ls_fit_runs *runs, int b)
{
    int n = 0;
    for (int i = runs->first[b]; i < runs->first[b + 1]; i++) n += !runs->run[i].censored;
    return n;
}

int ls__fit_n_measured(const ls_fit_runs *runs)
{
    int n = 0;
    for (int b = 0; b < runs->n_batches; b++) n += ls__fit_n_reached(runs, b) > 0;
    return n;
}

static double mean_of_reached(const ls_fit_runs *runs, int b)
{
    double sum = 0;
    int n = 0;
    for (int i = runs->first[b]; i < runs->first[b + 1]; i++)
        if (!runs->run[i].censored) {
            sum += runs->run[i].y;
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

int ls__fit_terms(const ls_fit_runs *runs, int skip, ls_fit_term *out)
{
    int n = 0;
    for (int b = 0; b < runs->n_batches; b++) {
        if (b == skip) continue;
        const double log_b = runs->run[runs->first[b]].log_b;
        const int n_reached = ls__fit_n_reached(runs, b);
        if (n_reached > 0) out[n++] = (ls_fit_term){.log_b = log_b, .y = mean_of_reached(runs, b), .weight = n_reached};
        for (int i = runs->first[b]; i < runs->first[b + 1]; i++)
            if (runs->run[i].censored)
                out[n++] = (ls_fit_term){.log_b = log_b, .y = runs->run[i].y, .weight = 1, .censored = true};
    }
    return n;
}

/* E (Y - m)^2 of a run: its square, or sigma^2 (1 + z hazard(z)) beyond a cap. */
static double expected_square(const ls_fit_run *run, double m, double sigma)
{
    const double r = run->y - m, z = r / sigma;
    return run->censored ? sigma * sigma * (1 + z * ls__normal_hazard(z)) : r * r;
}

/* Newton on the concave log likelihood of m; without censored runs one step is exact. */
double ls__fit_mean(const ls_fit_runs *runs, int b, double sigma, double *squares)
{
    double m = mean_of_reached(runs, b), move = 1;
    *squares = 0;
    if (isnan(m)) return m;
    for (int round = 0; round < MAX_ROUNDS && fabs(move) > ROUNDS_AGREE; round++) {
        double pull = 0, information = 0;
        for (int i = runs->first[b]; i < runs->first[b + 1]; i++) {
            const ls_fit_run *run = &runs->run[i];
            const double r = run->y - m;
            pull += run->censored ? sigma * ls__normal_hazard(r / sigma) : r;
            information += run->censored ? ls__normal_tail_curvature(r / sigma) : 1;
        }
        move = pull / information;
        m += move;
    }
    for (int i = runs->first[b]; i < runs->first[b + 1]; i++) *squares += expected_square(&runs->run[i], m, sigma);
    return m;
}

static double bounded(double variance)
{
    return fmin(fmax(sqrt(variance), SIGMA_SMALLEST), SIGMA_LARGEST);
}

double ls__fit_pooled_sigma(const ls_fit_runs *runs, double *df)
{
    int n_reached = 0, n_runs = 0;
    for (int b = 0; b < runs->n_batches; b++) {
        const int n = ls__fit_n_reached(runs, b);
        n_reached += n;
        n_runs += n > 0 ? runs->first[b + 1] - runs->first[b] : 0;
    }
    const int n_means = ls__fit_n_measured(runs);
    *df = n_reached - n_means;
    if (*df <= 0) return 0;
    double sigma = SIGMA_START, before = 0;
    for (int round = 0; round < MAX_ROUNDS && fabs(sigma - before) > ROUNDS_AGREE * sigma; round++) {
        double sum = 0, squares;
        for (int b = 0; b < runs->n_batches; b++) {
            ls__fit_mean(runs, b, sigma, &squares);
            sum += squares;
        }
        before = sigma;
        sigma = bounded(sum / (n_runs - n_means));
    }
    return sigma;
}

double ls__fit_residual_sigma(const ls_fit_runs *runs, const ls_fit_term *terms, int n_terms, ls_curve *curve)
{
    double sigma = SIGMA_START, before = 0;
    for (int round = 0; round < MAX_ROUNDS && fabs(sigma - before) > ROUNDS_AGREE * sigma; round++) {
        ls__curve_fit(terms, n_terms, sigma, curve);
        double sum = 0;
        for (int i = 0; i < runs->n; i++)
            sum += expected_square(&runs->run[i], ls__curve_at(curve, runs->run[i].log_b), sigma);
        before = sigma;
        sigma = bounded(sum / (runs->n - 2));
    }
    return sigma;
}

void ls__fit_describe(const ls_fit_runs *runs, int b, ls_fit_batch *out)
{
    const ls_fit_run *run = &runs->run[runs->first[b]];
    const int n = runs->first[b + 1] - runs->first[b], n_reached = ls__fit_n_reached(runs, b);
    const int rank = ls__median_rank(n, &out->coverage);
#define STEPS(i) (run[i].censored ? INFINITY : run[i].steps)
    out->batch_size = run->batch_size;
    out->n = n;
    out->n_censored = n - n_reached;
    out->median = (ls_estimate){(STEPS((n - 1) / 2) + STEPS(n / 2)) / 2, STEPS(rank - 1), STEPS(n - rank)};
    if (n == 1) out->median.low = out->median.high = NAN;
    out->cap = n_reached < n ? run[n - 1].steps : NAN;
    out->fitted = NAN;
#undef STEPS
}
