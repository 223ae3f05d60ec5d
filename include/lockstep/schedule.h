/** Learning-rate schedules with optional warm-up: pure functions of the iteration.  One schedule is one file and one
 *  row in src/optim/schedule_list.h.  Nothing here is collective.
 *
 * A schedule runs on a clock that counts iterations, or samples, or, for times in epochs, iterations as if the first
 * batch size had been kept: a constant batch size makes it the iterations too. */
#ifndef LOCKSTEP_SCHEDULE_H
#define LOCKSTEP_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/course.h"
#include "lockstep/linkage.h"
#include "lockstep/option.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

typedef struct ls_schedule ls_schedule;

typedef struct ls_schedule_ops {
    const char *name, *help;
    const ls_option *options; /* NULL: none */
    size_t options_size;
    /** Completes options from what was read; NULL: nothing to do.  LS_EUSAGE. */
    ls_status (*finish)(ls_schedule *schedule, const struct ls_node *spec);
    /** Rate t of the clock after the warm-up, of a run whose clock shows `length` at its end, from the warm-up on. */
    double (*lr)(const ls_schedule *schedule, double t, double length);
    /** The options make the shape depend on the length of the run; NULL: never. */
    bool (*needs_length)(const ls_schedule *schedule);
} ls_schedule_ops;

enum { LS_UNIT_ITERATIONS, LS_UNIT_EPOCHS, LS_UNIT_SAMPLES };

struct ls_schedule {
    const ls_schedule_ops *ops;
    void *options;
    double base_lr;  /* scaled by lr_scaling */
    int64_t warmup;  /* of the clock; the rate rises linearly: base * (clock behind the iteration) / warmup */
    int64_t total;   /* iterations of the run */
    double per_unit; /* of the clock in one unit of the options (1, or an epoch's) */
    double per_step; /* of the clock in the first iteration */
    int unit;        /* LS_UNIT_* */
    ls_course course;
};

/** From the map {name: ..., warmup: ..., unit: iterations|epochs|samples, lr_scaling: {rule: none|linear|sqrt, ...},
 *  ...}, completed with defaults, for a run of `total` iterations.  The scaling rules multiply lr by B / reference
 *  (Goyal et al. 2017) or its root (Krizhevsky 2014), B the course's first batch size.  LS_EUSAGE. */
ls_status ls_schedule_create(struct ls_node *spec, double lr, const ls_course *course, int64_t total,
                             ls_schedule **out);
void ls_schedule_destroy(ls_schedule **schedule);

/** The rates change when the run is made longer. */
bool ls_schedule_needs_length(const ls_schedule *schedule);

/** Rate of the update that follows `iteration` completed ones. */
double ls_schedule_lr(const ls_schedule *schedule, int64_t iteration);

/** The first iteration behind the warm-up. */
int64_t ls_schedule_warmup_end(const ls_schedule *schedule);

/** Prints the registered schedules with their options, those that all share before them. */
void ls_schedules_print(struct ls_text *out);

LS_END_DECLS

#endif
