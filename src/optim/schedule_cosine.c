/* lr = final + (base - final) (1 + cos(pi t / duration)) / 2, then final.  Source: Loshchilov and Hutter 2017, in the
 * closed form of PyTorch's CosineAnnealingLR. */
#include <math.h>

#include "optim/schedule_end.h"

static double cosine_lr(const ls_schedule *schedule, double t, double length)
{
    const ls_decay_options *o = schedule->options;
    const double wave = cos(3.14159265358979323846 * ls__decay_progress(schedule, t, length));
    return o->final_lr + (schedule->base_lr - o->final_lr) * (1.0 + wave) / 2.0;
}

const ls_schedule_ops ls__schedule_cosine = {.name = "cosine",
                                             .help = "half a cosine wave down to final_lr",
                                             .options = ls__decay_table,
                                             .options_size = sizeof(ls_decay_options),
                                             .lr = cosine_lr,
                                             .needs_length = ls__decay_needs_length};
