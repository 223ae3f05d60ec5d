/* The report of training runs, side by side. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/report_internal.h"

enum { MAX_POINTS = 400, N_PARTS = 8 };

static const char *const part_keys[N_PARTS] = {"data_s",    "forward_s",        "backward_s",   "wait_s",
                                               "network_s", "combine_update_s", "evaluation_s", "saving_s"};
static const char *const parts[N_PARTS] = {"data", "forw.", "backw.", "wait", "netw.", "update", "eval.", "saving"};

typedef struct run {
    char *name;
    json_t *train, *eval; /* arrays of events */
    json_t *start, *end;  /* the last of their kind; NULL */
    ls_report *report;
} run;

static void keep(json_t **slot, json_t *object)
{
    json_decref(*slot);
    *slot = json_incref(object);
}

static void take_event(void *context, json_t *object)
{
    run *r = context;
    const char *event = ls_json_text(object, "event");
    if (strcmp(event, "train") == 0) json_array_append(r->train, object);
    if (strcmp(event, "eval") == 0) json_array_append(r->eval, object);
    if (strcmp(event, "start") == 0) keep(&r->start, object);
    if (strcmp(event, "end") == 0) keep(&r->end, object);
    if (strcmp(event, "warning") == 0) ls_report_warn(r->report, "%s: %s", r->name, ls_json_text(object, "text"));
}

/* The directory without slashes at its end. */
static char *name_of(const char *directory)
{
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') n--;
    return ls_strndup(directory, n);
}

static ls_status read_run(run *r, const char *directory)
{
    int n_broken = 0;
    r->name = name_of(directory);
    r->train = json_array();
    r->eval = json_array();
    char *path = ls_path_join(directory, "metrics.jsonl");
    LS_REQUIRE(path != NULL && r->name != NULL, LS_ENOMEM, "out of memory for a report");
    const ls_status status = ls_json_lines(path, take_event, r, &n_broken);
    ls_free(path);
    LS_TRY(status);
    if (n_broken > 0)
        ls_report_warn(r->report, "%s: lines of metrics.jsonl that are cut off or no JSON, and left out: %d", r->name,
                       n_broken);
    if (r->end == NULL) ls_report_warn(r->report, "%s: the run has not ended", r->name);
    return LS_OK;
}

static void destroy_run(run *r)
{
    ls_free(r->name);
    json_decref(r->train);
    json_decref(r->eval);
    json_decref(r->start);
    json_decref(r->end);
}

/* A column of the training lines, in at most MAX_POINTS means of consecutive iterations; empty means are gaps. */
static void add_means(ls_figure *f, const json_t *train, const char *key)
{
    const size_t n = json_array_size(train), each = (n + MAX_POINTS - 1) / MAX_POINTS;
    for (size_t i = 0; i < n; i += each) {
        double sum = 0, last = NAN;
        int count = 0;
        for (size_t k = i; k < i + each && k < n; k++) {
            const json_t *line = json_array_get(train, k);
            const double value = ls_json_real(line, key);
            last = ls_json_real(line, "iteration");
            if (!isfinite(value)) continue;
            sum += value;
            count++;
        }
        ls_figure_point(f, last, count > 0 ? sum / count : NAN);
    }
}

static void add_evaluations(ls_figure *f, const json_t *eval, const char *set, const char *key)
{
    size_t i;
    const json_t *line;
    json_array_foreach(eval, i, line)
    {
        if (strcmp(ls_json_text(line, "set"), set) == 0)
            ls_figure_point(f, ls_json_real(line, "iteration"), ls_json_real(line, key));
    }
}

typedef struct view {
    const char *id, *title, *label, *key;
    ls_scale scale;
    bool evaluated; /* also in evaluations */
    const char *caption, *reason;
} view;

static const view views[] = {
    {"loss", "Loss", "loss", "loss", LS_LOG10, true, "Lines: training; dots: evaluations.", "no loss is recorded"},
    {"accuracy", "Accuracy", "accuracy", "accuracy", LS_LINEAR, true, "Lines: training; dots: evaluations.",
     "not recorded: not a classification"},
    {"lr", "Learning rate", "learning rate", "lr", LS_LINEAR, false, "", "no learning rate is recorded"},
    {"bnoise", "Gradient noise scale", "noise scale (samples)", "bnoise", LS_LOG10, false,
     "tr(Sigma) / |G|^2 of the raw gradients; gaps: undetermined.", "not recorded, or undetermined all along"},
    {"gnorm", "Gradient norm", "norm of the mean gradient", "gnorm", LS_LOG10, false, "Before clipping.",
     "no gradient norm is recorded"},
    {"iteration_ms", "Time of an iteration", "ms", "iteration_ms", LS_LINEAR, false, "", "no times are recorded"},
};

static void add_view(ls_report *r, const view *v, const run *runs, int n)
{
    static const char *const sets[] = {"validation", "test", "train"};
    ls_figure f = ls_figure_begin(v->id, v->title, "iteration", LS_LINEAR, v->label, v->scale);
    size_t longest = 0;
    for (int i = 0; i < n; i++) {
        ls_figure_series(&f, LS_MARK_RUN, i, "%s", runs[i].name);
        add_means(&f, runs[i].train, v->key);
        if (json_array_size(runs[i].train) > longest) longest = json_array_size(runs[i].train);
        for (int s = 0; s < 3 && v->evaluated; s++) {
            ls_figure_series(&f, s == 0 ? LS_MARK_DOTS : LS_MARK_HOLLOW, i, "%s, %s", runs[i].name, sets[s]);
            add_evaluations(&f, runs[i].eval, sets[s], v->key);
        }
    }
    ls_text_printf(&f.caption, "%s", v->caption);
    if (longest > MAX_POINTS)
        ls_text_printf(&f.caption, " A point of a line is the mean of up to %zu iterations.",
                       (longest + MAX_POINTS - 1) / MAX_POINTS);
    ls_report_figure(r, &f, v->reason);
}

static void add_times(ls_report *r, const run *runs, int n)
{
    ls_figure f =
        ls_figure_begin("time_split", "Where the time went", "part", LS_LINEAR, "seconds of rank 0", LS_LINEAR);
    f.category = parts;
    f.n_categories = N_PARTS;
    for (int i = 0; i < n; i++) {
        ls_figure_series(&f, LS_MARK_BAR, i, "%s", runs[i].name);
        for (int p = 0; p < N_PARTS; p++) {
            const double seconds = ls_json_real(runs[i].end, part_keys[p]);
            if (isfinite(seconds)) ls_figure_point(&f, p, seconds);
        }
    }
    ls_text_printf(&f.caption,
                   "wait: for other ranks; netw.: between nodes; update: combining shards and the optimizer.");
    ls_report_figure(r, &f, "no run has ended");
}

/* The last evaluation on a set; NULL: none. */
static const json_t *last_of(const json_t *eval, const char *set)
{
    const json_t *last = NULL, *line;
    size_t i;
    json_array_foreach(eval, i, line)
    {
        if (strcmp(ls_json_text(line, "set"), set) == 0) last = line;
    }
    return last;
}

static void add_row(ls_text *out, const run *r)
{
    const json_t *last = json_array_get(r->train, json_array_size(r->train) - 1);
    const json_t *validation = last_of(r->eval, "validation"), *test = last_of(r->eval, "test");
    ls_html_row(out);
    ls_html_cell(out, "%s", r->name);
    ls_html_number(out, ls_json_real(r->start, "ranks"));
    ls_html_number(out, ls_json_real(r->start, "global_batch_size"));
    ls_html_number(out, ls_json_real(r->start, "shards"));
    ls_html_number(out, ls_json_real(r->start, "n_parameters"));
    ls_html_number(out, ls_json_real(r->end != NULL ? r->end : last, "iteration"));
    ls_html_cell(out, "%s", r->end != NULL ? ls_json_text(r->end, "reason") : "not ended");
    ls_html_number(out, ls_json_real(last, "loss"));
    ls_html_number(out, ls_json_real(validation, "loss"));
    ls_html_number(out, ls_json_real(validation, "accuracy"));
    ls_html_number(out, ls_json_real(test, "loss"));
    ls_html_number(out, ls_json_real(test, "accuracy"));
    ls_html_number(out, ls_json_real(r->end, "seconds"));
    ls_html_cell(out, "%s", ls_json_text(r->end, "params_hash"));
    ls_html_row_end(out);
}

static void add_table(ls_report *r, const run *runs, int n)
{
    static const char *const heads[] = {"run",
                                        "ranks",
                                        "batch size",
                                        "shards",
                                        "parameters",
                                        "iterations",
                                        "ended by",
                                        "train loss",
                                        "validation loss",
                                        "validation accuracy",
                                        "test loss",
                                        "test accuracy",
                                        "seconds",
                                        "hash of the parameters"};
    ls_html_table(&r->head, n > 1 ? "Runs, with their last values" : "The run, with its last values", heads,
                  (int)(sizeof heads / sizeof *heads));
    for (int i = 0; i < n; i++) add_row(&r->head, &runs[i]);
    ls_html_table_end(&r->head);
    for (int i = 0; i < n; i++) ls_html_json(&r->tail, runs[i].name, runs[i].start);
}

ls_status ls_report_runs(ls_report *r, const char *const *directories, int n)
{
    ls_status status = LS_OK;
    run *runs = ls_calloc((size_t)n, sizeof *runs);
    LS_REQUIRE(runs != NULL, LS_ENOMEM, "out of memory for a report");
    for (int i = 0; i < n && status == LS_OK; i++) {
        runs[i].report = r;
        status = read_run(&runs[i], directories[i]);
    }
    if (status == LS_OK) {
        ls_text_printf(&r->title, n > 1 ? "%d training runs" : "Training run", n);
        if (n == 1) ls_text_printf(&r->title, " %s", runs[0].name);
        ls_text_printf(&r->kind, "An iteration is one update of all parameters; the batch size is global.");
        add_table(r, runs, n);
        for (size_t v = 0; v < sizeof views / sizeof *views; v++) add_view(r, &views[v], runs, n);
        add_times(r, runs, n);
    }
    for (int i = 0; i < n; i++) destroy_run(&runs[i]);
    ls_free(runs);
    return status;
}
