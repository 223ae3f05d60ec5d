/* From base / div up to base, and down to base / div / final_div, each by half a cosine wave or a line.  Source: Smith
 * and Topin 2018, in the closed form of PyTorch's OneCycleLR with max_lr = base: the legs end at pct_start T - 1 and T
 * - 1 iterations; with three_phase at pct_start T - 1, 2 pct_start T - 2 and T - 1, by way of base / div. */
#include <math.h>

#include "optim/registry.h"

typedef struct one_cycle_options {
    double pct_start, div_factor, final_div_factor, duration;
    int anneal;
    bool three_phase;
} one_cycle_options;

enum { COSINE, LINEAR };
static const char *const anneals[] = {"cos", "linear", NULL};

static const ls_option one_cycle_table[] = {{.key = "pct_start",
                                             .kind = LS_OPTION_REAL,
                                             .offset = offsetof(one_cycle_options, pct_start),
                                             .fallback = "0.3",
                                             .max = 1,
                                             .help = "part of the time in which the rate rises"},
                                            {.key = "anneal_strategy",
                                             .kind = LS_OPTION_CHOICE,
                                             .offset = offsetof(one_cycle_options, anneal),
                                             .fallback = "cos",
                                             .choices = anneals,
                                             .help = "shape of the legs"},
                                            {.key = "div_factor",
                                             .kind = LS_OPTION_REAL,
                                             .offset = offsetof(one_cycle_options, div_factor),
                                             .fallback = "25.0",
                                             .above_min = true,
                                             .max = 1e30,
                                             .help = "the first rate is lr / div_factor"},
                                            {.key = "final_div_factor",
                                             .kind = LS_OPTION_REAL,
                                             .offset = offsetof(one_cycle_options, final_div_factor),
                                             .fallback = "1e4",
                                             .above_min = true,
                                             .max = 1e30,
                                             .help = "the last rate is lr / div_factor / final_div_factor"},
                                            {.key = "three_phase",
                                             .kind = LS_OPTION_BOOL,
                                             .offset = offsetof(one_cycle_options, three_phase),
                                             .fallback = "false",
                                             .help = "fall to the first rate as fast as it rose, then to the last"},
                                            {.key = "duration",
                                             .kind = LS_OPTION_REAL,
                                             .offset = offsetof(one_cycle_options, duration),
                                             .fallback = "~",
                                             .above_min = true,
                                             .max = 1e12,
                                             .help = "units of the whole cycle; null: the rest of the run"},
                                            {0}};

typedef struct leg {
    double end, from, to; /* until `end` of the clock */
} leg;

static int make_legs(const ls_schedule *schedule, double total, leg legs[3])
{
    const one_cycle_options *o = schedule->options;
    const double top = schedule->base_lr, first = top / o->div_factor, last = first / o->final_div_factor,
                 step = schedule->per_step, rise = o->pct_start * total;
    int n = 0;
    legs[n++] = (leg){rise - step, first, top};
    if (o->three_phase) legs[n++] = (leg){2.0 * rise - 2.0 * step, top, first};
    legs[n++] = (leg){total - step, o->three_phase ? first : top, last};
    return n;
}

static double one_cycle_lr(const ls_schedule *schedule, double t, double length)
{
    const one_cycle_options *o = schedule->options;
    leg legs[3];
    const int n = make_legs(schedule, isnan(o->duration) ? length : ls__schedule_time(schedule, o->duration), legs);
    int k = 0;
    while (k < n - 1 && t > legs[k].end) k++;
    const double start = k > 0 ? legs[k - 1].end : 0.0, span = legs[k].end - start;
    const double done = span > 0 && t < legs[k].end ? (t - start) / span : 1.0;
    if (o->anneal == LINEAR) return legs[k].from + (legs[k].to - legs[k].from) * done;
    return legs[k].to + (legs[k].from - legs[k].to) / 2.0 * (1.0 + cos(3.14159265358979323846 * done));
}

static bool one_cycle_needs_length(const ls_schedule *schedule)
{
    return isnan(((const one_cycle_options *)schedule->options)->duration);
}

const ls_schedule_ops ls__schedule_one_cycle = {.name = "one_cycle",
                                                .help = "up to the rate and far below where it began",
                                                .options = one_cycle_table,
                                                .options_size = sizeof(one_cycle_options),
                                                .lr = one_cycle_lr,
                                                .needs_length = one_cycle_needs_length};
