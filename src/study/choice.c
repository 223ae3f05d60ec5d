/* What results.json says beyond the runs: fits of each arm, time to target, and the choice in words. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "lockstep/fit.h"
#include "study/results.h"

/* Scored runs of sizes that were tuned. */
static int64_t list_points(const ls_study_settings *s, const ls_study_state *state, ls_study_arm arm, int t,
                           ls_fit_point *points)
{
    int64_t n = 0;
    for (int i = 0; i < state->n_sizes[arm]; i++) {
        const ls_size_result *r = &state->size[arm][i];
        for (int k = 0; r->tuned && k < r->n_scores; k++) {
            const ls_score *sc = &r->score[k];
            if (sc->steps[t] == 0) continue; /* below the target before any update: no number of steps */
            const bool censored = sc->steps[t] < 0;
            points[n++] = (ls_fit_point){.batch_size = r->size,
                                         .steps = (double)(censored ? sc->cap : sc->steps[t]),
                                         .seed = s->vary_order ? sc->order_seed : sc->init_seed,
                                         .censored = censored};
        }
    }
    return n;
}

static ls_status add_fit(const ls_fit_point *points, int64_t n, double target, ls_text *out)
{
    ls_fit *fit;
    ls_text object = {0};
    LS_TRY(ls_fit_create(points, n, NULL, &fit));
    ls_fit_json(fit, &object);
    ls_fit_destroy(&fit);
    ls_text_printf(out, "{\"target\": ");
    ls_text_json_real(out, target);
    ls_text_printf(out, ", %s", object.data != NULL ? object.data + 1 : "}"); /* behind its brace */
    const ls_status status = ls_text_status(&object);
    ls_text_free(&object);
    return status;
}

ls_status ls_study_fits_json(const ls_study *study, const ls_study_state *state, ls_study_arm arm, ls_text *out)
{
    const ls_study_settings *s = &study->file->settings;
    ls_fit_point *points = ls_calloc((size_t)LS_STUDY_MAX_SIZES * LS_STUDY_MAX_SEEDS, sizeof *points);
    LS_REQUIRE(points != NULL, LS_ENOMEM, "out of memory for a fit");
    ls_status status = LS_OK;
    bool first = true;
    ls_text_printf(out, "\"fits\": [");
    for (int t = 0; t < s->n_targets && status == LS_OK; t++) {
        const int64_t n = list_points(s, state, arm, t, points);
        if (n == 0) continue;
        ls_text_printf(out, first ? "\n    " : ",\n    ");
        status = add_fit(points, n, s->target[t], out);
        first = false;
    }
    ls_text_printf(out, "]");
    ls_free(points);
    return status;
}

/* A batch size on so many ranks, and what the target costs there. */
typedef struct offer {
    const ls_study_time *time;
    double seconds, rank_seconds;
} offer;

static bool make_offer(const ls_study *study, const ls_study_state *state, const ls_study_time *time, offer *out)
{
    for (int i = 0; i < state->n_sizes[LS_ARM_TUNED]; i++) {
        const ls_size_result *r = &state->size[LS_ARM_TUNED][i];
        const int64_t steps = ls_study_median(r, study->file->settings.n_targets - 1);
        if (r->size != time->size || steps < 0) continue;
        const double seconds = (double)steps * time->iteration_ms / 1e3;
        *out = (offer){time, seconds, seconds * time->ranks};
        return true;
    }
    return false;
}

static void add_offer(const char *name, const offer *o, ls_text *out)
{
    ls_text_printf(out, "\"%s\": {\"size\": %" PRId64 ", \"ranks\": %d, \"seconds\": ", name, o->time->size,
                   o->time->ranks);
    ls_text_json_real(out, o->seconds);
    ls_text_printf(out, ", \"rank_seconds\": ");
    ls_text_json_real(out, o->rank_seconds);
    ls_text_printf(out, "}, ");
}

static const char *seconds_text(double seconds, char out[32])
{
    if (seconds >= 120)
        snprintf(out, 32, "%.1f min", seconds / 60);
    else
        snprintf(out, 32, "%.3g s", seconds);
    return out;
}

static void add_words(const offer *fastest, const offer *cheapest, int most_ranks, ls_text *out)
{
    char words[256], a[32], b[32];
    const int p = fastest->time->ranks, q = cheapest->time->ranks;
    snprintf(words, sizeof words, "B = %" PRId64 " on %d rank%s: %s; B = %" PRId64 " on %d rank%s costs least: %s; %s",
             fastest->time->size, p, p == 1 ? "" : "s", seconds_text(fastest->seconds, a), cheapest->time->size, q,
             q == 1 ? "" : "s", seconds_text(cheapest->seconds, b),
             p < most_ranks ? "more ranks do not make it faster" : "more ranks than were tried may make it faster");
    ls_text_printf(out, "\"text\": ");
    ls_text_json_string(out, words);
}

void ls_study_times_json(const ls_study *study, const ls_study_state *state, const ls_study_time *times, int n,
                         ls_text *out)
{
    offer fastest = {0}, cheapest = {0}, o;
    int most_ranks = 0;
    bool first = true;
    ls_text_printf(out, " \"times\": [");
    for (int i = 0; i < n; i++) {
        if (!make_offer(study, state, &times[i], &o)) continue;
        if (fastest.time == NULL || o.seconds < fastest.seconds) fastest = o;
        if (cheapest.time == NULL || o.rank_seconds < cheapest.rank_seconds) cheapest = o;
        if (times[i].ranks > most_ranks) most_ranks = times[i].ranks;
        ls_text_printf(out, "%s{\"size\": %" PRId64 ", \"ranks\": %d, \"iteration_ms\": ", first ? "" : ", ",
                       times[i].size, times[i].ranks);
        ls_text_json_real(out, times[i].iteration_ms);
        ls_text_printf(out, ", \"spread_ms\": ");
        ls_text_json_real(out, times[i].spread_ms);
        ls_text_printf(out, ", \"seconds\": ");
        ls_text_json_real(out, o.seconds);
        ls_text_printf(out, ", \"rank_seconds\": ");
        ls_text_json_real(out, o.rank_seconds);
        ls_text_printf(out, "}");
        first = false;
    }
    ls_text_printf(out, "],\n \"choice\": ");
    if (fastest.time == NULL) {
        ls_text_printf(out, "null");
        return;
    }
    ls_text_printf(out, "{");
    add_offer("fastest", &fastest, out);
    add_offer("cheapest", &cheapest, out);
    add_words(&fastest, &cheapest, most_ranks, out);
    ls_text_printf(out, "}");
}
