/* Trying at start-up which shortcuts give the same bits as separate products, layer by layer, on random numbers.  The
 * path that a product takes through BLAS depends on its shape, never on its numbers, so equal bits here are equal bits
 * later; separate products remain the definition, and the fallback. */
#include <string.h>

#include "base/mem.h"
#include "lockstep/rng.h"
#include "math/vec.h"
#include "model/executor_internal.h"

enum { SEED = 20, MAX_TRIALS = 64 };

/* Whether there is anything to try.  A layer that sums over rows has no products, and what it does depends on rows of
 * other ranks. */
static bool has_products(const ls_layer *layer)
{
    return layer->n_tensors > 0 && !layer->ops->rows_alone && layer->n_sums == 0;
}

static uint64_t signature(const ls_run *runs, int n_runs)
{
    uint64_t value = (uint64_t)n_runs;
    for (int i = 0; i < n_runs; i++) value = ls_mix64(value ^ (uint64_t)runs[i].n);
    return value;
}

const ls_partition *ls__executor_partition(const ls_executor *ex, const ls_run *runs, int n_runs)
{
    if (ex->n_partitions == 0 || n_runs == 0) return NULL;
    const uint64_t wanted = signature(runs, n_runs);
    for (int p = 0; p < ex->n_partitions; p++)
        if (ex->partition[p].signature == wanted) return &ex->partition[p];
    return NULL;
}

/* Index within its pair, and sign, of position i of n: the second half repeats the first, negated. */
static int64_t pair_of(int64_t i, int64_t n, float *sign)
{
    const int64_t half = n / 2;
    *sign = i < half ? 1.0f : -1.0f;
    return i < 2 * half ? i % half : i;
}

/* Magnitudes spread over 2^16, for the elements of [n_rows, n] by row and pair. */
static float magnitude(uint64_t stream, int64_t row, int64_t pair)
{
    const uint64_t bits = ls_mix64(stream ^ ls_mix64((uint64_t)row << 32 ^ (uint64_t)pair));
    return (0.5f + ls_uniform_float((uint32_t)bits)) * (float)(1 << (bits >> 60));
}

/* Rows in which pairs of columns are equal. */
static void fill_rows(float *x, int64_t n_rows, int64_t n, uint64_t stream)
{
    float sign;
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < n; i++) x[r * n + i] = magnitude(stream, r, pair_of(i, n, &sign));
}

/* Weights in which pairs of rows, and of columns, are each other's negatives: with the rows above, the terms of every
 * sum cancel far apart, and what is left is rounding, which shows the order of addition more often than not.  Other
 * tensors are zero: adding a bias would round a difference away. */
static void fill_weights(const ls_tensor *tensor, float *w)
{
    if (tensor->n_dim != 2) return;
    float sign_i, sign_j;
    for (int64_t i = 0; i < tensor->dim[0]; i++)
        for (int64_t j = 0; j < tensor->dim[1]; j++) {
            const int64_t a = pair_of(i, tensor->dim[0], &sign_i), b = pair_of(j, tensor->dim[1], &sign_j);
            w[i * tensor->dim[1] + j] = sign_i * sign_j * magnitude(SEED, a, b);
        }
}

/* Buffers of a trial. */
typedef struct trial_memory {
    float *x, *dy, *separate, *shared; /* [n_rows, width] */
    float *params;                     /* [n_floats] */
    float *scratch;                    /* [ls_network_scratch_floats] */
    float *memory;
} trial_memory;

static int64_t widest(const ls_network *network)
{
    int64_t width = 0;
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        if (layer->n_in > width) width = layer->n_in;
        if (layer->n_out > width) width = layer->n_out;
    }
    return width;
}

static ls_status create_memory(const ls_network *network, int64_t n_rows, trial_memory *s)
{
    const int64_t n_floats = ls_pad_floats(ls_network_n_floats(network)),
                  rows = ls_pad_floats(n_rows * widest(network));
    s->memory = ls_calloc((size_t)(4 * rows + n_floats + ls_network_scratch_floats(network)), sizeof(float));
    LS_REQUIRE(s->memory != NULL, LS_ENOMEM, "out of memory for trying matrix products");
    s->x = s->memory;
    s->dy = s->x + rows;
    s->separate = s->dy + rows;
    s->shared = s->separate + rows;
    s->params = s->shared + rows;
    s->scratch = s->params + n_floats;
    for (int t = 0; t < ls_network_n_tensors(network); t++)
        fill_weights(ls_network_tensor(network, t), s->params + ls_network_tensor(network, t)->first);
    return LS_OK;
}

static void destroy_memory(trial_memory *s)
{
    ls_free(s->memory);
}

/* A path may differ for a single number, the corner of a product, and give equal bits by chance in one case of seven:
 * at least 8 trials, more where they cost nothing.  Where the layer's sides are whole vectors there are no corners, and
 * what differs are rows of 16 numbers or more. */
static int count_trials(const ls_layer *layer, int64_t n_rows)
{
    const double operations = 4.0 * (double)n_rows * (double)layer->n_in * (double)layer->n_out;
    const double affordable = 5e8 / (operations + 1.0);
    const int least = layer->n_in % 16 == 0 && layer->n_out % 16 == 0 ? 2 : 8;
    return affordable > MAX_TRIALS ? MAX_TRIALS : affordable < least ? least : (int)affordable;
}

static void refill(trial_memory *s, const ls_layer *layer, int64_t n_rows, int trial)
{
    fill_rows(s->x, n_rows, layer->n_in, 2 * (uint64_t)trial);
    fill_rows(s->dy, n_rows, layer->n_out, 2 * (uint64_t)trial + 1);
}

static bool forward_alike(const ls_layer *layer, ls_pass pass, trial_memory *s)
{
    layer->ops->forward(layer, &pass, s->x, s->separate);
    pass.share_rows = true;
    layer->ops->forward(layer, &pass, s->x, s->shared);
    return memcmp(s->separate, s->shared, (size_t)(pass.n_rows * layer->n_out) * sizeof(float)) == 0;
}

/* Of the input gradient; a first layer computes none. */
static bool backward_alike(const ls_layer *layer, ls_pass pass, trial_memory *s)
{
    if (layer->position == 0) return false;
    layer->ops->backward(layer, &pass, s->x, s->dy, s->dy, s->separate);
    pass.share_rows = true;
    layer->ops->backward(layer, &pass, s->x, s->dy, s->dy, s->shared);
    return memcmp(s->separate, s->shared, (size_t)(pass.n_rows * layer->n_in) * sizeof(float)) == 0;
}

static void try_layer(const ls_layer *layer, const ls_pass *pass, trial_memory *s, bool *forward, bool *backward)
{
    const int n = count_trials(layer, pass->n_rows);
    *forward = *backward = true;
    for (int i = 0; i < n && (*forward || *backward); i++) {
        refill(s, layer, pass->n_rows, i);
        *forward = *forward && forward_alike(layer, *pass, s);
        *backward = *backward && backward_alike(layer, *pass, s);
    }
}

ls_status ls_executor_try_sharing(ls_executor *ex, const ls_run *runs, int n_runs)
{
    const int n_layers = ls_network_n_layers(ex->network);
    if (n_runs < 2 || ex->n_partitions == LS_MAX_PARTITIONS || ls__executor_partition(ex, runs, n_runs) != NULL)
        return LS_OK;
    const int64_t n_rows = runs[n_runs - 1].first + runs[n_runs - 1].n;
    ls_partition *partition = &ex->partition[ex->n_partitions];
    partition->forward = ls_calloc(2 * (size_t)n_layers, sizeof(bool));
    LS_REQUIRE(partition->forward != NULL, LS_ENOMEM, "out of memory for trying matrix products");
    partition->backward = partition->forward + n_layers;
    partition->signature = signature(runs, n_runs);
    trial_memory s = {0};
    const ls_status status = create_memory(ex->network, n_rows, &s);
    const ls_pass pass = {
        .runs = runs, .n_runs = n_runs, .n_rows = n_rows, .params = s.params, .training = true, .scratch = s.scratch};
    for (int i = 0; i < n_layers && status == LS_OK; i++) {
        const ls_layer *layer = ls_network_layer(ex->network, i);
        if (has_products(layer)) try_layer(layer, &pass, &s, &partition->forward[i], &partition->backward[i]);
    }
    destroy_memory(&s);
    ex->n_partitions++; /* its memory is the executor's from here on */
    return status;
}

void ls_executor_shared(const ls_executor *ex, const ls_run *runs, int n_runs, int *forward, int *backward,
                        int *n_layers)
{
    const ls_partition *partition = ls__executor_partition(ex, runs, n_runs);
    *forward = *backward = *n_layers = 0;
    for (int i = 0; i < ls_network_n_layers(ex->network); i++) {
        if (!has_products(ls_network_layer(ex->network, i))) continue;
        (*n_layers)++;
        *forward += partition != NULL && partition->forward[i];
        *backward += partition != NULL && partition->backward[i];
    }
}

/* C random; D = C with the rows added by the layer; E = the rows' own gradient: is D = C + E? */
static bool adds_alike(const ls_layer *layer, ls_pass pass, trial_memory *s, const float *start, float *added,
                       float *own)
{
    ls_run run = pass.runs[0];
    pass.runs = &run;
    for (int t = 0; t < layer->n_tensors; t++)
        memcpy(added + layer->tensor[t].first, start + layer->tensor[t].first,
               (size_t)layer->tensor[t].n * sizeof(float));
    float *grad[1] = {added};
    pass.grad = grad;
    run.fresh = false;
    layer->ops->backward(layer, &pass, s->x, s->separate, s->dy, NULL);
    grad[0] = own;
    run.fresh = true;
    layer->ops->backward(layer, &pass, s->x, s->separate, s->dy, NULL);
    for (int t = 0; t < layer->n_tensors; t++) {
        const ls_tensor *tensor = &layer->tensor[t];
        ls_vec_add(tensor->n, start + tensor->first, own + tensor->first, own + tensor->first);
        if (memcmp(own + tensor->first, added + tensor->first, (size_t)tensor->n * sizeof(float)) != 0) return false;
    }
    return true;
}

ls_status ls_network_try_adding(const ls_network *network, int64_t n_rows, bool *equal)
{
    *equal = true;
    if (n_rows == 0) return LS_OK;
    const int64_t n_floats = ls_network_n_floats(network);
    trial_memory s = {0};
    float *more = ls_calloc(2 * (size_t)ls_pad_floats(n_floats), sizeof(float));
    ls_status status = create_memory(network, n_rows, &s);
    if (more == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for trying matrix products");
    const ls_run run = {.n = n_rows};
    const ls_pass pass = {
        .runs = &run, .n_runs = 1, .n_rows = n_rows, .params = s.params, .training = true, .scratch = s.scratch};
    for (int i = 0; i < ls_network_n_layers(network) && status == LS_OK && *equal; i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        const int n = count_trials(layer, n_rows);
        for (int j = 0; j < n && *equal && has_products(layer); j++) {
            refill(&s, layer, n_rows, j);
            *equal = adds_alike(layer, pass, &s, s.params, more, more + ls_pad_floats(n_floats));
        }
    }
    ls_free(more);
    destroy_memory(&s);
    return status;
}
