/* The image with a border of `padding` raw zeros, cut to its former size at a random place: a shift by (dy, dx), each
 * uniform in [-padding, padding].  Source: torchvision's RandomCrop(size, padding) before normalisation; He et al.,
 * "Deep residual learning for image recognition", CVPR 2016, section 4.2. */
#include <inttypes.h>
#include <string.h>

#include "data/augment.h"

typedef struct crop_options {
    int64_t padding;
} crop_options;

static const ls_option crop_table[] = {{.key = "padding",
                                        .kind = LS_OPTION_INT,
                                        .offset = offsetof(crop_options, padding),
                                        .min = 1,
                                        .max = 1e6,
                                        .help = "pixels put around the image before it is cut to its size"},
                                       {0}};

static ls_status crop_check(const void *options, const ls_image *image)
{
    const int64_t padding = ((const crop_options *)options)->padding;
    LS_REQUIRE(padding < image->height && padding < image->width, LS_EUSAGE,
               "'padding' of random_crop is %" PRId64 "; it must be smaller than the image, %" PRId64 " x %" PRId64,
               padding, image->height, image->width);
    return LS_OK;
}

/* Columns [first, first + n) of all rows of a plane. */
static void copy_columns(const ls_image *image, int64_t first, int64_t n, const float *black, float *plane)
{
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = first; x < first + n; x++) plane[y * image->width + x] = black[y * image->width + x];
}

/* plane[y, x] = plane[y + dy, x + dx]: one move for all rows brings pixels across the left or right edge into the
 * columns that are then overwritten, as are the rows that nothing was moved to. */
static void shift_plane(const ls_image *image, int64_t dy, int64_t dx, const float *black, float *plane)
{
    const int64_t height = image->height, width = image->width, n = height * width, by = dy * width + dx;
    if (by > 0) memmove(plane, plane + by, (size_t)(n - by) * sizeof *plane);
    if (by < 0) memmove(plane - by, plane, (size_t)(n + by) * sizeof *plane);
    if (dy > 0) memcpy(plane + n - dy * width, black + n - dy * width, (size_t)(dy * width) * sizeof *plane);
    if (dy < 0) memcpy(plane, black, (size_t)(-dy * width) * sizeof *plane);
    copy_columns(image, dx > 0 ? width - dx : 0, dx > 0 ? dx : -dx, black, plane);
}

static void crop_apply(const void *options, const ls_image *image, const uint32_t words[LS_AUGMENT_WORDS], float *row)
{
    const int64_t padding = ((const crop_options *)options)->padding, plane = image->height * image->width;
    const int64_t dy = ls__augment_below(words[0], 2 * padding + 1) - padding;
    const int64_t dx = ls__augment_below(words[1], 2 * padding + 1) - padding;
    for (int64_t c = 0; c < image->channels; c++) shift_plane(image, dy, dx, image->black + c * plane, row + c * plane);
}

const ls_augment_ops ls__augment_random_crop = {.name = "random_crop",
                                                .help = "pads the image with raw zeros and cuts it at a random place",
                                                .options = crop_table,
                                                .options_size = sizeof(crop_options),
                                                .shorthand = "padding",
                                                .check = crop_check,
                                                .apply = crop_apply};
