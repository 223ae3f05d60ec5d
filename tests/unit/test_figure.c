#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/figure.h"

static ls_axis axis_of(ls_scale scale, double low, double high, bool from_zero)
{
    ls_axis axis = {.scale = scale};
    ls_axis_fit(&axis, low, high, from_zero);
    return axis;
}

static void assert_ticks(const ls_axis *axis, const char *expected)
{
    char all[512] = "", one[LS_TICK_TEXT];
    for (int i = 0; i < axis->n_ticks; i++) {
        ls_tick_text(axis->scale, axis->tick[i], one);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? " " : "", one);
    }
    assert_string_equal(all, expected);
}

static void ticks_are_round(void **state)
{
    (void)state;
    const ls_axis sizes = axis_of(LS_LOG2, 4, 16384, false), wide = axis_of(LS_LOG10, 1e-3, 1e9, false);
    const ls_axis narrow = axis_of(LS_LOG10, 350, 22000, false), tight = axis_of(LS_LOG10, 151, 189, false);
    const ls_axis linear = axis_of(LS_LINEAR, -3, 11, false), zero = axis_of(LS_LINEAR, 2, 60000, true);
    assert_ticks(&sizes, "4 16 64 256 1024 4096 16384");
    assert_ticks(&wide, "0.001 0.1 10 1000 100k 10M 1G");
    assert_ticks(&narrow, "500 1000 2000 5000 10k 20k");
    assert_ticks(&tight, "150 160 170 180 190");
    assert_ticks(&linear, "-2 0 2 4 6 8 10");
    assert_ticks(&zero, "0 10k 20k 30k 40k 50k 60k");
}

static void places_on_axes(void **state)
{
    (void)state;
    const ls_axis log_axis = {.scale = LS_LOG10, .low = 10, .high = 1e5};
    const ls_axis linear = {.scale = LS_LINEAR, .low = -1, .high = 3};
    assert_true(fabs(ls_axis_at(&log_axis, 1000) - 0.5) < 1e-12);
    assert_true(fabs(ls_axis_at(&log_axis, 1) + 0.25) < 1e-12);
    assert_true(fabs(ls_axis_at(&linear, 0) - 0.25) < 1e-12);
    assert_true(isnan(ls_axis_at(&log_axis, 0)) && isnan(ls_axis_at(&log_axis, -5)) && isnan(ls_axis_at(&linear, NAN)));
}

/* Whatever the values, an axis has finite, ordered ends around them, and 1 to LS_MAX_TICKS ticks inside. */
static void any_range_gives_an_axis(void **state)
{
    (void)state;
    static const double values[] = {1e-199, 1e-12, 1e-3, 0.9999999, 1, 1.0000001, 7, 1e5, 123456789, 1e199};
    enum { N = sizeof values / sizeof *values };
    for (int scale = LS_LINEAR; scale <= LS_LOG10; scale++) {
        for (int i = 0; i < N; i++) {
            for (int k = i; k < N; k++) {
                const ls_axis axis = axis_of((ls_scale)scale, values[i], values[k], false);
                assert_true(isfinite(axis.low) && isfinite(axis.high) && axis.low < axis.high);
                assert_true(axis.low <= values[i] && axis.high >= values[k]);
                assert_in_range(axis.n_ticks, 1, LS_MAX_TICKS);
                for (int t = 0; t < axis.n_ticks; t++)
                    assert_true(axis.tick[t] >= axis.low && axis.tick[t] <= axis.high);
            }
        }
    }
}

/* Every "translate(x y)" of a rendered figure, in order. */
static int marks_of(const char *svg, double x[], double y[], int max)
{
    int n = 0;
    for (const char *at = strstr(svg, "<g clip-path"); n < max && (at = strstr(at, "translate(")) != NULL; at++, n++)
        assert_int_equal(sscanf(at, "translate(%lf %lf)", &x[n], &y[n]), 2);
    return n;
}

/* On two log axes powers lie equally apart: B = 1, 10, 100 against S = 1000, 100, 10 is a straight diagonal from corner
 * to corner, less the margin of 4 % of the span at both ends. */
static void points_of_a_power_law_lie_on_the_diagonal(void **state)
{
    (void)state;
    double x[8], y[8];
    ls_text svg = {0};
    ls_figure f = ls_figure_begin("law", "law", "B", LS_LOG2, "S", LS_LOG10);
    ls_figure_series(&f, LS_MARK_DOTS, 0, "S = 1000 / B");
    for (int i = 0; i < 3; i++) ls_figure_point(&f, pow(10, i), pow(10, 3 - i));
    ls_figure_point(&f, 0, 5); /* no places on log axes */
    ls_figure_point(&f, 5, NAN);
    ls_figure_svg(&f, &svg);
    assert_int_equal(marks_of(svg.data, x, y, 8), 3);
    const double left = 66, right = 480 - 14, top = 16, bottom = 330 - 48, edge = 0.04 / 1.08;
    const double part[] = {edge, 0.5, 1 - edge};
    for (int i = 0; i < 3; i++) { /* 0.06: coordinates have one decimal */
        assert_true(fabs(x[i] - (left + part[i] * (right - left))) < 0.06);
        assert_true(fabs(y[i] - (top + part[i] * (bottom - top))) < 0.06);
    }
    ls_text_free(&svg);
    ls_figure_free(&f);
}

static void reference_lines_do_not_stretch_axes(void **state)
{
    (void)state;
    ls_axis x, y;
    ls_figure f = ls_figure_begin("ref", "ref", "x", LS_LINEAR, "y", LS_LINEAR);
    ls_figure_series(&f, LS_MARK_DASH, LS_NEUTRAL, "far");
    ls_figure_point(&f, -1000, 1000);
    assert_true(ls_figure_empty(&f));
    ls_figure_series(&f, LS_MARK_BAND, 1, "band");
    ls_figure_interval(&f, 3, 1, -100, 100);
    ls_figure_series(&f, LS_MARK_DOTS, 1, "dots");
    ls_figure_point(&f, NAN, 1);
    assert_true(ls_figure_empty(&f));
    ls_figure_point(&f, 1, 1);
    ls_figure_point(&f, 2, 2);
    assert_false(ls_figure_empty(&f));
    ls_figure_fit_axes(&f, &x, &y);
    assert_true(x.low > 0.9 && x.high < 2.1 && y.low > 0.9 && y.high < 2.1);
    ls_figure_free(&f);
}

static void numbers_as_csv(void **state)
{
    (void)state;
    ls_text csv = {0};
    ls_figure f = ls_figure_begin("csv", "csv", "x", LS_LINEAR, "y, \"seconds\"", LS_LINEAR);
    ls_figure_series(&f, LS_MARK_LINE, 0, "a \"b\", c\n");
    ls_figure_point(&f, 0.1, NAN);
    ls_figure_interval(&f, 2, 1.0 / 3, 0.25, INFINITY);
    ls_figure_csv(&f, &csv);
    assert_string_equal(csv.data, "series,\"x\",\"y, \"\"seconds\"\"\",low,high\n"
                                  "\"a \"\"b\"\", c \",0.1,,,\n"
                                  "\"a \"\"b\"\", c \",2,0.3333333333333333,0.25,\n");
    ls_text_free(&csv);
    ls_figure_free(&f);
}

static void bars_share_a_category(void **state)
{
    (void)state;
    static const char *const names[] = {"data", "wait"};
    ls_text csv = {0};
    double left, width;
    ls_figure f = ls_figure_begin("bars", "bars", "part", LS_LINEAR, "s", LS_LINEAR);
    f.category = names;
    f.n_categories = 2;
    for (int run = 0; run < 2; run++) {
        ls_figure_series(&f, LS_MARK_BAR, run, "run %d", run);
        ls_figure_point(&f, 1, 3);
    }
    ls_figure_bar(&f, 1, 1, &left, &width);
    assert_true(fabs(left - 1) < 1e-12 && fabs(width - 0.4) < 1e-12);
    ls_figure_csv(&f, &csv);
    assert_non_null(strstr(csv.data, "\"run 1\",\"wait\",3,,\n"));
    ls_text_free(&csv);
    ls_figure_free(&f);
}

/* In gnuplot's single quotes only the quote itself is special, and doubled. */
static void gnuplot_gets_quoted_text(void **state)
{
    (void)state;
    ls_text script = {0};
    ls_figure f = ls_figure_begin("gp", "it's `date`", "x", LS_LINEAR, "y", LS_LINEAR);
    ls_figure_series(&f, LS_MARK_DOTS, 0, "'; system 'x'\n@y");
    ls_figure_point(&f, 1, 2);
    ls_figure_gnuplot(&f, &script);
    assert_non_null(strstr(script.data, "set title 'it''s `date`'\n"));
    assert_non_null(strstr(script.data, " title '''; system ''x'' @y'"));
    assert_non_null(strstr(script.data, "$d0 << END\n 1 2 NaN NaN\nEND\n"));
    ls_text_free(&script);
    ls_figure_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(places_on_axes),
        cmocka_unit_test(any_range_gives_an_axis),
        cmocka_unit_test(points_of_a_power_law_lie_on_the_diagonal),
        cmocka_unit_test(reference_lines_do_not_stretch_axes),
        cmocka_unit_test(numbers_as_csv),
        cmocka_unit_test(bars_share_a_category),
        cmocka_unit_test(gnuplot_gets_quoted_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
