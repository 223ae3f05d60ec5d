/* Vectors that their owners keep, such as optimizer slots, to and from rank 0: piece by piece in flat order, so that a
 * whole vector never lies on one rank. */
#include "base/mem.h"
#include "comm/exchange_internal.h"
#include "comm/job_internal.h"

enum { PIECE_BLOCKS = 64 };

/* A run of blocks of one tensor and one owner. */
typedef struct piece {
    int owner;
    int64_t first, n, slice_first; /* the last: in its owner's arrays, on the owner */
} piece;

static const ls_bucket *bucket_of(const ls_exchange *ex, int64_t block)
{
    const ls_bucket *b = ex->bucket;
    while (b->end_block <= block) b++;
    return b;
}

/* The piece that begins at block *b of `tensor`; moves *b behind it; false behind the tensor's last block. */
static bool next_piece(const ls_exchange *ex, int tensor, int64_t *b, piece *out)
{
    if (*b >= ex->n_blocks || ex->blocks[*b].tensor != tensor) return false;
    const ls_bucket *bucket = bucket_of(ex, *b);
    int64_t first, end;
    int owner = 0; /* of replicas, rank 0's is taken */
    for (;; owner++) {
        ls__owned_blocks(ex, bucket, owner, &first, &end);
        if (*b < end) break;
    }
    const int64_t begin = *b;
    *out = (piece){.owner = owner,
                   .first = ex->blocks[begin].first,
                   .slice_first = bucket->slice_first + ex->blocks[begin].first - bucket->own_first};
    for (; *b < end && *b < begin + PIECE_BLOCKS && ex->blocks[*b].tensor == tensor; (*b)++) out->n += ex->blocks[*b].n;
    return true;
}

static int64_t first_block_of(const ls_exchange *ex, int tensor)
{
    int64_t b = 0;
    while (b < ex->n_blocks && ex->blocks[b].tensor < tensor) b++;
    return b;
}

/* Moves every piece of a tensor between its owner's slice and rank 0; `visit` runs on rank 0, after (collecting) or
 * before (dealing) the message.  After a failure the messages go on, so that no rank is left waiting. */
static ls_status move(ls_exchange *ex, int tensor, float *slice, ls_piece_fn visit, void *context, bool collecting)
{
    const int rank = ls_job_rank(ex->job);
    if (ex->piece == NULL) ex->piece = ls_calloc((size_t)PIECE_BLOCKS * LS_BLOCK, sizeof *ex->piece);
    if (ex->piece == NULL) ls__end_without_memory(ex->job->comm);
    const bool deals_to_all = ex->replicated && !collecting;
    ls_status status = LS_OK;
    int64_t b = first_block_of(ex, tensor);
    for (piece p; next_piece(ex, tensor, &b, &p);) {
        if (rank != 0 && rank != p.owner && !deals_to_all) continue;
        float *data = rank == p.owner || deals_to_all ? slice + p.slice_first : ex->piece;
        const size_t bytes = (size_t)p.n * sizeof *data;
        if (collecting) ls_job_send_to_root(ex->job, p.owner, data, bytes);
        if (rank == 0 && status == LS_OK) status = visit(context, p.first, p.n, data);
        if (deals_to_all)
            ls_job_broadcast(ex->job, 0, data, bytes);
        else if (!collecting)
            ls_job_send_from_root(ex->job, p.owner, data, bytes);
    }
    return status;
}

ls_status ls_exchange_collect(ls_exchange *ex, int tensor, float *slice, ls_piece_fn sink, void *context)
{
    return move(ex, tensor, slice, sink, context, true);
}

ls_status ls_exchange_deal(ls_exchange *ex, int tensor, float *slice, ls_piece_fn source, void *context)
{
    return move(ex, tensor, slice, source, context, false);
}
