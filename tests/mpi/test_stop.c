/* P7 and the ends of a run: whatever one rank finds, all ranks return the same status, sentence and reason. */
#include "mpi_train.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *const small = "data:\n"
                                 "  train: {format: synthetic, samples: 40, features: 9, classes: 3, hidden: 4}\n"
                                 "  validation: {last: 8}\n"
                                 "model: [{dense: 11}, relu, {dense: 3}]\n"
                                 "batch: {global_batch_size: 16, shards: 4}\n"
                                 "metrics: {every_iterations: 1}\n";

static char directory[64];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/lockstep-test-XXXXXX");
    if (ls_job_rank(ls_world) == 0 && mkdtemp(directory) == NULL) ls_job_abort(ls_world, 1);
    ls_job_broadcast(ls_world, 0, directory, sizeof directory);
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ls_job_barrier(ls_world);
    if (ls_job_rank(ls_world) == 0 && system(command) != 0) ls_job_abort(ls_world, 1);
}

/* The last failure's sentence is the same on all ranks, and holds `part`. */
static bool same_sentence(const char *part)
{
    char text[1024] = "";
    snprintf(text, sizeof text, "%s", ls_status_message());
    const bool same = ls_job_same(ls_world, text, sizeof text, LS_EINTERNAL, "sentences differ") == LS_OK;
    return same && strstr(text, part) != NULL;
}

static ls_status run_to_end(const char *extra, int per_node, const ls_trainer_options *options,
                            ls_training_result *result)
{
    ls_job *job = ls_test_split(0, per_node);
    ls_test_run run;
    ls_status status = ls_test_open(job, small, extra, options, &run);
    if (status == LS_OK) status = ls_trainer_run(run.trainer, result);
    ls_test_close(&run);
    ls_job_destroy(&job);
    return status;
}

/* A file whose every write fails. */
static void metrics_that_cannot_be_written_at_all(void **state)
{
    (void)state;
    ls_training_result result;
    make_directory();
    char path[128];
    snprintf(path, sizeof path, "%s/metrics.jsonl", directory);
    LS_CHECK(ls_job_rank(ls_world) != 0 || symlink("/dev/full", path) == 0);
    const ls_trainer_options options = {.run_directory = directory};
    LS_CHECK(run_to_end("train: {epochs: 2}", 0, &options, &result) == LS_EOUTPUT);
    LS_CHECK(same_sentence("metrics.jsonl"));
    remove_directory();
}

static void limit_file_size(bool limited)
{
    struct rlimit limit;
    if (ls_job_rank(ls_world) != 0) return;
    signal(SIGXFSZ, limited ? SIG_IGN : SIG_DFL);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limited ? 100 : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* The file is open and its first lines are written; then rank 0's writes fail, deep in the loop. */
static void check_failing_loop(int per_node, const char *extra)
{
    make_directory();
    ls_job *job = ls_test_split(0, per_node);
    const ls_trainer_options options = {.run_directory = directory};
    ls_test_run run;
    ls_training_result result;
    LS_CHECK(ls_test_open(job, small, extra, &options, &run) == LS_OK);
    limit_file_size(true);
    LS_CHECK(ls_trainer_run(run.trainer, &result) == LS_EOUTPUT);
    LS_CHECK(same_sentence("metrics.jsonl: cannot be written: File too large"));
    LS_CHECK(result.iteration > 0 && result.iteration < 1000000);
    ls_test_close(&run);
    limit_file_size(false);
    ls_job_destroy(&job);
    remove_directory();
}

static void metrics_that_fail_in_the_loop(void **state)
{
    (void)state;
    check_failing_loop(0, "train: {max_iterations: 1000000}\neval: {every_epochs: 0}");
}

/* A periodic checkpoint that fails only warns: then the line that cannot be written ends the run. */
static void metrics_that_fail_at_a_checkpoint(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 2; per_node++)
        check_failing_loop(per_node, "train: {max_iterations: 1000000}\ncheckpoint: {every_iterations: 3}");
}

static void divergence_is_seen_by_all(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 2; per_node++) {
        ls_training_result result = {0};
        LS_CHECK(run_to_end("train: {epochs: 50}\noptimizer: {name: sgd, lr: 1e6}", per_node, NULL, &result) ==
                 LS_EDIVERGED);
        LS_CHECK(same_sentence("diverged"));
    }
}

static void targets_end_all(void **state)
{
    (void)state;
    ls_training_result result = {0};
    const char *reached = "train: {epochs: 50}\ntarget: {metric: validation_loss, below: 100}";
    const char *missed = "train: {epochs: 3}\ntarget: {metric: validation_accuracy, above: 1}";
    for (int per_node = 0; per_node <= 2; per_node++) {
        LS_CHECK(run_to_end(reached, per_node, NULL, &result) == LS_OK);
        LS_CHECK(result.reason == LS_STOP_TARGET && result.iteration == 2 && result.validation.n == 8);
        LS_CHECK(run_to_end(missed, per_node, NULL, &result) == LS_ETARGET);
        LS_CHECK(result.reason == LS_STOP_LENGTH && result.iteration == 6);
        LS_CHECK(same_sentence("the target was not reached"));
    }
}

static void patience_ends_all(void **state)
{
    (void)state;
    ls_training_result result = {0};
    const char *extra = "train: {epochs: 50}\noptimizer: {name: sgd, lr: 0}\n"
                        "target: {metric: validation_loss, patience: 3}";
    for (int per_node = 0; per_node <= 2; per_node++) {
        LS_CHECK(run_to_end(extra, per_node, NULL, &result) == LS_OK);
        LS_CHECK(result.reason == LS_STOP_PATIENCE && result.iteration == 2 * 4);
    }
}

/* Rank 0's clock decides: all ranks do the same number of iterations. */
static void time_ends_all(void **state)
{
    (void)state;
    ls_training_result result = {0};
    for (int per_node = 0; per_node <= 2; per_node++) {
        LS_CHECK(run_to_end("train: {max_iterations: 100000000, max_time_s: 0.1}", per_node, NULL, &result) == LS_OK);
        LS_CHECK(result.reason == LS_STOP_TIME && result.iteration >= 1);
        LS_CHECK(ls_job_same(ls_world, &result.iteration, sizeof result.iteration, LS_EREPLICA, "lengths") == LS_OK);
    }
}

static void bad_configurations_are_refused_by_all(void **state)
{
    (void)state;
    ls_training_result result;
    LS_CHECK(run_to_end("train: {epochs: 1}\ntarget: {metric: test_loss, below: 1}", 2, NULL, &result) == LS_EUSAGE);
    LS_CHECK(same_sentence("there is no data.test"));
    const ls_trainer_options options = {.resume = "/nowhere/at/all"};
    LS_CHECK(run_to_end("train: {epochs: 1}", 2, &options, &result) != LS_OK);
    LS_CHECK(same_sentence("/nowhere/at/all"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(metrics_that_cannot_be_written_at_all),
    cmocka_unit_test(metrics_that_fail_in_the_loop),
    cmocka_unit_test(metrics_that_fail_at_a_checkpoint),
    cmocka_unit_test(divergence_is_seen_by_all),
    cmocka_unit_test(targets_end_all),
    cmocka_unit_test(patience_ends_all),
    cmocka_unit_test(time_ends_all),
    cmocka_unit_test(bad_configurations_are_refused_by_all),
};

LS_TEST_MAIN(tests)
