/** The registered layers and losses: each one file with static functions and one const table, listed in layer_list.h
 *  and loss_list.h. */
#ifndef LOCKSTEP_MODEL_REGISTRY_H
#define LOCKSTEP_MODEL_REGISTRY_H

#include "base/option.h"
#include "lockstep/layer.h"
#include "lockstep/loss.h"

#define LS_LAYER(name) extern const ls_layer_ops ls__layer_##name;
#include "model/layer_list.h"
#undef LS_LAYER
#define LS_LOSS(name) extern const ls_loss_ops ls__loss_##name;
#include "model/loss_list.h"
#undef LS_LOSS

/** All of them, in list order, then those of ls_layer_register; NULL-terminated. */
extern const ls_layer_ops *ls__layers[];
extern const ls_loss_ops *const ls__losses[];

#endif
