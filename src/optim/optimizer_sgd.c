/* g += coupled decay p;  p = shrink p - lr g.  Start from this file when you add an optimizer. */
#include "math/vec.h"
#include "optim/registry.h"

LS_MULTIVERSION
static void sgd(int64_t n, float lr, float decay, float shrink, const float *restrict g, float *restrict p)
{
    for (int64_t i = 0; i < n; i++) p[i] = shrink * p[i] - lr * (g[i] + decay * p[i]);
}

static void sgd_update(const ls_optimizer *optimizer, const ls_update *u)
{
    (void)optimizer;
    sgd(u->n, (float)u->lr, (float)u->coupled, ls__shrink(u), u->g, u->p);
}

const ls_optimizer_ops ls__optimizer_sgd = {
    .name = "sgd", .help = "stochastic gradient descent without momentum", .update = sgd_update};
