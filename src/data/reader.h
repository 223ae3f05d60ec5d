/** What a data format is: one file with static functions and one const table, listed in reader_list.h. */
#ifndef LOCKSTEP_DATA_READER_H
#define LOCKSTEP_DATA_READER_H

#include "base/option.h"
#include "lockstep/dataset.h"

/** Where relative paths are looked up, in this order; either may be NULL. */
typedef struct ls_reader_paths {
    const char *config_directory, *data_directory;
} ls_reader_paths;

typedef struct ls_reader_ops {
    const char *name, *help;
    const ls_option *options; /* without `format` and `limit`, which every format has */
    size_t options_size;      /* of the structure the options fill */
    /** Finds and opens the files, fills *info from their headers; *state is freed by close, also after a failure. */
    ls_status (*open)(const void *options, const ls_reader_paths *paths, ls_dataset_info *info, void **state);
    /** NULL, or: path and offset of features that lie in a file as memory has them; false when they do not. */
    bool (*place)(const void *state, ls_dataset_place *out);
    /** Reads the first info->n_samples samples; the whole files are checked.  features == NULL: only checked. */
    ls_status (*load)(void *state, const ls_dataset_info *info, void *features, int32_t *labels, float *targets);
    void (*close)(void *state);
} ls_reader_ops;

/** The path under which `name` exists; LS_EDATA naming the places tried.  Owned by the caller. */
ls_status ls__find_file(const ls_reader_paths *paths, const char *name, char **out);

#define LS_READER(name) extern const ls_reader_ops ls__reader_##name;
#include "data/reader_list.h"
#undef LS_READER

#endif
