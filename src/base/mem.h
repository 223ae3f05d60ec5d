/** Memory: aligned allocation with a counter (so that tests can show that an iteration allocates nothing), and the
 *  overflow-checked sizes that every allocation from outside numbers uses.  Not collective, thread-safe. */
#ifndef LOCKSTEP_BASE_MEM_H
#define LOCKSTEP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/memory.h"

/** Bytes to which every buffer and tensor is aligned. */
enum { LS_ALIGNMENT = 64, LS_ALIGNMENT_FLOATS = LS_ALIGNMENT / 4 };

/** Copy of a string or of its first n bytes; NULL when out of memory. */
char *ls_strdup(const char *text);
char *ls_strndup(const char *text, size_t n);

/** Grows or shrinks an ls_calloc block from old_n to n elements, new ones zero; NULL (and the old block kept) when out
 *  of memory. */
void *ls_realloc(void *block, size_t old_n, size_t n, size_t size);

/** Allocations made so far by this process through this header. */
uint64_t ls_mem_allocations(void);

/** a * b and a + b for sizes read from outside; false when they overflow. */
static inline bool ls_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool ls_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/** n rounded up to a whole number of 64-byte lines, in floats. */
static inline int64_t ls_pad_floats(int64_t n)
{
    return (n + LS_ALIGNMENT_FLOATS - 1) / LS_ALIGNMENT_FLOATS * LS_ALIGNMENT_FLOATS;
}

#endif
