/** Memory of the library: what its functions give away is freed by ls_free.  Not collective, thread-safe. */
#ifndef LOCKSTEP_MEMORY_H
#define LOCKSTEP_MEMORY_H

#include <stddef.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

/** Zeroed memory of n elements of `size` bytes, aligned to 64; NULL when out of memory or when n * size overflows.
 *  n == 0 gives a valid pointer.  Owned by the caller, freed by ls_free. */
void *ls_calloc(size_t n, size_t size);

/** Frees; NULL is legal. */
void ls_free(void *block);

LS_END_DECLS

#endif
