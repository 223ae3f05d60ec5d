/* P3: what is applied is the mean gradient over the batch's own samples, whatever the shards, the tail and the ranks.
 * One sgd step with lr 1 shows it: the parameters' difference, against a network written here in double. */
#include "mpi_train.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"

enum { FEATURES = 29, HIDDEN = 31, CLASSES = 6 };

/* A sum, and the sum of what its terms were before any cancellation, which bounds the rounding of the float twin. */
typedef struct exact {
    double sum, size;
} exact;

static void add(exact *e, exact factor, double x)
{
    e->sum += factor.sum * x;
    e->size += factor.size * fabs(x);
}

/* dense HIDDEN, relu, dense CLASSES, softmax cross entropy. */
typedef struct twin {
    const float *w1, *b1, *w2, *b2;
    exact g1[HIDDEN][FEATURES], gb1[HIDDEN], g2[CLASSES][HIDDEN], gb2[CLASSES];
    double loss;
} twin;

static void forward(const twin *t, const float *x, double *hidden, double *z)
{
    for (int j = 0; j < HIDDEN; j++) {
        hidden[j] = t->b1[j];
        for (int i = 0; i < FEATURES; i++) hidden[j] += (double)t->w1[j * FEATURES + i] * x[i];
        if (hidden[j] < 0) hidden[j] = 0;
    }
    for (int c = 0; c < CLASSES; c++) {
        z[c] = t->b2[c];
        for (int j = 0; j < HIDDEN; j++) z[c] += t->w2[c * HIDDEN + j] * hidden[j];
    }
}

static void add_sample(twin *t, const float *x, int label)
{
    double hidden[HIDDEN], z[CLASSES], sum = 0.0;
    exact dhidden[HIDDEN] = {0};
    forward(t, x, hidden, z);
    for (int c = 0; c < CLASSES; c++) sum += exp(z[c]);
    t->loss += log(sum) - z[label];
    for (int c = 0; c < CLASSES; c++) {
        const double p = exp(z[c]) / sum;
        const exact dz = {p - (c == label), p + (c == label)};
        add(&t->gb2[c], dz, 1);
        for (int j = 0; j < HIDDEN; j++) {
            add(&t->g2[c][j], dz, hidden[j]);
            add(&dhidden[j], dz, t->w2[c * HIDDEN + j]);
        }
    }
    for (int j = 0; j < HIDDEN; j++) {
        if (hidden[j] <= 0) continue;
        add(&t->gb1[j], dhidden[j], 1);
        for (int i = 0; i < FEATURES; i++) add(&t->g1[j][i], dhidden[j], x[i]);
    }
}

/* A float gradient element is a sum of `rows` terms, each off by the additions behind its activations; the difference
 * of the parameters is off by half a unit of their last place. */
static bool tensor_is_right(const exact *g, const float *before, const float *after, int n, double rows)
{
    double size = 0.0;
    for (int i = 0; i < n; i++) size = fmax(size, g[i].size / rows);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        const double step = (double)before[i] - (double)after[i], error = fabs(step - g[i].sum / rows);
        ok = ok && error <= FLT_EPSILON * (fabs(before[i]) + (rows + FEATURES + HIDDEN) * size);
    }
    return ok;
}

static const float *tensor_of(const ls_trainer *t, const float *params, int i)
{
    return params + ls_network_tensor(t->network, i)->first;
}

/* The batch by arithmetic written here: positions [first, first + rows) of the epoch, in its order. */
static int64_t batch_rows(int64_t n, int64_t batch, int64_t iteration, int64_t *epoch, int64_t *first)
{
    const int64_t per_epoch = (n + batch - 1) / batch;
    *epoch = iteration / per_epoch;
    *first = iteration % per_epoch * batch;
    return n - *first < batch ? n - *first : batch;
}

static bool step_is_right(ls_trainer *t, int64_t n, int64_t batch, float *before)
{
    const float *params = ls_exchange_params(t->exchange);
    const ls_dataset *set = &t->data->set[LS_TRAIN];
    memcpy(before, params, (size_t)ls_network_n_floats(t->network) * sizeof *before);
    twin *w = ls_calloc(1, sizeof *w);
    w->w1 = tensor_of(t, before, 0);
    w->b1 = tensor_of(t, before, 1);
    w->w2 = tensor_of(t, before, 2);
    w->b2 = tensor_of(t, before, 3);
    int64_t epoch, first;
    const int64_t rows = batch_rows(n, batch, t->state.iteration, &epoch, &first);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t id = ls_sampler_id(&t->sampler, epoch, first + i);
        add_sample(w, (const float *)set->features + id * FEATURES, set->labels[id]);
    }
    ls_job_barrier(t->job); /* every rank has its copy from before the step */
    bool ok = ls_trainer_step(t) == LS_OK;
    ls_exchange_settle(t->exchange);
    ok = ok && fabs(ls_trainer_loss(t) - w->loss / (double)rows) < (FEATURES + HIDDEN) * FLT_EPSILON * 4;
    ok = ok && tensor_is_right(w->g1[0], w->w1, tensor_of(t, params, 0), HIDDEN * FEATURES, (double)rows);
    ok = ok && tensor_is_right(w->gb1, w->b1, tensor_of(t, params, 1), HIDDEN, (double)rows);
    ok = ok && tensor_is_right(w->g2[0], w->w2, tensor_of(t, params, 2), CLASSES * HIDDEN, (double)rows);
    ok = ok && tensor_is_right(w->gb2, w->b2, tensor_of(t, params, 3), CLASSES, (double)rows);
    ls_free(w);
    return ok;
}

static void check_steps(int64_t n, int64_t batch, const char *shards, int n_steps)
{
    char text[1024];
    snprintf(text, sizeof text,
             "data: {train: {format: synthetic, samples: %d, features: 29, classes: 6, hidden: 5}}\n"
             "model: [{dense: 31}, relu, {dense: 6}]\n"
             "optimizer: {name: sgd, lr: 1}\n"
             "train: {epochs: 100}\n"
             "batch: {global_batch_size: %d, %s}\n",
             (int)n, (int)batch, shards);
    for (int per_node = 0; per_node <= 2; per_node++) {
        ls_job *job = ls_test_split(0, per_node);
        ls_test_run run;
        LS_CHECK(ls_test_open(job, text, NULL, NULL, &run) == LS_OK);
        float *before = ls_calloc((size_t)ls_network_n_floats(run.trainer->network), sizeof *before);
        for (int i = 0; i < n_steps; i++) LS_CHECK(step_is_right(run.trainer, n, batch, before));
        ls_free(before);
        ls_test_close(&run);
        ls_job_destroy(&job);
    }
}

static void ragged_shards(void **state)
{
    (void)state;
    check_steps(44, 22, "shards: 7, micro_batch_size: 2", 3);
    check_steps(64, 64, "shards: auto", 2);
}

static void tail_batches(void **state)
{
    (void)state;
    check_steps(50, 20, "shards: 4, micro_batch_size: 3", 6);
    check_steps(41, 20, "shards: 5", 6); /* a tail of one row, four empty shards */
}

static void batches_smaller_than_the_shards(void **state)
{
    (void)state;
    check_steps(3, 8, "shards: 8", 2); /* the whole set is less than a batch */
    check_steps(5, 1, "shards: 3", 5);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ragged_shards),
    cmocka_unit_test(tail_batches),
    cmocka_unit_test(batches_smaller_than_the_shards),
};

LS_TEST_MAIN(tests)
