#include "math/channels.h"

#include "math/vec.h"

enum { LANES = 8, STRIP = 16 };

static double add_lanes(double *lane)
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

/* Span 1: columns are summed in strips that stay in registers. */
LS_MULTIVERSION
static void sum_columns(int64_t n, int64_t k, const float *restrict a, const float *restrict b, double *restrict sum)
{
    for (int64_t first = 0; first < k; first += STRIP) {
        const int width = k - first < STRIP ? (int)(k - first) : STRIP;
        double s[STRIP] = {0}, p[STRIP] = {0};
        for (int64_t r = 0; r < n; r++) {
            const float *ar = a + r * k + first, *br = b + r * k + first;
            if (width == STRIP)
                for (int i = 0; i < STRIP; i++) s[i] += (double)ar[i], p[i] += (double)ar[i] * (double)br[i];
            else
                for (int i = 0; i < width; i++) s[i] += (double)ar[i], p[i] += (double)ar[i] * (double)br[i];
        }
        for (int i = 0; i < width; i++) sum[first + i] = s[i], sum[k + first + i] = p[i];
    }
}

LS_MULTIVERSION
static void add_span(int64_t n, const float *restrict a, const float *restrict b, double *restrict s,
                     double *restrict p)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += (double)a[i + j], p[j] += (double)a[i + j] * (double)b[i + j];
    for (int j = 0; i + j < n; j++) s[j] += (double)a[i + j], p[j] += (double)a[i + j] * (double)b[i + j];
}

void ls_channel_sums(const ls_channels *rows, const float *a, const float *b, double *sum)
{
    const int64_t k = rows->channels, span = rows->span;
    if (span == 1) {
        sum_columns(rows->n, k, a, b, sum);
        return;
    }
    for (int64_t c = 0; c < k; c++) {
        double s[LANES] = {0}, p[LANES] = {0};
        for (int64_t r = 0; r < rows->n; r++) add_span(span, a + (r * k + c) * span, b + (r * k + c) * span, s, p);
        sum[c] = add_lanes(s);
        sum[k + c] = add_lanes(p);
    }
}

LS_MULTIVERSION
static void scale_columns(int64_t n, int64_t k, const float *x, const float *restrict centre,
                          const float *restrict scale, const float *restrict shift, float *y)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < k; i++) y[r * k + i] = (x[r * k + i] - centre[i]) * scale[i] + shift[i];
}

LS_MULTIVERSION
static void scale_span(int64_t n, const float *x, float centre, float scale, float shift, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - centre) * scale + shift;
}

void ls_channel_scale(const ls_channels *rows, const float *x, const float *centre, const float *scale,
                      const float *shift, float *y)
{
    const int64_t k = rows->channels, span = rows->span;
    if (span == 1) {
        scale_columns(rows->n, k, x, centre, scale, shift, y);
        return;
    }
    for (int64_t i = 0; i < rows->n * k; i++)
        scale_span(span, x + i * span, centre[i % k], scale[i % k], shift[i % k], y + i * span);
}

LS_MULTIVERSION
static void gradient_columns(int64_t n, int64_t k, const ls_channel_slopes *of, const float *restrict x,
                             const float *restrict dy, float *restrict dx)
{
    const float *restrict centre = of->centre, *restrict by_dy = of->dy, *restrict by_x = of->x,
                          *restrict shift = of->shift;
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < k; i++)
            dx[r * k + i] = by_dy[i] * dy[r * k + i] + by_x[i] * (x[r * k + i] - centre[i]) + shift[i];
}

LS_MULTIVERSION
static void gradient_span(int64_t n, float centre, float by_dy, float by_x, float shift, const float *restrict x,
                          const float *restrict dy, float *restrict dx)
{
    for (int64_t i = 0; i < n; i++) dx[i] = by_dy * dy[i] + by_x * (x[i] - centre) + shift;
}

void ls_channel_gradient(const ls_channels *rows, const ls_channel_slopes *of, const float *x, const float *dy,
                         float *dx)
{
    const int64_t k = rows->channels, span = rows->span;
    if (span == 1) {
        gradient_columns(rows->n, k, of, x, dy, dx);
        return;
    }
    for (int64_t i = 0; i < rows->n * k; i++)
        gradient_span(span, of->centre[i % k], of->dy[i % k], of->x[i % k], of->shift[i % k], x + i * span,
                      dy + i * span, dx + i * span);
}

LS_MULTIVERSION
double ls_channel_dot(int64_t n, const float *restrict w, const double *restrict v)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += (double)w[i + j] * v[i + j];
    for (int j = 0; i + j < n; j++) lane[j] += (double)w[i + j] * v[i + j];
    return add_lanes(lane);
}
