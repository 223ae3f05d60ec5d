/** The exchange: gradients of shards in, one update of every parameter out.
 *
 * Each node holds one copy of the parameters in shared memory, and of each rank the gradients of its shards, added as
 * far as they make up whole subtrees of the tree over all shards.  The parameters are cut into blocks of at most 4096
 * elements, which restart at each tensor; every rank of the job owns a run of whole blocks (P1).  The owner adds the
 * subtrees of a block in tree order (P2) and hands the sum to a callback that updates the parameters in place; then
 * every node receives the result.  It knows tiles, not optimizers.
 * An update that needs sums over parameters, such as norms, works in stages: each visits all blocks and leaves numbers
 * per block, which all ranks have before the next stage begins.
 * On one node that is two barriers and no message.  Between nodes the vector is cut into buckets of whole tensors,
 * owned bucket by bucket: the reduce-scatter of a bucket starts when all ranks of a node have said ls_exchange_ready
 * for it, while backward goes on, and its all-gather runs under the next forward, which awaits it layer by layer. */
#ifndef LOCKSTEP_EXCHANGE_H
#define LOCKSTEP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/job.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

enum { LS_BLOCK = 4096, LS_RECORD = 4, LS_BLOCK_VALUES = 3, LS_MAX_STAGES = 3 };

/** Elements [first, first + n) of the flat vector: a tensor, without its padding. */
typedef struct ls_span {
    int64_t first, n;
    bool with_last; /* ready and awaited together with the tensor before it: they share a bucket */
} ls_span;

/** One block at its owner. */
typedef struct ls_tile {
    int64_t first, n;    /* elements of the flat vector */
    int64_t slice_first; /* where they lie in the owner's own arrays, of ls_exchange_slice_size elements */
    int64_t block;
    int tensor;
    int stage;  /* of ls_exchange_run */
    float *sum; /* [n] the sum over all shards, or what the stage before left; may be overwritten; NULL in
                   ls_exchange_each */
} ls_tile;

typedef void (*ls_tile_fn)(void *context, const ls_tile *tile);

/** What an iteration does with the sums: n stages, at least 1. */
typedef struct ls_stages {
    int n;
    ls_tile_fn visit;
    void (*between)(void *context, int next); /* before each further stage: the block values so far are shared */
    void *context;
    bool share_last; /* the block values of the last stage too */
} ls_stages;

/** Seconds of this rank in ls_exchange_run since creation. */
typedef struct ls_exchange_times {
    double wait;    /* at the two barriers */
    double network; /* between nodes */
    double tiles;   /* adding and updating */
} ls_exchange_times;

typedef struct ls_exchange ls_exchange;

/** Bytes of node memory for a node with so many gradient buffers (one a subtree), shards and ranks. */
size_t ls_exchange_node_bytes(int64_t n_floats, int64_t n_blocks, int n_buffers, int n_shards, int n_ranks);

/** Subtrees, and so gradient buffers, of the ranks [first, end) of n_ranks. */
int ls_exchange_n_subtrees(int n_shards, int n_ranks, int first, int end);

/** How the sums are made. */
typedef struct ls_exchange_options {
    int n_shards; /* leaves of the tree */
    /** The literal allreduce: MPI_Allreduce adds the ranks' sums in its own order, and every rank updates a replica of
     *  all parameters: its slice is the whole vector.  P3 holds; P1 and P2 do not. */
    bool replicated;
    /** Several nodes: a bucket is cut where it has so many elements; 0: one bucket. */
    int64_t bucket_floats;
} ls_exchange_options;

/** For a flat vector of n_floats with these tensors.  Shard s belongs to the rank r with ls_shard_first(n_shards, size,
 * r)
 *  <= s < ls_shard_first(n_shards, size, r + 1).  Borrows the job.  Collective.  LS_ENOMEM on every rank. */
ls_status ls_exchange_create(const ls_job *job, const ls_span *tensors, int n_tensors, int64_t n_floats,
                             const ls_exchange_options *options, ls_exchange **out);
/** Waits for messages under way and gives back the communicators.  Collective. */
void ls_exchange_destroy(ls_exchange **exchange);

/** The node's copy of the parameters [n_floats]. */
float *ls_exchange_params(const ls_exchange *exchange);

/** This rank's shards [first, first + n): the fewest subtrees make them up. */
int ls_exchange_first_shard(const ls_exchange *exchange);
int ls_exchange_n_shards(const ls_exchange *exchange);

/** The gradient [n_floats] of the subtree that begins with this shard, to be written before each run: its shards'
 *  gradients added in tree order.  NULL where a subtree that begins earlier holds the shard. */
float *ls_exchange_gradient(const ls_exchange *exchange, int shard);

/** LS_RECORD doubles of one of this rank's shards, to be written before each run; and the tree-ordered sums over all
 *  shards of the last run, the same on every rank. */
double *ls_exchange_record(const ls_exchange *exchange, int shard);
void ls_exchange_totals(const ls_exchange *exchange, double totals[LS_RECORD]);

/** A word of this rank, written before each run; and the word of any rank at the last run. */
void ls_exchange_set_word(ls_exchange *exchange, uint32_t word);
uint32_t ls_exchange_word(const ls_exchange *exchange, int rank);

/** Blocks of the vector; elements that this rank owns, each tensor padded to 64 bytes. */
int64_t ls_exchange_n_blocks(const ls_exchange *exchange);
int64_t ls_exchange_slice_size(const ls_exchange *exchange);

/** Calls `visit` for every block of this rank.  Not collective. */
void ls_exchange_each(ls_exchange *exchange, ls_tile_fn visit, void *context);

/** Numbers of a block at a stage [LS_BLOCK_VALUES]: written by the callback, for blocks of this rank. */
double *ls_exchange_block_values(const ls_exchange *exchange, int stage, int64_t block);
/** Sums of one of them in block order over all blocks, and for each tensor [n_tensors], where the stage's values are
 *  shared: the same on every rank. */
double ls_exchange_block_total(const ls_exchange *exchange, int stage, int value);
void ls_exchange_tensor_totals(const ls_exchange *exchange, int stage, int value, double *totals);

/** This rank's gradients of the tensors from `tensor` on are complete: what other nodes need of them may go.  Optional,
 *  with falling tensors; several nodes only.  Not blocking. */
void ls_exchange_ready(ls_exchange *exchange, int tensor);

/** Lets messages proceed: called now and then during backward and forward.  Not blocking. */
void ls_exchange_poll(ls_exchange *exchange);

/** Waits until the node's copy of a tensor is the result of the last run; to be called for every tensor that is read.
 * Blocks while messages are under way. */
void ls_exchange_await(ls_exchange *exchange, int tensor);

/** Waits for all tensors; to be called before anyone else reads the parameters. */
void ls_exchange_settle(ls_exchange *exchange);

/** One iteration: adds, visits every block of this rank stage by stage, begins to share the parameters.  With one stage
 *  a sum is used while it is in the cache; further stages cost a pass over this rank's slice and a barrier each.
 *  Collective. */
void ls_exchange_run(ls_exchange *exchange, const ls_stages *stages);

/** Shares parameters that each owner has written into its own slice.  Collective. */
void ls_exchange_publish(ls_exchange *exchange);

/** Shares parameters that rank 0 has written into its node's copy.  Collective. */
void ls_exchange_publish_root(ls_exchange *exchange);

/** A piece of a flat vector at rank 0. */
typedef ls_status (*ls_piece_fn)(void *context, int64_t first, int64_t n, float *data);

/** Brings the elements of `tensor` from their owners' arrays [ls_exchange_slice_size] to rank 0, in order, in pieces,
 * each handed to `sink` there.  Never gathers a whole vector.  Collective; a sink's failure is returned on rank 0 only.
 */
ls_status ls_exchange_collect(ls_exchange *exchange, int tensor, float *slice, ls_piece_fn sink, void *context);

/** The reverse: rank 0 gets each piece from `source` and sends it to its owner.  Collective; as above. */
ls_status ls_exchange_deal(ls_exchange *exchange, int tensor, float *slice, ls_piece_fn source, void *context);

/** Copies of the parameters in the job: one a node, or, when replicated, one a rank. */
int ls_exchange_n_copies(const ls_exchange *exchange);

/** How copies differ. */
typedef struct ls_difference {
    int64_t n_blocks;     /* that are not the same everywhere; 0: none, and nothing below is set.  The first of them: */
    int64_t first, n;     /* elements of the flat vector */
    int tensor, owner;    /* owner: its rank; -1: replicated */
    const uint64_t *hash; /* [ls_exchange_n_copies] of each copy, in `words` */
} ls_difference;

/** Compares the copies of the parameters by 64-bit hashes of their blocks, when no run is under way but messages of the
 *  last.  All ranks have read when one returns.  words: memory for ls_exchange_compare_words.  *out is the same on
 * every rank.  Collective. */
size_t ls_exchange_compare_words(const ls_exchange *exchange);
void ls_exchange_compare(ls_exchange *exchange, uint64_t *words, ls_difference *out);

/** Seconds of this rank in the exchange so far, by what it did.  Not collective. */
ls_exchange_times ls_exchange_get_times(const ls_exchange *exchange);

LS_END_DECLS

#endif
