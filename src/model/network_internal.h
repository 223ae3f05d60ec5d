/** The network inside: its layers, and the places of their tensors, buffers and sums. */
#ifndef LOCKSTEP_MODEL_NETWORK_INTERNAL_H
#define LOCKSTEP_MODEL_NETWORK_INTERNAL_H

#include "lockstep/network.h"
#include "model/model_list.h"

struct ls_network {
    ls_layer_list layers;
    ls_tensor **tensor; /* [n_tensors], into the layers, in flat order */
    int n_tensors;
    ls_shape in;
    int64_t n_params, n_floats;
    ls_tensor **buffer; /* [n_buffers], into the layers */
    int n_buffers;
    float *buffers; /* [n_buffer_floats] */
    int64_t n_buffer_floats;
    int64_t n_sums, n_shard_sums; /* of all layers; of those that do not meet, which come first */
};

/** Writes the full name of a tensor of the layer and counts its elements.  LS_EUSAGE when they overflow. */
ls_status ls__network_name(const ls_layer *layer, ls_tensor *tensor);

/** Gives planned layers their places among buffers and sums, and the buffers their start values.  LS_ENOMEM. */
ls_status ls__network_plan_buffers(ls_network *network);

#endif
