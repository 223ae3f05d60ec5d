#include "study/progress.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

static const double interval_s = 10.0;

void ls_progress_start(ls_progress_line *line, const ls_study *study, bool shown)
{
    *line = (ls_progress_line){.study = study,
                               .shown = shown,
                               .printed_s = ls_clock_s(),
                               .first_rank_seconds = NAN,
                               .s_min = NAN,
                               .b_crit = NAN};
}

/* A record that is wanted for longer is of a trial under way, or of one that was cut. */
static int n_begun(const ls_study_state *state, const ls_store *store)
{
    int n = 0;
    for (int i = 0; i < state->n_wants; i++) n += ls_store_find(store, &state->want[i].key) != NULL;
    return n;
}

void ls_progress_take(ls_progress_line *line, const ls_study_state *state, const ls_store *store)
{
    int n;
    const ls_trial *trials = ls_store_trials(store, &n);
    const int before = line->n_done;
    line->n_done = line->n_parts = 0;
    for (int a = 0; a < LS_N_ARMS; a++) {
        if (line->study->file->settings.arm[a]) line->n_parts += line->study->file->settings.n_sizes;
        for (int i = 0; i < state->n_sizes[a]; i++) line->n_done += state->size[a][i].done;
    }
    line->rank_seconds = 0.0;
    for (int i = 0; i < n; i++) line->rank_seconds += trials[i].seconds * trials[i].n_ranks;
    if (isnan(line->first_rank_seconds)) line->first_rank_seconds = line->rank_seconds;
    line->n_trials = n - n_begun(state, store);
    line->s_min = state->s_min;
    line->b_crit = state->b_crit;
    line->fresh = line->fresh || line->n_done > before;
}

/* Parts cost as those before them did, at the pace of this process so far; never more than the budget leaves. */
static double seconds_left(const ls_progress_line *line, double now)
{
    const double pace = (line->rank_seconds - line->first_rank_seconds) / (now - line->study->start_s);
    const double left = line->study->deadline_s - now;
    if (line->n_done == 0 || pace <= 0) return left;
    const double rest = line->rank_seconds / line->n_done * (line->n_parts - line->n_done) / pace;
    return rest < left ? rest : left;
}

static void print_clock(const char *before, double seconds, const char *after)
{
    const int s = (int)(seconds > 0 ? seconds : 0);
    printf("%s%d:%02d%s", before, s / 60, s % 60, after);
}

void ls_progress_show(ls_progress_line *line, const ls_store *store)
{
    const double now = ls_clock_s();
    if (!line->shown || (!line->fresh && now - line->printed_s < interval_s)) return;
    line->printed_s = now;
    line->fresh = false;
    print_clock("", now - line->study->start_s, "");
    printf(" | %d trials done, %d running | %d of %d sizes", line->n_trials, ls_store_n_claims(store), line->n_done,
           line->n_parts);
    if (!isnan(line->b_crit)) printf(" | S_min %.0f, B_crit %.0f", line->s_min, line->b_crit);
    const double left = seconds_left(line, now);
    if (isfinite(left)) print_clock(" | about ", left, " left");
    printf("\n");
    fflush(stdout);
}
