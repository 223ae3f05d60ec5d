/** Naive twins in double of the layers that work on images; see model_twins.h. */
#ifndef LOCKSTEP_TEST_IMAGE_TWINS_H
#define LOCKSTEP_TEST_IMAGE_TWINS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/node.h"
#include "lockstep/layer.h"

/** Element `axis` of a number or a pair; of `other` when the option is null. */
static inline int64_t pair_option(const ls_node *options, const char *key, const char *other, int axis)
{
    const ls_node *node = ls_node_child(options, key);
    if (ls_node_is_null(node)) node = ls_node_child(options, other);
    return strtol(node->kind == LS_NODE_LIST ? node->child[axis]->text : node->text, NULL, 10);
}

static inline int64_t padding_option(const ls_node *options, int axis)
{
    const ls_node *node = ls_node_child(options, "padding");
    if (node->text != NULL && strcmp(node->text, "valid") == 0) return 0;
    if (node->text == NULL || strcmp(node->text, "same") != 0) return pair_option(options, "padding", NULL, axis);
    return pair_option(options, "dilation", NULL, axis) * (pair_option(options, "kernel", NULL, axis) - 1) / 2;
}

/** Height before width. */
typedef struct geometry {
    int64_t kernel[2], stride[2], dilation[2], padding[2];
} geometry;

static inline geometry geometry_of(const ls_node *options)
{
    geometry g;
    const bool dilates = ls_node_child(options, "dilation") != NULL;
    for (int i = 0; i < 2; i++) {
        g.kernel[i] = pair_option(options, "kernel", NULL, i);
        g.stride[i] = pair_option(options, "stride", "kernel", i);
        g.dilation[i] = dilates ? pair_option(options, "dilation", NULL, i) : 1;
        g.padding[i] = padding_option(options, i);
    }
    return g;
}

/** Whether tap (kh, kw) of the window at (h, w) of the output lies in the image, and its place there. */
static inline bool is_inside(const ls_layer *l, const geometry *g, int64_t h, int64_t w, int64_t kh, int64_t kw,
                             int64_t *place)
{
    const int64_t y = h * g->stride[0] - g->padding[0] + kh * g->dilation[0],
                  x = w * g->stride[1] - g->padding[1] + kw * g->dilation[1];
    *place = y * l->in.dim[2] + x;
    return y >= 0 && y < l->in.dim[1] && x >= 0 && x < l->in.dim[2];
}

/** One number of the output, without bias: filter f [channels, kh, kw] over the channels x [channels, H, W]. */
static inline double correlate(const ls_layer *l, const geometry *g, const double *f, const double *x, int64_t h,
                               int64_t w)
{
    double sum = 0.0;
    int64_t place;
    for (int64_t c = 0; c < l->tensor[0].dim[1]; c++, x += l->in.dim[1] * l->in.dim[2])
        for (int64_t kh = 0; kh < g->kernel[0]; kh++)
            for (int64_t kw = 0; kw < g->kernel[1]; kw++, f++)
                if (is_inside(l, g, h, w, kh, kw, &place)) sum += *f * x[place];
    return sum;
}

static inline void conv_image(const ls_layer *l, const ls_node *o, const double *params, const double *x, double *y)
{
    const geometry g = geometry_of(o);
    const bool bias = strcmp(ls_node_child(o, "bias")->text, "true") == 0;
    const int64_t filters = l->out.dim[0], groups = l->in.dim[0] / l->tensor[0].dim[1];
    for (int64_t f = 0; f < filters; f++) {
        const double *w = params + l->tensor[0].first + f * l->tensor[0].n / filters;
        const double b = bias ? params[l->tensor[1].first + f] : 0.0;
        const double *group = x + f / (filters / groups) * (l->n_in / groups);
        for (int64_t h = 0; h < l->out.dim[1]; h++)
            for (int64_t v = 0; v < l->out.dim[2]; v++) *y++ = b + correlate(l, &g, w, group, h, v);
    }
}

/** Largest, or mean over the kernel's size, of a window; a largest number is never in the padding. */
static inline double pool_window(const ls_layer *l, const geometry *g, const double *x, int64_t h, int64_t w, bool mean)
{
    double largest = -INFINITY, sum = 0.0;
    int64_t place;
    for (int64_t kh = 0; kh < g->kernel[0]; kh++)
        for (int64_t kw = 0; kw < g->kernel[1]; kw++) {
            if (!is_inside(l, g, h, w, kh, kw, &place)) continue;
            sum += x[place];
            largest = x[place] > largest ? x[place] : largest;
        }
    return mean ? sum / (double)(g->kernel[0] * g->kernel[1]) : largest;
}

static inline void pool_image(const ls_layer *l, const ls_node *o, const double *x, double *y, bool mean)
{
    const geometry g = geometry_of(o);
    for (int64_t c = 0; c < l->out.dim[0]; c++, x += l->in.dim[1] * l->in.dim[2])
        for (int64_t h = 0; h < l->out.dim[1]; h++)
            for (int64_t w = 0; w < l->out.dim[2]; w++) *y++ = pool_window(l, &g, x, h, w, mean);
}

static inline void average_channels(const ls_layer *l, const double *x, double *y)
{
    const int64_t pixels = l->in.dim[1] * l->in.dim[2];
    for (int64_t c = 0; c < l->n_out; c++) {
        y[c] = 0.0;
        for (int64_t p = 0; p < pixels; p++) y[c] += x[c * pixels + p] / (double)pixels;
    }
}

#endif
