/* The bound of an iteration: its matrix products alone, each hot. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench.h"

static const double trial_s = 0.03;

static int64_t operand_floats(int64_t rows, int64_t columns, int64_t stride, bool transposed)
{
    return (transposed ? columns : rows) * stride;
}

static ls_status allocate(const ls_gemm_shape *s, float *operand[3])
{
    const int64_t n[3] = {operand_floats(s->m, s->k, s->stride_a, s->transposed_a),
                          operand_floats(s->k, s->n, s->stride_b, s->transposed_b),
                          operand_floats(s->m, s->n, s->stride_c, false)};
    for (int i = 0; i < 3; i++) {
        operand[i] = ls_calloc((size_t)n[i], sizeof(float));
        LS_REQUIRE(operand[i] != NULL, LS_ENOMEM, "out of memory for a benchmark");
        for (int64_t j = 0; j < n[i]; j++) operand[i][j] = (float)(j % 17) * 1e-3f;
    }
    return LS_OK;
}

static void call(const ls_gemm_shape *s, float *operand[3])
{
    ls_gemm(s->m, s->n, s->k, (ls_matrix){operand[0], s->stride_a, s->transposed_a},
            (ls_matrix){operand[1], s->stride_b, s->transposed_b}, s->adds ? 1.0f : 0.0f, operand[2], s->stride_c);
}

/* Seconds of one call: the median of the repeats, each long enough for the clock. */
static double time_calls(const ls_gemm_shape *s, float *operand[3])
{
    double seconds[LS_BENCH_REPEATS];
    call(s, operand);
    for (int r = 0; r < LS_BENCH_REPEATS; r++) {
        const double start = ls_clock_s();
        int64_t n = 0;
        for (; ls_clock_s() - start < trial_s; n++) call(s, operand);
        seconds[r] = (ls_clock_s() - start) / (double)n;
    }
    ls_bench_sort(seconds);
    return ls_bench_median(seconds);
}

ls_status ls_bench_shape(const ls_gemm_shape *s, double *seconds)
{
    float *operand[3] = {NULL};
    const ls_status status = allocate(s, operand);
    if (status == LS_OK) *seconds = time_calls(s, operand);
    for (int i = 0; i < 3; i++) ls_free(operand[i]);
    return status;
}

/* A letter is transposed where a prime follows. */
static const char *kind_of(const ls_gemm_shape *s)
{
    static const char *const kinds[2][2][2] = {{{"C = A B", "C += A B"}, {"C = A B'", "C += A B'"}},
                                               {{"C = A' B", "C += A' B"}, {"C = A' B'", "C += A' B'"}}};
    return kinds[s->transposed_a][s->transposed_b][s->adds];
}

ls_status ls_bench_limit(const ls_job *job, const ls_gemm_profile *profile, int64_t iterations, bool json,
                         double *seconds)
{
    const bool talks = ls_job_rank(job) == 0 && !json;
    double sum = 0.0;
    ls_status status = LS_OK;
    ls_job_barrier(job);
    if (talks) printf("products of rank 0, each hot:    m x    n x    k   calls an iteration   ms a call   GFLOP/s\n");
    for (int i = 0; i < profile->n_shapes && status == LS_OK; i++) {
        const ls_gemm_shape *s = &profile->shape[i];
        const double calls = (double)s->calls / (double)iterations;
        double one = 0.0;
        status = ls_bench_shape(s, &one);
        sum += calls * one;
        if (talks)
            printf("  %-30s %5" PRId64 " %6" PRId64 " %6" PRId64 " %12.2f %17.4f %9.1f\n", kind_of(s), s->m, s->n, s->k,
                   calls, 1e3 * one, 2e-9 * (double)s->m * (double)s->n * (double)s->k / one);
    }
    LS_TRY(ls_job_agree(job, status));
    *seconds = ls_job_max(job, sum);
    return LS_OK;
}
