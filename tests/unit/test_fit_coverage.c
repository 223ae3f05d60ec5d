/* Intervals hold what they say: over 2000 draws of known hyperbolas with 10 % log-normal noise, the 95 % intervals
 * cover the truth in 93.5 to 96.5 % (three standard errors of 2000 draws are 1.5 %). */
#include <stdlib.h>

#include "unit/fit_draws.h"

enum { DRAWS = 2000 };

typedef struct tally {
    int s_min, b_crit, e_min, band, alpha, rejected;
    double sum_log_b_crit, sum_log_e_min, sum_sigma_square;
} tally;

static void count(const design *d, const ls_fit *fit, tally *t)
{
    const ls_estimate at_100 = ls_fit_steps(fit, 100);
    t->s_min += covers(&fit->s_min, d->s_min);
    t->b_crit += covers(&fit->b_crit, d->b_crit);
    t->e_min += covers(&fit->e_min, d->s_min * d->b_crit);
    t->band += covers(&at_100, exp(truth(d, 100)));
    t->alpha += covers(&fit->alpha, d->alpha);
    t->rejected += fit->alpha_p < 0.05;
    t->sum_log_b_crit += log(fit->b_crit.value / d->b_crit);
    t->sum_log_e_min += log(fit->e_min.value / (d->s_min * d->b_crit));
    t->sum_sigma_square += fit->sigma * fit->sigma;
}

static tally run(const design *d, const ls_fit_options *options)
{
    tally t = {0};
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        ls_fit_point points[MAX_DRAWN];
        ls_fit *fit = fit_points(points, draw_points(d, draw, points), options);
        count(d, fit, &t);
        ls_fit_destroy(&fit);
    }
    return t;
}

static void assert_share(const char *what, const design *d, int n, double low, double high)
{
    const double share = (double)n / DRAWS;
    print_message("  %d x %d runs, B_crit %5g: %-20s %.2f %%\n", d->n_batches, d->n_seeds, d->b_crit, what,
                  100 * share);
    if (share < low || share > high) fail_msg("%s: %.4f, expected %.3f to %.3f", what, share, low, high);
}

static void assert_covers(const design *d)
{
    const tally t = run(d, &only_estimates);
    assert_share("S_min covered", d, t.s_min, 0.935, 0.965);
    assert_share("B_crit covered", d, t.b_crit, 0.935, 0.965);
    assert_share("E_min covered", d, t.e_min, 0.935, 0.965);
    assert_share("curve at 100 covered", d, t.band, 0.935, 0.965);
}

static void intervals_cover_the_truth(void **state)
{
    (void)state;
    const double bends[] = {20, 64, 231, 1000};
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++)
        assert_covers(&(design){.n_batches = 7,
                                .n_seeds = 5,
                                .first = 4,
                                .ratio = 4,
                                .s_min = 354,
                                .b_crit = bends[i],
                                .alpha = 1,
                                .sigma = 0.1});
    assert_covers(&(design){
        .n_batches = 6, .n_seeds = 3, .first = 8, .ratio = 4, .s_min = 500, .b_crit = 231, .alpha = 1, .sigma = 0.1});
}

/* Residuals about the curve carry the variance. */
static void intervals_cover_without_repeats(void **state)
{
    (void)state;
    assert_covers(&(design){
        .n_batches = 12, .n_seeds = 1, .first = 4, .ratio = 2, .s_min = 354, .b_crit = 231, .alpha = 1, .sigma = 0.1});
}

/* Half of the smallest batch's runs are censored: three standard errors about the truth where leaving them out, or
 * taking the caps for steps, is off by far more. */
static void censored_runs_do_not_bias(void **state)
{
    (void)state;
    design d = {
        .n_batches = 7, .n_seeds = 5, .first = 4, .ratio = 4, .s_min = 354, .b_crit = 231, .alpha = 1, .sigma = 0.1};
    d.cap = exp(truth(&d, 4));
    const tally t = run(&d, &only_estimates);
    print_message("  censored: mean error of log E_min %.5f, of log B_crit %.5f, sigma %.5f\n", t.sum_log_e_min / DRAWS,
                  t.sum_log_b_crit / DRAWS, sqrt(t.sum_sigma_square / DRAWS));
    assert_true(fabs(t.sum_log_e_min / DRAWS) < 0.004);
    assert_true(fabs(t.sum_log_b_crit / DRAWS) < 0.006);
    assert_true(fabs(sqrt(t.sum_sigma_square / DRAWS) - d.sigma) < 0.003);
    assert_share("E_min covered", &d, t.e_min, 0.93, 0.965);
    assert_share("B_crit covered", &d, t.b_crit, 0.93, 0.965);
}

static void lack_of_fit_is_rejected_as_often_as_it_says(void **state)
{
    (void)state;
    design d = {
        .n_batches = 7, .n_seeds = 5, .first = 4, .ratio = 4, .s_min = 354, .b_crit = 231, .alpha = 1, .sigma = 0.1};
    tally t = run(&d, &no_bootstrap);
    assert_share("alpha = 1 rejected", &d, t.rejected, 0.035, 0.065);
    assert_share("alpha covered", &d, t.alpha, 0.935, 0.965);
    d.n_seeds = 1;
    d.n_batches = 12;
    d.ratio = 2;
    t = run(&d, &no_bootstrap);
    assert_share("alpha = 1 rejected", &d, t.rejected, 0.035, 0.065);
    d = (design){
        .n_batches = 7, .n_seeds = 5, .first = 4, .ratio = 4, .s_min = 354, .b_crit = 231, .alpha = 0.8, .sigma = 0.1};
    t = run(&d, &no_bootstrap);
    assert_share("alpha = 0.8 rejected", &d, t.rejected, 0.99, 1);
    assert_share("alpha covered", &d, t.alpha, 0.93, 0.97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_cover_the_truth), cmocka_unit_test(intervals_cover_without_repeats),
        cmocka_unit_test(censored_runs_do_not_bias), cmocka_unit_test(lack_of_fit_is_rejected_as_often_as_it_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
