/** Matrix products: the only door to BLAS.  Row-major, float.  The bits of a product depend on its shape, the kernel
 *  type and the thread count, never on alignment; so callers keep shapes independent of the rank count (P2).
 *  Not collective. */
#ifndef LOCKSTEP_MATH_BLAS_H
#define LOCKSTEP_MATH_BLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

/** A matrix operand: element (i, j) is at data[i * stride + j], or at data[j * stride + i] when transposed. */
typedef struct ls_matrix {
    const float *data;
    int64_t stride;
    bool transposed;
} ls_matrix;

/** C[m,n] = A[m,k] B[k,n] + beta C, beta 0 or 1; C has rows of `stride` floats.  m or n may be 0; k == 0 gives beta C.
 *  With beta 0 C need not be initialised.  Every extent must fit an int (checked when networks are built). */
void ls_gemm(int64_t m, int64_t n, int64_t k, ls_matrix a, ls_matrix b, float beta, float *c, int64_t stride);

/** Products of at most a million multiply-adds take a path without packing on some kernels: the longest piece of an
 *  extent, a multiple of 16, that stays below it when the other two extents multiply to `others`; all of it when that
 * is short enough, or when no piece is. */
int64_t ls_gemm_piece(int64_t extent, int64_t others);

/** Y[m,n] = X[m,k] W[k,n] + beta Y for n_runs runs of m rows that follow one another, rows of Y of n floats; each as
 *  ls_gemm, but cut into products that take that path where the kernel type has it and k is not too long: of at most 32
 *  rows, counted from the run's first.  The bits of a run depend on m, n, k, beta and W's orientation. */
void ls_gemm_runs(int64_t n_runs, int64_t m, int64_t n, int64_t k, const float *x, ls_matrix w, float beta, float *y);

/** Whether ls_gemm_runs cuts: then products of many rows at once are no faster than those of few. */
bool ls_gemm_cuts_runs(int64_t k, bool transposed);

/** Takes the work space of products, 128 MB of address space; later BLAS would wait for it for ever where there is
 *  none.  LS_ENOMEM. */
ls_status ls_blas_reserve(void);

/** Name of the kernel type in use ("SkylakeX"), the library's build text, and its threads. */
const char *ls_blas_core(void);
const char *ls_blas_build(void);
int ls_blas_threads(void);
void ls_blas_set_threads(int n);

enum { LS_MAX_GEMM_SHAPES = 64 };

/** A kind of product: extents, orientation, beta. */
typedef struct ls_gemm_shape {
    int64_t m, n, k, stride_a, stride_b, stride_c, calls;
    bool transposed_a, transposed_b, adds;
} ls_gemm_shape;

/** Time and floating operations of the products of this process since the profile was switched on, and their shapes;
 *  for `bench`. */
typedef struct ls_gemm_profile {
    int64_t n_calls;
    double seconds, operations;
    int n_shapes; /* at most LS_MAX_GEMM_SHAPES are told apart */
    ls_gemm_shape shape[LS_MAX_GEMM_SHAPES];
} ls_gemm_profile;
void ls_gemm_profile_start(void);
void ls_gemm_profile_stop(ls_gemm_profile *out);

#endif
