/* The figures of a study that show learning rates and single runs. */
#include <math.h>
#include <string.h>

#include "lockstep/study.h"
#include "study/report_internal.h"

static const char lr_label[] = "learning rate";

static bool has_status(const json_t *probe, const char *status)
{
    return strcmp(ls_json_text(probe, "status"), status) == 0;
}

/* Learning rates tried at one size: dots joined where the target was reached, arrows at caps, crosses for divergence.
 */
static void add_probes(ls_figure *f, const json_t *size, int color)
{
    size_t i;
    const json_t *probe, *probes = json_object_get(size, "probes");
    ls_figure_series(f, LS_MARK_LINE_DOTS, color, "B = %.0f", ls_json_real(size, "size"));
    json_array_foreach(probes, i, probe)
    {
        const double steps = ls_json_real(probe, "steps");
        if (steps > 0) ls_figure_point(f, ls_json_real(probe, "lr"), steps);
    }
    ls_figure_series_unlisted(f, LS_MARK_ARROW, color, "abandoned or not reached");
    json_array_foreach(probes, i, probe)
    {
        if (!(ls_json_real(probe, "steps") > 0) && !has_status(probe, "INFEASIBLE"))
            ls_figure_point(f, ls_json_real(probe, "lr"), ls_json_real(probe, "cap"));
    }
    ls_figure_series_unlisted(f, LS_MARK_CROSS, color, "diverged");
    json_array_foreach(probes, i, probe)
    {
        if (!(ls_json_real(probe, "steps") > 0) && has_status(probe, "INFEASIBLE"))
            ls_figure_point(f, ls_json_real(probe, "lr"), ls_json_real(probe, "cap"));
    }
}

static void tuning_figure(ls_report *r, const json_t *tuned)
{
    size_t i;
    const json_t *size;
    ls_figure f = ls_figure_begin("tuning", "Iterations to target against learning rate", lr_label, LS_LOG10,
                                  "iterations to target S", LS_LOG10);
    json_array_foreach(json_object_get(tuned, "sizes"), i, size) add_probes(&f, size, (int)i);
    ls_text_printf(&f.caption,
                   "Tuning runs of every batch size. Arrows: abandoned, or not reached within the cap; crosses: "
                   "diverged, drawn at the cap.");
    ls_report_figure(r, &f, "no tuning runs are recorded");
}

typedef struct best {
    double size, lr, last_size;
} best;

/* Learning rates chosen, of tuned or untuned sizes; the first is where rules start from. */
static void add_chosen(ls_figure *f, const json_t *arm, bool tuned, best *first)
{
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(arm, "sizes"), i, size)
    {
        const double b = ls_json_real(size, "size"), lr = ls_json_real(size, "lr");
        if (json_is_true(json_object_get(size, "tuned")) != tuned || !(b > 0) || !(lr > 0)) continue;
        ls_figure_point(f, b, lr);
        if (!isfinite(first->size)) *first = (best){b, lr, b};
        first->last_size = fmax(first->last_size, b);
    }
}

static void rates_figure(ls_report *r, const json_t *tuned)
{
    best first = {NAN, NAN, NAN};
    ls_figure f = ls_figure_begin("rates", "Best learning rate against batch size", "global batch size B (samples)",
                                  LS_LOG2, lr_label, LS_LOG10);
    ls_figure_series(&f, LS_MARK_LINE_DOTS, 0, "best found");
    add_chosen(&f, tuned, true, &first);
    ls_figure_series(&f, LS_MARK_HOLLOW, 3, "UNTUNED: at the edge of the search");
    add_chosen(&f, tuned, false, &first);
    static const char *const names[] = {"linear rule, lr ~ B", "square-root rule, lr ~ sqrt(B)"};
    for (int rule = 0; rule < 2 && isfinite(first.size); rule++) {
        const double ratio = first.last_size / first.size;
        ls_figure_series(&f, LS_MARK_DASH, rule + 1, "%s", names[rule]);
        ls_figure_point(&f, first.size, first.lr);
        ls_figure_point(&f, first.last_size, first.lr * (rule == 0 ? ratio : sqrt(ratio)));
    }
    ls_text_printf(&f.caption, "The rules' lines start from the smallest size.");
    ls_report_figure(r, &f, "no learning rate was chosen");
}

void ls_study_search_figures(ls_report *r, const json_t *tuned)
{
    tuning_figure(r, tuned);
    rates_figure(r, tuned);
}

/* Columns of a look, as ls_trial_looks_json writes them. */
enum { LOOK_ERROR = 1, LOOK_NOISE = 3, LOOK_NOISE_SE = 5 };

/* Column of the looks of a trial against iteration; a noise scale with two standard errors on either side. */
static void add_looks(ls_figure *f, const json_t *trial, size_t column)
{
    size_t i;
    const json_t *look;
    json_array_foreach(json_object_get(trial, "looks"), i, look)
    {
        const double iteration = ls_json_number(json_array_get(look, 0));
        const double y = ls_json_number(json_array_get(look, column));
        const double margin = column == LOOK_NOISE ? 2.0 * ls_json_number(json_array_get(look, LOOK_NOISE_SE)) : NAN;
        if (iteration > 0) ls_figure_interval(f, iteration, y, y - margin, y + margin);
    }
}

/* A line per size: of the run of median length. */
static void add_median_runs(ls_figure *f, const json_t *tuned, int target, const json_t *trials, size_t column)
{
    size_t i;
    const json_t *size;
    json_array_foreach(json_object_get(tuned, "sizes"), i, size)
    {
        const ls_size_view v = ls_size_view_read(size, target);
        const json_t *trial = ls_study_median_trial(&v, target, trials);
        if (trial == NULL) continue;
        ls_figure_series(f, LS_MARK_RUN, (int)i, "B = %.0f", v.size);
        add_looks(f, trial, column);
    }
}

/* First and last iteration of all points. */
static void x_span(const ls_figure *f, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int s = 0; s < f->n_series; s++) {
        for (int i = 0; i < f->series[s].n; i++) {
            if (!(f->series[s].point[i].y > 0)) continue;
            *low = fmin(*low, f->series[s].point[i].x);
            *high = fmax(*high, f->series[s].point[i].x);
        }
    }
}

static void noise_figure(ls_report *r, const json_t *tuned, int target, const json_t *trials, const ls_curve_view *c)
{
    double low, high;
    ls_figure f = ls_figure_begin("noise", "Gradient noise scale beside the critical batch size", "iteration", LS_LOG10,
                                  "noise scale (samples)", LS_LOG10);
    add_median_runs(&f, tuned, target, trials, LOOK_NOISE);
    x_span(&f, &low, &high);
    if (c->known && low <= high) {
        ls_figure_series(&f, LS_MARK_LINE, LS_NEUTRAL, "B_crit = %.4g%s", c->b_crit,
                         c->identified ? ", with its 95 % interval" : " (not identified)");
        ls_figure_interval(&f, low, c->b_crit, c->b_crit_low, c->b_crit_high);
        ls_figure_interval(&f, high, c->b_crit, c->b_crit_low, c->b_crit_high);
        ls_figure_series_unlisted(&f, LS_MARK_BAND, LS_NEUTRAL, "95 % interval of B_crit");
        ls_figure_interval(&f, low, c->b_crit, c->b_crit_low, c->b_crit_high);
        ls_figure_interval(&f, high, c->b_crit, c->b_crit_low, c->b_crit_high);
    }
    ls_text_printf(&f.caption,
                   "tr(Sigma) / |G|^2 of the run of median length at every batch size, over its last readings up to "
                   "each look; gaps: undetermined. In brackets: two standard errors on either side. It predicts where "
                   "the curve bends, to an order of magnitude.");
    ls_report_figure(r, &f, "no noise scale is recorded");
}

void ls_study_trajectory_figures(ls_report *r, const json_t *results, const json_t *trials)
{
    double target[LS_STUDY_MAX_TARGETS];
    const int n = ls_study_targets(results, target), last = n > 0 ? n - 1 : 0;
    const json_t *tuned = ls_study_arm_named(results, "tuned");
    ls_figure f = ls_figure_begin("error", "Validation error against iteration", "iteration", LS_LOG10,
                                  "validation error", LS_LOG10);
    add_median_runs(&f, tuned, last, trials, LOOK_ERROR);
    double low, high;
    x_span(&f, &low, &high);
    for (int t = 0; t < n && low <= high; t++) {
        ls_figure_series(&f, LS_MARK_DASH, LS_NEUTRAL, "target %.4g", target[t]);
        ls_figure_point(&f, low, target[t]);
        ls_figure_point(&f, high, target[t]);
    }
    ls_text_printf(&f.caption, "The run of median length at every batch size, with its chosen learning rate.");
    ls_report_figure(r, &f, "no scored run is recorded in trials.jsonl");
    const ls_curve_view c = n > 0 ? ls_curve_read(tuned, target[last]) : (ls_curve_view){0};
    noise_figure(r, tuned, last, trials, &c);
}
