/* The records by key: what a trial has shown, or that it is wanted. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "study/policy.h"

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN equals NaN and comes before every number. */
static int compare_reals(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(b) - isnan(a);
    return (a > b) - (a < b);
}

static int compare_keys(const ls_trial_key *a, const ls_trial_key *b)
{
    int order = compare_integers(a->global_batch_size, b->global_batch_size);
    if (order == 0) order = compare_reals(a->lr, b->lr);
    if (order == 0) order = compare_reals(a->momentum, b->momentum);
    if (order == 0) order = compare_integers(a->look_every, b->look_every);
    if (order == 0) order = compare_integers(a->init_seed, b->init_seed);
    if (order == 0) order = compare_integers(a->order_seed, b->order_seed);
    return order;
}

static int compare_trials(const void *a, const void *b)
{
    const ls_trial *const *x = a, *const *y = b;
    return compare_keys(&(*x)->key, &(*y)->key);
}

ls_status ls__policy_index(ls_policy *policy, const ls_trial *trials, int n_trials)
{
    policy->index = ls_calloc((size_t)n_trials, sizeof *policy->index);
    LS_REQUIRE(policy->index != NULL, LS_ENOMEM, "an index of %d trials", n_trials);
    policy->n_trials = n_trials;
    for (int i = 0; i < n_trials; i++) policy->index[i] = &trials[i];
    qsort(policy->index, (size_t)n_trials, sizeof *policy->index, compare_trials);
    return LS_OK;
}

static const ls_trial *find(const ls_policy *policy, const ls_trial_key *key)
{
    const ls_trial wanted = {.key = *key}, *pointer = &wanted;
    const ls_trial **found =
        bsearch(&pointer, policy->index, (size_t)policy->n_trials, sizeof *policy->index, compare_trials);
    return found == NULL ? NULL : *found;
}

/* Reads the looks up to the cap: first crossings and the lowest error. */
static void read_looks(const ls_study_settings *settings, const ls_trial *trial, ls_outcome *out)
{
    const int strictest = settings->n_targets - 1;
    for (int i = 0; i < trial->n_looks && out->steps[strictest] < 0; i++) {
        const ls_look *look = &trial->look[i];
        if (look->iteration > out->cap) break;
        out->best_error = fmin(out->best_error, look->error);
        for (int t = 0; t <= strictest; t++)
            if (out->steps[t] < 0 && look->error < settings->target[t]) out->steps[t] = look->iteration;
        if (out->steps[strictest] < 0) continue;
        out->loss = look->loss;
        out->test_error = look->test_error;
    }
}

/* The cut at the cap never depends on how far the record runs beyond it: a crossing comes first, then divergence. */
static ls_outcome judge(const ls_study_settings *settings, const ls_trial *trial, int64_t cap)
{
    ls_outcome out = {.cap = cap, .loss = NAN, .test_error = NAN, .best_error = NAN, .trial = trial};
    for (int t = 0; t < settings->n_targets; t++) out.steps[t] = -1;
    if (trial != NULL) read_looks(settings, trial, &out);
    if (out.steps[settings->n_targets - 1] >= 0)
        out.status = LS_TRIAL_COMPLETE;
    else if (trial != NULL && trial->diverged && trial->iterations <= cap)
        out.status = LS_TRIAL_INFEASIBLE;
    else {
        out.status = LS_TRIAL_CENSORED;
        out.missing = trial == NULL || trial->iterations < cap;
    }
    return out;
}

static void want(ls_policy *policy, ls_want asked, const ls_trial *trial)
{
    ls_study_state *out = policy->out;
    if (out->n_wants > 0 && !asked.scoring) {
        const int64_t likely = ls__policy_grid(2 * (double)asked.expected, asked.key.look_every);
        if (likely < asked.cap) asked.cap = likely;
        if (trial != NULL && trial->iterations >= asked.cap) return;
    }
    for (int i = 0; i < out->n_wants; i++)
        if (compare_keys(&out->want[i].key, &asked.key) == 0) return;
    if (out->n_wants < policy->max_wants) out->want[out->n_wants++] = asked;
}

ls_outcome ls__policy_ask(ls_policy *policy, const ls_want *asked)
{
    const ls_trial *trial = find(policy, &asked->key);
    const ls_outcome out = judge(policy->settings, trial, asked->cap);
    if (out.missing) want(policy, *asked, trial);
    return out;
}
