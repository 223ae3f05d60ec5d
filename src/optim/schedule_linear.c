/* lr = base + (final - base) t / duration, then final.  Source: PyTorch's LinearLR with start_factor 1. */
#include <math.h>

#include "optim/schedule_end.h"

const ls_option ls__decay_table[] = {LS_DECAY_FINAL_LR, LS_DECAY_DURATION, {0}};

double ls__decay_progress(const ls_schedule *schedule, double t, double length)
{
    const ls_decay_options *o = schedule->options;
    const double duration = isnan(o->duration) ? length : ls__schedule_time(schedule, o->duration);
    return t < duration ? t / duration : 1.0;
}

bool ls__decay_needs_length(const ls_schedule *schedule)
{
    return isnan(((const ls_decay_options *)schedule->options)->duration);
}

static double linear_lr(const ls_schedule *schedule, double t, double length)
{
    const ls_decay_options *o = schedule->options;
    return schedule->base_lr + (o->final_lr - schedule->base_lr) * ls__decay_progress(schedule, t, length);
}

const ls_schedule_ops ls__schedule_linear = {.name = "linear",
                                             .help = "a straight line to final_lr",
                                             .options = ls__decay_table,
                                             .options_size = sizeof(ls_decay_options),
                                             .lr = linear_lr,
                                             .needs_length = ls__decay_needs_length};
