#include "lockstep/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lockstep/rng.h"

enum { N = 60, D = 5 };

/* Gradients of single samples, their mean G and the trace of their covariance. */
typedef struct population {
    double gradient[N][D], trace, g2;
} population;

static uint64_t counter;

static double uniform(void)
{
    return ls_rng_uniform(ls_rng_key(11, LS_STREAM_SYNTHETIC), counter++, 0);
}

/* Of mean 0 and variance 1 / 12 * 4 = 1 / 3, skewed by squares where it is told. */
static population make_population(void)
{
    population p = {0};
    double mean[D] = {0};
    for (int i = 0; i < N; i++)
        for (int d = 0; d < D; d++) {
            const double u = 2 * uniform() - 1;
            p.gradient[i][d] = 0.3 + (d + 1) * (d % 2 ? u : u * u);
            mean[d] += p.gradient[i][d] / N;
        }
    for (int d = 0; d < D; d++) p.g2 += mean[d] * mean[d];
    for (int i = 0; i < N; i++)
        for (int d = 0; d < D; d++) p.trace += pow(p.gradient[i][d] - mean[d], 2) / N;
    return p;
}

/* The first b of an order of all samples are a draw without replacement. */
static void shuffle(int order[N])
{
    for (int i = 0; i < N; i++) order[i] = i;
    for (int i = N - 1; i > 0; i--) {
        const int j = (int)(uniform() * (i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static double squares_of_mean(const population *p, const int *order, int n)
{
    double squares = 0;
    for (int d = 0; d < D; d++) {
        double mean = 0;
        for (int i = 0; i < n; i++) mean += p->gradient[order[i]][d] / n;
        squares += mean * mean;
    }
    return squares;
}

/* A batch of these groups; without the correction for a finite set when it is told so. */
static ls_noise_reading read_batch(const population *p, const int *size, int n_groups, bool infinite)
{
    int order[N], at = 0;
    double squares = 0, c = 0;
    shuffle(order);
    for (int g = 0; g < n_groups; at += size[g++]) {
        squares += squares_of_mean(p, order + at, size[g]) / n_groups;
        c += (infinite ? 1.0 / size[g] : ls_noise_variance(N, size[g])) / n_groups;
    }
    return ls_noise_read(squares, c, squares_of_mean(p, order, at), infinite ? 1.0 / at : ls_noise_variance(N, at));
}

/* How many standard errors the means of many readings are off the truth. */
static void deviations(const int *size, int n_groups, bool infinite, double *trace, double *g2)
{
    enum { TRIALS = 20000 };
    const population p = make_population();
    double sum[2] = {0}, squares[2] = {0};
    for (int i = 0; i < TRIALS; i++) {
        const ls_noise_reading r = read_batch(&p, size, n_groups, infinite);
        const double off[2] = {r.trace - p.trace, r.g2 - p.g2};
        for (int k = 0; k < 2; k++) sum[k] += off[k], squares[k] += off[k] * off[k];
    }
    double z[2];
    for (int k = 0; k < 2; k++) {
        const double mean = sum[k] / TRIALS;
        const double se = sqrt((squares[k] / TRIALS - mean * mean) / TRIALS);
        z[k] = mean / (se + 1e-12); /* a batch of all samples is exact, but for rounding */
    }
    *trace = z[0];
    *g2 = z[1];
}

static void readings_are_unbiased(void **state)
{
    (void)state;
    static const struct {
        int n_groups, size[6];
    } cases[] = {{4, {3, 7, 1, 12}},   {2, {1, 1}},  {2, {11, 12}},    {6, {5, 5, 5, 5, 4, 4}},
                 {5, {1, 1, 1, 1, 1}}, {2, {1, 40}}, {3, {20, 20, 20}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double trace, g2;
        deviations(cases[i].size, cases[i].n_groups, false, &trace, &g2);
        if (!(fabs(trace) < 3) || !(fabs(g2) < 3)) fail_msg("case %zu: %g and %g standard errors off", i, trace, g2);
    }
}

/* The test above would see a wrong formula: 1 / b in place of c(b) is far off. */
static void a_finite_set_counts(void **state)
{
    (void)state;
    double trace, g2;
    deviations((const int[]){3, 7, 1, 12}, 4, true, &trace, &g2);
    if (!(fabs(trace) > 3) || !(fabs(g2) > 10)) fail_msg("%g and %g standard errors", trace, g2);
}

static void variance_of_a_mean(void **state)
{
    (void)state;
    assert_true(ls_noise_variance(10, 1) == 1.0);
    assert_true(ls_noise_variance(10, 10) == 0.0);
    assert_true(ls_noise_variance(1, 1) == 0.0);
    assert_true(ls_noise_variance(9, 3) == 0.25); /* 6 / (8 * 3) */
    assert_true(fabs(ls_noise_variance(1000000000, 100) - 0.01) < 1e-8);
}

static double normal(void)
{
    return ls_rng_normal(ls_rng_key(12, LS_STREAM_SYNTHETIC), counter++, 0);
}

static ls_noise_window make_window(int n, double trace, double g2, double spread)
{
    ls_noise_window w = {0};
    for (int i = 0; i < n; i++)
        ls_noise_add(&w, (ls_noise_reading){trace * (1 + 0.2 * normal()), g2 + spread * normal()});
    return w;
}

/* Against the definition, on a window that has gone round. */
static void the_jackknife(void **state)
{
    (void)state;
    ls_noise_window w = make_window(300, 50, 2, 1);
    const ls_noise noise = ls_noise_of(&w);
    double trace = 0, g2 = 0, ratio[LS_NOISE_WINDOW], mean = 0, squares = 0;
    for (int i = 0; i < LS_NOISE_WINDOW; i++) trace += w.reading[i].trace, g2 += w.reading[i].g2;
    for (int i = 0; i < LS_NOISE_WINDOW; i++) {
        ratio[i] = (trace - w.reading[i].trace) / (g2 - w.reading[i].g2);
        mean += ratio[i] / LS_NOISE_WINDOW;
    }
    for (int i = 0; i < LS_NOISE_WINDOW; i++) squares += pow(ratio[i] - mean, 2);
    assert_int_equal(noise.n, LS_NOISE_WINDOW);
    assert_true(fabs(noise.trace - trace / LS_NOISE_WINDOW) < 1e-12 * trace);
    assert_true(fabs(noise.scale - trace / g2) < 1e-12 * noise.scale);
    assert_true(fabs(noise.scale_se - sqrt(squares * (LS_NOISE_WINDOW - 1) / LS_NOISE_WINDOW)) < 1e-9);
}

/* The standard error is the spread of the scale over many windows; 2000 windows tell it to 2 per cent. */
static void the_standard_error_is_right(void **state)
{
    (void)state;
    enum { WINDOWS = 2000 };
    double sum = 0, squares = 0, se2 = 0;
    for (int i = 0; i < WINDOWS; i++) {
        const ls_noise_window w = make_window(100, 50, 2, 1);
        const ls_noise noise = ls_noise_of(&w);
        sum += noise.scale;
        squares += noise.scale * noise.scale;
        se2 += noise.scale_se * noise.scale_se / WINDOWS;
    }
    const double spread = sqrt(squares / WINDOWS - pow(sum / WINDOWS, 2));
    assert_true(fabs(sqrt(se2) / spread - 1) < 0.1);
}

static bool is_determined(const ls_noise_window *w)
{
    const ls_noise noise = ls_noise_of(w);
    assert_int_equal(isnan(noise.scale), isnan(noise.scale_se));
    return !isnan(noise.scale);
}

static void undetermined(void **state)
{
    (void)state;
    ls_noise_window w = {0};
    assert_true(isnan(ls_noise_of(&w).trace) && isnan(ls_noise_of(&w).g2) && !is_determined(&w));
    for (int i = 0; i < LS_NOISE_LEAST; i++) {
        assert_false(is_determined(&w));
        ls_noise_add(&w, (ls_noise_reading){10, 2});
        assert_true(ls_noise_of(&w).trace == 10 && ls_noise_of(&w).g2 == 2);
    }
    assert_true(ls_noise_of(&w).scale == 5 && ls_noise_of(&w).scale_se == 0);
    /* g2 of mean 1 and standard errors (deviation / sqrt(16)) of 0.49 and 0.51 */
    for (int k = 0; k < 2; k++) {
        const double deviation = (k == 0 ? 0.49 : 0.51) * sqrt(15);
        w = (ls_noise_window){0};
        for (int i = 0; i < 16; i++) ls_noise_add(&w, (ls_noise_reading){10, 1 + (i % 2 ? deviation : -deviation)});
        assert_int_equal(is_determined(&w), k == 0);
    }
    w = make_window(50, 10, -3, 0.1);
    assert_false(is_determined(&w));
}

static void what_is_not_finite_is_left_out(void **state)
{
    (void)state;
    ls_noise_window w = make_window(6, 50, 2, 0.5);
    const ls_noise_window before = w;
    ls_noise_add(&w, (ls_noise_reading){NAN, 1});
    ls_noise_add(&w, (ls_noise_reading){1, INFINITY});
    ls_noise_add(&w, ls_noise_read(INFINITY, 0.5, 1, 0.25));
    assert_memory_equal(&w, &before, sizeof w);
}

static ls_noise_window through_text(const ls_noise_window *w)
{
    ls_text text = {0};
    ls_noise_window back;
    ls_noise_text(w, &text);
    assert_int_equal(ls_text_status(&text), LS_OK);
    assert_true(ls_noise_parse(text.data ? text.data : "", &back));
    ls_text_free(&text);
    return back;
}

/* A window that was stored and read goes on as the one that was not, bit by bit. */
static void windows_as_text(void **state)
{
    (void)state;
    static const int sizes[] = {0, 1, 5, 127, 128, 129, 300};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ls_noise_window w = make_window(sizes[i], 5e7, 3e-5, 1e-5), back = through_text(&w);
        for (int k = 0; k < 200; k++) {
            const ls_noise a = ls_noise_of(&w), b = ls_noise_of(&back);
            assert_memory_equal(&a, &b, sizeof a);
            const ls_noise_reading next = {5e7 * uniform(), 3e-5 * uniform()};
            ls_noise_add(&w, next);
            ls_noise_add(&back, next);
        }
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"1", "x", "1 x", "1 2 3", "1 nan", "inf 1", "1,2", "1 2;", "1 2  x", "none"};
    ls_noise_window w;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ls_noise_parse(bad[i], &w)) fail_msg("accepted: %s", bad[i]);
    ls_text text = {0};
    for (int i = 0; i < LS_NOISE_WINDOW; i++) ls_text_printf(&text, "%s1 2", i ? " " : "");
    assert_true(ls_noise_parse(text.data, &w) && w.n == LS_NOISE_WINDOW);
    ls_text_printf(&text, " 1 2");
    assert_false(ls_noise_parse(text.data, &w));
    ls_text_free(&text);
}

/* Between what was measured to cost one per cent and what gives a run of some hundred iterations no number. */
static void how_often(void **state)
{
    (void)state;
    const int64_t mlp = 669706; /* parameters of 784-512-512-10, as many products a sample */
    assert_in_range(ls_noise_auto_every(256, 8, mlp, mlp), 40, 100);
    assert_in_range(ls_noise_auto_every(4, 1, mlp, mlp), 150, 400);
    assert_in_range(ls_noise_auto_every(4096, 8, mlp, mlp), 2, 10);
    for (int64_t rows = 32; rows < 1 << 20; rows *= 2)
        assert_true(ls_noise_auto_every(2 * rows, 2, mlp, mlp) <= ls_noise_auto_every(rows, 2, mlp, mlp));
    assert_int_equal(ls_noise_auto_every(256, 8, 1000000000, 1000), 1); /* convolutions: next to nothing */
    assert_true(ls_noise_auto_every(2, 1, 1000000000, 1000) >= 50);     /* half an iteration more */
    assert_true(ls_noise_auto_every(16, 2, 0, 1000) > 0);
}

/* The numbers of the study of 784-128-128-128-10: every look has a reading of its own iteration, for less than two per
 * cent of the multiply-adds, or what is nearest to that. */
static void in_step_with_looks(void **state)
{
    (void)state;
    enum { NET = 134794 };
    static const struct {
        int64_t look_every, rows, shards;
    } sizes[] = {{352, 4, 1},  {82, 16, 1},         {25, 64, 4},   {10, 256, 8}, {7, 1024, 8},
                 {6, 4096, 8}, {6, 16384, 8},       {353, 4, 1},   {1, 16, 1},   {1, 4096, 8},
                 {5, 24, 1},   {1000000007, 32, 2}, {64, 16384, 8}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t looks = sizes[i].look_every, rows = sizes[i].rows, shards = sizes[i].shards;
        const int64_t every = ls_noise_look_every(looks, rows, shards, NET, NET);
        assert_true(every % looks == 0 || looks % every == 0);
        /* an iteration: three products a row and weight, and about four passes of the update.  A reading: once more
         * the products of half the batch, or sums of the shards; two passes for the norm of each group. */
        const double iteration = 3.0 * (double)rows + 4.0;
        const double reading = shards > 1 ? 4.0 * (double)shards : 1.5 * (double)rows + 8.0;
        if (reading / iteration / (double)every >= 0.02)
            fail_msg("B = %d: %g of the time", (int)rows, reading / iteration / (double)every);
        assert_true(every <= looks || every <= ls_noise_auto_every(rows, shards, NET, NET)); /* never fewer than auto */
    }
    assert_int_equal(ls_noise_look_every(82, 16, 1, NET, NET), 82);
    assert_int_equal(ls_noise_look_every(352, 4, 1, NET, NET), 176);
    assert_int_equal(ls_noise_look_every(353, 4, 1, NET, NET), 353);
    assert_int_equal(ls_noise_look_every(7, 1024, 8, NET, NET), 7);
    assert_int_equal(ls_noise_look_every(25, 64, 4, NET, NET), 50); /* dearer than two per cent at every look */
    assert_int_equal(ls_noise_look_every(6, 4096, 8, NET, NET), 2);
    assert_int_equal(ls_noise_look_every(64, 16384, 8, NET, NET), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_are_unbiased),
        cmocka_unit_test(a_finite_set_counts),
        cmocka_unit_test(variance_of_a_mean),
        cmocka_unit_test(the_jackknife),
        cmocka_unit_test(the_standard_error_is_right),
        cmocka_unit_test(undetermined),
        cmocka_unit_test(what_is_not_finite_is_left_out),
        cmocka_unit_test(windows_as_text),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(how_often),
        cmocka_unit_test(in_step_with_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
