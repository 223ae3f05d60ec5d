/** Cases of the schedules, and their rates in double from the papers and PyTorch's documentation. */
#ifndef LOCKSTEP_TEST_SCHEDULE_TWINS_H
#define LOCKSTEP_TEST_SCHEDULE_TWINS_H

#include "model_bench.h"

typedef struct schedule_case {
    const char *yaml, *name;
    double base;
    int64_t per_epoch, total, warmup; /* in iterations */
    double duration;                  /* in iterations; 0: the rest of the run */
    double final, every, gamma;
    bool needs_length;
    double more[5]; /* multistep: milestones; polynomial: power; inverse_sqrt: timescale; one_cycle: see its twin */
} schedule_case;

/* t iterations behind the warm-up of a decay that takes `all`. */
static inline double constant_twin(const schedule_case *c, double t, double all)
{
    (void)t, (void)all;
    return c->base;
}

static inline double step_twin(const schedule_case *c, double t, double all)
{
    (void)all;
    double lr = c->base;
    for (double next = c->every; next <= t; next += c->every) lr *= c->gamma;
    return lr;
}

static inline double multistep_twin(const schedule_case *c, double t, double all)
{
    (void)all;
    double lr = c->base;
    for (int i = 0; i < 5 && c->more[i] > 0; i++)
        if (t >= c->more[i]) lr *= c->gamma;
    return lr;
}

static inline double cosine_twin(const schedule_case *c, double t, double all)
{
    return c->final + 0.5 * (c->base - c->final) * (1.0 + cos(acos(-1.0) * fmin(t / all, 1.0)));
}

static inline double linear_twin(const schedule_case *c, double t, double all)
{
    const double done = fmin(t / all, 1.0);
    return (1.0 - done) * c->base + done * c->final;
}

static inline double polynomial_twin(const schedule_case *c, double t, double all)
{
    return c->final + (c->base - c->final) * pow(1.0 - fmin(t, all) / all, c->more[0]);
}

static inline double inverse_sqrt_twin(const schedule_case *c, double t, double all)
{
    (void)all;
    return c->base / sqrt(1.0 + t / c->more[0]);
}

/* As torch.optim.lr_scheduler.OneCycleLR.get_lr; more: pct_start, div_factor, final_div_factor, three_phase, linear. */
static inline double one_cycle_twin(const schedule_case *c, double t, double all)
{
    const double initial = c->base / c->more[1], last = initial / c->more[2], rise = c->more[0] * all;
    const double two[2][3] = {{rise - 1, initial, c->base}, {all - 1, c->base, last}};
    const double three[3][3] = {
        {rise - 1, initial, c->base}, {2 * rise - 2, c->base, initial}, {all - 1, initial, last}};
    const double(*phase)[3] = c->more[3] > 0 ? three : two;
    const int n = c->more[3] > 0 ? 3 : 2;
    double start = 0.0;
    for (int i = 0; i < n; start = phase[i++][0]) {
        if (t > phase[i][0] && i < n - 1) continue;
        const double pct = fmin((t - start) / (phase[i][0] - start), 1.0), a = phase[i][1], b = phase[i][2];
        return c->more[4] > 0 ? (b - a) * pct + a : b + (a - b) / 2.0 * (1.0 + cos(acos(-1.0) * pct));
    }
    return NAN;
}

static const struct {
    const char *name;
    double (*lr)(const schedule_case *c, double t, double all);
} schedule_twins[] = {{"constant", constant_twin},
                      {"step", step_twin},
                      {"multistep", multistep_twin},
                      {"cosine", cosine_twin},
                      {"linear", linear_twin},
                      {"polynomial", polynomial_twin},
                      {"inverse_sqrt", inverse_sqrt_twin},
                      {"one_cycle", one_cycle_twin}};

static inline int twin_of(const char *name)
{
    for (size_t i = 0; i < sizeof schedule_twins / sizeof schedule_twins[0]; i++)
        if (strcmp(schedule_twins[i].name, name) == 0) return (int)i;
    fail_msg("schedule %s has no twin", name);
    return -1;
}

static inline double twin_lr(const schedule_case *c, int64_t i)
{
    if (i < c->warmup) return c->base * (double)(i + 1) / (double)c->warmup;
    const double t = (double)(i - c->warmup), rest = fmax((double)(c->total - c->warmup), 1.0);
    const double duration = c->duration > 0 ? c->duration : rest;
    return schedule_twins[twin_of(c->name)].lr(c, t, duration);
}

#endif
