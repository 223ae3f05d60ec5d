/* Makes [channels, height, width] one row of features; the numbers stay where they are. */
#include <string.h>

#include "model/registry.h"

static ls_status flatten_plan(ls_layer *layer)
{
    layer->out = (ls_shape){.n_dim = 1, .dim = {layer->n_in}};
    return LS_OK;
}

static void flatten_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    if (y != x) memcpy(y, x, (size_t)(pass->n_rows * l->n_out) * sizeof *y);
}

static void flatten_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)x;
    (void)y;
    if (dx != NULL && dx != dy) memcpy(dx, dy, (size_t)(pass->n_rows * l->n_in) * sizeof *dx);
}

const ls_layer_ops ls__layer_flatten = {.name = "flatten",
                                        .help = "one row of features per sample",
                                        .in_place = true,
                                        .plan = flatten_plan,
                                        .forward = flatten_forward,
                                        .backward = flatten_backward};
