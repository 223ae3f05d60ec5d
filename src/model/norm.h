/** What layernorm and groupnorm share: each row by itself, its channels in groups.
 *
 *  y = (x - mean) / sqrt(var + eps) w[c] + b[c], with mean and (biased) variance over the channels of a group and their
 *  spans.  Sources: Ba, Kiros, Hinton 2016, "Layer normalization"; Wu and He 2018, "Group normalization". */
#ifndef LOCKSTEP_MODEL_NORM_H
#define LOCKSTEP_MODEL_NORM_H

#include "model/registry.h"

/** Begins the options of such a layer. */
typedef struct ls_norm_options {
    double eps;
    bool affine;
    int64_t groups; /* of the channels, which they divide */
} ls_norm_options;

#define LS_NORM_OPTIONS(structure)                                                                                     \
    {.key = "eps",                                                                                                     \
     .kind = LS_OPTION_REAL,                                                                                           \
     .offset = offsetof(structure, eps),                                                                               \
     .fallback = "1e-5",                                                                                               \
     .max = 1e6,                                                                                                       \
     .help = "added to the variance"},                                                                                 \
    {                                                                                                                  \
        .key = "affine", .kind = LS_OPTION_BOOL, .offset = offsetof(structure, affine), .fallback = "true",            \
        .help = "learn a scale (weight, from 1) and a shift (bias, from 0)"                                            \
    }

/** Puts weight and bias of this shape, as PyTorch names them, into the layer's tensors when affine; the shape out. */
void ls__norm_plan(ls_layer *layer, const ls_shape *weight, bool affine);

/** Forward and backward over channels of `span` numbers each.  The layer's scratch has LS_NORM_SCRATCH floats a
 * channel. */
enum { LS_NORM_SCRATCH = 12 };
void ls__norm_forward(const ls_layer *layer, const ls_pass *pass, int64_t groups, int64_t span, const float *x,
                      float *y);
void ls__norm_backward(const ls_layer *layer, const ls_pass *pass, int64_t groups, int64_t span, const float *x,
                       const float *dy, float *dx);

#endif
