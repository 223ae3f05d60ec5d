/* One iteration: gradients of this rank's shards, layer by layer over all its rows, then the exchange with the
 * update. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/timeline.h"
#include "train/stop.h"
#include "train/trainer_internal.h"

enum { WORD_TIME_IS_UP = 1, WORD_SIGNAL = 2, WORD_SAVE = 4, WORD_SAVE_FAILED = 128, WORD_STATUS_SHIFT = 8 };

/* Adds the time since *mark to *total and moves the mark. */
static void lap(ls_event_kind kind, double *mark, double *total)
{
    const double now = ls_clock_s();
    if (ls_timeline_on) ls_timeline_record(kind, -1, *mark, now);
    *total += now - *mark;
    *mark = now;
}

static void gather_rows(ls_trainer *t, const ls_batch *batch, int64_t first_row, int64_t n)
{
    const ls_dataset *set = &t->data->set[LS_TRAIN];
    ls_sampler_ids(&t->sampler, batch->epoch, batch->first + first_row, n, t->ids);
    float *rows = ls_executor_input(t->executor);
    ls_dataset_rows(set, t->data->normalizer, t->ids, n, rows);
    ls_augment_rows(t->data->augment, (uint64_t)t->seed_augment, batch->epoch, t->ids, n, rows);
    const int64_t k = set->info.n_targets;
    for (int64_t i = 0; set->labels != NULL && i < n; i++) t->labels[i] = set->labels[t->ids[i]];
    for (int64_t i = 0; set->targets != NULL && i < n; i++)
        memcpy(t->targets + i * k, set->targets + t->ids[i] * k, (size_t)k * sizeof(float));
}

/* Loss and its gradient, run by run into the records of the shards. */
static void score(ls_trainer *t, const ls_pass *pass, const float *out)
{
    const int64_t k = ls_shape_size(ls_network_output(t->network));
    float *dout = ls_executor_output_gradient(t->executor);
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++) {
        const ls_loss_rows rows = {.n = run->n,
                                   .k = k,
                                   .out = out + run->first * k,
                                   .labels = t->labels + run->first,
                                   .targets = t->targets + run->first * k};
        double *record = ls_exchange_record(t->exchange, ls_exchange_first_shard(t->exchange) + run->leaf);
        ls_loss_sums sums = {record[0], record[1], record[2]};
        t->loss->ops->rows(t->loss, &rows, dout + run->first * k, &sums);
        memcpy(record, &sums, sizeof sums);
    }
}

/* Forward, loss and backward of runs that together fit the executor; of no rows, to be where the other ranks meet.
 * `last`: the gradients are complete with it, and merged. */
static void compute_group(ls_trainer *t, const ls_batch *batch, const ls_run *runs, int n_runs, bool last)
{
    ls_pass_hooks hooks = t->hooks;
    if (!last) hooks.after_backward = NULL;
    const ls_pass pass = {.training = true,
                          .runs = runs,
                          .n_runs = n_runs,
                          .n_rows = n_runs > 0 ? runs[n_runs - 1].first + runs[n_runs - 1].n : 0,
                          .params = ls_exchange_params(t->exchange),
                          .grad = t->gradients,
                          .merges = t->merges,
                          .n_merges = last ? t->n_merges : 0,
                          .seed = (uint64_t)t->seed_dropout,
                          .iteration = t->state.iteration,
                          .hooks = hooks.context != NULL ? &hooks : NULL,
                          .sums = &t->statistics.pass};
    const int64_t completes = t->state.iteration + 1;
    double mark = ls_clock_s();
    t->pace.rows += (double)pass.n_rows;
    ls_board_mark(LS_PHASE_DATA, completes, mark);
    gather_rows(t, batch, runs[0].batch_row, pass.n_rows);
    lap(LS_EVENT_DATA, &mark, &t->times.data);
    ls_board_mark(LS_PHASE_FORWARD, completes, mark);
    score(t, &pass, ls_executor_forward(t->executor, &pass));
    lap(LS_EVENT_FORWARD, &mark, &t->times.forward);
    ls_board_mark(LS_PHASE_BACKWARD, completes, mark);
    ls_executor_backward(t->executor, &pass);
    lap(LS_EVENT_BACKWARD, &mark, &t->times.backward);
}

static bool is_empty(const ls_trainer *t, const ls_batch *batch, int shard)
{
    const int n_shards = (int)t->plan.n_shards;
    return ls_shard_first(batch->rows, n_shards, shard) == ls_shard_first(batch->rows, n_shards, shard + 1);
}

/* Records start at zero; a shard without rows has a zero gradient. */
static void clear_shards(ls_trainer *t, const ls_batch *batch)
{
    const int first = ls_exchange_first_shard(t->exchange), n = ls_exchange_n_shards(t->exchange);
    for (int s = first; s < first + n; s++) {
        memset(ls_exchange_record(t->exchange, s), 0, LS_RECORD * sizeof(double));
        if (is_empty(t, batch, s) && !ls__is_right(t, s))
            memset(t->gradients[s - first], 0, (size_t)ls_network_n_floats(t->network) * sizeof(float));
    }
}

/* x + 0 as the tree would add it: a negative zero becomes a positive one. */
static void add_empty_leaf(ls_trainer *t, float *sum)
{
    for (int64_t i = 0; i < ls_network_n_floats(t->network); i++) sum[i] += 0.0f;
}

/* The passes leave whole sums of subtrees, layer by layer: every leaf has rows, one pass has all of them, and no leaf
 * is to be looked at before. */
static bool passes_merge(const ls_trainer *t, const ls_batch *batch, int n_runs)
{
    const int last = ls_exchange_first_shard(t->exchange) + ls_exchange_n_shards(t->exchange) - 1;
    if (n_runs == 0 || is_empty(t, batch, last) || t->reading.now) return false;
    const ls_run *run = &t->runs[n_runs - 1];
    return t->n_merges == 0 || run->first + run->n <= t->group_rows;
}

/* Where a reading wants it, the gradient of the batch's first half besides, which leaves nothing but itself behind. */
static void compute_half(ls_trainer *t, const ls_batch *batch, int64_t rows)
{
    float *const gradient = t->gradients[0];
    double record[LS_RECORD];
    memcpy(record, ls_exchange_record(t->exchange, 0), sizeof record);
    t->gradients[0] = t->reading.scratch;
    const int n_runs = ls_plan_runs(&t->plan, rows, 0, 1, t->runs);
    for (int i = 0, j; i < n_runs; i = j) {
        j = ls__next_group(t, i, n_runs);
        compute_group(t, batch, t->runs + i, j - i, false);
    }
    t->gradients[0] = gradient;
    memcpy(ls_exchange_record(t->exchange, 0), record, sizeof record);
    ls__reading_halves(t, batch);
}

/* All runs of this rank; `merge`: their gradients are complete with them, and merged. */
static void compute_runs(ls_trainer *t, const ls_batch *batch, int n_runs, bool merge)
{
    const bool by_leaf = ls__reads_by_leaf(t);
    for (int i = 0, j; i < n_runs; i = j) {
        j = ls__next_group(t, i, by_leaf ? i + 1 : n_runs);
        if (by_leaf) ls__reading_leaf_begin(t, &t->runs[i]);
        compute_group(t, batch, t->runs + i, j - i, j == n_runs && merge);
        if (by_leaf) ls__reading_leaf_end(t, &t->runs[i]);
    }
    if (n_runs == 0 && ls_network_n_sums(t->network) > 0) compute_group(t, batch, t->runs, 0, false);
}

static void compute_gradients(ls_trainer *t, const ls_batch *batch)
{
    clear_shards(t, batch);
    ls__statistics_begin(t, batch->rows);
    const int n_runs = ls__batch_runs(t, batch->rows);
    const bool merge = passes_merge(t, batch, n_runs);
    compute_runs(t, batch, n_runs, merge);
    if (merge) return;
    const int64_t half = ls__reading_half(t, batch);
    if (half > 0)
        compute_half(t, batch, half);
    else if (t->reading.now && !ls__reads_by_leaf(t))
        ls__reading_shards(t, batch);
    const int first = ls_exchange_first_shard(t->exchange), n = ls_exchange_n_shards(t->exchange);
    for (int s = first; s < first + n; s++)
        if (is_empty(t, batch, s) && ls__is_right(t, s)) add_empty_leaf(t, t->gradients[s - first]);
    ls__merge_gradients(t);
}

/* A signal to mpirun reaches the ranks one after the other: those that come late have had their save. */
static bool wants_save(const ls_trainer *t)
{
    static const double same_signal_s = 1.0;
    return t->save.wanted || (ls_stop_save_requested() && !(ls_clock_s() - t->save.asked_s < same_signal_s));
}

/* Rank 0's clock decides for all, a signal to any rank asks all: each rank tells its own by its word. */
static uint32_t word_of(const ls_trainer *t)
{
    const double limit = t->config->train.max_time_s;
    const bool up = ls_job_rank(t->job) == 0 && ls_clock_s() - t->start_s > limit;
    const bool save_failed =
        t->save.pending.directory != NULL && t->save.saver != NULL && ls_saver_has_failed(t->save.saver);
    return ((uint32_t)t->output_status << WORD_STATUS_SHIFT) | (up ? WORD_TIME_IS_UP : 0u) |
           (ls_stop_requested() ? WORD_SIGNAL : 0u) | (wants_save(t) ? WORD_SAVE : 0u) |
           (save_failed ? WORD_SAVE_FAILED : 0u);
}

/* The same numbers on every rank, so the same verdict. */
static ls_status judge(ls_trainer *t, const ls_batch *batch)
{
    double totals[LS_RECORD];
    ls_exchange_totals(t->exchange, totals);
    t->mean_loss = totals[0] / (double)batch->rows;
    t->accuracy = t->loss->ops->classifies ? totals[1] / (double)batch->rows : NAN;
    LS_REQUIRE(totals[2] == (double)batch->rows, LS_EINTERNAL,
               "iteration %" PRId64 " used %.0f samples, the plan says %" PRId64, t->state.iteration, totals[2],
               batch->rows);
    ls__reading_take(t, batch, totals[LS_RECORD_SQUARES]);
    LS_REQUIRE(isfinite(t->mean_loss), LS_EDIVERGED,
               "diverged: the loss of iteration %" PRId64
               " is not finite; lower optimizer.lr or give the schedule a warmup",
               t->state.iteration);
    return LS_OK;
}

static ls_status read_words(ls_trainer *t)
{
    uint32_t flags = 0;
    for (int r = 0; r < ls_job_size(t->job); r++) flags |= ls_exchange_word(t->exchange, r);
    if ((flags >> WORD_STATUS_SHIFT) != LS_OK) return ls_job_agree(t->job, t->output_status);
    t->time_is_up = (flags & WORD_TIME_IS_UP) != 0;
    t->save.failed = (flags & WORD_SAVE_FAILED) != 0;
    t->signalled = (flags & WORD_SIGNAL) != 0;
    t->save.asked = (flags & WORD_SAVE) != 0;
    t->save.wanted = false;
    if (t->save.asked) t->save.asked_s = ls_clock_s();
    return LS_OK;
}

ls_status ls__iterate(ls_trainer *t)
{
    const double start = ls_clock_s(), waited = ls_board_waited_s;
    const ls_batch batch = ls_plan_batch(&t->plan, t->state.iteration);
    const int64_t completed = t->state.iteration + 1;
    t->line_due = completed % t->config->metrics.every_iterations == 0 || completed == t->plan.total_iterations;
    ls__reading_begin(t, &batch, completed);
    t->want_norm = t->line_due || t->reading.now;
    t->lr = ls_schedule_lr(t->schedule, t->state.iteration);
    t->divisor = (float)batch.rows;
    compute_gradients(t, &batch);
    ls__statistics_end(t, batch.rows);
    const double exchange = ls_clock_s();
    ls_board_mark(LS_PHASE_EXCHANGE, completed, exchange);
    t->pace.compute_s += exchange - start - (ls_board_waited_s - waited);
    const ls_status verified = ls__verify_when_due(t);
    ls_exchange_set_word(t->exchange, word_of(t));
    ls__exchange_and_update(t);
    ls_timeline_end(LS_EVENT_EXCHANGE, completed, exchange);
    t->state.iteration = completed;
    LS_TRY(verified); /* after the exchange, whose messages were under way */
    LS_TRY(read_words(t));
    LS_TRY(judge(t, &batch));
    t->samples += batch.rows;
    t->iteration_s = ls_timeline_since(LS_EVENT_ITERATION, completed, start);
    return LS_OK;
}
