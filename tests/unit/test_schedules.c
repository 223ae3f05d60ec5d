/* The conformance suite of the schedule registry: each rate against a closed formula in double. */
#include "model_bench.h"
#include "optim/registry.h"

typedef struct schedule_case {
    const char *yaml, *name;
    double base;
    int64_t per_epoch, total, warmup; /* in iterations */
    double duration;                  /* in iterations; 0: the rest of the run */
    double final, every, gamma;
    bool needs_length;
} schedule_case;

static const schedule_case cases[] = {
    {"{}", "constant", 0.1, 100, 50, 0, 0, 0, 0, 0, false},
    {"{name: constant, warmup: 7}", "constant", 0.1, 100, 50, 7, 0, 0, 0, 0, false},
    {"{name: constant, warmup: 2, unit: epochs}", "constant", 0.1, 10, 50, 20, 0, 0, 0, 0, false},
    {"{name: constant, warmup: 0.25, unit: epochs}", "constant", 0.1, 10, 50, 3, 0, 0, 0, 0, false},
    {"{name: constant, warmup: 2.5}", "constant", 0.1, 10, 50, 3, 0, 0, 0, 0, false},
    {"{name: constant, warmup: 100}", "constant", 0.1, 10, 50, 100, 0, 0, 0, 0, false},
    {"{name: step, every: 10}", "step", 1.0, 100, 50, 0, 0, 0, 10, 0.1, false},
    {"{name: step, every: 2, unit: epochs, gamma: 0.5}", "step", 1.0, 7, 50, 0, 0, 0, 14, 0.5, false},
    {"{name: step, every: 10, gamma: 0.5, warmup: 5}", "step", 1.0, 7, 50, 5, 0, 0, 10, 0.5, false},
    {"{name: step, every: 7.5, gamma: 2}", "step", 1.0, 7, 50, 0, 0, 0, 7.5, 2, false},
    {"{name: cosine}", "cosine", 0.4, 100, 50, 0, 0, 0, 0, 0, true},
    {"{name: cosine, final_lr: 0.1, warmup: 10}", "cosine", 0.4, 100, 50, 10, 0, 0.1, 0, 0, true},
    {"{name: cosine, duration: 20, warmup: 4}", "cosine", 0.4, 100, 50, 4, 20, 0, 0, 0, false},
    {"{name: cosine, duration: 3, unit: epochs, warmup: 1}", "cosine", 0.4, 8, 50, 8, 24, 0, 0, 0, false},
    {"{name: cosine, duration: 1000}", "cosine", 0.4, 8, 50, 0, 1000, 0, 0, 0, false},
    {"{name: cosine}", "cosine", 0.4, 8, 1, 0, 0, 0, 0, 0, true},
    {"{name: cosine, warmup: 60}", "cosine", 0.4, 8, 50, 60, 0, 0, 0, 0, true},
    {"{name: linear}", "linear", 0.4, 100, 50, 0, 0, 0, 0, 0, true},
    {"{name: linear, final_lr: 0.8}", "linear", 0.4, 100, 50, 0, 0, 0.8, 0, 0, true},
    {"{name: linear, final_lr: 0.1, duration: 12.5, warmup: 3}", "linear", 0.4, 9, 50, 3, 12.5, 0.1, 0, 0, false},
    {"{name: linear, duration: ~, unit: epochs}", "linear", 0.4, 9, 50, 0, 0, 0, 0, 0, true},
    {"{name: linear, duration: 0.5, unit: epochs}", "linear", 0.4, 9, 50, 0, 4.5, 0, 0, 0, false},
    {"{name: linear}", "linear", 0.4, 9, 0, 0, 0, 0, 0, 0, true},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static double constant_twin(const schedule_case *c, double t, double done)
{
    (void)t, (void)done;
    return c->base;
}

static double step_twin(const schedule_case *c, double t, double done)
{
    (void)done;
    double lr = c->base;
    for (double next = c->every; next <= t; next += c->every) lr *= c->gamma;
    return lr;
}

static double cosine_twin(const schedule_case *c, double t, double done)
{
    (void)t;
    return c->final + 0.5 * (c->base - c->final) * (1.0 + cos(acos(-1.0) * done));
}

static double linear_twin(const schedule_case *c, double t, double done)
{
    (void)t;
    return (1.0 - done) * c->base + done * c->final;
}

static const struct {
    const char *name;
    double (*lr)(const schedule_case *c, double t, double done);
} schedule_twins[] = {
    {"constant", constant_twin}, {"step", step_twin}, {"cosine", cosine_twin}, {"linear", linear_twin}};

static int twin_of(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(schedule_twins[i].name, name) == 0) return i;
    fail_msg("schedule %s has no twin", name);
    return -1;
}

/* Rate of iteration i: t iterations behind the warm-up, of which the part `done` of the decay. */
static double twin_lr(const schedule_case *c, int64_t i)
{
    if (i < c->warmup) return c->base * (double)(i + 1) / (double)c->warmup;
    const double t = (double)(i - c->warmup), rest = fmax((double)(c->total - c->warmup), 1.0);
    const double duration = c->duration > 0 ? c->duration : rest;
    return schedule_twins[twin_of(c->name)].lr(c, t, fmin(t / duration, 1.0));
}

typedef struct bench {
    ls_node *spec;
    ls_schedule *schedule;
} bench;

static bench bench_create(const char *yaml, double base, int64_t per_epoch, int64_t total)
{
    bench b = {.spec = parse(yaml)};
    if (ls_schedule_create(b.spec, base, per_epoch, total, &b.schedule) != LS_OK)
        fail_msg("%s: %s", yaml, ls_status_message());
    return b;
}

static void bench_destroy(bench *b)
{
    ls_schedule_destroy(&b->schedule);
    ls_node_destroy(&b->spec);
}

static bench bench_of(const schedule_case *c)
{
    return bench_create(c->yaml, c->base, c->per_epoch, c->total);
}

static void test_every_schedule_has_twin_and_case(void **state)
{
    (void)state;
    for (int i = 0; ls__schedules[i] != NULL; i++) {
        bool seen = false;
        for (int c = 0; c < N_CASES; c++) seen = seen || strcmp(cases[c].name, ls__schedules[i]->name) == 0;
        if (!seen) fail_msg("schedule %s has no case", ls__schedules[i]->name);
        twin_of(ls__schedules[i]->name);
        assert_non_null(ls__schedules[i]->help);
    }
}

/* Both sides are a few operations in double; a step multiplies at most seven times. */
static void test_rates_equal_closed_formulas(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_of(&cases[c]);
        for (int64_t i = 0; i <= 3 * cases[c].total + 130; i++)
            assert_close(cases[c].yaml, i, ls_schedule_lr(b.schedule, i), twin_lr(&cases[c], i),
                         16 * DBL_EPSILON * cases[c].base * 128);
        bench_destroy(&b);
    }
}

static void test_needs_length(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        bench b = bench_of(&cases[c]);
        if (ls_schedule_needs_length(b.schedule) != cases[c].needs_length) fail_msg("%s", cases[c].yaml);
        bench_destroy(&b);
    }
}

/* What needs_length promises: without it a longer run has the same rates. */
static void test_longer_runs_keep_their_rates(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        if (cases[c].needs_length) continue;
        bench b = bench_of(&cases[c]);
        bench longer = bench_create(cases[c].yaml, cases[c].base, cases[c].per_epoch, 10 * cases[c].total);
        for (int64_t i = 0; i < 200; i++)
            assert_true(ls_schedule_lr(b.schedule, i) == ls_schedule_lr(longer.schedule, i));
        bench_destroy(&longer);
        bench_destroy(&b);
    }
}

static double rate(const char *yaml, int64_t per_epoch, int64_t total, int64_t iteration)
{
    bench b = bench_create(yaml, 0.5, per_epoch, total);
    const double lr = ls_schedule_lr(b.schedule, iteration);
    bench_destroy(&b);
    return lr;
}

static void test_corners_are_exact(void **state)
{
    (void)state;
    assert_true(rate("{name: linear, warmup: 10}", 1, 100, 0) == 0.05);
    assert_true(rate("{name: linear, warmup: 10}", 1, 100, 9) == 0.5);
    assert_true(rate("{name: linear, warmup: 10}", 1, 100, 10) == 0.5);
    assert_true(rate("{name: linear, final_lr: 0.25}", 1, 100, 50) == 0.375);
    assert_true(rate("{name: linear, final_lr: 0.25}", 1, 100, 100) == 0.25);
    assert_true(rate("{name: linear, final_lr: 0.25}", 1, 100, INT64_C(1) << 60) == 0.25);
    assert_true(rate("{name: cosine, final_lr: 0.25}", 1, 100, 0) == 0.5);
    assert_true(rate("{name: cosine, final_lr: 0.25}", 1, 100, 100) == 0.25);
    assert_true(rate("{name: step, every: 10, gamma: 0.5}", 1, 100, 9) == 0.5);
    assert_true(rate("{name: step, every: 10, gamma: 0.5}", 1, 100, 10) == 0.25);
    assert_true(rate("{name: step, every: 10, gamma: 0}", 1, 100, 9) == 0.5);
    assert_true(rate("{name: step, every: 10, gamma: 0}", 1, 100, 10) == 0.0);
}

static void test_short_runs_have_finite_rates(void **state)
{
    (void)state;
    static const char *const names[] = {"{name: cosine}", "{name: linear}", "{name: cosine, warmup: 1}",
                                        "{name: linear, warmup: 1}"};
    for (int i = 0; i < 4; i++)
        for (int64_t total = 0; total < 3; total++) {
            assert_true(rate(names[i], 1, total, 0) == 0.5);
            for (int64_t t = 0; t < 5; t++) assert_true(isfinite(rate(names[i], 1, total, t)));
        }
}

/* 0.07 epochs of 100 iterations are 7 iterations, though 0.07 * 100 is a little more in double, and 0.57 * 100 less. */
static void test_fractions_of_epochs_are_whole_iterations(void **state)
{
    (void)state;
    for (int n = 1; n <= 300; n++) {
        char yaml[128];
        snprintf(yaml, sizeof yaml, "{warmup: %d.%02d, unit: epochs}", n / 100, n % 100);
        bench b = bench_create(yaml, 0.5, 100, 1000);
        if (b.schedule->warmup != n) fail_msg("%s: %" PRId64 " iterations", yaml, b.schedule->warmup);
        bench_destroy(&b);
        snprintf(yaml, sizeof yaml, "{name: step, every: %d.%02d, unit: epochs, gamma: 0.5}", n / 100, n % 100);
        for (int k = 1; k < 20; k++) {
            assert_close(yaml, k * n - 1, rate(yaml, 100, 1000, k * n - 1), ldexp(1.0, -k), 0.0);
            assert_close(yaml, k * n, rate(yaml, 100, 1000, k * n), ldexp(0.5, -k), 0.0);
        }
        snprintf(yaml, sizeof yaml, "{name: linear, duration: %d.%02d, unit: epochs}", n / 100, n % 100);
        assert_true(rate(yaml, 100, 1000, n - 1) > 0.0);
        assert_true(rate(yaml, 100, 1000, n) == 0.0);
    }
    bench b = bench_create("{warmup: 1e12, unit: epochs}", 0.5, INT64_C(1) << 40, 1000);
    assert_in_range(b.schedule->warmup, INT64_C(1) << 52, INT64_MAX);
    bench_destroy(&b);
}

static void refused(const char *yaml, const char *word, const char *other)
{
    ls_node *spec = parse(yaml);
    ls_schedule *schedule = (ls_schedule *)spec;
    const ls_status status = ls_schedule_create(spec, 0.1, 10, 100, &schedule);
    if (status != LS_EUSAGE) fail_msg("%s: status %d", yaml, status);
    assert_null(schedule);
    assert_message(word);
    assert_message(other);
    ls_node_destroy(&spec);
}

static void test_refusals_name_place_and_reason(void **state)
{
    (void)state;
    refused("name: cosin", "test.yaml:1:1: unknown schedule 'cosin'", "did you mean 'cosine'?");
    refused("{name: step}", "needs the key 'every'", "units between two steps");
    refused("{name: step, every: 0}", "'every' is 0", "above 0");
    refused("{name: cosine, duration: 0}", "'duration' is 0", "above 0");
    refused("{name: cosine, final_lr: -1}", "'final_lr' is -1", "from 0");
    refused("{name: constant, warmup: -1}", "'warmup' is -1", "from 0");
    refused("{name: constant, unit: hours}", "'unit' must be one of", "iterations, epochs");
    refused("{name: constant, gamma: 1}", "unknown key 'gamma'", "test.yaml:1:");
    refused("{name: cosine, warm_up: 1}", "unknown key 'warm_up'", "did you mean 'warmup'?");
    ls_schedule_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_schedule_has_twin_and_case),
        cmocka_unit_test(test_rates_equal_closed_formulas),
        cmocka_unit_test(test_needs_length),
        cmocka_unit_test(test_longer_runs_keep_their_rates),
        cmocka_unit_test(test_corners_are_exact),
        cmocka_unit_test(test_short_runs_have_finite_rates),
        cmocka_unit_test(test_fractions_of_epochs_are_whole_iterations),
        cmocka_unit_test(test_refusals_name_place_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
