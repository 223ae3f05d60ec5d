/* Each channel is brought to mean 0 and variance 1 over the rows of the batch, or of a shard, then scaled and shifted.
 *
 * Training: y = (x - mean) / sqrt(var + eps) w + b, with mean and biased variance over the N numbers of a channel, and
 *   dx = w / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat)).
 * Both come from two sums each, in double: (x, x^2) and (dy, dy x).  With `statistics: batch` they are added over all
 * shards in tree order, so that N counts the global batch, as PyTorch's BatchNorm on the whole batch in one process;
 * with `statistics: shard` (ghost batch norm) they are those of the shard, a run.
 * Running statistics, of both kinds, move once an iteration by the moments of the whole batch, from the same sums:
 *   running = (1 - momentum) running + momentum (mean, or N / (N - 1) var),
 * as PyTorch's; evaluation uses them.
 * Sources: Ioffe and Szegedy 2015, "Batch normalization"; Hoffer, Hubara, Soudry 2017, "Train longer, generalize
 * better" (ghost batches). */
#include <math.h>
#include <string.h>

#include "math/channels.h"
#include "model/norm.h"

typedef struct batchnorm_options {
    double eps;
    bool affine;
    double momentum;
    int statistics; /* index into statistics_names */
} batchnorm_options;

enum { BATCH, SHARD };
static const char *const statistics_names[] = {"batch", "shard", NULL};

static const ls_option batchnorm_table[] = {
    {.key = "statistics",
     .kind = LS_OPTION_CHOICE,
     .offset = offsetof(batchnorm_options, statistics),
     .fallback = "batch",
     .choices = statistics_names,
     .help = "batch: over the global batch, all ranks together; shard: over the rows of one shard (ghost batch norm)"},
    {.key = "momentum",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(batchnorm_options, momentum),
     .fallback = "0.1",
     .max = 1,
     .help = "weight of the newest batch in the running statistics"},
    LS_NORM_OPTIONS(batchnorm_options),
    {0}};

static ls_status batchnorm_plan(ls_layer *layer)
{
    const batchnorm_options *o = layer->options;
    const ls_shape channels = {.n_dim = 1, .dim = {layer->in.dim[0]}};
    ls__norm_plan(layer, &channels, o->affine);
    layer->buffer[0] = (ls_tensor){.name = "running_mean", .n_dim = 1, .dim = {channels.dim[0]}};
    layer->buffer[1] =
        (ls_tensor){.name = "running_var", .n_dim = 1, .dim = {channels.dim[0]}, .init = {LS_INIT_CONSTANT, 1.0}};
    layer->n_buffers = 2;
    layer->n_sums = 2 * channels.dim[0];
    layer->meets = o->statistics == BATCH;
    layer->scratch_floats = LS_NORM_SCRATCH * channels.dim[0];
    return LS_OK;
}

/* The layer at work: its geometry, parameters and scratch. */
typedef struct work {
    int64_t channels, span;
    double eps;
    const float *weight, *bias;           /* NULL: 1, 0 */
    double *own, *all;                    /* [2, channels] sums of a run, of the batch */
    float *centre, *by_dy, *by_x, *shift; /* [channels] */
} work;

static work work_of(const ls_layer *l, const ls_pass *pass)
{
    const int64_t k = l->in.dim[0];
    work w = {.channels = k, .span = l->n_in / k, .eps = ((const batchnorm_options *)l->options)->eps};
    if (l->n_tensors > 0) {
        w.weight = pass->params + l->tensor[0].first;
        w.bias = pass->params + l->tensor[1].first;
    }
    w.own = (double *)pass->scratch;
    w.all = w.own + 2 * k;
    w.centre = (float *)(w.all + 2 * k);
    w.by_dy = w.centre + k;
    w.by_x = w.by_dy + k;
    w.shift = w.by_x + k;
    return w;
}

static ls_channels rows_of(const work *w, int64_t n)
{
    return (ls_channels){n, w->channels, w->span};
}

typedef struct moments {
    double mean, inverse; /* 1 / sqrt(var + eps) */
} moments;

/* Of channel c, from the sums of x and x^2 over n numbers. */
static moments moments_of(const work *w, const double *sums, int64_t c, double n)
{
    const double mean = sums[c] / n, var = sums[w->channels + c] / n - mean * mean;
    return (moments){mean, 1.0 / sqrt((var > 0.0 ? var : 0.0) + w->eps)};
}

static void set_scale(const work *w, int64_t c, moments m)
{
    w->centre[c] = (float)m.mean;
    w->by_x[c] = (float)(w->weight ? m.inverse * (double)w->weight[c] : m.inverse);
    w->shift[c] = w->bias ? w->bias[c] : 0.0f;
}

/* y of n rows whose moments are those of `sums` over n_summed rows */
static void normalise(const work *w, const double *sums, int64_t n_summed, int64_t n, const float *x, float *y)
{
    const ls_channels rows = rows_of(w, n);
    const double count = (double)(n_summed * w->span);
    for (int64_t c = 0; c < w->channels; c++) set_scale(w, c, moments_of(w, sums, c, count));
    ls_channel_scale(&rows, x, w->centre, w->by_x, w->shift, y);
}

static void evaluate(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const work w = work_of(l, pass);
    const ls_channels rows = rows_of(&w, pass->n_rows);
    const float *mean = pass->buffers + l->buffer[0].first, *var = pass->buffers + l->buffer[1].first;
    for (int64_t c = 0; c < w.channels; c++)
        set_scale(&w, c, (moments){(double)mean[c], 1.0 / sqrt((double)var[c] + w.eps)});
    ls_channel_scale(&rows, x, w.centre, w.by_x, w.shift, y);
}

/* Sums of a run's a and a b into w->own, and added to its leaf's. */
static void add_run(const ls_layer *l, const ls_pass *pass, const work *w, const ls_run *run, const float *a,
                    const float *b)
{
    const ls_channels rows = rows_of(w, run->n);
    double *leaf = pass->sums->leaf[run->leaf] + l->first_sum;
    ls_channel_sums(&rows, a + run->first * l->n_in, b + run->first * l->n_in, w->own);
    for (int64_t i = 0; i < l->n_sums; i++) leaf[i] += w->own[i];
}

static void batchnorm_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    if (!pass->training) {
        evaluate(l, pass, x, y);
        return;
    }
    const work w = work_of(l, pass);
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++) {
        const int64_t at = run->first * l->n_in;
        add_run(l, pass, &w, run, x, x);
        if (!l->meets) normalise(&w, w.own, run->n, run->n, x + at, y + at);
    }
    if (!l->meets) return;
    double *total = pass->sums->total + l->first_sum;
    pass->sums->meet(pass->sums->context, l->first_sum, l->n_sums, total);
    normalise(&w, total, pass->sums->batch_rows, pass->n_rows, x, y);
}

/* dw = sum dy xhat and db = sum dy of the run whose sums of dy and dy x are w->own */
static void add_gradients(const ls_layer *l, const work *w, const double *sums, double count, bool fresh, float *grad)
{
    for (int64_t c = 0; c < w->channels; c++) {
        const moments m = moments_of(w, sums, c, count);
        const float dw = (float)(m.inverse * (w->own[w->channels + c] - m.mean * w->own[c]));
        float *weight = grad + l->tensor[0].first + c, *bias = grad + l->tensor[1].first + c;
        *weight = fresh ? dw : *weight + dw;
        *bias = fresh ? (float)w->own[c] : *bias + (float)w->own[c];
    }
}

/* dx of n rows, from the sums of x and x^2, and of dy and dy x (slopes), over `count` numbers */
static void propagate(const work *w, const double *sums, const double *slopes, double count, int64_t n, const float *x,
                      const float *dy, float *dx)
{
    const ls_channels rows = rows_of(w, n);
    const ls_channel_slopes k = {w->centre, w->by_dy, w->by_x, w->shift};
    for (int64_t c = 0; c < w->channels; c++) {
        const moments m = moments_of(w, sums, c, count);
        const double scale = w->weight ? m.inverse * (double)w->weight[c] : m.inverse;
        const double mean_dy = slopes[c] / count,
                     mean_dyx = m.inverse * (slopes[w->channels + c] - m.mean * slopes[c]) / count;
        w->centre[c] = (float)m.mean;
        w->by_dy[c] = (float)scale;
        w->by_x[c] = (float)(-scale * m.inverse * mean_dyx);
        w->shift[c] = (float)(-scale * mean_dy);
    }
    ls_channel_gradient(&rows, &k, x, dy, dx);
}

/* Of one shard: its sums of x stay in its leaf, for the running statistics. */
static void backward_shard(const ls_layer *l, const ls_pass *pass, const work *w, const ls_run *run, const float *x,
                           const float *dy, float *dx)
{
    const ls_channels rows = rows_of(w, run->n);
    const double *sums = pass->sums->leaf[run->leaf] + l->first_sum, count = (double)(run->n * w->span);
    const int64_t at = run->first * l->n_in;
    ls_channel_sums(&rows, dy + at, x + at, w->own);
    if (l->n_tensors > 0 && pass->grad != NULL) add_gradients(l, w, sums, count, run->fresh, pass->grad[run->leaf]);
    if (dx != NULL) propagate(w, sums, w->own, count, run->n, x + at, dy + at, dx + at);
}

/* Of the batch: its sums of x are in the total, the leaves are free for those of dy. */
static void backward_batch(const ls_layer *l, const ls_pass *pass, const work *w, const float *x, const float *dy,
                           float *dx)
{
    const double *sums = pass->sums->total + l->first_sum, count = (double)(pass->sums->batch_rows * w->span);
    for (int i = 0; i < pass->n_runs; i++)
        memset(pass->sums->leaf[pass->runs[i].leaf] + l->first_sum, 0, (size_t)l->n_sums * sizeof(double));
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++) {
        add_run(l, pass, w, run, dy, x);
        if (l->n_tensors > 0 && pass->grad != NULL) add_gradients(l, w, sums, count, run->fresh, pass->grad[run->leaf]);
    }
    if (dx == NULL) return; /* a first layer, on every rank */
    pass->sums->meet(pass->sums->context, l->first_sum, l->n_sums, w->all);
    propagate(w, sums, w->all, count, pass->n_rows, x, dy, dx);
}

static void batchnorm_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                               float *dx)
{
    (void)y;
    const work w = work_of(l, pass);
    if (l->meets) {
        backward_batch(l, pass, &w, x, dy, dx);
        return;
    }
    for (int i = 0; i < pass->n_runs; i++) backward_shard(l, pass, &w, &pass->runs[i], x, dy, dx);
}

/* In double, rounded once. */
static void batchnorm_finish(const ls_layer *l, const double *total, int64_t batch_rows, float *buffers)
{
    const int64_t k = l->in.dim[0], span = l->n_in / k;
    const double momentum = ((const batchnorm_options *)l->options)->momentum, n = (double)(batch_rows * span);
    float *running_mean = buffers + l->buffer[0].first, *running_var = buffers + l->buffer[1].first;
    for (int64_t c = 0; c < k; c++) {
        const double mean = total[c] / n, var = (total[k + c] - total[c] * mean) / (n - 1.0);
        running_mean[c] = (float)((1.0 - momentum) * (double)running_mean[c] + momentum * mean);
        running_var[c] = (float)((1.0 - momentum) * (double)running_var[c] + momentum * (var > 0.0 ? var : 0.0));
    }
}

const ls_layer_ops ls__layer_batchnorm = {.name = "batchnorm",
                                          .help = "each channel to mean 0 and variance 1 over rows, then y = x w + b",
                                          .options = batchnorm_table,
                                          .options_size = sizeof(batchnorm_options),
                                          .is_norm = true,
                                          .plan = batchnorm_plan,
                                          .forward = batchnorm_forward,
                                          .backward = batchnorm_backward,
                                          .finish = batchnorm_finish};
