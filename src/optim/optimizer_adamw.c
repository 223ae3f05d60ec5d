/* AdamW (Loshchilov and Hutter, arXiv 1711.05101): Adam by another name, with its own defaults of weight decay. */
#include "optim/adam.h"

const ls_optimizer_ops ls__optimizer_adamw = {.name = "adamw",
                                              .help = "Adam with decoupled weight decay",
                                              .options = ls__adam_table,
                                              .options_size = sizeof(ls_adam_options),
                                              .weight_decay = "0.01",
                                              .decoupled = "true",
                                              .n_slots = 2,
                                              .slot_name = {"exp_avg", "exp_avg_sq"},
                                              .update = ls__adam_update};
