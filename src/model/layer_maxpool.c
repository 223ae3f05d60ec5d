/* Largest number of each window, per channel; zeros of the padding do not count.  dx goes to the first largest one in
 * row order, a NaN counting as largest, as in PyTorch; backward finds it again from x instead of keeping its place. */
#include <string.h>

#include "math/vec.h"
#include "model/registry.h"
#include "model/window.h"

typedef struct maxpool_options {
    const ls_node *kernel, *stride, *padding;
    ls_window window; /* set by plan */
    bool is_half;     /* 2 x 2, stride 2, no padding */
} maxpool_options;

static const ls_option maxpool_table[] = {{.key = "kernel",
                                           .kind = LS_OPTION_NODE,
                                           .offset = offsetof(maxpool_options, kernel),
                                           .help = "pixels, n or [height, width]"},
                                          {.key = "stride",
                                           .kind = LS_OPTION_NODE,
                                           .offset = offsetof(maxpool_options, stride),
                                           .fallback = "~",
                                           .help = "pixels from one window to the next; null: those of the kernel"},
                                          {.key = "padding",
                                           .kind = LS_OPTION_NODE,
                                           .offset = offsetof(maxpool_options, padding),
                                           .fallback = "0",
                                           .help = "pixels around the image, at most half the kernel"},
                                          {0}};

static ls_status maxpool_plan(ls_layer *layer)
{
    maxpool_options *o = layer->options;
    ls_window *w = &o->window;
    LS_TRY(ls__pool_fit(o->kernel, o->stride, o->padding, &layer->in, w));
    o->is_half = true;
    for (int i = 0; i < 2; i++) o->is_half = o->is_half && w->kernel[i] == 2 && w->stride[i] == 2 && w->before[i] == 0;
    layer->out = (ls_shape){.n_dim = 3, .dim = {layer->in.dim[0], w->out[0], w->out[1]}};
    return LS_OK;
}

static bool is_larger(float x, float than)
{
    return x > than || x != x;
}

/* Place in the image [height, width] of the largest number of the window at (y, x) of the output. */
static int64_t find_largest(const ls_window *w, const float *image, int64_t y, int64_t x)
{
    const ls_span rows = ls__window_span(w, 0, y), columns = ls__window_span(w, 1, x);
    int64_t best = rows.first * w->in[1] + columns.first;
    for (int64_t r = rows.first; r < rows.end; r++)
        for (int64_t c = columns.first; c < columns.end; c++)
            if (is_larger(image[r * w->in[1] + c], image[best])) best = r * w->in[1] + c;
    return best;
}

/* y[n] of windows of 2 x 2 in rows a and b */
LS_MULTIVERSION
static void halve_row(int64_t n, const float *restrict a, const float *restrict b, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) {
        const float second = a[2 * i + 1], third = b[2 * i], fourth = b[2 * i + 1];
        float m = a[2 * i];
        m = second > m || second != second ? second : m;
        m = third > m || third != third ? third : m;
        y[i] = fourth > m || fourth != fourth ? fourth : m;
    }
}

/* The rows da and db of dx for the rows a and b of x */
LS_MULTIVERSION
static void spread_row(int64_t n, const float *restrict a, const float *restrict b, const float *restrict dy,
                       float *restrict da, float *restrict db)
{
    for (int64_t i = 0; i < n; i++) {
        const float second = a[2 * i + 1], third = b[2 * i], fourth = b[2 * i + 1];
        float m = a[2 * i];
        int at = 0;
        at = second > m || second != second ? 1 : at;
        m = second > m || second != second ? second : m;
        at = third > m || third != third ? 2 : at;
        m = third > m || third != third ? third : m;
        at = fourth > m || fourth != fourth ? 3 : at;
        da[2 * i] = at == 0 ? dy[i] : 0.0f;
        da[2 * i + 1] = at == 1 ? dy[i] : 0.0f;
        db[2 * i] = at == 2 ? dy[i] : 0.0f;
        db[2 * i + 1] = at == 3 ? dy[i] : 0.0f;
    }
}

static void pool_image(const maxpool_options *o, const float *image, float *y)
{
    const ls_window *w = &o->window;
    for (int64_t r = 0; r < w->out[0]; r++, y += w->out[1]) {
        const float *row = image + 2 * r * w->in[1];
        if (o->is_half)
            halve_row(w->out[1], row, row + w->in[1], y);
        else
            for (int64_t c = 0; c < w->out[1]; c++) y[c] = image[find_largest(w, image, r, c)];
    }
}

static void spread_image(const maxpool_options *o, const float *image, const float *dy, float *dx)
{
    const ls_window *w = &o->window;
    if (!o->is_half || w->in[0] % 2 != 0 || w->in[1] % 2 != 0)
        memset(dx, 0, (size_t)(w->in[0] * w->in[1]) * sizeof *dx);
    for (int64_t r = 0; r < w->out[0]; r++, dy += w->out[1]) {
        const int64_t row = 2 * r * w->in[1];
        if (o->is_half)
            spread_row(w->out[1], image + row, image + row + w->in[1], dy, dx + row, dx + row + w->in[1]);
        else
            for (int64_t c = 0; c < w->out[1]; c++) dx[find_largest(w, image, r, c)] += dy[c];
    }
}

static void maxpool_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const maxpool_options *o = l->options;
    const int64_t in = l->n_in / l->in.dim[0], out = l->n_out / l->in.dim[0];
    for (int64_t i = 0; i < pass->n_rows * l->in.dim[0]; i++) pool_image(o, x + i * in, y + i * out);
}

static void maxpool_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)y;
    const maxpool_options *o = l->options;
    const int64_t in = l->n_in / l->in.dim[0], out = l->n_out / l->in.dim[0];
    if (dx == NULL) return;
    for (int64_t i = 0; i < pass->n_rows * l->in.dim[0]; i++) spread_image(o, x + i * in, dy + i * out, dx + i * in);
}

const ls_layer_ops ls__layer_maxpool = {.name = "maxpool",
                                        .help = "largest number of each window, per channel",
                                        .options = maxpool_table,
                                        .options_size = sizeof(maxpool_options),
                                        .shorthand = "kernel",
                                        .plan = maxpool_plan,
                                        .forward = maxpool_forward,
                                        .backward = maxpool_backward};
