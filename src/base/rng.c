#include "lockstep/rng.h"

#include <math.h>

enum { ROUNDS = 10 };

void ls_philox(const uint32_t counter[4], uint64_t key, uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t ls_mix64(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t ls_rng_key(uint64_t seed, ls_stream stream)
{
    return ls_mix64(ls_mix64(seed) + (uint64_t)stream);
}

/* The two 53-bit uniforms of block (a, i). */
static void uniform_pair(uint64_t key, uint64_t a, uint64_t i, double u[2])
{
    const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), (uint32_t)a, (uint32_t)(a >> 32)};
    uint32_t w[4];
    ls_philox(counter, key, w);
    u[0] = (double)((((uint64_t)w[0] << 32) | w[1]) >> 11) * 0x1p-53;
    u[1] = (double)((((uint64_t)w[2] << 32) | w[3]) >> 11) * 0x1p-53;
}

double ls_rng_uniform(uint64_t key, uint64_t a, uint64_t i)
{
    double u[2];
    uniform_pair(key, a, i / 2, u);
    return u[i % 2];
}

double ls_rng_normal(uint64_t key, uint64_t a, uint64_t i)
{
    double u[2];
    uniform_pair(key, a, i / 2, u);
    const double radius = sqrt(-2.0 * log(1.0 - u[0])), angle = 6.283185307179586477 * u[1];
    return radius * (i % 2 == 0 ? cos(angle) : sin(angle));
}
