/* What a study may ask for: settings that cannot be studied are refused before the first trial. */
#include <inttypes.h>
#include <math.h>

#include "study/policy.h"

static ls_status check_sizes(const ls_study_settings *s)
{
    LS_REQUIRE(s->n_sizes >= 1 && s->n_sizes <= LS_STUDY_MAX_SIZES, LS_EUSAGE,
               "a study has 1 to %d batch sizes, not %d", LS_STUDY_MAX_SIZES, s->n_sizes);
    bool has_base = s->base_size == 0;
    for (int i = 0; i < s->n_sizes; i++) {
        LS_REQUIRE(s->size[i] > (i == 0 ? 0 : s->size[i - 1]), LS_EUSAGE,
                   "batch sizes are positive and ascend, but %" PRId64 " stands at place %d", s->size[i], i + 1);
        has_base = has_base || s->size[i] == s->base_size;
    }
    LS_REQUIRE(has_base, LS_EUSAGE, "the rules' base size %" PRId64 " is none of the study's batch sizes",
               s->base_size);
    LS_REQUIRE(s->n_samples >= s->size[s->n_sizes - 1], LS_EUSAGE,
               "batch size %" PRId64 " is larger than the training set of %" PRId64 " samples", s->size[s->n_sizes - 1],
               s->n_samples);
    return LS_OK;
}

static ls_status check_targets(const ls_study_settings *s)
{
    LS_REQUIRE(s->n_targets >= 1 && s->n_targets <= LS_STUDY_MAX_TARGETS, LS_EUSAGE,
               "a study has 1 to %d targets, not %d", LS_STUDY_MAX_TARGETS, s->n_targets);
    for (int t = 1; t < s->n_targets; t++)
        LS_REQUIRE(s->target[t] < s->target[t - 1], LS_EUSAGE, "targets descend, but %g follows %g", s->target[t],
                   s->target[t - 1]);
    LS_REQUIRE(s->looks >= 1 && s->min_looks >= 0, LS_EUSAGE, "looks %" PRId64 ", min_looks %" PRId64, s->looks,
               s->min_looks);
    return LS_OK;
}

static ls_status check_seeds(const ls_study_settings *s)
{
    LS_REQUIRE(s->n_seeds >= 1 && s->n_seeds <= LS_STUDY_MAX_SEEDS, LS_EUSAGE,
               "a study scores 1 to %d seeds, not %" PRId64, LS_STUDY_MAX_SEEDS, s->n_seeds);
    LS_REQUIRE(s->scoring_seed >= 0 && s->scoring_seed <= INT64_MAX - s->n_seeds, LS_EUSAGE,
               "scoring seed %" PRId64 " is out of range", s->scoring_seed);
    LS_REQUIRE(s->tuning_seed < s->scoring_seed || s->tuning_seed >= s->scoring_seed + s->n_seeds, LS_EUSAGE,
               "tuning seed %" PRId64 " is one of the scoring seeds %" PRId64 " to %" PRId64, s->tuning_seed,
               s->scoring_seed, s->scoring_seed + s->n_seeds - 1);
    LS_REQUIRE(s->n_seeds == 1 || s->vary_init || s->vary_order, LS_EUSAGE,
               "%" PRId64 " scoring runs that change neither the init nor the order seed would be one", s->n_seeds);
    return LS_OK;
}

static ls_status check_search(const ls_study_settings *s)
{
    LS_REQUIRE(s->lr_min > 0 && s->lr_min <= s->lr_max && isfinite(s->lr_max), LS_EUSAGE,
               "learning rates from %g to %g are no range", s->lr_min, s->lr_max);
    if (s->search == LS_SEARCH_GRID) {
        LS_REQUIRE(s->lr_start >= s->lr_min && s->lr_start <= s->lr_max, LS_EUSAGE,
                   "the first learning rate %g lies outside %g to %g", s->lr_start, s->lr_min, s->lr_max);
        return LS_OK;
    }
    LS_REQUIRE(s->sobol_trials >= 1 && s->sobol_trials < 1 << 20, LS_EUSAGE,
               "%" PRId64 " sobol trials are out of range", s->sobol_trials);
    LS_REQUIRE(isnan(s->momentum_min) ||
                   (s->momentum_min >= 0 && s->momentum_min <= s->momentum_max && s->momentum_max < 1),
               LS_EUSAGE, "momentum from %g to %g is no range within [0, 1)", s->momentum_min, s->momentum_max);
    return LS_OK;
}

ls_status ls__policy_check(const ls_study_settings *settings)
{
    LS_TRY(check_sizes(settings));
    LS_TRY(check_targets(settings));
    LS_TRY(check_seeds(settings));
    LS_TRY(check_search(settings));
    LS_REQUIRE(settings->max_iterations > 0 || settings->max_epochs > 0, LS_EUSAGE,
               "a study needs max_iterations or max_epochs: before there is a fit nothing else ends a trial");
    LS_REQUIRE(settings->first_epochs > 0, LS_EUSAGE, "first_epochs is %g, not above 0", settings->first_epochs);
    LS_REQUIRE(settings->cap_factor >= 1 && settings->race_factor >= 1, LS_EUSAGE,
               "cap_factor %g and race_factor %g are at least 1", settings->cap_factor, settings->race_factor);
    return LS_OK;
}
