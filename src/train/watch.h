/** Metrics by name, and what a run does about them: target, patience, best checkpoint.  Not collective: every rank
 *  sees the same numbers and comes to the same answer. */
#ifndef LOCKSTEP_TRAIN_WATCH_H
#define LOCKSTEP_TRAIN_WATCH_H

#include "lockstep/trainer.h"

enum { LS_METRIC_LOSS, LS_METRIC_ACCURACY, LS_METRIC_ERROR };

/** A metric of a held-out set. */
typedef struct ls_metric {
    int which; /* LS_VALIDATION or LS_TEST; -1: none */
    int kind;  /* LS_METRIC_* */
    bool ema;  /* of the parameters' moving average */
} ls_metric;

typedef struct ls_watch {
    ls_metric target, best;
} ls_watch;

/** Reads target.metric and checkpoint.best.  LS_EUSAGE: unknown name, a set that is not there, accuracy of a
 *  regression, or a metric of the moving average in a run that keeps none (`averaged`). */
ls_status ls_watch_create(const ls_config *config, const bool *present, bool classification, bool averaged,
                          ls_watch *out);

double ls_metric_value(const ls_metric *metric, const ls_evaluation *evaluations);

/** `value` is better than `best` (NaN: nothing yet). */
bool ls_metric_better(const ls_metric *metric, double value, double best);

/** The evaluation reaches target.above or target.below. */
bool ls_watch_reached(const ls_watch *watch, const ls_config *config, const ls_evaluation *evaluations);

/** Takes a new evaluation into account: target_reached, best_value and stale_evaluations of the state.  Returns true
 * when checkpoint.best is to be written. */
bool ls_watch_update(const ls_watch *watch, const ls_config *config, const ls_evaluation *evaluations,
                     ls_run_state *state);

#endif
