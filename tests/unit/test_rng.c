#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "lockstep/rng.h"

enum { N = 1 << 20 };

/* Random123's kat_vectors for philox4x32-10. */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int c = 0; c < 3; c++) {
        uint32_t out[4];
        ls_philox(cases[c].counter, (uint64_t)cases[c].key[1] << 32 | cases[c].key[0], out);
        for (int i = 0; i < 4; i++) assert_int_equal(out[i], cases[c].out[i]);
    }
}

/* The published first outputs of SplitMix64 with seed 0 and with seed 1234567: its state grows by the golden ratio. */
static void mix_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t from_zero[] = {UINT64_C(0xE220A8397B1DCDAF), UINT64_C(0x6E789E6AA1B965F4),
                                         UINT64_C(0x06C45D188009454F)};
    static const uint64_t from_seed[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                         UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15);
    for (uint64_t i = 0; i < 3; i++) assert_int_equal(ls_mix64(i * golden), from_zero[i]);
    for (uint64_t i = 0; i < 4; i++) assert_int_equal(ls_mix64(1234567 + i * golden), from_seed[i]);
}

static void keys_differ(void **state)
{
    (void)state;
    uint64_t keys[200 * 5];
    int n = 0;
    for (uint64_t seed = 0; seed < 200; seed++)
        for (int stream = LS_STREAM_INIT; stream <= 5; stream++) keys[n++] = ls_rng_key(seed, (ls_stream)stream);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) assert_int_not_equal(keys[i], keys[j]);
}

static void uniform_floats(void **state)
{
    (void)state;
    assert_true(ls_uniform_float(0) == 0.0f);
    assert_true(ls_uniform_float(UINT32_MAX) == 1.0f - 0x1p-24f);
    assert_true(ls_uniform_float(0x80000000u) == 0.5f);
    assert_true(ls_uniform_float(0xFF) == 0.0f); /* the low 8 bits are not used */
    assert_true(ls_uniform_float(0x100) == 0x1p-24f);
}

/* The documented meaning of (key, a, i), written once more from the definition. */
static void numbers_are_words_of_philox(void **state)
{
    (void)state;
    static const uint64_t as[] = {0, 1, UINT64_C(0x123456789ABCDEF0)}, is[] = {0, 1, 2, 77, UINT64_C(0x1FFFFFFFE)};
    const uint64_t key = UINT64_C(0xDEADBEEF01234567);
    for (int x = 0; x < 3; x++)
        for (int y = 0; y < 5; y++) {
            const uint64_t block = is[y] / 2;
            const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)as[x],
                                         (uint32_t)(as[x] >> 32)};
            uint32_t w[4];
            ls_philox(counter, key, w);
            const uint32_t *half = w + 2 * (is[y] % 2);
            const double expected = (double)(((uint64_t)half[0] << 32 | half[1]) >> 11) / 9007199254740992.0;
            assert_true(ls_rng_uniform(key, as[x], is[y]) == expected);
        }
}

static void assert_near(double found, double expected, double tolerance, const char *what)
{
    if (fabs(found - expected) > tolerance) fail_msg("%s is %g, expected %g +- %g", what, found, expected, tolerance);
}

/* Mean 1/2, variance 1/12; 64 equal cells by chi-square; no correlation of neighbours.  All bounds are 5 sigma. */
static void uniforms_are_uniform(void **state)
{
    (void)state;
    const uint64_t key = ls_rng_key(1, LS_STREAM_SYNTHETIC);
    double sum = 0, squares = 0, products = 0, before = 0, chi = 0;
    int cell[64] = {0};
    for (int i = 0; i < N; i++) {
        const double u = ls_rng_uniform(key, 3, (uint64_t)i);
        assert_true(u >= 0 && u < 1);
        sum += u - 0.5;
        squares += (u - 0.5) * (u - 0.5);
        products += (u - 0.5) * before;
        before = u - 0.5;
        cell[(int)(u * 64)]++;
    }
    for (int c = 0; c < 64; c++) chi += (cell[c] - N / 64.0) * (cell[c] - N / 64.0) / (N / 64.0);
    assert_near(sum / N, 0, 5 * sqrt(1.0 / 12 / N), "mean");
    assert_near(squares / N, 1.0 / 12, 5 * sqrt(1.0 / 180 / N), "variance");
    assert_near(products / N, 0, 5 / 12.0 / sqrt(N), "correlation");
    assert_near(chi, 63, 5 * sqrt(2 * 63), "chi-square");
}

/* Share of n that fall beyond `limit` on either side, against the normal law. */
static void check_tail(const double *x, double limit)
{
    int beyond = 0;
    for (int i = 0; i < N; i++) beyond += fabs(x[i]) > limit;
    const double p = erfc(limit / sqrt(2.0));
    assert_near(beyond, N * p, 5 * sqrt(N * p * (1 - p)), "tail");
}

static void normals_are_normal(void **state)
{
    (void)state;
    const uint64_t key = ls_rng_key(7, LS_STREAM_INIT);
    double *x = malloc(N * sizeof *x), moment[5] = {0}, pairs = 0;
    for (int i = 0; i < N; i++) {
        double power = 1;
        x[i] = ls_rng_normal(key, 0, (uint64_t)i);
        assert_true(isfinite(x[i]));
        for (int k = 1; k <= 4; k++) moment[k] += (power *= x[i]) / N;
        if (i % 2 == 1) pairs += x[i] * x[i - 1];
    }
    assert_near(moment[1], 0, 5 / sqrt(N), "mean");
    assert_near(moment[2], 1, 5 * sqrt(2.0 / N), "variance");
    assert_near(moment[3], 0, 5 * sqrt(15.0 / N), "third moment");
    assert_near(moment[4], 3, 5 * sqrt(96.0 / N), "fourth moment");
    assert_near(pairs / (N / 2), 0, 5 / sqrt(N / 2), "correlation of a pair");
    const double limits[] = {0.5, 1, 2, 3, 4};
    for (int i = 0; i < 5; i++) check_tail(x, limits[i]);
    free(x);
}

/* Any order, any subset: the same number. */
static void order_of_calls_does_not_matter(void **state)
{
    (void)state;
    double forwards[1000];
    for (int i = 0; i < 1000; i++) forwards[i] = ls_rng_normal(5, 9, (uint64_t)i);
    for (int i = 999; i >= 0; i -= 3) {
        ls_rng_uniform(5, 9, 17);
        assert_true(ls_rng_normal(5, 9, (uint64_t)i) == forwards[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(mix_is_splitmix64),
        cmocka_unit_test(keys_differ),
        cmocka_unit_test(uniform_floats),
        cmocka_unit_test(numbers_are_words_of_philox),
        cmocka_unit_test(uniforms_are_uniform),
        cmocka_unit_test(normals_are_normal),
        cmocka_unit_test(order_of_calls_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
