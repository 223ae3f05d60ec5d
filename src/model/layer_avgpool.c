/* Mean of each window, per channel.  As PyTorch's default, zeros of the padding count: the divisor is the kernel's
 * size. */
#include <string.h>

#include "model/registry.h"
#include "model/window.h"

typedef struct avgpool_options {
    const ls_node *kernel, *stride, *padding;
    ls_sliding window; /* set by plan */
} avgpool_options;

static const ls_option avgpool_table[] = {{.key = "kernel",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(avgpool_options, kernel),
                                           .help = "pixels"},
                                          {.key = "stride",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(avgpool_options, stride),
                                           .fallback = "~",
                                           .help = "pixels from one window to the next; null: those of the kernel"},
                                          {.key = "padding",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(avgpool_options, padding),
                                           .fallback = "0",
                                           .help = "zeros around the image, at most half the kernel"},
                                          {0}};

static ls_status avgpool_plan(ls_layer *layer)
{
    avgpool_options *o = layer->options;
    LS_TRY(ls__pool_fit(o->kernel, o->stride, o->padding, &layer->in, &o->window));
    layer->out = (ls_shape){.n_dim = 3, .dim = {layer->in.dim[0], o->window.out[0], o->window.out[1]}};
    return LS_OK;
}

static float mean_of(const ls_sliding *w, const float *image, int64_t y, int64_t x)
{
    const ls_extent rows = ls__window_span(w, 0, y), columns = ls__window_span(w, 1, x);
    float sum = 0.0f;
    for (int64_t r = rows.first; r < rows.end; r++)
        for (int64_t c = columns.first; c < columns.end; c++) sum += image[r * w->in[1] + c];
    return sum / (float)(w->kernel[0] * w->kernel[1]);
}

static void spread(const ls_sliding *w, float dy, int64_t y, int64_t x, float *image)
{
    const ls_extent rows = ls__window_span(w, 0, y), columns = ls__window_span(w, 1, x);
    const float share = dy / (float)(w->kernel[0] * w->kernel[1]);
    for (int64_t r = rows.first; r < rows.end; r++)
        for (int64_t c = columns.first; c < columns.end; c++) image[r * w->in[1] + c] += share;
}

static void avgpool_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const ls_sliding *w = &((const avgpool_options *)l->options)->window;
    for (int64_t i = 0; i < pass->n_rows * l->in.dim[0]; i++, x += w->in[0] * w->in[1])
        for (int64_t r = 0; r < w->out[0]; r++)
            for (int64_t c = 0; c < w->out[1]; c++) *y++ = mean_of(w, x, r, c);
}

static void avgpool_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)x;
    (void)y;
    const ls_sliding *w = &((const avgpool_options *)l->options)->window;
    if (dx == NULL) return;
    memset(dx, 0, (size_t)(pass->n_rows * l->n_in) * sizeof *dx);
    for (int64_t i = 0; i < pass->n_rows * l->in.dim[0]; i++, dx += w->in[0] * w->in[1])
        for (int64_t r = 0; r < w->out[0]; r++)
            for (int64_t c = 0; c < w->out[1]; c++) spread(w, *dy++, r, c, dx);
}

const ls_layer_ops ls__layer_avgpool = {.name = "avgpool",
                                        .help = "mean of each window, per channel",
                                        .options = avgpool_table,
                                        .options_size = sizeof(avgpool_options),
                                        .shorthand = "kernel",
                                        .plan = avgpool_plan,
                                        .forward = avgpool_forward,
                                        .backward = avgpool_backward};
