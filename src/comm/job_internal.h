/** What the files of comm share of a job: the communicators. */
#ifndef LOCKSTEP_COMM_JOB_INTERNAL_H
#define LOCKSTEP_COMM_JOB_INTERNAL_H

#include <mpi.h>

#include "base/board.h"
#include "base/clock.h"
#include "lockstep/job.h"

struct ls_job {
    MPI_Comm comm;      /* ranks node by node */
    MPI_Comm node_comm; /* ranks of this node, in the same order */
    MPI_Comm leaders;   /* first ranks of the nodes, in node order; MPI_COMM_NULL elsewhere */
    int rank, size, node, n_nodes;
    int *node_first; /* [n_nodes + 1] */
    int host_ranks, host_cores;
};

/** Where a rank has no memory and the others are in a message already: one sentence, and all ranks end. */
_Noreturn void ls__end_without_memory(MPI_Comm comm);

/** A call of MPI that waits for others, told on the board. */
#define LS_WAITING(call)                                                                                               \
    do {                                                                                                               \
        ls_board_wait(LS_WAIT_MESSAGES, ls_clock_s());                                                                 \
        call;                                                                                                          \
        ls_board_go(ls_clock_s());                                                                                     \
    } while (0)

#endif
