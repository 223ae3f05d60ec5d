#include "study/policy.h"

#include <math.h>

#include "base/mem.h"

/* From the middle outwards, the larger neighbour first: the first sizes done span the bend, and each size has a tuned
 * neighbour. */
static void set_order(ls_policy *policy)
{
    const int n = policy->settings->n_sizes, middle = (n - 1) / 2;
    for (int i = 0; i < n; i++) policy->order[i] = i % 2 == 0 ? middle - i / 2 : middle + (i + 1) / 2;
}

static ls_status prepare(ls_policy *policy, const ls_trial *trials, int n_trials)
{
    const ls_study_settings *s = policy->settings;
    ls_study_state *out = policy->out;
    set_order(policy);
    LS_TRY(ls__policy_index(policy, trials, n_trials));
    policy->point = ls_calloc((size_t)s->n_sizes * (size_t)s->n_seeds, sizeof *policy->point);
    out->want = ls_calloc((size_t)policy->max_wants, sizeof *out->want);
    LS_REQUIRE(policy->point != NULL && out->want != NULL, LS_ENOMEM, "a study of %d sizes", s->n_sizes);
    for (int i = 0; i < s->n_sizes; i++) policy->tuned_steps[i] = -1;
    for (int arm = 0; arm < LS_N_ARMS; arm++) {
        if (arm != LS_ARM_TUNED && !s->arm[arm]) continue;
        out->size[arm] = ls_calloc((size_t)s->n_sizes, sizeof *out->size[arm]);
        LS_REQUIRE(out->size[arm] != NULL, LS_ENOMEM, "results of %d sizes", s->n_sizes);
        out->n_sizes[arm] = s->n_sizes;
        for (int i = 0; i < s->n_sizes; i++)
            out->size[arm][i] = (ls_size_result){.size = s->size[i], .lr = NAN, .momentum = NAN, .best_error = NAN};
    }
    return LS_OK;
}

/* A size is done when nothing up to it in the canonical order is missing; only such sizes enter the running fit. */
static ls_status walk(ls_policy *policy)
{
    for (int n = 0; n < policy->settings->n_sizes; n++) {
        const int i = policy->order[n];
        ls_size_result *result = &policy->out->size[LS_ARM_TUNED][i];
        LS_TRY(ls__policy_tune(policy, n, result));
        if (!isnan(result->lr)) LS_TRY(ls__policy_score(policy, LS_ARM_TUNED, i, result));
        result->done = policy->out->n_wants == 0;
        if (result->done && result->tuned) LS_TRY(ls__policy_fit(policy, result));
    }
    return ls__policy_arms(policy);
}

ls_status ls_study_replay(const ls_study_settings *settings, const ls_trial *trials, int n_trials, int max_wants,
                          ls_study_state *out)
{
    *out = (ls_study_state){.s_min = NAN, .b_crit = NAN};
    LS_REQUIRE(n_trials >= 0 && max_wants >= 1, LS_EINTERNAL, "%d trials, %d wants", n_trials, max_wants);
    LS_TRY(ls__policy_check(settings));
    ls_policy policy = {.settings = settings, .out = out, .max_wants = max_wants, .s_min = NAN, .b_crit = NAN};
    ls_status status = prepare(&policy, trials, n_trials);
    if (status == LS_OK) status = walk(&policy);
    ls_free(policy.index);
    ls_free(policy.point);
    out->s_min = policy.s_min;
    out->b_crit = policy.b_crit;
    out->done = status == LS_OK && out->n_wants == 0;
    if (status != LS_OK) ls_study_state_destroy(out);
    return status;
}

void ls_study_state_destroy(ls_study_state *state)
{
    for (int arm = 0; arm < LS_N_ARMS; arm++) {
        for (int i = 0; i < state->n_sizes[arm]; i++) {
            ls_free(state->size[arm][i].probe);
            ls_free(state->size[arm][i].score);
        }
        ls_free(state->size[arm]);
    }
    ls_free(state->want);
    *state = (ls_study_state){.s_min = NAN, .b_crit = NAN};
}
