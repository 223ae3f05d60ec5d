/* Each row's groups of channels are brought to mean 0 and variance 1, then scaled and shifted channel by channel; as
 * PyTorch's GroupNorm. */
#include <inttypes.h>

#include "model/norm.h"

static const ls_option groupnorm_table[] = {{.key = "groups",
                                             .kind = LS_OPTION_INT,
                                             .offset = offsetof(ls_norm_options, groups),
                                             .min = 1,
                                             .max = LS_OPTION_MAX,
                                             .help = "of the channels, which they divide"},
                                            LS_NORM_OPTIONS(ls_norm_options),
                                            {0}};

static ls_status groupnorm_plan(ls_layer *layer)
{
    const ls_norm_options *o = layer->options;
    const ls_shape channels = {.n_dim = 1, .dim = {layer->in.dim[0]}};
    LS_REQUIRE(channels.dim[0] % o->groups == 0, LS_EUSAGE,
               "%" PRId64 " groups do not divide %" PRId64 " channels; take a divisor", o->groups, channels.dim[0]);
    LS_REQUIRE(layer->n_in > o->groups, LS_EUSAGE,
               "a group of one number has no variance; take fewer groups than %" PRId64, o->groups);
    ls__norm_plan(layer, &channels, o->affine);
    layer->scratch_floats = LS_NORM_SCRATCH * channels.dim[0];
    return LS_OK;
}

static int64_t span_of(const ls_layer *l)
{
    return l->n_in / l->in.dim[0];
}

static void groupnorm_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    ls__norm_forward(l, pass, ((const ls_norm_options *)l->options)->groups, span_of(l), x, y);
}

static void groupnorm_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                               float *dx)
{
    (void)y;
    ls__norm_backward(l, pass, ((const ls_norm_options *)l->options)->groups, span_of(l), x, dy, dx);
}

const ls_layer_ops ls__layer_groupnorm = {
    .name = "groupnorm",
    .help = "each sample's groups of channels to mean 0 and variance 1, then y = x w + b",
    .options = groupnorm_table,
    .options_size = sizeof(ls_norm_options),
    .shorthand = "groups",
    .is_norm = true,
    .plan = groupnorm_plan,
    .forward = groupnorm_forward,
    .backward = groupnorm_backward};
