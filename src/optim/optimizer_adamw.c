#include "optim/adam.h"

static void adamw_update(const ls_optimizer *optimizer, const ls_update *u)
{
    ls__adam_step(optimizer, u, true);
}

const ls_optimizer_ops ls__optimizer_adamw = {.name = "adamw",
                                              .help = "Adam with decoupled weight decay",
                                              .options = ls__adam_table,
                                              .options_size = sizeof(ls_adam_options),
                                              .weight_decay = "0.01",
                                              .n_slots = 2,
                                              .slot_name = {"exp_avg", "exp_avg_sq"},
                                              .update = adamw_update};
