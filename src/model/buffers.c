/* What a network keeps besides parameters: buffers such as running statistics, and the places of sums over rows. */
#include "base/mem.h"
#include "model/network_internal.h"

static void place_sums(ls_network *network, bool meets)
{
    for (int i = 0; i < network->layers.n; i++) {
        ls_layer *layer = &network->layers.layer[i];
        if (layer->meets != meets) continue;
        layer->first_sum = network->n_sums;
        network->n_sums += layer->n_sums;
    }
}

static ls_status place_buffers(ls_network *network)
{
    for (int i = 0; i < network->layers.n; i++)
        for (int b = 0; b < network->layers.layer[i].n_buffers; b++) {
            ls_tensor *buffer = &network->layers.layer[i].buffer[b];
            LS_TRY(ls__network_name(&network->layers.layer[i], buffer));
            buffer->first = network->n_buffer_floats;
            network->n_buffer_floats += ls_pad_floats(buffer->n);
            network->n_buffers++;
        }
    return LS_OK;
}

ls_status ls__network_plan_buffers(ls_network *network)
{
    place_sums(network, false);
    network->n_shard_sums = network->n_sums;
    place_sums(network, true);
    LS_TRY(place_buffers(network));
    network->buffer = ls_calloc((size_t)network->n_buffers, sizeof *network->buffer);
    network->buffers = ls_calloc((size_t)network->n_buffer_floats, sizeof *network->buffers);
    LS_REQUIRE(network->buffer != NULL && network->buffers != NULL, LS_ENOMEM, "out of memory for a network");
    for (int i = 0, n = 0; i < network->layers.n; i++)
        for (int b = 0; b < network->layers.layer[i].n_buffers; b++) {
            const ls_tensor *buffer = network->buffer[n++] = &network->layers.layer[i].buffer[b];
            for (int64_t e = 0; e < buffer->n; e++)
                network->buffers[buffer->first + e] = (float)buffer->init.scale; /* a constant, or 0 */
        }
    return LS_OK;
}

float *ls_network_buffers(const ls_network *network)
{
    return network->buffers;
}

int64_t ls_network_n_buffer_floats(const ls_network *network)
{
    return network->n_buffer_floats;
}

int ls_network_n_stored(const ls_network *network)
{
    return network->n_tensors + network->n_buffers;
}

const ls_tensor *ls_network_stored(const ls_network *network, int i, float *params, float **numbers)
{
    const bool is_param = i < network->n_tensors;
    const ls_tensor *tensor = is_param ? network->tensor[i] : network->buffer[i - network->n_tensors];
    if (numbers != NULL) *numbers = (is_param ? params : network->buffers) + tensor->first;
    return tensor;
}

int64_t ls_network_n_sums(const ls_network *network)
{
    return network->n_sums;
}

int64_t ls_network_n_shard_sums(const ls_network *network)
{
    return network->n_shard_sums;
}

void ls_network_finish(const ls_network *network, const double *total, int64_t batch_rows)
{
    for (int i = 0; i < network->layers.n; i++) {
        const ls_layer *layer = &network->layers.layer[i];
        if (layer->ops->finish != NULL)
            layer->ops->finish(layer, total + layer->first_sum, batch_rows, network->buffers);
    }
}
