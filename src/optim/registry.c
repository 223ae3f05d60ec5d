#include "optim/registry.h"

#include <stddef.h>

const ls_optimizer_ops *const ls__optimizers[] = {
#define LS_OPTIMIZER(name) &ls__optimizer_##name,
#include "optim/optimizer_list.h"
#undef LS_OPTIMIZER
    NULL};

const ls_schedule_ops *const ls__schedules[] = {
#define LS_SCHEDULE(name) &ls__schedule_##name,
#include "optim/schedule_list.h"
#undef LS_SCHEDULE
    NULL};
