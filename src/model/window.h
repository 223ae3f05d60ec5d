/** Windows that slide over an image: the geometry of convolutions and poolings. */
#ifndef LOCKSTEP_MODEL_WINDOW_H
#define LOCKSTEP_MODEL_WINDOW_H

#include "base/node.h"
#include "lockstep/layer.h"

/** Height before width.  Output (y, x) sees input (y * stride - before + i * dilation, ...), i below kernel. */
typedef struct ls_sliding {
    int64_t kernel[2], stride[2], dilation[2];
    int64_t before[2], after[2]; /* zeros above and left, below and right */
    int64_t in[2], out[2];       /* pixels */
} ls_sliding;

/** How the options of a window are written, for tables of options. */
extern const char *const ls__pair_forms[], *const ls__padding_forms[];

/** Reads a whole number or a list [height, width], each at least `min`, into pair.  LS_EUSAGE with place and key. */
ls_status ls__read_pair(const ls_node *node, const char *key, int64_t min, int64_t pair[2]);

/** Reads `same`, `valid`, a number or [height, width] into before and after; `same` halves kernel - 1, its odd zero
 *  goes behind, and needs stride 1, as in PyTorch.  kernel, stride and dilation must be set.  LS_EUSAGE. */
ls_status ls__read_padding(const ls_node *node, ls_sliding *window);

/** Fills in and out for an image of shape [channels, height, width].  LS_EUSAGE with both shapes, when the input is no
 *  image or the kernel is larger than the padded image. */
ls_status ls__window_fit(ls_sliding *window, const ls_shape *image);

/** The same for a pooling: stride NULL is the kernel's, padding is at most half the kernel.  Sets all of the window. */
ls_status ls__pool_fit(const ls_node *kernel, const ls_node *stride, const ls_node *padding, const ls_shape *image,
                       ls_sliding *window);

typedef struct ls_extent {
    int64_t first, end;
} ls_extent;

/** Rows (axis 0) or columns (axis 1) of the image that output row or column `at` sees, without padding; dilation 1. */
static inline ls_extent ls__window_span(const ls_sliding *w, int axis, int64_t at)
{
    const int64_t first = at * w->stride[axis] - w->before[axis], end = first + w->kernel[axis];
    return (ls_extent){first > 0 ? first : 0, end < w->in[axis] ? end : w->in[axis]};
}

/** Pixels of the output. */
static inline int64_t ls__window_pixels(const ls_sliding *window)
{
    return window->out[0] * window->out[1];
}

#endif
