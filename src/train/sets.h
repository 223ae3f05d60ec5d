/** Data sets from files into memory, once per node: labels in a window that the node shares, and features too, unless
 *  they lie in a file as memory would have them; such a file is mapped. */
#ifndef LOCKSTEP_TRAIN_SETS_H
#define LOCKSTEP_TRAIN_SETS_H

#include "lockstep/dataset.h"
#include "lockstep/job.h"

enum { LS_MAX_SETS = 3 };

typedef struct ls_set {
    ls_dataset data;
    uint64_t hash; /* ls_dataset_hash of the whole set, on every rank */
    ls_window *window;
    void *map; /* the pages of the file; NULL: features are in the window */
    size_t map_bytes;
} ls_set;

/** A description, and what messages call it. */
typedef struct ls_set_request {
    struct ls_node *spec;
    const char *what;
} ls_set_request;

/** Loads n sets, at most LS_MAX_SETS, those of a node side by side on its ranks; every node must read the same.
 *  Collective; errors are agreed.  Filled sets are owned by the caller also after a failure (ls_set_unload). */
ls_status ls_sets_load(const ls_job *job, const ls_set_request *requests, int n, const char *directory,
                       const char *data_directory, ls_set *sets);
void ls_set_unload(ls_set *set);

#endif
