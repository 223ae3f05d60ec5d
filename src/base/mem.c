#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t allocations;

void *ls_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!ls_mul_size(n, size, &bytes) || bytes > SIZE_MAX - LS_ALIGNMENT) return NULL;
    bytes = bytes == 0 ? LS_ALIGNMENT : (bytes + LS_ALIGNMENT - 1) / LS_ALIGNMENT * LS_ALIGNMENT;
    void *block = aligned_alloc(LS_ALIGNMENT, bytes);
    if (block == NULL) return NULL;
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return memset(block, 0, bytes);
}

char *ls_strndup(const char *text, size_t n)
{
    char *copy = ls_calloc(n + 1, 1);
    if (copy != NULL) memcpy(copy, text, n);
    return copy;
}

char *ls_strdup(const char *text)
{
    return ls_strndup(text, strlen(text));
}

void *ls_realloc(void *block, size_t old_n, size_t n, size_t size)
{
    void *grown = ls_calloc(n, size);
    if (grown == NULL) return NULL;
    if (block != NULL) memcpy(grown, block, (old_n < n ? old_n : n) * size);
    ls_free(block);
    return grown;
}

void ls_free(void *block)
{
    free(block);
}

uint64_t ls_mem_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}
