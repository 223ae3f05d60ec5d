/* y = x Phi(x) with Phi the normal distribution function, exact by erf as PyTorch's default;
 * dx = dy (Phi(x) + x phi(x)).  Source: Hendrycks and Gimpel 2016.  libm's erff and expf (see math/vec.h). */
#include <math.h>

#include "model/registry.h"

static const float inverse_sqrt2 = 0.70710678118654752f, inverse_sqrt_2pi = 0.39894228040143268f;

static ls_status gelu_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

static float normal_cdf(float x)
{
    return 0.5f * (1.0f + erff(x * inverse_sqrt2));
}

static void gelu_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) y[i] = x[i] * normal_cdf(x[i]);
}

static void gelu_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx)
{
    (void)y;
    if (dx == NULL) return;
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++)
        dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * inverse_sqrt_2pi * expf(-0.5f * x[i] * x[i]));
}

const ls_layer_ops ls__layer_gelu = {.name = "gelu",
                                     .help = "Gaussian error linear unit: x Phi(x), exact",
                                     .is_rectifier = true,
                                     .plan = gelu_plan,
                                     .forward = gelu_forward,
                                     .backward = gelu_backward};
