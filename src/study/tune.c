#include "study/tune.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* A rate that reached the target comes before one that did not, and divergence last.  Equal steps (the looks are a
 * grid) go to the lower loss at the crossing, equal losses to the smaller rate, which is farther from divergence. */
static bool better(const ls_attempt *a, const ls_attempt *b)
{
    static const int rank[] = {
        [LS_TRIAL_COMPLETE] = 0, [LS_TRIAL_CENSORED] = 1, [LS_TRIAL_INCOMPLETE] = 1, [LS_TRIAL_INFEASIBLE] = 2};
    if (a->missing || b->missing) return !a->missing;
    const int ranks = rank[a->probe.status] - rank[b->probe.status];
    if (ranks != 0) return ranks < 0;
    const bool complete = a->probe.status == LS_TRIAL_COMPLETE;
    if (complete && a->probe.steps != b->probe.steps) return a->probe.steps < b->probe.steps;
    const double x = complete ? a->loss : a->probe.best_error, y = complete ? b->loss : b->probe.best_error;
    if (a->probe.status != LS_TRIAL_INFEASIBLE && (x < y || y < x || isnan(x) != isnan(y))) return x < y || isnan(y);
    return a->probe.lr < b->probe.lr;
}

static bool reached(const ls_tuning *tuning)
{
    if (tuning->n == 0) return false;
    const ls_attempt *best = &tuning->attempt[tuning->best];
    return !best->missing && best->probe.status == LS_TRIAL_COMPLETE;
}

/* The trial of the next attempt: abandoned at race_factor times the incumbent. */
static ls_want next_want(const ls_tuning *tuning, double lr, double momentum)
{
    const ls_study_settings *s = tuning->policy->settings;
    ls_want want = {.key = {.global_batch_size = tuning->size,
                            .lr = lr,
                            .momentum = momentum,
                            .init_seed = s->tuning_seed,
                            .order_seed = s->tuning_seed,
                            .look_every = tuning->look_every},
                    .cap = ls__policy_cap(tuning->policy, tuning->size, tuning->look_every),
                    .expected = tuning->expected,
                    .arm = LS_ARM_TUNED};
    if (reached(tuning)) {
        const int64_t steps = tuning->attempt[tuning->best].probe.steps;
        const int64_t race = ls__policy_grid(s->race_factor * (double)steps, tuning->look_every);
        if (race < want.cap) want.cap = race;
        want.expected = steps;
    }
    if (want.expected > want.cap) want.expected = want.cap;
    return want;
}

ls_status ls__tuning_try(ls_tuning *tuning, double lr, double momentum)
{
    if ((tuning->n & (tuning->n - 1)) == 0) { /* room doubles at 0, 1, 2, 4, ... */
        const size_t room = tuning->n == 0 ? 1 : 2 * (size_t)tuning->n;
        ls_attempt *grown = ls_realloc(tuning->attempt, (size_t)tuning->n, room, sizeof *grown);
        LS_REQUIRE(grown != NULL, LS_ENOMEM, "%zu tuning trials", room);
        tuning->attempt = grown;
    }
    const ls_want want = next_want(tuning, lr, momentum);
    const bool raced = want.cap < ls__policy_cap(tuning->policy, tuning->size, tuning->look_every);
    const ls_outcome outcome = ls__policy_ask(tuning->policy, &want);
    ls_attempt *attempt = &tuning->attempt[tuning->n];
    *attempt = (ls_attempt){.probe = {.lr = lr,
                                      .momentum = momentum,
                                      .status = outcome.status,
                                      .steps = outcome.steps[tuning->policy->settings->n_targets - 1],
                                      .cap = want.cap,
                                      .best_error = outcome.best_error,
                                      .trial = outcome.trial},
                            .loss = outcome.loss,
                            .missing = outcome.missing};
    if (outcome.status == LS_TRIAL_CENSORED && raced) attempt->probe.status = LS_TRIAL_INCOMPLETE;
    if (tuning->n > 0 && better(attempt, &tuning->attempt[tuning->best])) tuning->best = tuning->n;
    tuning->n++;
    return LS_OK;
}

/* The sizes on one side of the middle are tuned without a look at the other side, so that both can be tuned at once. */
static bool same_side(const ls_policy *policy, int i, int j)
{
    const int middle = policy->order[0];
    return (i <= middle && j <= middle) || (i >= middle && j >= middle);
}

/* Is position i of the sizes the better neighbour of `at` than j?  Tuned, then same side, then the smaller ratio. */
static bool nearer(const ls_policy *policy, int at, int i, int j)
{
    const ls_size_result *result = policy->out->size[LS_ARM_TUNED];
    if (j < 0 || result[i].tuned != result[j].tuned) return j < 0 || result[i].tuned;
    const bool same = same_side(policy, at, i);
    if (same != same_side(policy, at, j)) return same;
    const double size = (double)result[at].size;
    return fabs(log((double)result[i].size / size)) < fabs(log((double)result[j].size / size));
}

/* Position of the best neighbour among the n_before canonically earlier sizes that reached the target; with `beside`
 * the next one after it, on the same side.  -1: none. */
static int neighbour(const ls_policy *policy, int n_before, int beside)
{
    const int at = policy->order[n_before];
    int found = -1;
    for (int n = 0; n < n_before; n++) {
        const int i = policy->order[n];
        if (policy->tuned_steps[i] < 0 || (beside >= 0 && (i == beside || !same_side(policy, at, i)))) continue;
        if (nearer(policy, at, i, found)) found = i;
    }
    return found;
}

/* Steps expected at the next size: a guess before any is tuned (min_looks repairs one that is too long); then from its
 * neighbour along the line, in logarithms, to the one after; the slope lies between perfect scaling and none, and is
 * half way where there is but one. */
static double expected_steps(const ls_policy *policy, int n_before, int near)
{
    const ls_study_settings *s = policy->settings;
    const double size = (double)s->size[policy->order[n_before]];
    if (near < 0) return s->first_epochs * (double)s->n_samples / size;
    const int next = neighbour(policy, n_before, near);
    const double steps = fmax(1, (double)policy->tuned_steps[near]), base = (double)s->size[near];
    double slope = -0.5;
    if (next >= 0) {
        const double rise = log(fmax(1, (double)policy->tuned_steps[next]) / steps);
        slope = fmin(0, fmax(-1, rise / log((double)s->size[next] / base)));
    }
    return steps * pow(size / base, slope);
}

static ls_status search(ls_tuning *tuning, double steps, int64_t look_every)
{
    ls_free(tuning->attempt);
    tuning->attempt = NULL;
    tuning->n = tuning->best = 0;
    tuning->look_every = look_every;
    const int64_t cap = ls__policy_cap(tuning->policy, tuning->size, look_every);
    tuning->expected = (int64_t)fmin((double)cap, fmax(1, ceil(steps)));
    return tuning->policy->settings->search == LS_SEARCH_GRID ? ls__tune_grid(tuning) : ls__tune_sobol(tuning);
}

/* Looks too coarse for the steps found would decide by chance: search again with finer ones, from the rate found. */
static ls_status search_until_fine(ls_tuning *tuning, double steps)
{
    const ls_study_settings *s = tuning->policy->settings;
    int64_t look_every = ls__policy_look_every(s, steps);
    for (;;) {
        LS_TRY(search(tuning, steps, look_every));
        if (!reached(tuning)) return LS_OK;
        const ls_probe *best = &tuning->attempt[tuning->best].probe;
        steps = (double)best->steps;
        look_every = ls__policy_look_every(s, steps);
        if (look_every >= tuning->look_every || best->steps / tuning->look_every >= s->min_looks) return LS_OK;
        tuning->start = best->lr;
    }
}

static int compare_probes(const void *a, const void *b)
{
    const ls_probe *x = a, *y = b;
    return (x->lr > y->lr) - (x->lr < y->lr);
}

/* An optimum at the smallest or the largest rate tried is at the search's edge: it is not known to be one.  Where no
 * rate reached the target, the one that came nearest is scored: its runs are censored, not dropped. */
static ls_status conclude(const ls_tuning *tuning, ls_size_result *result)
{
    result->look_every = tuning->look_every;
    result->probe = ls_calloc((size_t)tuning->n, sizeof *result->probe);
    LS_REQUIRE(result->probe != NULL, LS_ENOMEM, "%d probes", tuning->n);
    const ls_attempt *best = &tuning->attempt[tuning->best];
    bool below = false, above = false;
    for (int i = 0; i < tuning->n; i++) {
        const ls_attempt *attempt = &tuning->attempt[i];
        below = below || attempt->probe.lr < best->probe.lr;
        above = above || attempt->probe.lr > best->probe.lr;
        if (attempt->missing) continue;
        result->probe[result->n_probes++] = attempt->probe;
        result->best_error = fmin(result->best_error, attempt->probe.best_error);
    }
    qsort(result->probe, (size_t)result->n_probes, sizeof *result->probe, compare_probes);
    const bool certain = tuning->policy->out->n_wants == 0; /* nobody speculates on a rate that may be the wrong one */
    if (!reached(tuning) && (!certain || best->probe.status == LS_TRIAL_INFEASIBLE)) return LS_OK;
    result->lr = best->probe.lr;
    result->momentum = best->probe.momentum;
    result->tuned = below && above;
    if (reached(tuning))
        result->look_every = ls__policy_look_every(tuning->policy->settings, (double)best->probe.steps);
    return LS_OK;
}

ls_status ls__policy_tune(ls_policy *policy, int n_before, ls_size_result *result)
{
    const int near = neighbour(policy, n_before, -1);
    ls_tuning tuning = {.policy = policy, .size = result->size};
    tuning.start = near < 0 ? policy->settings->lr_start : policy->out->size[LS_ARM_TUNED][near].lr;
    ls_status status = search_until_fine(&tuning, expected_steps(policy, n_before, near));
    if (status == LS_OK) status = conclude(&tuning, result);
    if (status == LS_OK && reached(&tuning))
        policy->tuned_steps[policy->order[n_before]] = tuning.attempt[tuning.best].probe.steps;
    ls_free(tuning.attempt);
    return status;
}
