/* Adam (Kingma and Ba, arXiv 1412.6980), with PyTorch's formulas; adamw shares it. */
#include <math.h>

#include "math/vec.h"
#include "optim/adam.h"

const ls_option ls__adam_table[] = {{.key = "beta1",
                                     .kind = LS_OPTION_REAL,
                                     .offset = offsetof(ls_adam_options, beta1),
                                     .fallback = "0.9",
                                     .max = 0.9999999,
                                     .help = "decay of the mean of gradients"},
                                    {.key = "beta2",
                                     .kind = LS_OPTION_REAL,
                                     .offset = offsetof(ls_adam_options, beta2),
                                     .fallback = "0.999",
                                     .max = 0.9999999,
                                     .help = "decay of the mean of squared gradients"},
                                    {.key = "eps",
                                     .kind = LS_OPTION_REAL,
                                     .offset = offsetof(ls_adam_options, eps),
                                     .fallback = "1e-8",
                                     .max = 1,
                                     .help = "added to the denominator"},
                                    {0}};

typedef struct coefficients {
    float beta1, rest1, beta2, rest2, step, root, eps, coupled, shrink;
} coefficients;

LS_MULTIVERSION
static void adam(int64_t n, const coefficients *c, const float *restrict g, float *restrict m, float *restrict v,
                 float *restrict p)
{
    const coefficients k = *c;
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] + k.coupled * p[i];
        m[i] = k.beta1 * m[i] + k.rest1 * d;
        v[i] = k.beta2 * v[i] + k.rest2 * (d * d);
        p[i] = k.shrink * p[i] - k.step * (m[i] / (sqrtf(v[i]) / k.root + k.eps));
    }
}

void ls__adam_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const ls_adam_options *o = optimizer->options;
    const double t = (double)(u->iteration + 1);
    const coefficients c = {.beta1 = (float)o->beta1,
                            .rest1 = (float)(1.0 - o->beta1),
                            .beta2 = (float)o->beta2,
                            .rest2 = (float)(1.0 - o->beta2),
                            .step = (float)(u->lr / (1.0 - pow(o->beta1, t))),
                            .root = (float)sqrt(1.0 - pow(o->beta2, t)),
                            .eps = (float)o->eps,
                            .coupled = (float)u->coupled,
                            .shrink = ls__shrink(u)};
    adam(u->n, &c, u->g, u->slot[0], u->slot[1], u->p);
}

const ls_optimizer_ops ls__optimizer_adam = {.name = "adam",
                                             .help = "Adam",
                                             .options = ls__adam_table,
                                             .options_size = sizeof(ls_adam_options),
                                             .n_slots = 2,
                                             .slot_name = {"exp_avg", "exp_avg_sq"},
                                             .update = ls__adam_update};
