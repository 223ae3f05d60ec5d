/* bench: iterations of a configuration, timed as a whole and by phase. */
#include <stdlib.h>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "train/data.h"

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ls_bench_sort(double times[LS_BENCH_REPEATS])
{
    qsort(times, LS_BENCH_REPEATS, sizeof times[0], compare_doubles);
}

double ls_bench_median(const double sorted[LS_BENCH_REPEATS])
{
    return sorted[LS_BENCH_REPEATS / 2];
}

static ls_status run_steps(ls_trainer *trainer, int64_t n)
{
    for (int64_t i = 0; i < n; i++) LS_TRY(ls_trainer_step(trainer));
    return LS_OK;
}

static double mean_batch(const ls_plan *plan, int64_t first, int64_t end)
{
    double rows = 0.0;
    for (int64_t i = first; i < end; i++) rows += (double)ls_plan_batch(plan, i).rows;
    return rows / (double)(end - first);
}

/* Whole iterations, undisturbed; the median of the repeats is the figure. */
static ls_status measure_whole(const ls_job *job, const ls_config *config, const ls_data *data, ls_bench_run *run)
{
    ls_trainer *trainer;
    LS_TRY(ls_trainer_create(job, config, data, &(ls_trainer_options){0}, &trainer));
    ls_trainer_shortcuts(trainer, &run->shortcuts);
    run->shards = ls_trainer_plan(trainer)->n_shards;
    ls_status status = run_steps(trainer, 3 + run->iterations / 5);
    for (int r = 0; r < LS_BENCH_REPEATS && status == LS_OK; r++) {
        ls_job_barrier(job);
        const double start = ls_clock_s();
        status = run_steps(trainer, run->iterations);
        run->seconds[r] = ls_job_max(job, ls_clock_s() - start);
    }
    const int64_t first = 3 + run->iterations / 5;
    run->mean_batch = mean_batch(ls_trainer_plan(trainer), first, first + LS_BENCH_REPEATS * run->iterations);
    ls_bench_sort(run->seconds);
    ls_trainer_destroy(&trainer);
    return status;
}

static double part(double after, double before, int64_t n)
{
    return (after - before) / (double)n;
}

/* The parts, with clocks around every product and every tile: a little slower than the whole above. */
static ls_status measure_parts(const ls_job *job, const ls_config *config, const ls_data *data, ls_bench_run *run)
{
    ls_trainer *trainer;
    LS_TRY(ls_trainer_create(job, config, data, &(ls_trainer_options){.time_updates = true}, &trainer));
    const int64_t n = run->iterations;
    ls_status status = run_steps(trainer, 3 + n / 5);
    const ls_phase_times a = ls_trainer_times(trainer);
    ls_gemm_profile_start();
    if (status == LS_OK) status = run_steps(trainer, n);
    ls_gemm_profile_stop(&run->gemm);
    const ls_phase_times b = ls_trainer_times(trainer);
    run->part = (ls_phase_times){.data = part(b.data, a.data, n),
                                 .forward = part(b.forward, a.forward, n),
                                 .backward = part(b.backward, a.backward, n),
                                 .wait = part(b.wait, a.wait, n),
                                 .network = part(b.network, a.network, n),
                                 .tiles = part(b.tiles, a.tiles, n),
                                 .update = part(b.update, a.update, n)};
    ls_training_result result;
    if (status == LS_OK) status = ls_trainer_evaluate(trainer, &result);
    run->evaluation_s = ls_trainer_times(trainer).evaluation;
    ls_trainer_destroy(&trainer);
    return status;
}

double ls_bench_barrier(const ls_job *job)
{
    enum { BARRIERS = 2000, ROUND = 20 };
    static const double enough_s = 0.25;
    double passed = 0.0;
    int n = 0;
    ls_job_barrier(job);
    const double start = ls_clock_s();
    for (; n < BARRIERS && passed < enough_s; n += ROUND) {
        for (int i = 0; i < ROUND; i++) ls_job_barrier(job);
        passed = ls_clock_s() - start;
        ls_job_broadcast(job, 0, &passed, sizeof passed); /* all end together */
    }
    return passed / n;
}

static ls_status measure(const ls_args *args, const ls_job *job, const ls_config *config, ls_bench_run *run)
{
    ls_data *data;
    LS_TRY(ls_data_load(job, config, args->data_dir, &data));
    ls_status status = measure_whole(job, config, data, run);
    if (status == LS_OK) status = measure_parts(job, config, data, run);
    ls_data_destroy(&data);
    LS_TRY(status);
    run->barrier_s = ls_bench_barrier(job);
    if (args->limit) LS_TRY(ls_bench_limit(job, &run->gemm, run->iterations, args->json, &run->limit_s));
    if (ls_job_rank(job) == 0) ls_bench_print(run, args->json);
    return LS_OK;
}

ls_status ls__cmd_bench(const ls_args *args, const ls_job *world)
{
    ls_bench_run run = {.ranks = ls_job_size(world)};
    ls_config *config;
    ls_job *job;
    LS_TRY(ls_args_int("--iterations", args->iterations, 1, 200, &run.iterations));
    if (args->exchange) return ls_bench_exchange(world, args->json);
    LS_TRY(ls__read_config(args, world, &config));
    run.batch = config->batch.global_batch_size;
    ls_status status = ls_job_split(world, 0, (int)config->runtime.ranks_per_node, &job);
    if (status == LS_OK) status = ls_trainer_prepare(job, config);
    if (status == LS_OK) status = measure(args, job, config, &run);
    ls_job_destroy(&job);
    ls_config_destroy(&config);
    return status;
}
