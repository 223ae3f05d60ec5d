/* Control arms: the base size's tuned optimum, carried to every size by a rule; the tuned arm's seeds and looks, so
 * that curves differ by the rate alone, and no tuning. */
#include <math.h>

#include "study/policy.h"

static double rule(ls_study_arm arm, double ratio)
{
    if (arm == LS_ARM_LINEAR) return ratio;
    return arm == LS_ARM_SQRT ? sqrt(ratio) : 1;
}

/* Without a base size: a small one, a quarter of the way up the sizes.  Rules carry the rate of a usual batch to larger
 * ones; the rate of a middle size would be too large for small batches, and they would tell nothing. */
static int base_of(const ls_policy *policy)
{
    const ls_study_settings *s = policy->settings;
    for (int i = 0; i < s->n_sizes; i++)
        if (s->size[i] == s->base_size) return i;
    return (s->n_sizes - 1) / 4;
}

static ls_status run_arm(ls_policy *policy, ls_study_arm arm)
{
    const int at = base_of(policy);
    const ls_size_result *tuned = policy->out->size[LS_ARM_TUNED], *base = &tuned[at];
    for (int n = 0; n < policy->settings->n_sizes; n++) {
        const int i = policy->order[n];
        ls_size_result *result = &policy->out->size[arm][i];
        result->look_every = tuned[i].look_every;
        if (policy->tuned_steps[at] >= 0) {
            result->lr = base->lr * rule(arm, (double)result->size / (double)base->size);
            result->momentum = base->momentum;
            result->tuned = base->tuned;
            LS_TRY(ls__policy_score(policy, arm, i, result));
        }
        result->done = policy->out->n_wants == 0;
    }
    return LS_OK;
}

ls_status ls__policy_arms(ls_policy *policy)
{
    for (int arm = LS_ARM_FIXED; arm < LS_N_ARMS; arm++)
        if (policy->settings->arm[arm]) LS_TRY(run_arm(policy, (ls_study_arm)arm));
    return LS_OK;
}
