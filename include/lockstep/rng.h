/** Randomness as a pure function of (seed, stream, counter): no state, no order of calls, no rank, no time (P5).
 *
 * Source: Philox4x32-10, J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011. Nothing here is collective or fallible. */
#ifndef LOCKSTEP_RNG_H
#define LOCKSTEP_RNG_H

#include <stdint.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

/** What a number is for; two streams of one seed are unrelated. */
typedef enum ls_stream {
    LS_STREAM_INIT = 1,
    LS_STREAM_ORDER = 2,
    LS_STREAM_DROPOUT = 3,
    LS_STREAM_SYNTHETIC = 4,
    LS_STREAM_AUGMENT = 5,
    LS_STREAM_BOOTSTRAP = 6
} ls_stream;

/** One Philox4x32-10 block: 128 random bits for a 128-bit counter under a 64-bit key. */
void ls_philox(const uint32_t counter[4], uint64_t key, uint32_t out[4]);

/** Key of a stream of a seed. */
uint64_t ls_rng_key(uint64_t seed, ls_stream stream);

/** A well mixed 64-bit value of x (the finaliser of SplitMix64). */
uint64_t ls_mix64(uint64_t x);

/** 24 random bits as a float in [0, 1). */
static inline float ls_uniform_float(uint32_t bits)
{
    return (float)(bits >> 8) / 16777216.0f;
}

/** The i-th uniform double in [0, 1) of (key, a), from 53 bits. */
double ls_rng_uniform(uint64_t key, uint64_t a, uint64_t i);

/** The i-th standard normal of (key, a), by Box and Muller in double; uses libm's log, sqrt, cos and sin. */
double ls_rng_normal(uint64_t key, uint64_t a, uint64_t i);

LS_END_DECLS

#endif
