/** XXH3 hashes of bytes: data sets, parameters, files.  64 bits, written as 16 hex digits.  Not collective. */
#ifndef LOCKSTEP_BASE_HASH_H
#define LOCKSTEP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

enum { LS_HASH_DIGITS = 16 };

/** XXH3-64 of n bytes. */
uint64_t ls_hash_bytes(const void *bytes, size_t n);

/** A hash over pieces in order: create, add any number of times, read the value.  Fails when out of memory. */
typedef struct ls_hash ls_hash;
ls_status ls_hash_create(ls_hash **out);
void ls_hash_add(ls_hash *hash, const void *bytes, size_t n);
uint64_t ls_hash_value(const ls_hash *hash);
void ls_hash_destroy(ls_hash **hash);

/** 16 lower-case hex digits and a zero byte. */
void ls_hash_text(uint64_t value, char out[LS_HASH_DIGITS + 1]);

#endif
