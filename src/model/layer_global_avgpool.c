/* Mean of each channel, as one row of features: PyTorch's AdaptiveAvgPool2d(1) and Flatten. */
#include "math/vec.h"
#include "model/registry.h"

static ls_status global_avgpool_plan(ls_layer *layer)
{
    LS_REQUIRE(layer->in.n_dim == 3, LS_EUSAGE, "the input must be an image, [channels, height, width]");
    layer->out = (ls_shape){.n_dim = 1, .dim = {layer->in.dim[0]}};
    return LS_OK;
}

static void global_avgpool_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const int64_t pixels = l->n_in / l->n_out;
    for (int64_t i = 0; i < pass->n_rows * l->n_out; i++) y[i] = ls_vec_sum(pixels, x + i * pixels) / (float)pixels;
}

static void global_avgpool_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y,
                                    const float *dy, float *dx)
{
    (void)x;
    (void)y;
    const int64_t pixels = l->n_in / l->n_out;
    for (int64_t i = 0; i < pass->n_rows * l->n_out && dx != NULL; i++) {
        const float share = dy[i] / (float)pixels;
        for (int64_t p = 0; p < pixels; p++) dx[i * pixels + p] = share;
    }
}

const ls_layer_ops ls__layer_global_avgpool = {.name = "global_avgpool",
                                               .help = "mean of each channel, one feature a channel",
                                               .plan = global_avgpool_plan,
                                               .forward = global_avgpool_forward,
                                               .backward = global_avgpool_backward};
