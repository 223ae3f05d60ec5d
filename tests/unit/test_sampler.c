#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep/sampler.h"

/* Every id of [0, n) exactly once; `ids` and single calls agree. */
static void check_permutation(int64_t n, uint64_t seed, int64_t epoch)
{
    const ls_sampler s = {.n_samples = n, .seed = seed, .shuffle = true};
    uint8_t *seen = calloc((size_t)n, 1);
    int64_t *ids = calloc((size_t)n, sizeof *ids);
    assert_true(seen != NULL && ids != NULL);
    ls_sampler_ids(&s, epoch, 0, n, ids);
    for (int64_t p = 0; p < n; p++) {
        const int64_t id = ls_sampler_id(&s, epoch, p);
        if (id < 0 || id >= n || seen[id] || id != ids[p])
            fail_msg("n %" PRId64 ": position %" PRId64 " gives %" PRId64 " and %" PRId64, n, p, id, ids[p]);
        seen[id] = 1;
    }
    free(seen);
    free(ids);
}

static void every_epoch_is_a_permutation(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 300; n++)
        for (int64_t epoch = 0; epoch < 3; epoch++) check_permutation(n, 7, epoch);
    static const int64_t sizes[] = {1023, 1024, 1025, 55000, 60000, 65535, 65536, 65537, 262145, 1281167};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_permutation(sizes[i], 1, 4);
}

static void no_shuffle_is_the_identity(void **state)
{
    (void)state;
    const ls_sampler s = {.n_samples = 1000, .seed = 5};
    int64_t ids[100];
    ls_sampler_ids(&s, 3, 900, 100, ids);
    for (int64_t i = 0; i < 100; i++) {
        assert_int_equal(ids[i], 900 + i);
        assert_int_equal(ls_sampler_id(&s, 3, i), i);
    }
}

static void any_run_of_positions_is_the_same(void **state)
{
    (void)state;
    const ls_sampler s = {.n_samples = 70000, .seed = 5, .shuffle = true};
    int64_t ids[1001];
    for (int64_t first = 0; first < 69000; first += 7001)
        for (int64_t n = 0; n <= 1000; n += 333) {
            ids[n] = -1;
            ls_sampler_ids(&s, 2, first, n, ids);
            for (int64_t i = 0; i < n; i++) assert_int_equal(ids[i], ls_sampler_id(&s, 2, first + i));
            assert_int_equal(ids[n], -1);
        }
}

static void large_sets(void **state)
{
    (void)state;
    static const int64_t sizes[] = {INT64_C(1) << 31, (INT64_C(1) << 40) + 1, INT64_C(1) << 62,
                                    (INT64_C(1) << 60) + 12345};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const ls_sampler s = {.n_samples = sizes[i], .seed = 9, .shuffle = true};
        int64_t ids[64], above = 0;
        ls_sampler_ids(&s, 1, sizes[i] - 64, 64, ids);
        for (int p = 0; p < 64; p++) {
            assert_true(ids[p] >= 0 && ids[p] < sizes[i]);
            above += ids[p] >= sizes[i] / 2;
            for (int q = 0; q < p; q++) assert_true(ids[p] != ids[q]);
        }
        assert_true(above >= 12 && above <= 52); /* 32 +- 5 standard deviations */
    }
}

/* Two orders agree at a position with probability 1/n: about one in all (Poisson), 12 is a chance below 1e-9. */
static int64_t agreements(const ls_sampler *a, int64_t epoch_a, const ls_sampler *b, int64_t epoch_b, int64_t lag)
{
    int64_t n = 0;
    for (int64_t p = 0; p + lag < a->n_samples; p++)
        n += ls_sampler_id(a, epoch_a, p) == ls_sampler_id(b, epoch_b, p + lag);
    return n;
}

static void epochs_and_seeds_differ(void **state)
{
    (void)state;
    const ls_sampler a = {.n_samples = 5000, .seed = 1, .shuffle = true},
                     b = {.n_samples = 5000, .seed = 2, .shuffle = true};
    const ls_sampler identity = {.n_samples = 5000};
    for (int64_t epoch = 0; epoch < 20; epoch++)
        for (int64_t lag = 0; lag < 3; lag++) {
            assert_true(agreements(&a, epoch, &a, epoch + 1, lag) < 12);
            assert_true(agreements(&a, epoch, &b, epoch, lag) < 12);
            assert_true(agreements(&a, epoch, &b, epoch + 1, lag) < 12);
            assert_true(agreements(&a, epoch, &identity, 0, lag) < 12);
        }
}

/* Sum over cells of (count - mean)^2 / mean. */
static double chi_square(const int32_t *count, int64_t n_cells, double mean)
{
    double sum = 0;
    for (int64_t i = 0; i < n_cells; i++) sum += (count[i] - mean) * (count[i] - mean) / mean;
    return sum;
}

/* Counts of (position, sample) over epochs.  For random permutations chi-square times (n-1)/n has (n-1)^2 degrees of
 * freedom: mean n (n-1), standard deviation sqrt(2) n; 6 of them are allowed. */
static void every_position_sees_every_sample(void **state)
{
    (void)state;
    enum { EPOCHS = 4000, MOST = 100 };
    static int32_t count[MOST * MOST];
    static const int64_t sizes[] = {2, 3, 5, 16, 17, 50, 64, 100};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int64_t n = sizes[k];
        const ls_sampler s = {.n_samples = n, .seed = 11, .shuffle = true};
        memset(count, 0, sizeof count);
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++)
            for (int64_t p = 0; p < n; p++) count[p * n + ls_sampler_id(&s, epoch, p)]++;
        const double chi = chi_square(count, n * n, (double)EPOCHS / (double)n), size = (double)n;
        if (fabs(chi - size * (size - 1)) > 6 * sqrt(2.0) * size)
            fail_msg("n %" PRId64 ": chi-square %g, expected about %g", n, chi, size * (size - 1));
    }
}

/* The step from the sample at one position to the next is uniform: no lag of ids is frequent. */
static void no_fixed_lag(void **state)
{
    (void)state;
    enum { N = 101, EPOCHS = 2000 };
    const ls_sampler s = {.n_samples = N, .seed = 3, .shuffle = true};
    for (int64_t step = 1; step <= 3; step++) {
        int32_t count[N] = {0};
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++)
            for (int64_t p = 0; p + step < N; p++) {
                const int64_t lag = ls_sampler_id(&s, epoch, p + step) - ls_sampler_id(&s, epoch, p);
                count[(lag + N) % N]++;
            }
        assert_int_equal(count[0], 0);
        const double chi = chi_square(count + 1, N - 1, (double)EPOCHS * (double)(N - step) / (N - 1));
        assert_true(chi < 99 + 6 * sqrt(2 * 99.0) && chi > 99 - 6 * sqrt(2 * 99.0)); /* 99 degrees of freedom */
    }
}

/* All orders of 4 samples occur, about equally often: 23 degrees of freedom. */
static void small_sets_see_all_orders(void **state)
{
    (void)state;
    enum { EPOCHS = 24000 };
    const ls_sampler s = {.n_samples = 4, .seed = 8, .shuffle = true};
    int32_t count[256] = {0}, orders[24];
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        int code = 0;
        for (int64_t p = 0; p < 4; p++) code = 4 * code + (int)ls_sampler_id(&s, epoch, p);
        count[code]++;
    }
    int n = 0;
    for (int code = 0; code < 256; code++)
        if (count[code] > 0) orders[n++] = count[code];
    assert_int_equal(n, 24);
    assert_true(chi_square(orders, 24, EPOCHS / 24.0) < 23 + 6 * sqrt(46));
}

/* The order is part of a run's identity: it must not change between versions. */
static void the_order_is_fixed(void **state)
{
    (void)state;
    const ls_sampler s = {.n_samples = 60000, .seed = 1, .shuffle = true};
    const int64_t expected[] = {43496, 20713, 32958, 13419};
    int64_t ids[4];
    ls_sampler_ids(&s, 0, 0, 4, ids);
    assert_memory_equal(ids, expected, sizeof ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_epoch_is_a_permutation),
        cmocka_unit_test(no_shuffle_is_the_identity),
        cmocka_unit_test(any_run_of_positions_is_the_same),
        cmocka_unit_test(large_sets),
        cmocka_unit_test(epochs_and_seeds_differ),
        cmocka_unit_test(every_position_sees_every_sample),
        cmocka_unit_test(no_fixed_lag),
        cmocka_unit_test(small_sets_see_all_orders),
        cmocka_unit_test(the_order_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
