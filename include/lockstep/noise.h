/** The gradient noise scale, tr(Sigma) / |G|^2: the batch size about which a larger batch stops saving iterations.
 *
 * The gradients of single samples have the covariance Sigma around their mean G.  A batch gives g, the mean over its B
 * samples, and those of V groups, g_i over b_i samples each.  With c(b) = (N - b) / ((N - 1) b), which is the variance
 * of a mean of b samples drawn without replacement from N, in units of tr(Sigma),
 *     E |g_i|^2 = |G|^2 + c(b_i) tr(Sigma)   and   E |g|^2 = |G|^2 + c(B) tr(Sigma),
 * which gives an unbiased estimate of either number.  Their ratio is not unbiased: a window sums each by itself and
 * divides last.  Pure functions of sums; nothing here is collective.
 * Source: McCandlish et al. 2018, arXiv 1812.06162, appendix A, for any group sizes and a finite data set. */
#ifndef LOCKSTEP_NOISE_H
#define LOCKSTEP_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

struct ls_text;

enum { LS_NOISE_WINDOW = 128, LS_NOISE_LEAST = 4 };

/** Unbiased estimates from one batch, of tr(Sigma) and of |G|^2; either may be negative. */
typedef struct ls_noise_reading {
    double trace, g2;
} ls_noise_reading;

/** The last readings of a run; zero: none.  Plain bytes. */
typedef struct ls_noise_window {
    int64_t n;                                 /* taken so far; the last LS_NOISE_WINDOW are kept */
    ls_noise_reading reading[LS_NOISE_WINDOW]; /* the i-th at i modulo LS_NOISE_WINDOW */
} ls_noise_window;

/** What a window tells. */
typedef struct ls_noise {
    int64_t n;        /* readings in it */
    double trace, g2; /* their means; NaN without a reading */
    double scale;     /* trace / g2; NaN: undetermined */
    double scale_se;  /* its standard error; NaN with it */
} ls_noise;

/** c(b) for b = rows of n_samples, 1 <= rows <= n_samples: 0 for all samples, also when there is one. */
double ls_noise_variance(int64_t n_samples, int64_t rows);

/** groups2 = the mean of |g_i|^2 over groups, groups_c the mean of their c(b_i); batch2 = |g|^2, batch_c = c(B).  The
 *  groups are smaller than the batch: groups_c > batch_c. */
ls_noise_reading ls_noise_read(double groups2, double groups_c, double batch2, double batch_c);

/** Takes a reading into the window; one that is not finite is left out. */
void ls_noise_add(ls_noise_window *window, ls_noise_reading reading);

/** The window's numbers, with jackknife standard errors: the scale is undetermined with fewer than LS_NOISE_LEAST
 *  readings, and where the mean of g2 is not more than two standard errors above 0.  Depends on the readings and their
 *  order alone.  Source of the jackknife: Efron 1982, delete one. */
ls_noise ls_noise_of(const ls_noise_window *window);

/** The readings of a window from the oldest on, "trace g2 trace g2 ...", appended to a text; and back, exactly: false
 *  when the text is no such list. */
void ls_noise_text(const ls_noise_window *window, struct ls_text *out);
bool ls_noise_parse(const char *text, ls_noise_window *window);

/** Iterations from one reading to the next, such that readings take about one per cent of a run's time: from the sizes
 *  of the run alone, so that the rule is the same everywhere.  multiply_adds: of one sample's forward pass. */
int64_t ls_noise_auto_every(int64_t batch_rows, int64_t n_shards, int64_t multiply_adds, int64_t n_params);

/** The same for a run that is looked at every `look_every` iterations: in step with the looks, so that every one has a
 *  reading of its own iteration and as many between as take less than two per cent of the time.  Where one a look would
 *  take that much, every second look has one, or third and so on. */
int64_t ls_noise_look_every(int64_t look_every, int64_t batch_rows, int64_t n_shards, int64_t multiply_adds,
                            int64_t n_params);

#endif
