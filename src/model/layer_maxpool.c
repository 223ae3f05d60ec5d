/* Largest number of each window, per channel; zeros of the padding do not count.  dx goes to the first largest one in
 * row order, a NaN counting as largest, as in PyTorch; backward finds it again from x instead of keeping its place. */
#include <string.h>

#include "math/vec.h"
#include "model/registry.h"
#include "model/window.h"

typedef struct maxpool_options {
    const ls_node *kernel, *stride, *padding;
    ls_sliding window; /* set by plan */
    bool is_half;      /* 2 x 2, stride 2, no padding */
} maxpool_options;

static const ls_option maxpool_table[] = {{.key = "kernel",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(maxpool_options, kernel),
                                           .help = "pixels"},
                                          {.key = "stride",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(maxpool_options, stride),
                                           .fallback = "~",
                                           .help = "pixels from one window to the next; null: those of the kernel"},
                                          {.key = "padding",
                                           .kind = LS_OPTION_NODE,
                                           .choices = ls__pair_forms,
                                           .offset = offsetof(maxpool_options, padding),
                                           .fallback = "0",
                                           .help = "pixels around the image, at most half the kernel"},
                                          {0}};

static ls_status maxpool_plan(ls_layer *layer)
{
    maxpool_options *o = layer->options;
    ls_sliding *w = &o->window;
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
static int64_t find_largest(const ls_sliding *w, const float *image, int64_t y, int64_t x)
{
    const ls_extent rows = ls__window_span(w, 0, y), columns = ls__window_span(w, 1, x);
    int64_t best = rows.first * w->in[1] + columns.first;
    for (int64_t r = rows.first; r < rows.end; r++)
        for (int64_t c = columns.first; c < columns.end; c++)
            if (is_larger(image[r * w->in[1] + c], image[best])) best = r * w->in[1] + c;
    return best;
}

/* Windows of 2 x 2 in images with even sides: n output rows of `width` windows, of many images, follow one another
 * without a gap.  WIDE windows side by side are taken apart into their four numbers, so that the work on them is
 * vectors. They run over the end of a row, into what the next row will write; so the last rows are left to
 * find_largest. */
enum { WIDE = 16 };

typedef struct quads {
    float at[4][WIDE]; /* upper left, upper right, lower left, lower right */
} quads;

static inline void take_apart(const float *restrict upper, const float *restrict lower, quads *q)
{
    for (int i = 0; i < WIDE; i++) q->at[0][i] = upper[2 * i], q->at[1][i] = upper[2 * i + 1];
    for (int i = 0; i < WIDE; i++) q->at[2][i] = lower[2 * i], q->at[3][i] = lower[2 * i + 1];
}

static inline void put_together(const quads *q, float *restrict upper, float *restrict lower)
{
    for (int i = 0; i < WIDE; i++) upper[2 * i] = q->at[0][i], upper[2 * i + 1] = q->at[1][i];
    for (int i = 0; i < WIDE; i++) lower[2 * i] = q->at[2][i], lower[2 * i + 1] = q->at[3][i];
}

static inline void halve(const float *restrict upper, const float *restrict lower, float *restrict y)
{
    quads q;
    take_apart(upper, lower, &q);
    for (int i = 0; i < WIDE; i++) {
        float m = q.at[0][i];
        m = is_larger(q.at[1][i], m) ? q.at[1][i] : m;
        m = is_larger(q.at[2][i], m) ? q.at[2][i] : m;
        y[i] = is_larger(q.at[3][i], m) ? q.at[3][i] : m;
    }
}

/* The last number that was larger than all before it takes dy. */
static inline void spread(const float *restrict upper, const float *restrict lower, const float *restrict dy, quads *d)
{
    quads q;
    take_apart(upper, lower, &q);
    for (int i = 0; i < WIDE; i++) {
        float m = q.at[0][i], left = dy[i];
        const bool first = is_larger(q.at[1][i], m);
        m = first ? q.at[1][i] : m;
        const bool second = is_larger(q.at[2][i], m);
        m = second ? q.at[2][i] : m;
        const bool third = is_larger(q.at[3][i], m);
        d->at[3][i] = third ? left : 0.0f;
        left = third ? 0.0f : left;
        d->at[2][i] = second ? left : 0.0f;
        left = second ? 0.0f : left;
        d->at[1][i] = first ? left : 0.0f;
        d->at[0][i] = first ? 0.0f : left;
    }
}

LS_MULTIVERSION
static void halve_rows(int64_t n, int64_t width, const float *restrict x, float *restrict y)
{
    for (int64_t r = 0; r < n; r++, x += 4 * width, y += width)
        for (int64_t i = 0; i < width; i += WIDE) halve(x + 2 * i, x + 2 * (width + i), y + i);
}

/* From right to left, and the upper row of dx first: what it writes over its end is the beginning of the lower. */
LS_MULTIVERSION
static void spread_rows(int64_t n, int64_t width, const float *restrict x, const float *restrict dy, float *restrict dx)
{
    for (int64_t r = 0; r < n; r++, x += 4 * width, dy += width, dx += 4 * width)
        for (int64_t i = (width - 1) / WIDE * WIDE; i >= 0; i -= WIDE) {
            float upper[2 * WIDE], lower[2 * WIDE];
            quads d;
            spread(x + 2 * i, x + 2 * (width + i), dy + i, &d);
            put_together(&d, upper, lower);
            memcpy(dx + 2 * i, upper, sizeof upper);
            memcpy(dx + 2 * (width + i), lower, sizeof lower);
        }
}

/* Output rows that the fast path takes, of n: those with so many behind them that what runs over their end stays
 * inside.
 */
static int64_t count_fast(const maxpool_options *o, int64_t n)
{
    const ls_sliding *w = &o->window;
    const int64_t behind = (WIDE - 1) / w->out[1] + 1;
    return o->is_half && w->in[0] % 2 == 0 && w->in[1] % 2 == 0 && n > behind ? n - behind : 0;
}

static void maxpool_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const maxpool_options *o = l->options;
    const ls_sliding *w = &o->window;
    const int64_t n = pass->n_rows * l->in.dim[0] * w->out[0], n_fast = count_fast(o, n);
    halve_rows(n_fast, w->out[1], x, y);
    for (int64_t r = n_fast; r < n; r++) {
        const float *image = x + r / w->out[0] * w->in[0] * w->in[1];
        for (int64_t c = 0; c < w->out[1]; c++) y[r * w->out[1] + c] = image[find_largest(w, image, r % w->out[0], c)];
    }
}

static void maxpool_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)y;
    const maxpool_options *o = l->options;
    const ls_sliding *w = &o->window;
    const int64_t n = pass->n_rows * l->in.dim[0] * w->out[0], n_fast = count_fast(o, n);
    const int64_t done = n_fast * 4 * w->out[1];
    if (dx == NULL) return;
    spread_rows(n_fast, w->out[1], x, dy, dx);
    memset(dx + done, 0, (size_t)(pass->n_rows * l->n_in - done) * sizeof *dx);
    for (int64_t r = n_fast; r < n; r++) {
        const int64_t image = r / w->out[0] * w->in[0] * w->in[1];
        for (int64_t c = 0; c < w->out[1]; c++)
            dx[image + find_largest(w, x + image, r % w->out[0], c)] += dy[r * w->out[1] + c];
    }
}

const ls_layer_ops ls__layer_maxpool = {.name = "maxpool",
                                        .help = "largest number of each window, per channel",
                                        .options = maxpool_table,
                                        .options_size = sizeof(maxpool_options),
                                        .shorthand = "kernel",
                                        .plan = maxpool_plan,
                                        .forward = maxpool_forward,
                                        .backward = maxpool_backward};
