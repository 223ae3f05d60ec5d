#include "model/norm.h"

#include <math.h>

#include "math/channels.h"

void ls__norm_plan(ls_layer *layer, const ls_shape *weight, bool affine)
{
    layer->out = layer->in;
    layer->n_tensors = affine ? 2 : 0;
    for (int t = 0; t < layer->n_tensors; t++) {
        ls_tensor *tensor = &layer->tensor[t];
        *tensor =
            (ls_tensor){.name = "weight", .n_dim = weight->n_dim, .is_norm = true, .init = {LS_INIT_CONSTANT, 1.0}};
        for (int i = 0; i < weight->n_dim; i++) tensor->dim[i] = weight->dim[i];
    }
    if (affine) {
        const ls_tensor *w = &layer->tensor[0];
        layer->tensor[1] = (ls_tensor){.name = "bias", .n_dim = w->n_dim, .is_norm = true, .is_bias = true};
        for (int i = 0; i < w->n_dim; i++) layer->tensor[1].dim[i] = w->dim[i];
    }
}

/* The layer at work: its geometry, parameters and scratch. */
typedef struct norm {
    ls_channels row;          /* one */
    int64_t groups, in_group; /* channels of one */
    double eps;
    const float *weight, *bias;           /* NULL: 1, 0 */
    double *sums;                         /* [2, channels] of one row */
    double *own;                          /* [2, channels] parameter gradients of one run */
    float *centre, *by_dy, *by_x, *shift; /* [channels] */
} norm;

static norm norm_of(const ls_layer *l, const ls_pass *pass, int64_t groups, int64_t span)
{
    const int64_t channels = l->n_in / span;
    norm n = {.row = {1, channels, span},
              .groups = groups,
              .in_group = channels / groups,
              .eps = ((const ls_norm_options *)l->options)->eps};
    if (l->n_tensors > 0) {
        n.weight = pass->params + l->tensor[0].first;
        n.bias = pass->params + l->tensor[1].first;
    }
    n.sums = (double *)pass->scratch;
    n.own = n.sums + 2 * channels;
    n.centre = (float *)(n.own + 2 * channels);
    n.by_dy = n.centre + channels;
    n.by_x = n.by_dy + channels;
    n.shift = n.by_x + channels;
    return n;
}

typedef struct moments {
    double mean, inverse; /* 1 / sqrt(var + eps) */
} moments;

/* Of group g of a row. */
static moments moments_of(const norm *n, const float *row, int64_t g)
{
    const int64_t size = n->in_group * n->row.span;
    const ls_channels group = {1, 1, size};
    double sum[2];
    ls_channel_sums(&group, row + g * size, row + g * size, sum);
    const double mean = sum[0] / (double)size, var = sum[1] / (double)size - mean * mean;
    return (moments){mean, 1.0 / sqrt((var > 0.0 ? var : 0.0) + n->eps)};
}

static void forward_row(const norm *n, const float *x, float *y)
{
    for (int64_t g = 0; g < n->groups; g++) {
        const moments m = moments_of(n, x, g);
        for (int64_t c = g * n->in_group; c < (g + 1) * n->in_group; c++) {
            n->centre[c] = (float)m.mean;
            n->by_x[c] = (float)(n->weight ? m.inverse * (double)n->weight[c] : m.inverse);
            n->shift[c] = n->bias ? n->bias[c] : 0.0f;
        }
    }
    ls_channel_scale(&n->row, x, n->centre, n->by_x, n->shift, y);
}

void ls__norm_forward(const ls_layer *l, const ls_pass *pass, int64_t groups, int64_t span, const float *x, float *y)
{
    const norm n = norm_of(l, pass, groups, span);
    for (int64_t r = 0; r < pass->n_rows; r++) forward_row(&n, x + r * l->n_in, y + r * l->n_in);
}

/* own[c] += sum dy xhat, own[channels + c] += sum dy, of channels [first, end), from the row's sums of dy and dy x */
static void add_own(const norm *n, const moments *m, int64_t first, int64_t end)
{
    const int64_t k = n->row.channels;
    for (int64_t c = first; c < end; c++) {
        n->own[c] += m->inverse * (n->sums[k + c] - m->mean * n->sums[c]);
        n->own[k + c] += n->sums[c];
    }
}

static double weighed(const norm *n, const double *sums, int64_t first)
{
    if (n->weight != NULL) return ls_channel_dot(n->in_group, n->weight + first, sums + first);
    double sum = 0.0;
    for (int64_t c = first; c < first + n->in_group; c++) sum += sums[c];
    return sum;
}

/* With g = w dy and N numbers in the group: dx = inverse (g - mean(g) - xhat mean(g xhat)). */
static void gradient_of_group(const norm *n, const moments *m, int64_t first)
{
    const double size = (double)(n->in_group * n->row.span);
    const double g = weighed(n, n->sums, first), gx = weighed(n, n->sums + n->row.channels, first);
    const double mean_g = g / size, mean_gx = m->inverse * (gx - m->mean * g) / size;
    for (int64_t c = first; c < first + n->in_group; c++) {
        n->centre[c] = (float)m->mean;
        n->by_dy[c] = (float)(n->weight ? m->inverse * (double)n->weight[c] : m->inverse);
        n->by_x[c] = (float)(-m->inverse * m->inverse * mean_gx);
        n->shift[c] = (float)(-m->inverse * mean_g);
    }
}

static void backward_row(const norm *n, const float *x, const float *dy, float *dx)
{
    const ls_channel_slopes slopes = {n->centre, n->by_dy, n->by_x, n->shift};
    ls_channel_sums(&n->row, dy, x, n->sums);
    for (int64_t g = 0; g < n->groups; g++) {
        const int64_t first = g * n->in_group;
        const moments m = moments_of(n, x, g);
        if (n->weight != NULL) add_own(n, &m, first, first + n->in_group);
        if (dx != NULL) gradient_of_group(n, &m, first);
    }
    if (dx != NULL) ls_channel_gradient(&n->row, &slopes, x, dy, dx);
}

/* The run's own sum, added once: as a matrix product with beta 1 adds it. */
static void add_gradients(const ls_layer *l, const norm *n, bool fresh, float *grad)
{
    for (int t = 0; t < 2; t++) {
        float *g = grad + l->tensor[t].first;
        const double *own = n->own + t * n->row.channels;
        for (int64_t c = 0; c < n->row.channels; c++) g[c] = fresh ? (float)own[c] : g[c] + (float)own[c];
    }
}

void ls__norm_backward(const ls_layer *l, const ls_pass *pass, int64_t groups, int64_t span, const float *x,
                       const float *dy, float *dx)
{
    const norm n = norm_of(l, pass, groups, span);
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++) {
        for (int64_t c = 0; c < 2 * n.row.channels; c++) n.own[c] = 0.0;
        for (int64_t r = run->first; r < run->first + run->n; r++)
            backward_row(&n, x + r * l->n_in, dy + r * l->n_in, dx ? dx + r * l->n_in : NULL);
        if (l->n_tensors > 0 && pass->grad != NULL) add_gradients(l, &n, run->fresh, pass->grad[run->leaf]);
    }
}
