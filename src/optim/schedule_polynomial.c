/* lr = final + (base - final) (1 - t / duration)^power, then final.  Source: PyTorch's PolynomialLR, which ends at 0.
 */
#include <math.h>

#include "optim/schedule_end.h"

typedef struct polynomial_options {
    ls_decay_options decay; /* first: LS_DECAY_... say where they lie */
    double power;
} polynomial_options;

static const ls_option polynomial_table[] = {LS_DECAY_FINAL_LR,
                                             LS_DECAY_DURATION,
                                             {.key = "power",
                                              .kind = LS_OPTION_REAL,
                                              .offset = offsetof(polynomial_options, power),
                                              .fallback = "1.0",
                                              .above_min = true,
                                              .max = 100,
                                              .help = "exponent of the part of the time that is left"},
                                             {0}};

static double polynomial_lr(const ls_schedule *schedule, double t, double length)
{
    const polynomial_options *o = schedule->options;
    const double left = 1.0 - ls__decay_progress(schedule, t, length);
    return o->decay.final_lr + (schedule->base_lr - o->decay.final_lr) * pow(left, o->power);
}

const ls_schedule_ops ls__schedule_polynomial = {.name = "polynomial",
                                                 .help = "a power of the time left down to final_lr",
                                                 .options = polynomial_table,
                                                 .options_size = sizeof(polynomial_options),
                                                 .lr = polynomial_lr,
                                                 .needs_length = ls__decay_needs_length};
