/** The ranks that work together: who is who, and the verbs by which they talk.
 *
 * Ranks are numbered node by node, whatever the launcher's mapping, so that a node's ranks are consecutive.  A node is
 * a group of ranks that share memory: all ranks of a host, or fewer when asked for.  MPI itself stays behind this
 * header.  A failure inside MPI ends the job. */
#ifndef LOCKSTEP_JOB_H
#define LOCKSTEP_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

typedef struct ls_job ls_job;

/** First of n things owned by `rank` of `size`; rank == size gives n.  Runs differ by at most one. */
static inline int64_t ls_shard_first(int64_t n, int size, int rank)
{
    const int64_t base = n / size, extra = n % size;
    return (int64_t)rank * base + (rank < extra ? rank : extra);
}

/** Starts MPI and makes the job of all ranks.  Collective; once per process.  The caller ends it by ls_job_finish. */
ls_status ls_job_start(int *argc, char ***argv, ls_job **out);

/** Destroys the job and ends MPI.  Collective. */
void ls_job_finish(ls_job **job);

/** The ranks of `parent` that pass the same `group` (>= 0) as a job of their own, with at most `ranks_per_node` ranks a
 *  node (0: all of a host).  Collective over parent. */
ls_status ls_job_split(const ls_job *parent, int group, int ranks_per_node, ls_job **out);
/** Collective over the job. */
void ls_job_destroy(ls_job **job);

/** This rank's number from 0, and the number of ranks. */
int ls_job_rank(const ls_job *job);
int ls_job_size(const ls_job *job);
/** This rank's node from 0, the number of nodes, and this rank's number from 0 on its node. */
int ls_job_node(const ls_job *job);
int ls_job_n_nodes(const ls_job *job);
int ls_job_local_rank(const ls_job *job);
/** Ranks of `node`, and its first; ls_job_node_first(job, n_nodes) is the size. */
int ls_job_local_size(const ls_job *job, int node);
int ls_job_node_first(const ls_job *job, int node);

/** Ranks on this host, and the processors that they may run on, all together. */
int ls_job_host_ranks(const ls_job *job);
int ls_job_host_cores(const ls_job *job);

/** Processors that this rank may run on, as "0-3,8", into out, which is returned. */
const char *ls_job_binding(char out[256]);

/** Makes a local result common: LS_OK when all ranks pass LS_OK, else on every rank the status and the sentence of the
 *  lowest rank that failed, whose number stands before it unless it is 0.  Collective. */
ls_status ls_job_agree(const ls_job *job, ls_status mine);

/** Copies n bytes from `root` to all.  Collective; n is the same everywhere. */
void ls_job_broadcast(const ls_job *job, int root, void *bytes, size_t n);

/** A block of bytes of rank 0, of a size that only rank 0 knows, to all; each rank owns its *bytes (ls_free), with a
 *  zero byte behind it.  Rank 0 passes its block in *bytes and keeps it.  Collective.  LS_ENOMEM on every rank. */
ls_status ls_job_broadcast_block(const ls_job *job, char **bytes, size_t *n);

/** All ranks hold the same n bytes as rank 0: else `status` on every rank, naming `what`.  Collective. */
ls_status ls_job_same(const ls_job *job, const void *bytes, size_t n, ls_status status, const char *what);

/** Gathers counts[r] doubles of each rank r, in rank order, on all ranks.  Collective. */
void ls_job_gather_all(const ls_job *job, const double *mine, const int *counts, double *all);

/** Largest value of all ranks.  Collective. */
double ls_job_max(const ls_job *job, double mine);

/** Largest of all ranks' words, one by one, into every rank's.  Collective. */
void ls_job_max_words(const ls_job *job, uint64_t *words, int64_t n);

/** Name of the host of `rank`, into out, which is returned.  Collective. */
const char *ls_job_host_name(const ls_job *job, int rank, char out[64]);

/** Sums n floats of all ranks into every rank's x by MPI_Allreduce: in the library's order.  Collective. */
void ls_job_allreduce(const ls_job *job, float *x, int64_t n);

/** n bytes from rank `from` to rank 0 (no message when from is 0); called by these two ranks. */
void ls_job_send_to_root(const ls_job *job, int from, void *bytes, size_t n);
/** n bytes from rank 0 to rank `to` (no message when to is 0); called by these two ranks. */
void ls_job_send_from_root(const ls_job *job, int to, void *bytes, size_t n);

/** Returns when all ranks have called it; meant for short waits, as waiting ranks do not sleep.  Collective. */
void ls_job_barrier(const ls_job *job);

/** A barrier whose waiting ranks sleep, for waits of seconds beside others' work; false when not all have come within
 *  `timeout_s` (INFINITY: any time): then nothing but ls_job_abort may follow.  Collective. */
bool ls_job_wait_all(const ls_job *job, double timeout_s);

/** Ends all ranks at once with an exit code; for failures that cannot be agreed on.  Not collective. */
LS_NORETURN void ls_job_abort(const ls_job *job, int exit_code);

/** Version text of the MPI library. */
const char *ls_job_mpi_version(void);

/** A block of memory that all ranks of a node share: zeroed, aligned to 64, gone when the last of them ends.
 *  Collective over the job; `bytes` is the same on all ranks of a node.  LS_ENOMEM on every rank when /dev/shm is too
 *  small, naming `what`. */
typedef struct ls_window ls_window;
ls_status ls_window_create(const ls_job *job, size_t bytes, const char *what, ls_window **out);
void *ls_window_memory(const ls_window *window);
void ls_window_destroy(ls_window **window);

LS_END_DECLS

#endif
