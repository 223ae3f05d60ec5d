/* A world to study without training: steps to target follow a hyperbola in B and a U-shaped curve in the logarithm of
 * the learning rate, with an optimum that grows like sqrt(B) and saturates; rates above `limit` times the optimum
 * diverge. */
#ifndef TESTS_POLICY_WORLD_H
#define TESTS_POLICY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/rng.h"
#include "lockstep/study.h"

typedef struct world {
    double s_min, b_crit, noise; /* noise: standard deviation of log S over seeds */
    double lr_scale, curvature, limit;
    bool never, stuck;  /* no rate reaches the target; rates above the optimum stay at the initial error */
    int64_t never_from; /* the same of batch sizes from here on; 0: of none */
    int n, room;
    ls_trial *trial;
    int64_t n_runs, iterations_run;
} world;

static inline double world_optimum(const world *w, int64_t size)
{
    return w->lr_scale * sqrt((double)size / (1 + (double)size / w->b_crit));
}

static inline double world_speed(const world *w, const ls_trial_key *key)
{
    const double u = log2(key->lr / world_optimum(w, key->global_batch_size));
    const uint64_t id = ls_mix64((uint64_t)key->init_seed * 31 + (uint64_t)key->order_seed) ^
                        ls_mix64((uint64_t)key->global_batch_size);
    const double mu = isnan(key->momentum) ? 0 : log2((1 - key->momentum) / 0.1);
    const double s =
        w->s_min * (1 + w->b_crit / (double)key->global_batch_size) * (1 + w->curvature * u * u + 0.1 * mu * mu);
    return 1 / (s * exp(w->noise * ls_rng_normal(ls_rng_key(id, LS_STREAM_SYNTHETIC), 0, 0)));
}

/* Validation error after i updates: from 0.9 to 0.1 in 1 / speed of them. */
static inline double world_error(const world *w, const ls_trial_key *key, int64_t i)
{
    if (w->stuck && key->lr > world_optimum(w, key->global_batch_size)) return 0.9;
    const double error = 0.9 * exp(log(0.1 / 0.9) * (double)i * world_speed(w, key));
    const bool never = w->never || (w->never_from > 0 && key->global_batch_size >= w->never_from);
    return never ? 0.5 + error / 2 : error;
}

/* The trial, by the rules of study.h; strictest: where training ends. */
static inline ls_trial world_run(const world *w, const ls_trial_key *key, double strictest, int64_t cap)
{
    const bool diverges = key->lr > w->limit * world_optimum(w, key->global_batch_size);
    const int64_t end = diverges && cap > 37 ? 37 : cap;
    ls_trial trial = {.key = *key, .iterations = end, .diverged = diverges && end == 37, .n_ranks = rand() % 4};
    trial.look = calloc((size_t)(end / key->look_every) + 1, sizeof *trial.look);
    for (int64_t i = 0; i <= end; i += key->look_every) {
        const double error = world_error(w, key, i);
        const bool crossed = error < strictest;
        trial.look[trial.n_looks++] = (ls_look){.iteration = i,
                                                .error = error,
                                                .loss = 2.5 * error,
                                                .test_error = crossed ? error + 0.01 : NAN,
                                                .noise_scale = NAN,
                                                .noise_se = NAN};
        if (!crossed) continue;
        trial.iterations = i;
        trial.diverged = false;
        break;
    }
    trial.seconds = rand();
    return trial;
}

static inline bool same_real(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static inline bool same_key(const ls_trial_key *a, const ls_trial_key *b)
{
    return a->global_batch_size == b->global_batch_size && same_real(a->lr, b->lr) &&
           same_real(a->momentum, b->momentum) && a->init_seed == b->init_seed && a->order_seed == b->order_seed &&
           a->look_every == b->look_every;
}

/* Runs a trial and puts its record in the place of a shorter one of the same key. */
static inline void world_record(world *w, const ls_study_settings *s, const ls_trial_key *key, int64_t cap)
{
    const ls_trial made = world_run(w, key, s->target[s->n_targets - 1], cap);
    w->n_runs++;
    w->iterations_run += made.iterations;
    int at = 0;
    while (at < w->n && !same_key(&w->trial[at].key, key)) at++;
    if (at < w->n && w->trial[at].iterations >= made.iterations) {
        free(made.look);
        return;
    }
    if (at < w->n)
        free(w->trial[at].look);
    else if (w->n++ == w->room) {
        w->room = 2 * w->room + 64;
        w->trial = realloc(w->trial, (size_t)w->room * sizeof *w->trial);
    }
    w->trial[at] = made;
}

static inline void world_forget(world *w, int at)
{
    free(w->trial[at].look);
    w->trial[at] = w->trial[--w->n];
}

static inline void world_clear(world *w)
{
    for (int i = 0; i < w->n; i++) free(w->trial[i].look);
    free(w->trial);
    w->trial = NULL;
    w->n = w->room = 0;
}

static inline ls_study_state world_replay(const world *w, const ls_study_settings *s, int max_wants)
{
    ls_study_state state;
    const ls_status status = ls_study_replay(s, w->trial, w->n, max_wants, &state);
    if (status != LS_OK) fail_msg("%s", ls_status_message());
    assert_true(state.n_wants <= max_wants && state.done == (state.n_wants == 0));
    for (int i = 0; i < state.n_wants; i++) /* nothing is asked for that its record covers */
        for (int k = 0; k < w->n && w->n < 1000; k++)
            assert_true(w->trial[k].iterations < state.want[i].cap || !same_key(&w->trial[k].key, &state.want[i].key));
    return state;
}

/* The canonical, sequential study: one certain trial at a time, to its own cap. */
static inline ls_study_state world_study(world *w, const ls_study_settings *s)
{
    for (int round = 0; round < 20000; round++) {
        ls_study_state state = world_replay(w, s, 1);
        if (state.done) return state;
        const ls_want want = state.want[0];
        ls_study_state_destroy(&state);
        assert_true(want.cap >= want.key.look_every && want.cap % want.key.look_every == 0);
        assert_true(want.expected >= 1 && want.expected <= want.cap);
        world_record(w, s, &want.key, want.cap);
    }
    fail_msg("the study does not end");
    return (ls_study_state){0};
}

static inline const ls_size_result *size_of(const ls_study_state *state, ls_study_arm arm, int64_t size)
{
    for (int i = 0; i < state->n_sizes[arm]; i++)
        if (state->size[arm][i].size == size) return &state->size[arm][i];
    fail_msg("no size %d", (int)size);
    return NULL;
}

static inline world world_default(void)
{
    return (world){.s_min = 350, .b_crit = 230, .noise = 0.08, .lr_scale = 0.01, .curvature = 0.25, .limit = 3.5};
}

static inline ls_study_settings world_settings(void)
{
    return (ls_study_settings){.n_sizes = 7,
                               .size = {4, 16, 64, 256, 1024, 4096, 16384},
                               .n_targets = 3,
                               .target = {0.3, 0.2, 0.1},
                               .n_samples = 55000,
                               .n_seeds = 5,
                               .tuning_seed = 1000,
                               .scoring_seed = 1,
                               .vary_init = true,
                               .vary_order = true,
                               .lr_start = 0.1,
                               .lr_min = 1e-5,
                               .lr_max = 30,
                               .sobol_trials = 16,
                               .momentum_min = NAN,
                               .momentum_max = NAN,
                               .arm = {true, false, false, false},
                               .first_epochs = 4,
                               .cap_factor = 4,
                               .race_factor = 1.6,
                               .diverge_factor = 10,
                               .max_epochs = 400,
                               .looks = 64,
                               .min_looks = 16};
}

#endif
