/* The start of a trainer: values from a checkpoint, from a file of weights, or from the seed. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "ls_version.h"
#include "math/blas.h"
#include "train/safetensors.h"
#include "train/trainer_internal.h"

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
    for (int s = 0; s < ls__n_kept(t); s++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
            char name[128];
            ls__kept_name(t, s, i, name);
            dealing d = {.tensor_first = ls_network_tensor(t->network, i)->first};
            if (c != NULL) d.bytes = ls_safetensors_find(c->file, name)->bytes;
            ls_exchange_deal(t->exchange, i, ls__kept(t, s), take_piece, &d);
        }
}

static ls_status check_slots(const ls_trainer *t, const ls_checkpoint *c)
{
    for (int s = 0; s < ls__n_kept(t); s++)
        for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
            char name[128];
            const ls_stored_tensor *stored;
            ls__kept_name(t, s, i, name);
            LS_TRY(ls_checkpoint_tensor(c, name, ls_network_tensor(t->network, i), &stored));
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
    LS_REQUIRE(
        text != NULL && strtoll(text, NULL, 10) == now, LS_EUSAGE,
        "'batch.%s' is %" PRId64
        " here and %s in the checkpoint: a resumed run must keep it; set batch.%s to that, or give a new --run-dir",
        key, now, text ? text : "missing", key);
    return LS_OK;
}

/* The training set always; a held-out set when a metric that the run goes by is of it. */
static ls_status check_data(const ls_trainer *t, const ls_checkpoint *c)
{
    for (int i = 0; i < LS_N_SETS; i++) {
        char hash[LS_HASH_DIGITS + 1];
        const char *stored = ls_safetensors_metadata(c->file, ls__hash_keys[i]);
        ls_hash_text(t->data->hash[i], hash);
        const bool matters = i == LS_TRAIN || t->watch.target.which == i || t->watch.best.which == i;
        LS_REQUIRE(!matters || (stored != NULL && strcmp(stored, hash) == 0), LS_EDATA,
                   "data.%s differs from that of %s (hash %s here, %s there); give the samples that the run began "
                   "with, or a new --run-dir",
                   ls__set_names[i], c->path, hash, stored ? stored : "none");
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
