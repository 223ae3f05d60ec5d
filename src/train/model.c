#include "train/model.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/node.h"
#include "train/data.h"
#include "train/safetensors.h"

/* What rank 0 reads and sends, besides the parameters. */
typedef struct brief {
    int64_t iteration;
    ls_shape input;
    char data_directory[1024]; /* of the training run; "" for none */
} brief;

/* Rank 0: the configuration's text and directory, from the checkpoint or from the file that replaces it. */
static ls_status read_config_text(const ls_model_source *source, const ls_checkpoint *c, char **text, char **directory)
{
    if (source->config == NULL) {
        const char *stored = ls_safetensors_metadata(c->file, "config_directory");
        *text = ls_strdup(ls_safetensors_metadata(c->file, "config"));
        *directory = ls_strdup(stored ? stored : ".");
    } else {
        size_t n;
        LS_TRY(ls_file_read(source->config, 16 << 20, text, &n));
        *directory = ls_path_directory(source->config);
    }
    LS_REQUIRE(*text != NULL && *directory != NULL, LS_ENOMEM, "out of memory");
    return LS_OK;
}

static ls_status read_brief(const ls_job *job, const ls_model_source *source, const ls_checkpoint *c, ls_model *m)
{
    char *text = NULL, *directory = NULL;
    brief b = {0};
    if (c != NULL) b = (brief){.iteration = c->state.iteration, .input = c->input};
    const char *stored = c != NULL ? ls_safetensors_metadata(c->file, "data_directory") : NULL;
    if (source->data_directory != NULL) stored = source->data_directory;
    if (stored != NULL) snprintf(b.data_directory, sizeof b.data_directory, "%s", stored);
    ls_status status = ls_job_agree(job, c != NULL ? read_config_text(source, c, &text, &directory) : LS_OK);
    size_t n = text ? strlen(text) : 0, n_directory = directory ? strlen(directory) : 0;
    if (status == LS_OK) status = ls_job_broadcast_block(job, &text, &n);
    if (status == LS_OK) status = ls_job_broadcast_block(job, &directory, &n_directory);
    const char *name = source->config ? source->config : source->checkpoint;
    if (status == LS_OK) status = ls_job_agree(job, ls_config_parse(text, n, name, directory, NULL, 0, &m->config));
    ls_job_broadcast(job, 0, &b, sizeof b);
    m->iteration = b.iteration;
    m->input = b.input;
    m->data_directory = b.data_directory[0] != 0 ? ls_strdup(b.data_directory) : NULL;
    ls_free(text);
    ls_free(directory);
    return status;
}

/* A set of the configuration, or the one that is described on the command line. */
static ls_status find_spec(const ls_model *m, const ls_model_source *source, ls_node **described, ls_node **spec)
{
    const char *name = ls_model_set_name(m, source);
    *spec = NULL;
    if (source->data != NULL) {
        LS_TRY(ls_node_parse(source->data, strlen(source->data), "--data", described));
        *spec = *described;
        return LS_OK;
    }
    if (strcmp(name, "train") == 0) *spec = m->config->data.train;
    if (strcmp(name, "test") == 0) *spec = m->config->data.test;
    if (strcmp(name, "validation") == 0) *spec = m->config->data.validation;
    LS_REQUIRE(*spec != NULL, LS_EUSAGE,
               "the configuration has no data.%s; --split takes train, validation or test, --config another file",
               name);
    return LS_OK;
}

/* validation: {last: n} is a part of the training set. */
static ls_status load_data(const ls_job *job, const ls_model_source *source, ls_model *m)
{
    ls_node *described = NULL, *spec;
    ls_status status = find_spec(m, source, &described, &spec);
    const char *name = ls_model_set_name(m, source), *directory = m->config->directory;
    const bool cut =
        status == LS_OK && source->data == NULL && ls_node_child(m->config->data.validation, "last") != NULL;
    const bool is_validation = strcmp(name, "validation") == 0, is_train = strcmp(name, "train") == 0;
    if (status == LS_OK && cut && is_validation) spec = m->config->data.train;
    if (status == LS_OK)
        status = ls_sets_load(job, &(ls_set_request){spec, name}, 1, source->data ? "." : directory, m->data_directory,
                              &m->loaded);
    m->set = m->loaded.data;
    int64_t n_train = 0, n_validation = 0;
    if (status == LS_OK && cut && (is_validation || is_train)) {
        status = ls_data_split(m->config, m->set.info.n_samples, &n_train, &n_validation);
        if (status == LS_OK)
            m->set =
                is_train ? ls_dataset_slice(&m->set, 0, n_train) : ls_dataset_slice(&m->set, n_train, n_validation);
    }
    ls_node_destroy(&described);
    return status;
}

static ls_status build(ls_model *m, const ls_job *job, bool labelled, const char *name)
{
    const ls_dataset_info *info = &m->set.info;
    LS_REQUIRE(
        info->n_features == ls_shape_size(&m->input), LS_EDATA,
        "%s has %lld features a sample, the checkpoint's model takes %lld; give data of the kind it was trained on",
        name, (long long)info->n_features, (long long)ls_shape_size(&m->input));
    LS_TRY(ls_network_create(m->config->model, &m->input, &m->network));
    LS_TRY(ls_loss_create(m->config->loss, &m->loss));
    if (labelled) LS_TRY(ls_data_check(m->loss, ls_network_output(m->network), &m->set, name));
    LS_TRY(ls_normalizer_create(m->config->data.normalize, info, &m->normalizer));
    const int64_t batch = m->config->eval.batch, chunk = batch < info->n_samples ? batch : info->n_samples;
    LS_TRY(ls_executor_create(m->network, chunk, &m->executor));
    return ls_scorer_create(job, m->network, m->executor, m->loss, m->normalizer, chunk, &m->scorer);
}

static ls_status load_params(const ls_job *job, const ls_model_source *source, const ls_checkpoint *c, ls_model *m)
{
    const ls_span all = {.n = ls_network_n_floats(m->network)};
    LS_TRY(ls_exchange_create(job, &all, 1, all.n, &(ls_exchange_options){.n_shards = 1}, &m->exchange));
    float *params = ls_exchange_params(m->exchange);
    ls_status status = LS_OK;
    if (c != NULL && source->ema)
        status = ls_checkpoint_load_ema(c, m->network, params);
    else if (c != NULL)
        status = ls_checkpoint_load_params(c, m->network, params);
    LS_TRY(ls_job_agree(job, status));
    ls_exchange_publish_root(m->exchange);
    ls_job_broadcast(job, 0, ls_network_buffers(m->network),
                     (size_t)ls_network_n_buffer_floats(m->network) * sizeof(float));
    return LS_OK;
}

static ls_status create(const ls_job *job, const ls_model_source *source, bool labelled, const ls_checkpoint *c,
                        ls_model *m)
{
    LS_TRY(read_brief(job, source, c, m));
    LS_TRY(load_data(job, source, m));
    LS_TRY(ls_job_agree(job, build(m, job, labelled, ls_model_set_name(m, source))));
    return load_params(job, source, c, m);
}

ls_status ls_model_create(const ls_job *job, const ls_model_source *source, bool labelled, ls_model **out)
{
    ls_checkpoint *c = NULL;
    *out = NULL;
    ls_model *m = ls_calloc(1, sizeof *m);
    ls_status status = m ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK && ls_job_rank(job) == 0) status = ls_checkpoint_open(source->checkpoint, &c);
    status = ls_job_agree(job, status);
    if (status == LS_OK) status = create(job, source, labelled, c, m);
    ls_checkpoint_close(&c);
    if (status != LS_OK) ls_model_destroy(&m);
    *out = m;
    return status;
}

void ls_model_destroy(ls_model **model)
{
    if (model == NULL || *model == NULL) return;
    ls_model *m = *model;
    ls_scorer_destroy(&m->scorer);
    ls_executor_destroy(&m->executor);
    ls_normalizer_destroy(&m->normalizer);
    ls_exchange_destroy(&m->exchange);
    ls_loss_destroy(&m->loss);
    ls_network_destroy(&m->network);
    ls_set_unload(&m->loaded);
    ls_config_destroy(&m->config);
    ls_free(m->data_directory);
    ls_free(m);
    *model = NULL;
}

const char *ls_model_set_name(const ls_model *m, const ls_model_source *source)
{
    if (source->data != NULL) return "--data";
    if (source->split != NULL) return source->split;
    return m->config->data.test == NULL && m->config->data.validation != NULL ? "validation" : "test";
}
