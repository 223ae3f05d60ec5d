/* g += coupled decay p;  v = alpha v + (1 - alpha) g^2;  centered: a = alpha a + (1 - alpha) g, v' = v - a^2;
 * d = g / (sqrt(v') + eps);  with momentum: b = momentum b + d, d = b;  p = shrink p - lr d.
 * Source: Tieleman and Hinton 2012, centered: Graves 2013, in PyTorch's form.  v' is at least 0, where rounding leaves
 * less (and PyTorch a NaN). */
#include <math.h>

#include "math/vec.h"
#include "optim/registry.h"

typedef struct rmsprop_options {
    double alpha, eps, momentum;
    bool centered;
} rmsprop_options;

static const ls_option rmsprop_table[] = {{.key = "alpha",
                                           .kind = LS_OPTION_REAL,
                                           .offset = offsetof(rmsprop_options, alpha),
                                           .fallback = "0.99",
                                           .max = 0.9999999,
                                           .help = "decay of the mean of squared gradients"},
                                          {.key = "eps",
                                           .kind = LS_OPTION_REAL,
                                           .offset = offsetof(rmsprop_options, eps),
                                           .fallback = "1e-8",
                                           .max = 1,
                                           .help = "added to the denominator"},
                                          {.key = "momentum",
                                           .kind = LS_OPTION_REAL,
                                           .offset = offsetof(rmsprop_options, momentum),
                                           .fallback = "0.0",
                                           .max = 1,
                                           .help = "share of the former step that is kept"},
                                          {.key = "centered",
                                           .kind = LS_OPTION_BOOL,
                                           .offset = offsetof(rmsprop_options, centered),
                                           .fallback = "false",
                                           .help = "divide by the standard deviation of the gradients"},
                                          {0}};

typedef struct coefficients {
    float alpha, rest, eps, decay;
} coefficients;

/* g becomes the step. */
LS_MULTIVERSION
static void normalize(int64_t n, const coefficients *c, const float *restrict p, float *restrict v, float *restrict g)
{
    const coefficients k = *c;
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] + k.decay * p[i];
        v[i] = k.alpha * v[i] + k.rest * (d * d);
        g[i] = d / (sqrtf(v[i]) + k.eps);
    }
}

LS_MULTIVERSION
static void normalize_centered(int64_t n, const coefficients *c, const float *restrict p, float *restrict v,
                               float *restrict a, float *restrict g)
{
    const coefficients k = *c;
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] + k.decay * p[i];
        v[i] = k.alpha * v[i] + k.rest * (d * d);
        a[i] = k.alpha * a[i] + k.rest * d;
        const float variance = v[i] - a[i] * a[i];
        g[i] = d / (sqrtf(variance < 0.0f ? 0.0f : variance) + k.eps);
    }
}

LS_MULTIVERSION
static void gather(int64_t n, float mu, const float *restrict d, float *restrict b)
{
    for (int64_t i = 0; i < n; i++) b[i] = mu * b[i] + d[i];
}

LS_MULTIVERSION
static void apply(int64_t n, float lr, float shrink, const float *restrict d, float *restrict p)
{
    for (int64_t i = 0; i < n; i++) p[i] = shrink * p[i] - lr * d[i];
}

static void rmsprop_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const rmsprop_options *o = optimizer->options;
    const coefficients c = {(float)o->alpha, (float)(1.0 - o->alpha), (float)o->eps, (float)u->coupled};
    const float *step = u->g;
    if (o->centered)
        normalize_centered(u->n, &c, u->p, u->slot[0], u->slot[1], u->g);
    else
        normalize(u->n, &c, u->p, u->slot[0], u->g);
    if (o->momentum > 0) {
        float *buffer = u->slot[optimizer->n_slots - 1];
        gather(u->n, (float)o->momentum, u->g, buffer);
        step = buffer;
    }
    apply(u->n, (float)u->lr, ls__shrink(u), step, u->p);
}

/* The mean of gradients and the momentum take memory only where they are used. */
static ls_status rmsprop_finish(ls_optimizer *optimizer)
{
    const rmsprop_options *o = optimizer->options;
    if (o->centered) optimizer->slot_name[optimizer->n_slots++] = "grad_avg";
    if (o->momentum > 0) optimizer->slot_name[optimizer->n_slots++] = "momentum_buffer";
    return LS_OK;
}

const ls_optimizer_ops ls__optimizer_rmsprop = {.name = "rmsprop",
                                                .help = "gradients divided by the root of their mean square",
                                                .options = rmsprop_table,
                                                .options_size = sizeof(rmsprop_options),
                                                .n_slots = 1,
                                                .slot_name = {"square_avg"},
                                                .finish = rmsprop_finish,
                                                .update = rmsprop_update};
