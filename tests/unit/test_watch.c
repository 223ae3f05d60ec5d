#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "lockstep/trainer.h"
#include "train/data.h"
#include "train/watch.h"

static const bool all[LS_N_SETS] = {true, true, true};

static ls_watch make(const char *target, const char *best)
{
    ls_watch watch;
    const ls_config config = {.target.metric = target, .checkpoint.best = best};
    if (ls_watch_create(&config, all, true, true, &watch) != LS_OK) fail_msg("%s", ls_status_message());
    return watch;
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int which, kind;
        bool ema;
    } cases[] = {{"validation_loss", LS_VALIDATION, LS_METRIC_LOSS, false},
                 {"validation_accuracy", LS_VALIDATION, LS_METRIC_ACCURACY, false},
                 {"validation_error", LS_VALIDATION, LS_METRIC_ERROR, false},
                 {"validation_ema_loss", LS_VALIDATION, LS_METRIC_LOSS, true},
                 {"validation_ema_accuracy", LS_VALIDATION, LS_METRIC_ACCURACY, true},
                 {"validation_ema_error", LS_VALIDATION, LS_METRIC_ERROR, true},
                 {"test_loss", LS_TEST, LS_METRIC_LOSS, false},
                 {"test_accuracy", LS_TEST, LS_METRIC_ACCURACY, false},
                 {"test_error", LS_TEST, LS_METRIC_ERROR, false},
                 {"test_ema_loss", LS_TEST, LS_METRIC_LOSS, true},
                 {"test_ema_accuracy", LS_TEST, LS_METRIC_ACCURACY, true},
                 {"test_ema_error", LS_TEST, LS_METRIC_ERROR, true}};
    enum { N = sizeof cases / sizeof *cases };
    for (int i = 0; i < N; i++) {
        const ls_watch watch = make(cases[i].name, cases[N - 1 - i].name);
        assert_int_equal(watch.target.which, cases[i].which);
        assert_int_equal(watch.target.kind, cases[i].kind);
        assert_int_equal(watch.target.ema, cases[i].ema);
        assert_int_equal(watch.best.which, cases[N - 1 - i].which);
        assert_int_equal(watch.best.kind, cases[N - 1 - i].kind);
        assert_int_equal(watch.best.ema, cases[N - 1 - i].ema);
    }
    const ls_watch none = make(NULL, NULL);
    assert_int_equal(none.target.which, -1);
    assert_int_equal(none.best.which, -1);
}

static void check_refused(const char *target, const char *best, const bool *present, bool classification, bool averaged,
                          const char *word)
{
    ls_watch watch;
    const ls_config config = {.target.metric = target, .checkpoint.best = best};
    assert_int_equal(ls_watch_create(&config, present, classification, averaged, &watch), LS_EUSAGE);
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
}

static void wrong_names(void **state)
{
    (void)state;
    const bool no_test[LS_N_SETS] = {true, true, false}, no_validation[LS_N_SETS] = {true, false, true};
    check_refused("train_loss", NULL, all, true, true, "'target.metric' is 'train_loss'; known: validation_loss");
    check_refused("accuracy", NULL, all, true, true, "'target.metric' is 'accuracy'");
    check_refused("", NULL, all, true, true, "'target.metric' is ''");
    check_refused(NULL, "test_Loss", all, true, true, "'checkpoint.best' is 'test_Loss'");
    check_refused("test_loss", NULL, no_test, true, true, "there is no data.test");
    check_refused("test_loss", "validation_loss", no_validation, true, true, "there is no data.validation");
    check_refused("test_accuracy", NULL, all, false, true, "a regression has only a loss");
    check_refused("test_loss", "test_error", all, false, true, "'checkpoint.best' is 'test_error': a regression");
    check_refused("test_ema_error", NULL, all, false, true, "a regression has only a loss");
    check_refused("test_ema_accuracy", NULL, all, true, false,
                  "no moving average of the parameters; set optimizer.ema");
    check_refused(NULL, "validation_ema_loss", no_validation, true, true, "there is no data.validation");
    check_refused("ema_accuracy", NULL, all, true, true, "'ema_accuracy'; known: ");
    ls_watch watch;
    const ls_config config = {.target.metric = "test_loss"};
    assert_int_equal(ls_watch_create(&config, no_validation, false, false, &watch), LS_OK);
}

static void values(void **state)
{
    (void)state;
    const ls_evaluation evaluations[LS_N_SETS] = {
        [LS_VALIDATION] = {true, 8, 0.5, 0.75, 0.25, 0.875}, [LS_TEST] = {true, 4, 2, 0.25, 1, 0.5}};
    static const struct {
        const char *name;
        double value;
    } cases[] = {{"validation_loss", 0.5},        {"validation_accuracy", 0.75},
                 {"validation_error", 0.25},      {"test_loss", 2},
                 {"test_accuracy", 0.25},         {"test_error", 0.75},
                 {"validation_ema_loss", 0.25},   {"validation_ema_accuracy", 0.875},
                 {"validation_ema_error", 0.125}, {"test_ema_loss", 1},
                 {"test_ema_accuracy", 0.5},      {"test_ema_error", 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ls_watch watch = make(cases[i].name, NULL);
        assert_true(ls_metric_value(&watch.target, evaluations) == cases[i].value);
    }
}

/* Exactly at a goal is not below it, whatever 1 - accuracy rounds to. */
static void errors_are_quotients(void **state)
{
    (void)state;
    const int64_t n = 5000;
    for (int64_t wrong = 0; wrong <= n; wrong++)
        assert_true(ls_error_of((double)(n - wrong) / (double)n, n) == (double)wrong / (double)n);
    assert_true(isnan(ls_error_of(NAN, n)));
}

static void better(void **state)
{
    (void)state;
    static const struct {
        double value, best;
        bool loss, accuracy;
    } cases[] = {{1, 2, true, false},         {2, 1, false, true},       {1, 1, false, false},
                 {1, NAN, true, true},        {NAN, 1, false, false},    {NAN, NAN, false, false},
                 {INFINITY, NAN, true, true}, {INFINITY, 1, false, true}};
    const ls_metric loss = {LS_TEST, LS_METRIC_LOSS, false}, accuracy = {LS_TEST, LS_METRIC_ACCURACY, true},
                    error = {LS_TEST, LS_METRIC_ERROR, false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ls_metric_better(&loss, cases[i].value, cases[i].best), cases[i].loss);
        assert_int_equal(ls_metric_better(&error, cases[i].value, cases[i].best), cases[i].loss);
        assert_int_equal(ls_metric_better(&accuracy, cases[i].value, cases[i].best), cases[i].accuracy);
    }
}

static const ls_run_state fresh = {.best_value = NAN, .best_saved = NAN, .target_reached = -1};

/* One evaluation of the test set after `iteration`. */
static bool update(const ls_watch *watch, const ls_config *config, int64_t iteration, double loss, double accuracy,
                   ls_run_state *run)
{
    const ls_evaluation evaluations[LS_N_SETS] = {
        [LS_TEST] = {.present = true, .n = 80, .loss = loss, .accuracy = accuracy}};
    run->iteration = iteration;
    return ls_watch_update(watch, config, evaluations, run);
}

static void a_target_above(void **state)
{
    (void)state;
    const ls_watch watch = make("test_accuracy", NULL);
    const ls_config config = {.target = {.metric = "test_accuracy", .above = 0.9, .below = NAN}};
    ls_run_state run = fresh;
    assert_false(update(&watch, &config, 10, 1, 0.5, &run));
    assert_int_equal(run.target_reached, -1);
    assert_true(run.best_value == 0.5);
    update(&watch, &config, 20, 1, 0.9, &run);
    assert_int_equal(run.target_reached, -1); /* above, not at */
    update(&watch, &config, 30, 1, NAN, &run);
    assert_int_equal(run.target_reached, -1);
    update(&watch, &config, 40, 1, 0.91, &run);
    assert_int_equal(run.target_reached, 40);
    assert_true(run.best_value == 0.91);
}

static void a_target_below(void **state)
{
    (void)state;
    const ls_watch watch = make("test_error", NULL);
    const ls_config config = {.target = {.metric = "test_error", .above = NAN, .below = 0.25}};
    ls_run_state run = fresh;
    update(&watch, &config, 10, 1, 0.75, &run);
    assert_int_equal(run.target_reached, -1);
    update(&watch, &config, 20, 1, 0.875, &run);
    assert_int_equal(run.target_reached, 20);
    assert_true(run.best_value == 0.125);
}

static void patience_counts_evaluations_without_a_better_value(void **state)
{
    (void)state;
    static const struct {
        double loss;
        int64_t stale;
    } steps[] = {{3, 0}, {4, 1}, {3, 2}, {2, 0}, {NAN, 1}, {INFINITY, 2}, {2, 3}, {1.5, 0}};
    const ls_watch watch = make("test_loss", NULL);
    const ls_config config = {.target = {.metric = "test_loss", .above = NAN, .below = NAN, .patience = 3}};
    ls_run_state run = fresh;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_false(update(&watch, &config, (int64_t)i, steps[i].loss, NAN, &run));
        assert_int_equal(run.stale_evaluations, steps[i].stale);
        assert_int_equal(run.target_reached, -1);
    }
    assert_true(run.best_value == 1.5);
}

/* The best checkpoint has a metric and a memory of its own. */
static void the_best_checkpoint(void **state)
{
    (void)state;
    const ls_watch watch = make("test_accuracy", "test_loss");
    const ls_config config = {.target = {.metric = "test_accuracy", .above = 2, .below = NAN}};
    ls_run_state run = fresh;
    assert_true(update(&watch, &config, 1, 3, 0.5, &run));
    assert_false(update(&watch, &config, 2, 3, 0.9, &run));
    assert_true(update(&watch, &config, 3, 2, 0.1, &run));
    assert_false(update(&watch, &config, 4, NAN, 0.1, &run));
    assert_true(run.best_saved == 2);
    assert_true(run.best_value == 0.9);
    assert_int_equal(run.stale_evaluations, 2);
}

static void nothing_is_watched(void **state)
{
    (void)state;
    const ls_watch watch = make(NULL, NULL);
    const ls_config config = {.target = {.above = NAN, .below = NAN}};
    ls_run_state run = fresh;
    assert_false(update(&watch, &config, 1, 3, 0.5, &run));
    assert_true(isnan(run.best_value) && isnan(run.best_saved));
    assert_int_equal(run.stale_evaluations, 0);
    assert_int_equal(run.target_reached, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(values),
        cmocka_unit_test(errors_are_quotients),
        cmocka_unit_test(better),
        cmocka_unit_test(a_target_above),
        cmocka_unit_test(a_target_below),
        cmocka_unit_test(patience_counts_evaluations_without_a_better_value),
        cmocka_unit_test(the_best_checkpoint),
        cmocka_unit_test(nothing_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
