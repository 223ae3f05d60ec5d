/* Evaluation during training, and what follows from it: lines, target, patience, the best checkpoint. */
#include <math.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/timeline.h"
#include "train/trainer_internal.h"

/* The validation set when there is one, else the test set; and any set that a metric names. */
static bool is_due(const ls_trainer *t, int which, bool all)
{
    if (!t->data->present[which]) return false;
    if (all || which == LS_VALIDATION || !t->data->present[LS_VALIDATION]) return true;
    return t->watch.target.which == which || t->watch.best.which == which;
}

static ls_status score(ls_trainer *t, int which, ls_evaluation *out)
{
    return ls_scorer_evaluate(t->scorer, ls_exchange_params(t->exchange), &t->data->set[which], out);
}

static ls_status evaluate_params(ls_trainer *t, int which)
{
    LS_TRY(score(t, which, &t->evaluation[which]));
    t->evaluation[which].ema_loss = t->evaluation[which].ema_accuracy = NAN;
    LS_REQUIRE(isfinite(t->evaluation[which].loss), LS_EDIVERGED,
               "diverged: the %s loss after iteration %lld is not finite; lower optimizer.lr or give the schedule a "
               "warmup",
               ls__set_names[which], (long long)t->state.iteration);
    return LS_OK;
}

/* The moving average takes the parameters' place meanwhile. */
static ls_status evaluate_ema(ls_trainer *t, const bool due[LS_N_SETS])
{
    ls_status status = LS_OK;
    ls__swap_ema(t);
    for (int which = LS_VALIDATION; which < LS_N_SETS && status == LS_OK; which++) {
        ls_evaluation e = {0};
        if (due[which]) status = score(t, which, &e);
        if (!due[which] || status != LS_OK) continue;
        t->evaluation[which].ema_loss = e.loss;
        t->evaluation[which].ema_accuracy = e.accuracy;
    }
    ls__swap_ema(t);
    return status;
}

/* Sets that are due and not yet evaluated at this iteration. */
static ls_status evaluate_due(ls_trainer *t, bool all)
{
    bool due[LS_N_SETS] = {false}, any = false;
    const double start = ls_clock_s();
    for (int which = LS_VALIDATION; which < LS_N_SETS; which++) {
        due[which] = is_due(t, which, all) && !t->evaluation[which].present;
        any = any || due[which];
        if (due[which]) LS_TRY(evaluate_params(t, which));
    }
    if (any && t->ema != NULL) LS_TRY(evaluate_ema(t, due));
    for (int which = LS_VALIDATION; which < LS_N_SETS; which++) {
        if (!due[which]) continue;
        ls__metrics_evaluation(t, which, ls_clock_s() - start);
        ls__progress_evaluation(t, which);
    }
    return LS_OK;
}

ls_status ls__evaluate(ls_trainer *t, bool all, bool *best)
{
    const double start = ls_clock_s();
    ls_board_mark(LS_PHASE_EVALUATION, t->state.iteration, start);
    ls_exchange_settle(t->exchange);
    const bool fresh = t->evaluated_at != t->state.iteration;
    for (int which = LS_VALIDATION; fresh && which < LS_N_SETS; which++) t->evaluation[which].present = false;
    LS_TRY(evaluate_due(t, all));
    t->times.evaluation += ls_timeline_since(LS_EVENT_EVALUATION, t->state.iteration, start);
    t->evaluated_at = t->state.iteration;
    if (!fresh || all) return LS_OK; /* only looks on the grid count for target, patience and best */
    if (t->save.pending.best) LS_TRY(ls__save_settle_or_warn(t)); /* best_saved is true from here on */
    t->save.best_before = t->state.best_saved;
    *best = ls_watch_update(&t->watch, t->config, t->evaluation, &t->state);
    return LS_OK;
}

ls_status ls_trainer_evaluate_set(ls_trainer *t, int which, ls_evaluation *out)
{
    const double start = ls_clock_s();
    ls_board_mark(LS_PHASE_EVALUATION, t->state.iteration, start);
    ls_exchange_settle(t->exchange);
    const ls_status status = score(t, which, out);
    t->times.evaluation += ls_clock_s() - start;
    return status;
}

double ls_error_of(double accuracy, int64_t n)
{
    const double whole = (double)n;
    return (whole - round(accuracy * whole)) / whole;
}
