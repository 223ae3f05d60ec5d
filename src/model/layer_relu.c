/* y = max(x, 0) */
#include "math/vec.h"
#include "model/registry.h"

static ls_status relu_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static void relu_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    ls_vec_relu(pass->n_rows * l->n_out, x, y);
}

static void relu_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx)
{
    (void)x;
    if (dx != NULL) ls_vec_relu_backward(pass->n_rows * l->n_out, y, dy, dx);
}

const ls_layer_ops ls__layer_relu = {.name = "relu",
                                     .help = "rectifier: max(x, 0)",
                                     .in_place = true,
                                     .needs_y = true,
                                     .is_rectifier = true,
                                     .plan = relu_plan,
                                     .forward = relu_forward,
                                     .backward = relu_backward};
