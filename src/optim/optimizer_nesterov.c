/* g += coupled decay p;  v = momentum v + g;  p = shrink p - lr (g + momentum v).  Source: Sutskever et al. 2013 in
 * PyTorch's form. */
#include "math/vec.h"
#include "optim/registry.h"

typedef struct nesterov_options {
    double momentum;
} nesterov_options;

static const ls_option nesterov_table[] = {{.key = "momentum",
                                            .kind = LS_OPTION_REAL,
                                            .offset = offsetof(nesterov_options, momentum),
                                            .fallback = "0.9",
                                            .max = 1,
                                            .help = "share of the former step that is kept"},
                                           {0}};

LS_MULTIVERSION
static void nesterov(int64_t n, float lr, float mu, float decay, float shrink, const float *restrict g,
                     float *restrict v, float *restrict p)
{
    for (int64_t i = 0; i < n; i++) {
        const float d = g[i] + decay * p[i];
        v[i] = mu * v[i] + d;
        p[i] = shrink * p[i] - lr * (d + mu * v[i]);
    }
}

static void nesterov_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const nesterov_options *o = optimizer->options;
    nesterov(u->n, (float)u->lr, (float)o->momentum, (float)u->coupled, ls__shrink(u), u->g, u->slot[0], u->p);
}

const ls_optimizer_ops ls__optimizer_nesterov = {.name = "nesterov",
                                                 .help = "gradient descent with Nesterov momentum",
                                                 .options = nesterov_table,
                                                 .options_size = sizeof(nesterov_options),
                                                 .n_slots = 1,
                                                 .slot_name = {"momentum_buffer"},
                                                 .update = nesterov_update};
