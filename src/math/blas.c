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

ls_gemm_profile ls_gemm_profile_stop(void)
{
    profiling = false;
    return profile;
}
