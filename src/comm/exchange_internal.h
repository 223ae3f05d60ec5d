/** The exchange inside: how the vector is cut and who owns what, the sums that a rank computes, and the messages
 * between nodes. */
#ifndef LOCKSTEP_COMM_EXCHANGE_INTERNAL_H
#define LOCKSTEP_COMM_EXCHANGE_INTERNAL_H

#include <mpi.h>
#include <stdatomic.h>

#include "comm/barrier.h"
#include "comm/tree.h"
#include "lockstep/exchange.h"

enum { LS_MAX_COVER = 64, LS_WORD_STRIDE = 16 };

typedef struct ls_block {
    int64_t first;
    int n, tensor;
} ls_block;

/** Messages to or from every rank: counts and firsts [size], in elements; one block of memory. */
typedef struct ls_counts {
    int *count, *first;
} ls_counts;

/** A run of whole tensors whose blocks are dealt to all ranks. */
typedef struct ls_bucket {
    int first_tensor;
    int64_t first_block, end_block;
    int64_t first, end; /* elements */
    int64_t own_first_block, own_end_block;
    int64_t own_first, own_end; /* elements of this rank's part */
    int64_t slice_first;        /* where that part lies in this rank's arrays */
    ls_source *source;          /* of the root sum: node buffers, then received subtrees */
    /* several nodes */
    float *send, *receive; /* of the reduce-scatter */
    ls_counts to, from;    /* elements of send and receive */
    ls_counts out, in;     /* all-gather, elements of params */
    MPI_Request reduce, gather;
    bool started; /* the reduce-scatter of this round */
} ls_bucket;

/** How far the ranks of a node are with a bucket; in node memory, counting up for ever. */
typedef struct ls_bucket_state {
    _Alignas(64) _Atomic uint64_t ready;   /* ranks whose gradients are complete */
    _Alignas(64) _Atomic uint64_t arrived; /* ranks that have all of its parameters that they carry */
} ls_bucket_state;

/** Between nodes. */
typedef struct ls_links {
    bool connected;
    MPI_Comm reduce, gather; /* of their own, so that both kinds may be under way */
    int n_cover;             /* complete subtrees of this node */
    ls_leaves cover[LS_MAX_COVER];
    ls_sum **subtree;           /* [n_cover] from the node's gradients */
    uint64_t round, gathered;   /* runs completed; all-gathers begun, per bucket */
    int next_ready, next_start; /* buckets, falling: to be declared ready by this rank, to be sent */
    int next_gather;            /* bucket, rising, whose all-gather begins when the one before has ended */
    ls_counts records;          /* doubles of every rank: word, then records */
    double *packed, *unpacked;  /* records of this rank, of all */
} ls_links;

/** The literal allreduce: this rank's replica. */
typedef struct ls_replica {
    float *params, *sum; /* [n_floats] */
} ls_replica;

struct ls_exchange {
    const ls_job *job;
    bool replicated, several; /* several nodes, and not replicated */
    ls_window *window;
    ls_barrier *barrier;
    ls_bucket_state *state; /* node memory [n_buckets] */
    int spins;
    unsigned n_local;
    float *params, *gradients; /* node memory; gradients [n_buffers][stride] */
    int64_t n_floats, stride;
    double *records;          /* node memory [node shards][LS_RECORD] */
    uint32_t *words;          /* node memory [local ranks][LS_WORD_STRIDE] */
    double *block_values;     /* [LS_MAX_STAGES][n_blocks][LS_BLOCK_VALUES] in node memory, or the next: */
    double *own_block_values; /* of this rank, where not all ranks see the same memory; else NULL */
    double *all_records;      /* [n_shards][LS_RECORD] of the last run */
    uint32_t *all_words;      /* [size] of the last run */
    int n_buffers;            /* of this node */
    int *buffer_of;           /* [node shards] of a subtree's first leaf; else -1 */
    ls_leaves *buffer;        /* [n_buffers] the subtree that each holds */
    int n_shards, first_shard, end_shard, node_first_shard, node_end_shard;
    int64_t n_blocks, slice_size;
    ls_block *blocks;
    int n_tensors, n_buckets;
    ls_bucket *bucket;
    ls_sum *sum;    /* of the root, from the node's buffers and the received subtrees */
    float *scratch; /* tiles of the sums */
    float *piece;   /* of a vector on its way to or from rank 0; made when first needed */
    ls_links net;
    ls_replica replica;
    ls_exchange_times times;
};

/** Blocks, buckets and their owners, gradient buffers: pure arithmetic on n_tensors, n_floats, n_shards and the job. */
ls_status ls__layout_create(ls_exchange *ex, const ls_span *tensors, int64_t bucket_floats);
void ls__layout_destroy(ls_exchange *ex);

/** Blocks [*first, *end) of a bucket that `rank` owns, and the elements of that part. */
void ls__owned_blocks(const ls_exchange *ex, const ls_bucket *bucket, int rank, int64_t *first, int64_t *end);
void ls__owned_floats(const ls_exchange *ex, const ls_bucket *bucket, int rank, int64_t *first, int64_t *end);

/** The complete subtrees that `node` holds, into out [LS_MAX_COVER]; returns their number. */
int ls__cover_of_node(const ls_exchange *ex, int node, ls_leaves *out);

/** Communicators of its own for the messages between nodes; several nodes only.  Collective. */
void ls__network_connect(ls_exchange *ex);

/** Plans the messages, once connected; several nodes only.  Not collective.  LS_ENOMEM, LS_EUSAGE. */
ls_status ls__network_create(ls_exchange *ex);
void ls__network_destroy(ls_exchange *ex);

/** Plans the gathering of records and words; not collective. */
ls_status ls__records_create(ls_exchange *ex);

/** The run between nodes, around the stages of a bucket's own part. */
void ls__network_run(ls_exchange *ex, const ls_stages *stages);

/** Records and words of all ranks.  Collective. */
void ls__gather_records(ls_exchange *ex);

/** Visits this rank's part of a bucket; the first stage adds, and all but the last leave the sums for the next. */
void ls__visit_bucket(ls_exchange *ex, const ls_bucket *bucket, const ls_stages *stages, int stage);

/** The parts of the exchange that differ for the literal allreduce. */
ls_status ls__replica_create(ls_exchange *ex);
void ls__replica_destroy(ls_exchange *ex);
void ls__replica_allreduce(ls_exchange *ex);

#endif
