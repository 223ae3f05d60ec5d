#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/option.h"
#include "lockstep/config.h"
#include "lockstep/job.h"
#include "lockstep/plan.h"

static ls_config configuration(int64_t batch, int64_t epochs, int64_t max_iterations, bool drop_last)
{
    return (ls_config){
        .batch = {.global_batch_size = batch, .shards = LS_AUTO, .micro_batch_size = LS_AUTO, .drop_last = drop_last},
        .train = {.epochs = epochs, .max_iterations = max_iterations},
        .eval = {.every_epochs = 1}};
}

static ls_plan make(const ls_config *config, int64_t n_samples)
{
    ls_plan plan;
    assert_int_equal(ls_plan_create(config, n_samples, &plan), LS_OK);
    return plan;
}

/* The examples of the README's words. */
static void the_examples(void **state)
{
    (void)state;
    ls_config config = configuration(100, 10, LS_AUTO, false);
    ls_plan plan = make(&config, 60000);
    assert_int_equal(plan.iterations_per_epoch, 600);
    assert_int_equal(plan.total_iterations, 6000);
    assert_int_equal(plan.last_batch_size, 100);
    config = configuration(100, LS_AUTO, 30000, false);
    plan = make(&config, 60000);
    assert_int_equal(plan.total_iterations, 30000);
    assert_int_equal(ls_plan_batch(&plan, 29999).epoch, 49); /* the last of 50, counted from 0 */
    assert_int_equal(ls_plan_batch(&plan, 30000).epoch, 50);
    config = configuration(128, 1, LS_AUTO, false);
    plan = make(&config, 60000);
    assert_int_equal(plan.iterations_per_epoch, 469);
    assert_int_equal(plan.last_batch_size, 96);
    const ls_batch last = ls_plan_batch(&plan, 468), next = ls_plan_batch(&plan, 469);
    assert_int_equal(last.first, 468 * 128);
    assert_int_equal(last.rows, 96);
    assert_int_equal(last.epoch, 0);
    assert_int_equal(next.epoch, 1);
    assert_int_equal(next.first, 0);
    assert_int_equal(next.rows, 128);
    config = configuration(128, 1, LS_AUTO, true);
    plan = make(&config, 60000);
    assert_int_equal(plan.iterations_per_epoch, 468);
    assert_int_equal(plan.last_batch_size, 128);
    assert_int_equal(ls_plan_batch(&plan, 467).rows, 128);
}

/* Every epoch uses every sample once, in order, less the tail with drop_last. */
static void check_epochs(const ls_plan *plan)
{
    const int64_t used =
        plan->drop_last ? plan->n_samples / plan->global_batch_size * plan->global_batch_size : plan->n_samples;
    int64_t iteration = 0;
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int64_t position = 0;
        for (; position < used; iteration++) {
            const ls_batch batch = ls_plan_batch(plan, iteration);
            assert_int_equal(batch.epoch, epoch);
            assert_int_equal(batch.first, position);
            assert_in_range(batch.rows, 1, plan->global_batch_size);
            position += batch.rows;
            if (position < used) assert_int_equal(batch.rows, plan->global_batch_size);
        }
        assert_int_equal(position, used);
        assert_int_equal(iteration, (epoch + 1) * plan->iterations_per_epoch);
    }
}

static void epochs_use_every_sample_once(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 60; n++)
        for (int64_t b = 1; b <= 70; b++)
            for (int drop = 0; drop <= 1; drop++) {
                const ls_config config = configuration(b, 3, LS_AUTO, drop);
                ls_plan plan;
                if (drop && b > n) {
                    assert_int_equal(ls_plan_create(&config, n, &plan), LS_EUSAGE);
                    continue;
                }
                plan = make(&config, n);
                check_epochs(&plan);
                assert_int_equal(plan.total_iterations, 3 * plan.iterations_per_epoch);
            }
}

static void refused(void **state)
{
    (void)state;
    ls_config config = configuration(128, 1, LS_AUTO, true);
    ls_plan plan;
    assert_int_equal(ls_plan_create(&config, 127, &plan), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "'batch.global_batch_size' is 128, the training set has 127"));
    config.batch.drop_last = false;
    assert_int_equal(ls_plan_create(&config, 0, &plan), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "empty"));
    config = configuration(10, 1000000000, LS_AUTO, false);
    assert_int_equal(ls_plan_create(&config, 9007199254, &plan), LS_EUSAGE);
    config = configuration(70000, LS_AUTO, 1000000000000000, false); /* 60000 samples each */
    assert_int_equal(ls_plan_create(&config, 60000, &plan), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "of up to 60000 samples are more samples than 2^53"));
}

/* Whatever limit is reached first ends. */
static void limits(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{10, 7, 7},
                                       {10, 100, 60},
                                       {10, 60, 60},
                                       {10, 61, 60},
                                       {10, 59, 59},
                                       {LS_AUTO, 7, 7},
                                       {10, LS_AUTO, 60},
                                       {0, 7, 0},
                                       {10, 0, 0},
                                       {1, 6, 6},
                                       {1000000000, 1000000000000000, 6000000000},
                                       {1000000000, 5, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ls_config config = configuration(10, cases[i][0], cases[i][1], false);
        assert_int_equal(make(&config, 60).total_iterations, cases[i][2]);
    }
}

/* "the largest power of two <= min(8, B/16), at least 1"; B/16 is not rounded: 2 <= 31/16 does not hold. */
static void automatic_shards(void **state)
{
    (void)state;
    for (int64_t b = 1; b <= 10000; b++) {
        int64_t expected = 1;
        for (int64_t power = 1; power <= 1024; power *= 2)
            if (power <= 8 && (double)power <= (double)b / 16.0) expected = power;
        assert_int_equal(ls_plan_auto_shards(b), expected);
    }
}

/* "the whole shard, up to 256 rows" */
static void automatic_micro_batches(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{1, 0, 1},     {16, 0, 16},    {100, 0, 25},   {128, 0, 16},
                                       {250, 0, 32},  {2048, 0, 256}, {2049, 0, 256}, {10000, 0, 256},
                                       {100, 1, 100}, {300, 1, 256},  {7, 3, 3},      {5, 9, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ls_config config = configuration(cases[i][0], 1, LS_AUTO, false);
        if (cases[i][1] > 0) config.batch.shards = cases[i][1];
        const ls_plan plan = make(&config, 100000);
        assert_int_equal(plan.micro_batch_size, cases[i][2]);
        if (cases[i][1] > 0) assert_int_equal(plan.n_shards, cases[i][1]);
        config.batch.micro_batch_size = 3;
        assert_int_equal(make(&config, 100000).micro_batch_size, 3);
    }
}

/* First row of shard s when `rows` are dealt one by one to the shards with the lowest number first. */
static int64_t shard_begin(int64_t rows, int64_t shards, int64_t s)
{
    int64_t first = 0;
    for (int64_t i = 0; i < s; i++) first += rows / shards + (i < rows % shards);
    return first;
}

typedef struct progress {
    int64_t row, shard, in_shard; /* next row of the batch; shard of the run before and its rows so far */
} progress;

static void check_run(const ls_plan *plan, const ls_run *run, int64_t rows, int64_t shard, int64_t own_row,
                      progress *seen)
{
    const int64_t begin = shard_begin(rows, plan->n_shards, shard), end = shard_begin(rows, plan->n_shards, shard + 1);
    if (shard != seen->shard) seen->in_shard = 0;
    assert_int_equal(run->batch_row, seen->row);
    assert_int_equal(run->first, own_row);
    assert_in_range(run->n, 1, plan->micro_batch_size);
    assert_true(run->batch_row >= begin && run->batch_row + run->n <= end);
    assert_int_equal(run->fresh, seen->in_shard == 0);
    if (run->batch_row + run->n < end) assert_int_equal(run->n, plan->micro_batch_size); /* only the last is short */
    *seen = (progress){seen->row + run->n, shard, seen->in_shard + run->n};
}

/* All ranks together: every row once, in order. */
static void check_runs(const ls_plan *plan, int64_t rows, int size)
{
    ls_run runs[64];
    progress seen = {0, -1, 0};
    for (int rank = 0; rank < size; rank++) {
        const int64_t first = ls_shard_first(plan->n_shards, size, rank);
        const int64_t end = ls_shard_first(plan->n_shards, size, rank + 1);
        const int n = ls_plan_runs(plan, rows, first, end, runs);
        int64_t own = 0;
        assert_in_range(n, 0, ls_plan_max_runs(plan, size));
        for (int i = 0; i < n; i++) {
            assert_in_range(runs[i].leaf, 0, end - first - 1);
            check_run(plan, &runs[i], rows, first + runs[i].leaf, own, &seen);
            own += runs[i].n;
        }
        assert_true(own <= ls_plan_max_rows(plan, size));
    }
    assert_int_equal(seen.row, rows);
}

static void runs_cover_every_row_once(void **state)
{
    (void)state;
    for (int64_t b = 1; b <= 40; b++)
        for (int64_t s = 1; s <= 12; s++)
            for (int64_t m = 1; m <= 12; m += 1 + m / 4) {
                ls_config config = configuration(b, 1, LS_AUTO, false);
                config.batch.shards = s;
                config.batch.micro_batch_size = m;
                for (int size = 1; size <= 9; size++) {
                    const ls_plan full = make(&config, 4 * b);
                    check_runs(&full, b, size);
                    if (b == 1) continue;
                    const ls_plan short_tail = make(&config, b + 1 + b / 2), only = make(&config, b - 1);
                    check_runs(&short_tail, short_tail.last_batch_size, size);
                    check_runs(&only, only.last_batch_size, size); /* one batch, smaller than B */
                }
            }
}

/* Bounds that are reached, so that buffers are not larger than they must be. */
static void bounds_are_tight(void **state)
{
    (void)state;
    ls_config config = configuration(100, 1, LS_AUTO, false);
    config.batch.shards = 8;
    config.batch.micro_batch_size = 5;
    ls_plan plan = make(&config, 1000);
    assert_int_equal(ls_plan_max_rows(&plan, 1), 100);
    assert_int_equal(ls_plan_max_rows(&plan, 8), 13);
    assert_int_equal(ls_plan_max_runs(&plan, 8), 3);
    assert_int_equal(ls_plan_max_rows(&plan, 100), 13);
    assert_int_equal(ls_plan_group_rows(&plan, 1, 20000, 2), 100);
    assert_int_equal(ls_plan_group_rows(&plan, 1, 20000, 1), 50);
    assert_int_equal(ls_plan_group_rows(&plan, 4, 20000, 1), 26);
    assert_int_equal(ls_plan_group_rows(&plan, 1, 2000000, 1), 5); /* a micro-batch always */
    plan = make(&config, 16);                                      /* a single batch of 16 rows */
    assert_int_equal(ls_plan_max_rows(&plan, 1), 16);
    assert_int_equal(ls_plan_max_rows(&plan, 8), 2);
    assert_int_equal(ls_plan_max_runs(&plan, 1), 8);
}

static void shards_of_ranks(void **state)
{
    (void)state;
    for (int64_t n = 0; n <= 40; n++)
        for (int size = 1; size <= 20; size++) {
            assert_int_equal(ls_shard_first(n, size, 0), 0);
            assert_int_equal(ls_shard_first(n, size, size), n);
            for (int rank = 0; rank < size; rank++) {
                const int64_t mine = ls_shard_first(n, size, rank + 1) - ls_shard_first(n, size, rank);
                assert_in_range(mine, n / size, (n + size - 1) / size);
            }
        }
    assert_int_equal(ls_shard_first(INT64_MAX, 4096, 4096), INT64_MAX);
}

static void what_is_due(void **state)
{
    (void)state;
    ls_config config = configuration(10, 3, LS_AUTO, false); /* 6 an epoch, 18 in all */
    const ls_plan plan = make(&config, 60);
    for (int every_epochs = 0; every_epochs <= 4; every_epochs++)
        for (int every = 0; every <= 20; every++) {
            config.eval.every_epochs = every_epochs;
            config.eval.every_iterations = every;
            config.checkpoint.every_iterations = every;
            for (int i = 1; i <= 18; i++) {
                const bool by_epochs = every_epochs > 0 && i % 6 == 0 && (i / 6) % every_epochs == 0;
                const bool by_iterations = every > 0 && i % every == 0;
                assert_int_equal(ls_plan_eval_due(&plan, &config, i), by_epochs || by_iterations);
                assert_int_equal(ls_plan_checkpoint_due(&plan, &config, i), by_iterations || i == 18);
            }
        }
}

/* Two epochs in batches of 30, then three in batches of 50, then batches of 200; 130 samples. */
static ls_config growing(bool drop_last)
{
    ls_config config = configuration(30, 7, LS_AUTO, drop_last);
    config.batch.n_phases = 3;
    config.batch.phase[0].size = 30;
    config.batch.phase[1].epoch = 2;
    config.batch.phase[1].size = 50;
    config.batch.phase[2].epoch = 5;
    config.batch.phase[2].size = 200;
    return config;
}

static void batches_that_grow(void **state)
{
    (void)state;
    /* iteration: epoch, first, rows */
    static const int64_t cases[][4] = {{0, 0, 0, 30},    {3, 0, 90, 30},  {4, 0, 120, 10},  {5, 1, 0, 30},
                                       {9, 1, 120, 10},  {10, 2, 0, 50},  {12, 2, 100, 30}, {13, 3, 0, 50},
                                       {18, 4, 100, 30}, {19, 5, 0, 130}, {20, 6, 0, 130},  {25, 11, 0, 130}};
    ls_config config = growing(false);
    ls_plan plan = make(&config, 130);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ls_batch batch = ls_plan_batch(&plan, cases[i][0]);
        assert_int_equal(batch.epoch, cases[i][1]);
        assert_int_equal(batch.first, cases[i][2]);
        assert_int_equal(batch.rows, cases[i][3]);
    }
    assert_int_equal(plan.global_batch_size, 30);
    assert_int_equal(plan.iterations_per_epoch, 5);
    assert_int_equal(plan.total_iterations, 2 * 5 + 3 * 3 + 2 * 1);
    assert_int_equal(ls_plan_total_epochs(&plan), 7);
    assert_int_equal(ls_course_samples(&plan.course, 0), 0);
    assert_int_equal(ls_course_samples(&plan.course, 4), 120);
    assert_int_equal(ls_course_samples(&plan.course, 5), 130);
    assert_int_equal(ls_course_samples(&plan.course, 12), 360);
    assert_int_equal(ls_course_samples(&plan.course, 19), 650);
    assert_int_equal(ls_course_samples(&plan.course, 21), 910);
    assert_int_equal(plan.n_shards, 1);           /* from 30 */
    assert_int_equal(plan.micro_batch_size, 200); /* from 200 */
    assert_int_equal(ls_plan_max_rows(&plan, 1), 130);
    config.train.max_iterations = 17;
    assert_int_equal(make(&config, 130).total_iterations, 17);
    plan = make(&config, 130);
    assert_int_equal(ls_plan_total_epochs(&plan), 5);
    config.train.epochs = LS_AUTO;
    config.train.max_iterations = 1000;
    plan = make(&config, 130);
    assert_int_equal(ls_plan_total_epochs(&plan), 5 + (1000 - 19));
}

/* With drop_last: 4 iterations, then 2; the last size does not fit. */
static void growing_batches_without_the_tail(void **state)
{
    (void)state;
    ls_config config = growing(true);
    ls_plan plan;
    assert_int_equal(ls_plan_create(&config, 130, &plan), LS_EUSAGE);
    assert_non_null(strstr(ls_status_message(), "'batch.schedule' has the size 200, the training set has 130"));
    config.batch.n_phases = 2;
    plan = make(&config, 130);
    assert_int_equal(plan.total_iterations, 2 * 4 + 5 * 2);
    assert_int_equal(ls_plan_batch(&plan, 7).rows, 30);
    assert_int_equal(ls_plan_batch(&plan, 8).epoch, 2);
    assert_int_equal(ls_plan_batch(&plan, 9).first, 50);
    assert_int_equal(ls_course_samples(&plan.course, 10), 2 * 120 + 100);
}

/* Epochs end after 5, 10, 13, 16, 19, 20, 21 iterations. */
static void what_is_due_when_batches_grow(void **state)
{
    (void)state;
    static const int ends[] = {5, 10, 13, 16, 19, 20, 21};
    ls_config config = growing(false);
    const ls_plan plan = make(&config, 130);
    for (int every = 0; every <= 3; every++) {
        config.eval.every_epochs = every;
        for (int i = 1, epochs = 0; i <= 21; i++) {
            const bool end = i == ends[epochs];
            epochs += end;
            assert_int_equal(ls_plan_eval_due(&plan, &config, i), end && every > 0 && epochs % every == 0);
            assert_int_equal(ls_plan_ends_epoch(&plan, i), end);
            assert_int_equal(ls_course_epochs(&plan.course, i), epochs);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples),
        cmocka_unit_test(epochs_use_every_sample_once),
        cmocka_unit_test(refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(automatic_shards),
        cmocka_unit_test(automatic_micro_batches),
        cmocka_unit_test(runs_cover_every_row_once),
        cmocka_unit_test(bounds_are_tight),
        cmocka_unit_test(shards_of_ranks),
        cmocka_unit_test(what_is_due),
        cmocka_unit_test(batches_that_grow),
        cmocka_unit_test(growing_batches_without_the_tail),
        cmocka_unit_test(what_is_due_when_batches_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
