/* The conformance suite of the schedule registry: each rate against a closed formula in double. */
#include "optim/registry.h"
#include "schedule_cases.h"

typedef struct bench {
    ls_node *spec;
    ls_schedule *schedule;
} bench;

/* One batch size of 10 samples. */
static ls_course course_of(int64_t per_epoch)
{
    return (ls_course){.n_phases = 1,
                       .phase = {{.batch_size = 10, .iterations_per_epoch = per_epoch, .last_batch_size = 10}}};
}

static bench bench_create(const char *yaml, double base, int64_t per_epoch, int64_t total)
{
    bench b = {.spec = parse(yaml)};
    const ls_course course = course_of(per_epoch);
    if (ls_schedule_create(b.spec, base, &course, total, &b.schedule) != LS_OK)
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
    static const char *const names[] = {"{name: cosine}",
                                        "{name: linear}",
                                        "{name: cosine, warmup: 1}",
                                        "{name: linear, warmup: 1}",
                                        "{name: polynomial, power: 2}",
                                        "{name: one_cycle}",
                                        "{name: one_cycle, pct_start: 0, three_phase: true}",
                                        "{name: one_cycle, pct_start: 1}",
                                        "{name: one_cycle, pct_start: 0.5}"};
    for (int i = 0; i < 9; i++)
        for (int64_t total = 0; total < 3; total++) {
            if (i < 5) assert_true(rate(names[i], 1, total, 0) == 0.5);
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

/* 100 samples: 10 epochs of 10 batches of 10, then epochs of batches of 40, 40 and 20. */
static const ls_course growing = {.n_phases = 2,
                                  .phase = {{.batch_size = 10, .iterations_per_epoch = 10, .last_batch_size = 10},
                                            {.first_epoch = 10,
                                             .first_iteration = 100,
                                             .batch_size = 40,
                                             .iterations_per_epoch = 3,
                                             .last_batch_size = 20}}};

static double growing_rate(const char *yaml, int64_t total, int64_t iteration)
{
    ls_node *spec = parse(yaml);
    ls_schedule *schedule;
    assert_int_equal(ls_schedule_create(spec, 0.5, &growing, total, &schedule), LS_OK);
    const double lr = ls_schedule_lr(schedule, iteration);
    ls_schedule_destroy(&schedule);
    ls_node_destroy(&spec);
    return lr;
}

/* Times in epochs and samples follow the batches, times in iterations do not. */
static void test_growing_batches(void **state)
{
    (void)state;
    static const char *const epochs = "{name: linear, duration: 20, unit: epochs}";
    static const char *const samples = "{name: linear, duration: 2000, unit: samples}";
    static const char *const iterations = "{name: linear, duration: 200}";
    /* epochs 0, 5, 10, 10 2/3, 11, 19 1/3 and 20 are at the iterations 0, 50, 100, 102, 103, 128 and 130 */
    static const int64_t at[] = {0, 50, 100, 102, 103, 128, 130};
    static const double by_epochs[] = {0, 5, 10, 10 + 2.0 / 3, 11, 19 + 1.0 / 3, 20};
    static const double by_samples[] = {0, 500, 1000, 1080, 1100, 1940, 2000};
    for (int i = 0; i < 7; i++) {
        assert_close(epochs, at[i], growing_rate(epochs, 160, at[i]), 0.5 * (1 - by_epochs[i] / 20), 1e-15);
        assert_close(samples, at[i], growing_rate(samples, 160, at[i]), 0.5 * (1 - by_samples[i] / 2000), 1e-15);
        assert_close(iterations, at[i], growing_rate(iterations, 160, at[i]), 0.5 * (1 - (double)at[i] / 200), 1e-15);
    }
    assert_true(growing_rate("{name: step, every: 11, gamma: 0.5, unit: epochs}", 160, 102) == 0.5);
    assert_true(growing_rate("{name: step, every: 11, gamma: 0.5, unit: epochs}", 160, 103) == 0.25);
    assert_true(growing_rate("{name: multistep, milestones: [1100], gamma: 0.5, unit: samples}", 160, 102) == 0.5);
    assert_true(growing_rate("{name: multistep, milestones: [1100], gamma: 0.5, unit: samples}", 160, 103) == 0.25);
    assert_true(growing_rate("{name: linear, unit: epochs}", 130, 115) == 0.125); /* the run has 20 epochs; 15 */
    /* the rate of a batch is that behind it */
    assert_true(growing_rate("{warmup: 1000, unit: samples}", 160, 0) == 0.005);
    assert_true(growing_rate("{warmup: 1040, unit: samples}", 160, 100) == 0.5);
    assert_true(growing_rate("{warmup: 1060, unit: samples}", 160, 101) == 0.5); /* ends inside the batch */
}

static void test_warmup_end(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        int64_t end;
    } ends[] = {{"{}", 0},
                {"{warmup: 7}", 7},
                {"{warmup: 2, unit: epochs}", 20},
                {"{warmup: 11, unit: epochs}", 103},
                {"{warmup: 1000, unit: samples}", 100},
                {"{warmup: 1001, unit: samples}", 101},
                {"{warmup: 15, unit: samples}", 2},
                {"{warmup: 1000}", 160}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        ls_node *spec = parse(ends[i].yaml);
        ls_schedule *schedule;
        assert_int_equal(ls_schedule_create(spec, 0.5, &growing, 160, &schedule), LS_OK);
        assert_int_equal(ls_schedule_warmup_end(schedule), ends[i].end);
        ls_schedule_destroy(&schedule);
        ls_node_destroy(&spec);
    }
}

/* The course's first batch size is 10. */
static void test_scaling_rules(void **state)
{
    (void)state;
    assert_true(growing_rate("{lr_scaling: {rule: linear, reference_batch_size: 40}}", 160, 120) == 0.125);
    assert_true(growing_rate("{lr_scaling: {rule: sqrt, reference_batch_size: 40}}", 160, 0) == 0.25);
    assert_true(growing_rate("{lr_scaling: {rule: none, reference_batch_size: 40}}", 160, 0) == 0.5);
    assert_true(growing_rate("{lr_scaling: {rule: linear, reference_batch_size: 5}, warmup: 2}", 160, 0) == 0.5);
    assert_true(growing_rate("{lr_scaling: {rule: linear}}", 160, 0) == 0.5 * (10.0 / 256.0));
    assert_true(growing_rate("{name: linear, final_lr: 0.25, lr_scaling: {rule: linear, reference_batch_size: 5}}", 160,
                             160) == 0.25);
}

static void refused(const char *yaml, const char *word, const char *other)
{
    ls_node *spec = parse(yaml);
    ls_schedule *schedule = (ls_schedule *)spec;
    const ls_course course = course_of(10);
    const ls_status status = ls_schedule_create(spec, 0.1, &course, 100, &schedule);
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
    refused("{name: constant, unit: hours}", "'unit' must be one of", "iterations, epochs, samples");
    refused("{name: constant, gamma: 1}", "unknown key 'gamma'", "test.yaml:1:");
    refused("{name: cosine, warm_up: 1}", "unknown key 'warm_up'", "did you mean 'warmup'?");
    refused("{name: multistep}", "needs the key 'milestones'", "after the warm-up");
    refused("{name: multistep, milestones: []}", "'milestones' needs a list of times", "test.yaml:1:");
    refused("{name: multistep, milestones: [3, 2]}", "'milestones' must rise, from above 0; 2 does not",
            "test.yaml:1:");
    refused("{name: multistep, milestones: [0, 2]}", "'milestones' must rise", "test.yaml:1:");
    refused("{name: multistep, milestones: [a]}", "'milestones' must be a number or a list", "test.yaml:1:");
    refused("{name: inverse_sqrt}", "inverse_sqrt needs a 'warmup' or a 'timescale'", "test.yaml:1:");
    refused("{name: polynomial, power: 0}", "'power' is 0", "above 0");
    refused("{name: one_cycle, pct_start: 1.5}", "'pct_start' is 1.5", "to 1");
    refused("{name: one_cycle, anneal_strategy: cosine}", "'anneal_strategy' must be one of", "cos, linear");
    refused("{lr_scaling: linear}", "'lr_scaling' holds keys of its own", "test.yaml:1:");
    refused("{lr_scaling: {rule: root}}", "'lr_scaling.rule' must be one of: none, linear, sqrt", "test.yaml:1:");
    refused("{lr_scaling: {rule: sqrt, reference_batch_size: 0}}", "reference_batch_size' is 0", "from 1");
    refused("{lr_scaling: {reference: 1}}", "unknown key 'lr_scaling.reference'", "test.yaml:1:");
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
        cmocka_unit_test(test_growing_batches),
        cmocka_unit_test(test_warmup_end),
        cmocka_unit_test(test_scaling_rules),
        cmocka_unit_test(test_refusals_name_place_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
