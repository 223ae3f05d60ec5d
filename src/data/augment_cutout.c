/* A square around a random pixel, of all channels, set to 0, the mean of normalised data; the part of it outside the
 * image is cut off.  Source: T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks with
 * cutout", 2017 (arXiv:1708.04552), section 3.2. */
#include <inttypes.h>
#include <string.h>

#include "data/augment.h"

typedef struct cutout_options {
    int64_t size;
} cutout_options;

static const ls_option cutout_table[] = {{.key = "size",
                                          .kind = LS_OPTION_INT,
                                          .offset = offsetof(cutout_options, size),
                                          .min = 1,
                                          .max = 1e6,
                                          .help = "side of the square in pixels"},
                                         {0}};

static ls_status cutout_check(const void *options, const ls_image *image)
{
    const int64_t size = ((const cutout_options *)options)->size;
    LS_REQUIRE(size <= image->height && size <= image->width, LS_EUSAGE,
               "'size' of cutout is %" PRId64 "; it must be at most the image, %" PRId64 " x %" PRId64, size,
               image->height, image->width);
    return LS_OK;
}

/* The part [*first, *end) of the image's [0, n) that a square around `centre` covers. */
static void cover(int64_t centre, int64_t size, int64_t n, int64_t *first, int64_t *end)
{
    const int64_t from = centre - size / 2, to = from + size;
    *first = from > 0 ? from : 0;
    *end = to < n ? to : n;
}

static void cutout_apply(const void *options, const ls_image *image, const uint32_t words[LS_AUGMENT_WORDS], float *row)
{
    const int64_t size = ((const cutout_options *)options)->size, height = image->height, width = image->width;
    int64_t top, bottom, left, right;
    cover(ls__augment_below(words[0], height), size, height, &top, &bottom);
    cover(ls__augment_below(words[1], width), size, width, &left, &right);
    for (int64_t c = 0; c < image->channels; c++)
        for (int64_t y = top; y < bottom; y++)
            memset(row + (c * height + y) * width + left, 0, (size_t)(right - left) * sizeof *row);
}

const ls_augment_ops ls__augment_cutout = {.name = "cutout",
                                           .help = "sets a square around a random pixel to 0 after normalization",
                                           .options = cutout_table,
                                           .options_size = sizeof(cutout_options),
                                           .shorthand = "size",
                                           .check = cutout_check,
                                           .apply = cutout_apply};
