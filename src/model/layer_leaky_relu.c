/* y = x above 0, else slope x.  Source: Maas et al. 2013; PyTorch's default slope. */
#include "math/vec.h"
#include "model/registry.h"

typedef struct leaky_relu_options {
    double slope;
} leaky_relu_options;

static const ls_option leaky_relu_table[] = {{.key = "slope",
                                              .kind = LS_OPTION_REAL,
                                              .offset = offsetof(leaky_relu_options, slope),
                                              .fallback = "0.01",
                                              .min = 0,
                                              .max = 1e6,
                                              .help = "factor of negative inputs"},
                                             {0}};

static ls_status leaky_relu_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

LS_MULTIVERSION
static void leak(int64_t n, float slope, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

/* The sign of y is that of x; a slope of 0 gives zeros, whose derivative is 0 as well. */
LS_MULTIVERSION
static void leak_back(int64_t n, float slope, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0.0f ? dy[i] : slope * dy[i];
}

static void leaky_relu_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    leak(pass->n_rows * l->n_out, (float)((const leaky_relu_options *)l->options)->slope, x, y);
}

static void leaky_relu_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                                float *dx)
{
    (void)x;
    if (dx != NULL)
        leak_back(pass->n_rows * l->n_out, (float)((const leaky_relu_options *)l->options)->slope, y, dy, dx);
}

const ls_layer_ops ls__layer_leaky_relu = {.name = "leaky_relu",
                                           .help = "rectifier that lets a little through: x, or slope x below 0",
                                           .options = leaky_relu_table,
                                           .options_size = sizeof(leaky_relu_options),
                                           .shorthand = "slope",
                                           .in_place = true,
                                           .needs_y = true,
                                           .is_rectifier = true,
                                           .plan = leaky_relu_plan,
                                           .forward = leaky_relu_forward,
                                           .backward = leaky_relu_backward};
