#include "lockstep/network.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/entry.h"
#include "base/mem.h"
#include "model/registry.h"

enum { MAX_LAYERS = 1024, MAX_ROW_FLOATS = INT_MAX };

struct ls_network {
    int n_layers, n_tensors;
    ls_layer *layer;
    ls_tensor **tensor; /* [n_tensors], into the layers, in flat order */
    ls_shape in;
    int64_t n_params, n_floats;
};

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

static const ls_layer_ops *find_layer(const char *name)
{
    for (int i = 0; ls__layers[i] != NULL; i++)
        if (strcmp(ls__layers[i]->name, name) == 0) return ls__layers[i];
    return NULL;
}

static ls_status unknown_layer(const ls_node *entry, const char *name)
{
    const char *names[MAX_LAYERS];
    int n = 0;
    for (; ls__layers[n] != NULL; n++) names[n] = ls__layers[n]->name;
    return ls_entry_unknown(entry, "layer", name, names, n);
}

static ls_status read_layer(ls_node *entry, ls_layer *layer)
{
    const char *name;
    LS_TRY(ls_entry_name(entry, "layer", &name));
    layer->ops = find_layer(name);
    if (layer->ops == NULL) return unknown_layer(entry, name);
    return ls_entry_read(entry, layer->ops->options, layer->ops->options_size, layer->ops->shorthand, &layer->options);
}

/* The first layer behind i that is more than a passing on of values decides: a rectifier asks for he_normal. */
static bool feeds_relu(const ls_network *network, int i)
{
    for (int j = i + 1; j < network->n_layers; j++) {
        const ls_layer_ops *ops = network->layer[j].ops;
        if (ops->is_rectifier) return true;
        if (!ops->in_place || ops->needs_y) return false;
    }
    return false;
}

static ls_status name_tensors(ls_layer *layer)
{
    for (int t = 0; t < layer->n_tensors; t++) {
        ls_tensor *tensor = &layer->tensor[t];
        char name[sizeof tensor->name];
        snprintf(name, sizeof name, "%d.%.40s", layer->position, tensor->name);
        memcpy(tensor->name, name, sizeof name);
        tensor->n = 1;
        for (int i = 0; i < tensor->n_dim; i++)
            LS_REQUIRE(ls_mul_i64(tensor->n, tensor->dim[i], &tensor->n), LS_EUSAGE, "too many parameters");
    }
    return LS_OK;
}

static ls_status plan_layer(ls_network *network, int i, const ls_shape *in)
{
    ls_layer *layer = &network->layer[i];
    layer->position = i;
    layer->in = *in;
    layer->n_in = ls_shape_size(in);
    layer->feeds_relu = feeds_relu(network, i);
    LS_TRY(layer->ops->plan(layer));
    layer->n_out = ls_shape_size(&layer->out);
    LS_REQUIRE(layer->n_out >= 1 && layer->n_out <= MAX_ROW_FLOATS, LS_EUSAGE, "more than 2^31 outputs");
    LS_TRY(name_tensors(layer));
    for (int t = 0; t < layer->n_tensors; t++) {
        layer->tensor[t].first = network->n_floats;
        network->n_params += layer->tensor[t].n;
        LS_REQUIRE(layer->tensor[t].n < INT64_MAX / 16 - network->n_floats, LS_EUSAGE, "too many parameters");
        network->n_floats += ls_pad_floats(layer->tensor[t].n);
        network->n_tensors++;
    }
    return LS_OK;
}

static ls_status plan_layers(ls_network *network, const ls_node *model)
{
    const ls_shape *in = &network->in;
    for (int i = 0; i < network->n_layers; i++) {
        const ls_status status = plan_layer(network, i, in);
        char place[256], shape[96];
        if (status != LS_OK)
            return ls_status_prefix(status, "%s: layer %d (%s) with input %s",
                                    ls_node_place(model->child[i], place, sizeof place), i, network->layer[i].ops->name,
                                    ls_shape_text(in, shape));
        in = &network->layer[i].out;
    }
    network->tensor = ls_calloc((size_t)network->n_tensors, sizeof *network->tensor);
    LS_REQUIRE(network->tensor != NULL, LS_ENOMEM, "out of memory for a network");
    for (int i = 0, n = 0; i < network->n_layers; i++)
        for (int t = 0; t < network->layer[i].n_tensors; t++) network->tensor[n++] = &network->layer[i].tensor[t];
    return LS_OK;
}

static ls_status build(ls_network *network, ls_node *model)
{
    for (int i = 0; i < network->n_layers; i++) LS_TRY(read_layer(model->child[i], &network->layer[i]));
    return plan_layers(network, model);
}

ls_status ls_network_create(ls_node *model, const ls_shape *in, ls_network **out)
{
    char place[256];
    *out = NULL;
    LS_REQUIRE(model->kind == LS_NODE_LIST && model->n >= 1 && model->n <= MAX_LAYERS, LS_EUSAGE,
               "%s: 'model' must be a list of 1 to %d layers, as in '- dense: 10'",
               ls_node_place(model, place, sizeof place), MAX_LAYERS);
    ls_network *network = ls_calloc(1, sizeof *network);
    LS_REQUIRE(network != NULL, LS_ENOMEM, "out of memory for a network");
    network->in = *in;
    network->n_layers = model->n;
    network->layer = ls_calloc((size_t)model->n, sizeof *network->layer);
    const ls_status status =
        network->layer ? build(network, model) : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status != LS_OK) ls_network_destroy(&network);
    *out = network;
    return status;
}

void ls_network_destroy(ls_network **network)
{
    if (network == NULL || *network == NULL) return;
    for (int i = 0; (*network)->layer != NULL && i < (*network)->n_layers; i++) ls_free((*network)->layer[i].options);
    ls_free((*network)->layer);
    ls_free((*network)->tensor);
    ls_free(*network);
    *network = NULL;
}

int ls_network_n_layers(const ls_network *network)
{
    return network->n_layers;
}

const ls_layer *ls_network_layer(const ls_network *network, int i)
{
    return &network->layer[i];
}

const ls_shape *ls_network_output(const ls_network *network)
{
    return &network->layer[network->n_layers - 1].out;
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
    for (int i = 0; i < network->n_layers; i++)
        if (network->layer[i].scratch_floats > most) most = network->layer[i].scratch_floats;
    return most;
}
