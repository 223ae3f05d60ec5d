/** Twins of the optimizers in double, whole vectors at a time, from PyTorch's documentation and the papers. */
#ifndef LOCKSTEP_TEST_OPTIMIZER_TWINS_H
#define LOCKSTEP_TEST_OPTIMIZER_TWINS_H

#include "model_bench.h"

enum { TWIN_SLOTS = 3 };

/** What a case says, as PyTorch's constructor would be told. */
typedef struct optimizer_case {
    const char *yaml, *name;
    double lr, weight_decay, momentum, beta1, beta2, eps; /* beta2 is rmsprop's alpha; eps is the trust of lars */
    bool decoupled, centered;
    const char *slots; /* their names, separated by spaces */
} optimizer_case;

/** One step of n elements: step t (from 1), rate, decay (0 when spared), gradient; p and its slots are updated. */
typedef struct twin_step {
    const optimizer_case *c;
    double lr, decay;
    int64_t t, n;
    const double *g;
    double *p, **slot;
    bool adapts; /* the trust ratio applies */
} twin_step;

static inline double coupled(const twin_step *s, int64_t i)
{
    return s->g[i] + (s->c->decoupled ? 0.0 : s->decay * s->p[i]);
}

static inline void shrink(const twin_step *s)
{
    for (int64_t i = 0; i < s->n && s->c->decoupled; i++) s->p[i] *= 1.0 - s->lr * s->decay;
}

static inline double norm_of(const double *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

static inline void sgd_twin(const twin_step *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const double d = coupled(s, i), kept = s->c->decoupled ? 1.0 - s->lr * s->decay : 1.0;
        s->p[i] = kept * s->p[i] - s->lr * d;
    }
}

/* torch.optim.SGD: b_1 = g_1 and b_t = mu b_(t-1) + g_t, dampening 0 */
static inline void heavy_ball(const twin_step *s, bool nesterov)
{
    double *b = s->slot[0];
    for (int64_t i = 0; i < s->n; i++) {
        const double d = coupled(s, i), kept = s->c->decoupled ? 1.0 - s->lr * s->decay : 1.0;
        b[i] = s->t > 1 ? s->c->momentum * b[i] + d : d;
        s->p[i] = kept * s->p[i] - s->lr * (nesterov ? d + s->c->momentum * b[i] : b[i]);
    }
}

static inline void momentum_twin(const twin_step *s)
{
    heavy_ball(s, false);
}

static inline void nesterov_twin(const twin_step *s)
{
    heavy_ball(s, true);
}

/* m hat / (sqrt(v hat) + eps) of element i, after the moments took d. */
static inline double adam_direction(const twin_step *s, int64_t i, double d)
{
    double *m = &s->slot[0][i], *v = &s->slot[1][i];
    *m = s->c->beta1 * *m + (1.0 - s->c->beta1) * d;
    *v = s->c->beta2 * *v + (1.0 - s->c->beta2) * d * d;
    const double t = (double)s->t;
    return *m / (1.0 - pow(s->c->beta1, t)) / (sqrt(*v / (1.0 - pow(s->c->beta2, t))) + s->c->eps);
}

static inline void adam_twin(const twin_step *s)
{
    shrink(s);
    for (int64_t i = 0; i < s->n; i++) s->p[i] -= s->lr * adam_direction(s, i, coupled(s, i));
}

/* torch.optim.RMSprop */
static inline void rmsprop_twin(const twin_step *s)
{
    const optimizer_case *c = s->c;
    for (int64_t i = 0; i < s->n; i++) {
        const double d = coupled(s, i);
        double *v = &s->slot[0][i], *a = &s->slot[1][i], *b = &s->slot[c->centered ? 2 : 1][i], average = 0.0;
        *v = c->beta2 * *v + (1.0 - c->beta2) * d * d;
        if (c->centered) average = *a = c->beta2 * *a + (1.0 - c->beta2) * d;
        double step = d / (sqrt(*v - average * average) + c->eps);
        if (c->momentum > 0) step = *b = c->momentum * *b + step;
        s->p[i] = (c->decoupled ? 1.0 - s->lr * s->decay : 1.0) * s->p[i] - s->lr * step;
    }
}

/* You, Gitman, Ginsburg 2017, algorithm 1 */
static inline void lars_twin(const twin_step *s)
{
    const double w = norm_of(s->p, s->n), g = norm_of(s->g, s->n), beta = s->c->decoupled ? 0.0 : s->decay;
    const double local = s->adapts && w > 0 && g > 0 ? s->c->eps * w / (g + beta * w) : 1.0;
    for (int64_t i = 0; i < s->n; i++) {
        double *v = &s->slot[0][i];
        const double kept = s->c->decoupled ? 1.0 - s->lr * s->decay : 1.0;
        *v = s->c->momentum * *v + s->lr * local * (s->g[i] + beta * s->p[i]);
        s->p[i] = kept * s->p[i] - *v;
    }
}

/* You et al. 2020, algorithm 2: x -= lr |x| / |r + lambda x| (r + lambda x) */
static inline void lamb_twin(const twin_step *s)
{
    double *u = ls_calloc((size_t)s->n, sizeof *u);
    for (int64_t i = 0; i < s->n; i++)
        u[i] = adam_direction(s, i, coupled(s, i)) + (s->c->decoupled ? s->decay * s->p[i] : 0.0);
    const double x = norm_of(s->p, s->n), r = norm_of(u, s->n), ratio = s->adapts && x > 0 && r > 0 ? x / r : 1.0;
    for (int64_t i = 0; i < s->n; i++) s->p[i] -= s->lr * ratio * u[i];
    ls_free(u);
}

static const struct {
    const char *name;
    void (*step)(const twin_step *s);
} optimizer_twins[] = {{"sgd", sgd_twin},   {"momentum", momentum_twin}, {"nesterov", nesterov_twin},
                       {"adam", adam_twin}, {"adamw", adam_twin},        {"rmsprop", rmsprop_twin},
                       {"lars", lars_twin}, {"lamb", lamb_twin}};

static inline int twin_of(const char *name)
{
    for (size_t i = 0; i < sizeof optimizer_twins / sizeof optimizer_twins[0]; i++)
        if (strcmp(optimizer_twins[i].name, name) == 0) return (int)i;
    fail_msg("optimizer %s has no twin", name);
    return -1;
}

#endif
