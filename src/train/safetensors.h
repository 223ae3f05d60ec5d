/** Safetensors files: 8 bytes of header length (little-endian), a JSON header {name: {dtype, shape, data_offsets},
 *  "__metadata__": {text: text}}, then the tensors' bytes.  Source: the format's published description.
 *  Files of any element type are read; only F32 is written.  Not collective. */
#ifndef LOCKSTEP_TRAIN_SAFETENSORS_H
#define LOCKSTEP_TRAIN_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/text.h"
#include "lockstep/status.h"

enum { LS_SAFETENSORS_MAX_DIM = 4 };

/** One tensor of an open file. */
typedef struct ls_stored_tensor {
    char *name;
    const char *type; /* "F32", "F64", "BF16", "I64", ...: static text */
    int n_dim;
    int64_t dim[LS_SAFETENSORS_MAX_DIM], n;
    const char *bytes; /* n elements in the mapped file, little-endian, at any alignment */
    size_t n_bytes;
} ls_stored_tensor;

/** The element type is F32. */
bool ls_stored_is_f32(const ls_stored_tensor *tensor);

/** "F32 [512, 784]" into out, which is returned. */
const char *ls_stored_text(const ls_stored_tensor *tensor, char out[128]);

/** The n elements as floats, rounded to nearest where they are wider; false when their type is not F64, F32, F16 or
 *  BF16. */
bool ls_stored_floats(const ls_stored_tensor *tensor, float *out);

typedef struct ls_safetensors ls_safetensors;

/** Maps a file and checks its whole structure.  LS_ECHECKPOINT names path and what is wrong. */
ls_status ls_safetensors_open(const char *path, ls_safetensors **out);
void ls_safetensors_close(ls_safetensors **file);

/** Tensors in the order of their bytes. */
int ls_safetensors_n_tensors(const ls_safetensors *file);
const ls_stored_tensor *ls_safetensors_tensor(const ls_safetensors *file, int i);
/** NULL when absent. */
const ls_stored_tensor *ls_safetensors_find(const ls_safetensors *file, const char *name);
/** Value of a metadata key; NULL when absent. */
const char *ls_safetensors_metadata(const ls_safetensors *file, const char *key);

/** The file's bytes match its metadata "xxh3" (XXH3-64 of the whole file with these 16 digits as zeros). */
ls_status ls_safetensors_check_hash(const ls_safetensors *file, const char *path);

/** A header being built: metadata first, then tensors in the order of their bytes. */
typedef struct ls_safetensors_header {
    ls_text text;
    uint64_t data_bytes;
    uint64_t hash_at; /* offset in the file of the 16 digits of "xxh3" */
    bool in_metadata;
} ls_safetensors_header;

/** Begins with "xxh3" as zeros. */
void ls_safetensors_begin(ls_safetensors_header *header);
void ls_safetensors_put_metadata(ls_safetensors_header *header, const char *key, const char *value);
void ls_safetensors_put_tensor(ls_safetensors_header *header, const char *name, int n_dim, const int64_t *dim);
/** Closes the header: text is then the whole beginning of the file, a multiple of 64 bytes.  LS_ENOMEM. */
ls_status ls_safetensors_end(ls_safetensors_header *header);

#endif
