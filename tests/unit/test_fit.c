#include <stdlib.h>
#include <string.h>

#include "unit/fit_data.h"
#include "unit/fit_draws.h"

static const design pilot = {
    .n_batches = 7, .n_seeds = 5, .first = 4, .ratio = 4, .s_min = 354, .b_crit = 231, .alpha = 1, .sigma = 0.1};

/* Published to seven digits; the promise is 0.1 %. */
static void published_fits_are_reproduced(void **state)
{
    (void)state;
    for (int s = 0; s < ZHANG_SERIES; s++) {
        ls_fit_point points[ZHANG_BATCHES];
        for (int i = 0; i < ZHANG_BATCHES; i++)
            points[i] = (ls_fit_point){.batch_size = zhang_batch[i], .steps = zhang[s].steps[i]};
        ls_fit *fit = fit_points(points, ZHANG_BATCHES, NULL);
        assert_close(zhang[s].name, fit->s_min.value, zhang[s].a, 1e-6);
        assert_close(zhang[s].name, fit->e_min.value, zhang[s].b, 1e-6);
        assert_close("B_crit", fit->b_crit.value, zhang[s].b / zhang[s].a, 2e-6);
        assert_close("20 % above linear", fit->b_linear.value, zhang[s].b / (5 * zhang[s].a) + 1.2 * 256, 2e-6);
        assert_int_equal(fit->n_bootstrap, 0); /* nothing is repeated */
        assert_false(fit->pooled);
        assert_true(fit->df == ZHANG_BATCHES - 2);
        ls_fit_destroy(&fit);
    }
}

static void a_curve_without_noise_comes_back(void **state)
{
    (void)state;
    design d = pilot;
    d.sigma = 0;
    ls_fit_point points[MAX_DRAWN];
    for (d.b_crit = 20; d.b_crit < 4000; d.b_crit *= 1.7) {
        ls_fit *fit = fit_points(points, draw_points(&d, 0, points), &no_bootstrap);
        assert_close("S_min", fit->s_min.value, d.s_min, 1e-9);
        assert_close("B_crit", fit->b_crit.value, d.b_crit, 1e-9);
        assert_close("E_min", fit->e_min.value, d.s_min * d.b_crit, 1e-9);
        assert_close("near the minimum", fit->b_near_min.value, 10 * d.b_crit, 1e-9);
        assert_close("steps at 100", ls_fit_steps(fit, 100).value, d.s_min * (1 + d.b_crit / 100), 1e-9);
        assert_true(fit->identified);
        ls_fit_destroy(&fit);
    }
}

/* -2 sigma^2 log L, point by point, by erfc. */
static double naive_deviance(const ls_fit_point *points, int n, double s_min, double b_crit, double sigma)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const double r = log(points[i].steps) - log(s_min * (1 + b_crit / (double)points[i].batch_size));
        sum += points[i].censored ? -2 * sigma * sigma * log(0.5 * erfc(r / (sigma * sqrt(2)))) : r * r;
    }
    return sum;
}

/* Unequal numbers of runs, half of the smallest batch's runs censored. */
static void no_point_of_a_fine_grid_is_better(void **state)
{
    (void)state;
    design d = pilot;
    d.cap = exp(truth(&d, 4));
    for (uint64_t draw = 0; draw < 20; draw++) {
        ls_fit_point points[MAX_DRAWN];
        const int n = draw_points(&d, draw, points) - 3;
        ls_fit *fit = fit_points(points, n, &no_bootstrap);
        const double best = naive_deviance(points, n, fit->s_min.value, fit->b_crit.value, fit->sigma);
        for (int i = -40; i <= 40; i++)
            for (int j = -40; j <= 40; j++) {
                const double scale = i % 2 == 0 ? 1e-2 : 1e-5;
                const double s = fit->s_min.value * exp(scale * i), b = fit->b_crit.value * exp(scale * j);
                assert_true(naive_deviance(points, n, s, b, fit->sigma) >= best * (1 - 1e-12));
            }
        ls_fit_destroy(&fit);
    }
}

static void pooled_variance_is_within_batch_sizes(void **state)
{
    (void)state;
    ls_fit_point points[MAX_DRAWN];
    const int n = draw_points(&pilot, 3, points);
    double within = 0;
    for (int b = 0; b < 7; b++) {
        double mean = 0;
        for (int i = 0; i < 5; i++) mean += log(points[5 * b + i].steps) / 5;
        for (int i = 0; i < 5; i++) within += pow(log(points[5 * b + i].steps) - mean, 2);
    }
    ls_fit *fit = fit_points(points, n, NULL);
    assert_true(fit->pooled && fit->df == 28);
    assert_close("sigma", fit->sigma, sqrt(within / 28), 1e-10);
    assert_close("upper", log(fit->b_crit.high / fit->b_crit.value), 2.048407142 * sqrt(fit->cov[2]), 1e-8);
    ls_fit_destroy(&fit);
}

static void medians_with_their_intervals(void **state)
{
    (void)state;
    const ls_fit_point points[] = {{8, 30, 0, false}, {8, 10, 1, false},  {8, 20, 2, false}, {8, 50, 3, true},
                                   {8, 40, 4, false}, {2, 100, 0, false}, {2, 200, 1, true}, {2, 200, 2, true},
                                   {16, 7, 0, false}, {16, 9, 1, false}};
    ls_fit *fit = fit_points(points, 10, NULL);
    assert_int_equal(fit->n_batches, 3);
    assert_int_equal(fit->n_censored, 3);
    const ls_fit_batch *b = fit->batches;
    assert_int_equal(b[0].batch_size, 2);
    assert_true(isinf(b[0].median.value) && b[0].median.low == 100 && isinf(b[0].median.high) && b[0].n_censored == 2);
    assert_close("cap", b[0].cap, 200, 1e-12);
    assert_close("median", b[1].median.value, 30, 1e-12);
    assert_close("lowest", b[1].median.low, 10, 1e-12);
    assert_true(isinf(b[1].median.high) && b[1].coverage == 0.9375 && b[1].n == 5);
    assert_close("median of two", b[2].median.value, 8, 1e-12);
    assert_close("mean log", b[2].mean_log, log(sqrt(63)), 1e-12);
    assert_true(isnan(b[2].cap));
    ls_fit_destroy(&fit);
}

static void leaving_one_out_is_fitting_the_rest(void **state)
{
    (void)state;
    ls_fit_point points[MAX_DRAWN], rest[MAX_DRAWN];
    const int n = draw_points(&pilot, 5, points);
    ls_fit *fit = fit_points(points, n, &no_bootstrap);
    double low = INFINITY, high = 0, furthest = 0;
    int64_t batch = 0;
    for (int b = 0; b < 7; b++) {
        int m = 0;
        for (int i = 0; i < n; i++)
            if (i / 5 != b) rest[m++] = points[i];
        ls_fit *without = fit_points(rest, m, &only_estimates);
        low = fmin(low, without->b_crit.value);
        high = fmax(high, without->b_crit.value);
        const double moved = fabs(log(without->b_crit.value / fit->b_crit.value));
        if (moved > furthest) batch = points[5 * b].batch_size;
        furthest = fmax(furthest, moved);
        ls_fit_destroy(&without);
    }
    assert_close("low", fit->leave_one_out_low, low, 1e-9);
    assert_close("high", fit->leave_one_out_high, high, 1e-9);
    assert_int_equal(fit->leave_one_out_batch, batch);
    ls_fit_destroy(&fit);
}

static void the_bootstrap_is_repeatable_and_near_the_interval(void **state)
{
    (void)state;
    ls_fit_point points[MAX_DRAWN];
    const int n = draw_points(&pilot, 8, points);
    ls_fit *one = fit_points(points, n, NULL), *two = fit_points(points, n, NULL);
    assert_int_equal(one->n_bootstrap, 1000);
    assert_memory_equal(&one->boot_b_crit, &two->boot_b_crit, sizeof one->boot_b_crit);
    assert_close("middle", one->boot_b_crit.value, one->b_crit.value, 0.05);
    const double ratio = log(one->boot_b_crit.high / one->boot_b_crit.low) / log(one->b_crit.high / one->b_crit.low);
    assert_true(ratio > 0.5 && ratio < 1.1); /* means: sqrt(4/5) of the variance, no Student t */
    ls_fit_destroy(&one);
    ls_fit_destroy(&two);
}

static void the_order_of_points_does_not_matter(void **state)
{
    (void)state;
    design d = pilot;
    d.cap = exp(truth(&d, 4));
    ls_fit_point points[MAX_DRAWN], turned[MAX_DRAWN];
    const int n = draw_points(&d, 9, points);
    for (int i = 0; i < n; i++) turned[i] = points[n - 1 - i];
    ls_fit *one = fit_points(points, n, NULL), *two = fit_points(turned, n, NULL);
    assert_memory_equal(one->batches, two->batches, (size_t)one->n_batches * sizeof *one->batches);
    one->batches = two->batches;
    assert_memory_equal(&one->s_min, &two->s_min, sizeof *one - offsetof(ls_fit, s_min));
    free(one);
    ls_fit_destroy(&two);
}

/* Fits the first n_batches batch sizes of a curve with this bend and gives the verdict. */
static void assert_verdict(int n_batches, double b_crit, bool identified, const char *says)
{
    design d = pilot;
    d.n_batches = n_batches;
    d.b_crit = b_crit;
    d.s_min = 1e6 / b_crit;
    ls_fit_point points[MAX_DRAWN];
    ls_fit *fit = fit_points(points, draw_points(&d, 2, points), NULL);
    if (fit->identified != identified || strstr(fit->verdict, says) == NULL)
        fail_msg("%d batch sizes, B_crit %g: %s", n_batches, b_crit, fit->verdict);
    assert_true(fit->estimated == (n_batches >= 3));
    ls_fit_destroy(&fit);
}

static void what_cannot_be_identified_is_said(void **state)
{
    (void)state;
    assert_verdict(7, 231, true, "B_crit identified: 3 batch sizes below it, 4 above");
    assert_verdict(5, 64, false, "B_crit not identified: 5 batch sizes reached the target, the fit needs 6");
    assert_verdict(2, 8, false, "B_crit not identified: 2 batch sizes");
    assert_verdict(0, 8, false, "B_crit not identified: 0 batch sizes");
    assert_verdict(7, 9000, false, "measure larger ones");
    assert_verdict(7, 1e6, false, "measure larger ones");
    assert_verdict(7, 9, false, "measure smaller ones");
    assert_verdict(7, 0.01, false, "measure smaller ones");
}

static void points_out_of_range_are_refused(void **state)
{
    (void)state;
    const ls_fit_point bad[] = {
        {0, 10, 0, false}, {8, 0, 0, false}, {8, -3, 0, true}, {8, NAN, 0, false}, {8, INFINITY, 0, false}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ls_fit *fit;
        const ls_fit_point points[] = {{4, 20, 0, false}, bad[i]};
        assert_int_equal(ls_fit_create(points, 2, NULL, &fit), LS_EDATA);
        assert_non_null(strstr(ls_status_message(), "point 1"));
        assert_null(fit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_fits_are_reproduced),
                                       cmocka_unit_test(a_curve_without_noise_comes_back),
                                       cmocka_unit_test(no_point_of_a_fine_grid_is_better),
                                       cmocka_unit_test(pooled_variance_is_within_batch_sizes),
                                       cmocka_unit_test(medians_with_their_intervals),
                                       cmocka_unit_test(leaving_one_out_is_fitting_the_rest),
                                       cmocka_unit_test(the_bootstrap_is_repeatable_and_near_the_interval),
                                       cmocka_unit_test(the_order_of_points_does_not_matter),
                                       cmocka_unit_test(what_cannot_be_identified_is_said),
                                       cmocka_unit_test(points_out_of_range_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
