/* Trying at start-up which shortcuts give the same bits as separate products, layer by layer, on random numbers.  The
 * path that a product takes through BLAS depends on its shape, never on its numbers, so equal bits here are equal bits
 * later; separate products remain the definition, and the fallback. */
#include <string.h>

#include "base/mem.h"
#include "lockstep/rng.h"
#include "math/vec.h"
#include "model/executor_internal.h"

enum { SEED = 20 };

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

/* Uniforms in [-1, 1). */
static void fill(float *x, int64_t n, uint64_t a)
{
    for (int64_t i = 0; i < n; i += 4) {
        const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)a, 0};
        uint32_t bits[4];
        ls_philox(counter, SEED, bits);
        for (int64_t j = 0; j < 4 && i + j < n; j++) x[i + j] = 2.0f * ls_uniform_float(bits[j]) - 1.0f;
    }
}

/* Buffers of a trial: rows of the widest layer, and vectors as long as the parameters. */
typedef struct scratch {
    float *x, *dy, *separate, *shared; /* [n_rows, width] */
    float *params, *gradient;          /* [n_floats] */
    float **gradients;                 /* [leaves], all of them the one gradient */
    float *memory;
} scratch;

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

static ls_status create_scratch(const ls_network *network, int64_t n_rows, int n_leaves, scratch *s)
{
    const int64_t n_floats = ls_pad_floats(ls_network_n_floats(network)),
                  rows = ls_pad_floats(n_rows * widest(network));
    s->memory = ls_calloc((size_t)(4 * rows + 2 * n_floats), sizeof(float));
    s->gradients = ls_calloc((size_t)n_leaves, sizeof *s->gradients);
    LS_REQUIRE(s->memory != NULL && s->gradients != NULL, LS_ENOMEM, "out of memory for trying matrix products");
    s->x = s->memory;
    s->dy = s->x + rows;
    s->separate = s->dy + rows;
    s->shared = s->separate + rows;
    s->params = s->shared + rows;
    s->gradient = s->params + n_floats;
    for (int i = 0; i < n_leaves; i++) s->gradients[i] = s->gradient;
    fill(s->x, rows, 1);
    fill(s->dy, rows, 2);
    fill(s->params, n_floats, 3);
    return LS_OK;
}

static void destroy_scratch(scratch *s)
{
    ls_free(s->memory);
    ls_free(s->gradients);
}

static void try_layer(const ls_layer *layer, ls_pass pass, scratch *s, bool *forward, bool *backward)
{
    const size_t out = (size_t)(pass.n_rows * layer->n_out) * sizeof(float);
    const size_t in = (size_t)(pass.n_rows * layer->n_in) * sizeof(float);
    layer->ops->forward(layer, &pass, s->x, s->separate);
    pass.share_rows = true;
    layer->ops->forward(layer, &pass, s->x, s->shared);
    *forward = memcmp(s->separate, s->shared, out) == 0;
    if (layer->position == 0) return; /* a first layer computes no input gradient */
    layer->ops->backward(layer, &pass, s->x, s->shared, s->dy, s->shared);
    pass.share_rows = false;
    layer->ops->backward(layer, &pass, s->x, s->separate, s->dy, s->separate);
    *backward = memcmp(s->separate, s->shared, in) == 0;
}

ls_status ls_executor_try_sharing(ls_executor *ex, const ls_run *runs, int n_runs)
{
    const int n_layers = ls_network_n_layers(ex->network);
    if (n_runs < 2 || ex->n_partitions == LS_MAX_PARTITIONS || ls__executor_partition(ex, runs, n_runs) != NULL)
        return LS_OK;
    int n_leaves = 0;
    for (int i = 0; i < n_runs; i++)
        if (runs[i].leaf >= n_leaves) n_leaves = runs[i].leaf + 1;
    const int64_t n_rows = runs[n_runs - 1].first + runs[n_runs - 1].n;
    ls_partition *partition = &ex->partition[ex->n_partitions];
    partition->forward = ls_calloc(2 * (size_t)n_layers, sizeof(bool));
    LS_REQUIRE(partition->forward != NULL, LS_ENOMEM, "out of memory for trying matrix products");
    partition->backward = partition->forward + n_layers;
    partition->signature = signature(runs, n_runs);
    scratch s = {0};
    const ls_status status = create_scratch(ex->network, n_rows, n_leaves, &s);
    const ls_pass pass = {
        .runs = runs, .n_runs = n_runs, .n_rows = n_rows, .params = s.params, .grad = s.gradients, .training = true};
    for (int i = 0; i < n_layers && status == LS_OK; i++) {
        const ls_layer *layer = ls_network_layer(ex->network, i);
        if (layer->n_tensors > 0) try_layer(layer, pass, &s, &partition->forward[i], &partition->backward[i]);
    }
    destroy_scratch(&s);
    ex->n_partitions++; /* its memory is the executor's from here on */
    return status;
}

void ls_executor_shared(const ls_executor *ex, const ls_run *runs, int n_runs, int *forward, int *backward,
                        int *n_layers)
{
    const ls_partition *partition = ls__executor_partition(ex, runs, n_runs);
    *forward = *backward = *n_layers = 0;
    for (int i = 0; i < ls_network_n_layers(ex->network); i++) {
        if (ls_network_layer(ex->network, i)->n_tensors == 0) continue;
        (*n_layers)++;
        *forward += partition != NULL && partition->forward[i];
        *backward += partition != NULL && partition->backward[i];
    }
}

/* C random; D = C with the rows added by the layer; E = the rows' own gradient: is D = C + E? */
static bool adds_alike(const ls_layer *layer, ls_pass pass, scratch *s, const float *start, float *added, float *own,
                       int64_t n_floats)
{
    ls_run run = pass.runs[0];
    pass.runs = &run;
    memcpy(added, start, (size_t)n_floats * sizeof(float));
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
    scratch s = {0};
    float *more = ls_calloc(2 * (size_t)ls_pad_floats(n_floats), sizeof(float));
    ls_status status = create_scratch(network, n_rows, 1, &s);
    if (more == NULL)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for trying matrix products");
    const ls_run run = {.n = n_rows};
    const ls_pass pass = {.runs = &run, .n_runs = 1, .n_rows = n_rows, .params = s.params, .training = true};
    for (int i = 0; i < ls_network_n_layers(network) && status == LS_OK && *equal; i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        if (layer->n_tensors > 0)
            *equal = adds_alike(layer, pass, &s, s.params, more, more + ls_pad_floats(n_floats), n_floats);
    }
    ls_free(more);
    destroy_scratch(&s);
    return status;
}
