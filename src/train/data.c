#include "train/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/node.h"
#include "base/option.h"

const char *const ls__set_names[LS_N_SETS] = {"train", "validation", "test"};

static struct ls_node *spec_of(const ls_config *config, int which)
{
    struct ls_node *const specs[LS_N_SETS] = {config->data.train, config->data.validation, config->data.test};
    return specs[which];
}

/* A validation set that is cut from the end of the training set. */
static bool is_cut(const ls_config *config)
{
    return ls_node_child(config->data.validation, "last") != NULL;
}

ls_shape ls_data_shape(const ls_dataset_info *info)
{
    ls_shape shape = {.n_dim = info->n_dim};
    for (int i = 0; i < info->n_dim; i++) shape.dim[i] = info->dim[i];
    return shape;
}

ls_status ls_data_info(const ls_config *config, const char *data_directory, int which, ls_dataset_info *out)
{
    ls_dataset_source *source;
    const ls_status status = ls_dataset_open(spec_of(config, which), config->directory, data_directory, &source);
    if (status != LS_OK) return ls_status_prefix(status, "data.%s", ls__set_names[which]);
    *out = *ls_dataset_source_info(source);
    ls_dataset_source_destroy(&source);
    return LS_OK;
}

ls_status ls_data_split(const ls_config *config, int64_t n_samples, int64_t *n_train, int64_t *n_validation)
{
    *n_train = n_samples;
    *n_validation = 0;
    if (config->data.validation == NULL || !is_cut(config)) return LS_OK;
    struct {
        int64_t last;
    } cut;
    const ls_option table[] = {
        {.key = "last", .kind = LS_OPTION_INT, .min = 1, .max = LS_OPTION_MAX, .help = "samples"}, {0}};
    LS_TRY(ls_options_read(table, config->data.validation, "data.validation", &cut));
    LS_REQUIRE(cut.last < n_samples, LS_EUSAGE,
               "data.validation.last is %" PRId64 ", the training set has only %" PRId64 " samples", cut.last,
               n_samples);
    *n_validation = cut.last;
    *n_train = n_samples - cut.last;
    return LS_OK;
}

/* Only first ranks of nodes open the files; every rank gets the shape that rank 0 found. */
static ls_status open_source(const ls_job *job, struct ls_node *spec, const char *directory, const char *data_directory,
                             const char *what, ls_dataset_source **source, ls_dataset_info *info)
{
    ls_status status = LS_OK;
    if (ls_job_local_rank(job) == 0) status = ls_dataset_open(spec, directory, data_directory, source);
    if (status == LS_OK && *source != NULL) *info = *ls_dataset_source_info(*source);
    if (status != LS_OK) ls_status_prefix(status, "%s", what);
    LS_TRY(ls_job_agree(job, status));
    const ls_dataset_info mine = *info;
    ls_job_broadcast(job, 0, info, sizeof *info);
    if (*source != NULL && memcmp(&mine, info, sizeof mine) != 0)
        status =
            ls_status_fail(LS_EDATA, __FILE__, __LINE__, "%s: this node's files differ in shape from rank 0's", what);
    return ls_job_agree(job, status);
}

static ls_status same_hash(const ls_job *job, const ls_dataset *set, const char *what)
{
    uint64_t mine = ls_job_local_rank(job) == 0 ? ls_dataset_hash(set) : 0, theirs = mine;
    ls_job_broadcast(job, 0, &theirs, sizeof theirs);
    ls_status status = LS_OK;
    if (ls_job_local_rank(job) == 0 && mine != theirs)
        status =
            ls_status_fail(LS_EDATA, __FILE__, __LINE__, "%s: this node reads other data than rank 0 (hash)", what);
    return ls_job_agree(job, status);
}

ls_status ls_data_load_set(const ls_job *job, struct ls_node *spec, const char *directory, const char *data_directory,
                           const char *what, ls_window **window, ls_dataset *out)
{
    ls_dataset_source *source = NULL;
    ls_dataset_info info = {0};
    size_t bytes = 0;
    ls_status status = open_source(job, spec, directory, data_directory, what, &source, &info);
    if (status == LS_OK) status = ls_dataset_bytes(&info, &bytes); /* the same on all ranks */
    if (status == LS_OK) status = ls_window_create(job, bytes, what, window);
    if (status == LS_OK) {
        if (source != NULL) status = ls_dataset_load(source, ls_window_memory(*window));
        if (status != LS_OK) ls_status_prefix(status, "%s", what);
        status = ls_job_agree(job, status);
    }
    ls_dataset_source_destroy(&source);
    LS_TRY(status);
    ls_dataset_attach(&info, ls_window_memory(*window), out);
    return same_hash(job, out, what);
}

static ls_status cut_validation(ls_data *data, const ls_config *config)
{
    int64_t n_train, n_validation;
    LS_TRY(ls_data_split(config, data->set[LS_TRAIN].info.n_samples, &n_train, &n_validation));
    if (n_validation == 0) return LS_OK;
    data->set[LS_VALIDATION] = ls_dataset_slice(&data->set[LS_TRAIN], n_train, n_validation);
    data->set[LS_TRAIN] = ls_dataset_slice(&data->set[LS_TRAIN], 0, n_train);
    data->present[LS_VALIDATION] = true;
    return LS_OK;
}

static ls_status same_shapes(const ls_data *data)
{
    for (int i = 1; i < LS_N_SETS; i++)
        LS_REQUIRE(!data->present[i] || data->set[i].info.n_features == data->set[LS_TRAIN].info.n_features, LS_EDATA,
                   "data.%s has %" PRId64 " features a sample, data.train has %" PRId64, ls__set_names[i],
                   data->set[i].info.n_features, data->set[LS_TRAIN].info.n_features);
    return LS_OK;
}

/* The same on all ranks but for memory. */
static ls_status derive(ls_data *data, const ls_config *config)
{
    LS_TRY(cut_validation(data, config));
    LS_TRY(same_shapes(data));
    return ls_normalizer_create(config->data.normalize, &data->set[LS_TRAIN].info, &data->normalizer);
}

static ls_status load(const ls_job *job, const ls_config *config, const char *data_directory, ls_data *data)
{
    for (int i = 0; i < LS_N_SETS; i++) {
        if (spec_of(config, i) == NULL || (i == LS_VALIDATION && is_cut(config))) continue;
        char what[32];
        snprintf(what, sizeof what, "data.%s", ls__set_names[i]);
        LS_TRY(ls_data_load_set(job, spec_of(config, i), config->directory, data_directory, what, &data->window[i],
                                &data->set[i]));
        data->present[i] = true;
    }
    LS_TRY(ls_job_agree(job, derive(data, config)));
    for (int i = 0; ls_job_rank(job) == 0 && i < LS_N_SETS; i++)
        if (data->present[i]) data->hash[i] = ls_dataset_hash(&data->set[i]);
    ls_job_broadcast(job, 0, data->hash, sizeof data->hash);
    return LS_OK;
}

ls_status ls_data_load(const ls_job *job, const ls_config *config, const char *data_directory, ls_data **out)
{
    *out = NULL;
    ls_data *data = ls_calloc(1, sizeof *data);
    LS_TRY(ls_job_agree(job, data ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    const ls_status status = load(job, config, data_directory, data);
    if (status != LS_OK) ls_data_destroy(&data);
    *out = data;
    return status;
}

ls_status ls_data_check(const ls_loss *loss, const ls_shape *output, const ls_dataset *set, const char *what)
{
    static const char *const kinds[] = {"no labels", "class labels", "target values"};
    char shape[96];
    const int64_t k = ls_shape_size(output);
    const ls_label_kind want = loss->ops->classifies ? LS_LABEL_CLASS : LS_LABEL_VALUES;
    LS_REQUIRE(set->info.label_kind == (int32_t)want, LS_EUSAGE,
               "%s has %s, the loss %s needs %s ('labels' or 'label' name classes, 'targets' values)", what,
               kinds[set->info.label_kind], loss->ops->name, kinds[want]);
    if (want == LS_LABEL_CLASS) return ls_dataset_check_labels(set, what, k);
    LS_REQUIRE(set->info.n_targets == k, LS_EUSAGE,
               "%s has %" PRId64 " target values a sample, the model's output is %s: make the last layer %" PRId64
               " wide",
               what, set->info.n_targets, ls_shape_text(output, shape), set->info.n_targets);
    return LS_OK;
}

void ls_data_destroy(ls_data **data)
{
    if (data == NULL || *data == NULL) return;
    ls_normalizer_destroy(&(*data)->normalizer);
    for (int i = 0; i < LS_N_SETS; i++) ls_window_destroy(&(*data)->window[i]);
    ls_free(*data);
    *data = NULL;
}
