#include "study/fit_solve.h"

#include <math.h>

#include "study/stats.h"

enum { GRID = 41, MAX_STEPS = 400 };

#define BEYOND      7.0 /* c stays within this of the logs of the batch sizes: a factor of 1100 */
#define ALPHA_MIN   0.05
#define ALPHA_MAX   20.0
#define DAMPING_MAX 1e14

typedef struct problem {
    const ls_fit_term *terms;
    int n;
    double sigma, low, high; /* range of c */
} problem;

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double ls__curve_at(const ls_curve *curve, double log_b)
{
    return curve->s + softplus(curve->alpha * (curve->c - log_b));
}

/* d log S / dc for alpha = 1: the share of E_min / B in S; 1 on the steep branch, 0 on the flat one. */
static double share_at(const ls_curve *curve, double log_b)
{
    return 1 / (1 + exp(-curve->alpha * (curve->c - log_b)));
}

static problem pose(const ls_fit_term *terms, int n, double sigma)
{
    problem p = {.terms = terms, .n = n, .sigma = sigma, .low = INFINITY, .high = -INFINITY};
    for (int i = 0; i < n; i++) {
        p.low = fmin(p.low, terms[i].log_b - BEYOND);
        p.high = fmax(p.high, terms[i].log_b + BEYOND);
    }
    return p;
}

static double deviance(const problem *p, const ls_curve *curve)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++) {
        const ls_fit_term *t = &p->terms[i];
        const double r = t->y - ls__curve_at(curve, t->log_b);
        sum += t->weight * (t->censored ? -2 * p->sigma * p->sigma * ls__normal_log_tail(r / p->sigma) : r * r);
    }
    return sum;
}

/* Gradient [k] and information [k, k] of D / 2 over the first k of (s, c, alpha).  A censored run pulls like a residual
 * sigma hazard(z), with the weight of the tail's curvature. */
static void gather(const problem *p, const ls_curve *curve, int k, double g[3], double h[3][3])
{
    for (int a = 0; a < k; a++) {
        g[a] = 0;
        for (int b = 0; b < k; b++) h[a][b] = 0;
    }
    for (int i = 0; i < p->n; i++) {
        const ls_fit_term *t = &p->terms[i];
        const double r = t->y - ls__curve_at(curve, t->log_b), u = share_at(curve, t->log_b);
        const double jacobian[3] = {1, curve->alpha * u, (curve->c - t->log_b) * u};
        const double pull = t->censored ? p->sigma * ls__normal_hazard(r / p->sigma) : r;
        const double weight = t->censored ? ls__normal_tail_curvature(r / p->sigma) : 1;
        for (int a = 0; a < k; a++) {
            g[a] += t->weight * pull * jacobian[a];
            for (int b = 0; b < k; b++) h[a][b] += t->weight * weight * jacobian[a] * jacobian[b];
        }
    }
}

/* Inverse of a symmetric positive [k, k] by Gauss and Jordan, diagonal pivots; false when it is not positive. */
static bool invert(int k, double h[3][3], double out[3][3])
{
    double m[3][6] = {{0}};
    for (int a = 0; a < k; a++) {
        for (int b = 0; b < k; b++) m[a][b] = h[a][b];
        m[a][k + a] = 1;
    }
    for (int a = 0; a < k; a++) {
        const double pivot = m[a][a];
        if (!(pivot > 1e-14 * h[a][a])) return false;
        for (int b = 0; b < 2 * k; b++) m[a][b] /= pivot;
        for (int c = 0; c < k; c++) {
            const double factor = m[c][a];
            for (int b = 0; b < 2 * k && c != a; b++) m[c][b] -= factor * m[a][b];
        }
    }
    for (int a = 0; a < k; a++)
        for (int b = 0; b < k; b++) out[a][b] = m[a][k + b];
    return true;
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* The curve after a damped step; *length is its largest component. */
static bool step(const problem *p, int k, double damping, const ls_curve *from, ls_curve *to, double *length)
{
    double g[3] = {0}, h[3][3], inverse[3][3], d[3] = {0};
    gather(p, from, k, g, h);
    for (int a = 0; a < k; a++) h[a][a] *= 1 + damping;
    if (!invert(k, h, inverse)) return false;
    for (int a = 0; a < k; a++)
        for (int b = 0; b < k; b++) d[a] += inverse[a][b] * g[b];
    *to = *from;
    to->s += d[0];
    to->c = clamp(from->c + d[1], p->low, p->high);
    to->alpha = clamp(from->alpha + d[2], ALPHA_MIN, ALPHA_MAX);
    *length = fmax(fmax(fabs(d[0]), fabs(to->c - from->c)), fabs(to->alpha - from->alpha));
    to->deviance = deviance(p, to);
    return true;
}

/* Levenberg and Marquardt over the first k parameters: `curve` is the start and the result. */
static void solve(const problem *p, int k, ls_curve *curve)
{
    double damping = 1e-3, length;
    bool done = false;
    curve->deviance = deviance(p, curve);
    for (int i = 0; i < MAX_STEPS && !done && damping < DAMPING_MAX; i++) {
        ls_curve next;
        if (!step(p, k, damping, curve, &next, &length) || !(next.deviance <= curve->deviance)) {
            damping = fmax(damping, 1e-12) * 10;
            continue;
        }
        done = length < 1e-11;
        *curve = next;
        damping /= 10;
    }
    double g[3], h[3][3];
    gather(p, curve, k, g, h);
    curve->settled = invert(k, h, curve->inverse) && curve->c > p->low && curve->c < p->high &&
                     curve->alpha > ALPHA_MIN && curve->alpha < ALPHA_MAX && (done || damping >= DAMPING_MAX);
}

/* The best s for a given c, censored terms set aside, is the weighted mean of y - log(1 + B_crit / B). */
static double best_s(const problem *p, double c)
{
    double sum = 0, weight = 0;
    for (int i = 0; i < p->n; i++) {
        const ls_fit_term *t = &p->terms[i];
        if (t->censored) continue;
        sum += t->weight * (t->y - softplus(c - t->log_b));
        weight += t->weight;
    }
    return sum / weight;
}

void ls__curve_fit(const ls_fit_term *terms, int n, double sigma, ls_curve *out)
{
    const problem p = pose(terms, n, sigma);
    *out = (ls_curve){.deviance = INFINITY, .alpha = 1};
    for (int i = 1; i < GRID; i++) {
        ls_curve curve = {.c = p.low + (p.high - p.low) * i / GRID, .alpha = 1};
        curve.s = best_s(&p, curve.c);
        curve.deviance = deviance(&p, &curve);
        if (curve.deviance < out->deviance) *out = curve;
    }
    solve(&p, 2, out);
}

void ls__curve_fit_alpha(const ls_fit_term *terms, int n, double sigma, const ls_curve *start, ls_curve *out)
{
    const problem p = pose(terms, n, sigma);
    *out = *start;
    solve(&p, 3, out);
}
