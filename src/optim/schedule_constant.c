/* lr = base */
#include "optim/registry.h"

static double constant_lr(const ls_schedule *schedule, double t, double length)
{
    (void)t;
    (void)length;
    return schedule->base_lr;
}

const ls_schedule_ops ls__schedule_constant = {.name = "constant", .help = "the base rate", .lr = constant_lr};
