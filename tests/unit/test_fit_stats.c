#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "study/stats.h"

static void assert_near(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("found %.15g, expected %.15g", found, expected);
}

/* Printed tables to ten digits. */
static void quantiles_of_t_are_those_of_tables(void **state)
{
    (void)state;
    const double table[][2] = {{1, 12.70620474},  {2, 4.302652730},  {3, 3.182446305},  {5, 2.570581836},
                               {10, 2.228138852}, {28, 2.048407142}, {100, 1.983971519}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) assert_near(ls__t95(table[i][0]), table[i][1], 1e-9);
    assert_near(ls__t95(1e7), 1.959964, 1e-6);
    assert_true(isnan(ls__t95(0)));
}

/* Closed forms: 1 - (2/pi) atan t at one degree of freedom, 1 - t / sqrt(2 + t^2) at two. */
static void tails_of_t_are_the_closed_forms(void **state)
{
    (void)state;
    for (double t = 0.01; t < 100; t *= 1.3) {
        assert_near(ls__t_two_sided(t, 1), 1 - 2 / M_PI * atan(t), 1e-11);
        assert_near(ls__t_two_sided(t, 2), 1 - t / sqrt(2 + t * t), 1e-11);
    }
    assert_near(ls__t_two_sided(0, 7), 1, 1e-15);
    assert_true(ls__t_two_sided(INFINITY, 7) == 0);
}

/* Simpson's rule over exp(-x z - x^2 / 2), x = 0 .. 40 / max(z, 1): P(Z > z) / phi(z). */
static double mills_by_integration(double z)
{
    const int n = 200000;
    const double end = z > 1 ? 40 / z : 12 + fabs(z), step = end / n;
    double sum = 0;
    for (int i = 0; i <= n; i++) {
        const double x = i * step;
        sum += (i == 0 || i == n ? 1 : i % 2 == 1 ? 4 : 2) * exp(-x * z - x * x / 2);
    }
    return sum * step / 3;
}

static void tails_of_the_normal_are_those_of_integration(void **state)
{
    (void)state;
    const double z[] = {-6, -2, -0.3, 0, 0.7, 2, 8, 25, 29.9, 30.1, 45, 300};
    for (size_t i = 0; i < sizeof z / sizeof z[0]; i++) {
        const double mills = mills_by_integration(z[i]), hazard = 1 / mills;
        assert_near(ls__normal_hazard(z[i]), hazard, 1e-8);
        const double log_tail = log(mills) - z[i] * z[i] / 2 - log(sqrt(2 * M_PI)); /* cancels at negative z */
        assert_true(fabs(ls__normal_log_tail(z[i]) - log_tail) <= 1e-8 * fabs(log_tail) + 1e-12);
        assert_true(fabs(ls__normal_tail_curvature(z[i]) - hazard * (hazard - z[i])) < 1e-5);
    }
    assert_true(isfinite(ls__normal_log_tail(1e6)) && isfinite(ls__normal_hazard(1e6)));
    assert_near(ls__normal_tail_curvature(1e6), 1, 1e-9);
}

/* Pascal's triangle instead of a running product. */
static double chance_below(int n, int rank)
{
    double row[64] = {1};
    for (int m = 1; m <= n; m++)
        for (int k = m; k >= 0; k--) row[k] = (k < m ? row[k] : 0) / 2 + (k > 0 ? row[k - 1] : 0) / 2;
    double sum = 0;
    for (int k = 0; k < rank; k++) sum += row[k];
    return sum;
}

static void the_interval_of_the_median_is_the_shortest_that_covers(void **state)
{
    (void)state;
    for (int n = 1; n <= 60; n++) {
        double coverage;
        const int rank = ls__median_rank(n, &coverage);
        assert_true(fabs(coverage - (1 - 2 * chance_below(n, rank))) < 1e-12);
        assert_true(n < 6 ? rank == 1 : coverage >= 0.95);
        assert_true(1 - 2 * chance_below(n, rank + 1) < 0.95);
    }
    double coverage;
    ls__median_rank(5, &coverage);
    assert_true(coverage == 0.9375);
}

static void quantiles_lie_between_neighbours(void **state)
{
    (void)state;
    const double x[] = {1, 2, 4, 8, 16};
    assert_true(ls__quantile(x, 5, 0) == 1 && ls__quantile(x, 5, 1) == 16 && ls__quantile(x, 5, 0.5) == 4);
    assert_near(ls__quantile(x, 5, 0.875), 12, 1e-14);
    assert_true(ls__quantile(x, 1, 0.3) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles_of_t_are_those_of_tables),
                                       cmocka_unit_test(tails_of_t_are_the_closed_forms),
                                       cmocka_unit_test(tails_of_the_normal_are_those_of_integration),
                                       cmocka_unit_test(the_interval_of_the_median_is_the_shortest_that_covers),
                                       cmocka_unit_test(quantiles_lie_between_neighbours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
