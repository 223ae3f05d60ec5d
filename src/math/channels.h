/** Kernels over rows of channels, for the normalising layers: x [n, channels, span], a channel's span lying together.
 *
 * Sums are in double with a fixed structure of lanes, so that their bits depend on the numbers alone (P2): with span 1
 * a channel adds its rows one after the other; else lane j of 8 adds elements j, j + 8, ... of the span, row after row,
 * and the lanes are added by halves.  A variance as the difference of two such sums, E[x^2] - E[x]^2, loses a part
 * (m / s)^2 2^-53 of itself, with m the mean and s the deviation: less than the rounding of x to float did, which is
 * about (m / s)^2 2^-50.  Not collective, not fallible. */
#ifndef LOCKSTEP_MATH_CHANNELS_H
#define LOCKSTEP_MATH_CHANNELS_H

#include <stdint.h>

/** The layout of n rows. */
typedef struct ls_channels {
    int64_t n, channels, span;
} ls_channels;

/** sum[c] = sums of a, and sum[channels + c] = sums of a b, over all rows and the span of channel c. */
void ls_channel_sums(const ls_channels *rows, const float *a, const float *b, double *sum);

/** y = (x - centre[c]) scale[c] + shift[c]; y may be x. */
void ls_channel_scale(const ls_channels *rows, const float *x, const float *centre, const float *scale,
                      const float *shift, float *y);

/** Coefficients of a gradient, one of each for every channel. */
typedef struct ls_channel_slopes {
    const float *centre, *dy, *x, *shift;
} ls_channel_slopes;

/** dx = of.dy[c] dy + of.x[c] (x - of.centre[c]) + of.shift[c] */
void ls_channel_gradient(const ls_channels *rows, const ls_channel_slopes *of, const float *x, const float *dy,
                         float *dx);

/** Sums of w v over n in double, 8 lanes. */
double ls_channel_dot(int64_t n, const float *w, const double *v);

#endif
