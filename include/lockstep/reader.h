/** What a data format is: a table of functions that read one kind of data set. */
#ifndef LOCKSTEP_READER_H
#define LOCKSTEP_READER_H

#include "lockstep/dataset.h"
#include "lockstep/linkage.h"
#include "lockstep/option.h"

LS_BEGIN_DECLS

/** Where relative paths are looked up, in this order; either may be NULL. */
typedef struct ls_reader_paths {
    const char *config_directory, *data_directory;
} ls_reader_paths;

typedef struct ls_reader_ops {
    const char *name, *help;
    const ls_option *options; /* without `format` and `limit`, which every format has; NULL: none */
    size_t options_size;      /* of the structure the options fill */
    /** Finds and opens the files, fills *info from their headers; *state is freed by close, also after a failure. */
    ls_status (*open)(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state);
    /** NULL, or: path and offset of features that lie in a file as memory has them; false when they do not. */
    bool (*place)(const void *state, ls_dataset_place *out);
    /** Reads the first info->n_samples samples; the whole files are checked.  features == NULL: only checked. */
    ls_status (*load)(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets);
    void (*close)(void *state); /* NULL: open leaves no state */
} ls_reader_ops;

/** The path under which `name` exists; LS_EDATA naming the places tried.  Owned by the caller (ls_free). */
ls_status ls_reader_find_file(const ls_reader_paths *paths, const char *name, char **out);

/** Formats that a program may add. */
enum { LS_MAX_MORE_READERS = 32 };

/** Adds a format of the caller's own, which `format:` of a data set then names as any other.  Borrows the table for the
 *  rest of the process.  To be called before the first data set is opened, on every rank; not collective, not
 *  thread-safe.  LS_EUSAGE when the name is taken, a function is missing or there are too many. */
ls_status ls_reader_register(const ls_reader_ops *reader);

LS_END_DECLS

#endif
