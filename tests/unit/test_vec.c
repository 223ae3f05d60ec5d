#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/vec.h"

enum { MAX = 1100, GUARD = 32 };

static const int64_t sizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 257, 1000};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static float a[MAX + GUARD], b[MAX + GUARD], out[MAX + GUARD];

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)((int32_t)*seed) * 0x1p-30f;
}

static void fill(float *x, int n, uint32_t seed)
{
    for (int i = 0; i < n; i++) x[i] = noise(&seed);
}

/* Bits of results and of everything around them. */
static void assert_bits(const float *found, const float *expected, const char *what, int64_t n)
{
    if (memcmp(found, expected, (MAX + GUARD) * sizeof *found) != 0) fail_msg("%s, n = %d", what, (int)n);
}

static void addition(void **state)
{
    (void)state;
    float expected[MAX + GUARD];
    for (int s = 0; s < N_SIZES; s++)
        for (int shift = 0; shift < 3; shift++) {
            const int64_t n = sizes[s];
            fill(a, MAX + GUARD, 1);
            fill(b, MAX + GUARD, 2);
            fill(out, MAX + GUARD, 3);
            memcpy(expected, out, sizeof out);
            for (int64_t i = 0; i < n; i++) expected[shift + i] = (float)((double)a[i] + (double)b[i]);
            ls_vec_add(n, a, b, out + shift);
            assert_bits(out, expected, "add", n);
            memcpy(expected, a, sizeof a);
            for (int64_t i = 0; i < n; i++) expected[i] = (float)((double)a[i] + (double)b[i]);
            ls_vec_add(n, a, b, a);
            assert_bits(a, expected, "add in place", n);
        }
}

/* Row after row from the first, then the sum as a whole to what was there: the order is part of the expectation. */
static void column_sums(void **state)
{
    (void)state;
    float expected[MAX + GUARD];
    for (int64_t rows = 0; rows <= 5; rows++)
        for (int64_t k = 0; k <= 200; k += 1 + k / 7)
            for (int beta = 0; beta <= 1; beta++) {
                fill(a, MAX + GUARD, 5);
                fill(out, MAX + GUARD, 6);
                if (beta == 0)
                    for (int64_t i = 0; i < k; i++) out[i] = NAN;
                memcpy(expected, out, sizeof out);
                for (int64_t i = 0; i < k; i++) {
                    float sum = 0;
                    for (int64_t r = 0; r < rows; r++) sum = (float)((double)sum + a[r * k + i]);
                    expected[i] = beta == 0 ? sum : (float)((double)out[i] + sum);
                }
                ls_vec_column_sums(rows, k, a, (float)beta, out);
                assert_bits(out, expected, "column_sums", rows * k);
            }
}

static void rectifier(void **state)
{
    (void)state;
    const float x[] = {-1, -0.0f, 0, 2, INFINITY, -INFINITY, -1e-45f, 1e-45f};
    const float y[] = {0, 0, 0, 2, INFINITY, 0, 0, 1e-45f};
    float found[9];
    const float nan = NAN;
    ls_vec_relu(8, x, found);
    for (int i = 0; i < 8; i++) assert_true(found[i] == y[i]);
    ls_vec_relu(1, &nan, found);
    assert_true(isnan(found[0]));
    for (int s = 0; s < N_SIZES; s++) {
        float expected[MAX + GUARD];
        fill(a, MAX + GUARD, 11);
        memcpy(expected, a, sizeof a);
        for (int64_t i = 0; i < sizes[s]; i++)
            if (a[i] < 0) expected[i] = 0;
        ls_vec_relu(sizes[s], a, a);
        assert_bits(a, expected, "relu in place", sizes[s]);
    }
}

static void rectifier_backward(void **state)
{
    (void)state;
    float expected[MAX + GUARD];
    const float y[] = {0, -0.0f, 1, 1e-45f, -3}, dy[] = {5, 5, 5, 5, 5}, dx[] = {0, 0, 5, 5, 0};
    ls_vec_relu_backward(5, y, dy, out);
    for (int i = 0; i < 5; i++) assert_true(out[i] == dx[i]);
    for (int s = 0; s < N_SIZES; s++) {
        fill(a, MAX + GUARD, 12);
        fill(b, MAX + GUARD, 13);
        memcpy(expected, b, sizeof b);
        for (int64_t i = 0; i < sizes[s]; i++)
            if (!(a[i] > 0)) expected[i] = 0;
        ls_vec_relu_backward(sizes[s], a, b, b);
        assert_bits(b, expected, "relu_backward in place", sizes[s]);
    }
}

/* Rounding the double quotient of two floats once more gives the float quotient; a reciprocal would not. */
static void division(void **state)
{
    (void)state;
    static const float divisors[] = {1, 3, 7, 96, 100, 128, 600, 0.1f};
    float expected[MAX + GUARD];
    for (int d = 0; d < 8; d++)
        for (int s = 0; s < N_SIZES; s++) {
            fill(a, MAX + GUARD, 21);
            memcpy(expected, a, sizeof a);
            for (int64_t i = 0; i < sizes[s]; i++) expected[i] = (float)((double)a[i] / (double)divisors[d]);
            ls_vec_divide(sizes[s], divisors[d], a);
            assert_bits(a, expected, "divide", sizes[s]);
        }
}

static void scaling_approaching_and_swapping(void **state)
{
    (void)state;
    static float expected[MAX + GUARD], other[MAX + GUARD];
    for (int s = 0; s < N_SIZES; s++) {
        fill(a, MAX + GUARD, 41);
        fill(b, MAX + GUARD, 42);
        memcpy(expected, a, sizeof a);
        for (int64_t i = 0; i < sizes[s]; i++) expected[i] = a[i] * 0.3f;
        ls_vec_scale(sizes[s], 0.3f, a);
        assert_bits(a, expected, "scale", sizes[s]);
        for (int64_t i = 0; i < sizes[s]; i++) expected[i] = a[i] + 0.1f * (b[i] - a[i]);
        ls_vec_approach(sizes[s], 0.1f, b, a);
        assert_bits(a, expected, "approach", sizes[s]);
        ls_vec_approach(sizes[s], 0.7f, a, expected); /* where it is, it stays */
        assert_bits(expected, a, "approach of equals", sizes[s]);
        memcpy(expected, a, sizeof a);
        memcpy(other, b, sizeof b);
        memcpy(expected, b, (size_t)sizes[s] * sizeof *b);
        memcpy(other, a, (size_t)sizes[s] * sizeof *a);
        ls_vec_swap(sizes[s], a, b);
        assert_bits(a, expected, "swap", sizes[s]);
        assert_bits(b, other, "swap", sizes[s]);
    }
}

/* The documented lanes: lane j has elements j, j + 16, ...; then halves. */
static double lanes(int64_t n, const float *x)
{
    double lane[16] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 16] += (double)x[i] * (double)x[i];
    for (int j = 0; j < 8; j++) lane[j] += lane[j + 8];
    for (int j = 0; j < 4; j++) lane[j] += lane[j + 4];
    for (int j = 0; j < 2; j++) lane[j] += lane[j + 2];
    return lane[0] + lane[1];
}

static void sums_of_squares(void **state)
{
    (void)state;
    for (int64_t n = 0; n <= 300; n++)
        for (int shift = 0; shift < 4; shift++) {
            long double naive = 0;
            fill(a, MAX + GUARD, 31);
            memmove(a + shift, a, MAX * sizeof *a);
            for (int64_t i = 0; i < n; i++) naive += (long double)a[shift + i] * a[shift + i];
            const double found = ls_vec_sum_squares(n, a + shift), expected = lanes(n, a + shift);
            assert_true(found == expected);
            assert_true(fabsl(found - naive) <= (long double)n * 0x1p-52L * naive);
        }
    const float large[] = {3e38f, 2e38f}; /* squares beyond float */
    assert_true(ls_vec_sum_squares(2, large) == (double)large[0] * large[0] + (double)large[1] * large[1]);
}

static void fingerprint_is_stable(void **state)
{
    (void)state;
    const uint64_t first = ls_vec_libm_fingerprint();
    for (int i = 0; i < 10; i++) assert_int_equal(ls_vec_libm_fingerprint(), first);
    assert_int_not_equal(first, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addition),
        cmocka_unit_test(column_sums),
        cmocka_unit_test(rectifier),
        cmocka_unit_test(rectifier_backward),
        cmocka_unit_test(division),
        cmocka_unit_test(sums_of_squares),
        cmocka_unit_test(fingerprint_is_stable),
        cmocka_unit_test(scaling_approaching_and_swapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
