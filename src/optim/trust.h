/** What the optimizers with a trust ratio share: which tensors are left out of it, and its corners. */
#ifndef LOCKSTEP_OPTIM_TRUST_H
#define LOCKSTEP_OPTIM_TRUST_H

#include "optim/registry.h"

typedef struct ls_trust_options {
    ls_node *ratio_exclude;
    ls_kinds excluded; /* from that list */
} ls_trust_options;

#define LS_TRUST_OPTION(type, member)                                                                                  \
    {                                                                                                                  \
        .key = "ratio_exclude", .kind = LS_OPTION_NODE, .offset = offsetof(type, member.ratio_exclude),                \
        .fallback = "[]", .help = "tensors whose trust ratio is 1: a list of bias, norm"                               \
    }

/** Reads the list.  LS_EUSAGE. */
static inline ls_status ls__trust_finish(ls_trust_options *options)
{
    return ls__kinds_read(options->ratio_exclude, "ratio_exclude", &options->excluded);
}

/** The step is scaled by a ratio of norms; by 1 for an excluded tensor, and where a norm is 0: a tensor of zeros could
 *  never leave them. */
static inline bool ls__trust_applies(const ls_trust_options *options, const ls_update *update)
{
    return !ls__kinds_match(options->excluded, update->kind) && update->p_norm > 0.0 && update->step_norm > 0.0;
}

#endif
