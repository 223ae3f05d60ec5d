#include "mpi_train.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"

enum { FEATURES = 23, HIDDEN = 19, CLASSES = 5, CHUNK = 10 };

static const char *const classes_text = "model: [{dense: 19}, relu, {dense: 5}]\n"
                                        "train: {epochs: 1}\n"
                                        "eval: {batch: 10}\n"
                                        "data:\n"
                                        "  train: {format: synthetic, samples: 20, features: 23, classes: 5, "
                                        "hidden: 6}\n"
                                        "  test: {format: synthetic, features: 23, classes: 5, hidden: 6, first: 20, "
                                        "samples: %d}\n";

static const char *const values_text = "model: [{dense: 19}, relu, {dense: 3}]\n"
                                       "loss: mse\n"
                                       "train: {epochs: 1}\n"
                                       "eval: {batch: 10}\n"
                                       "data:\n"
                                       "  train: {format: synthetic, kind: regression, samples: 20, features: 23, "
                                       "targets: 3, hidden: 6}\n"
                                       "  test: {format: synthetic, kind: regression, features: 23, targets: 3, "
                                       "hidden: 6, first: 20, samples: %d}\n";

/* Everything a scorer borrows. */
typedef struct bench {
    ls_test_run run;
    ls_network *network;
    ls_loss *loss;
    ls_executor *executor;
    ls_scorer *scorer;
    float *params;
    const ls_dataset *set;
} bench;

static ls_status create(bench *b)
{
    const ls_shape in = {.n_dim = 1, .dim = {FEATURES}};
    LS_TRY(ls_network_create(b->run.config->model, &in, &b->network));
    LS_TRY(ls_loss_create(b->run.config->loss, &b->loss));
    LS_TRY(ls_executor_create(b->network, CHUNK, &b->executor));
    b->params = ls_calloc((size_t)ls_network_n_floats(b->network), sizeof(float));
    ls_network_init(b->network, 5, 0, ls_network_n_floats(b->network), b->params);
    b->set = &b->run.data->set[LS_TEST];
    return ls_scorer_create(b->run.job, b->network, b->executor, b->loss, b->run.data->normalizer, CHUNK, &b->scorer);
}

static ls_status set_up(bench *b, ls_job *job, const char *text, int n_samples)
{
    char all[2048];
    *b = (bench){0};
    snprintf(all, sizeof all, text, n_samples);
    LS_TRY(ls_test_open_data(job, all, NULL, &b->run));
    return create(b);
}

static void tear_down(bench *b)
{
    ls_scorer_destroy(&b->scorer);
    ls_executor_destroy(&b->executor);
    ls_loss_destroy(&b->loss);
    ls_network_destroy(&b->network);
    ls_free(b->params);
    ls_test_close(&b->run);
}

/* out[k] of one sample, in double. */
static void naive_forward(const bench *b, const float *x, int k, double *out)
{
    const float *w1 = b->params + ls_network_tensor(b->network, 0)->first;
    const float *b1 = b->params + ls_network_tensor(b->network, 1)->first;
    const float *w2 = b->params + ls_network_tensor(b->network, 2)->first;
    const float *b2 = b->params + ls_network_tensor(b->network, 3)->first;
    double hidden[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
        hidden[j] = b1[j];
        for (int i = 0; i < FEATURES; i++) hidden[j] += (double)w1[j * FEATURES + i] * x[i];
        if (hidden[j] < 0) hidden[j] = 0;
    }
    for (int c = 0; c < k; c++) {
        out[c] = b2[c];
        for (int j = 0; j < HIDDEN; j++) out[c] += w2[c * HIDDEN + j] * hidden[j];
    }
}

static void naive_class(const bench *b, int64_t i, double *loss, double *correct)
{
    double z[CLASSES], sum = 0.0;
    naive_forward(b, (const float *)b->set->features + i * FEATURES, CLASSES, z);
    int top = 0;
    for (int c = 0; c < CLASSES; c++) {
        sum += exp(z[c]);
        if (z[c] > z[top]) top = c;
    }
    *loss += log(sum) - z[b->set->labels[i]];
    *correct += top == b->set->labels[i];
}

/* PyTorch's mse_loss: the mean over a sample's values. */
static void naive_values(const bench *b, int64_t i, double *loss)
{
    double z[3];
    naive_forward(b, (const float *)b->set->features + i * FEATURES, 3, z);
    for (int c = 0; c < 3; c++) *loss += (z[c] - b->set->targets[i * 3 + c]) * (z[c] - b->set->targets[i * 3 + c]) / 3;
}

/* The float outputs are sums of at most FEATURES + HIDDEN terms of size about 1: so many roundings of a few. */
static bool is_near(double value, double expected)
{
    return fabs(value - expected) <= 8 * (FEATURES + HIDDEN) * FLT_EPSILON * (1.0 + fabs(expected));
}

static bool means_are_right(const bench *b, const ls_evaluation *e, int n)
{
    double loss = 0.0, correct = 0.0;
    for (int i = 0; i < n; i++) {
        if (b->loss->ops->classifies)
            naive_class(b, i, &loss, &correct);
        else
            naive_values(b, i, &loss);
    }
    const bool accuracy = b->loss->ops->classifies ? e->accuracy == correct / n : isnan(e->accuracy);
    return e->present && e->n == n && is_near(e->loss, loss / n) && accuracy;
}

/* Rank 0 alone: what every placement must give, to the bit. */
static ls_evaluation evaluate_alone(const char *text, int n)
{
    ls_evaluation e = {0};
    ls_job *job = ls_test_split(ls_job_rank(ls_world) == 0 ? 0 : 1, 1);
    bench b;
    bool ok = true;
    if (ls_job_rank(ls_world) == 0)
        ok = set_up(&b, job, text, n) == LS_OK && ls_scorer_evaluate(b.scorer, b.params, b.set, &e) == LS_OK;
    LS_CHECK(ok);
    if (ls_job_rank(ls_world) == 0) tear_down(&b);
    ls_job_destroy(&job);
    ls_job_broadcast(ls_world, 0, &e, sizeof e);
    return e;
}

static void check_size(const char *text, int n)
{
    const ls_evaluation alone = evaluate_alone(text, n);
    for (int per_node = 0; per_node <= 2; per_node++) {
        ls_job *job = ls_test_split(0, per_node);
        bench b;
        ls_evaluation e = {0};
        LS_CHECK(set_up(&b, job, text, n) == LS_OK);
        LS_CHECK(ls_scorer_evaluate(b.scorer, b.params, b.set, &e) == LS_OK);
        LS_CHECK(means_are_right(&b, &e, n));
        LS_CHECK(memcmp(&e.loss, &alone.loss, sizeof e.loss) == 0 && e.n == alone.n);
        LS_CHECK(e.accuracy == alone.accuracy || (isnan(e.accuracy) && isnan(alone.accuracy)));
        tear_down(&b);
        ls_job_destroy(&job);
    }
}

static void means_over_any_number_of_samples(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 7, CHUNK, CHUNK + 1, 4 * CHUNK - 1, 97};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_size(classes_text, sizes[i]);
}

static void means_of_a_regression(void **state)
{
    (void)state;
    static const int sizes[] = {1, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_size(values_text, sizes[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(means_over_any_number_of_samples),
    cmocka_unit_test(means_of_a_regression),
};

LS_TEST_MAIN(tests)
