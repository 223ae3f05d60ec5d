/* bench: iterations of a configuration, timed as a whole and by phase. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/command.h"
#include "lockstep/trainer.h"
#include "math/blas.h"
#include "train/data.h"

enum { REPEATS = 5 };

typedef struct measurement {
    int64_t iterations;
    double seconds[REPEATS]; /* sorted */
    double evaluation_s;
    ls_phase_times per_iteration;
    ls_gemm_profile gemm;
} measurement;

static ls_status run_steps(ls_trainer *trainer, int64_t n)
{
    for (int64_t i = 0; i < n; i++) LS_TRY(ls_trainer_step(trainer));
    return LS_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whole iterations, undisturbed; the median of the repeats is the figure. */
static ls_status measure_whole(const ls_job *job, const ls_config *config, const ls_data *data, measurement *m)
{
    ls_trainer *trainer;
    LS_TRY(ls_trainer_create(job, config, data, &(ls_trainer_options){0}, &trainer));
    ls_status status = run_steps(trainer, 3 + m->iterations / 5);
    for (int r = 0; r < REPEATS && status == LS_OK; r++) {
        ls_job_barrier(job);
        const double start = ls_clock_s();
        status = run_steps(trainer, m->iterations);
        m->seconds[r] = ls_job_max(job, ls_clock_s() - start);
    }
    qsort(m->seconds, REPEATS, sizeof m->seconds[0], compare_doubles);
    ls_trainer_destroy(&trainer);
    return status;
}

static double part(double after, double before, int64_t n)
{
    return (after - before) / (double)n;
}

/* The parts, with clocks around every product and every tile: a little slower than the whole above. */
static ls_status measure_parts(const ls_job *job, const ls_config *config, const ls_data *data, measurement *m)
{
    ls_trainer *trainer;
    LS_TRY(ls_trainer_create(job, config, data, &(ls_trainer_options){.time_updates = true}, &trainer));
    ls_status status = run_steps(trainer, 3 + m->iterations / 5);
    const ls_phase_times a = ls_trainer_times(trainer);
    ls_gemm_profile_start();
    if (status == LS_OK) status = run_steps(trainer, m->iterations);
    m->gemm = ls_gemm_profile_stop();
    const ls_phase_times b = ls_trainer_times(trainer);
    const int64_t n = m->iterations;
    m->per_iteration = (ls_phase_times){.data = part(b.data, a.data, n),
                                        .forward = part(b.forward, a.forward, n),
                                        .backward = part(b.backward, a.backward, n),
                                        .wait = part(b.wait, a.wait, n),
                                        .network = part(b.network, a.network, n),
                                        .tiles = part(b.tiles, a.tiles, n),
                                        .update = part(b.update, a.update, n)};
    ls_training_result result;
    if (status == LS_OK) status = ls_trainer_evaluate(trainer, &result);
    m->evaluation_s = ls_trainer_times(trainer).evaluation;
    ls_trainer_destroy(&trainer);
    return status;
}

static void print_text(const measurement *m, int64_t batch, int ranks)
{
    const double median = m->seconds[REPEATS / 2] / (double)m->iterations;
    const ls_phase_times *p = &m->per_iteration;
    printf("%d rank%s, global batch %" PRId64 ", kernel type %s, %d BLAS thread%s a rank\n", ranks,
           ranks == 1 ? "" : "s", batch, ls_blas_core(), ls_blas_threads(), ls_blas_threads() == 1 ? "" : "s");
    printf("%.0f samples/s, %.4f ms an iteration (median of %d x %" PRId64 "; fastest %.4f, slowest %.4f)\n",
           (double)batch / median, 1e3 * median, REPEATS, m->iterations, 1e3 * m->seconds[0] / (double)m->iterations,
           1e3 * m->seconds[REPEATS - 1] / (double)m->iterations);
    printf(
        "rank 0, ms an iteration: data %.4f, forward %.4f, backward %.4f, exchange %.4f (wait %.4f, network %.4f, add "
        "%.4f), update %.4f\n",
        1e3 * p->data, 1e3 * p->forward, 1e3 * p->backward, 1e3 * (p->wait + p->network + p->tiles - p->update),
        1e3 * p->wait, 1e3 * p->network, 1e3 * (p->tiles - p->update), 1e3 * p->update);
    printf("evaluation of all held-out sets %.4f s\n", m->evaluation_s);
    printf("matrix products: %.1f GFLOP/s on rank 0, %.4f ms an iteration in %" PRId64 " calls\n",
           m->gemm.operations / m->gemm.seconds * 1e-9, 1e3 * m->gemm.seconds / (double)m->iterations,
           m->gemm.n_calls / m->iterations);
}

static void print_json(const measurement *m, int64_t batch, int ranks)
{
    const double median = m->seconds[REPEATS / 2] / (double)m->iterations;
    const ls_phase_times *p = &m->per_iteration;
    printf(
        "{\"ranks\": %d, \"global_batch_size\": %" PRId64 ", \"blas_core\": \"%s\", \"blas_threads\": %d, "
        "\"iterations\": %" PRId64 ", \"samples_per_s\": %.1f, \"iteration_ms\": %.6f, \"iteration_ms_min\": %.6f, "
        "\"iteration_ms_max\": %.6f, \"data_ms\": %.6f, \"forward_ms\": %.6f, \"backward_ms\": %.6f, \"wait_ms\": "
        "%.6f, "
        "\"network_ms\": %.6f, \"add_ms\": %.6f, \"update_ms\": %.6f, \"evaluation_s\": %.6f, \"gemm_gflops\": %.3f, "
        "\"gemm_ms\": %.6f}\n",
        ranks, batch, ls_blas_core(), ls_blas_threads(), m->iterations, (double)batch / median, 1e3 * median,
        1e3 * m->seconds[0] / (double)m->iterations, 1e3 * m->seconds[REPEATS - 1] / (double)m->iterations,
        1e3 * p->data, 1e3 * p->forward, 1e3 * p->backward, 1e3 * p->wait, 1e3 * p->network,
        1e3 * (p->tiles - p->update), 1e3 * p->update, m->evaluation_s, m->gemm.operations / m->gemm.seconds * 1e-9,
        1e3 * m->gemm.seconds / (double)m->iterations);
}

static ls_status bench(const ls_args *args, const ls_job *job, const ls_config *config, int64_t iterations)
{
    ls_data *data;
    measurement m = {.iterations = iterations};
    LS_TRY(ls_data_load(job, config, args->data_dir, &data));
    ls_status status = measure_whole(job, config, data, &m);
    if (status == LS_OK) status = measure_parts(job, config, data, &m);
    if (status == LS_OK && ls_job_rank(job) == 0)
        (args->json ? print_json : print_text)(&m, config->batch.global_batch_size, ls_job_size(job));
    ls_data_destroy(&data);
    return status;
}

ls_status ls__cmd_bench(const ls_args *args, const ls_job *world)
{
    int64_t iterations;
    ls_config *config;
    ls_job *job;
    LS_TRY(ls_args_int("--iterations", args->iterations, 1, 200, &iterations));
    LS_TRY(ls__read_config(args, world, &config));
    ls_blas_set_threads((int)config->runtime.blas_threads);
    ls_status status = ls_job_split(world, 0, (int)config->runtime.ranks_per_node, &job);
    if (status == LS_OK) status = ls_trainer_check_ranks(job);
    if (status == LS_OK) status = bench(args, job, config, iterations);
    ls_job_destroy(&job);
    ls_config_destroy(&config);
    return status;
}
