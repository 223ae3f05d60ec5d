/* Ends and ticks of an axis. */
#include <math.h>
#include <stdio.h>

#include "study/figure.h"

static const double margin = 0.04; /* of the axis, beyond the outermost values */

static void add_tick(ls_axis *a, double v)
{
    if (a->n_ticks < LS_MAX_TICKS && v >= a->low && v <= a->high) a->tick[a->n_ticks++] = v;
}

/* Multiples of 1, 2 or 5 times a power of ten, at most 8 of them. */
static void linear_ticks(ls_axis *a)
{
    const double raw = (a->high - a->low) / 6, power = pow(10, floor(log10(raw)));
    const double m = raw / power, step = power * (m <= 1.2 ? 1 : m <= 2.6 ? 2 : m <= 6 ? 5 : 10);
    const double first = ceil(a->low / step);
    a->n_ticks = 0;
    for (int i = 0; i < 8; i++) add_tick(a, (first + i) * step);
}

/* Every k-th power of the base, at most 8; *n is how many powers there are. */
static void power_ticks(ls_axis *a, double base, int *n)
{
    const int from = (int)ceil(log(a->low) / log(base) - 1e-9), to = (int)floor(log(a->high) / log(base) + 1e-9);
    *n = to - from + 1;
    a->n_ticks = 0;
    for (int e = from, stride = (*n + 7) / 8; e <= to; e += stride) add_tick(a, pow(base, e));
}

/* 1, 2, 5, 10, ... for less than three decades. */
static void decade_ticks(ls_axis *a)
{
    static const double factor[] = {1, 2, 5};
    const int from = (int)floor(log10(a->low)), to = (int)ceil(log10(a->high));
    a->n_ticks = 0;
    for (int e = from; e <= to; e++)
        for (int i = 0; i < 3; i++) add_tick(a, factor[i] * pow(10, e));
}

static void fit_linear(ls_axis *a, double low, double high, bool from_zero)
{
    const double least = fmax(fabs(low), fabs(high)) * 1e-9; /* a narrower span is noise of the last digits */
    if (high - low <= least) {
        const double half = fmax(fabs(high) * 0.1, 1e-3);
        low -= half;
        high += half;
    }
    if (from_zero) low = 0;
    if (high <= low) high = low + 1;
    a->high = high + margin * (high - low);
    a->low = from_zero ? 0 : low - margin * (high - low);
    linear_ticks(a);
}

static void fit_log(ls_axis *a, double low, double high)
{
    if (high <= low * 1.000001) {
        low /= 2;
        high *= 2;
    }
    const double extra = margin * (log(high) - log(low));
    a->low = exp(log(low) - extra);
    a->high = exp(log(high) + extra);
    int n;
    power_ticks(a, a->scale == LS_LOG2 ? 2 : 10, &n);
    if (a->scale == LS_LOG10 && n < 3) decade_ticks(a);
    if (a->n_ticks < (a->scale == LS_LOG2 ? 2 : 3)) linear_ticks(a);
}

void ls_axis_fit(ls_axis *a, double low, double high, bool from_zero)
{
    if (!(low <= high)) {
        low = 1;
        high = 10;
    }
    if (a->scale == LS_LINEAR)
        fit_linear(a, low, high, from_zero);
    else
        fit_log(a, low, high);
}

double ls_axis_at(const ls_axis *a, double v)
{
    if (!isfinite(v)) return NAN;
    if (a->scale == LS_LINEAR) return (v - a->low) / (a->high - a->low);
    return v > 0 ? (log(v) - log(a->low)) / (log(a->high) - log(a->low)) : NAN;
}

void ls_tick_text(ls_scale scale, double v, char out[LS_TICK_TEXT])
{
    static const struct {
        double from;
        const char *unit;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    const double size = fabs(v);
    const bool written_out = size < 1e4 || size >= 1e15 || (scale == LS_LOG2 && size < 1e6);
    for (int i = 0; i < 3 && !written_out; i++) {
        if (size < units[i].from * (1 - 1e-9)) continue;
        snprintf(out, LS_TICK_TEXT, "%.4g%s", v / units[i].from, units[i].unit);
        return;
    }
    snprintf(out, LS_TICK_TEXT, "%.6g", size < 1e-12 && scale == LS_LINEAR ? 0 : v);
}

void ls_number_text(double value, char out[LS_NUMBER_TEXT])
{
    const double size = fabs(value);
    if (!isfinite(value))
        snprintf(out, LS_NUMBER_TEXT, "–");
    else
        snprintf(out, LS_NUMBER_TEXT, size >= 1000 && size < 1e12 ? "%.0f" : "%.4g", value);
}
