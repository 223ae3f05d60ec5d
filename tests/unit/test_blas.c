#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/blas.h"

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)((int32_t)*seed) * 0x1p-31f;
}

static float *matrix(int64_t n, uint32_t seed)
{
    float *x = ls_calloc((size_t)n + 16, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n + 16; i++) x[i] = noise(&seed);
    return x;
}

static double at(ls_matrix m, int64_t i, int64_t j)
{
    return m.transposed ? m.data[j * m.stride + i] : m.data[i * m.stride + j];
}

typedef struct problem {
    int64_t m, n, k;
    bool a_transposed, b_transposed;
    float beta;
    int64_t extra; /* floats behind each row */
} problem;

/* Rounding: k products and additions in any order, each relative to the sum of absolute values. */
static void check_result(const problem *p, ls_matrix a, ls_matrix b, const float *before, const float *c,
                         int64_t stride)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double sum = p->beta != 0 ? before[i * stride + j] : 0, size = fabs(sum);
            for (int64_t l = 0; l < p->k; l++) {
                sum += at(a, i, l) * at(b, l, j);
                size += fabs(at(a, i, l) * at(b, l, j));
            }
            const double found = c[i * stride + j], bound = (double)(p->k + 2) * FLT_EPSILON / 2 * size;
            if (!(fabs(found - sum) <= bound))
                fail_msg("%dx%dx%d%s%s beta %g: c[%d, %d] = %.9g, expected %.9g", (int)p->m, (int)p->n, (int)p->k,
                         p->a_transposed ? " A'" : "", p->b_transposed ? " B'" : "", (double)p->beta, (int)i, (int)j,
                         found, sum);
        }
        for (int64_t j = p->n; j < stride; j++) assert_true(c[i * stride + j] == before[i * stride + j]);
    }
}

static void check(const problem *p)
{
    const int64_t a_rows = p->a_transposed ? p->k : p->m, a_columns = p->a_transposed ? p->m : p->k;
    const int64_t b_rows = p->b_transposed ? p->n : p->k, b_columns = p->b_transposed ? p->k : p->n;
    const int64_t a_stride = a_columns + 1 + p->extra, b_stride = b_columns + 1 + p->extra;
    const int64_t stride = p->n + 1 + p->extra;
    float *a = matrix(a_rows * a_stride, 1), *b = matrix(b_rows * b_stride, 2);
    float *before = matrix(p->m * stride, 3), *c = matrix(p->m * stride, 3);
    if (p->beta == 0)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++) c[i * stride + j] = NAN;
    const ls_matrix x = {a, a_stride, p->a_transposed}, y = {b, b_stride, p->b_transposed};
    ls_gemm(p->m, p->n, p->k, x, y, p->beta, c, stride);
    check_result(p, x, y, before, c, stride);
    ls_free(a);
    ls_free(b);
    ls_free(before);
    ls_free(c);
}

static void products(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1},    {1, 10, 512}, {3, 5, 7},    {7, 3, 5},     {16, 16, 16},
                                        {17, 33, 9},  {32, 10, 64}, {1, 1, 300},  {257, 3, 2},   {12, 100, 1},
                                        {5, 129, 65}, {64, 64, 64}, {31, 2, 131}, {100, 37, 113}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int bits = 0; bits < 16; bits++)
            check(&(problem){shapes[s][0], shapes[s][1], shapes[s][2], bits & 1, bits & 2, (bits & 4) ? 1.0f : 0.0f,
                             (bits & 8) ? 6 : 0});
}

static void every_small_shape(void **state)
{
    (void)state;
    for (int64_t m = 0; m <= 6; m++)
        for (int64_t n = 0; n <= 6; n++)
            for (int64_t k = 0; k <= 6; k++)
                for (int bits = 0; bits < 8; bits++)
                    check(&(problem){m, n, k, bits & 1, bits & 2, (bits & 4) ? 1.0f : 0.0f, bits % 3});
}

/* k == 0 is beta C, also where nothing was there before. */
static void no_products(void **state)
{
    (void)state;
    float c[6] = {NAN, NAN, NAN, NAN, NAN, NAN}, zero[4] = {0};
    const ls_matrix none = {zero, 4, false};
    ls_gemm(2, 3, 0, none, none, 0, c, 3);
    for (int i = 0; i < 6; i++) assert_true(c[i] == 0);
    for (int i = 0; i < 6; i++) c[i] = (float)i;
    ls_gemm(2, 3, 0, none, none, 1, c, 3);
    for (int i = 0; i < 6; i++) assert_true(c[i] == (float)i);
    ls_gemm(0, 3, 4, none, none, 0, NULL, 3);
    ls_gemm(3, 0, 4, none, none, 0, NULL, 1);
}

/* What P2 rests on: the bits of a product depend on its shape alone, wherever the operands lie. */
static void alignment_does_not_change_bits(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 10, 512}, {13, 10, 100}, {32, 64, 33}, {75, 17, 129}, {128, 96, 784}};
    for (int s = 0; s < 5; s++)
        for (int bits = 0; bits < 8; bits++) {
            const int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            const bool at = bits & 1, bt = bits & 2;
            float *a = matrix(m * k, 5), *b = matrix(k * n, 6), *first = matrix(m * n, 7), *c = matrix(m * n + 16, 7);
            float *original = matrix(m * n, 7);
            ls_gemm(m, n, k, (ls_matrix){a, at ? m : k, at}, (ls_matrix){b, bt ? k : n, bt}, bits & 4 ? 1.0f : 0.0f,
                    first, n);
            for (int shift = 1; shift < 16; shift++) {
                const int sa = shift, sb = (3 * shift) % 16, sc = (7 * shift) % 16;
                float *moved_a = matrix(m * k + 16, 8), *moved_b = matrix(k * n + 16, 9);
                memcpy(moved_a + sa, a, (size_t)(m * k) * 4);
                memcpy(moved_b + sb, b, (size_t)(k * n) * 4);
                memcpy(c + sc, original, (size_t)(m * n) * 4);
                ls_gemm(m, n, k, (ls_matrix){moved_a + sa, at ? m : k, at}, (ls_matrix){moved_b + sb, bt ? k : n, bt},
                        bits & 4 ? 1.0f : 0.0f, c + sc, n);
                assert_memory_equal(c + sc, first, (size_t)(m * n) * 4);
                ls_free(moved_a);
                ls_free(moved_b);
            }
            ls_free(a);
            ls_free(b);
            ls_free(c);
            ls_free(first);
            ls_free(original);
        }
}

/* Runs together and one by one: the same bits, and the right ones. */
static void check_runs(int64_t n_runs, int64_t m, int64_t n, int64_t k, bool transposed, float beta)
{
    float *x = matrix(n_runs * m * k, 1), *w = matrix(k * n, 2);
    float *before = matrix(n_runs * m * n, 3), *y = matrix(n_runs * m * n, 3), *alone = matrix(n_runs * m * n, 3);
    const ls_matrix b = {w, transposed ? k : n, transposed};
    const problem p = {.m = n_runs * m, .n = n, .k = k, .b_transposed = transposed, .beta = beta};
    ls_gemm_runs(n_runs, m, n, k, x, b, beta, y);
    check_result(&p, (ls_matrix){x, k, false}, b, before, y, n);
    for (int64_t r = 0; r < n_runs; r++) ls_gemm_runs(1, m, n, k, x + r * m * k, b, beta, alone + r * m * n);
    assert_memory_equal(alone, y, (size_t)(n_runs * m * n) * sizeof *y);
    ls_free(x);
    ls_free(w);
    ls_free(before);
    ls_free(y);
    ls_free(alone);
}

static void runs(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1},      {1, 10, 512},   {12, 100, 30},  {13, 33, 784}, {16, 130, 784},
                                        {32, 128, 784}, {33, 64, 976},  {40, 48, 977},  {75, 17, 129}, {128, 70, 10},
                                        {16, 48, 1024}, {17, 65, 1953}, {33, 20, 3136}, {5, 16, 4000}, {3, 4, 0}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int bits = 0; bits < 4; bits++)
            for (int64_t n_runs = 0; n_runs <= 3; n_runs++)
                check_runs(n_runs, shapes[s][0], shapes[s][1], shapes[s][2], bits & 1, (bits & 2) ? 1.0f : 0.0f);
    ls_gemm_runs(2, 0, 3, 4, NULL, (ls_matrix){NULL, 3, false}, 0, NULL);
}

static void profile(void **state)
{
    (void)state;
    float *a = matrix(64 * 64, 1), *c = matrix(64 * 64, 1);
    const ls_matrix x = {a, 64, false};
    ls_gemm(64, 64, 64, x, x, 0, c, 64);
    ls_gemm_profile_start();
    ls_gemm(64, 64, 64, x, x, 0, c, 64);
    ls_gemm(2, 3, 4, x, x, 0, c, 64);
    ls_gemm(0, 3, 4, x, x, 0, c, 64);
    ls_gemm_profile found, later;
    ls_gemm_profile_stop(&found);
    ls_gemm(64, 64, 64, x, x, 0, c, 64);
    assert_int_equal(found.n_calls, 2);
    assert_true(found.operations == 2.0 * 64 * 64 * 64 + 2.0 * 2 * 3 * 4);
    assert_true(found.seconds > 0 && found.seconds < 10);
    assert_int_equal(found.n_shapes, 2);
    assert_int_equal(found.shape[1].calls, 1);
    assert_true(found.shape[1].m == 2 && found.shape[1].n == 3 && found.shape[1].k == 4 && !found.shape[1].adds);
    ls_gemm_profile_stop(&later);
    assert_int_equal(later.n_calls, 2);
    ls_gemm_profile_start();
    ls_gemm_profile_stop(&later);
    assert_int_equal(later.n_calls, 0);
    ls_free(a);
    ls_free(c);
}

static void threads_and_names(void **state)
{
    (void)state;
    ls_blas_set_threads(1);
    assert_int_equal(ls_blas_threads(), 1);
    assert_true(strlen(ls_blas_core()) > 0);
    assert_non_null(strstr(ls_blas_build(), "OpenBLAS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(every_small_shape),
        cmocka_unit_test(no_products),
        cmocka_unit_test(alignment_does_not_change_bits),
        cmocka_unit_test(runs),
        cmocka_unit_test(profile),
        cmocka_unit_test(threads_and_names),
    };
    ls_blas_set_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
