/** The registered optimizers and schedules, and what several of them compute alike. */
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

/** A list of kinds of tensors, as [bias, norm]; `key` names it in messages.  LS_EUSAGE. */
ls_status ls__kinds_read(const ls_node *list, const char *key, ls_kinds *out);

/** The tensor's kind is in the list. */
static inline bool ls__kinds_match(ls_kinds list, ls_kinds kind)
{
    return (list.bias && kind.bias) || (list.norm && kind.norm);
}

/** What decoupled weight decay multiplies the parameters by. */
static inline float ls__shrink(const ls_update *update)
{
    return (float)(1.0 - update->lr * update->decoupled);
}

/** Units of a schedule's options on its clock.  0.07 epochs of 100 iterations are 7, though the product is not. */
double ls__schedule_time(const ls_schedule *schedule, double n_units);

#endif
