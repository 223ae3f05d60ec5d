#include "train/watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/data.h"

static const char *const kinds[] = {"loss", "accuracy", "error"};

/* What metrics are read from. */
typedef struct sources {
    const bool *present;
    bool classification, averaged;
} sources;

static bool find_metric(const char *name, ls_metric *out)
{
    static const char *const infix[] = {"", "ema_"};
    for (int which = LS_VALIDATION; which <= LS_TEST; which++)
        for (int ema = 0; ema < 2; ema++)
            for (int kind = 0; kind < 3; kind++) {
                char known[32];
                snprintf(known, sizeof known, "%s_%s%s", ls__set_names[which], infix[ema], kinds[kind]);
                *out = (ls_metric){.which = which, .kind = kind, .ema = ema};
                if (strcmp(name, known) == 0) return true;
            }
    return false;
}

static ls_status read_metric(const char *key, const char *name, const sources *from, ls_metric *out)
{
    *out = (ls_metric){.which = -1};
    if (name == NULL) return LS_OK;
    LS_REQUIRE(find_metric(name, out), LS_EUSAGE,
               "'%s' is '%s'; known: validation_loss, validation_accuracy, validation_error, test_loss, test_accuracy, "
               "test_error, and with optimizer.ema validation_ema_loss, test_ema_accuracy and so on",
               key, name);
    LS_REQUIRE(from->present[out->which], LS_EUSAGE,
               "'%s' is '%s', but there is no data.%s; add it%s, or name a metric of another set", key, name,
               ls__set_names[out->which], out->which == LS_VALIDATION ? ", as data.validation: {last: 1000}" : "");
    LS_REQUIRE(from->classification || out->kind == LS_METRIC_LOSS, LS_EUSAGE,
               "'%s' is '%s': a regression has only a loss; name %s_loss", key, name, ls__set_names[out->which]);
    LS_REQUIRE(from->averaged || !out->ema, LS_EUSAGE,
               "'%s' is '%s', but there is no moving average of the parameters; set optimizer.ema, as in 0.999", key,
               name);
    return LS_OK;
}

ls_status ls_watch_create(const ls_config *config, const bool *present, bool classification, bool averaged,
                          ls_watch *out)
{
    const sources from = {present, classification, averaged};
    LS_TRY(read_metric("target.metric", config->target.metric, &from, &out->target));
    return read_metric("checkpoint.best", config->checkpoint.best, &from, &out->best);
}

double ls_metric_value(const ls_metric *metric, const ls_evaluation *evaluations)
{
    const ls_evaluation *e = &evaluations[metric->which];
    const double accuracy = metric->ema ? e->ema_accuracy : e->accuracy;
    if (metric->kind == LS_METRIC_LOSS) return metric->ema ? e->ema_loss : e->loss;
    return metric->kind == LS_METRIC_ACCURACY ? accuracy : ls_error_of(accuracy, e->n);
}

bool ls_metric_better(const ls_metric *metric, double value, double best)
{
    if (isnan(value)) return false;
    return isnan(best) || (metric->kind == LS_METRIC_ACCURACY ? value > best : value < best);
}

bool ls_watch_reached(const ls_watch *watch, const ls_config *config, const ls_evaluation *evaluations)
{
    if (watch->target.which < 0) return false;
    const double value = ls_metric_value(&watch->target, evaluations);
    return value > config->target.above || value < config->target.below;
}

static void watch_target(const ls_watch *watch, const ls_config *config, const ls_evaluation *evaluations,
                         ls_run_state *state)
{
    const double value = ls_metric_value(&watch->target, evaluations);
    if (ls_watch_reached(watch, config, evaluations)) state->target_reached = state->iteration;
    if (ls_metric_better(&watch->target, value, state->best_value)) {
        state->best_value = value;
        state->stale_evaluations = 0;
    } else {
        state->stale_evaluations++;
    }
}

bool ls_watch_update(const ls_watch *watch, const ls_config *config, const ls_evaluation *evaluations,
                     ls_run_state *state)
{
    if (watch->target.which >= 0) watch_target(watch, config, evaluations, state);
    if (watch->best.which < 0) return false;
    const double value = ls_metric_value(&watch->best, evaluations);
    if (!ls_metric_better(&watch->best, value, state->best_saved)) return false;
    state->best_saved = value;
    return true;
}
