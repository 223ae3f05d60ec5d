/* trials.jsonl, results.csv and results.json: all from the state that the policy gives, so that they are the same
 * however the study came there.  Lines of results.json that hold times begin with "times", "choice" or "run". */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/directory.h"
#include "study/results.h"
#include "study/trial.h"

static int by_steps(const void *a, const void *b)
{
    const uint64_t x = (uint64_t) * (const int64_t *)a, y = (uint64_t) * (const int64_t *)b; /* -1 is the largest */
    return (x > y) - (x < y);
}

int64_t ls_study_median(const ls_size_result *r, int t)
{
    int64_t steps[LS_STUDY_MAX_SEEDS] = {0};
    const int n = r->n_scores;
    for (int i = 0; i < n; i++) steps[i] = r->score[i].steps[t];
    qsort(steps, (size_t)n, sizeof *steps, by_steps);
    if (n == 0 || steps[n / 2] < 0) return -1;
    return (steps[(n - 1) / 2] + steps[n / 2]) / 2;
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void visit_size(const ls_study *s, ls_study_arm arm, const ls_size_result *r, ls_study_visit *visit,
                       void *context)
{
    const ls_study_settings *settings = &s->file->settings;
    for (int i = 0; i < r->n_probes; i++) {
        const ls_probe *p = &r->probe[i];
        if (p->trial == NULL) continue;
        ls_study_row row = {arm, r,  p->trial, false, p->status, p->cap, shorter(p->cap, p->trial->iterations),
                            {0}, NAN};
        for (int t = 0; t < settings->n_targets; t++)
            row.steps[t] = ls_trial_steps(p->trial, settings->target[t], p->cap);
        visit(context, &row);
    }
    for (int i = 0; i < r->n_scores; i++) {
        const ls_score *sc = &r->score[i];
        if (sc->trial == NULL) continue;
        ls_study_row row = {
            arm, r, sc->trial, true, sc->status, sc->cap, shorter(sc->cap, sc->trial->iterations), {0}, sc->test_error};
        memcpy(row.steps, sc->steps, sizeof row.steps);
        visit(context, &row);
    }
}

void ls_study_each(const ls_study *s, const ls_study_state *state, ls_study_visit *visit, void *context)
{
    for (int a = 0; a < LS_N_ARMS; a++)
        for (int i = 0; i < state->n_sizes[a]; i++) visit_size(s, (ls_study_arm)a, &state->size[a][i], visit, context);
}

typedef struct writing {
    const ls_study *study;
    ls_text text;
} writing;

/* -1 is null */
static void add_steps(const ls_study_settings *s, const int64_t *steps, ls_text *out)
{
    ls_text_printf(out, "[");
    for (int t = 0; t < s->n_targets; t++) {
        if (t > 0) ls_text_printf(out, ", ");
        if (steps[t] < 0)
            ls_text_printf(out, "null");
        else
            ls_text_printf(out, "%" PRId64, steps[t]);
    }
    ls_text_printf(out, "]");
}

static void add_trial(void *context, const ls_study_row *row)
{
    writing *w = context;
    ls_text *out = &w->text;
    ls_text_printf(out, "{\"arm\": \"%s\", ", ls_study_arm_name(row->arm));
    ls_trial_key_json(&row->trial->key, out);
    ls_text_printf(out,
                   ", \"purpose\": \"%s\", \"status\": \"%s\", \"cap\": %" PRId64 ", \"iterations\": %" PRId64
                   ", \"steps\": ",
                   row->scoring ? "score" : "tune", ls_trial_status_name(row->status), row->cap, row->iterations);
    add_steps(&w->study->file->settings, row->steps, out);
    ls_text_printf(out, ", \"test_error\": ");
    ls_text_json_real(out, row->test_error);
    ls_text_printf(out, ", \"seconds\": ");
    ls_text_json_real(out, row->trial->seconds);
    ls_text_printf(out, ", \"ranks\": %d, \"looks\": ", row->trial->n_ranks);
    ls_trial_looks_json(row->trial, row->cap, out);
    ls_text_printf(out, "}\n");
}

/* Samples used by so many iterations, in epochs: an epoch's last batch may be short. */
static double epochs_of(const ls_study *s, int64_t size, int64_t steps)
{
    const int64_t n = s->file->settings.n_samples, whole = n / size;
    const bool drop = s->file->base->batch.drop_last;
    const int64_t per_epoch = drop ? whole : (n + size - 1) / size, samples = drop ? whole * size : n;
    const int64_t epochs = steps / per_epoch, rest = steps % per_epoch;
    return ((double)epochs * (double)samples + (double)rest * (double)size) / (double)n;
}

/* A run that did not get there is censored at its cap; a series has the sizes that may be fitted together. */
static void add_csv(void *context, const ls_study_row *row)
{
    writing *w = context;
    const ls_study_settings *s = &w->study->file->settings;
    const ls_trial_key *key = &row->trial->key;
    char lr[32], momentum[32] = "", target[32];
    if (!row->scoring) return;
    ls_real_text(key->lr, lr);
    if (!isnan(key->momentum)) ls_real_text(key->momentum, momentum);
    for (int t = 0; t < s->n_targets; t++) {
        const bool censored = row->steps[t] < 0;
        const int64_t steps = censored ? row->cap : row->steps[t];
        if (steps == 0) continue; /* below the target before any update */
        ls_real_text(s->target[t], target);
        ls_text_printf(&w->text, "%s %s%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%d,%s,%s,%s,%s,%s,%.6g\n",
                       ls_study_arm_name(row->arm), target, row->size->tuned ? "" : " UNTUNED", key->global_batch_size,
                       steps, s->vary_order ? key->order_seed : key->init_seed, censored, ls_study_arm_name(row->arm),
                       target, lr, momentum, ls_trial_status_name(row->status),
                       epochs_of(w->study, key->global_batch_size, steps));
    }
}

static void add_probes(const ls_size_result *r, ls_text *out)
{
    ls_text_printf(out, "\"probes\": [");
    for (int i = 0; i < r->n_probes; i++) {
        const ls_probe *p = &r->probe[i];
        ls_text_printf(out, "%s{\"lr\": ", i > 0 ? ", " : "");
        ls_text_json_real(out, p->lr);
        ls_text_printf(out, ", \"momentum\": ");
        ls_text_json_real(out, p->momentum);
        ls_text_printf(out, ", \"status\": \"%s\", \"steps\": ", ls_trial_status_name(p->status));
        if (p->steps < 0)
            ls_text_printf(out, "null");
        else
            ls_text_printf(out, "%" PRId64, p->steps);
        ls_text_printf(out, ", \"cap\": %" PRId64 ", \"best_error\": ", p->cap);
        ls_text_json_real(out, p->best_error);
        ls_text_printf(out, "}");
    }
    ls_text_printf(out, "]");
}

static void add_scores(const ls_study_settings *s, const ls_size_result *r, ls_text *out)
{
    ls_text_printf(out, "\"scores\": [");
    for (int i = 0; i < r->n_scores; i++) {
        const ls_score *sc = &r->score[i];
        ls_text_printf(out,
                       "%s{\"init_seed\": %" PRId64 ", \"order_seed\": %" PRId64 ", \"cap\": %" PRId64
                       ", \"status\": \"%s\", \"steps\": ",
                       i > 0 ? ", " : "", sc->init_seed, sc->order_seed, sc->cap, ls_trial_status_name(sc->status));
        add_steps(s, sc->steps, out);
        ls_text_printf(out, ", \"test_error\": ");
        ls_text_json_real(out, sc->test_error);
        ls_text_printf(out, "}");
    }
    ls_text_printf(out, "]");
}

/* Mean over the scoring runs of the reading at the strictest target's crossing; NaN without any. */
static double noise_near_target(const ls_study_settings *s, const ls_size_result *r)
{
    double sum = 0.0;
    int n = 0;
    for (int i = 0; i < r->n_scores; i++) {
        const int64_t at = r->score[i].steps[s->n_targets - 1];
        const ls_trial *trial = r->score[i].trial;
        for (int k = 0; trial != NULL && at >= 0 && k < trial->n_looks; k++) {
            if (trial->look[k].iteration != at || isnan(trial->look[k].noise_scale)) continue;
            sum += trial->look[k].noise_scale;
            n++;
        }
    }
    return n > 0 ? sum / n : NAN;
}

static void add_size(const ls_study_settings *s, const ls_size_result *r, ls_text *out)
{
    int64_t medians[LS_STUDY_MAX_TARGETS];
    for (int t = 0; t < s->n_targets; t++) medians[t] = ls_study_median(r, t);
    ls_text_printf(out, "   {\"size\": %" PRId64 ", \"look_every\": %" PRId64 ", \"lr\": ", r->size, r->look_every);
    ls_text_json_real(out, r->lr);
    ls_text_printf(out, ", \"momentum\": ");
    ls_text_json_real(out, r->momentum);
    ls_text_printf(out, ", \"tuned\": %s, \"done\": %s, \"median\": ", r->tuned ? "true" : "false",
                   r->done ? "true" : "false");
    add_steps(s, medians, out);
    ls_text_printf(out, ", \"best_error\": ");
    ls_text_json_real(out, r->best_error);
    ls_text_printf(out, ", \"noise_scale\": ");
    ls_text_json_real(out, noise_near_target(s, r));
    ls_text_printf(out, ",\n    ");
    add_probes(r, out);
    ls_text_printf(out, ",\n    ");
    add_scores(s, r, out);
    ls_text_printf(out, "}");
}

static ls_status add_arms(const ls_study *study, const ls_study_state *state, ls_text *out)
{
    bool first = true;
    ls_text_printf(out, " \"arms\": [\n");
    for (int a = 0; a < LS_N_ARMS; a++) {
        if (!study->file->settings.arm[a]) continue;
        ls_text_printf(out, "%s  {\"arm\": \"%s\", \"sizes\": [\n", first ? "" : ",\n",
                       ls_study_arm_name((ls_study_arm)a));
        first = false;
        for (int i = 0; i < state->n_sizes[a]; i++) {
            if (i > 0) ls_text_printf(out, ",\n");
            add_size(&study->file->settings, &state->size[a][i], out);
        }
        ls_text_printf(out, "],\n   ");
        LS_TRY(ls_study_fits_json(study, state, (ls_study_arm)a, out));
        ls_text_printf(out, "}");
    }
    ls_text_printf(out, "],\n");
    return LS_OK;
}

static void warn(ls_text *out, bool *first, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void warn(ls_text *out, bool *first, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ls_text_printf(out, *first ? "\n  " : ",\n  ");
    ls_text_json_string(out, line);
    *first = false;
}

static void warn_of_size(const ls_study_settings *s, const char *arm, const ls_size_result *r, ls_text *out,
                         bool *first)
{
    const long long size = r->size;
    const int64_t median = ls_study_median(r, s->n_targets - 1);
    bool reached = r->n_probes == 0 && !isnan(r->lr); /* a rule's rate was not searched */
    int censored = 0;
    for (int i = 0; i < r->n_probes; i++) reached = reached || r->probe[i].status == LS_TRIAL_COMPLETE;
    for (int i = 0; i < r->n_scores; i++) censored += r->score[i].steps[s->n_targets - 1] < 0;
    if (!r->done) warn(out, first, "%s, B = %lld: not finished", arm, size);
    if (r->done && !reached) warn(out, first, "%s, B = %lld: no learning rate reached the target", arm, size);
    if (r->done && !isnan(r->lr) && !r->tuned)
        warn(out, first,
             "%s, B = %lld: UNTUNED, the best learning rate lies at the edge of the search; kept out of the fit", arm,
             size);
    if (censored > 0)
        warn(out, first, "%s, B = %lld: %d of %d runs did not reach the target", arm, size, censored, r->n_scores);
    if (median > 0 && median / r->look_every < s->min_looks)
        warn(out, first, "%s, B = %lld: %lld looks to the target, fewer than %lld", arm, size,
             (long long)(median / r->look_every), (long long)s->min_looks);
}

static void add_warnings(const ls_study *study, const ls_study_state *state, ls_text *out)
{
    bool first = true;
    ls_text_printf(out, " \"warnings\": [");
    if (!state->done) warn(out, &first, "the budget ended the study early: its numbers are provisional");
    for (int a = 0; a < LS_N_ARMS; a++)
        for (int i = 0; i < state->n_sizes[a]; i++)
            warn_of_size(&study->file->settings, ls_study_arm_name((ls_study_arm)a), &state->size[a][i], out, &first);
    ls_text_printf(out, "]");
}

static ls_status write_results(const ls_study *study, const ls_study_state *state, const ls_study_time *times,
                               int n_times)
{
    const ls_study_settings *s = &study->file->settings;
    ls_text text = {0};
    ls_text_printf(&text, "{\"format\": 1, \"name\": ");
    ls_text_json_string(&text, study->file->keys.name);
    ls_text_printf(&text, ",\n \"targets\": [");
    for (int t = 0; t < s->n_targets; t++) {
        if (t > 0) ls_text_printf(&text, ", ");
        ls_text_json_real(&text, s->target[t]);
    }
    ls_text_printf(&text, "], \"n_samples\": %" PRId64 ",\n \"settings\": ", s->n_samples);
    ls_study_file_json(study->file, true, &text);
    ls_text_printf(&text, ",\n");
    ls_status status = add_arms(study, state, &text);
    if (status == LS_OK) {
        add_warnings(study, state, &text);
        ls_text_printf(&text, ",\n");
        ls_study_times_json(study, state, times, n_times, &text);
        ls_text_printf(&text, ",\n \"run\": ");
        ls_study_file_json(study->file, false, &text);
        ls_text_printf(&text, "}\n");
        status = ls_study_write_text(study->directory, "results.json", &text);
    }
    ls_text_free(&text);
    return status;
}

static ls_status write_rows(const ls_study *study, const ls_study_state *state, const char *name, const char *header,
                            ls_study_visit *visit)
{
    writing w = {.study = study};
    ls_text_printf(&w.text, "%s", header);
    ls_study_each(study, state, visit, &w);
    const ls_status status = ls_study_write_text(study->directory, name, &w.text);
    ls_text_free(&w.text);
    return status;
}

ls_status ls_study_write(const ls_study *study, const ls_study_state *state, const ls_study_time *times, int n_times)
{
    LS_TRY(write_rows(study, state, "trials.jsonl", "", add_trial));
    LS_TRY(write_rows(study, state, "results.csv",
                      "series,B,steps,seed,censored,arm,target,lr,momentum,status,epochs\n", add_csv));
    LS_TRY(ls_study_export(study, state));
    return write_results(study, state, times, n_times);
}
