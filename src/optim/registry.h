/** The registered optimizers and schedules. */
#ifndef LOCKSTEP_OPTIM_REGISTRY_H
#define LOCKSTEP_OPTIM_REGISTRY_H

#include "base/option.h"
#include "lockstep/optimizer.h"
#include "lockstep/schedule.h"

#define LS_OPTIMIZER(name) extern const ls_optimizer_ops ls__optimizer_##name;
#include "optim/optimizer_list.h"
#undef LS_OPTIMIZER
#define LS_SCHEDULE(name) extern const ls_schedule_ops ls__schedule_##name;
#include "optim/schedule_list.h"
#undef LS_SCHEDULE

/** All of them, in list order; NULL-terminated. */
extern const ls_optimizer_ops *const ls__optimizers[];
extern const ls_schedule_ops *const ls__schedules[];

#endif
