/* y = 1 / (1 + exp(-x)), dx = dy y (1 - y).  libm's expf: bits hold for one libm (see math/vec.h). */
#include <math.h>

#include "model/registry.h"

static ls_status sigmoid_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static void sigmoid_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) y[i] = 1.0f / (1.0f + expf(-x[i]));
}

static void sigmoid_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)x;
    if (dx == NULL) return;
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) dx[i] = dy[i] * (y[i] * (1.0f - y[i]));
}

const ls_layer_ops ls__layer_sigmoid = {.name = "sigmoid",
                                        .help = "logistic function: 1 / (1 + exp(-x))",
                                        .in_place = true,
                                        .needs_y = true,
                                        .plan = sigmoid_plan,
                                        .forward = sigmoid_forward,
                                        .backward = sigmoid_backward};
