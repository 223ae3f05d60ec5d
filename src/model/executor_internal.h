/** The executor inside: its memory, and the verdicts on which layers may share their products among runs. */
#ifndef LOCKSTEP_MODEL_EXECUTOR_INTERNAL_H
#define LOCKSTEP_MODEL_EXECUTOR_INTERNAL_H

#include "lockstep/network.h"

enum { LS_MAX_PARTITIONS = 8 };

/** A way of cutting rows into runs that has been tried: which layers may share their products. */
typedef struct ls_partition {
    uint64_t signature;       /* of the runs' sizes */
    bool *forward, *backward; /* [layers]; one block */
} ls_partition;

struct ls_executor {
    const ls_network *network;
    float *memory;
    float *input;                /* [max_rows, n_in] */
    float **out;                 /* [layer]: its y; an in-place layer shares its input's buffer */
    float *gradient[2];          /* [max_rows, widest activation] */
    float *store[LS_MAX_NESTED]; /* [max_rows, widest activation] of a residual block, by the blocks around it */
    float *scratch;              /* [ls_network_scratch_floats] */
    ls_partition partition[LS_MAX_PARTITIONS];
    int n_partitions;
    int side; /* the gradient buffer that holds dy of the layer at hand */
};

/** The verdicts for runs of these sizes; NULL when they were never tried: every run has its own products then. */
const ls_partition *ls__executor_partition(const ls_executor *ex, const ls_run *runs, int n_runs);

#endif
