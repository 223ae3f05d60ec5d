/** A network: a list of layers over one flat parameter vector, and the executor that runs it layer by layer.
 *
 * Nothing here is collective; an executor belongs to one thread. */
#ifndef LOCKSTEP_NETWORK_H
#define LOCKSTEP_NETWORK_H

#include "lockstep/layer.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

typedef struct ls_network ls_network;

/** Builds the layers of a model list for samples of shape `in`; layers of residual blocks stand in the same flat list,
 * as model/residual.h says.  Completes the model list with every default, so that `- dense: 10` becomes
 *  `- dense: {units: 10, ...}`; it must outlive the network.  LS_EUSAGE names place, position and shapes. */
ls_status ls_network_create(struct ls_node *model, const ls_shape *in, ls_network **out);
void ls_network_destroy(ls_network **network);

/** The layers of the flat list, borrowed from the network; and the shape of what the last one gives for a sample. */
int ls_network_n_layers(const ls_network *network);
const ls_layer *ls_network_layer(const ls_network *network, int i);
const ls_shape *ls_network_output(const ls_network *network);

/** Tensors in flat order. */
int ls_network_n_tensors(const ls_network *network);
const ls_tensor *ls_network_tensor(const ls_network *network, int i);

/** Parameters, and floats of the flat vector (each tensor padded to 64 bytes). */
int64_t ls_network_n_params(const ls_network *network);
int64_t ls_network_n_floats(const ls_network *network);

/** Floats of activations that one row needs in the executor. */
int64_t ls_network_row_floats(const ls_network *network);

/** The most floats of scratch that a layer works in. */
int64_t ls_network_scratch_floats(const ls_network *network);

/** Buffers: numbers that belong to the network and not to the optimizer, such as running statistics; one vector, owned
 * by the network, with their start values.  Passes that do not train read them, whoever restores a network writes them.
 */
float *ls_network_buffers(const ls_network *network);
int64_t ls_network_n_buffer_floats(const ls_network *network);

/** What is stored of a network, in order: its parameters, then its buffers; and where the i-th tensor's numbers lie,
 * with the parameters at `params` (numbers may be NULL). */
int ls_network_n_stored(const ls_network *network);
const ls_tensor *ls_network_stored(const ls_network *network, int i, float *params, float **numbers);

/** Doubles that all layers sum per shard in a training pass (ls_pass_sums); the first of them are of layers that do not
 *  need them of the whole batch within the pass. */
int64_t ls_network_n_sums(const ls_network *network);
int64_t ls_network_n_shard_sums(const ls_network *network);

/** Moves the buffers by the sums [ls_network_n_sums] over a batch. */
void ls_network_finish(const ls_network *network, const double *total, int64_t batch_rows);

/** Start values of elements [first, first + n) of the flat vector into out [n]; padding is 0.  A pure function of
 *  (seed, tensor, element). Sources: He et al. 2015 (he_normal), Glorot and Bengio 2010 (glorot_uniform). */
void ls_network_init(const ls_network *network, uint64_t seed, int64_t first, int64_t n, float *out);

/** Prints the registered layers with their options. */
void ls_layers_print(struct ls_text *out);

/** Buffers to run a network over at most max_rows rows.  Borrows the network.  LS_ENOMEM. */
typedef struct ls_executor ls_executor;
ls_status ls_executor_create(const ls_network *network, int64_t max_rows, ls_executor **out);
void ls_executor_destroy(ls_executor **executor);

/** Input rows [max_rows, n_in], to be filled before forward. */
float *ls_executor_input(const ls_executor *executor);

/** Runs all layers forward over pass->n_rows rows; returns the output [n_rows, n_out], valid until the next pass. */
const float *ls_executor_forward(ls_executor *executor, const ls_pass *pass);

/** Where the gradient of the output [n_rows, n_out] is to be written before backward. */
float *ls_executor_output_gradient(const ls_executor *executor);

/** Runs all layers backward after a forward of the same pass, adding to pass->grad. */
void ls_executor_backward(ls_executor *executor, const ls_pass *pass);

/** Tries which layers give the same bits when the rows of all these runs share one matrix product, and uses that from
 *  now on for passes over runs of the same sizes.  LS_ENOMEM. */
ls_status ls_executor_try_sharing(ls_executor *executor, const ls_run *runs, int n_runs);

/** Layers whose products are shared for runs of these sizes, forward and backward, of how many; those that work row by
 *  row have nothing to share. */
void ls_executor_shared(const ls_executor *executor, const ls_run *runs, int n_runs, int *forward, int *backward,
                        int *n_layers);

/** Tries whether adding the gradient of a run of n_rows rows onto another one (fresh = false) gives the same bits as
 *  adding it after it is complete: then the right leaf of a pair needs no buffer of its own.  LS_ENOMEM. */
ls_status ls_network_try_adding(const ls_network *network, int64_t n_rows, bool *equal);

LS_END_DECLS

#endif
