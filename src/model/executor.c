/* The executor: layer by layer over all rows, activations kept for backward.
 *
 * Buffers: one for the input, one for the output of every layer that cannot work in place, two that gradients of
 * activations alternate between, and a store for each level of nested residual blocks. */
#include <string.h>

#include "base/board.h"
#include "base/mem.h"
#include "base/timeline.h"
#include "math/vec.h"
#include "model/executor_internal.h"

/* In place only where no earlier backward still needs the value that would be overwritten. */
static bool shares_buffer(const ls_network *network, int i)
{
    const ls_layer *layer = ls_network_layer(network, i);
    if (layer->ops->passes_on) return true;
    if (!layer->ops->in_place) return false;
    return i == 0 || !ls_network_layer(network, i - 1)->ops->needs_y;
}

static int64_t widest(const ls_network *network)
{
    int64_t width = 0;
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        if (layer->n_in > width && i > 0) width = layer->n_in;
        if (layer->n_out > width) width = layer->n_out;
    }
    return width;
}

/* A residual block's last layer reads what another has left. */
static int n_stores(const ls_network *network)
{
    int n = 0;
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        if (layer->skip >= 0 && layer->depth >= n) n = layer->depth + 1;
    }
    return n;
}

int64_t ls_network_row_floats(const ls_network *network)
{
    int64_t n = ls_network_layer(network, 0)->n_in + (2 + n_stores(network)) * widest(network);
    for (int i = 0; i < ls_network_n_layers(network); i++)
        if (!shares_buffer(network, i)) n += ls_network_layer(network, i)->n_out;
    return n;
}

/* Cuts the next [max_rows, width] buffer off the memory. */
static float *cut(float **at, int64_t max_rows, int64_t width)
{
    float *buffer = *at;
    *at += ls_pad_floats(max_rows * width);
    return buffer;
}

static void lay_out(ls_executor *ex, int64_t max_rows)
{
    float *at = ex->memory;
    ex->input = cut(&at, max_rows, ls_network_layer(ex->network, 0)->n_in);
    float *previous = ex->input;
    for (int i = 0; i < ls_network_n_layers(ex->network); i++) {
        const ls_layer *layer = ls_network_layer(ex->network, i);
        if (!shares_buffer(ex->network, i)) previous = cut(&at, max_rows, layer->n_out);
        if (layer->ops->passes_on && layer->skip >= 0) previous = ex->out[layer->skip];
        ex->out[i] = previous;
    }
    ex->gradient[0] = cut(&at, max_rows, widest(ex->network));
    ex->gradient[1] = cut(&at, max_rows, widest(ex->network));
    for (int s = 0; s < n_stores(ex->network); s++) ex->store[s] = cut(&at, max_rows, widest(ex->network));
    ex->scratch = at;
}

ls_status ls_executor_create(const ls_network *network, int64_t max_rows, ls_executor **out)
{
    *out = NULL;
    ls_executor *ex = ls_calloc(1, sizeof *ex);
    LS_REQUIRE(ex != NULL, LS_ENOMEM, "out of memory for an executor");
    const int n = ls_network_n_layers(network);
    const int64_t more =
        ls_pad_floats(ls_network_scratch_floats(network)) + (n + 3 + LS_MAX_NESTED) * LS_ALIGNMENT_FLOATS;
    int64_t floats = 0;
    const bool fits = ls_mul_i64(max_rows, ls_network_row_floats(network), &floats) && floats < INT64_MAX / 8 - more;
    ex->network = network;
    ex->out = ls_calloc((size_t)n, sizeof *ex->out);
    ex->memory = fits ? ls_calloc((size_t)(floats + more), sizeof(float)) : NULL;
    if (ex->out == NULL || ex->memory == NULL) {
        ls_executor_destroy(&ex);
        LS_FAIL(LS_ENOMEM, "out of memory for the activations of %lld rows of %lld floats; set runtime.memory_limit",
                (long long)max_rows, (long long)ls_network_row_floats(network));
    }
    lay_out(ex, max_rows);
    *out = ex;
    return LS_OK;
}

void ls_executor_destroy(ls_executor **executor)
{
    if (executor == NULL || *executor == NULL) return;
    for (int p = 0; p < (*executor)->n_partitions; p++) ls_free((*executor)->partition[p].forward);
    ls_free((*executor)->memory);
    ls_free((*executor)->out);
    ls_free(*executor);
    *executor = NULL;
}

float *ls_executor_input(const ls_executor *ex)
{
    return ex->input;
}

const float *ls_executor_forward(ls_executor *ex, const ls_pass *pass)
{
    const ls_partition *partition = ls__executor_partition(ex, pass->runs, pass->n_runs);
    ls_pass p = *pass;
    p.scratch = ex->scratch;
    p.buffers = ls_network_buffers(ex->network);
    const float *x = ex->input;
    for (int i = 0; i < ls_network_n_layers(ex->network); i++) {
        const ls_layer *layer = ls_network_layer(ex->network, i);
        p.share_rows = partition != NULL && partition->forward[i];
        p.skip = layer->skip >= 0 ? ex->out[layer->skip] : NULL;
        if (pass->hooks != NULL) pass->hooks->before_forward(pass->hooks->context, i);
        const double start = ls_timeline_begin();
        layer->ops->forward(layer, &p, x, ex->out[i]);
        ls_timeline_end(LS_EVENT_LAYER_FORWARD, i, start);
        ls_board_step();
        x = ex->out[i];
    }
    ex->side = 0;
    return x;
}

float *ls_executor_output_gradient(const ls_executor *ex)
{
    return ex->gradient[ex->side];
}

void ls_pass_merge(const ls_pass *pass, int leaf, int64_t first, int64_t n)
{
    for (const ls_merge *m = pass->merges; m < pass->merges + pass->n_merges; m++)
        if (m->after == leaf)
            ls_vec_add(n, pass->grad[m->into] + first, pass->grad[m->from] + first, pass->grad[m->into] + first);
}

void ls_pass_merge_at(const ls_pass *pass, int leaf, float *const *at, int64_t n)
{
    for (const ls_merge *m = pass->merges; m < pass->merges + pass->n_merges; m++)
        if (m->after == leaf) ls_vec_add(n, at[m->into], at[m->from], at[m->into]);
}

static void merge_layer(const ls_layer *layer, const ls_pass *pass)
{
    for (int t = 0; t < layer->n_tensors; t++)
        for (const ls_merge *m = pass->merges; m < pass->merges + pass->n_merges; m++)
            if (m == pass->merges || m[-1].after != m->after)
                ls_pass_merge(pass, m->after, layer->tensor[t].first, layer->tensor[t].n);
}

void ls_executor_backward(ls_executor *ex, const ls_pass *pass)
{
    const ls_partition *partition = ls__executor_partition(ex, pass->runs, pass->n_runs);
    ls_pass p = *pass;
    p.scratch = ex->scratch;
    p.buffers = ls_network_buffers(ex->network);
    for (int i = ls_network_n_layers(ex->network) - 1; i >= 0; i--) {
        const ls_layer *layer = ls_network_layer(ex->network, i);
        const bool in_place = layer->ops->in_place;
        const float *x = in_place ? NULL : i > 0 ? ex->out[i - 1] : ex->input;
        const float *dy = ex->gradient[ex->side];
        if (!in_place) ex->side ^= 1;
        p.share_rows = partition != NULL && partition->backward[i];
        p.skip = layer->depth < LS_MAX_NESTED ? ex->store[layer->depth] : NULL;
        const double start = ls_timeline_begin();
        layer->ops->backward(layer, &p, x, ex->out[i], dy, i > 0 ? ex->gradient[ex->side] : NULL);
        if (!layer->ops->merges) merge_layer(layer, &p);
        ls_timeline_end(LS_EVENT_LAYER_BACKWARD, i, start);
        ls_board_step();
        if (pass->hooks != NULL && pass->hooks->after_backward != NULL)
            pass->hooks->after_backward(pass->hooks->context, i);
    }
}
