#include "lockstep/exchange.h"

#include <string.h>

#include "base/mem.h"
#include "comm/exchange_internal.h"

/* Leaves lie an odd number of cache lines apart, so that equal elements of many leaves fall into different sets. */
enum { STAGGER = 17 * LS_ALIGNMENT_FLOATS };

static size_t round_up(size_t bytes)
{
    return (bytes + LS_ALIGNMENT - 1) / LS_ALIGNMENT * LS_ALIGNMENT;
}

/* Whole cache lines. */
static size_t block_bytes(int64_t n_blocks)
{
    return round_up((size_t)n_blocks * LS_MAX_STAGES * LS_BLOCK_VALUES * sizeof(double));
}

static size_t head_bytes(int64_t n_blocks, int n_shards, int n_ranks)
{
    return sizeof(ls_barrier) + (size_t)n_ranks * LS_WORD_STRIDE * sizeof(uint32_t) +
           round_up((size_t)n_shards * LS_RECORD * sizeof(double)) + block_bytes(n_blocks);
}

size_t ls_exchange_node_bytes(int64_t n_floats, int64_t n_blocks, int n_buffers, int n_shards, int n_ranks)
{
    return head_bytes(n_blocks, n_shards, n_ranks) + (size_t)n_floats * sizeof(float) +
           (size_t)n_buffers * (size_t)(n_floats + STAGGER) * sizeof(float);
}

/* Parts of the node memory, in order; the buckets' states come last. */
static void lay_out_memory(ls_exchange *ex, size_t state_at)
{
    char *at = ls_window_memory(ex->window);
    ex->state = (ls_bucket_state *)(at + state_at);
    ex->barrier = (ls_barrier *)at;
    at += sizeof(ls_barrier);
    ex->words = (uint32_t *)at;
    at += ex->n_local * LS_WORD_STRIDE * sizeof(uint32_t);
    ex->records = (double *)at;
    at += round_up((size_t)(ex->node_end_shard - ex->node_first_shard) * LS_RECORD * sizeof(double));
    ex->block_values = (double *)at;
    at += block_bytes(ex->n_blocks);
    ex->params = (float *)at;
    ex->gradients = ex->params + ex->n_floats;
}

static ls_status create_node_memory(ls_exchange *ex)
{
    ex->n_local = (unsigned)ls_job_local_size(ex->job, ls_job_node(ex->job));
    ex->spins = ls_barrier_spins(ls_job_host_ranks(ex->job), ls_job_host_cores(ex->job));
    const size_t bytes = round_up(ls_exchange_node_bytes(ex->n_floats, ex->n_blocks, ex->n_buffers,
                                                         ex->node_end_shard - ex->node_first_shard, (int)ex->n_local));
    LS_TRY(ls_window_create(ex->job, bytes + (size_t)ex->n_buckets * sizeof(ls_bucket_state),
                            "parameters and gradients", &ex->window));
    lay_out_memory(ex, bytes);
    return LS_OK;
}

/* Sources of a bucket's root sum: the node's buffers, and the subtrees that other nodes send; the leaves of each into
 * ranges.  Returns their number. */
static int find_sources(const ls_exchange *ex, const ls_bucket *bucket, ls_source *source, ls_leaves *ranges)
{
    int n = 0;
    for (; n < ex->n_buffers; n++) {
        ranges[n] = ex->buffer[n];
        source[n] = (ls_source){ex->gradients + n * ex->stride, 0};
    }
    float *at = bucket->receive;
    for (int node = 0; node < ls_job_n_nodes(ex->job); node++) {
        if (node == ls_job_node(ex->job)) continue;
        const int n_cover = ls__cover_of_node(ex, node, ranges + n);
        for (int c = 0; c < n_cover; c++, at += bucket->own_end - bucket->own_first)
            source[n++] = (ls_source){at, bucket->own_first};
    }
    return n;
}

static ls_status create_sums(ls_exchange *ex, ls_leaves *ranges, int max_sources)
{
    int n = 0;
    for (ls_bucket *b = ex->bucket; b < ex->bucket + ex->n_buckets; b++) {
        b->source = ls_calloc((size_t)max_sources, sizeof *b->source);
        LS_REQUIRE(b->source != NULL && ranges != NULL, LS_ENOMEM, "out of memory for the exchange");
        n = find_sources(ex, b, b->source, ranges);
    }
    LS_TRY(ls_sum_create((ls_leaves){0, ex->n_shards}, ranges, n, &ex->sum));
    int n_scratch = ls_sum_n_buffers(ex->sum);
    for (int c = 0; c < ex->net.n_cover; c++)
        if (ls_sum_n_buffers(ex->net.subtree[c]) > n_scratch) n_scratch = ls_sum_n_buffers(ex->net.subtree[c]);
    ex->scratch = ls_calloc((size_t)n_scratch * LS_BLOCK, sizeof(float));
    LS_REQUIRE(ex->scratch != NULL, LS_ENOMEM, "out of memory for the exchange");
    return LS_OK;
}

static ls_status create_local(ls_exchange *ex)
{
    ex->all_records = ls_calloc((size_t)ex->n_shards * LS_RECORD, sizeof(double));
    ex->all_words = ls_calloc((size_t)ls_job_size(ex->job), sizeof(uint32_t));
    LS_REQUIRE(ex->all_records && ex->all_words, LS_ENOMEM, "out of memory for the exchange");
    if (ex->replicated || ex->several) { /* no memory that all ranks see */
        ex->own_block_values = ex->block_values = ls_calloc(block_bytes(ex->n_blocks), 1);
        LS_REQUIRE(ex->block_values != NULL, LS_ENOMEM, "out of memory for the exchange");
    }
    if (ex->replicated) return ls__replica_create(ex);
    if (ex->several) LS_TRY(ls__network_create(ex));
    const int max_sources = ex->n_shards + LS_MAX_COVER * ls_job_n_nodes(ex->job);
    ls_leaves *ranges = ls_calloc((size_t)max_sources, sizeof *ranges);
    const ls_status status = create_sums(ex, ranges, max_sources);
    ls_free(ranges);
    return status;
}

static ls_status create(ls_exchange *ex, const ls_span *tensors, int64_t bucket_floats)
{
    LS_TRY(ls_job_agree(ex->job, ls__layout_create(ex, tensors, bucket_floats)));
    LS_TRY(create_node_memory(ex));
    if (ex->several) ls__network_connect(ex);
    return ls_job_agree(ex->job, create_local(ex));
}

ls_status ls_exchange_create(const ls_job *job, const ls_span *tensors, int n_tensors, int64_t n_floats,
                             const ls_exchange_options *options, ls_exchange **out)
{
    *out = NULL;
    ls_exchange *ex = ls_calloc(1, sizeof *ex);
    LS_TRY(ls_job_agree(job, ex ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    ex->job = job;
    ex->n_floats = n_floats;
    ex->n_shards = options->n_shards;
    ex->replicated = options->replicated;
    ex->several = ls_job_n_nodes(job) > 1 && !ex->replicated;
    ex->stride = n_floats + STAGGER;
    ex->n_tensors = n_tensors;
    const ls_status status = create(ex, tensors, options->bucket_floats);
    if (status != LS_OK) ls_exchange_destroy(&ex);
    *out = ex;
    return status;
}

void ls_exchange_destroy(ls_exchange **exchange)
{
    if (exchange == NULL || *exchange == NULL) return;
    ls_exchange *ex = *exchange;
    ls__network_destroy(ex);
    ls__replica_destroy(ex);
    for (int b = 0; ex->bucket != NULL && b < ex->n_buckets; b++) ls_free(ex->bucket[b].source);
    ls__layout_destroy(ex);
    ls_sum_destroy(&ex->sum);
    ls_window_destroy(&ex->window);
    ls_free(ex->own_block_values);
    ls_free(ex->all_records);
    ls_free(ex->all_words);
    ls_free(ex->scratch);
    ls_free(ex->piece);
    ls_free(ex);
    *exchange = NULL;
}

float *ls_exchange_params(const ls_exchange *ex)
{
    return ex->params;
}

int ls_exchange_first_shard(const ls_exchange *ex)
{
    return ex->first_shard;
}

int ls_exchange_n_shards(const ls_exchange *ex)
{
    return ex->end_shard - ex->first_shard;
}

float *ls_exchange_gradient(const ls_exchange *ex, int shard)
{
    const int buffer = ex->buffer_of[shard - ex->node_first_shard];
    return buffer < 0 ? NULL : ex->gradients + buffer * ex->stride;
}

double *ls_exchange_record(const ls_exchange *ex, int shard)
{
    return ex->records + (shard - ex->node_first_shard) * LS_RECORD;
}

void ls_exchange_totals(const ls_exchange *ex, double totals[LS_RECORD])
{
    for (int i = 0; i < LS_RECORD; i++) totals[i] = ls_tree_sum(ex->all_records + i, ex->n_shards, LS_RECORD);
}

void ls_exchange_set_word(ls_exchange *ex, uint32_t word)
{
    ex->words[ls_job_local_rank(ex->job) * LS_WORD_STRIDE] = word;
}

uint32_t ls_exchange_word(const ls_exchange *ex, int rank)
{
    return ex->all_words[rank];
}

int64_t ls_exchange_n_blocks(const ls_exchange *ex)
{
    return ex->n_blocks;
}

int64_t ls_exchange_slice_size(const ls_exchange *ex)
{
    return ex->slice_size;
}

double *ls_exchange_block_values(const ls_exchange *ex, int stage, int64_t block)
{
    return ex->block_values + (stage * ex->n_blocks + block) * LS_BLOCK_VALUES;
}

double ls_exchange_block_total(const ls_exchange *ex, int stage, int value)
{
    double total = 0.0;
    for (int64_t b = 0; b < ex->n_blocks; b++) total += ls_exchange_block_values(ex, stage, b)[value];
    return total;
}

void ls_exchange_tensor_totals(const ls_exchange *ex, int stage, int value, double *totals)
{
    memset(totals, 0, (size_t)ex->n_tensors * sizeof *totals);
    for (int64_t b = 0; b < ex->n_blocks; b++)
        totals[ex->blocks[b].tensor] += ls_exchange_block_values(ex, stage, b)[value];
}

ls_exchange_times ls_exchange_get_times(const ls_exchange *ex)
{
    return ex->times;
}
