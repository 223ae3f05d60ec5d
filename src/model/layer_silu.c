/* y = x s(x) with s(x) = 1 / (1 + exp(-x)); dx = dy s (1 + x (1 - s)).  Source: Elfwing et al. 2018.  libm's expf (see
 * math/vec.h). */
#include <math.h>

#include "model/registry.h"

static ls_status silu_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static float logistic(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static void silu_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) y[i] = x[i] * logistic(x[i]);
}

static void silu_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx)
{
    (void)y;
    for (int64_t i = 0; i < pass->n_rows * l->n_out && dx != NULL; i++) {
        const float s = logistic(x[i]);
        dx[i] = dy[i] * (s * (1.0f + x[i] * (1.0f - s)));
    }
}

const ls_layer_ops ls__layer_silu = {.name = "silu",
                                     .help = "sigmoid linear unit: x sigmoid(x), also called swish",
                                     .is_rectifier = true,
                                     .plan = silu_plan,
                                     .forward = silu_forward,
                                     .backward = silu_backward};
