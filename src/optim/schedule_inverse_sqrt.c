/* lr = base sqrt(s / (s + t)), s the timescale.  With s the warm-up this is Vaswani et al. 2017 (and its usual form
 * base sqrt(warmup / iteration)). */
#include <math.h>

#include "optim/registry.h"

typedef struct inverse_sqrt_options {
    double timescale; /* NaN: the warm-up */
} inverse_sqrt_options;

static const ls_option inverse_sqrt_table[] = {
    {.key = "timescale",
     .kind = LS_OPTION_REAL,
     .offset = offsetof(inverse_sqrt_options, timescale),
     .fallback = "~",
     .above_min = true,
     .max = 1e12,
     .help = "units; three of them after the warm-up the rate is half; null: the length of the warm-up"},
    {0}};

static ls_status inverse_sqrt_finish(ls_schedule *schedule, const ls_node *spec)
{
    const inverse_sqrt_options *o = schedule->options;
    char place[256];
    LS_REQUIRE(schedule->warmup > 0 || !isnan(o->timescale), LS_EUSAGE,
               "%s: schedule inverse_sqrt needs a 'warmup' or a 'timescale'", ls_node_place(spec, place, sizeof place));
    return LS_OK;
}

static double inverse_sqrt_lr(const ls_schedule *schedule, double t, double length)
{
    (void)length;
    const inverse_sqrt_options *o = schedule->options;
    const double s = isnan(o->timescale) ? (double)schedule->warmup : ls__schedule_time(schedule, o->timescale);
    return schedule->base_lr * sqrt(s / (s + t));
}

const ls_schedule_ops ls__schedule_inverse_sqrt = {.name = "inverse_sqrt",
                                                   .help = "falls as one over the root of the time",
                                                   .options = inverse_sqrt_table,
                                                   .options_size = sizeof(inverse_sqrt_options),
                                                   .finish = inverse_sqrt_finish,
                                                   .lr = inverse_sqrt_lr};
