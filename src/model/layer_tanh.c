/* y = tanh(x), dx = dy (1 - y^2).  libm's tanhf: bits hold for one libm (see math/vec.h). */
#include <math.h>

#include "model/registry.h"

static ls_status tanh_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static void tanh_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) y[i] = tanhf(x[i]);
}

static void tanh_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx)
{
    (void)x;
    if (dx == NULL) return;
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

const ls_layer_ops ls__layer_tanh = {.name = "tanh",
                                     .help = "hyperbolic tangent",
                                     .in_place = true,
                                     .needs_y = true,
                                     .plan = tanh_plan,
                                     .forward = tanh_forward,
                                     .backward = tanh_backward};
