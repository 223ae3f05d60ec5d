#include "lockstep/sampler.h"

#include "lockstep/rng.h"

enum { ROUNDS = 6, BLOCK = 256 };

#define GOLDEN 0x9E3779B97F4A7C15u

/* One epoch's permutation of [0, 2^(2 half_bits)). */
typedef struct order {
    uint64_t key;
    unsigned half_bits;
} order;

static order order_of(const ls_sampler *sampler, int64_t epoch)
{
    const uint64_t last = (uint64_t)sampler->n_samples - 1;
    const unsigned bits = last > 0 ? 64 - (unsigned)__builtin_clzll(last) : 0;
    return (order){.key = ls_mix64(ls_rng_key(sampler->seed, LS_STREAM_ORDER) + (uint64_t)epoch * GOLDEN),
                   .half_bits = bits > 2 ? (bits + 1) / 2 : 1};
}

/* The top bits of the finaliser of SplitMix64 (as ls_mix64, here so that it is inlined). */
static inline uint64_t round_bits(uint64_t x, unsigned bits)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x >> (64 - bits);
}

static inline uint64_t encrypt(order o, uint64_t x)
{
    uint64_t left = x >> o.half_bits, right = x & ((UINT64_C(1) << o.half_bits) - 1), key = o.key;
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t next = left ^ round_bits(key + right, o.half_bits);
        left = right;
        right = next;
        key += GOLDEN;
    }
    return left << o.half_bits | right;
}

/* Walks the cycle of `position` until it is inside [0, n) again: a permutation of [0, n), 4 steps on average at most.
 */
static inline int64_t id_at(order o, int64_t n, int64_t position)
{
    uint64_t x = (uint64_t)position;
    do {
        x = encrypt(o, x);
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}

int64_t ls_sampler_id(const ls_sampler *sampler, int64_t epoch, int64_t position)
{
    return sampler->shuffle ? id_at(order_of(sampler, epoch), sampler->n_samples, position) : position;
}

/* Up to BLOCK ids.  Every pass takes one step of all walks that are still outside: steps of different walks overlap in
 * the processor, and no branch depends on their values. */
static void fill_block(order o, uint64_t n_samples, int64_t first, int n, int64_t *ids)
{
    int walking[BLOCK], n_walking = n;
    for (int i = 0; i < n; i++) {
        walking[i] = i;
        ids[i] = first + i;
    }
    while (n_walking > 0) {
        int n_left = 0;
        for (int w = 0; w < n_walking; w++) {
            const int i = walking[w];
            const uint64_t x = encrypt(o, (uint64_t)ids[i]);
            ids[i] = (int64_t)x;
            walking[n_left] = i;
            n_left += x >= n_samples;
        }
        n_walking = n_left;
    }
}

void ls_sampler_ids(const ls_sampler *sampler, int64_t epoch, int64_t first, int64_t n, int64_t *ids)
{
    const order o = order_of(sampler, epoch);
    for (int64_t i = 0; !sampler->shuffle && i < n; i++) ids[i] = first + i;
    for (int64_t i = 0; sampler->shuffle && i < n; i += BLOCK)
        fill_block(o, (uint64_t)sampler->n_samples, first + i, n - i < BLOCK ? (int)(n - i) : BLOCK, ids + i);
}
