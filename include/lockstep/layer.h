/** Layers: single-process numeric code over rows.  One layer is one file with static functions and one const table,
 *  listed in src/model/layer_list.h, or added by ls_layer_register.  Nothing here is collective. */
#ifndef LOCKSTEP_LAYER_H
#define LOCKSTEP_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/option.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;

/** Bytes of a layer's path, and of residual blocks around one layer at most. */
enum { LS_PATH = 72, LS_MAX_NESTED = 4 };

/** Shape of one sample: [features], or [channels, height, width]. */
typedef struct ls_shape {
    int n_dim; /* 1 or 3 */
    int64_t dim[3];
} ls_shape;

int64_t ls_shape_size(const ls_shape *shape);

/** "[1, 28, 28]" into out, which is returned. */
const char *ls_shape_text(const ls_shape *shape, char out[96]);

typedef enum ls_init_kind { LS_INIT_ZEROS, LS_INIT_NORMAL, LS_INIT_UNIFORM, LS_INIT_CONSTANT } ls_init_kind;

/** Start values of a tensor: normals of this standard deviation, uniforms in [-scale, scale), or scale itself. */
typedef struct ls_init {
    ls_init_kind kind;
    double scale;
} ls_init;

/** One parameter tensor: n floats from `first` of the flat parameter vector, a 64-byte boundary. */
typedef struct ls_tensor {
    char name[96]; /* "<position>.weight", "<position>.body.<i>.weight": as PyTorch's nn.Sequential names it */
    int n_dim;
    int64_t dim[4];
    int64_t first, n;
    bool is_bias;
    bool is_norm; /* of a normalising layer */
    ls_init init;
} ls_tensor;

/** Consecutive rows of one micro-batch, the rows of one GEMM. */
typedef struct ls_run {
    int64_t first;     /* row in the buffers of this pass */
    int64_t n;         /* rows, at least 1 */
    int64_t batch_row; /* row in the global batch of row `first` */
    int leaf;          /* index into grad */
    bool fresh;        /* first of its leaf: grad[leaf] is written, not added to */
} ls_run;

/** With leaf `after` complete, so is a node of the tree over the shards: grad[into] += grad[from]. */
typedef struct ls_merge {
    int after, into, from;
} ls_merge;

/** Calls back during a pass, so that messages can travel under the computing. */
typedef struct ls_pass_hooks {
    void *context;
    void (*before_forward)(void *context, int position); /* the layer's parameters are about to be read */
    void (*after_backward)(
        void *context,
        int position); /* its gradients are complete, its parameters no longer read; NULL: others will follow */
    void (*between)(void *context); /* now and then, between products */
} ls_pass_hooks;

/** Sums over rows that layers make in a training pass, in their places first_sum ... of vectors of ls_network_n_sums.
 */
typedef struct ls_pass_sums {
    double *const *leaf; /* [leaf] of a shard's rows; zero before the pass */
    double *total;       /* of all shards of the batch */
    int64_t batch_rows;  /* rows of the batch, all ranks together */
    /** A reduction point in the middle of a pass: total[n] = the sum of elements [first, first + n) of all shards'
     * vectors in tree order.  All ranks come here in the same order, also with a pass over no rows. */
    void (*meet)(void *context, int64_t first, int64_t n, double *total);
    void *context;
} ls_pass_sums;

/** What one forward and backward pass works on.  Bits of a row depend on its run's shape, never on other runs. */
typedef struct ls_pass {
    bool training;
    const ls_run *runs; /* [n_runs], rows in order without gaps */
    int n_runs;
    int64_t n_rows;
    const float *params;    /* flat parameter vector */
    float *const *grad;     /* [leaf] flat gradient vectors; NULL: backward gives dx alone */
    const ls_merge *merges; /* [n_merges] rising `after`: to be done in this pass, which has all runs of all leaves */
    int n_merges;
    uint64_t seed; /* of dropout */
    int64_t iteration;
    const ls_pass_hooks *hooks; /* NULL: none */
    const ls_pass_sums *sums;   /* training a network of which layers make sums; else NULL */
    const float *buffers;       /* set by the executor: those of the network */
    bool share_rows; /* set by the executor: rows of all runs may share one matrix product, the bits being equal */
    float *scratch;  /* set by the executor: the layer's scratch_floats, 64-byte aligned, of no value between calls */
    float *skip;     /* set by the executor: forward, y of layer `skip`; backward, the store of the residual block */
} ls_pass;

/** Elements [first, first + n) of grad[leaf] are complete, and of the leaves before it: does the merges that follow.
 *  Layers with ops->merges call it while the elements are in the cache; for others the executor does, afterwards. */
void ls_pass_merge(const ls_pass *pass, int leaf, int64_t first, int64_t n);

/** The same for n elements that lie at at[leaf] for each leaf of the pass. */
void ls_pass_merge_at(const ls_pass *pass, int leaf, float *const *at, int64_t n);

/** To be called by layers after each large product. */
static inline void ls_pass_between(const ls_pass *pass)
{
    if (pass->hooks != NULL) pass->hooks->between(pass->hooks->context);
}

enum { LS_LAYER_MAX_TENSORS = 2, LS_LAYER_MAX_BUFFERS = 2 };

/** A layer in its place in a network. */
typedef struct ls_layer {
    const struct ls_layer_ops *ops;
    void *options;         /* of ops->options_size bytes; owned */
    int position;          /* in the network's flat list, from 0 */
    char path[LS_PATH];    /* in the model list: "3", or in a residual block "3.body.0" */
    struct ls_node *entry; /* of the model list; borrowed */
    int skip;              /* layer before this one whose y it reads besides x; -1: none */
    int depth;             /* residual blocks around it */
    ls_shape in, out;      /* of one sample */
    ls_shape beside;       /* y of layer `skip` */
    int64_t n_in, n_out;
    bool feeds_relu; /* the next layer with a non-linearity is a rectifier: he_normal is the default */
    int n_tensors;
    ls_tensor tensor[LS_LAYER_MAX_TENSORS];
    int n_buffers;
    ls_tensor
        buffer[LS_LAYER_MAX_BUFFERS]; /* numbers besides the parameters, without gradient; places in the buffers */
    int64_t first_sum, n_sums;        /* doubles that it makes per shard in training */
    bool meets;                       /* it needs them of the whole batch, within the pass */
    int64_t scratch_floats;           /* that one call of forward or backward works in, whatever its rows */
    int64_t multiply_adds; /* set by plan: of one sample's forward pass, in products; backward has about twice that */
} ls_layer;

/** Table of a layer.  x [n_rows, n_in], y and dy [n_rows, n_out], dx [n_rows, n_in]; row-major, 64-byte aligned. */
typedef struct ls_layer_ops {
    const char *name, *help;
    const ls_option *options; /* NULL: none */
    size_t options_size;
    const char *shorthand; /* option that `- name: value` sets; NULL: none */
    bool in_place;         /* y may be x, and dx may be dy; such a backward is given x == NULL */
    bool needs_y;          /* backward, or a later layer, reads y: nobody may overwrite it in place */
    bool passes_on;        /* y lies where x lies, or y of layer `skip`: forward moves nothing */
    bool is_norm;          /* scales values: what follows decides how the layer before is initialised */
    bool is_rectifier;
    bool merges;     /* backward calls ls_pass_merge itself */
    bool rows_alone; /* each row has products of its own, and a run's gradient is complete before it is added to its
                      * leaf: the shortcuts that start-up tries hold without a trial */
    /** Fills out, n_tensors, scratch_floats, tensor, and for buffers and sums n_buffers, buffer, n_sums and meets (name
     * is the part behind the position; first is set later) from options and in. LS_EUSAGE with a sentence; the caller
     * adds the position. */
    ls_status (*plan)(ls_layer *layer);
    void (*forward)(const ls_layer *layer, const ls_pass *pass, const float *x, float *y);
    /** Writes dx (NULL for a first layer) and, per run, grad[leaf] from the tensors' `first` on: = when fresh, else +=.
     *  Sums over samples: nothing is divided by the batch size. */
    void (*backward)(const ls_layer *layer, const ls_pass *pass, const float *x, const float *y, const float *dy,
                     float *dx);
    /** After a training pass over a whole batch: moves the buffers by the layer's sums.  NULL: it has none. */
    void (*finish)(const ls_layer *layer, const double *total, int64_t batch_rows, float *buffers);
} ls_layer_ops;

/** Layers that a program may add. */
enum { LS_MAX_MORE_LAYERS = 32 };

/** Adds a layer of the caller's own, which a model list then names as any other.  Borrows the table for the rest of the
 *  process.  To be called before the first network is made, on every rank; not thread-safe.  LS_EUSAGE when the name is
 *  taken, a function is missing or there are too many. */
ls_status ls_layer_register(const ls_layer_ops *layer);

LS_END_DECLS

#endif
