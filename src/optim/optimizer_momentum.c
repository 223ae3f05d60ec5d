/* g += coupled decay p;  v = momentum v + g;  p = shrink p - lr v.  Source: Polyak 1964 in PyTorch's form (the rate
 * outside v). */
#include "math/vec.h"
#include "optim/registry.h"

typedef struct momentum_options {
    double momentum;
} momentum_options;

static const ls_option momentum_table[] = {{.key = "momentum",
                                            .kind = LS_OPTION_REAL,
                                            .offset = offsetof(momentum_options, momentum),
                                            .fallback = "0.9",
                                            .max = 1,
                                            .help = "share of the former step that is kept"},
                                           {0}};

LS_MULTIVERSION
static void momentum(int64_t n, float lr, float mu, float decay, float shrink, const float *restrict g,
                     float *restrict v, float *restrict p)
{
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu * v[i] + (g[i] + decay * p[i]);
        p[i] = shrink * p[i] - lr * v[i];
    }
}

static void momentum_update(const ls_optimizer *optimizer, const ls_update *u)
{
    const momentum_options *o = optimizer->options;
    momentum(u->n, (float)u->lr, (float)o->momentum, (float)u->coupled, ls__shrink(u), u->g, u->slot[0], u->p);
}

const ls_optimizer_ops ls__optimizer_momentum = {.name = "momentum",
                                                 .help = "gradient descent with heavy-ball momentum",
                                                 .options = momentum_table,
                                                 .options_size = sizeof(momentum_options),
                                                 .n_slots = 1,
                                                 .slot_name = {"momentum_buffer"},
                                                 .update = momentum_update};
