/** Files that hold one array each (features, labels, targets): what idx and npy have in common behind their headers.
 *
 * Not collective.  Errors are LS_EDATA and name file, byte and sample. */
#ifndef LOCKSTEP_DATA_ARRAY_H
#define LOCKSTEP_DATA_ARRAY_H

#include "data/input.h"

enum { LS_ARRAY_MAX_DIM = LS_MAX_DIM + 1 };

/** Little-endian, as in memory. */
typedef enum ls_element { LS_ELEMENT_U8, LS_ELEMENT_I32, LS_ELEMENT_I64, LS_ELEMENT_F32, LS_ELEMENT_F64 } ls_element;

/** One array behind its header; input == NULL: there is none. */
typedef struct ls_array {
    ls_input *input;
    const char *what; /* for messages: "images" */
    ls_element element;
    int n_dim;
    int64_t dim[LS_ARRAY_MAX_DIM]; /* dim[0] samples */
    int64_t n_elements;            /* product of dim */
    uint64_t first_byte;
} ls_array;

/** The state of a reader of arrays. */
typedef struct ls_arrays {
    ls_array features, labels, targets;
} ls_arrays;

/** Checks element and dim, read from a header that ends here, against the size of the file. */
ls_status ls__array_check(ls_array *array);

/** Checks that the arrays fit each other and fills *info. */
ls_status ls__arrays_info(const ls_arrays *arrays, ls_dataset_info *info);

/** The `place`, `load` and `close` of a reader whose state is an ls_arrays. */
bool ls__arrays_place(const void *state, ls_dataset_place *out);
ls_status ls__arrays_load(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets);
void ls__arrays_close(void *state);

#endif
