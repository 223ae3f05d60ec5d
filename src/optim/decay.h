/** What the schedules that end at a rate share: a last rate and the time to reach it. */
#ifndef LOCKSTEP_OPTIM_DECAY_H
#define LOCKSTEP_OPTIM_DECAY_H

#include "optim/registry.h"

typedef struct ls_decay_options {
    double final_lr, duration; /* duration NaN: the rest of the run */
} ls_decay_options;

extern const ls_option ls__decay_table[];

/** Part of the decay that is done at t: 0 to 1. */
double ls__decay_progress(const ls_schedule *schedule, double t, double length);

bool ls__decay_needs_length(const ls_schedule *schedule);

#endif
