/** The order of samples: a keyed bijection on [0, n) with random access, so no index array and no state.
 *
 * Position p of epoch e holds sample ls_sampler_id(sampler, e, p); every epoch is a permutation (P5).  A balanced
 * Feistel network over the next even power of two with cycle walking.  Source: J. Black, P. Rogaway, "Ciphers with
 * arbitrary finite domains", CT-RSA 2002.  Not collective. */
#ifndef LOCKSTEP_SAMPLER_H
#define LOCKSTEP_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

typedef struct ls_sampler {
    int64_t n_samples;
    uint64_t seed;
    bool shuffle; /* false: position p holds sample p */
} ls_sampler;

/** Sample at `position` in [0, n_samples) of `epoch` (from 0). */
int64_t ls_sampler_id(const ls_sampler *sampler, int64_t epoch, int64_t position);

/** Samples at positions [first, first + n) of `epoch` into ids [n]. */
void ls_sampler_ids(const ls_sampler *sampler, int64_t epoch, int64_t first, int64_t n, int64_t *ids);

LS_END_DECLS

#endif
