/** What a step of augmentation is: one file with static functions and one const table, listed in augment_list.h. */
#ifndef LOCKSTEP_DATA_AUGMENT_H
#define LOCKSTEP_DATA_AUGMENT_H

#include "base/option.h"
#include "lockstep/augment.h"

enum { LS_AUGMENT_WORDS = 4 };

/** Shape of the samples, and one of raw zeros after normalisation. */
typedef struct ls_image {
    int64_t channels, height, width;
    float *black; /* [channels, height, width] */
} ls_image;

typedef struct ls_augment_ops {
    const char *name, *help;
    const ls_option *options;
    size_t options_size;
    const char *shorthand; /* the option that a single value stands for */
    /** The options fit images of this shape; NULL: they always do.  LS_EUSAGE. */
    ls_status (*check)(const void *options, const ls_image *image);
    /** Changes one image in place, as the random words of this sample in this epoch say. */
    void (*apply)(const void *options, const ls_image *image, const uint32_t words[LS_AUGMENT_WORDS], float *row);
} ls_augment_ops;

/** A number of [0, n), n < 2^31, from a random word; the largest difference of probabilities is 2^-32. */
static inline int64_t ls__augment_below(uint32_t word, int64_t n)
{
    return (int64_t)(((uint64_t)word * (uint64_t)n) >> 32);
}

#define LS_AUGMENT(name) extern const ls_augment_ops ls__augment_##name;
#include "data/augment_list.h"
#undef LS_AUGMENT

#endif
