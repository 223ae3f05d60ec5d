/* train: a run from a configuration into a directory of its own, which is locked meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "lockstep/checkpoint.h"
#include "lockstep/trainer.h"
#include "lockstep/watchdog.h"
#include "math/blas.h"
#include "train/data.h"
#include "train/timeline.h"

/* runs/<name of the configuration file without its ending> */
static char *default_run_directory(const char *config_path)
{
    const char *slash = strrchr(config_path, '/'), *name = slash ? slash + 1 : config_path, *dot = strrchr(name, '.');
    char *stem = dot != NULL && dot != name ? ls_strndup(name, (size_t)(dot - name)) : ls_strdup(name);
    char *path = stem ? ls_path_join("runs", stem) : NULL;
    ls_free(stem);
    return path;
}

static bool holds_file(const char *directory, const char *name)
{
    struct stat info;
    char *path = ls_path_join(directory, name);
    const bool there = path != NULL && lstat(path, &info) == 0;
    ls_free(path);
    return there;
}

/* Rank 0 alone looks at the directory; the others hear the verdict. */
static ls_status check_directory(const ls_args *args, const char *directory)
{
    LS_TRY(ls_make_directory(directory));
    LS_REQUIRE(access(directory, W_OK) == 0, LS_EOUTPUT,
               "%s: the run directory cannot be written; give another --run-dir", directory);
    LS_REQUIRE(args->resume == NULL || !args->overwrite, LS_EUSAGE,
               "--resume and --overwrite exclude each other: --resume goes on with the run that is there, --overwrite "
               "loses it");
    const bool used = holds_file(directory, "metrics.jsonl") || holds_file(directory, "latest");
    LS_REQUIRE(args->resume != NULL || args->overwrite || !used, LS_EUSAGE,
               "%s already holds a run; continue it with --resume auto, replace it with --overwrite, or give another "
               "--run-dir",
               directory);
    return LS_OK;
}

static void warn_threads(const ls_job *job)
{
    const int threads = ls_job_host_ranks(job) * ls_blas_threads();
    if (threads > ls_job_host_cores(job))
        ls_warn("%d ranks x %d BLAS threads share %d cores on this host: results are the same, but slower",
                ls_job_host_ranks(job), ls_blas_threads(), ls_job_host_cores(job));
}

static void print_plan(const ls_trainer *trainer, const ls_job *job)
{
    const ls_plan *p = ls_trainer_plan(trainer);
    printf("%" PRId64 " parameters, %" PRId64 " samples; global batch %" PRId64 " = %" PRId64
           " shard%s, micro-batches of %" PRId64 "; %" PRId64 " iterations an epoch, %" PRId64
           " in all; %d rank%s on %d node%s\n",
           ls_trainer_n_params(trainer), p->n_samples, p->global_batch_size, p->n_shards, p->n_shards == 1 ? "" : "s",
           p->micro_batch_size, p->iterations_per_epoch, p->total_iterations, ls_job_size(job),
           ls_job_size(job) == 1 ? "" : "s", ls_job_n_nodes(job), ls_job_n_nodes(job) == 1 ? "" : "s");
    fflush(stdout);
}

static void print_evaluation(const char *name, const ls_evaluation *e)
{
    if (!e->present) return;
    printf("  %-12s loss %.4f", name, e->loss);
    if (!isnan(e->accuracy)) printf(", accuracy %.4f", e->accuracy);
    if (!isnan(e->ema_loss)) printf("; ema loss %.4f", e->ema_loss);
    if (!isnan(e->ema_accuracy)) printf(", accuracy %.4f", e->ema_accuracy);
    printf(" on %" PRId64 " samples\n", e->n);
}

static void print_summary(const ls_training_result *r, const char *directory)
{
    static const char *const reasons[] = {"the run is complete", "the target is reached",
                                          "no better metric for target.patience evaluations",
                                          "train.max_time_s is over"};
    char hash[LS_HASH_DIGITS + 1], name[64];
    const double training = r->times.total - r->times.evaluation - r->times.saving;
    ls_hash_text(r->params_hash, hash);
    printf("done: %s\n  %-12s %" PRId64 " (%" PRId64 " in this run)\n", reasons[r->reason], "iterations", r->iteration,
           r->iteration - r->first_iteration);
    print_evaluation("validation", &r->validation);
    print_evaluation("test", &r->test);
    if (r->samples > 0)
        printf("  %-12s %.0f samples/s, %.1f s in all (%.1f s evaluation, %.1f s saving)\n", "speed",
               (double)r->samples / training, r->times.total, r->times.evaluation, r->times.saving);
    if (r->slow.rank >= 0)
        printf("  %-12s rank %d took %.2f times as long for a sample as the others (their median): %.1f s more\n",
               "slow rank", r->slow.rank, r->slow.factor, r->slow.lost_s);
    ls_checkpoint_name(r->iteration, name);
    printf("  %-12s %s\n  %-12s %s/%s\n", "hash", hash, "checkpoint", directory, name);
    fflush(stdout);
}

static ls_status run_trainer(const ls_args *args, const ls_job *job, const ls_config *config, const ls_data *data,
                             const char *directory)
{
    const bool talks = ls_job_rank(job) == 0 && !args->quiet;
    const ls_trainer_options options = {.run_directory = directory,
                                        .data_directory = args->data_dir,
                                        .resume = args->resume,
                                        .overwrite = args->overwrite,
                                        .show_progress = !args->quiet};
    ls_trainer *trainer;
    LS_TRY(ls_trainer_create(job, config, data, &options, &trainer));
    if (talks) print_plan(trainer, job);
    ls_training_result result;
    const ls_status status = ls_trainer_run(trainer, &result);
    if (talks && (status == LS_OK || status == LS_ETARGET)) print_summary(&result, directory);
    ls_trainer_destroy(&trainer);
    return status;
}

static ls_status train_on(const ls_args *args, const ls_job *job, const ls_config *config, const char *directory)
{
    ls_data *data = NULL;
    ls_watchdog *watchdog = NULL;
    const char *timeline = config->runtime.timeline;
    ls_status status = ls_watchdog_start(job, config->runtime.stall_warn_s, config->runtime.stall_abort_s, &watchdog);
    if (status == LS_OK) status = ls_trainer_prepare(job, config);
    if (status == LS_OK) warn_threads(job);
    ls_board_mark(LS_PHASE_LOAD, 0, ls_clock_s());
    if (status == LS_OK) status = ls_data_load(job, config, args->data_dir, &data);
    if (status == LS_OK && timeline != NULL) status = ls_trace_start(job);
    const bool traced = status == LS_OK && timeline != NULL;
    if (status == LS_OK) status = run_trainer(args, job, config, data, directory);
    ls_data_destroy(&data);
    const ls_status written = traced ? ls_trace_write(job, timeline) : LS_OK;
    ls_watchdog_stop(&watchdog);
    return status != LS_OK ? status : written;
}

/* One run at a time in a directory: rank 0 holds a lock that ends with the process, however that ends.  The ranks of a
 * job that was just killed may live a moment longer, so it waits a little. */
static ls_status lock_directory(const char *directory, int *fd)
{
    enum { TRIES = 50, PAUSE_US = 100000 };
    *fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return LS_OK; /* may be written but not read: no lock then */
    for (int i = 0; i < TRIES; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return LS_OK; /* no locks on this file system */
        usleep(PAUSE_US);
    }
    LS_FAIL(LS_EUSAGE, "%s: another run is at work in this directory; stop it, or give another --run-dir", directory);
}

static ls_status train_in(const ls_args *args, const ls_job *world, const ls_config *config, const char *directory)
{
    int lock = -1;
    ls_status status = ls_job_rank(world) == 0 ? check_directory(args, directory) : LS_OK;
    if (status == LS_OK && ls_job_rank(world) == 0) status = lock_directory(directory, &lock);
    status = ls_job_agree(world, status);
    ls_job *job = NULL;
    if (status == LS_OK) status = ls_job_split(world, 0, (int)config->runtime.ranks_per_node, &job);
    if (status == LS_OK) status = train_on(args, job, config, directory);
    ls_job_destroy(&job);
    if (lock >= 0) close(lock);
    return status;
}

ls_status ls__cmd_train(const ls_args *args, const ls_job *world)
{
    ls_config *config;
    LS_TRY(ls__read_config(args, world, &config));
    char *directory = args->run_dir ? ls_strdup(args->run_dir) : default_run_directory(args->positional[0]);
    ls_status status =
        ls_job_agree(world, directory ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory"));
    if (status == LS_OK) status = train_in(args, world, config, directory);
    ls_free(directory);
    ls_config_destroy(&config);
    return status;
}
