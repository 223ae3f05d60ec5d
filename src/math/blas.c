#include "math/blas.h"

#include <cblas.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

enum { SMALL_PRODUCT = 1000000, SMALL_AREA = 1200, ROW_GROUP = 32, LANES = 16 };

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

/* OpenBLAS 0.3.17 and later have kernels without packing for these types; the limits are those of its
 * sgemm_small_matrix_permit. */
static bool has_small_kernels(void)
{
    static const char *const names[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
    const char *core = ls_blas_core();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(core, names[i]) == 0) return true;
    return false;
}

int64_t ls_gemm_piece(int64_t extent, int64_t others)
{
    if (!has_small_kernels()) return extent;
    const int64_t most = SMALL_PRODUCT / others / LANES * LANES;
    return most > 0 && most < extent ? most : extent;
}

/* Most rows of one product with k terms, such that the path has room for some vectors of columns; 0: none does.
 * Measured, of 114 GFLOP/s: 105 to 110 with 32 rows and 32 columns of a transposed W, 105 to 114 with 16 rows and 64
 * columns of another; packed 60 to 102. */
static int64_t most_rows(int64_t k, bool transposed)
{
    const int64_t area = SMALL_PRODUCT / (k > 0 ? k : 1), few = ROW_GROUP / 2;
    if (!has_small_kernels()) return 0;
    if (transposed) return area >= ROW_GROUP * LANES ? ROW_GROUP : area >= few * LANES ? few : 0;
    const int64_t rows = area / (4 * LANES) < few ? area / (4 * LANES) : few;
    return rows >= few / 2 ? rows : 0;
}

bool ls_gemm_cuts_runs(int64_t k, bool transposed)
{
    return most_rows(k, transposed) > 0;
}

/* Rows of one product, at most `most` and such that all have about as many, and its columns. */
static void find_block(int64_t m, int64_t k, int64_t most, bool transposed, int64_t *rows, int64_t *columns)
{
    const int64_t step = transposed ? LANES : 4 * LANES;
    const int64_t groups = (m + most - 1) / most;
    int64_t area = SMALL_PRODUCT / (k > 0 ? k : 1);
    if (transposed && area > SMALL_AREA) area = SMALL_AREA;
    *rows = (m + groups - 1) / groups;
    *columns = area / *rows / step * step;
}

/* Columns [j, j + n) of Y of a run, in products of `rows` rows. */
static void columns_of_run(int64_t m, int64_t n, int64_t k, int64_t rows, const float *x, ls_matrix w, float beta,
                           float *y, int64_t stride)
{
    for (int64_t i = 0; i < m; i += rows)
        ls_gemm(m - i < rows ? m - i : rows, n, k, (ls_matrix){x + i * k, k, false}, w, beta, y + i * stride, stride);
}

/* The runs take turns at columns of W, which stay in the cache. */
void ls_gemm_runs(int64_t n_runs, int64_t m, int64_t n, int64_t k, const float *x, ls_matrix w, float beta, float *y)
{
    int64_t rows = m, columns = n;
    if (m == 0) return;
    const int64_t most = most_rows(k, w.transposed);
    if (most > 0) find_block(m, k, most, w.transposed, &rows, &columns);
    for (int64_t j = 0; j < n; j += columns) {
        const ls_matrix part = {w.data + (w.transposed ? j * w.stride : j), w.stride, w.transposed};
        for (int64_t r = 0; r < n_runs; r++)
            columns_of_run(m, n - j < columns ? n - j : columns, k, rows, x + r * m * k, part, beta, y + r * m * n + j,
                           n);
    }
}

ls_status ls_blas_reserve(void)
{
    enum { WORK_BYTES = 1 << 27, SIDE = 128 }; /* a product too large for the path without packing */
    static float x[SIDE * SIDE], y[SIDE * SIDE];
    void *room = mmap(NULL, WORK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    LS_REQUIRE(room != MAP_FAILED, LS_ENOMEM,
               "out of memory: matrix products need %d MB of address space (ulimit -v, or the job's memory limit)",
               WORK_BYTES >> 20);
    munmap(room, WORK_BYTES);
    const ls_matrix a = {x, SIDE, false};
    product(SIDE, SIDE, SIDE, a, a, 0.0f, y, SIDE);
    return LS_OK;
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
