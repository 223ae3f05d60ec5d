/** For tests of the model: networks from one line of YAML, buffers of reproducible numbers, comparisons. */
#ifndef LOCKSTEP_TEST_MODEL_BENCH_H
#define LOCKSTEP_TEST_MODEL_BENCH_H

#include <float.h>
#include <inttypes.h>

#include "model_twins.h"

static inline ls_node *parse(const char *yaml)
{
    ls_node *node;
    if (ls_node_parse(yaml, strlen(yaml), "test.yaml", &node) != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return node;
}

static inline ls_network *build_network(ls_node *model, const ls_shape *in)
{
    ls_network *network;
    if (ls_network_create(model, in, &network) != LS_OK) fail_msg("%s", ls_status_message());
    return network;
}

static inline void assert_message(const char *word)
{
    if (strstr(ls_status_message(), word) == NULL) fail_msg("no '%s' in: %s", word, ls_status_message());
}

static inline float *floats(int64_t n)
{
    float *block = ls_calloc((size_t)n, sizeof *block);
    assert_non_null(block);
    return block;
}

/** Numbers in [-2, -0.05] and [0.05, 2]: away from 0, where rectifiers have no derivative. */
static inline void fill(float *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        const double u = ls_rng_uniform(seed, 0, (uint64_t)i) * 3.9 - 1.95;
        out[i] = (float)(u + copysign(0.05, u));
    }
}

static inline float *filled(int64_t n, uint64_t seed)
{
    float *block = floats(n);
    fill(block, n, seed);
    return block;
}

static inline void set_all(float *out, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++) out[i] = value;
}

static inline double *widened(const float *x, int64_t n)
{
    double *wide = ls_calloc((size_t)n, sizeof *wide);
    assert_non_null(wide);
    for (int64_t i = 0; i < n; i++) wide[i] = x[i];
    return wide;
}

static inline void assert_same_bits(const char *what, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0)
            fail_msg("%s: element %" PRId64 " of %" PRId64 ": %.9g and %.9g", what, i, n, (double)a[i], (double)b[i]);
}

/** A float32 sum of `terms` numbers of order 1 and random signs loses about sqrt(terms) half-units of its size; 8
 * leaves room for the few roundings before and after, for libm's last units, and for kernels that add in another order.
 */
static inline double float_tolerance(int64_t terms, double scale)
{
    return 8.0 * sqrt((double)terms) * FLT_EPSILON * (1.0 + fabs(scale));
}

static inline void assert_close(const char *what, int64_t i, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: element %" PRId64 ": %.9g, expected %.9g within %.2g", what, i, got, expected, tolerance);
}

static inline int64_t largest(int64_t a, int64_t b, int64_t c)
{
    const int64_t ab = a > b ? a : b;
    return ab > c ? ab : c;
}

#endif
