/** Learning-rate schedules with optional warm-up: pure functions of the iteration.  One schedule is one file and one
 *  row in src/optim/schedule_list.h.  Nothing here is collective. */
#ifndef LOCKSTEP_SCHEDULE_H
#define LOCKSTEP_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

struct ls_node;
struct ls_text;
struct ls_option;

typedef struct ls_schedule ls_schedule;

typedef struct ls_schedule_ops {
    const char *name, *help;
    const struct ls_option *options; /* NULL: none */
    size_t options_size;
    /** Rate t iterations after the warm-up, of a run that has `length` iterations after its warm-up. */
    double (*lr)(const ls_schedule *schedule, double t, double length);
    /** The options make the shape depend on the length of the run; NULL: never. */
    bool (*needs_length)(const ls_schedule *schedule);
} ls_schedule_ops;

struct ls_schedule {
    const ls_schedule_ops *ops;
    void *options;
    double base_lr;
    int64_t warmup;  /* iterations; the rate rises linearly: base * (i + 1) / warmup */
    int64_t total;   /* iterations of the run */
    double per_unit; /* iterations in one unit of the options (1, or an epoch's) */
};

/** From the map {name: ..., warmup: ..., unit: iterations|epochs, ...}, completed with defaults, for a run of `total`
 *  iterations of `per_epoch` each epoch.  LS_EUSAGE. */
ls_status ls_schedule_create(struct ls_node *spec, double base_lr, int64_t per_epoch, int64_t total, ls_schedule **out);
void ls_schedule_destroy(ls_schedule **schedule);

/** The rates change when the run is made longer. */
bool ls_schedule_needs_length(const ls_schedule *schedule);

/** Rate of the update that follows `iteration` completed ones. */
double ls_schedule_lr(const ls_schedule *schedule, int64_t iteration);

void ls_schedules_print(struct ls_text *out);

#endif
