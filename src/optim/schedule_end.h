/** What the schedules that end at a rate share: a last rate and the time to reach it. */
#ifndef LOCKSTEP_OPTIM_SCHEDULE_END_H
#define LOCKSTEP_OPTIM_SCHEDULE_END_H

#include "optim/registry.h"

typedef struct ls_decay_options {
    double final_lr, duration; /* duration NaN: the rest of the run */
} ls_decay_options;

/* Rows of a table whose options begin with these. */
#define LS_DECAY_FINAL_LR                                                                                              \
    {                                                                                                                  \
        .key = "final_lr", .kind = LS_OPTION_REAL, .offset = offsetof(ls_decay_options, final_lr), .fallback = "0.0",  \
        .max = 1e6, .help = "rate at the end"                                                                          \
    }
#define LS_DECAY_DURATION                                                                                              \
    {                                                                                                                  \
        .key = "duration", .kind = LS_OPTION_REAL, .offset = offsetof(ls_decay_options, duration), .fallback = "~",    \
        .above_min = true, .max = 1e12,                                                                                \
        .help = "units from the end of warm-up to the last rate; null: the rest of the run"                            \
    }

extern const ls_option ls__decay_table[];

/** Part of the decay that is done at t: 0 to 1. */
double ls__decay_progress(const ls_schedule *schedule, double t, double length);

bool ls__decay_needs_length(const ls_schedule *schedule);

#endif
