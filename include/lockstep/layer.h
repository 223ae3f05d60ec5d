/** Layers: single-process numeric code over rows.  One layer is one file with static functions and one const table,
 *  listed in src/model/layer_list.h.  Nothing here is collective. */
#ifndef LOCKSTEP_LAYER_H
#define LOCKSTEP_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

struct ls_option;

/** Shape of one sample: [features], or [channels, height, width]. */
typedef struct ls_shape {
    int n_dim; /* 1 or 3 */
    int64_t dim[3];
} ls_shape;

int64_t ls_shape_size(const ls_shape *shape);

/** "[1, 28, 28]" into out, which is returned. */
const char *ls_shape_text(const ls_shape *shape, char out[96]);

typedef enum ls_init_kind { LS_INIT_ZEROS, LS_INIT_NORMAL, LS_INIT_UNIFORM } ls_init_kind;

/** Start values of a tensor: normals of this standard deviation, or uniforms in [-scale, scale). */
typedef struct ls_init {
    ls_init_kind kind;
    double scale;
} ls_init;

/** One parameter tensor: n floats from `first` of the flat parameter vector, a 64-byte boundary. */
typedef struct ls_tensor {
    char name[64]; /* "<position>.weight", as PyTorch's nn.Sequential names it */
    int n_dim;
    int64_t dim[4];
    int64_t first, n;
    bool is_bias;
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

/** Calls back during a pass, so that messages can travel under the computing. */
typedef struct ls_pass_hooks {
    void *context;
    void (*before_forward)(void *context, int position); /* the layer's parameters are about to be read */
    void (*after_backward)(void *context, int position); /* its gradients are complete; NULL: others will follow */
    void (*between)(void *context);                      /* now and then, between products */
} ls_pass_hooks;

/** What one forward and backward pass works on.  Bits of a row depend on its run's shape, never on other runs. */
typedef struct ls_pass {
    bool training;
    const ls_run *runs; /* [n_runs], rows in order without gaps */
    int n_runs;
    int64_t n_rows;
    const float *params; /* flat parameter vector */
    float *const *grad;  /* [leaf] flat gradient vectors; NULL: backward gives dx alone */
    uint64_t seed;       /* of dropout */
    int64_t iteration;
    const ls_pass_hooks *hooks; /* NULL: none */
    bool share_rows; /* set by the executor: rows of all runs may share one matrix product, the bits being equal */
    float *scratch;  /* set by the executor: the layer's scratch_floats, 64-byte aligned, of no value between calls */
} ls_pass;

/** To be called by layers after each large product. */
static inline void ls_pass_between(const ls_pass *pass)
{
    if (pass->hooks != NULL) pass->hooks->between(pass->hooks->context);
}

enum { LS_LAYER_MAX_TENSORS = 2 };

/** A layer in its place in a network. */
typedef struct ls_layer {
    const struct ls_layer_ops *ops;
    void *options;    /* of ops->options_size bytes; owned */
    int position;     /* in the model list, from 0 */
    ls_shape in, out; /* of one sample */
    int64_t n_in, n_out;
    bool feeds_relu; /* the next layer with a non-linearity is a rectifier: he_normal is the default */
    int n_tensors;
    ls_tensor tensor[LS_LAYER_MAX_TENSORS];
    int64_t scratch_floats; /* that one call of forward or backward works in, whatever its rows */
    int64_t multiply_adds;  /* set by plan: of one sample's forward pass, in products; backward has about twice that */
} ls_layer;

/** Table of a layer.  x [n_rows, n_in], y and dy [n_rows, n_out], dx [n_rows, n_in]; row-major, 64-byte aligned. */
typedef struct ls_layer_ops {
    const char *name, *help;
    const struct ls_option *options; /* NULL: none */
    size_t options_size;
    const char *shorthand; /* option that `- name: value` sets; NULL: none */
    bool in_place;         /* y may be x, and dx may be dy; such a backward is given x == NULL */
    bool needs_y;          /* backward reads y: nobody may overwrite it in place */
    bool is_rectifier;
    /** Fills out, n_tensors, scratch_floats and tensor (name is the part behind the position; first is set later) from
     * options and in. LS_EUSAGE with a sentence; the caller adds the position. */
    ls_status (*plan)(ls_layer *layer);
    void (*forward)(const ls_layer *layer, const ls_pass *pass, const float *x, float *y);
    /** Writes dx (NULL for a first layer) and, per run, grad[leaf] from the tensors' `first` on: = when fresh, else +=.
     *  Sums over samples: nothing is divided by the batch size. */
    void (*backward)(const ls_layer *layer, const ls_pass *pass, const float *x, const float *y, const float *dy,
                     float *dx);
} ls_layer_ops;

#endif
