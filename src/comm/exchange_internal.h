/** What the files of the exchange share. */
#ifndef LOCKSTEP_COMM_EXCHANGE_INTERNAL_H
#define LOCKSTEP_COMM_EXCHANGE_INTERNAL_H

#include "comm/barrier.h"
#include "comm/tree.h"
#include "lockstep/exchange.h"

enum { LS_MAX_COVER = 64, LS_WORD_STRIDE = 16 };

typedef struct ls_block {
    int64_t first;
    int n, tensor;
} ls_block;

/** Between nodes: what this rank sends for its node, and what its slice receives from other nodes. */
/** A message to or from every rank: counts and firsts [size], in floats or doubles; one block of memory. */
typedef struct ls_counts {
    int *count, *first;
} ls_counts;

/** Between nodes: what this rank sends for its node, and what its slice receives from other nodes. */
typedef struct ls_network {
    int n_cover; /* complete subtrees of this node */
    ls_leaves cover[LS_MAX_COVER];
    ls_sum **subtree;          /* [n_cover] from the node's gradients */
    float *send, *receive;     /* of the reduce-scatter */
    ls_counts to, from;        /* reduce-scatter, floats of send and receive */
    ls_counts out, in;         /* all-gather, floats of params */
    ls_counts blocks;          /* blocks of every rank */
    ls_counts records;         /* doubles of every rank: word, then records */
    double *packed, *unpacked; /* records of this rank, of all */
} ls_network;

/** The literal allreduce: this rank's replica. */
typedef struct ls_replica {
    float *params, *sum;  /* [n_floats] */
    double *block_values; /* [n_blocks] */
} ls_replica;

struct ls_exchange {
    const ls_job *job;
    ls_window *window;
    ls_barrier *barrier;
    int spins;
    unsigned n_local;
    float *params, *gradients; /* node memory; gradients [n_buffers][stride] */
    int64_t n_floats, stride;
    double *records;      /* node memory [node shards][LS_RECORD] */
    uint32_t *words;      /* node memory [local ranks][LS_WORD_STRIDE] */
    double *block_values; /* node memory [n_blocks] */
    double *all_records;  /* [n_shards][LS_RECORD] of the last run */
    uint32_t *all_words;  /* [size] of the last run */
    bool pairs, replicated;
    ls_replica replica;
    int n_buffers;     /* of this node */
    int *buffer_of;    /* [node shards] */
    ls_leaves *buffer; /* [n_buffers] the leaves that each holds: one, or a pair */
    int n_shards, first_shard, end_shard, node_first_shard, node_end_shard;
    int64_t n_blocks, first_block, end_block;
    ls_block *blocks;
    int n_tensors;
    ls_sum *sum;       /* of the root, from the node's gradients and the received subtrees */
    ls_source *source; /* node leaves, then received subtrees */
    float *buffers;    /* tiles of the sums */
    ls_network net;
    ls_exchange_times times;
};

/** First element of the slice of `rank`; rank == size gives n_floats. */
int64_t ls__slice_first(const ls_exchange *ex, int rank);

/** The complete subtrees that `node` holds, into out [LS_MAX_COVER]; returns their number. */
int ls__cover_of_node(const ls_exchange *ex, int node, ls_leaves *out);

/** Sources of the root sum: the node's buffers, and the subtrees that the network delivers; at most
 *  node shards + LS_MAX_COVER * nodes.  Fills ranges, and sets ex->source[].  Returns their number. */
int ls__sources(ls_exchange *ex, ls_leaves *ranges);

/** Plans the messages; several nodes only.  Not collective. */
ls_status ls__network_create(ls_exchange *ex);
void ls__network_destroy(ls_exchange *ex);

/** The parts of the exchange that differ for the literal allreduce. */
ls_status ls__replica_create(ls_exchange *ex);
void ls__replica_destroy(ls_exchange *ex);
void ls__replica_allreduce(ls_exchange *ex);

/** Plans the gathering of records and words; not collective. */
ls_status ls__records_create(ls_exchange *ex);

/** Collective over the job, several nodes only. */
void ls__network_reduce_scatter(ls_exchange *ex);
void ls__network_all_gather(ls_exchange *ex);
void ls__network_gather_records(ls_exchange *ex);
void ls__network_gather_blocks(ls_exchange *ex);

#endif
