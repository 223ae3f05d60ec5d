/** Initialisers by name: auto, he_normal, glorot_uniform, zeros, normal(std). */
#ifndef LOCKSTEP_MODEL_INIT_H
#define LOCKSTEP_MODEL_INIT_H

#include "lockstep/layer.h"

/** Resolves a name for a tensor with these fans; auto is he_normal before a rectifier and glorot_uniform elsewhere.
 *  Sources: He et al. 2015, std = sqrt(2 / fan_in); Glorot and Bengio 2010, limit = sqrt(6 / (fan_in + fan_out)).
 *  LS_EUSAGE for an unknown name. */
ls_status ls__init_resolve(const char *name, bool feeds_relu, int64_t fan_in, int64_t fan_out, ls_init *out);

/** The row that layers with an initialiser put into their tables. */
#define LS_INIT_OPTION(structure)                                                                                      \
    {                                                                                                                  \
        .key = "init", .kind = LS_OPTION_TEXT, .offset = offsetof(structure, init), .fallback = "auto",                \
        .help = "start values of the weights: auto, he_normal, glorot_uniform, zeros or normal(STD)"                   \
    }

#endif
