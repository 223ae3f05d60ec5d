/* Checkpoints of a trainer: rank 0 copies the state, the slots of others coming piece by piece, and goes on training
 * while the saver's thread writes.  A failure is told by the next iteration's sums. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/timeline.h"
#include "ls_version.h"
#include "math/blas.h"
#include "math/vec.h"
#include "train/safetensors.h"
#include "train/trainer_internal.h"

static const ls_tensor *tensor_at(const ls_trainer *t, int i)
{
    return ls_network_tensor(t->network, i);
}

static void put_int(ls_safetensors_header *h, const char *key, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    ls_safetensors_put_metadata(h, key, text);
}

static void put_real(ls_safetensors_header *h, const char *key, double value)
{
    char text[32] = "none";
    if (!isnan(value)) ls_real_text(value, text);
    ls_safetensors_put_metadata(h, key, text);
}

const char *const ls__hash_keys[LS_N_SETS] = {"data_hash", "validation_hash", "test_hash"};

/* Nothing here may depend on the rank count or on time: equal runs give equal bytes. */
static void put_state(const ls_trainer *t, ls_safetensors_header *h)
{
    char shape[96], hash[LS_HASH_DIGITS + 1];
    ls_text config = {0}, noise = {0};
    ls_config_text(t->config, &config);
    ls_noise_text(&t->state.noise, &noise);
    ls_safetensors_put_metadata(h, "format_version", LS_CHECKPOINT_FORMAT);
    ls_safetensors_put_metadata(h, "lockstep_version", LS_VERSION);
    ls_safetensors_put_metadata(h, "commit", LS_COMMIT);
    ls_safetensors_put_metadata(h, "blas_core", ls_blas_core());
    put_int(h, "iteration", t->state.iteration);
    put_int(h, "epoch", ls_course_epochs(&t->plan.course, t->state.iteration));
    put_int(h, "shards", t->plan.n_shards);
    put_int(h, "micro_batch_size", t->plan.micro_batch_size);
    put_int(h, "stale_evaluations", t->state.stale_evaluations);
    put_int(h, "target_reached", t->state.target_reached);
    put_real(h, "best_value", t->state.best_value);
    put_real(h, "best_saved", t->state.best_saved);
    ls_safetensors_put_metadata(h, "noise_readings", noise.data ? noise.data : "");
    for (int i = 0; i < LS_N_SETS; i++) {
        ls_hash_text(t->data->hash[i], hash);
        ls_safetensors_put_metadata(h, ls__hash_keys[i], hash);
    }
    ls_safetensors_put_metadata(h, "input_shape", ls_shape_text(&ls_network_layer(t->network, 0)->in, shape));
    ls_safetensors_put_metadata(h, "config_directory", t->config->directory);
    char *data_directory = t->options.data_directory ? realpath(t->options.data_directory, NULL) : NULL;
    ls_safetensors_put_metadata(h, "data_directory", data_directory ? data_directory : "");
    free(data_directory);
    ls_safetensors_put_metadata(h, "config", config.data ? config.data : "");
    h->text.failed = h->text.failed || config.failed || noise.failed;
    ls_text_free(&config);
    ls_text_free(&noise);
}

int ls__n_kept(const ls_trainer *t)
{
    return t->optimizer->n_slots + (t->ema != NULL);
}

float *ls__kept(const ls_trainer *t, int i)
{
    return i < t->optimizer->n_slots ? t->slots[i] : t->ema;
}

void ls__kept_name(const ls_trainer *t, int i, int tensor, char out[128])
{
    if (i < t->optimizer->n_slots)
        snprintf(out, 128, "optimizer.%s.%s", t->optimizer->slot_name[i], tensor_at(t, tensor)->name);
    else
        snprintf(out, 128, LS_EMA_PREFIX "%s", tensor_at(t, tensor)->name);
}

static ls_status build_header(const ls_trainer *t, ls_safetensors_header *h)
{
    const int n = ls_network_n_tensors(t->network);
    ls_safetensors_begin(h);
    put_state(t, h);
    for (int i = 0; i < ls_network_n_stored(t->network); i++) {
        const ls_tensor *tensor = ls_network_stored(t->network, i, NULL, NULL);
        ls_safetensors_put_tensor(h, tensor->name, tensor->n_dim, tensor->dim);
    }
    for (int s = 0; s < ls__n_kept(t); s++)
        for (int i = 0; i < n; i++) {
            char name[128];
            ls__kept_name(t, s, i, name);
            ls_safetensors_put_tensor(h, name, tensor_at(t, i)->n_dim, tensor_at(t, i)->dim);
        }
    return ls_safetensors_end(h);
}

static ls_status check_finite(const ls_trainer *t)
{
    float *params = ls_exchange_params(t->exchange), *numbers;
    for (int i = 0; i < ls_network_n_stored(t->network); i++) {
        const ls_tensor *tensor = ls_network_stored(t->network, i, params, &numbers);
        LS_REQUIRE(isfinite(ls_vec_sum_squares(tensor->n, numbers)), LS_EDIVERGED,
                   "diverged: the parameters %s are not finite after iteration %" PRId64
                   "; lower optimizer.lr or give the schedule a warmup",
                   tensor->name, t->state.iteration);
    }
    return LS_OK;
}

ls_status ls__create_saver(ls_trainer *t)
{
    const bool several = t->config->checkpoint.every_iterations > 0 || t->watch.best.which >= 0;
    ls_status status = LS_OK;
    bool copies = false;
    if (t->options.run_directory == NULL) return LS_OK;
    if (ls_job_rank(t->job) == 0) {
        const bool wanted = t->config->checkpoint.background && several;
        status = ls_saver_create(wanted ? ls_checkpoint_data_bytes(t->network, ls__n_kept(t)) : 0, &t->save.saver);
        copies = status == LS_OK && ls_saver_copies(t->save.saver);
    }
    LS_TRY(ls_job_agree(t->job, status));
    ls_job_broadcast(t->job, 0, &copies, sizeof copies);
    t->save.background = copies;
    return LS_OK;
}

static ls_status put_piece(void *context, int64_t first, int64_t n, float *data)
{
    (void)first;
    ls_saver_put(context, data, (size_t)n * sizeof *data);
    return LS_OK;
}

/* Collective, but for its failures, which the saver keeps: all messages are sent whatever happens to the file. */
static void copy_state(ls_trainer *t, const ls_save *save, ls_safetensors_header *header)
{
    float *params = ls_exchange_params(t->exchange), *numbers;
    const bool writes = ls_job_rank(t->job) == 0;
    if (writes) ls_saver_begin(t->save.saver, save, header);
    for (int i = 0; writes && i < ls_network_n_stored(t->network); i++) {
        const int64_t n = ls_network_stored(t->network, i, params, &numbers)->n;
        ls_saver_put(t->save.saver, numbers, (size_t)n * sizeof *numbers);
    }
    for (int slot = 0; slot < ls__n_kept(t); slot++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++)
            ls_exchange_collect(t->exchange, i, ls__kept(t, slot), put_piece, t->save.saver);
    if (writes) ls_saver_end(t->save.saver);
}

/* Rank 0: what can fail before a byte is copied.  Lines up to here are there before the checkpoint is. */
static ls_status prepare(ls_trainer *t, ls_safetensors_header *header)
{
    LS_TRY(ls_metrics_flush(t->metrics));
    LS_TRY(check_finite(t));
    return build_header(t, header);
}

/* Begins to write files of the same bytes.  Collective; the same status everywhere. */
static ls_status begin(ls_trainer *t, bool best, bool numbered)
{
    ls_safetensors_header header = {0};
    const double start = ls_clock_s();
    const ls_save save = {.directory = t->options.run_directory,
                          .best = best,
                          .numbered = numbered,
                          .iteration = t->state.iteration,
                          .keep = t->config->checkpoint.keep};
    ls_board_mark(LS_PHASE_SAVE, t->state.iteration, start);
    ls_exchange_settle(t->exchange);
    const ls_status status = ls_job_agree(t->job, ls_job_rank(t->job) == 0 ? prepare(t, &header) : LS_OK);
    if (status == LS_OK) copy_state(t, &save, &header);
    ls_text_free(&header.text);
    LS_TRY(status);
    t->save.pending = save;
    t->save.told = false;
    t->save.stall_s = ls_timeline_since(LS_EVENT_SAVE, t->state.iteration, start);
    t->times.saving += t->save.stall_s;
    if (numbered) t->saved_at = t->state.iteration;
    return LS_OK;
}

static void tell_file(ls_trainer *t, const char *name, const ls_saved *saved)
{
    ls_metrics_begin(t->metrics, "save");
    ls_metrics_int(t->metrics, "iteration", t->save.pending.iteration);
    ls_metrics_text(t->metrics, "file", name);
    ls_metrics_real(t->metrics, "stall_s", t->save.stall_s);
    ls_metrics_real(t->metrics, "write_s", saved->write_s);
    ls_metrics_end(t->metrics);
}

static bool is_pending(const ls_trainer *t)
{
    return t->save.pending.directory != NULL;
}

/* Waits for a save under way and writes its line if it ended well. */
static void tell(ls_trainer *t)
{
    if (!is_pending(t) || t->save.saver == NULL || t->save.told) return;
    ls_board_mark(LS_PHASE_SAVE, t->state.iteration, ls_clock_s());
    const ls_saved *saved = ls_saver_wait(t->save.saver);
    char name[64];
    ls_checkpoint_name(t->save.pending.iteration, name);
    if (saved->status != LS_OK) return;
    if (ls_timeline_on && saved->write_s > 0)
        ls_timeline_record(LS_EVENT_WRITE, t->save.pending.iteration, saved->end_s, saved->end_s + saved->write_s);
    if (t->save.pending.best) tell_file(t, LS_BEST_NAME, saved);
    if (t->save.pending.numbered) tell_file(t, name, saved);
    t->save.told = true;
}

void ls__save_end(ls_trainer *t)
{
    if (!is_pending(t) || t->save.saver == NULL) return;
    tell(t);
    const ls_saved *saved = ls_saver_wait(t->save.saver);
    if (saved->status == LS_OK) return;
    ls__progress_clear(t);
    ls_warn("%s", saved->message);
}

/* What would have been true of the files is not. */
static void forget(ls_trainer *t, bool best, bool numbered)
{
    if (best) t->state.best_saved = t->save.best_before;
    if (numbered) t->saved_at = -1;
}

/* Waits for a save under way and makes its failure common. */
static ls_status settle(ls_trainer *t)
{
    if (!is_pending(t)) return LS_OK;
    const double start = ls_clock_s();
    ls_status status = LS_OK;
    ls_board_mark(LS_PHASE_SAVE, t->state.iteration, start);
    if (ls_job_rank(t->job) == 0) {
        const ls_saved *saved = ls_saver_wait(t->save.saver);
        t->save.stall_s += ls_clock_s() - start;
        if (saved->status != LS_OK) status = ls_status_fail(saved->status, __FILE__, __LINE__, "%s", saved->message);
        tell(t);
    }
    status = ls_job_agree(t->job, status);
    if (status != LS_OK) {
        bool best_is_there = ls_job_rank(t->job) == 0 && ls_saver_wait(t->save.saver)->best_written;
        ls_job_broadcast(t->job, 0, &best_is_there, sizeof best_is_there);
        forget(t, t->save.pending.best && !best_is_there, t->save.pending.numbered);
    }
    t->save.pending = (ls_save){0};
    t->save.failed = false;
    t->times.saving += ls_timeline_since(LS_EVENT_SAVE, t->state.iteration, start);
    return status;
}

/* A save under way that fails is told and tried again at the next occasion; nothing older is lost. */
static ls_status warn(ls_trainer *t, ls_status status)
{
    if (status == LS_OK || status == LS_EDIVERGED) return status;
    ls__progress_clear(t);
    ls_warn("%s; training goes on, the next checkpoint is tried in time", ls_status_message());
    ls_metrics_begin(t->metrics, "warning");
    ls_metrics_int(t->metrics, "iteration", t->state.iteration);
    ls_metrics_text(t->metrics, "text", ls_status_message());
    ls_metrics_end(t->metrics);
    return LS_OK;
}

static ls_status save_one(ls_trainer *t, bool best, bool numbered)
{
    ls_status status = begin(t, best, numbered);
    if (status != LS_OK) forget(t, best, false);
    if (status == LS_OK && !t->save.background) status = settle(t);
    return warn(t, status);
}

ls_status ls__save_or_warn(ls_trainer *t, bool best, bool numbered)
{
    LS_TRY(ls__save_settle_or_warn(t));
    if (t->save.background || !best || !numbered) return save_one(t, best, numbered);
    LS_TRY(save_one(t, true, false));
    return save_one(t, false, true);
}

ls_status ls__save_now(ls_trainer *t)
{
    LS_TRY(ls__save_settle_or_warn(t));
    if (t->saved_at == t->state.iteration) return LS_OK;
    LS_TRY(begin(t, false, true));
    return settle(t);
}

ls_status ls__save_settle_or_warn(ls_trainer *t)
{
    return warn(t, settle(t));
}

ls_status ls__save_look(ls_trainer *t)
{
    if (t->save.failed) return ls__save_settle_or_warn(t);
    if (t->save.saver != NULL && ls_saver_has_ended(t->save.saver)) tell(t);
    return LS_OK;
}

ls_status ls_trainer_save(ls_trainer *t, const char *directory)
{
    const bool first = t->options.run_directory == NULL;
    LS_TRY(ls_job_agree(t->job, ls_job_rank(t->job) == 0 ? ls_make_directory(directory) : LS_OK));
    t->options.run_directory = directory;
    const ls_status status = first ? ls__create_saver(t) : LS_OK;
    if (status != LS_OK) t->options.run_directory = NULL; /* the next save is the first again */
    LS_TRY(status);
    return ls__save_now(t);
}
