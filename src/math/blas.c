#include "math/blas.h"

#include <cblas.h>
#include <stddef.h>

#include "base/clock.h"

static bool profiling;
static ls_gemm_profile profile;

static void product(int64_t m, int64_t n, int64_t k, ls_matrix a, ls_matrix b, float beta, float *c, int64_t stride)
{
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
                (int)m, (int)n, (int)k, 1.0f, a.data, (int)a.stride, b.data, (int)b.stride, beta, c, (int)stride);
}

static bool same_shape(const ls_gemm_shape *x, const ls_gemm_shape *y)
{
    return x->m == y->m && x->n == y->n && x->k == y->k && x->stride_a == y->stride_a && x->stride_b == y->stride_b &&
           x->stride_c == y->stride_c && x->transposed_a == y->transposed_a && x->transposed_b == y->transposed_b &&
           x->adds == y->adds;
}

static void count_shape(const ls_gemm_shape *shape)
{
    int i = 0;
    while (i < profile.n_shapes && !same_shape(&profile.shape[i], shape)) i++;
    if (i == LS_MAX_GEMM_SHAPES) return;
    if (i == profile.n_shapes) profile.shape[profile.n_shapes++] = *shape;
    profile.shape[i].calls++;
}

void ls_gemm(int64_t m, int64_t n, int64_t k, ls_matrix a, ls_matrix b, float beta, float *c, int64_t stride)
{
    if (m == 0 || n == 0) return;
    if (!profiling) {
        product(m, n, k, a, b, beta, c, stride);
        return;
    }
    const double start = ls_clock_s();
    product(m, n, k, a, b, beta, c, stride);
    profile.seconds += ls_clock_s() - start;
    profile.operations += 2.0 * (double)m * (double)n * (double)k;
    profile.n_calls++;
    count_shape(&(ls_gemm_shape){.m = m,
                                 .n = n,
                                 .k = k,
                                 .stride_a = a.stride,
                                 .stride_b = b.stride,
                                 .stride_c = stride,
                                 .transposed_a = a.transposed,
                                 .transposed_b = b.transposed,
                                 .adds = beta != 0.0f});
}

int64_t ls_gemm_piece(int64_t extent, int64_t others)
{
    const int64_t most = 1000000 / others / 16 * 16;
    return most > 0 && most < extent ? most : extent;
}

const char *ls_blas_core(void)
{
    return openblas_get_corename();
}

const char *ls_blas_build(void)
{
    return openblas_get_config();
}

int ls_blas_threads(void)
{
    return openblas_get_num_threads();
}

void ls_blas_set_threads(int n)
{
    openblas_set_num_threads(n);
}

void ls_gemm_profile_start(void)
{
    profile = (ls_gemm_profile){0};
    profiling = true;
}

void ls_gemm_profile_stop(ls_gemm_profile *out)
{
    profiling = false;
    *out = profile;
}
