/** The keys of a configuration as a table, for help that is printed from it; lockstep/config.h reads and checks them.
 */
#ifndef LOCKSTEP_TRAIN_CONFIG_KEYS_H
#define LOCKSTEP_TRAIN_CONFIG_KEYS_H

#include "base/option.h"

/** Ends with a row whose key is NULL. */
extern const ls_option ls__config_keys[];

#endif
