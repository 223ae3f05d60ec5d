/* Layer-wise adaptive rates, a layer being a tensor:  ratio = trust |p| / (|g| + decay |p|);
 * v = momentum v + lr ratio (g + decay p);  p -= v.  The rate is inside v, unlike in `momentum`.
 * Source: You, Gitman and Ginsburg 2017, "Large Batch Training of Convolutional Networks", arXiv:1708.03888v3,
 * algorithm 1 without its rate policy (`schedule: {name: polynomial, power: 2}`).  Beyond the paper: the ratio (with
 * `trust`) is 1 where |p| or |g| is 0, and a decoupled decay shrinks p by lr decay and is no part of the ratio. */
#include "math/vec.h"
#include "optim/trust.h"

typedef struct lars_options {
    double momentum, trust;
    ls_trust_options ratio;
} lars_options;

static const ls_option lars_table[] = {{.key = "momentum",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(lars_options, momentum),
                                        .fallback = "0.9",
                                        .max = 1,
                                        .help = "share of the former step that is kept"},
                                       {.key = "trust",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(lars_options, trust),
                                        .fallback = "0.001",
                                        .max = 1e6,
                                        .help = "trust coefficient, the paper's eta"},
                                       LS_TRUST_OPTION(lars_options, ratio),
                                       {0}};

LS_MULTIVERSION
static void lars(int64_t n, float rate, float mu, float decay, float shrink, const float *restrict g, float *restrict v,
                 float *restrict p)
{
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu * v[i] + rate * (g[i] + decay * p[i]);
        p[i] = shrink * p[i] - v[i];
    }
}

static void lars_prepare(const ls_optimizer *optimizer, const ls_update *u, ls_squares *squares)
{
    (void)optimizer;
    *squares = (ls_squares){.p = ls_vec_sum_squares(u->n, u->p), .step = ls_vec_sum_squares(u->n, u->g)};
}

static void lars_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const lars_options *o = optimizer->options;
    const double ratio =
        ls__trust_applies(&o->ratio, u) ? o->trust * u->p_norm / (u->step_norm + u->coupled * u->p_norm) : 1.0;
    lars(u->n, (float)(u->lr * ratio), (float)o->momentum, (float)u->coupled, ls__shrink(u), u->g, u->slot[0], u->p);
}

static ls_status lars_finish(ls_optimizer *optimizer)
{
    return ls__trust_finish(&((lars_options *)optimizer->options)->ratio);
}

const ls_optimizer_ops ls__optimizer_lars = {.name = "lars",
                                             .help = "momentum with a rate for each tensor (You et al. 2017)",
                                             .options = lars_table,
                                             .options_size = sizeof(lars_options),
                                             .n_slots = 1,
                                             .slot_name = {"momentum_buffer"},
                                             .finish = lars_finish,
                                             .prepare = lars_prepare,
                                             .update = lars_update};
