#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t ls_hash_bytes(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

ls_status ls_hash_create(ls_hash **out)
{
    *out = NULL;
    XXH3_state_t *state = XXH3_createState();
    LS_REQUIRE(state != NULL, LS_ENOMEM, "out of memory for a hash state");
    XXH3_64bits_reset(state);
    *out = (ls_hash *)state;
    return LS_OK;
}

void ls_hash_add(ls_hash *hash, const void *bytes, size_t n)
{
    XXH3_64bits_update((XXH3_state_t *)hash, bytes, n);
}

uint64_t ls_hash_value(const ls_hash *hash)
{
    return XXH3_64bits_digest((const XXH3_state_t *)hash);
}

void ls_hash_destroy(ls_hash **hash)
{
    if (hash == NULL || *hash == NULL) return;
    XXH3_freeState((XXH3_state_t *)*hash);
    *hash = NULL;
}

void ls_hash_text(uint64_t value, char out[LS_HASH_DIGITS + 1])
{
    snprintf(out, LS_HASH_DIGITS + 1, "%016" PRIx64, value);
}
