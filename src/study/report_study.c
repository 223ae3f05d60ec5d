/* The words and tables of a study's report. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "lockstep/study.h"
#include "study/report_internal.h"

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

/* Reads DIR/NAME as a JSON object; NULL, with a warning, when it is missing or broken. */
static json_t *read_json(ls_report *r, const char *directory, const char *name, bool expected)
{
    json_error_t error;
    char *path = ls_path_join(directory, name);
    if (path == NULL) return NULL;
    const bool found = access(path, F_OK) == 0;
    json_t *value = found ? json_load_file(path, 0, &error) : NULL;
    if (!found && expected)
        ls_report_warn(r, "%s is missing: the study has not ended", name);
    else if (found && !json_is_object(value))
        ls_report_warn(r, "%s cannot be read: line %d: %s", name, value == NULL ? error.line : 1,
                       value == NULL ? error.text : "not an object");
    ls_free(path);
    if (json_is_object(value)) return value;
    json_decref(value);
    return NULL;
}

static void collect(void *list, json_t *object)
{
    json_array_append(list, object);
}

static json_t *read_trials(ls_report *r, const char *directory)
{
    json_t *trials = json_array();
    char *path = ls_path_join(directory, "trials.jsonl");
    int n_broken = 0;
    if (path == NULL || access(path, R_OK) != 0 || ls_json_lines(path, collect, trials, &n_broken) != LS_OK)
        ls_report_warn(r, "trials.jsonl is missing: errors and noise scale against iteration are not shown");
    if (n_broken > 0)
        ls_report_warn(r, "lines of trials.jsonl that are cut off or no JSON, and left out: %d", n_broken);
    ls_free(path);
    return trials;
}

static void interval(const json_t *fit, const char *key, char out[128])
{
    const json_t *e = json_object_get(fit, key);
    const double low = ls_json_real(e, "low"), high = ls_json_real(e, "high");
    char v[LS_NUMBER_TEXT], l[LS_NUMBER_TEXT], h[LS_NUMBER_TEXT];
    ls_number_text(ls_json_real(e, "value"), v);
    ls_number_text(low, l);
    ls_number_text(high, h);
    if (isfinite(low) && isfinite(high))
        snprintf(out, 128, "%s [%s, %s]", v, l, h);
    else
        snprintf(out, 128, "%s", v);
}

/* The answer in words: time, curve, verdict. */
static void add_answer(ls_text *out, const json_t *results, double target)
{
    char s_min[128], b_crit[128], e_min[128];
    const json_t *tuned = ls_study_arm_named(results, "tuned"), *fit = ls_study_fit(tuned, target);
    const char *choice = ls_json_text(json_object_get(results, "choice"), "text");
    if (*choice != 0) ls_html_printf(out, "p class=\"big\"", "%s", choice);
    interval(fit, "s_min", s_min);
    interval(fit, "b_crit", b_crit);
    interval(fit, "e_min", e_min);
    if (json_is_true(json_object_get(fit, "identified")))
        ls_html_printf(
            out, "p",
            "To a validation error below %.4g: S(B) = S_min (1 + B_crit / B) with S_min = %s iterations, "
            "B_crit = %s samples, E_min = %s samples (95 %% intervals). Below B_crit, doubling the batch nearly "
            "halves the iterations; far above it, hardly any are saved.",
            target, s_min, b_crit, e_min);
    else if (isfinite(target))
        ls_html_printf(out, "p", "To a validation error below %.4g: B_crit not identified.", target);
    if (*ls_json_text(fit, "verdict") != 0) ls_html_printf(out, "p class=\"m\"", "%s", ls_json_text(fit, "verdict"));
}

typedef struct counts {
    int tune, score, complete, censored, incomplete, infeasible;
} counts;

static void count_statuses(const json_t *list, counts *c, int *n)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *status = ls_json_text(item, "status");
        *n += 1;
        c->complete += strcmp(status, "COMPLETE") == 0;
        c->censored += strcmp(status, "CENSORED") == 0;
        c->incomplete += strcmp(status, "INCOMPLETE") == 0;
        c->infeasible += strcmp(status, "INFEASIBLE") == 0;
    }
}

static counts count_trials(const json_t *results)
{
    counts c = {0};
    size_t i, k;
    const json_t *arm, *size;
    json_array_foreach(json_object_get(results, "arms"), i, arm)
    {
        json_array_foreach(json_object_get(arm, "sizes"), k, size)
        {
            count_statuses(json_object_get(size, "probes"), &c, &c.tune);
            count_statuses(json_object_get(size, "scores"), &c, &c.score);
        }
    }
    return c;
}

/* How the numbers came about: estimator, looks, seeds, trials, caps. */
static void add_protocol(ls_text *out, const json_t *results)
{
    const counts c = count_trials(results);
    ls_text_printf(out, "<h2>How it was measured</h2>\n");
    ls_html_printf(
        out, "p",
        "Steps to target: the first look (an evaluation on the validation set) with an error strictly below the "
        "target. An iteration is one update of all parameters; the batch size is global. A run that did not "
        "reach the target within its cap counts as more than the cap, and is never dropped.");
    ls_html_printf(
        out, "p",
        "Estimator: least squares of log S = log S_min + log(1 + B_crit/B) on the mean of log S of each batch "
        "size (McCandlish et al. 2018), runs not reached by interval likelihood; 95 %% intervals from Student's "
        "t. Other estimators give other numbers from the same runs: the table names each.");
    enum { LOOKS, SEEDS, SCORING, TUNING, CAP, RACE, DIVERGE, N_SETTINGS };
    static const char *const keys[N_SETTINGS][2] = {{"looks", "aim"},    {"seeds", "n"},     {"seeds", "scoring"},
                                                    {"seeds", "tuning"}, {"caps", "factor"}, {"caps", "race"},
                                                    {"caps", "diverge"}};
    const json_t *settings = json_object_get(results, "settings");
    char v[N_SETTINGS][LS_NUMBER_TEXT];
    for (int i = 0; i < N_SETTINGS; i++)
        ls_number_text(ls_json_real(json_object_get(settings, keys[i][0]), keys[i][1]), v[i]);
    ls_html_printf(
        out, "p",
        "Looks: about %s up to the target are aimed at, every batch size at its own fixed interval (table). "
        "Seeds: %s a batch size, from %s on; tuning has seed %s of its own. Trials: %d tuning and %d scoring; "
        "of all, %d COMPLETE, %d CENSORED (not reached within the cap), %d INCOMPLETE (abandoned in tuning), "
        "%d INFEASIBLE (diverged). Caps: %s times the running fit; a tuning run is abandoned at %s times the "
        "best so far, and diverged at %s times its initial loss.",
        v[LOOKS], v[SEEDS], v[SCORING], v[TUNING], c.tune, c.score, c.complete, c.censored, c.incomplete, c.infeasible,
        v[CAP], v[RACE], v[DIVERGE]);
}

/* The order-statistic interval of a median, which the fit gives per batch size. */
static const json_t *median_of(const json_t *fit, double size)
{
    size_t i;
    const json_t *batch;
    json_array_foreach(json_object_get(fit, "batches"), i, batch)
    {
        if (ls_json_real(batch, "batch_size") == size) return json_object_get(batch, "median");
    }
    return NULL;
}

static void add_size(ls_text *out, const char *arm, const json_t *size, const json_t *fit, int target)
{
    const ls_size_view v = ls_size_view_read(size, target);
    const double every = ls_json_real(size, "look_every"), median = isfinite(v.median) ? v.median : NAN;
    const json_t *order = median_of(fit, v.size);
    ls_html_row(out);
    ls_html_cell(out, "%s", arm);
    ls_html_number(out, v.size);
    ls_html_estimate(out, median, ls_json_real(order, "low"), ls_json_real(order, "high"));
    ls_html_cell(out, isfinite(v.lowest) ? "%.0f to %.0f" : "–", v.lowest, v.highest);
    ls_html_cell(out, "%d of %d", v.n_reached, v.n_scores);
    ls_html_number(out, median * v.size);
    ls_html_number(out, ls_json_real(size, "lr"));
    ls_html_number(out, ls_json_real(size, "momentum"));
    ls_html_cell(out, "%s", v.tuned ? "yes" : "UNTUNED");
    ls_html_number(out, every);
    ls_html_number(out, floor(median / every));
    ls_html_number(out, v.cap);
    ls_html_number(out, ls_json_real(size, "noise_scale"));
    ls_html_row_end(out);
}

static void add_sizes(ls_text *out, const json_t *results, double target, int index)
{
    static const char *const heads[] = {"arm",
                                        "B",
                                        "S, median [95 % by order]",
                                        "seeds from",
                                        "reached",
                                        "E = B S",
                                        "learning rate",
                                        "momentum",
                                        "tuned",
                                        "look every",
                                        "looks to target",
                                        "censored",
                                        "noise scale"};
    char caption[96];
    size_t i, k;
    const json_t *arm, *size;
    snprintf(caption, sizeof caption, "Batch sizes, validation error below %.4g", target);
    ls_html_table(out, caption, heads, N_OF(heads));
    json_array_foreach(json_object_get(results, "arms"), i, arm)
    {
        json_array_foreach(json_object_get(arm, "sizes"), k, size)
        {
            add_size(out, ls_json_text(arm, "arm"), size, ls_study_fit(arm, target), index);
        }
    }
    ls_html_table_end(out);
}

static void cell_of(ls_text *out, const json_t *fit, const char *key)
{
    const json_t *e = json_object_get(fit, key);
    ls_html_estimate(out, ls_json_real(e, "value"), ls_json_real(e, "low"), ls_json_real(e, "high"));
}

static void add_fit(ls_text *out, const char *arm, const json_t *fit)
{
    static const char *const estimates[] = {"s_min", "b_crit", "e_min", "b_linear", "b_near_min", "alpha"};
    const json_t *without = json_object_get(fit, "leave_one_out");
    char low[LS_NUMBER_TEXT], high[LS_NUMBER_TEXT];
    ls_html_row(out);
    ls_html_cell(out, "%s", arm);
    ls_html_number(out, ls_json_real(fit, "target"));
    ls_html_cell(out, "%s", json_is_true(json_object_get(fit, "identified")) ? "yes" : "no");
    for (int i = 0; i < N_OF(estimates); i++) cell_of(out, fit, estimates[i]);
    ls_html_number(out, ls_json_real(fit, "alpha_p"));
    ls_number_text(ls_json_real(without, "low"), low);
    ls_number_text(ls_json_real(without, "high"), high);
    ls_html_cell(out, "%s to %s", low, high);
    ls_html_number(out, ls_json_real(fit, "sigma"));
    ls_html_row_end(out);
}

static void add_fits(ls_text *out, const json_t *results)
{
    static const char *const heads[] = {"arm",
                                        "target",
                                        "identified",
                                        "S_min",
                                        "B_crit = E_min/S_min",
                                        "E_min",
                                        "B 20 % above linear from 256 (Zhang)",
                                        "B 10 % above S_min",
                                        "free exponent alpha",
                                        "p of alpha = 1",
                                        "B_crit, one size left out",
                                        "sd of log S"};
    size_t i, k;
    const json_t *arm, *fit;
    ls_html_table(out, "Fits, with 95 % intervals", heads, N_OF(heads));
    json_array_foreach(json_object_get(results, "arms"), i, arm)
    {
        json_array_foreach(json_object_get(arm, "fits"), k, fit) add_fit(out, ls_json_text(arm, "arm"), fit);
    }
    ls_html_table_end(out);
    ls_html_printf(out, "p class=\"m\"",
                   "An exponent alpha away from 1 in S = S_min + b / B^alpha is a lack of fit. A good "
                   "fit is no evidence of good tuning.");
}

static void add_times(ls_text *out, const json_t *results)
{
    static const char *const heads[] = {"B",           "ranks", "ms an iteration", "spread, ms", "seconds to target",
                                        "rank-seconds"};
    static const char *const keys[] = {"size", "ranks", "iteration_ms", "spread_ms", "seconds", "rank_seconds"};
    size_t i;
    const json_t *row, *times = json_object_get(results, "times");
    if (json_array_size(times) == 0) return;
    ls_html_table(out, "Time to target", heads, N_OF(heads));
    json_array_foreach(times, i, row)
    {
        ls_html_row(out);
        for (int k = 0; k < N_OF(keys); k++) ls_html_number(out, ls_json_real(row, keys[k]));
        ls_html_row_end(out);
    }
    ls_html_table_end(out);
}

static void add_warnings(ls_report *r, const json_t *results)
{
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(results, "warnings"), i, warning)
    {
        if (json_is_string(warning)) ls_report_warn(r, "%s", json_string_value(warning));
    }
}

static void add_results(ls_report *r, const json_t *results)
{
    double target[LS_STUDY_MAX_TARGETS];
    const int n = ls_study_targets(results, target);
    const double strictest = n > 0 ? target[n - 1] : NAN;
    add_warnings(r, results);
    add_answer(&r->head, results, strictest);
    add_protocol(&r->tail, results);
    ls_text_printf(&r->tail, "<h2>Tables</h2>\n");
    for (int t = n - 1; t >= 0; t--) add_sizes(&r->tail, results, target[t], t);
    add_fits(&r->tail, results);
    add_times(&r->tail, results);
}

ls_status ls_report_study(ls_report *r, const char *directory)
{
    json_t *results = read_json(r, directory, "results.json", true),
           *study = read_json(r, directory, "study.json", false);
    json_t *trials = read_trials(r, directory);
    const char *name = ls_json_text(results != NULL ? results : study, "name");
    ls_text_printf(&r->title, "%s", *name != 0 ? name : directory);
    ls_text_printf(&r->kind, "Batch-size study: iterations to a target against the global batch size");
    if (results != NULL) {
        add_results(r, results);
        ls_study_figures(r, results, trials);
    }
    ls_html_json(&r->tail, "Settings of the study, with every default",
                 results != NULL ? json_object_get(results, "settings") : study);
    json_decref(trials);
    json_decref(study);
    json_decref(results);
    return LS_OK;
}
