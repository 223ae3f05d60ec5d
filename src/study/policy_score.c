/* Scoring: how often a trial is looked at, what it may cost at most, and what a batch size has reached. */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "study/policy.h"

int64_t ls__policy_grid(double iterations, int64_t look_every)
{
    const int64_t looks = (int64_t)(fmin(iterations, 1e15) / (double)look_every);
    return (looks < 1 ? 1 : looks) * look_every;
}

/* The running fit's S(B) = S_min (1 + B_crit / B) among the sizes that it rests on.  Beyond them one branch may be all
 * that it knows, and a curve is bounded by what a size outside can take at most: no more steps than a smaller one, no
 * more samples than a larger one. */
static double likely_steps(const ls_policy *policy, int64_t size)
{
    const double within = fmax((double)policy->fitted_from, fmin((double)policy->fitted_to, (double)size));
    return policy->s_min * (1 + policy->b_crit / within) * fmax(1, within / (double)size);
}

int64_t ls__policy_cap(const ls_policy *policy, int64_t size, int64_t look_every)
{
    const ls_study_settings *s = policy->settings;
    double cap = INFINITY;
    if (s->max_iterations > 0) cap = (double)s->max_iterations;
    if (s->max_epochs > 0) cap = fmin(cap, (double)s->max_epochs * (double)s->n_samples / (double)size);
    if (!isnan(policy->s_min)) cap = fmin(cap, s->cap_factor * likely_steps(policy, size));
    return ls__policy_grid(cap, look_every);
}

int64_t ls__policy_look_every(const ls_study_settings *settings, double steps)
{
    return (int64_t)fmax(1, round(fmin(steps, 1e15) / (double)settings->looks));
}

static ls_score score_of(const ls_trial_key *key, const ls_outcome *outcome, int n_targets)
{
    ls_score score = {.init_seed = key->init_seed,
                      .order_seed = key->order_seed,
                      .cap = outcome->cap,
                      .status = outcome->status,
                      .test_error = outcome->test_error,
                      .trial = outcome->trial};
    for (int t = 0; t < n_targets; t++) score.steps[t] = outcome->steps[t];
    return score;
}

ls_status ls__policy_score(ls_policy *policy, ls_study_arm arm, int i, ls_size_result *result)
{
    const ls_study_settings *s = policy->settings;
    result->score = ls_calloc((size_t)s->n_seeds, sizeof *result->score);
    LS_REQUIRE(result->score != NULL, LS_ENOMEM, "%" PRId64 " scores", s->n_seeds);
    ls_want want = {.key = {.global_batch_size = result->size,
                            .lr = result->lr,
                            .momentum = result->momentum,
                            .look_every = result->look_every},
                    .cap = ls__policy_cap(policy, result->size, result->look_every),
                    .arm = arm,
                    .scoring = true};
    want.expected = policy->tuned_steps[i] < 0 || policy->tuned_steps[i] > want.cap ? want.cap : policy->tuned_steps[i];
    for (int64_t seed = 0; seed < s->n_seeds; seed++) {
        want.key.init_seed = s->scoring_seed + (s->vary_init ? seed : 0);
        want.key.order_seed = s->scoring_seed + (s->vary_order ? seed : 0);
        const ls_outcome outcome = ls__policy_ask(policy, &want);
        if (outcome.missing) continue;
        result->score[result->n_scores++] = score_of(&want.key, &outcome, s->n_targets);
        result->best_error = fmin(result->best_error, outcome.best_error);
    }
    return LS_OK;
}

static void add_points(ls_policy *policy, const ls_size_result *result)
{
    for (int i = 0; i < result->n_scores; i++) {
        const ls_score *score = &result->score[i];
        const bool reached = score->status == LS_TRIAL_COMPLETE;
        const int64_t steps = reached ? score->steps[policy->settings->n_targets - 1] : score->cap;
        if (steps < 1) continue; /* the target was reached before the first update: no logarithm */
        policy->point[policy->n_points++] = (ls_fit_point){
            .batch_size = result->size, .steps = (double)steps, .seed = score->init_seed, .censored = !reached};
    }
}

ls_status ls__policy_fit(ls_policy *policy, const ls_size_result *result)
{
    add_points(policy, result);
    if (policy->n_points == 0) return LS_OK;
    if (policy->fitted_from == 0 || result->size < policy->fitted_from) policy->fitted_from = result->size;
    if (result->size > policy->fitted_to) policy->fitted_to = result->size;
    const ls_fit_options options = {.estimate_only = true};
    ls_fit *fit = NULL;
    LS_TRY(ls_fit_create(policy->point, policy->n_points, &options, &fit));
    const double s_min = fit->s_min.value, b_crit = fit->b_crit.value;
    const bool usable = fit->estimated && s_min > 0 && isfinite(s_min) && b_crit >= 0 && isfinite(b_crit);
    policy->s_min = usable ? s_min : NAN;
    policy->b_crit = usable ? b_crit : NAN;
    ls_fit_destroy(&fit);
    return LS_OK;
}
