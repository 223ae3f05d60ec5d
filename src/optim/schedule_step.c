/* lr = base gamma^floor(t / every).  Source: PyTorch's StepLR. */
#include <math.h>

#include "optim/registry.h"

typedef struct step_options {
    double every, gamma;
} step_options;

static const ls_option step_table[] = {{.key = "every",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(step_options, every),
                                        .above_min = true,
                                        .max = 1e12,
                                        .help = "units between two steps"},
                                       {.key = "gamma",
                                        .kind = LS_OPTION_REAL,
                                        .offset = offsetof(step_options, gamma),
                                        .fallback = "0.1",
                                        .max = 1e6,
                                        .help = "factor of a step"},
                                       {0}};

static double step_lr(const ls_schedule *schedule, double t, double length)
{
    (void)length;
    const step_options *o = schedule->options;
    return schedule->base_lr * pow(o->gamma, floor(t / ls__schedule_time(schedule, o->every)));
}

const ls_schedule_ops ls__schedule_step = {.name = "step",
                                           .help = "falls by gamma every so often",
                                           .options = step_table,
                                           .options_size = sizeof(step_options),
                                           .lr = step_lr};
