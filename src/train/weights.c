/* Start values from a safetensors file of PyTorch, or from a checkpoint (train.init_from). */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "train/safetensors.h"
#include "train/trainer_internal.h"

enum { MAX_NAMED = 6 };

/* What does not fit, as names for people. */
typedef struct misfits {
    ls_text missing, unexpected, misshaped;
    int n_missing, n_unexpected, n_misshaped;
} misfits;

/* Tensors that belong to a run or to PyTorch's bookkeeping, not to the model. */
static bool is_passed_over(const char *name)
{
    return ls_checkpoint_is_slot(name) || ls_checkpoint_is_ema(name) || ls_ends_with(name, ".num_batches_tracked");
}

static void add_name(ls_text *list, int *n, const char *name)
{
    if (*n < MAX_NAMED) ls_text_printf(list, "%s%s", *n ? ", " : "", name);
    (*n)++;
}

static const ls_tensor *find_tensor(const ls_network *network, const char *name)
{
    for (int i = 0; i < ls_network_n_stored(network); i++) {
        const ls_tensor *tensor = ls_network_stored(network, i, NULL, NULL);
        if (strcmp(tensor->name, name) == 0) return tensor;
    }
    return NULL;
}

static bool same_shape(const ls_stored_tensor *stored, const ls_tensor *tensor)
{
    bool same = stored->n_dim == tensor->n_dim;
    for (int i = 0; same && i < tensor->n_dim; i++) same = stored->dim[i] == tensor->dim[i];
    return same;
}

static void add_misshaped(misfits *m, const ls_stored_tensor *stored, const ls_tensor *tensor)
{
    ls_stored_tensor wanted = {.type = "F32", .n_dim = tensor->n_dim};
    ls_text line = {0};
    char mine[128], theirs[128];
    memcpy(wanted.dim, tensor->dim, sizeof wanted.dim);
    ls_text_printf(&line, "%s is %s, expected %s", tensor->name, ls_stored_text(stored, theirs),
                   ls_stored_text(&wanted, mine));
    add_name(&m->misshaped, &m->n_misshaped, line.data ? line.data : tensor->name);
    ls_text_free(&line);
}

static void add_part(ls_text *out, const char *what, const ls_text *list, int n)
{
    if (n == 0) return;
    ls_text_printf(out, "%s%s%s", out->n > 0 ? "; " : "", what, list->data ? list->data : "");
    if (n > MAX_NAMED) ls_text_printf(out, " and %d more", n - MAX_NAMED);
}

/* LS_OK when nothing was found. */
static ls_status judge(const char *path, misfits *m)
{
    ls_text all = {0};
    ls_status status = LS_OK;
    add_part(&all, "missing ", &m->missing, m->n_missing);
    add_part(&all, "unexpected ", &m->unexpected, m->n_unexpected);
    add_part(&all, "", &m->misshaped, m->n_misshaped);
    if (m->n_missing + m->n_unexpected + m->n_misshaped > 0)
        status = ls_status_fail(LS_ECHECKPOINT, __FILE__, __LINE__,
                                "%s: its tensors do not fit the model: %s (they must be those of an nn.Sequential of "
                                "the same list of layers)",
                                path, all.data ? all.data : "");
    ls_text_free(&all);
    ls_text_free(&m->missing);
    ls_text_free(&m->unexpected);
    ls_text_free(&m->misshaped);
    return status;
}

static ls_status fill(const char *path, const ls_safetensors *file, const ls_network *network, float *params)
{
    misfits m = {0};
    for (int i = 0; i < ls_network_n_stored(network); i++) {
        float *numbers;
        const ls_tensor *tensor = ls_network_stored(network, i, params, &numbers);
        const ls_stored_tensor *stored = ls_safetensors_find(file, tensor->name);
        if (stored == NULL)
            add_name(&m.missing, &m.n_missing, tensor->name);
        else if (!same_shape(stored, tensor) || !ls_stored_floats(stored, numbers))
            add_misshaped(&m, stored, tensor);
    }
    for (int i = 0; i < ls_safetensors_n_tensors(file); i++) {
        const char *name = ls_safetensors_tensor(file, i)->name;
        if (find_tensor(network, name) == NULL && !is_passed_over(name)) add_name(&m.unexpected, &m.n_unexpected, name);
    }
    return judge(path, &m);
}

static ls_status check_finite(const char *path, const ls_network *network, float *params)
{
    for (int i = 0; i < ls_network_n_stored(network); i++) {
        float *numbers;
        const ls_tensor *tensor = ls_network_stored(network, i, params, &numbers);
        for (int64_t j = 0; j < tensor->n; j++)
            LS_REQUIRE(isfinite(numbers[j]), LS_ECHECKPOINT,
                       "%s: tensor '%s': element %lld is not a finite float32 number", path, tensor->name,
                       (long long)j);
    }
    return LS_OK;
}

ls_status ls_checkpoint_read_weights(const char *path, const ls_network *network, float *params)
{
    ls_safetensors *file;
    LS_TRY(ls_safetensors_open(path, &file));
    ls_status status = fill(path, file, network, params);
    if (status == LS_OK) status = check_finite(path, network, params);
    ls_safetensors_close(&file);
    return status;
}

static ls_status read_file(const ls_trainer *t)
{
    const char *name = t->config->train.init_from;
    char *beside = access(name, F_OK) != 0 ? ls_path_join(t->config->directory, name) : ls_strdup(name);
    LS_REQUIRE(beside != NULL, LS_ENOMEM, "out of memory for a path");
    const ls_status status = ls_checkpoint_read_weights(beside, t->network, ls_exchange_params(t->exchange));
    if (status == LS_OK) ls_notice("start values from %s", beside);
    ls_free(beside);
    return status == LS_OK ? LS_OK : ls_status_prefix(status, "train.init_from");
}

ls_status ls__init_from_file(ls_trainer *t)
{
    LS_TRY(ls_job_agree(t->job, ls_job_rank(t->job) == 0 ? read_file(t) : LS_OK));
    ls_exchange_publish_root(t->exchange);
    ls_job_broadcast(t->job, 0, ls_network_buffers(t->network),
                     (size_t)ls_network_n_buffer_floats(t->network) * sizeof(float));
    return LS_OK;
}
