#include "train/data.h"

#include <inttypes.h>
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
               "data.validation.last is %" PRId64 ", the training set has only %" PRId64 " samples; take fewer",
               cut.last, n_samples);
    *n_validation = cut.last;
    *n_train = n_samples - cut.last;
    return LS_OK;
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
                   "data.%s has %" PRId64 " features a sample, data.train has %" PRId64
                   "; give both the same columns or shape",
                   ls__set_names[i], data->set[i].info.n_features, data->set[LS_TRAIN].info.n_features);
    return LS_OK;
}

/* The same on all ranks but for memory. */
static ls_status derive(ls_data *data, const ls_config *config)
{
    LS_TRY(cut_validation(data, config));
    LS_TRY(same_shapes(data));
    const ls_dataset_info *info = &data->set[LS_TRAIN].info;
    LS_TRY(ls_normalizer_create(config->data.normalize, info, &data->normalizer));
    return ls_augment_create(config->data.augment, info, data->normalizer, &data->augment);
}

static ls_status load_sets(const ls_job *job, const ls_config *config, const char *data_directory, ls_data *data)
{
    static const char *const names[LS_N_SETS] = {"data.train", "data.validation", "data.test"};
    ls_set_request requests[LS_N_SETS];
    int n = 0;
    for (int i = 0; i < LS_N_SETS; i++)
        if (spec_of(config, i) != NULL && (i != LS_VALIDATION || !is_cut(config)))
            requests[n++] = (ls_set_request){spec_of(config, i), names[i]};
    LS_TRY(ls_sets_load(job, requests, n, config->directory, data_directory, data->loaded));
    for (int i = 0, at = 0; i < LS_N_SETS && at < n; i++) {
        if (spec_of(config, i) != requests[at].spec) continue;
        data->set[i] = data->loaded[at].data;
        data->hash[i] = data->loaded[at++].hash;
        data->present[i] = true;
    }
    return LS_OK;
}

static ls_status load(const ls_job *job, const ls_config *config, const char *data_directory, ls_data *data)
{
    LS_TRY(load_sets(job, config, data_directory, data));
    LS_TRY(ls_job_agree(job, derive(data, config)));
    if (!is_cut(config)) return LS_OK;
    for (int i = LS_TRAIN; ls_job_rank(job) == 0 && i <= LS_VALIDATION; i++)
        data->hash[i] = ls_dataset_hash(&data->set[i]);
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
               "%s has %s, the loss %s needs %s ('labels' or 'label' name classes, 'targets' values); give it those, "
               "or take another loss ('lockstep info losses')",
               what, kinds[set->info.label_kind], loss->ops->name, kinds[want]);
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
    ls_augment_destroy(&(*data)->augment);
    for (int i = 0; i < LS_N_SETS; i++) ls_set_unload(&(*data)->loaded[i]);
    ls_free(*data);
    *data = NULL;
}
