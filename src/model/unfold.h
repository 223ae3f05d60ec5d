/** Unfolding an image for a convolution by matrix products, and its adjoint, folding.
 *
 * Not every window is written out (KH * KW copies of each number): only the shifts along the width are, KW copies.  The
 * rows for kernel row kh are then consecutive rows of pixels of the same buffer, so that a convolution is one product
 * per kernel row.  With few channels these products would be thin, and the kernel rows are written out as well.
 *
 *   u [k, row], k over (kw, c), or (kh, kw, c) when whole; the product of step s reads columns [at(s), at(s) + pixels)
 *
 * Rows of pixels are ordered by (y mod stride, y / stride): consecutive for every kernel row at any stride. */
#ifndef LOCKSTEP_MODEL_UNFOLD_H
#define LOCKSTEP_MODEL_UNFOLD_H

#include "model/window.h"

typedef struct ls_unfold {
    ls_sliding window;
    int64_t channels;
    bool whole;
    bool nothing_to_do; /* 1 x 1, stride 1, no padding: u is the image */
    int64_t pitch;      /* floats of a row of the padded image */
    int64_t n_rows;     /* of the padded image */
    int64_t n_steps;    /* products */
    int64_t n_k;        /* rows of u */
    int64_t stride;     /* floats of a row of u */
} ls_unfold;

/** From a fitted window and the channels of an image, or of a group of them. */
void ls__unfold_plan(const ls_sliding *window, int64_t channels, ls_unfold *plan);

/** Floats of the buffers u and padded. */
int64_t ls__unfold_floats(const ls_unfold *plan);
int64_t ls__unfold_padded_floats(const ls_unfold *plan);

/** First column of u that step `s` reads. */
int64_t ls__unfold_at(const ls_unfold *plan, int64_t s);

/** image [channels, height, width] to u; padded is a working buffer of zeros but for what an earlier unfold left. */
void ls__unfold(const ls_unfold *plan, const float *image, float *padded, float *u);

/** The adjoint: image = sum of the places of u that each of its numbers was copied to, in the order of k. */
void ls__fold(const ls_unfold *plan, const float *u, float *padded, float *image);

#endif
