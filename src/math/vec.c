#include "math/vec.h"

#include <math.h>
#include <stdbool.h>

#include "base/hash.h"

enum { LANES = 16 };

LS_MULTIVERSION
void ls_vec_add(int64_t n, const float *a, const float *b, float *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

/* Columns are summed in strips that stay in registers. */
LS_MULTIVERSION
void ls_vec_column_sums(int64_t n, int64_t k, const float *restrict x, float beta, float *restrict out)
{
    enum { STRIP = 64 };
    for (int64_t first = 0; first < k; first += STRIP) {
        const int width = k - first < STRIP ? (int)(k - first) : STRIP;
        float sum[STRIP] = {0};
        if (width == STRIP)
            for (int64_t r = 0; r < n; r++)
                for (int i = 0; i < STRIP; i++) sum[i] += x[r * k + first + i];
        else
            for (int64_t r = 0; r < n; r++)
                for (int i = 0; i < width; i++) sum[i] += x[r * k + first + i];
        for (int i = 0; i < width; i++) out[first + i] = beta == 0.0f ? sum[i] : out[first + i] + sum[i];
    }
}

LS_MULTIVERSION
float ls_vec_sum(int64_t n, const float *x)
{
    float lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += x[i + j];
    for (int j = 0; i + j < n; j++) lane[j] += x[i + j];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

LS_MULTIVERSION
void ls_vec_relu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

LS_MULTIVERSION
void ls_vec_relu_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

LS_MULTIVERSION
void ls_vec_scale(int64_t n, float factor, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

LS_MULTIVERSION
static void divide(int64_t n, float divisor, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] /= divisor;
}

/* The reciprocal of a power of two is exact, and both operations round the same real number. */
void ls_vec_divide(int64_t n, float divisor, float *x)
{
    int exponent;
    const bool exact = frexpf(divisor, &exponent) == 0.5f && exponent > -100 && exponent < 100;
    if (exact)
        ls_vec_scale(n, 1.0f / divisor, x);
    else
        divide(n, divisor, x);
}

LS_MULTIVERSION
void ls_vec_approach(int64_t n, float part, const float *restrict target, float *restrict x)
{
    for (int64_t i = 0; i < n; i++) x[i] += part * (target[i] - x[i]);
}

void ls_vec_swap(int64_t n, float *restrict a, float *restrict b)
{
    for (int64_t i = 0; i < n; i++) {
        const float kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

LS_MULTIVERSION
double ls_vec_sum_squares(int64_t n, const float *x)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (int j = 0; i + j < n; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

uint64_t ls_vec_libm_fingerprint(void)
{
    enum { N = 256, K = 11 };
    double value[N][K];
    for (int i = 0; i < N; i++) {
        const double x = (i - 100) * 0.0731 + 1e-3, positive = (i + 1) * 0.0317;
        const float f = (float)x;
        const double row[K] = {exp(x),         tanh(x),         erf(x),           log(positive),
                               cos(x),         (double)expf(f), (double)tanhf(f), (double)erff(f),
                               sqrt(positive), sin(x),          pow(positive, x)};
        for (int j = 0; j < K; j++) value[i][j] = row[j];
    }
    return ls_hash_bytes(value, sizeof value);
}
