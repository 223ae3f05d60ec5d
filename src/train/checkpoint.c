#include "lockstep/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/network.h"
#include "train/safetensors.h"

/* A metadata number, at least `least`; LS_ECHECKPOINT when it is missing or malformed. */
static ls_status read_int(const ls_checkpoint *c, const char *key, int64_t least, int64_t *out)
{
    const char *text = ls_safetensors_metadata(c->file, key);
    char *end = NULL;
    errno = 0;
    if (text != NULL) *out = strtoll(text, &end, 10);
    LS_REQUIRE(text != NULL && end != text && *end == 0 && errno == 0 && *out >= least, LS_ECHECKPOINT,
               "%s: metadata '%s' is %s", c->path, key, text ? text : "missing");
    return LS_OK;
}

/* "none" is NaN */
static ls_status read_real(const ls_checkpoint *c, const char *key, double *out)
{
    const char *text = ls_safetensors_metadata(c->file, key);
    char *end = NULL;
    *out = NAN;
    if (text != NULL && strcmp(text, "none") == 0) return LS_OK;
    if (text != NULL) *out = strtod(text, &end);
    LS_REQUIRE(text != NULL && end != text && *end == 0, LS_ECHECKPOINT, "%s: metadata '%s' is %s", c->path, key,
               text ? text : "missing");
    return LS_OK;
}

static ls_status read_input(ls_checkpoint *c)
{
    const char *text = ls_safetensors_metadata(c->file, "input_shape");
    long long d[3] = {0};
    const int n = text ? sscanf(text, "[%lld, %lld, %lld]", &d[0], &d[1], &d[2]) : 0;
    int64_t size = 1;
    bool whole = n == 1 || n == 3;
    for (int i = 0; i < n; i++) whole = whole && d[i] > 0 && ls_mul_i64(size, d[i], &size);
    LS_REQUIRE(whole, LS_ECHECKPOINT, "%s: metadata 'input_shape' is %s", c->path, text ? text : "missing");
    c->input.n_dim = n;
    for (int i = 0; i < n; i++) c->input.dim[i] = d[i];
    return LS_OK;
}

/* Absent in checkpoints of before it was written: no readings yet. */
static ls_status read_noise(ls_checkpoint *c)
{
    const char *text = ls_safetensors_metadata(c->file, "noise_readings");
    LS_REQUIRE(text == NULL || ls_noise_parse(text, &c->state.noise), LS_ECHECKPOINT,
               "%s: metadata 'noise_readings' is no list of at most %d pairs of numbers", c->path, LS_NOISE_WINDOW);
    return LS_OK;
}

static ls_status read_state(ls_checkpoint *c)
{
    const char *version = ls_safetensors_metadata(c->file, "format_version");
    LS_REQUIRE(version != NULL && strcmp(version, LS_CHECKPOINT_FORMAT) == 0, LS_ECHECKPOINT,
               "%s: checkpoint format %s, this program reads %s; use the lockstep that wrote it", c->path,
               version ? version : "unknown", LS_CHECKPOINT_FORMAT);
    LS_TRY(read_int(c, "iteration", 0, &c->state.iteration));
    LS_TRY(read_int(c, "stale_evaluations", 0, &c->state.stale_evaluations));
    LS_TRY(read_int(c, "target_reached", -1, &c->state.target_reached));
    LS_TRY(read_real(c, "best_value", &c->state.best_value));
    LS_TRY(read_real(c, "best_saved", &c->state.best_saved));
    LS_TRY(read_noise(c));
    LS_REQUIRE(ls_safetensors_metadata(c->file, "config") != NULL, LS_ECHECKPOINT, "%s: metadata 'config' is missing",
               c->path);
    return read_input(c);
}

static ls_status open_checkpoint(const char *path, ls_checkpoint *c)
{
    c->path = ls_strdup(path);
    LS_REQUIRE(c->path != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    LS_TRY(ls_safetensors_open(path, &c->file));
    LS_TRY(ls_safetensors_check_hash(c->file, path));
    for (int i = 0; i < ls_safetensors_n_tensors(c->file); i++) {
        const ls_stored_tensor *tensor = ls_safetensors_tensor(c->file, i);
        LS_REQUIRE(ls_stored_is_f32(tensor), LS_ECHECKPOINT, "%s: tensor '%s': type %s, expected F32", path,
                   tensor->name, tensor->type);
    }
    return read_state(c);
}

ls_status ls_checkpoint_open(const char *path, ls_checkpoint **out)
{
    *out = NULL;
    ls_checkpoint *c = ls_calloc(1, sizeof *c);
    LS_REQUIRE(c != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    const ls_status status = open_checkpoint(path, c);
    if (status != LS_OK) ls_checkpoint_close(&c);
    *out = c;
    return status;
}

void ls_checkpoint_close(ls_checkpoint **checkpoint)
{
    if (checkpoint == NULL || *checkpoint == NULL) return;
    ls_safetensors_close(&(*checkpoint)->file);
    ls_free((*checkpoint)->path);
    ls_free(*checkpoint);
    *checkpoint = NULL;
}

void ls_checkpoint_name(int64_t number, char out[64])
{
    snprintf(out, 64, "ckpt-%08" PRId64 ".safetensors", number);
}

/* Iteration of a checkpoint's file name; -1 for names that this program does not write. */
static int64_t number_of(const char *name)
{
    int64_t number;
    char written[64];
    if (sscanf(name, "ckpt-%" SCNd64, &number) != 1) return -1;
    ls_checkpoint_name(number, written);
    return strcmp(name, written) == 0 ? number : -1;
}

static int compare_down(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Numbers of the directory's checkpoints, newest first; owned by the caller, NULL when there are none. */
static int64_t *list_numbers(const char *run_directory, int *n)
{
    int64_t *numbers = NULL;
    *n = 0;
    DIR *directory = opendir(run_directory);
    if (directory == NULL) return NULL;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const int64_t number = number_of(entry->d_name);
        if (number < 0) continue;
        int64_t *grown = ls_realloc(numbers, (size_t)*n, (size_t)*n + 1, sizeof *numbers);
        if (grown == NULL) break;
        numbers = grown;
        numbers[(*n)++] = number;
    }
    closedir(directory);
    if (numbers != NULL) qsort(numbers, (size_t)*n, sizeof *numbers, compare_down);
    return numbers;
}

/* Newest first until one is whole; damaged ones are named. */
static ls_status find_newest(const char *run_directory, ls_checkpoint **out)
{
    int n;
    int64_t *numbers = list_numbers(run_directory, &n);
    ls_status status = LS_OK;
    for (int i = 0; i < n && *out == NULL; i++) {
        char name[64];
        ls_checkpoint_name(numbers[i], name);
        char *path = ls_path_join(run_directory, name);
        status = path ? ls_checkpoint_open(path, out)
                      : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a checkpoint");
        ls_free(path);
        if (status == LS_OK) break;
        ls_warn("%s; %s", ls_status_message(), i + 1 < n ? "trying the checkpoint before it" : "no older one is left");
    }
    ls_free(numbers);
    return status;
}

ls_status ls_checkpoint_find(const char *run_directory, const char *which, ls_checkpoint **out)
{
    *out = NULL;
    if (strcmp(which, "auto") != 0) return ls_checkpoint_open(which, out);
    return find_newest(run_directory, out);
}

bool ls_checkpoint_is_slot(const char *name)
{
    return strncmp(name, "optimizer.", 10) == 0;
}

bool ls_checkpoint_is_ema(const char *name)
{
    return strncmp(name, LS_EMA_PREFIX, strlen(LS_EMA_PREFIX)) == 0;
}

ls_status ls_checkpoint_tensor(const ls_checkpoint *c, const char *name, const ls_tensor *tensor,
                               const struct ls_stored_tensor **out)
{
    *out = ls_safetensors_find(c->file, name);
    bool same = *out != NULL && (*out)->n_dim == tensor->n_dim;
    for (int i = 0; same && i < tensor->n_dim; i++) same = (*out)->dim[i] == tensor->dim[i];
    LS_REQUIRE(same, LS_ECHECKPOINT,
               "%s: tensor '%s' is missing or has another shape than the model's; give the configuration that it was "
               "trained with",
               c->path, name);
    return LS_OK;
}

/* Parameters under their names behind the prefix; buffers have no prefix, as they have no moving average. */
static ls_status load_tensors(const ls_checkpoint *c, const char *prefix, const ls_network *network, float *params)
{
    for (int i = 0; i < ls_network_n_stored(network); i++) {
        float *numbers;
        const ls_tensor *tensor = ls_network_stored(network, i, params, &numbers);
        const ls_stored_tensor *stored;
        char name[128];
        snprintf(name, sizeof name, "%s%s", i < ls_network_n_tensors(network) ? prefix : "", tensor->name);
        LS_TRY(ls_checkpoint_tensor(c, name, tensor, &stored));
        memcpy(numbers, stored->bytes, stored->n_bytes);
    }
    return LS_OK;
}

ls_status ls_checkpoint_load_params(const ls_checkpoint *c, const ls_network *network, float *params)
{
    return load_tensors(c, "", network, params);
}

ls_status ls_checkpoint_load_ema(const ls_checkpoint *c, const ls_network *network, float *params)
{
    bool averaged = false;
    for (int i = 0; i < ls_safetensors_n_tensors(c->file); i++)
        averaged = averaged || ls_checkpoint_is_ema(ls_safetensors_tensor(c->file, i)->name);
    LS_REQUIRE(averaged, LS_EUSAGE,
               "%s has no moving average of its parameters; train with optimizer.ema, as in {ema: 0.999}", c->path);
    return load_tensors(c, LS_EMA_PREFIX, network, params);
}

uint64_t ls_checkpoint_params_hash(const ls_checkpoint *c)
{
    ls_hash *hash;
    if (ls_hash_create(&hash) != LS_OK) return 0;
    for (int i = 0; i < ls_safetensors_n_tensors(c->file); i++) {
        const ls_stored_tensor *tensor = ls_safetensors_tensor(c->file, i);
        const bool is_param = !ls_checkpoint_is_slot(tensor->name) && !ls_checkpoint_is_ema(tensor->name);
        if (is_param) ls_hash_add(hash, tensor->bytes, tensor->n_bytes);
    }
    const uint64_t value = ls_hash_value(hash);
    ls_hash_destroy(&hash);
    return value;
}

size_t ls_checkpoint_data_bytes(const ls_network *network, int n_kept)
{
    int64_t n = 0;
    for (int i = 0; i < ls_network_n_stored(network); i++) n += ls_network_stored(network, i, NULL, NULL)->n;
    for (int i = 0; i < ls_network_n_tensors(network); i++) n += n_kept * ls_network_tensor(network, i)->n;
    return (size_t)n * sizeof(float);
}

static void remove_file(const char *directory, const char *name)
{
    char *path = ls_path_join(directory, name);
    if (path != NULL) unlink(path);
    ls_free(path);
}

void ls_checkpoint_prune(const char *run_directory, int64_t keep, int64_t newest)
{
    int n;
    int64_t *numbers = keep != 0 ? list_numbers(run_directory, &n) : NULL;
    int64_t kept = 0;
    for (int i = 0; numbers != NULL && i < n; i++) {
        if (numbers[i] > newest || kept++ < keep) continue;
        char name[64];
        ls_checkpoint_name(numbers[i], name);
        remove_file(run_directory, name);
    }
    ls_free(numbers);
}

/* What a killed writer has left of a numbered one. */
static bool is_half_written(const char *name)
{
    static const char ending[] = ".tmp";
    const size_t n = strlen(name), n_ending = sizeof ending - 1;
    char whole[64];
    if (!ls_ends_with(name, ending) || n - n_ending >= sizeof whole) return false;
    snprintf(whole, sizeof whole, "%.*s", (int)(n - n_ending), name);
    return number_of(whole) >= 0;
}

static void remove_half_written(const char *run_directory)
{
    DIR *directory = opendir(run_directory);
    if (directory == NULL) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (is_half_written(entry->d_name)) unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

void ls_checkpoint_clear(const char *run_directory)
{
    static const char *const names[] = {"latest", "latest.tmp", LS_BEST_NAME, LS_BEST_NAME ".tmp"};
    ls_checkpoint_prune(run_directory, -1, INT64_MAX);
    remove_half_written(run_directory);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) remove_file(run_directory, names[i]);
}
