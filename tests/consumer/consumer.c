/* A data format and a layer that lockstep does not have, trained through its public headers. */
#include <lockstep/reader.h>
#include <lockstep/rng.h>
#include <lockstep/trainer.h>
#include <stdio.h>
#include <string.h>

/* {format: quadrants, samples: n}: points of a square; class 1 where both signs agree. */
static const ls_option options[] = {
    {.key = "samples", .kind = LS_OPTION_INT, .min = 1, .max = 1e6, .help = "number of points"}, {0}};

static ls_status open(const void *n, const ls_reader_paths *paths, ls_dataset_info *info, void **state)
{
    *info = (ls_dataset_info){*(const int64_t *)n, 2, {2}, 0, 1, LS_FEATURE_F32, LS_LABEL_CLASS, 0};
    return LS_OK;
}

static ls_status load(void *state, const ls_dataset_info *info, void *x, int32_t *labels, float *targets)
{
    for (int64_t i = 0; i < info->n_samples; i++) {
        const float at[] = {(float)ls_rng_uniform(1, i, 0) - 0.5f, (float)ls_rng_uniform(1, i, 1) - 0.5f};
        if (x != NULL) memcpy((float *)x + 2 * i, at, sizeof at);
        labels[i] = (at[0] > 0) == (at[1] > 0);
    }
    return LS_OK;
}

static const ls_reader_ops quadrants = {"quadrants", "signs that agree", options, sizeof(int64_t), open, NULL, load,
                                        NULL};

static ls_status plan(ls_layer *l) /* y = w x, a learnt factor for every feature */
{
    l->out = l->in;
    l->n_tensors = 1;
    l->tensor[0] = (ls_tensor){.name = "weight", .n_dim = 1, .dim = {l->n_in}, .init = {LS_INIT_CONSTANT, 1}};
    return LS_OK;
}

static void forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    for (int64_t i = 0; i < pass->n_rows * l->n_in; i++) y[i] = pass->params[l->tensor[0].first + i % l->n_in] * x[i];
}

static void backward(const ls_layer *l, const ls_pass *p, const float *x, const float *y, const float *dy, float *dx)
{
    for (const ls_run *r = p->runs; p->grad != NULL && r < p->runs + p->n_runs; r++)
        for (int64_t k = 0; k < l->n_in; k++) { /* dw = the sum of x dy over the run's rows */
            float *dw = &p->grad[r->leaf][l->tensor[0].first + k], sum = 0;
            for (int64_t i = r->first; i < r->first + r->n; i++) sum += x[i * l->n_in + k] * dy[i * l->n_in + k];
            *dw = r->fresh ? sum : *dw + sum;
        }
    if (dx != NULL) forward(l, p, dy, dx);
}

static const ls_layer_ops gain = {
    .name = "gain", .help = "w x, w learnt", .plan = plan, .forward = forward, .backward = backward};

int main(int argc, char **argv)
{
    ls_job *job;
    ls_config *config = NULL;
    ls_data *data = NULL;
    ls_trainer *trainer = NULL;
    ls_training_result result;
    ls_status s = ls_job_start(&argc, &argv, &job);
    if (s == LS_OK) s = ls_reader_register(&quadrants);
    if (s == LS_OK) s = ls_layer_register(&gain);
    if (s == LS_OK) s = ls_config_read(argc > 1 ? argv[1] : "consumer.yaml", NULL, 0, &config);
    if (s == LS_OK) s = ls_trainer_prepare(job, config);
    if (s == LS_OK) s = ls_data_load(job, config, NULL, &data);
    if (s == LS_OK) s = ls_trainer_create(job, config, data, &(ls_trainer_options){0}, &trainer);
    if (s == LS_OK) s = ls_trainer_run(trainer, &result);
    if (s != LS_OK) fprintf(stderr, "%s\n", ls_status_message());
    if (s == LS_OK && ls_job_rank(job) == 0) printf("%.17g %llx\n", result.loss, (long long)result.params_hash);
    ls_trainer_destroy(&trainer);
    ls_data_destroy(&data);
    ls_config_destroy(&config);
    ls_job_finish(&job);
    return ls_status_exit_code(s);
}
