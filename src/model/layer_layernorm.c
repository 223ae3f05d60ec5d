/* Each row is brought to mean 0 and variance 1, then scaled and shifted number by number; as PyTorch's
 * LayerNorm over the whole shape of a sample. */
#include "model/norm.h"

static const ls_option layernorm_table[] = {LS_NORM_OPTIONS(ls_norm_options), {0}};

static ls_status layernorm_plan(ls_layer *layer)
{
    ls__norm_plan(layer, &layer->in, ((const ls_norm_options *)layer->options)->affine);
    layer->scratch_floats = LS_NORM_SCRATCH * layer->n_in;
    return LS_OK;
}

static void layernorm_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    ls__norm_forward(l, pass, 1, 1, x, y);
}

static void layernorm_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                               float *dx)
{
    (void)y;
    ls__norm_backward(l, pass, 1, 1, x, dy, dx);
}

const ls_layer_ops ls__layer_layernorm = {.name = "layernorm",
                                          .help = "each sample to mean 0 and variance 1, then y = x w + b",
                                          .options = layernorm_table,
                                          .options_size = sizeof(ls_norm_options),
                                          .is_norm = true,
                                          .plan = layernorm_plan,
                                          .forward = layernorm_forward,
                                          .backward = layernorm_backward};
