/* Layer-wise adaptive moments, a layer being a tensor:  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 * u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + decay p;  p -= lr |p| / |u| u.
 * Source: You et al. 2020, "Large Batch Optimization for Deep Learning", arXiv:1904.00962v5 (ICLR), algorithm 2 with
 * the identity for phi.  Beyond the paper: the ratio is 1 where |p| or |u| is 0, and a coupled decay is added to g. */
#include <math.h>

#include "math/vec.h"
#include "optim/trust.h"

typedef struct lamb_options {
    double beta1, beta2, eps;
    ls_trust_options ratio;
} lamb_options;

static const ls_option lamb_table[] = {{.key = "beta1",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(lamb_options, beta1),
                                        .fallback = "0.9",
                                        .max = 0.9999999,
                                        .help = "decay of the mean of gradients"},
                                       {.key = "beta2",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(lamb_options, beta2),
                                        .fallback = "0.999",
                                        .max = 0.9999999,
                                        .help = "decay of the mean of squared gradients"},
                                       {.key = "eps",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(lamb_options, eps),
                                        .fallback = "1e-6",
                                        .max = 1,
                                        .help = "added to the denominator"},
                                       LS_TRUST_OPTION(lamb_options, ratio),
                                       {0}};

typedef struct coefficients {
    float beta1, rest1, beta2, rest2, first, root, eps, coupled, decoupled;
} coefficients;

/* g becomes the step u. */
LS_MULTIVERSION
static void direct(int64_t n, const coefficients *c, const float *restrict p, float *restrict m, float *restrict v,
                   float *restrict g)
{
    const coefficients k = *c;
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] + k.coupled * p[i];
        m[i] = k.beta1 * m[i] + k.rest1 * d;
        v[i] = k.beta2 * v[i] + k.rest2 * (d * d);
        g[i] = k.first * m[i] / (sqrtf(v[i]) / k.root + k.eps) + k.decoupled * p[i];
    }
}

LS_MULTIVERSION
static void apply(int64_t n, float rate, const float *restrict u, float *restrict p)
{
    for (int64_t i = 0; i < n; i++) p[i] -= rate * u[i];
}

static void lamb_prepare(const ls_optimizer *optimizer, const ls_update *u, ls_squares *squares)
{
    const lamb_options *o = optimizer->options;
    const double t = (double)(u->iteration + 1);
    const coefficients c = {.beta1 = (float)o->beta1,
                            .rest1 = (float)(1.0 - o->beta1),
                            .beta2 = (float)o->beta2,
                            .rest2 = (float)(1.0 - o->beta2),
                            .first = (float)(1.0 / (1.0 - pow(o->beta1, t))),
                            .root = (float)sqrt(1.0 - pow(o->beta2, t)),
                            .eps = (float)o->eps,
                            .coupled = (float)u->coupled,
                            .decoupled = (float)u->decoupled};
    direct(u->n, &c, u->p, u->slot[0], u->slot[1], u->g);
    *squares = (ls_squares){.p = ls_vec_sum_squares(u->n, u->p), .step = ls_vec_sum_squares(u->n, u->g)};
}

static void lamb_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const lamb_options *o = optimizer->options;
    const double ratio = ls__trust_applies(&o->ratio, u) ? u->p_norm / u->step_norm : 1.0;
    apply(u->n, (float)(u->lr * ratio), u->g, u->p);
}

static ls_status lamb_finish(ls_optimizer *optimizer)
{
    return ls__trust_finish(&((lamb_options *)optimizer->options)->ratio);
}

const ls_optimizer_ops ls__optimizer_lamb = {.name = "lamb",
                                             .help = "Adam with a rate for each tensor (You et al. 2020)",
                                             .options = lamb_table,
                                             .options_size = sizeof(lamb_options),
                                             .weight_decay = "0.01",
                                             .decoupled = "true",
                                             .n_slots = 2,
                                             .slot_name = {"exp_avg", "exp_avg_sq"},
                                             .finish = lamb_finish,
                                             .prepare = lamb_prepare,
                                             .update = lamb_update};
