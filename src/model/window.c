#include "model/window.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/option.h"

enum { MAX_EXTENT = 1 << 20 }; /* of a kernel, stride, dilation or padding: products with it fit easily */

const char *const ls__pair_forms[] = {"integer", "[height, width]", NULL};
const char *const ls__padding_forms[] = {"same", "valid", "integer", "[height, width]", NULL};

ls_status ls__read_pair(const ls_node *node, const char *key, int64_t min, int64_t pair[2])
{
    char place[256];
    double value[2];
    int64_t n;
    LS_TRY(ls_reals_read(node, key, 2, value, &n));
    bool good = n > 0;
    for (int i = 0; i < n; i++) good = good && value[i] == floor(value[i]) && value[i] >= (double)min;
    for (int i = 0; i < n; i++) good = good && value[i] <= MAX_EXTENT;
    LS_REQUIRE(good, LS_EUSAGE, "%s: '%s' must be a whole number from %" PRId64 " to %d, or [height, width] of such",
               node != NULL ? ls_node_place(node, place, sizeof place) : "model", key, min, MAX_EXTENT);
    for (int i = 0; i < 2; i++) pair[i] = (int64_t)value[n == 2 ? i : 0];
    return LS_OK;
}

/* As much as the kernel takes away. */
static ls_status pad_same(ls_sliding *w)
{
    LS_REQUIRE(w->stride[0] == 1 && w->stride[1] == 1, LS_EUSAGE, "'padding: same' needs stride 1; give a number");
    for (int i = 0; i < 2; i++) {
        const int64_t zeros = w->dilation[i] * (w->kernel[i] - 1);
        w->before[i] = zeros / 2;
        w->after[i] = zeros - w->before[i];
    }
    return LS_OK;
}

ls_status ls__read_padding(const ls_node *node, ls_sliding *w)
{
    char place[256];
    double number;
    const bool is_word = node != NULL && node->kind == LS_NODE_SCALAR && !ls_node_real(node, &number);
    if (is_word && strcmp(node->text, "same") == 0) return pad_same(w);
    const bool is_valid = is_word && strcmp(node->text, "valid") == 0;
    LS_REQUIRE(!is_word || is_valid, LS_EUSAGE, "%s: 'padding' must be same, valid, a whole number or [height, width]",
               ls_node_place(node, place, sizeof place));
    if (!is_valid) LS_TRY(ls__read_pair(node, "padding", 0, w->before));
    memcpy(w->after, w->before, sizeof w->after);
    return LS_OK;
}

ls_status ls__window_fit(ls_sliding *w, const ls_shape *image)
{
    int64_t padded[2], reach[2];
    LS_REQUIRE(image->n_dim == 3, LS_EUSAGE, "the input must be an image, [channels, height, width]");
    for (int i = 0; i < 2; i++) {
        w->in[i] = image->dim[1 + i];
        padded[i] = w->before[i] + w->in[i] + w->after[i];
        reach[i] = w->dilation[i] * (w->kernel[i] - 1) + 1;
        w->out[i] = (padded[i] - reach[i]) / w->stride[i] + 1;
    }
    LS_REQUIRE(reach[0] <= padded[0] && reach[1] <= padded[1], LS_EUSAGE,
               "the kernel, %" PRId64 " x %" PRId64 "%s, is larger than the padded image, %" PRId64 " x %" PRId64,
               reach[0], reach[1], w->dilation[0] > 1 || w->dilation[1] > 1 ? " with its dilation" : "", padded[0],
               padded[1]);
    return LS_OK;
}

ls_status ls__pool_fit(const ls_node *kernel, const ls_node *stride, const ls_node *padding, const ls_shape *image,
                       ls_sliding *w)
{
    *w = (ls_sliding){.dilation = {1, 1}};
    LS_TRY(ls__read_pair(kernel, "kernel", 1, w->kernel));
    LS_TRY(ls__read_pair(stride != NULL ? stride : kernel, "stride", 1, w->stride));
    LS_TRY(ls__read_pair(padding, "padding", 0, w->before));
    LS_REQUIRE(2 * w->before[0] <= w->kernel[0] && 2 * w->before[1] <= w->kernel[1], LS_EUSAGE,
               "'padding' must be at most half the kernel");
    memcpy(w->after, w->before, sizeof w->after);
    return ls__window_fit(w, image);
}
