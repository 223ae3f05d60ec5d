#include "model/unfold.h"

#include <string.h>

#include "math/vec.h"

/* Below so many rows a product is thin. */
enum { THIN = 32 };

void ls__unfold_plan(const ls_sliding *w, int64_t channels, ls_unfold *plan)
{
    bool trivial = true;
    for (int i = 0; i < 2; i++)
        trivial = trivial && w->kernel[i] == 1 && w->stride[i] == 1 && w->before[i] == 0 && w->after[i] == 0;
    const int64_t thin = w->kernel[1] * channels;
    *plan = (ls_unfold){.window = *w, .channels = channels, .nothing_to_do = trivial};
    plan->whole = w->kernel[0] > 1 && thin < THIN;
    plan->n_rows = (w->out[0] - 1) * w->stride[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
    plan->pitch = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    plan->n_steps = plan->whole ? 1 : w->kernel[0];
    plan->n_k = plan->whole ? w->kernel[0] * thin : thin;
    plan->stride = plan->whole ? ls__window_pixels(w) : plan->n_rows * w->out[1];
}

int64_t ls__unfold_floats(const ls_unfold *plan)
{
    return plan->n_k * plan->stride;
}

int64_t ls__unfold_padded_floats(const ls_unfold *plan)
{
    return plan->channels * plan->n_rows * plan->pitch;
}

/* Rows of the padded image with y mod stride below `phase`. */
static int64_t rows_before(const ls_unfold *plan, int64_t phase)
{
    const int64_t stride = plan->window.stride[0];
    return plan->n_rows / stride * phase + (plan->n_rows % stride < phase ? plan->n_rows % stride : phase);
}

int64_t ls__unfold_at(const ls_unfold *plan, int64_t s)
{
    const int64_t y = s * plan->window.dilation[0], stride = plan->window.stride[0];
    return (rows_before(plan, y % stride) + y / stride) * plan->window.out[1];
}

/* Rows y, y + stride, ... of the padded image, as n rows of u from row `first` of the blocks k >= first_k. */
typedef struct band {
    int64_t y, n, first, first_k;
} band;

static int64_t count_bands(const ls_unfold *plan)
{
    return plan->whole ? plan->window.kernel[0] : plan->window.stride[0];
}

/* A band is a kernel row when the unfolding is whole, and a remainder of y mod stride otherwise. */
static band nth_band(const ls_unfold *plan, int64_t i)
{
    const ls_sliding *w = &plan->window;
    if (plan->whole)
        return (band){.y = i * w->dilation[0], .n = w->out[0], .first_k = i * w->kernel[1] * plan->channels};
    const int64_t first = rows_before(plan, i);
    return (band){.y = i, .n = rows_before(plan, i + 1) - first, .first = first};
}

/* Rows of `width` floats.  Short copies of unknown length are slow: chunks of fixed length, the last one ending with
 * the row and so overlapping the one before it. */
LS_MULTIVERSION
static void copy_rows(int64_t n, int64_t width, const float *restrict from, int64_t from_step, float *restrict to,
                      int64_t to_step)
{
    enum { WIDE = 16, NARROW = 8 };
    for (int64_t r = 0; r < n; r++, from += from_step, to += to_step) {
        if (width < NARROW) {
            for (int64_t i = 0; i < width; i++) to[i] = from[i];
        } else if (width < WIDE) {
            memcpy(to, from, NARROW * sizeof *to);
            memcpy(to + width - NARROW, from + width - NARROW, NARROW * sizeof *to);
        } else {
            for (int64_t i = 0; i + WIDE < width; i += WIDE) memcpy(to + i, from + i, WIDE * sizeof *to);
            memcpy(to + width - WIDE, from + width - WIDE, WIDE * sizeof *to);
        }
    }
}

static void gather_rows(int64_t n, int64_t width, int64_t stride, const float *from, int64_t step, float *to)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++) to[r * width + i] = from[r * step + i * stride];
}

LS_MULTIVERSION
static void add_rows(int64_t n, int64_t width, const float *restrict from, float *restrict to, int64_t step)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++) to[r * step + i] += from[r * width + i];
}

static void scatter_rows(int64_t n, int64_t width, int64_t stride, const float *from, float *to, int64_t step)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++) to[r * step + i * stride] += from[r * width + i];
}

/* Rows and columns of the image that the padded image has room for, and where they begin in it. */
typedef struct overlap {
    int64_t padded[2], n[2];
} overlap;

static overlap find_overlap(const ls_unfold *plan)
{
    const ls_sliding *w = &plan->window;
    const int64_t room[2] = {plan->n_rows, plan->pitch};
    overlap o = {.n = {0}};
    for (int i = 0; i < 2; i++) {
        const int64_t room_behind = room[i] - w->before[i];
        o.padded[i] = w->before[i];
        o.n[i] = room_behind < 0 ? 0 : room_behind < w->in[i] ? room_behind : w->in[i];
    }
    return o;
}

static void pad(const ls_unfold *plan, const float *image, float *padded)
{
    const overlap o = find_overlap(plan);
    const ls_sliding *w = &plan->window;
    for (int64_t c = 0; c < plan->channels; c++)
        copy_rows(o.n[0], o.n[1], image + c * w->in[0] * w->in[1], w->in[1],
                  padded + (c * plan->n_rows + o.padded[0]) * plan->pitch + o.padded[1], plan->pitch);
}

static void crop(const ls_unfold *plan, const float *padded, float *image)
{
    const overlap o = find_overlap(plan);
    const ls_sliding *w = &plan->window;
    if (o.n[0] < w->in[0] || o.n[1] < w->in[1])
        memset(image, 0, (size_t)(plan->channels * w->in[0] * w->in[1]) * sizeof *image);
    for (int64_t c = 0; c < plan->channels; c++)
        copy_rows(o.n[0], o.n[1], padded + (c * plan->n_rows + o.padded[0]) * plan->pitch + o.padded[1], plan->pitch,
                  image + c * w->in[0] * w->in[1], w->in[1]);
}

void ls__unfold(const ls_unfold *plan, const float *image, float *padded, float *u)
{
    const ls_sliding *w = &plan->window;
    const int64_t width = w->out[1], step = w->stride[0] * plan->pitch;
    pad(plan, image, padded);
    for (int64_t b = 0; b < count_bands(plan); b++) {
        const band d = nth_band(plan, b);
        float *to = u + d.first_k * plan->stride + d.first * width;
        for (int64_t kw = 0; kw < w->kernel[1]; kw++)
            for (int64_t c = 0; c < plan->channels; c++, to += plan->stride) {
                const float *from = padded + (c * plan->n_rows + d.y) * plan->pitch + kw * w->dilation[1];
                if (w->stride[1] == 1)
                    copy_rows(d.n, width, from, step, to, width);
                else
                    gather_rows(d.n, width, w->stride[1], from, step, to);
            }
    }
}

void ls__fold(const ls_unfold *plan, const float *u, float *padded, float *image)
{
    const ls_sliding *w = &plan->window;
    const int64_t width = w->out[1], step = w->stride[0] * plan->pitch;
    memset(padded, 0, (size_t)ls__unfold_padded_floats(plan) * sizeof *padded);
    for (int64_t b = 0; b < count_bands(plan); b++) {
        const band d = nth_band(plan, b);
        const float *from = u + d.first_k * plan->stride + d.first * width;
        for (int64_t kw = 0; kw < w->kernel[1]; kw++)
            for (int64_t c = 0; c < plan->channels; c++, from += plan->stride) {
                float *to = padded + (c * plan->n_rows + d.y) * plan->pitch + kw * w->dilation[1];
                if (w->stride[1] == 1)
                    add_rows(d.n, width, from, to, step);
                else
                    scatter_rows(d.n, width, w->stride[1], from, to, step);
            }
    }
    crop(plan, padded, image);
}
