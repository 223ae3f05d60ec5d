#include "study/stats.h"

#include <float.h>
#include <math.h>

enum { MAX_TERMS = 10000, HALVINGS = 200 };

#define FAR          30.0 /* from here the asymptotic series is exact to double */
#define LOG_SQRT_2PI 0.918938533204672741780329736406

static double away_from_zero(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* The continued fraction 1 / (1 + d1 / (1 + d2 / ...)) of the incomplete beta function; converges for x < (a + 1) / (a
 * + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m < MAX_TERMS; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        value *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        value *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return value;
}

/* y = 1 - x, handed in because x may round to 1 */
static double incomplete_beta(double a, double b, double x, double y)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    const double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

double ls__t_two_sided(double t, double df)
{
    const double square = t * t;
    if (isinf(square)) return 0;
    return incomplete_beta(df / 2, 0.5, df / (df + square), square / (df + square));
}

double ls__t95(double df)
{
    if (!(df > 0)) return NAN;
    double low = 1.9, high = 13; /* df = infinity gives 1.96, df = 1 gives 12.71 */
    for (int i = 0; i < HALVINGS && high - low > 4 * DBL_EPSILON; i++) {
        const double middle = (low + high) / 2;
        *(ls__t_two_sided(middle, df) > 0.05 ? &low : &high) = middle;
    }
    return (low + high) / 2;
}

/* z times Mills' ratio: 1 - 1/z^2 + 3/z^4 - 15/z^6 */
static double far_mills(double z)
{
    const double q = 1 / (z * z);
    return 1 - q * (1 - q * (3 - 15 * q));
}

double ls__normal_log_tail(double z)
{
    if (z > FAR) return -z * z / 2 - LOG_SQRT_2PI - log(z) + log(far_mills(z));
    return z < 0 ? log1p(-erfc(-z * M_SQRT1_2) / 2) : log(erfc(z * M_SQRT1_2) / 2);
}

double ls__normal_hazard(double z)
{
    if (z > FAR) return z / far_mills(z);
    return exp(-z * z / 2 - LOG_SQRT_2PI) / (erfc(z * M_SQRT1_2) / 2);
}

double ls__normal_tail_curvature(double z)
{
    if (z > FAR) return 1 - 1 / (z * z) * (1 - 6 / (z * z));
    const double hazard = ls__normal_hazard(z);
    return hazard * (hazard - z);
}

int ls__median_rank(int n, double *coverage)
{
    /* probability of k = rank - 1 heads, and of at most k */
    double exactly = exp(-n * M_LN2), at_most = exactly;
    int rank = 1;
    for (int k = 1; k <= (n - 1) / 2; k++) {
        exactly *= (double)(n - k + 1) / k;
        if (2 * (at_most + exactly) > 0.05) break;
        at_most += exactly;
        rank = k + 1;
    }
    *coverage = 1 - 2 * at_most;
    return rank;
}

double ls__quantile(const double *sorted, int n, double p)
{
    const double position = p * (n - 1);
    const int below = (int)position < n - 1 ? (int)position : n - 1;
    const double rest = position - below;
    return rest > 0 ? sorted[below] + rest * (sorted[below + 1] - sorted[below]) : sorted[below];
}
