/* The image mirrored, left for right, with probability p.  Source: torchvision's RandomHorizontalFlip. */
#include "data/augment.h"

typedef struct flip_options {
    double p;
} flip_options;

static const ls_option flip_table[] = {{.key = "p",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(flip_options, p),
                                        .fallback = "0.5",
                                        .min = 0,
                                        .max = 1,
                                        .help = "probability that an image is mirrored"},
                                       {0}};

static void reverse(float *line, int64_t n)
{
    for (int64_t x = 0; x < n / 2; x++) {
        const float left = line[x];
        line[x] = line[n - 1 - x];
        line[n - 1 - x] = left;
    }
}

static void flip_apply(const void *options, const ls_image *image, const uint32_t words[LS_AUGMENT_WORDS], float *row)
{
    const uint64_t flip_below = (uint64_t)(((const flip_options *)options)->p * 4294967296.0);
    if (words[0] >= flip_below) return;
    for (int64_t y = 0; y < image->channels * image->height; y++) reverse(row + y * image->width, image->width);
}

const ls_augment_ops ls__augment_random_flip = {.name = "random_flip",
                                                .help = "mirrors the image, left for right, at random",
                                                .options = flip_table,
                                                .options_size = sizeof(flip_options),
                                                .shorthand = "p",
                                                .apply = flip_apply};
