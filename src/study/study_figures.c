/* The figures of a study that show steps: against size, of targets, of arms, the frontier, and time. */
#include <math.h>
#include <stdio.h>

#include "lockstep/study.h"
#include "study/report_internal.h"

enum { CURVE_POINTS = 64 };

static const char batch_label[] = "global batch size B (samples)";
static const char steps_label[] = "iterations to target S";

typedef struct span {
    double low, high;
} span;

/* Smallest and largest size of an arm. */
static span sizes_of(const json_t *arm)
{
    span s = {INFINITY, -INFINITY};
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        const double b = ls_json_real(size, "size");
        if (!(b > 0)) continue;
        s.low = fmin(s.low, b);
        s.high = fmax(s.high, b);
    }
    return s;
}

/* Point i of a curve, equally apart on the log scale. */
static double along(span s, int i)
{
    return s.low * pow(s.high / s.low, (double)i / (CURVE_POINTS - 1));
}

static void add_curve(ls_figure *f, const ls_curve_view *c, span s)
{
    for (int i = 0; i < CURVE_POINTS && c->known && s.low > 0; i++) {
        double low, high;
        const double b = along(s, i), steps = ls_curve_steps(c, b, &low, &high);
        ls_figure_interval(f, b, steps, low, high);
    }
}

static void add_seeds(ls_figure *f, const json_t *arm, int target)
{
    size_t i, k;
    const json_t *size, *score;
    ls_figure_series(f, LS_MARK_SMALL, LS_NEUTRAL, "each seed");
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        json_array_foreach(json_object_get(size, "scores"), k, score)
        {
            const double steps = ls_json_number(json_array_get(json_object_get(score, "steps"), (size_t)target));
            if (steps > 0) ls_figure_point(f, ls_json_real(size, "size"), steps);
        }
    }
}

/* Medians of the sizes that are tuned, or of those that are not. */
static void add_medians(ls_figure *f, const json_t *arm, int target, bool tuned)
{
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        const ls_size_view v = ls_size_view_read(size, target);
        if (v.tuned == tuned && isfinite(v.median)) ls_figure_interval(f, v.size, v.median, v.lowest, v.highest);
    }
}

/* An arrow at the cap of every size where a run did not reach the target. */
static void add_censored(ls_figure *f, const json_t *arm, int target)
{
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        const ls_size_view v = ls_size_view_read(size, target);
        if (isfinite(v.cap)) ls_figure_point(f, v.size, v.cap);
    }
}

/* S = E_min / B through the fit's left branch, or through the smallest size's median. */
static void add_perfect(ls_figure *f, const json_t *arm, const ls_curve_view *c, span s, int target)
{
    double samples = c->known ? c->s_min * c->b_crit : NAN;
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        const ls_size_view v = ls_size_view_read(size, target);
        if (!isfinite(samples)) samples = v.size * v.median;
    }
    char text[LS_NUMBER_TEXT];
    ls_number_text(samples, text);
    ls_figure_series(f, LS_MARK_DASH, LS_NEUTRAL, "perfect scaling, S = %s / B", text);
    if (!isfinite(samples) || !(s.low > 0)) return;
    ls_figure_point(f, s.low, samples / s.low);
    ls_figure_point(f, s.high, samples / s.high);
}

static void steps_figure(ls_report *r, const json_t *arm, double target, int index)
{
    const span s = sizes_of(arm);
    const ls_curve_view c = ls_curve_read(arm, target);
    ls_figure f = ls_figure_begin("steps", "Iterations to target against batch size", batch_label, LS_LOG2, steps_label,
                                  LS_LOG10);
    ls_figure_series(&f, LS_MARK_BAND, 1, "95 %% band of the fit");
    for (int i = 0; i < CURVE_POINTS && c.known && isfinite(c.ss); i++) {
        double low, high;
        const double b = along(s, i), steps = ls_curve_steps(&c, b, &low, &high);
        ls_figure_interval(&f, b, steps, low, high);
    }
    add_perfect(&f, arm, &c, s, index);
    ls_figure_series(&f, LS_MARK_LINE, 1, "fit S = %.4g (1 + %.4g / B)%s", c.s_min, c.b_crit,
                     c.identified ? "" : ", B_crit not identified");
    add_curve(&f, &c, s);
    add_seeds(&f, arm, index);
    ls_figure_series(&f, LS_MARK_DOTS, 0, "median, from lowest to highest seed");
    add_medians(&f, arm, index, true);
    ls_figure_series(&f, LS_MARK_HOLLOW, 3, "UNTUNED: not in the fit");
    add_medians(&f, arm, index, false);
    ls_figure_series(&f, LS_MARK_ARROW, 4, "a run did not reach the target within");
    add_censored(&f, arm, index);
    ls_text_printf(&f.caption, "Validation error below %.4g. An iteration is one update of all parameters.", target);
    ls_report_figure(r, &f, "no run reached the target");
}

static void frontier_figure(ls_report *r, const json_t *arm, double target, int index)
{
    const span s = sizes_of(arm);
    const ls_curve_view c = ls_curve_read(arm, target);
    ls_figure f = ls_figure_begin("frontier", "Samples against iterations", steps_label, LS_LOG10,
                                  "samples to target E = B S", LS_LOG10);
    size_t i;
    const json_t *size;
    ls_figure_series(&f, LS_MARK_LINE, 1, "fit, (S/S_min - 1)(E/E_min - 1) = 1");
    for (int k = 0; k < CURVE_POINTS && c.known && s.low > 0; k++) {
        double low, high;
        const double b = along(s, k), steps = ls_curve_steps(&c, b, &low, &high);
        ls_figure_point(&f, steps, b * steps);
    }
    for (int tuned = 1; tuned >= 0; tuned--) {
        if (tuned)
            ls_figure_series(&f, LS_MARK_DOTS, 0, "median of a batch size");
        else
            ls_figure_series(&f, LS_MARK_HOLLOW, 3, "UNTUNED");
        json_array_foreach(json_object_get(arm, "sizes"), i, size)
        {
            const ls_size_view v = ls_size_view_read(size, index);
            if (v.tuned == tuned && isfinite(v.median)) ls_figure_point(&f, v.median, v.median * v.size);
        }
    }
    ls_text_printf(&f.caption, "Fewer iterations (left, large batches) cost more samples (up).");
    ls_report_figure(r, &f, "no run reached the target");
}

static void targets_figure(ls_report *r, const json_t *arm, const double *target, int n)
{
    ls_figure f = ls_figure_begin("targets", "Shift with the target", batch_label, LS_LOG2, steps_label, LS_LOG10);
    for (int t = 0; t < n; t++) {
        const ls_curve_view c = ls_curve_read(arm, target[t]);
        ls_figure_series(&f, LS_MARK_DOTS, t, "error below %.4g%s", target[t], c.identified ? "" : " (not identified)");
        add_medians(&f, arm, t, true);
        ls_figure_series_unlisted(&f, LS_MARK_HOLLOW, t, "UNTUNED");
        add_medians(&f, arm, t, false);
        ls_figure_series_unlisted(&f, LS_MARK_LINE, t, "fit");
        add_curve(&f, &c, sizes_of(arm));
    }
    ls_text_printf(&f.caption, "Medians and fits of the tuned arm, one curve per target.");
    ls_report_figure(r, &f, "no run reached a target");
}

static void arms_figure(ls_report *r, const json_t *results, double target, int index)
{
    size_t i;
    const json_t *arm;
    ls_figure f = ls_figure_begin("arms", "Tuned against rules for the learning rate", batch_label, LS_LOG2,
                                  steps_label, LS_LOG10);
    json_array_foreach(json_object_get(results, "arms"), i, arm)
    {
        const ls_curve_view c = ls_curve_read(arm, target);
        const char *name = ls_json_text(arm, "arm");
        ls_figure_series(&f, LS_MARK_DOTS, (int)i, "%s", name);
        add_medians(&f, arm, index, true);
        ls_figure_series_unlisted(&f, LS_MARK_HOLLOW, (int)i, name);
        add_medians(&f, arm, index, false);
        ls_figure_series_unlisted(&f, LS_MARK_LINE, (int)i, name);
        add_curve(&f, &c, sizes_of(arm));
        ls_figure_series_unlisted(&f, LS_MARK_ARROW, (int)i, name);
        add_censored(&f, arm, index);
    }
    ls_text_printf(&f.caption,
                   "Error below %.4g; arrows: not reached within the cap. A rule keeps the learning rate of one size "
                   "(fixed), or scales it by B (linear) or its root (sqrt).",
                   target);
    ls_report_figure(r, &f, "no run reached the target");
}

/* One line per batch size, in the order of `times`. */
static void time_figure(ls_report *r, const json_t *results)
{
    const json_t *times = json_object_get(results, "times"), *row, *other;
    size_t i, k;
    int n = 0;
    ls_figure f = ls_figure_begin("time", "Time to target against ranks", "ranks p", LS_LOG2,
                                  "seconds T = S(B) t(B, p)", LS_LOG10);
    json_array_foreach(times, i, row)
    {
        const double size = ls_json_real(row, "size");
        bool seen = false;
        for (k = 0; k < i; k++) seen |= ls_json_real(json_array_get(times, k), "size") == size;
        if (seen || !(size > 0)) continue;
        ls_figure_series(&f, LS_MARK_LINE_DOTS, n++, "B = %.0f", size);
        json_array_foreach(times, k, other)
        {
            if (ls_json_real(other, "size") == size)
                ls_figure_point(&f, ls_json_real(other, "ranks"), ls_json_real(other, "seconds"));
        }
    }
    ls_text_printf(&f.caption,
                   "Median iteration time measured on this machine, times the steps to the strictest target.");
    ls_report_figure(r, &f, "iteration times were not measured");
}

void ls_study_figures(ls_report *r, const json_t *results, const json_t *trials)
{
    double target[LS_STUDY_MAX_TARGETS];
    const int n = ls_study_targets(results, target), last = n > 0 ? n - 1 : 0;
    const json_t *tuned = ls_study_arm_named(results, "tuned");
    if (n > 0) {
        steps_figure(r, tuned, target[last], last);
        frontier_figure(r, tuned, target[last], last);
        if (n > 1) targets_figure(r, tuned, target, n);
        if (json_array_size(json_object_get(results, "arms")) > 1) arms_figure(r, results, target[last], last);
    }
    ls_study_search_figures(r, tuned);
    ls_study_trajectory_figures(r, results, trials);
    time_figure(r, results);
}
