/* Channel kernels against plain sums in long double, and their bits at every alignment and in every cut. */
#include "math/channels.h"
#include "model_bench.h"

static const ls_channels shapes[] = {{1, 1, 1},  {5, 3, 1},  {7, 16, 1}, {4, 37, 1},  {1, 64, 1},
                                     {1, 1, 49}, {3, 2, 16}, {6, 5, 7},  {2, 3, 100}, {0, 4, 3}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static void test_sums_and_scaling(void **state)
{
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        const ls_channels *rows = &shapes[s];
        const int64_t k = rows->channels, span = rows->span, n = rows->n * k * span;
        float *a = filled(n + k, 1), *b = filled(n + k, 2), *y = floats(n), *dx = floats(n);
        double *sum = ls_calloc((size_t)(2 * k), sizeof *sum);
        ls_channel_sums(rows, a, b, sum);
        ls_channel_scale(rows, a, b, b + n, a + n, y);
        const ls_channel_slopes slopes = {b, b + n, a + n, a};
        ls_channel_gradient(rows, &slopes, a, b, dx);
        for (int64_t c = 0; c < k; c++) {
            long double one = 0.0L, two = 0.0L;
            for (int64_t r = 0; r < rows->n; r++)
                for (int64_t i = 0; i < span; i++) {
                    const int64_t at = (r * k + c) * span + i;
                    one += a[at];
                    two += (long double)a[at] * b[at];
                    assert_close("scale", at, y[at], ((double)a[at] - b[c]) * b[n + c] + a[n + c], 4e-6);
                    assert_close("gradient", at, dx[at],
                                 (double)b[n + c] * b[at] + (double)a[n + c] * ((double)a[at] - b[c]) + a[c], 6e-6);
                }
            assert_close("sum", c, sum[c], (double)one, 1e-13);
            assert_close("product", c, sum[k + c], (double)two, 1e-13);
        }
        ls_free(a);
        ls_free(b);
        ls_free(y);
        ls_free(dx);
        ls_free(sum);
    }
}

static void test_dot(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 40; n++) {
        float *w = filled(n, 3);
        double *v = widened(w, n), expected = 0.0;
        for (int64_t i = 0; i < n; i++) expected += (double)w[i] * w[i];
        assert_close("dot", n, ls_channel_dot(n, w, v), expected, 1e-13);
        ls_free(w);
        ls_free(v);
    }
}

/* A variance by the difference of sums is as good as its numbers: x is 1000 times further from 0 than it is wide. */
static void test_variance_far_from_zero(void **state)
{
    (void)state;
    enum { N = 4096 };
    float *x = filled(N, 4);
    double sum[2], mean = 0.0, var = 0.0;
    for (int i = 0; i < N; i++) x[i] += 1000.0f;
    for (int i = 0; i < N; i++) mean += (double)x[i] / N;
    for (int i = 0; i < N; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean) / N;
    ls_channel_sums(&(ls_channels){1, 1, N}, x, x, sum);
    const double got = sum[1] / N - sum[0] / N * (sum[0] / N);
    assert_close("variance", 0, got, var, 1e-8 * var);
    ls_free(x);
}

static void test_bits_do_not_depend_on_places(void **state)
{
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        const int64_t k = shapes[s].channels, n = shapes[s].n * k * shapes[s].span;
        float *x = floats(n + 16);
        double *first = ls_calloc((size_t)(2 * k), sizeof *first), *sum = ls_calloc((size_t)(2 * k), sizeof *sum);
        for (int shift = 0; shift < 16; shift++) {
            fill(x + shift, n, 5);
            ls_channel_sums(&shapes[s], x + shift, x + shift, shift ? sum : first);
            if (shift) assert_memory_equal(sum, first, (size_t)(2 * k) * sizeof *sum);
        }
        ls_free(x);
        ls_free(first);
        ls_free(sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_and_scaling),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_variance_far_from_zero),
        cmocka_unit_test(test_bits_do_not_depend_on_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
