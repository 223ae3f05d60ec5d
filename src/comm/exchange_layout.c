/* Who owns what: blocks, buckets, gradient buffers.  Arithmetic only. */
#include "base/mem.h"
#include "comm/exchange_internal.h"

static ls_status cut_blocks(ls_exchange *ex, const ls_span *tensors)
{
    for (int t = 0; t < ex->n_tensors; t++) ex->n_blocks += (tensors[t].n + LS_BLOCK - 1) / LS_BLOCK;
    ex->blocks = ls_calloc((size_t)ex->n_blocks, sizeof *ex->blocks);
    LS_REQUIRE(ex->blocks != NULL, LS_ENOMEM, "out of memory for the exchange");
    ls_block *block = ex->blocks;
    for (int t = 0; t < ex->n_tensors; t++)
        for (int64_t at = 0; at < tensors[t].n; at += LS_BLOCK) {
            const int64_t rest = tensors[t].n - at;
            *block++ = (ls_block){tensors[t].first + at, rest < LS_BLOCK ? (int)rest : LS_BLOCK, t};
        }
    return LS_OK;
}

/* Elements from tensor t on that stay together. */
static int64_t group_floats(const ls_exchange *ex, const ls_span *tensors, int t)
{
    int end = t + 1;
    while (end < ex->n_tensors && tensors[end].with_last) end++;
    return tensors[end - 1].first + tensors[end - 1].n - tensors[t].first;
}

/* One bucket, or, between nodes, runs of whole tensors with at least bucket_floats elements.  What is so large by
 * itself does not wait for smaller ones before it, whose gradients come later. */
static ls_status cut_buckets(ls_exchange *ex, const ls_span *tensors, int64_t bucket_floats)
{
    ex->bucket = ls_calloc((size_t)ex->n_tensors + 1, sizeof *ex->bucket);
    LS_REQUIRE(ex->bucket != NULL, LS_ENOMEM, "out of memory for the exchange");
    int64_t block = 0;
    for (int t = 0; t < ex->n_tensors; t++) {
        ls_bucket *last = t > 0 ? &ex->bucket[ex->n_buckets - 1] : NULL;
        const bool full =
            last != NULL && ex->several && bucket_floats > 0 && !tensors[t].with_last &&
            (tensors[t].first - last->first >= bucket_floats || group_floats(ex, tensors, t) >= bucket_floats);
        if (last == NULL || full) {
            if (full) last->end = tensors[t].first;
            last = &ex->bucket[ex->n_buckets++];
            *last = (ls_bucket){.first_tensor = t, .first_block = block, .first = tensors[t].first};
        }
        block += (tensors[t].n + LS_BLOCK - 1) / LS_BLOCK;
        last->end_block = block;
        last->end = ex->n_floats;
    }
    return LS_OK;
}

void ls__owned_blocks(const ls_exchange *ex, const ls_bucket *bucket, int rank, int64_t *first, int64_t *end)
{
    const int64_t n = bucket->end_block - bucket->first_block;
    const int size = ls_job_size(ex->job);
    *first = bucket->first_block + (ex->replicated ? 0 : ls_shard_first(n, size, rank));
    *end = bucket->first_block + (ex->replicated ? n : ls_shard_first(n, size, rank + 1));
}

/* Padding behind a tensor goes with its last block. */
void ls__owned_floats(const ls_exchange *ex, const ls_bucket *bucket, int rank, int64_t *first, int64_t *end)
{
    int64_t a, b;
    ls__owned_blocks(ex, bucket, rank, &a, &b);
    *first = a < bucket->end_block ? ex->blocks[a].first : bucket->end;
    *end = b < bucket->end_block ? ex->blocks[b].first : bucket->end;
}

static void find_own_parts(ls_exchange *ex)
{
    const int rank = ls_job_rank(ex->job);
    for (ls_bucket *b = ex->bucket; b < ex->bucket + ex->n_buckets; b++) {
        ls__owned_blocks(ex, b, rank, &b->own_first_block, &b->own_end_block);
        ls__owned_floats(ex, b, rank, &b->own_first, &b->own_end);
        b->slice_first = ex->slice_size;
        ex->slice_size += b->own_end - b->own_first;
    }
}

static void find_shards(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    const int rank = ls_job_rank(job), size = ls_job_size(job), node = ls_job_node(job);
    ex->first_shard = (int)ls_shard_first(ex->n_shards, size, rank);
    ex->end_shard = (int)ls_shard_first(ex->n_shards, size, rank + 1);
    ex->node_first_shard = (int)ls_shard_first(ex->n_shards, size, ls_job_node_first(job, node));
    ex->node_end_shard = (int)ls_shard_first(ex->n_shards, size, ls_job_node_first(job, node + 1));
}

/* The fewest subtrees that make up the shards of ranks [first, end). */
static int cover_of(int n_shards, int n_ranks, int first, int end, ls_leaves *out)
{
    return ls_tree_cover(
        n_shards,
        (ls_leaves){(int)ls_shard_first(n_shards, n_ranks, first), (int)ls_shard_first(n_shards, n_ranks, end)}, out);
}

int ls_exchange_n_subtrees(int n_shards, int n_ranks, int first, int end)
{
    ls_leaves cover[LS_MAX_COVER];
    int n = 0;
    for (int r = first; r < end; r++) n += cover_of(n_shards, n_ranks, r, r + 1, cover);
    return n;
}

int ls__cover_of_node(const ls_exchange *ex, int node, ls_leaves *out)
{
    return cover_of(ex->n_shards, ls_job_size(ex->job), ls_job_node_first(ex->job, node),
                    ls_job_node_first(ex->job, node + 1), out);
}

/* A buffer for every subtree that a rank of the node holds. */
static ls_status assign_buffers(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    const int size = ls_job_size(job), node = ls_job_node(job), n = ex->node_end_shard - ex->node_first_shard;
    ex->buffer_of = ls_calloc((size_t)n, sizeof *ex->buffer_of);
    ex->buffer = ls_calloc((size_t)n, sizeof *ex->buffer);
    LS_REQUIRE(ex->buffer_of != NULL && ex->buffer != NULL, LS_ENOMEM, "out of memory for the exchange");
    for (int s = 0; s < n; s++) ex->buffer_of[s] = -1;
    for (int r = ls_job_node_first(job, node); r < ls_job_node_first(job, node + 1); r++) {
        ls_leaves cover[LS_MAX_COVER];
        const int n_cover = cover_of(ex->n_shards, size, r, r + 1, cover);
        for (int c = 0; c < n_cover; c++) {
            ex->buffer[ex->n_buffers] = cover[c];
            ex->buffer_of[cover[c].first - ex->node_first_shard] = ex->n_buffers++;
        }
    }
    return LS_OK;
}

ls_status ls__layout_create(ls_exchange *ex, const ls_span *tensors, int64_t bucket_floats)
{
    find_shards(ex);
    LS_TRY(cut_blocks(ex, tensors));
    LS_TRY(cut_buckets(ex, tensors, bucket_floats));
    find_own_parts(ex);
    return assign_buffers(ex);
}

void ls__layout_destroy(ls_exchange *ex)
{
    ls_free(ex->blocks);
    ls_free(ex->bucket);
    ls_free(ex->buffer_of);
    ls_free(ex->buffer);
}
