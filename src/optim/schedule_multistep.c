/* lr = base gamma^(milestones that are reached at t).  Source: PyTorch's MultiStepLR. */
#include <math.h>

#include "optim/registry.h"

enum { MAX_MILESTONES = 64 };

typedef struct multistep_options {
    ls_node *milestones;
    double gamma;
    int64_t n;
    double at[MAX_MILESTONES]; /* units */
} multistep_options;

static const ls_option multistep_table[] = {{.key = "milestones",
                                             .kind = LS_OPTION_NODE,
                                             .offset = offsetof(multistep_options, milestones),
                                             .help = "rising list of units after the warm-up, as [30, 60, 80]"},
                                            {.key = "gamma",
                                             .kind = LS_OPTION_REAL,
                                             .offset = offsetof(multistep_options, gamma),
                                             .fallback = "0.1",
                                             .max = 1e6,
                                             .help = "factor of a step"},
                                            {0}};

static ls_status multistep_finish(ls_schedule *schedule, const ls_node *spec)
{
    multistep_options *o = schedule->options;
    char place[256];
    ls_node_place(o->milestones ? o->milestones : spec, place, sizeof place);
    LS_TRY(ls_reals_read(o->milestones, "milestones", MAX_MILESTONES, o->at, &o->n));
    LS_REQUIRE(o->n > 0, LS_EUSAGE, "%s: 'milestones' needs a list of times, as [30, 60, 80]", place);
    for (int64_t i = 0; i < o->n; i++)
        LS_REQUIRE(o->at[i] > (i > 0 ? o->at[i - 1] : 0.0), LS_EUSAGE,
                   "%s: 'milestones' must rise, from above 0; %.12g does not", place, o->at[i]);
    return LS_OK;
}

static double multistep_lr(const ls_schedule *schedule, double t, double length)
{
    (void)length;
    const multistep_options *o = schedule->options;
    int64_t reached = 0;
    while (reached < o->n && ls__schedule_time(schedule, o->at[reached]) <= t) reached++;
    return schedule->base_lr * pow(o->gamma, (double)reached);
}

const ls_schedule_ops ls__schedule_multistep = {.name = "multistep",
                                                .help = "falls by gamma at each milestone",
                                                .options = multistep_table,
                                                .options_size = sizeof(multistep_options),
                                                .finish = multistep_finish,
                                                .lr = multistep_lr};
