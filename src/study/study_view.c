/* Reading the results of a study for figures and tables. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/study.h"
#include "study/report_internal.h"

const json_t *ls_study_arm_named(const json_t *results, const char *name)
{
    size_t i;
    const json_t *arm;
    json_array_foreach(json_object_get(results, "arms"), i, arm)
    {
        if (strcmp(ls_json_text(arm, "arm"), name) == 0) return arm;
    }
    return NULL;
}

int ls_study_targets(const json_t *results, double target[])
{
    const json_t *list = json_object_get(results, "targets");
    int n = 0;
    for (size_t i = 0; i < json_array_size(list) && n < LS_STUDY_MAX_TARGETS; i++)
        target[n++] = ls_json_number(json_array_get(list, i));
    while (n > 0 && !isfinite(target[n - 1])) n--;
    return n;
}

const json_t *ls_study_fit(const json_t *arm, double target)
{
    size_t i;
    const json_t *fit;
    json_array_foreach(json_object_get(arm, "fits"), i, fit)
    {
        if (fabs(ls_json_real(fit, "target") - target) <= 1e-12) return fit;
    }
    return NULL;
}

/* Half the width of an interval on the log scale. */
static double half_log(const json_t *estimate)
{
    return log(ls_json_real(estimate, "high") / ls_json_real(estimate, "low")) / 2;
}

/* E_min = S_min B_crit, so var log E_min = ss + cc + 2 sc gives the covariance. */
ls_curve_view ls_curve_read(const json_t *arm, double target)
{
    const json_t *fit = ls_study_fit(arm, target);
    const json_t *s_min = json_object_get(fit, "s_min"), *b_crit = json_object_get(fit, "b_crit");
    const double s = half_log(s_min), c = half_log(b_crit), e = half_log(json_object_get(fit, "e_min"));
    ls_curve_view curve = {.target = target,
                           .s_min = ls_json_real(s_min, "value"),
                           .b_crit = ls_json_real(b_crit, "value"),
                           .b_crit_low = ls_json_real(b_crit, "low"),
                           .b_crit_high = ls_json_real(b_crit, "high"),
                           .ss = s * s,
                           .cc = c * c,
                           .sc = (e * e - s * s - c * c) / 2};
    curve.known = curve.s_min > 0 && curve.b_crit > 0;
    curve.identified = curve.known && json_is_true(json_object_get(fit, "identified"));
    return curve;
}

/* d log S / d log B_crit = B_crit / (B + B_crit) = w. */
double ls_curve_steps(const ls_curve_view *c, double size, double *low, double *high)
{
    const double steps = c->s_min * (1 + c->b_crit / size), w = c->b_crit / (size + c->b_crit);
    const double half = sqrt(fmax(c->ss + w * w * c->cc + 2 * w * c->sc, 0));
    const bool known = isfinite(c->ss + c->cc + c->sc);
    *low = known ? steps * exp(-half) : NAN;
    *high = known ? steps * exp(half) : NAN;
    return steps;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Steps of a score to a target; infinity: not reached. */
static double steps_of(const json_t *score, int target)
{
    const double steps = ls_json_number(json_array_get(json_object_get(score, "steps"), (size_t)target));
    return steps > 0 ? steps : INFINITY;
}

ls_size_view ls_size_view_read(const json_t *size, int target)
{
    double steps[LS_STUDY_MAX_SEEDS];
    ls_size_view v = {.json = size,
                      .size = ls_json_real(size, "size"),
                      .median = NAN,
                      .lowest = NAN,
                      .highest = NAN,
                      .cap = NAN,
                      .tuned = json_is_true(json_object_get(size, "tuned"))};
    size_t i;
    const json_t *score;
    json_array_foreach(json_object_get(size, "scores"), i, score)
    {
        if (v.n_scores == LS_STUDY_MAX_SEEDS) break;
        steps[v.n_scores] = steps_of(score, target);
        if (isfinite(steps[v.n_scores++]))
            v.n_reached++;
        else
            v.cap = fmax(v.cap, ls_json_real(score, "cap"));
    }
    if (v.n_scores == 0) return v;
    qsort(steps, (size_t)v.n_scores, sizeof *steps, ascending);
    const double median = (steps[(v.n_scores - 1) / 2] + steps[v.n_scores / 2]) / 2;
    if (isfinite(median)) v.median = median;
    if (v.n_reached > 0) {
        v.lowest = steps[0];
        v.highest = steps[v.n_reached - 1];
    }
    return v;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    return ls_json_real(a, key) == ls_json_real(b, key);
}

/* The reached score nearest to the median, else the first. */
static const json_t *median_score(const ls_size_view *view, int target)
{
    const json_t *best = NULL, *score;
    double least = INFINITY;
    size_t i;
    json_array_foreach(json_object_get(view->json, "scores"), i, score)
    {
        const double away = fabs(steps_of(score, target) - view->median);
        if (best != NULL && !(away < least)) continue;
        best = score;
        least = isfinite(away) ? away : INFINITY;
    }
    return best;
}

const json_t *ls_study_median_trial(const ls_size_view *view, int target, const json_t *trials)
{
    const json_t *score = median_score(view, target), *trial;
    size_t i;
    if (score == NULL) return NULL;
    json_array_foreach(trials, i, trial)
    {
        if (strcmp(ls_json_text(trial, "purpose"), "score") == 0 && strcmp(ls_json_text(trial, "arm"), "tuned") == 0 &&
            same(trial, view->json, "size") && same(trial, score, "init_seed") && same(trial, score, "order_seed"))
            return trial;
    }
    return NULL;
}
