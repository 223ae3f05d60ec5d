#include "lockstep/network.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/node.h"
#include "model/network_internal.h"
#include "model/residual.h"

enum { MAX_ROW_FLOATS = INT_MAX };

int64_t ls_shape_size(const ls_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->n_dim; i++) n *= shape->dim[i];
    return n;
}

const char *ls_shape_text(const ls_shape *shape, char out[96])
{
    if (shape->n_dim == 3)
        snprintf(out, 96, "[%" PRId64 ", %" PRId64 ", %" PRId64 "]", shape->dim[0], shape->dim[1], shape->dim[2]);
    else
        snprintf(out, 96, "[%" PRId64 "]", shape->dim[0]);
    return out;
}

/* The first layer behind i that is more than a passing on of values decides: a rectifier asks for he_normal.  A branch
 * is the end of a body, which goes on behind the shortcut. */
static bool feeds_relu(const ls_layer_list *list, int i)
{
    for (int j = i + 1; j < list->n; j++) {
        if (list->layer[j].ops == &ls__residual_branch)
            for (const int end_of_body = j - 1; list->layer[j].skip != end_of_body;) j++;
        const ls_layer_ops *ops = list->layer[j].ops;
        if (ops->is_rectifier) return true;
        const bool passes = ops->is_norm || ops == &ls__residual_begin || (ops->in_place && !ops->needs_y);
        if (!passes) return false;
    }
    return false;
}

ls_status ls__network_name(const ls_layer *layer, ls_tensor *tensor)
{
    char name[sizeof tensor->name];
    snprintf(name, sizeof name, "%s.%.20s", layer->path, tensor->name);
    memcpy(tensor->name, name, sizeof name);
    tensor->n = 1;
    for (int i = 0; i < tensor->n_dim; i++)
        LS_REQUIRE(ls_mul_i64(tensor->n, tensor->dim[i], &tensor->n), LS_EUSAGE, "too many parameters");
    return LS_OK;
}

static ls_status plan_layer(ls_network *network, int i, const ls_shape *in)
{
    ls_layer *layer = &network->layers.layer[i];
    layer->in = *in;
    layer->n_in = ls_shape_size(in);
    if (layer->skip >= 0) layer->beside = network->layers.layer[layer->skip].out;
    layer->feeds_relu = feeds_relu(&network->layers, i);
    LS_TRY(layer->ops->plan(layer));
    layer->n_out = ls_shape_size(&layer->out);
    LS_REQUIRE(layer->n_out >= 1 && layer->n_out <= MAX_ROW_FLOATS, LS_EUSAGE, "more than 2^31 outputs");
    for (int t = 0; t < layer->n_tensors; t++) {
        LS_TRY(ls__network_name(layer, &layer->tensor[t]));
        layer->tensor[t].first = network->n_floats;
        network->n_params += layer->tensor[t].n;
        LS_REQUIRE(layer->tensor[t].n < INT64_MAX / 16 - network->n_floats, LS_EUSAGE, "too many parameters");
        network->n_floats += ls_pad_floats(layer->tensor[t].n);
        network->n_tensors++;
    }
    return LS_OK;
}

static ls_status plan_layers(ls_network *network)
{
    const ls_layer_list *list = &network->layers;
    const ls_shape *in = &network->in;
    for (int i = 0; i < list->n; i++) {
        const ls_layer *layer = &list->layer[i];
        const ls_status status = plan_layer(network, i, in);
        char place[256], shape[96];
        if (status != LS_OK)
            return ls_status_prefix(status, "%s: layer %s (%s) with input %s",
                                    ls_node_place(layer->entry, place, sizeof place), layer->path, layer->ops->name,
                                    ls_shape_text(in, shape));
        in = &layer->out;
    }
    network->tensor = ls_calloc((size_t)network->n_tensors, sizeof *network->tensor);
    LS_REQUIRE(network->tensor != NULL, LS_ENOMEM, "out of memory for a network");
    for (int i = 0, n = 0; i < list->n; i++)
        for (int t = 0; t < list->layer[i].n_tensors; t++) network->tensor[n++] = &list->layer[i].tensor[t];
    return LS_OK;
}

/* Sizes that layers make of it cannot overflow. */
static ls_status check_input(const ls_shape *in)
{
    char shape[96];
    int64_t n = 1;
    bool fits = true;
    for (int i = 0; i < in->n_dim; i++) fits = fits && ls_mul_i64(n, in->dim[i], &n);
    LS_REQUIRE(fits && n <= MAX_ROW_FLOATS, LS_EUSAGE, "a sample of %s has more than 2^31 numbers",
               ls_shape_text(in, shape));
    return LS_OK;
}

ls_status ls_network_create(ls_node *model, const ls_shape *in, ls_network **out)
{
    *out = NULL;
    ls_network *network = ls_calloc(1, sizeof *network);
    LS_REQUIRE(network != NULL, LS_ENOMEM, "out of memory for a network");
    network->in = *in;
    ls_status status = check_input(in);
    if (status == LS_OK) status = ls__model_list_read(model, &network->layers);
    if (status == LS_OK) status = plan_layers(network);
    if (status == LS_OK) status = ls__network_plan_buffers(network);
    if (status != LS_OK) ls_network_destroy(&network);
    *out = network;
    return status;
}

void ls_network_destroy(ls_network **network)
{
    if (network == NULL || *network == NULL) return;
    ls__model_list_destroy(&(*network)->layers);
    ls_free((*network)->tensor);
    ls_free((*network)->buffer);
    ls_free((*network)->buffers);
    ls_free(*network);
    *network = NULL;
}

int ls_network_n_layers(const ls_network *network)
{
    return network->layers.n;
}

const ls_layer *ls_network_layer(const ls_network *network, int i)
{
    return &network->layers.layer[i];
}

const ls_shape *ls_network_output(const ls_network *network)
{
    return &network->layers.layer[network->layers.n - 1].out;
}

int ls_network_n_tensors(const ls_network *network)
{
    return network->n_tensors;
}

const ls_tensor *ls_network_tensor(const ls_network *network, int i)
{
    return network->tensor[i];
}

int64_t ls_network_n_params(const ls_network *network)
{
    return network->n_params;
}

int64_t ls_network_n_floats(const ls_network *network)
{
    return network->n_floats;
}

int64_t ls_network_scratch_floats(const ls_network *network)
{
    int64_t most = 0;
    for (int i = 0; i < network->layers.n; i++)
        if (network->layers.layer[i].scratch_floats > most) most = network->layers.layer[i].scratch_floats;
    return most;
}
