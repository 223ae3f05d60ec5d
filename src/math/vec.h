/** Elementwise kernels and fixed-order reductions in plain C.
 *
 * Elementwise results do not depend on the instruction set: no contraction, no reassociation.  Reductions have a fixed
 * structure of lanes, written out, so they give the same bits on every instruction set and at every alignment (P2).
 * Where libm is involved (exp, tanh, erf, log) the bits are those of the library and machine; start-up compares a
 * fingerprint of them between ranks.  Not collective, not fallible.  n is a number of floats, may be 0. */
#ifndef LOCKSTEP_MATH_VEC_H
#define LOCKSTEP_MATH_VEC_H

#include <stdint.h>

/* One body compiled for several instruction sets, chosen at load time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__) &&               \
    !defined(LS_ONE_INSTRUCTION_SET)
#define LS_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LS_MULTIVERSION
#endif

/** out = a + b; out may be a or b. */
void ls_vec_add(int64_t n, const float *a, const float *b, float *out);

/** out[k] = (beta 0) or += (beta 1) the column sums of x [n, k]: rows are summed from zero, one after the other, and
 * the sum is then added once, as a matrix product with beta 1 does. */
void ls_vec_column_sums(int64_t n, int64_t k, const float *x, float beta, float *out);

/** Sum in float: 16 lanes, lane j adds elements j, j + 16, ...; then the lanes by halves. */
float ls_vec_sum(int64_t n, const float *x);

/** y = max(x, 0); x may be y.  A NaN stays a NaN. */
void ls_vec_relu(int64_t n, const float *x, float *y);

/** dx = dy where y > 0, else 0; dx may be dy. */
void ls_vec_relu_backward(int64_t n, const float *y, const float *dy, float *dx);

/** x /= divisor, a true division. */
void ls_vec_divide(int64_t n, float divisor, float *x);

/** x *= factor. */
void ls_vec_scale(int64_t n, float factor, float *x);

/** x += part (target - x). */
void ls_vec_approach(int64_t n, float part, const float *target, float *x);

/** Exchanges a and b. */
void ls_vec_swap(int64_t n, float *a, float *b);

/** Sum of squares in double: 16 lanes, lane j adds elements j, j + 16, ...; then the lanes by halves. */
double ls_vec_sum_squares(int64_t n, const float *x);

/** Hash of exp, tanh, erf, log, cos, sin, pow and sqrt over fixed arguments: equal fingerprints, equal libm. */
uint64_t ls_vec_libm_fingerprint(void);

#endif
