#include "lockstep/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/option.h"
#include "train/events.h"
#include "train/trainer_internal.h"

enum { BUCKET_FLOATS = 1 << 18 }; /* 1 MB: large enough for bandwidth, small enough to start early */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static ls_status create_model(ls_trainer *t)
{
    const ls_shape in = ls_data_shape(&t->data->set[LS_TRAIN].info);
    LS_TRY(ls_plan_create(t->config, t->data->set[LS_TRAIN].info.n_samples, &t->plan));
    LS_TRY(ls_network_create(t->config->model, &in, &t->network));
    LS_REQUIRE(ls_network_n_params(t->network) > 0, LS_EUSAGE, "'model' has no parameters to train; add a dense layer");
    LS_TRY(ls_statistics_check(&t->plan, t->network));
    LS_TRY(ls_loss_create(t->config->loss, &t->loss));
    LS_TRY(ls_optimizer_create(t->config->optimizer, &t->optimizer));
    LS_TRY(ls_schedule_create(t->config->schedule, t->optimizer->common.lr, &t->plan.course, t->plan.total_iterations,
                              &t->schedule));
    LS_TRY(ls_watch_create(t->config, t->data->present, t->loss->ops->classifies, !isnan(t->optimizer->common.ema),
                           &t->watch));
    for (int i = 0; i < LS_N_SETS; i++) {
        char what[32];
        snprintf(what, sizeof what, "data.%s", ls__set_names[i]);
        if (t->data->present[i]) LS_TRY(ls_data_check(t->loss, ls_network_output(t->network), &t->data->set[i], what));
    }
    return LS_OK;
}

static ls_status create_exchange(ls_trainer *t)
{
    const int n = ls_network_n_tensors(t->network);
    ls_span *spans = ls_calloc((size_t)n, sizeof *spans);
    LS_TRY(ls_job_agree(t->job, spans ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    for (int l = 0, i = 0; l < ls_network_n_layers(t->network); l++)
        for (int k = 0; k < ls_network_layer(t->network, l)->n_tensors; k++, i++) {
            const ls_tensor *tensor = ls_network_tensor(t->network, i);
            spans[i] = (ls_span){tensor->first, tensor->n, k > 0};
        }
    ls_status status = ls__try_pairs(t);
    const ls_exchange_options options = {.n_shards = (int)t->plan.n_shards,
                                         .replicated = t->config->exchange.method == LS_MPI_ALLREDUCE,
                                         .bucket_floats = BUCKET_FLOATS};
    if (status == LS_OK)
        status = ls_exchange_create(t->job, spans, n, ls_network_n_floats(t->network), &options, &t->exchange);
    ls_free(spans);
    return status;
}

/* Rows of evaluation chunks, and of the largest group of micro-batches that the memory limit allows. */
static void size_groups(ls_trainer *t, int64_t *chunk, int64_t *executor_rows)
{
    const int64_t row_bytes = ls_network_row_floats(t->network) * (int64_t)sizeof(float);
    int64_t largest = 1;
    for (int i = LS_VALIDATION; i < LS_N_SETS; i++)
        if (t->data->present[i]) largest = larger(largest, t->data->set[i].info.n_samples);
    *chunk = smaller(t->config->eval.batch, largest);
    t->group_rows = ls_plan_group_rows(&t->plan, ls_job_size(t->job), row_bytes, t->config->runtime.memory_limit);
    *executor_rows = larger(t->group_rows, *chunk);
}

static ls_status create_buffers(ls_trainer *t)
{
    int64_t chunk, rows;
    size_groups(t, &chunk, &rows);
    LS_TRY(ls_statistics_check_memory(&t->plan, t->network, t->config->runtime.memory_limit, ls_job_size(t->job)));
    LS_TRY(ls_executor_create(t->network, rows, &t->executor));
    LS_TRY(ls_scorer_create(t->job, t->network, t->executor, t->loss, t->data->normalizer, chunk, &t->scorer));
    t->runs = ls_calloc((size_t)ls_plan_max_runs(&t->plan, ls_job_size(t->job)), sizeof *t->runs);
    t->ids = ls_calloc((size_t)t->group_rows, sizeof *t->ids);
    t->labels = ls_calloc((size_t)t->group_rows, sizeof *t->labels);
    t->targets = ls_calloc((size_t)(t->group_rows * t->data->set[LS_TRAIN].info.n_targets), sizeof *t->targets);
    bool ok = t->runs && t->ids && t->labels && t->targets;
    for (int s = 0; s < t->optimizer->n_slots; s++)
        ok = (t->slots[s] = ls_calloc((size_t)ls_exchange_slice_size(t->exchange), sizeof(float))) != NULL && ok;
    if (!isnan(t->optimizer->common.ema))
        ok = (t->ema = ls_calloc((size_t)ls_exchange_slice_size(t->exchange), sizeof(float))) != NULL && ok;
    LS_REQUIRE(ok, LS_ENOMEM, "out of memory for the optimizer or a batch");
    LS_TRY(ls_pace_create(ls_job_size(t->job), &t->pace));
    LS_TRY(ls__create_gradients(t));
    LS_TRY(ls__create_update(t));
    LS_TRY(ls__reading_create(t));
    LS_TRY(ls__create_hooks(t));
    LS_TRY(ls__verify_create(t));
    return ls__try_sharing(t);
}

static int64_t seed_or(int64_t given, int64_t seed)
{
    return given != LS_AUTO ? given : seed;
}

static void set_seeds(ls_trainer *t)
{
    const int64_t seed = t->config->train.seed;
    t->seed_init = seed_or(t->config->train.seeds.init, seed);
    t->seed_dropout = seed_or(t->config->train.seeds.dropout, seed);
    t->seed_augment = seed_or(t->config->train.seeds.augment, seed);
    t->sampler = (ls_sampler){.n_samples = t->plan.n_samples,
                              .seed = (uint64_t)seed_or(t->config->train.seeds.order, seed),
                              .shuffle = t->config->data.shuffle};
}

static ls_status open_metrics(ls_trainer *t)
{
    ls_status status = LS_OK;
    const bool writes = ls_job_rank(t->job) == 0 && t->options.run_directory != NULL;
    const ls_metrics_options options = {.resume = t->options.resume != NULL,
                                        .keep_iteration = t->state.iteration,
                                        .tensorboard = t->config->metrics.tensorboard};
    if (writes && t->options.overwrite) ls_checkpoint_clear(t->options.run_directory);
    if (writes && t->options.overwrite) ls_events_remove(t->options.run_directory);
    if (writes) status = ls_metrics_open(t->options.run_directory, &options, &t->metrics);
    LS_TRY(ls_job_agree(t->job, status));
    ls__metrics_start(t);
    return ls_job_agree(t->job, ls_metrics_flush(t->metrics));
}

static void notice_ranks(const ls_trainer *t)
{
    if (ls_job_size(t->job) > t->plan.n_shards)
        ls_notice("%d ranks, but %" PRId64
                  " shard%s: the other ranks compute no gradient (they own parameters and evaluate); "
                  "set batch.shards to use them",
                  ls_job_size(t->job), t->plan.n_shards, t->plan.n_shards == 1 ? "" : "s");
}

static void notice_method(const ls_trainer *t)
{
    if (t->config->exchange.method == LS_MPI_ALLREDUCE)
        ls_notice(
            "exchange.method is mpi_allreduce: results are tied to the rank count and to the MPI library, and replicas "
            "agree only as far as the library gives every rank the same sum");
}

static ls_status create(ls_trainer *t)
{
    t->evaluated_at = t->saved_at = -1;
    t->save.asked_s = NAN;
    LS_TRY(ls_job_agree(t->job, create_model(t)));
    LS_TRY(create_exchange(t));
    LS_TRY(ls__statistics_create(t));
    LS_TRY(ls_job_agree(t->job, create_buffers(t)));
    set_seeds(t);
    LS_TRY(ls__create_saver(t));
    LS_TRY(ls__restore(t));
    notice_ranks(t);
    notice_method(t);
    ls__progress_start(t);
    return open_metrics(t);
}

ls_status ls_trainer_create(const ls_job *job, const ls_config *config, const struct ls_data *data,
                            const ls_trainer_options *options, ls_trainer **out)
{
    *out = NULL;
    ls_trainer *t = ls_calloc(1, sizeof *t);
    LS_TRY(ls_job_agree(job, t ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    t->job = job;
    t->config = config;
    t->data = data;
    t->options = *options;
    t->start_s = ls_clock_s();
    ls_board_mark(LS_PHASE_START, 0, t->start_s);
    const ls_status status = create(t);
    if (status != LS_OK) ls_trainer_destroy(&t);
    *out = t;
    return status;
}

void ls_trainer_destroy(ls_trainer **trainer)
{
    if (trainer == NULL || *trainer == NULL) return;
    ls_trainer *t = *trainer;
    ls_board_mark(LS_PHASE_IDLE, 0, ls_clock_s());
    ls_saver_destroy(&t->save.saver);
    ls_metrics_close(&t->metrics);
    for (int s = 0; s < LS_OPTIMIZER_MAX_SLOTS; s++) ls_free(t->slots[s]);
    ls_pace_destroy(&t->pace);
    ls_free(t->ema);
    ls_free(t->p_norm);
    ls_free(t->tensor_of);
    ls_free(t->runs);
    ls_free(t->gradients);
    ls_free(t->private_gradients);
    ls_free(t->merges);
    ls_free(t->ids);
    ls_free(t->labels);
    ls_free(t->targets);
    ls_free(t->verify);
    ls__statistics_destroy(t);
    ls__reading_destroy(t);
    ls_scorer_destroy(&t->scorer);
    ls_executor_destroy(&t->executor);
    ls_exchange_destroy(&t->exchange);
    ls_schedule_destroy(&t->schedule);
    ls_optimizer_destroy(&t->optimizer);
    ls_loss_destroy(&t->loss);
    ls_network_destroy(&t->network);
    ls_free(t);
    *trainer = NULL;
}

static bool is_done(const ls_trainer *t, ls_stop_reason *reason)
{
    const int64_t patience = t->config->target.patience;
    const bool stale = patience > 0 && t->state.stale_evaluations >= patience;
    *reason = t->state.target_reached >= 0                     ? LS_STOP_TARGET
              : stale                                          ? LS_STOP_PATIENCE
              : t->state.iteration >= t->plan.total_iterations ? LS_STOP_LENGTH
              : t->signalled                                   ? LS_STOP_SIGNAL
                                                               : LS_STOP_TIME;
    return *reason != LS_STOP_TIME || t->time_is_up;
}

ls_status ls_trainer_step(ls_trainer *t)
{
    return ls__iterate(t);
}

bool ls_trainer_signalled(const ls_trainer *t)
{
    return t->signalled;
}

void ls_trainer_ask_save(ls_trainer *t)
{
    t->save.wanted = true;
}

bool ls_trainer_save_asked(const ls_trainer *t)
{
    return t->save.asked;
}

/* A numbered checkpoint that is not the last. */
static bool save_is_due(ls_trainer *t)
{
    if (t->state.iteration == t->plan.total_iterations) return false;
    if (!t->save.asked) return ls_plan_checkpoint_due(&t->plan, t->config, t->state.iteration);
    ls__progress_clear(t);
    ls_notice("a signal asks for a checkpoint: saving iteration %" PRId64, t->state.iteration);
    return true;
}

static ls_status train(ls_trainer *t, ls_stop_reason *reason)
{
    const bool saves = t->options.run_directory != NULL;
    if (saves && t->came_from_elsewhere) LS_TRY(ls__save_now(t)); /* this directory can be resumed from now on */
    if (saves && t->config->checkpoint.initial && t->state.iteration == 0) LS_TRY(ls__save_now(t));
    while (!is_done(t, reason)) {
        bool best = false;
        LS_TRY(ls__iterate(t));
        LS_TRY(ls__save_look(t));
        ls__metrics_train(t);
        ls__progress_iteration(t);
        if (ls_plan_eval_due(&t->plan, t->config, t->state.iteration)) LS_TRY(ls__evaluate(t, false, &best));
        const bool due = saves && save_is_due(t);
        if (saves && (best || due)) LS_TRY(ls__save_or_warn(t, best, due));
        if (ls_job_rank(t->job) == 0 && t->metrics != NULL) t->output_status = ls_metrics_status(t->metrics);
    }
    ls__progress_clear(t);
    return LS_OK;
}

uint64_t ls_trainer_params_hash(const ls_trainer *t)
{
    ls_hash *hash;
    ls_exchange_settle(t->exchange);
    if (ls_hash_create(&hash) != LS_OK) return 0;
    for (int i = 0; i < ls_network_n_stored(t->network); i++) {
        float *numbers;
        const ls_tensor *tensor = ls_network_stored(t->network, i, ls_exchange_params(t->exchange), &numbers);
        ls_hash_add(hash, numbers, (size_t)tensor->n * sizeof *numbers);
    }
    const uint64_t value = ls_hash_value(hash);
    ls_hash_destroy(&hash);
    return value;
}

ls_phase_times ls_trainer_times(const ls_trainer *t)
{
    ls_phase_times times = t->times;
    const ls_exchange_times exchange = ls_exchange_get_times(t->exchange);
    times.wait = exchange.wait;
    times.network = exchange.network;
    times.tiles = exchange.tiles;
    return times;
}

static void fill_result(ls_trainer *t, double start_s, ls_training_result *result)
{
    result->iteration = t->state.iteration;
    result->samples = t->samples;
    result->loss = t->mean_loss;
    result->validation = t->evaluation[LS_VALIDATION];
    result->test = t->evaluation[LS_TEST];
    result->times = ls_trainer_times(t);
    result->times.total = ls_clock_s() - start_s;
    result->params_hash = ls_trainer_params_hash(t);
}

/* The last evaluation covers every set, but for one that a signal hurries; the last checkpoint is always written. */
static ls_status finish(ls_trainer *t, ls_stop_reason reason)
{
    LS_TRY(ls__verify(t));
    if (reason != LS_STOP_SIGNAL) LS_TRY(ls__evaluate(t, true, NULL));
    return t->options.run_directory != NULL ? ls__save_now(t) : LS_OK;
}

ls_status ls_trainer_evaluate(ls_trainer *t, ls_training_result *result)
{
    const double start = ls_clock_s();
    LS_TRY(ls__evaluate(t, true, NULL));
    fill_result(t, start, result);
    return LS_OK;
}

static const char *reason_text(ls_status status, ls_stop_reason reason)
{
    static const char *const reasons[] = {"length", "target", "patience", "time", "signal"};
    return status == LS_OK ? reasons[reason] : ls_status_name(status);
}

ls_status ls_trainer_run(ls_trainer *t, ls_training_result *result)
{
    const double start = ls_clock_s();
    *result = (ls_training_result){.first_iteration = t->state.iteration};
    ls_status status = train(t, &result->reason);
    if (status == LS_OK) status = finish(t, result->reason);
    ls__save_end(t);
    fill_result(t, start, result);
    const ls_phase_times *times = &result->times;
    result->slow = ls_pace_gather(&t->pace, t->job, times->total - times->evaluation - times->saving);
    ls__metrics_finish(t, result, reason_text(status, result->reason));
    if (status == LS_OK) status = ls_job_agree(t->job, ls_metrics_flush(t->metrics)); /* the same status everywhere */
    LS_REQUIRE(status != LS_OK || result->reason != LS_STOP_SIGNAL, LS_ESTOPPED,
               "stopped by a signal after %" PRId64 " iterations, all saved; go on with --resume auto",
               t->state.iteration);
    const bool has_target = !isnan(t->config->target.above) || !isnan(t->config->target.below);
    const bool reached = t->state.target_reached >= 0 || ls_watch_reached(&t->watch, t->config, t->evaluation);
    if (status != LS_OK || !has_target || reached) return status;
    const bool looked = !isnan(t->state.best_value); /* a short run may end before its first look on the grid */
    LS_FAIL(LS_ETARGET, "the target was not reached: best %s %.6g after %" PRId64 " iterations",
            t->config->target.metric, looked ? t->state.best_value : ls_metric_value(&t->watch.target, t->evaluation),
            t->state.iteration);
}

const ls_plan *ls_trainer_plan(const ls_trainer *t)
{
    return &t->plan;
}

int64_t ls_trainer_n_params(const ls_trainer *t)
{
    return ls_network_n_params(t->network);
}

ls_noise ls_trainer_noise(const ls_trainer *t)
{
    return ls_noise_of(&t->state.noise);
}

double ls_trainer_loss(const ls_trainer *t)
{
    return t->mean_loss;
}
