/* Convolution, as in PyTorch a cross-correlation:
 *   y[o, p] = b[o] + sum over (c, kh, kw) of W[o, c, kh, kw] x[c, p * stride - before + (kh, kw) * dilation]
 * per image and group by the products of unfold.h.  Work goes image by image, so a row's bits depend on that row alone;
 * weight gradients of a run add up in scratch, image after image, and go into the leaf at once. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "math/blas.h"
#include "math/vec.h"
#include "model/init.h"
#include "model/registry.h"
#include "model/unfold.h"

typedef struct conv_options {
    int64_t filters, groups;
    const ls_node *kernel, *stride, *padding, *dilation;
    bool bias;
    const char *init;
    ls_unfold unfold;   /* of one group, from here on set by plan */
    int64_t group_out;  /* filters of a group */
    int64_t n_taps;     /* weights of a filter */
    int64_t n_weights;  /* of a group: group_out * n_taps */
    int64_t image_size; /* numbers of a group's input */
} conv_options;

static const ls_option conv_table[] = {
    {.key = "filters",
     .kind = LS_OPTION_INT,
     .offset = offsetof(conv_options, filters),
     .min = 1,
     .max = INT_MAX,
     .help = "output channels"},
    {.key = "kernel",
     .kind = LS_OPTION_NODE,
     .choices = ls__pair_forms,
     .offset = offsetof(conv_options, kernel),
     .help = "pixels"},
    {.key = "stride",
     .kind = LS_OPTION_NODE,
     .choices = ls__pair_forms,
     .offset = offsetof(conv_options, stride),
     .fallback = "1",
     .help = "pixels from one window to the next"},
    {.key = "padding",
     .kind = LS_OPTION_NODE,
     .choices = ls__padding_forms,
     .offset = offsetof(conv_options, padding),
     .fallback = "0",
     .help = "zeros around the image; valid: none, same: so many that the image keeps its size"},
    {.key = "dilation",
     .kind = LS_OPTION_NODE,
     .choices = ls__pair_forms,
     .offset = offsetof(conv_options, dilation),
     .fallback = "1",
     .help = "pixels from one number of the kernel to the next"},
    {.key = "groups",
     .kind = LS_OPTION_INT,
     .offset = offsetof(conv_options, groups),
     .fallback = "1",
     .min = 1,
     .max = INT_MAX,
     .help = "groups of channels that do not see each other"},
    {.key = "bias",
     .kind = LS_OPTION_BOOL,
     .offset = offsetof(conv_options, bias),
     .fallback = "true",
     .help = "add a bias to every output channel"},
    LS_INIT_OPTION(conv_options),
    {0}};

static ls_status plan_window(const conv_options *o, const ls_shape *in, ls_sliding *w)
{
    LS_TRY(ls__read_pair(o->kernel, "kernel", 1, w->kernel));
    LS_TRY(ls__read_pair(o->stride, "stride", 1, w->stride));
    LS_TRY(ls__read_pair(o->dilation, "dilation", 1, w->dilation));
    LS_TRY(ls__read_padding(o->padding, w));
    LS_TRY(ls__window_fit(w, in));
    LS_REQUIRE(in->dim[0] % o->groups == 0 && o->filters % o->groups == 0, LS_EUSAGE,
               "%lld input channels and %lld filters must both be divisible by %lld groups", (long long)in->dim[0],
               (long long)o->filters, (long long)o->groups);
    return LS_OK;
}

/* Buffers of a call, one behind the other. */
typedef struct work {
    float *u, *padded;
    float *w;       /* [groups][n_taps, group_out], or [groups][group_out, n_taps] for backward */
    float *dw, *db; /* of a run: [groups][n_taps, group_out]; [filters] */
} work;

static int64_t lay_out(const conv_options *o, float *at, work *b)
{
    const int64_t u = ls_pad_floats(ls__unfold_floats(&o->unfold)),
                  padded = ls_pad_floats(ls__unfold_padded_floats(&o->unfold)),
                  weights = ls_pad_floats(o->groups * o->n_weights), biases = ls_pad_floats(o->filters);
    if (b != NULL)
        *b = (work){.u = at,
                    .padded = at + u,
                    .w = at + u + padded,
                    .dw = at + u + padded + weights,
                    .db = at + u + padded + 2 * weights};
    return u + padded + 2 * weights + biases;
}

static ls_status conv_plan(ls_layer *layer)
{
    conv_options *o = layer->options;
    ls_sliding w = {.before = {0}};
    LS_TRY(plan_window(o, &layer->in, &w));
    const int64_t channels = layer->in.dim[0] / o->groups;
    int64_t taps, all;
    LS_REQUIRE(ls_mul_i64(w.kernel[0] * w.kernel[1], channels, &taps) &&
                   ls_mul_i64(taps, ls__window_pixels(&w), &all) && all <= INT_MAX,
               LS_EUSAGE, "an unfolded image of more than 2^31 numbers");
    LS_REQUIRE(ls_mul_i64(taps, o->filters, &all) && all <= INT_MAX, LS_EUSAGE, "more than 2^31 weights");
    ls__unfold_plan(&w, channels, &o->unfold);
    LS_REQUIRE(ls__unfold_floats(&o->unfold) <= INT_MAX && ls__unfold_padded_floats(&o->unfold) <= INT_MAX, LS_EUSAGE,
               "an unfolded image of more than 2^31 numbers");
    o->group_out = o->filters / o->groups;
    o->n_taps = taps;
    o->n_weights = o->group_out * o->n_taps;
    o->image_size = layer->n_in / o->groups;
    layer->out = (ls_shape){.n_dim = 3, .dim = {o->filters, w.out[0], w.out[1]}};
    layer->tensor[0] =
        (ls_tensor){.name = "weight", .n_dim = 4, .dim = {o->filters, channels, w.kernel[0], w.kernel[1]}};
    LS_TRY(ls__init_resolve(o->init, layer->feeds_relu, o->n_taps, o->filters * taps, &layer->tensor[0].init));
    layer->tensor[1] = (ls_tensor){.name = "bias", .n_dim = 1, .dim = {o->filters}, .is_bias = true};
    layer->n_tensors = o->bias ? 2 : 1;
    layer->scratch_floats = lay_out(o, NULL, NULL);
    layer->multiply_adds = o->filters * o->n_taps * ls__window_pixels(&w);
    return LS_OK;
}

/* Where tap (t of the kernel, c) of filter f stands in ours: tap k = (kh, kw, c) of a group's filter o is at
 * o * by_o + k * by_k of its group.  PyTorch's order is (f, c, t). */
typedef struct order {
    int64_t by_o, by_k;
} order;

static int64_t ours_at(const conv_options *o, order by, int64_t f, int64_t c, int64_t t)
{
    return f / o->group_out * o->n_weights + f % o->group_out * by.by_o + (t * o->unfold.channels + c) * by.by_k;
}

static void reorder_weights(const conv_options *o, order by, const float *torch, float *ours)
{
    const int64_t channels = o->unfold.channels, taps = o->n_taps / channels;
    for (int64_t f = 0; f < o->filters; f++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t t = 0; t < taps; t++) ours[ours_at(o, by, f, c, t)] = *torch++;
}

/* A run's gradient into its leaf, = when fresh, else += */
static void give_weights(const conv_options *o, order by, const float *ours, bool fresh, float *torch)
{
    const int64_t channels = o->unfold.channels, taps = o->n_taps / channels;
    for (int64_t f = 0; f < o->filters; f++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t t = 0; t < taps; t++, torch++) {
                const float value = ours[ours_at(o, by, f, c, t)];
                *torch = fresh ? value : *torch + value;
            }
}

/* Y[o, p] += W'[k, o]^T U[k, p], over the steps of the unfolding and pieces of k */
static void multiply_forward(const conv_options *o, const float *w, const float *u, float *y)
{
    const ls_unfold *f = &o->unfold;
    const int64_t n = ls__window_pixels(&f->window), most = ls_gemm_piece(f->n_k, o->group_out * n);
    for (int64_t s = 0; s < f->n_steps; s++)
        for (int64_t k = 0; k < f->n_k; k += most)
            ls_gemm(o->group_out, n, f->n_k - k < most ? f->n_k - k : most,
                    (ls_matrix){w + (s * f->n_k + k) * o->group_out, o->group_out, true},
                    (ls_matrix){u + k * f->stride + ls__unfold_at(f, s), f->stride, false}, 1.0f, y, n);
}

/* dU[k, p] = W''[o, k]^T dY[o, p], or += where a row of u is more than one product's pixels */
static void multiply_input(const conv_options *o, const float *w, const float *dy, float *du)
{
    const ls_unfold *f = &o->unfold;
    const int64_t n = ls__window_pixels(&f->window), most = ls_gemm_piece(f->n_k, o->group_out * n);
    const bool adds = f->stride != n;
    if (adds) memset(du, 0, (size_t)(f->n_k * f->stride) * sizeof *du);
    for (int64_t s = 0; s < f->n_steps; s++)
        for (int64_t k = 0; k < f->n_k; k += most)
            ls_gemm(f->n_k - k < most ? f->n_k - k : most, n, o->group_out,
                    (ls_matrix){w + s * f->n_k + k, o->n_taps, true}, (ls_matrix){dy, n, false}, adds ? 1.0f : 0.0f,
                    du + k * f->stride + ls__unfold_at(f, s), f->stride);
}

/* dW'[k, o] = (first image) or += U[k, p] dY[o, p]^T */
static void multiply_weights(const conv_options *o, const float *u, const float *dy, float beta, float *dw)
{
    const ls_unfold *f = &o->unfold;
    const int64_t n = ls__window_pixels(&f->window);
    for (int64_t s = 0; s < f->n_steps; s++)
        ls_gemm(f->n_k, o->group_out, n, (ls_matrix){u + ls__unfold_at(f, s), f->stride, false},
                (ls_matrix){dy, n, true}, beta, dw + s * f->n_k * o->group_out, o->group_out);
}

static const float *unfolded(const conv_options *o, const float *image, const work *b)
{
    if (o->unfold.nothing_to_do) return image;
    ls__unfold(&o->unfold, image, b->padded, b->u);
    return b->u;
}

static work begin(const ls_layer *l, const ls_pass *pass, bool forward)
{
    const conv_options *o = l->options;
    work b;
    lay_out(o, pass->scratch, &b);
    memset(b.padded, 0, (size_t)ls__unfold_padded_floats(&o->unfold) * sizeof *b.padded);
    const order by = forward ? (order){1, o->group_out} : (order){o->n_taps, 1};
    reorder_weights(o, by, pass->params + l->tensor[0].first, b.w);
    return b;
}

static void fill_bias(const ls_layer *l, const ls_pass *pass, float *y)
{
    const conv_options *o = l->options;
    const int64_t n = ls__window_pixels(&o->unfold.window);
    for (int64_t f = 0; f < o->filters; f++) {
        const float value = o->bias ? pass->params[l->tensor[1].first + f] : 0.0f;
        for (int64_t p = 0; p < n; p++) y[f * n + p] = value;
    }
}

static void conv_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const conv_options *o = l->options;
    const int64_t group_pixels = l->n_out / o->groups;
    if (pass->n_rows == 0) return;
    const work b = begin(l, pass, true);
    for (int64_t r = 0; r < pass->n_rows; r++) {
        fill_bias(l, pass, y + r * l->n_out);
        for (int64_t g = 0; g < o->groups; g++)
            multiply_forward(o, b.w + g * o->n_weights, unfolded(o, x + r * l->n_in + g * o->image_size, &b),
                             y + r * l->n_out + g * group_pixels);
        ls_pass_between(pass);
    }
}

static void add_image(const ls_layer *l, const work *b, const float *x, const float *dy, bool first)
{
    const conv_options *o = l->options;
    const int64_t n = ls__window_pixels(&o->unfold.window);
    for (int64_t g = 0; g < o->groups; g++)
        multiply_weights(o, unfolded(o, x + g * o->image_size, b), dy + g * o->group_out * n, first ? 0.0f : 1.0f,
                         b->dw + g * o->n_weights);
    for (int64_t f = 0; f < o->filters && o->bias; f++) {
        const float sum = ls_vec_sum(n, dy + f * n);
        b->db[f] = first ? sum : b->db[f] + sum;
    }
}

static void add_run(const ls_layer *l, const ls_pass *pass, const ls_run *run, const work *b, const float *x,
                    const float *dy)
{
    const conv_options *o = l->options;
    float *grad = pass->grad[run->leaf];
    for (int64_t r = run->first; r < run->first + run->n; r++) {
        add_image(l, b, x + r * l->n_in, dy + r * l->n_out, r == run->first);
        ls_pass_between(pass);
    }
    give_weights(o, (order){1, o->group_out}, b->dw, run->fresh, grad + l->tensor[0].first);
    for (int64_t f = 0; f < o->filters && o->bias; f++) {
        float *at = grad + l->tensor[1].first + f;
        *at = run->fresh ? b->db[f] : *at + b->db[f];
    }
}

static void conv_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                          float *dx)
{
    (void)y;
    const conv_options *o = l->options;
    const int64_t group_pixels = l->n_out / o->groups;
    if (pass->n_rows == 0) return;
    const work b = begin(l, pass, false);
    for (int i = 0; i < pass->n_runs && pass->grad != NULL; i++) add_run(l, pass, &pass->runs[i], &b, x, dy);
    for (int64_t r = 0; r < pass->n_rows && dx != NULL; r++) {
        for (int64_t g = 0; g < o->groups; g++) {
            float *image = dx + r * l->n_in + g * o->image_size;
            float *du = o->unfold.nothing_to_do ? image : b.u;
            multiply_input(o, b.w + g * o->n_weights, dy + r * l->n_out + g * group_pixels, du);
            if (du != image) ls__fold(&o->unfold, du, b.padded, image);
        }
        ls_pass_between(pass);
    }
}

const ls_layer_ops ls__layer_conv = {.name = "conv",
                                     .help = "convolution of an image [channels, height, width]",
                                     .options = conv_table,
                                     .options_size = sizeof(conv_options),
                                     .rows_alone = true,
                                     .plan = conv_plan,
                                     .forward = conv_forward,
                                     .backward = conv_backward};
