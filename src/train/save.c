/* Checkpoints of a trainer: written by rank 0, slots streamed to it piece by piece; and the way back. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/node.h"
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

static const char *const hash_keys[LS_N_SETS] = {"data_hash", "validation_hash", "test_hash"};

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
        ls_safetensors_put_metadata(h, hash_keys[i], hash);
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

/* Vectors that their owners keep: the optimizer's slots, and the moving average behind them. */
static int n_kept(const ls_trainer *t)
{
    return t->optimizer->n_slots + (t->ema != NULL);
}

static float *kept(const ls_trainer *t, int i)
{
    return i < t->optimizer->n_slots ? t->slots[i] : t->ema;
}

/* "optimizer.<slot>.<name>", or "ema.<name>" */
static void kept_name(const ls_trainer *t, int i, int tensor, char out[128])
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
    for (int s = 0; s < n_kept(t); s++)
        for (int i = 0; i < n; i++) {
            char name[128];
            kept_name(t, s, i, name);
            ls_safetensors_put_tensor(h, name, tensor_at(t, i)->n_dim, tensor_at(t, i)->dim);
        }
    return ls_safetensors_end(h);
}

/* Rank 0 while a file is written. */
typedef struct saving {
    ls_file_writer *file;
    ls_hash *hash;
    ls_safetensors_header header;
} saving;

static ls_status put_bytes(saving *s, const void *bytes, size_t n)
{
    ls_hash_add(s->hash, bytes, n);
    return ls_file_writer_add(s->file, bytes, n);
}

static ls_status put_piece(void *context, int64_t first, int64_t n, float *data)
{
    (void)first;
    return put_bytes(context, data, (size_t)n * sizeof *data);
}

static ls_status begin_file(ls_trainer *t, const char *path, saving *s)
{
    float *params = ls_exchange_params(t->exchange), *numbers;
    for (int i = 0; i < ls_network_n_stored(t->network); i++) {
        const ls_tensor *tensor = ls_network_stored(t->network, i, params, &numbers);
        LS_REQUIRE(isfinite(ls_vec_sum_squares(tensor->n, numbers)), LS_EDIVERGED,
                   "diverged: the parameters %s are not finite after iteration %" PRId64
                   "; lower optimizer.lr or give the schedule a warmup",
                   tensor->name, t->state.iteration);
    }
    LS_TRY(ls_hash_create(&s->hash));
    LS_TRY(build_header(t, &s->header));
    LS_TRY(ls_file_writer_create(path, &s->file));
    LS_TRY(put_bytes(s, s->header.text.data, s->header.text.n));
    for (int i = 0; i < ls_network_n_stored(t->network); i++) {
        const int64_t n = ls_network_stored(t->network, i, params, &numbers)->n;
        LS_TRY(put_bytes(s, numbers, (size_t)n * sizeof *numbers));
    }
    return LS_OK;
}

static ls_status end_file(saving *s)
{
    char digits[LS_HASH_DIGITS + 1];
    ls_hash_text(ls_hash_value(s->hash), digits);
    LS_TRY(ls_file_writer_patch(s->file, s->header.hash_at, digits, LS_HASH_DIGITS));
    return ls_file_writer_commit(s->file);
}

static ls_status skip_piece(void *context, int64_t first, int64_t n, float *data)
{
    (void)context;
    (void)first;
    (void)n;
    (void)data;
    return LS_OK;
}

/* Collective: the slots' messages are sent whatever happens to the file. */
static ls_status write_file(ls_trainer *t, const char *path)
{
    saving s = {0};
    ls_status status = LS_OK;
    ls_exchange_settle(t->exchange);
    const bool writes = ls_job_rank(t->job) == 0;
    if (writes) status = begin_file(t, path, &s);
    for (int slot = 0; slot < n_kept(t); slot++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
            const ls_piece_fn sink = writes && status == LS_OK ? put_piece : skip_piece;
            const ls_status moved = ls_exchange_collect(t->exchange, i, kept(t, slot), sink, &s);
            if (status == LS_OK) status = moved;
        }
    if (writes && status == LS_OK) status = end_file(&s);
    ls_file_writer_destroy(&s.file);
    ls_hash_destroy(&s.hash);
    ls_text_free(&s.header.text);
    return status;
}

static ls_status name_file(ls_trainer *t, const char *given, char name[64], char **path)
{
    snprintf(name, 64, "ckpt-%08" PRId64 ".safetensors", t->state.iteration);
    if (given != NULL) snprintf(name, 64, "%s", given);
    *path = ls_path_join(t->options.run_directory, name);
    LS_REQUIRE(*path != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    return LS_OK;
}

static void report(ls_trainer *t, const char *name, double seconds)
{
    ls_metrics_begin(t->metrics, "save");
    ls_metrics_int(t->metrics, "iteration", t->state.iteration);
    ls_metrics_text(t->metrics, "file", name);
    ls_metrics_real(t->metrics, "seconds", seconds);
    ls_metrics_end(t->metrics);
}

ls_status ls__save(ls_trainer *t, const char *given)
{
    char name[64], *path = NULL;
    const double start = ls_clock_s();
    LS_TRY(ls_job_agree(t->job, name_file(t, given, name, &path)));
    ls_status status = ls_metrics_flush(t->metrics); /* lines up to here are there before the checkpoint is */
    const ls_status written = write_file(t, path);
    if (status == LS_OK) status = written;
    if (status == LS_OK && ls_job_rank(t->job) == 0 && given == NULL) {
        status = ls_link_replace(t->options.run_directory, "latest", name);
        ls_checkpoint_prune(t->options.run_directory, t->config->checkpoint.keep, t->state.iteration);
    }
    ls_free(path);
    LS_TRY(ls_job_agree(t->job, status));
    if (given == NULL) t->saved_at = t->state.iteration;
    t->times.saving += ls_clock_s() - start;
    report(t, name, ls_clock_s() - start);
    return LS_OK;
}

/* Pieces of a stored slot, from the first element of its tensor on. */
typedef struct dealing {
    const char *bytes;
    int64_t tensor_first;
} dealing;

static ls_status take_piece(void *context, int64_t first, int64_t n, float *data)
{
    const dealing *d = context;
    memcpy(data, d->bytes + (size_t)(first - d->tensor_first) * sizeof *data, (size_t)n * sizeof *data);
    return LS_OK;
}

/* Every tensor was checked by check_slots before: dealing cannot fail. */
static void deal_slots(ls_trainer *t, const ls_checkpoint *c)
{
    for (int s = 0; s < n_kept(t); s++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
            char name[128];
            kept_name(t, s, i, name);
            dealing d = {.tensor_first = tensor_at(t, i)->first};
            if (c != NULL) d.bytes = ls_safetensors_find(c->file, name)->bytes;
            ls_exchange_deal(t->exchange, i, kept(t, s), take_piece, &d);
        }
}

static ls_status check_slots(const ls_trainer *t, const ls_checkpoint *c)
{
    for (int s = 0; s < n_kept(t); s++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
            char name[128];
            const ls_stored_tensor *stored;
            kept_name(t, s, i, name);
            LS_TRY(ls_checkpoint_tensor(c, name, tensor_at(t, i), &stored));
        }
    return LS_OK;
}

static ls_status check_config(const ls_trainer *t, const ls_checkpoint *c)
{
    const char *text = ls_safetensors_metadata(c->file, "config");
    ls_config *stored;
    LS_TRY(ls_config_parse(text, strlen(text), c->path, "", NULL, 0, &stored));
    const ls_status status = ls_config_check_resume(t->config, stored, ls_schedule_needs_length(t->schedule));
    ls_config_destroy(&stored);
    return status;
}

/* A number that the run resolved then and resolves now. */
static ls_status check_resolved(const ls_checkpoint *c, const char *key, int64_t now)
{
    const char *text = ls_safetensors_metadata(c->file, key);
    LS_REQUIRE(text != NULL && strtoll(text, NULL, 10) == now, LS_EUSAGE,
               "'batch.%s' is %" PRId64 " here and %s in the checkpoint: a resumed run must keep it", key, now,
               text ? text : "missing");
    return LS_OK;
}

/* The training set always; a held-out set when a metric that the run goes by is of it. */
static ls_status check_data(const ls_trainer *t, const ls_checkpoint *c)
{
    for (int i = 0; i < LS_N_SETS; i++) {
        char hash[LS_HASH_DIGITS + 1];
        const char *stored = ls_safetensors_metadata(c->file, hash_keys[i]);
        ls_hash_text(t->data->hash[i], hash);
        const bool matters = i == LS_TRAIN || t->watch.target.which == i || t->watch.best.which == i;
        LS_REQUIRE(!matters || (stored != NULL && strcmp(stored, hash) == 0), LS_EDATA,
                   "data.%s differs from that of %s (hash %s here, %s there)", ls__set_names[i], c->path, hash,
                   stored ? stored : "none");
    }
    return LS_OK;
}

static void warn_of_other_builds(const ls_checkpoint *c)
{
    const char *core = ls_safetensors_metadata(c->file, "blas_core"),
               *commit = ls_safetensors_metadata(c->file, "commit");
    if (core != NULL && strcmp(core, ls_blas_core()) != 0)
        ls_warn(
            "%s was made with the OpenBLAS kernel type %s, this is %s: the bits may differ from an uninterrupted run's "
            "(OPENBLAS_CORETYPE=%s keeps them where the processor can)",
            c->path, core, ls_blas_core(), core);
    if (commit != NULL && strcmp(commit, LS_COMMIT) != 0)
        ls_warn("%s was made by another build (commit %s, this is %s): the bits may differ from an uninterrupted run's",
                c->path, commit, LS_COMMIT);
}

static ls_status check_identity(const ls_trainer *t, const ls_checkpoint *c)
{
    LS_TRY(check_config(t, c));
    LS_TRY(check_resolved(c, "shards", t->plan.n_shards));
    LS_TRY(check_resolved(c, "micro_batch_size", t->plan.micro_batch_size));
    LS_TRY(check_data(t, c));
    warn_of_other_builds(c);
    LS_REQUIRE(c->state.iteration <= t->plan.total_iterations, LS_EUSAGE,
               "%s has %" PRId64 " iterations, the run ends after %" PRId64 "; raise train.epochs or max_iterations",
               c->path, c->state.iteration, t->plan.total_iterations);
    return LS_OK;
}

static ls_status open_stored(ls_trainer *t, ls_checkpoint **c)
{
    LS_TRY(ls_checkpoint_find(t->options.run_directory ? t->options.run_directory : ".", t->options.resume, c));
    if (*c == NULL) return LS_OK;
    LS_TRY(check_identity(t, *c));
    LS_TRY(ls_checkpoint_load_params(*c, t->network, ls_exchange_params(t->exchange)));
    LS_TRY(check_slots(t, *c));
    t->state = (*c)->state;
    return LS_OK;
}

static void initialise_tile(void *context, const ls_tile *tile)
{
    const ls_trainer *t = context;
    ls_network_init(t->network, (uint64_t)t->seed_init, tile->first, tile->n,
                    ls_exchange_params(t->exchange) + tile->first);
}

static void begin_average(void *context, const ls_tile *tile)
{
    const ls_trainer *t = context;
    memcpy(t->ema + tile->slice_first, ls_exchange_params(t->exchange) + tile->first, (size_t)tile->n * sizeof *t->ema);
}

static ls_status initialise(ls_trainer *t)
{
    if (t->config->train.init_from != NULL) {
        LS_TRY(ls__init_from_file(t));
    } else {
        ls_exchange_each(t->exchange, initialise_tile, t);
        ls_exchange_publish(t->exchange);
    }
    if (t->ema != NULL) ls_exchange_each(t->exchange, begin_average, t);
    return LS_OK;
}

ls_status ls__restore(ls_trainer *t)
{
    ls_checkpoint *c = NULL;
    t->state = (ls_run_state){.best_value = NAN, .best_saved = NAN, .target_reached = -1};
    ls_status status = LS_OK;
    if (t->options.resume != NULL && ls_job_rank(t->job) == 0) status = open_stored(t, &c);
    status = ls_job_agree(t->job, status);
    bool found = c != NULL;
    ls_job_broadcast(t->job, 0, &found, sizeof found);
    if (status == LS_OK && !found) status = initialise(t);
    if (status == LS_OK && found) {
        ls_job_broadcast(t->job, 0, &t->state, sizeof t->state);
        ls_exchange_publish_root(t->exchange);
        ls_job_broadcast(t->job, 0, ls_network_buffers(t->network),
                         (size_t)ls_network_n_buffer_floats(t->network) * sizeof(float));
        deal_slots(t, c);
        t->came_from_elsewhere = strcmp(t->options.resume, "auto") != 0;
        t->saved_at = t->came_from_elsewhere ? -1 : t->state.iteration;
    }
    if (status == LS_OK && t->options.resume != NULL && ls_job_rank(t->job) == 0) {
        if (found)
            ls_notice("going on from %s, iteration %" PRId64, c->path, t->state.iteration);
        else
            ls_notice("no checkpoint in %s: starting anew",
                      t->options.run_directory ? t->options.run_directory : "this directory");
    }
    ls_checkpoint_close(&c);
    return status;
}
