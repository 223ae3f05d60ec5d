#include "lockstep/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comm/exchange_internal.h"

/* Leaves lie an odd number of cache lines apart, so that equal elements of many leaves fall into different sets. */
enum { STAGGER = 17 * LS_ALIGNMENT_FLOATS };

static int64_t count_blocks(const ls_span *tensors, int n_tensors)
{
    int64_t n = 0;
    for (int t = 0; t < n_tensors; t++) n += (tensors[t].n + LS_BLOCK - 1) / LS_BLOCK;
    return n;
}

static void cut_blocks(ls_exchange *ex, const ls_span *tensors)
{
    ls_block *block = ex->blocks;
    for (int t = 0; t < ex->n_tensors; t++)
        for (int64_t at = 0; at < tensors[t].n; at += LS_BLOCK) {
            const int64_t rest = tensors[t].n - at;
            *block++ = (ls_block){tensors[t].first + at, rest < LS_BLOCK ? (int)rest : LS_BLOCK, t};
        }
}

static size_t round_up(size_t bytes)
{
    return (bytes + LS_ALIGNMENT - 1) / LS_ALIGNMENT * LS_ALIGNMENT;
}

/* Parts of the node memory, in order. */
static size_t head_bytes(int64_t n_blocks, int n_shards, int n_ranks)
{
    return sizeof(ls_barrier) + (size_t)n_ranks * LS_WORD_STRIDE * sizeof(uint32_t) +
           round_up((size_t)n_shards * LS_RECORD * sizeof(double)) + round_up((size_t)n_blocks * sizeof(double));
}

size_t ls_exchange_node_bytes(int64_t n_floats, int64_t n_blocks, int n_buffers, int n_shards, int n_ranks)
{
    return head_bytes(n_blocks, n_shards, n_ranks) + (size_t)n_floats * sizeof(float) +
           (size_t)n_buffers * (size_t)(n_floats + STAGGER) * sizeof(float);
}

static void lay_out_memory(ls_exchange *ex)
{
    const int n_shards = ex->node_end_shard - ex->node_first_shard;
    char *at = ls_window_memory(ex->window);
    ex->barrier = (ls_barrier *)at;
    at += sizeof(ls_barrier);
    ex->words = (uint32_t *)at;
    at += ex->n_local * LS_WORD_STRIDE * sizeof(uint32_t);
    ex->records = (double *)at;
    at += round_up((size_t)n_shards * LS_RECORD * sizeof(double));
    ex->block_values = (double *)at;
    at += round_up((size_t)ex->n_blocks * sizeof(double));
    ex->params = (float *)at;
    ex->gradients = ex->params + ex->n_floats;
}

int64_t ls__slice_first(const ls_exchange *ex, int rank)
{
    const int64_t block = ls_shard_first(ex->n_blocks, ls_job_size(ex->job), rank);
    return block < ex->n_blocks ? ex->blocks[block].first : ex->n_floats;
}

static void find_own(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    const int rank = ls_job_rank(job), size = ls_job_size(job), node = ls_job_node(job);
    ex->n_local = (unsigned)ls_job_local_size(job, node);
    ex->first_shard = (int)ls_shard_first(ex->n_shards, size, rank);
    ex->end_shard = (int)ls_shard_first(ex->n_shards, size, rank + 1);
    ex->node_first_shard = (int)ls_shard_first(ex->n_shards, size, ls_job_node_first(job, node));
    ex->node_end_shard = (int)ls_shard_first(ex->n_shards, size, ls_job_node_first(job, node + 1));
    ex->first_block = ex->replicated ? 0 : ls_shard_first(ex->n_blocks, size, rank);
    ex->end_block = ex->replicated ? ex->n_blocks : ls_shard_first(ex->n_blocks, size, rank + 1);
    ex->spins = ls_barrier_spins(ls_job_host_ranks(job), ls_job_host_cores(job));
}

/* Which buffer each shard of the node goes to: its own, or that of the left leaf of its pair. */
static ls_status assign_buffers(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    const int size = ls_job_size(job), node = ls_job_node(job), n = ex->node_end_shard - ex->node_first_shard;
    ex->buffer_of = ls_calloc((size_t)n, sizeof *ex->buffer_of);
    ex->buffer = ls_calloc((size_t)n, sizeof *ex->buffer);
    LS_REQUIRE(ex->buffer_of != NULL && ex->buffer != NULL, LS_ENOMEM, "out of memory for the exchange");
    for (int r = ls_job_node_first(job, node); r < ls_job_node_first(job, node + 1); r++) {
        const int first = (int)ls_shard_first(ex->n_shards, size, r);
        for (int s = first; s < ls_shard_first(ex->n_shards, size, r + 1); s++) {
            const bool right = ex->pairs && s % 2 == 1 && s > first;
            if (!right) ex->buffer[ex->n_buffers++].first = s;
            ex->buffer[ex->n_buffers - 1].end = s + 1;
            ex->buffer_of[s - ex->node_first_shard] = ex->n_buffers - 1;
        }
    }
    return LS_OK;
}

static ls_status create_local(ls_exchange *ex, const ls_span *tensors)
{
    const int size = ls_job_size(ex->job), n_nodes = ls_job_n_nodes(ex->job);
    const int max_sources = ex->n_shards + LS_MAX_COVER * n_nodes;
    ex->blocks = ls_calloc((size_t)ex->n_blocks, sizeof *ex->blocks);
    ex->all_records = ls_calloc((size_t)ex->n_shards * LS_RECORD, sizeof(double));
    ex->all_words = ls_calloc((size_t)size, sizeof(uint32_t));
    ex->source = ls_calloc((size_t)max_sources, sizeof *ex->source);
    ls_leaves *ranges = ls_calloc((size_t)max_sources, sizeof *ranges);
    ls_status status = LS_OK;
    if (!ex->blocks || !ex->all_records || !ex->all_words || !ex->source || !ranges)
        status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for the exchange");
    if (status == LS_OK) {
        cut_blocks(ex, tensors);
        if (n_nodes > 1) status = ls__network_create(ex);
    }
    if (status == LS_OK)
        status = ls_sum_create((ls_leaves){0, ex->n_shards}, ranges, ls__sources(ex, ranges), &ex->sum);
    ls_free(ranges);
    LS_TRY(status);
    int n_buffers = ls_sum_n_buffers(ex->sum);
    for (int c = 0; c < ex->net.n_cover; c++)
        if (ls_sum_n_buffers(ex->net.subtree[c]) > n_buffers) n_buffers = ls_sum_n_buffers(ex->net.subtree[c]);
    ex->buffers = ls_calloc((size_t)n_buffers * LS_BLOCK, sizeof(float));
    LS_REQUIRE(ex->buffers != NULL, LS_ENOMEM, "out of memory for the exchange");
    return LS_OK;
}

static ls_status create_replica(ls_exchange *ex, const ls_span *tensors)
{
    ex->blocks = ls_calloc((size_t)ex->n_blocks, sizeof *ex->blocks);
    ex->all_records = ls_calloc((size_t)ex->n_shards * LS_RECORD, sizeof(double));
    ex->all_words = ls_calloc((size_t)ls_job_size(ex->job), sizeof(uint32_t));
    LS_REQUIRE(ex->blocks && ex->all_records && ex->all_words, LS_ENOMEM, "out of memory for the exchange");
    cut_blocks(ex, tensors);
    return ls__replica_create(ex);
}

static ls_status create(ls_exchange *ex, const ls_span *tensors)
{
    find_own(ex);
    LS_TRY(ls_job_agree(ex->job, assign_buffers(ex)));
    const size_t bytes = ls_exchange_node_bytes(ex->n_floats, ex->n_blocks, ex->n_buffers,
                                                ex->node_end_shard - ex->node_first_shard, (int)ex->n_local);
    LS_TRY(ls_window_create(ex->job, bytes, "parameters and gradients", &ex->window));
    lay_out_memory(ex);
    return ls_job_agree(ex->job, ex->replicated ? create_replica(ex, tensors) : create_local(ex, tensors));
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
    ex->pairs = options->pairs;
    ex->replicated = options->replicated;
    ex->stride = n_floats + STAGGER;
    ex->n_tensors = n_tensors;
    ex->n_blocks = count_blocks(tensors, n_tensors);
    const ls_status status = create(ex, tensors);
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
    ls_sum_destroy(&ex->sum);
    ls_window_destroy(&ex->window);
    ls_free(ex->buffer_of);
    ls_free(ex->buffer);
    ls_free(ex->blocks);
    ls_free(ex->all_records);
    ls_free(ex->all_words);
    ls_free(ex->source);
    ls_free(ex->buffers);
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
    return ex->gradients + ex->buffer_of[shard - ex->node_first_shard] * ex->stride;
}

bool ls_exchange_is_right(const ls_exchange *ex, int shard)
{
    return ex->buffer[ex->buffer_of[shard - ex->node_first_shard]].first != shard;
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

void ls_exchange_slice(const ls_exchange *ex, int64_t *first, int64_t *n)
{
    *first = 0;
    *n = ex->n_floats;
    if (ex->replicated) return;
    *first = ls__slice_first(ex, ls_job_rank(ex->job));
    *n = ls__slice_first(ex, ls_job_rank(ex->job) + 1) - *first;
}

double *ls_exchange_block_values(const ls_exchange *ex)
{
    return ex->block_values;
}

double ls_exchange_block_total(const ls_exchange *ex)
{
    double total = 0.0;
    if (ls_job_rank(ex->job) == 0)
        for (int64_t b = 0; b < ex->n_blocks; b++) total += ex->block_values[b];
    return total;
}

ls_exchange_times ls_exchange_get_times(const ls_exchange *ex)
{
    return ex->times;
}

int ls__cover_of_node(const ls_exchange *ex, int node, ls_leaves *out)
{
    const int size = ls_job_size(ex->job);
    const ls_leaves part = {(int)ls_shard_first(ex->n_shards, size, ls_job_node_first(ex->job, node)),
                            (int)ls_shard_first(ex->n_shards, size, ls_job_node_first(ex->job, node + 1))};
    return ls_tree_cover(ex->n_shards, part, out);
}

int ls__sources(ls_exchange *ex, ls_leaves *ranges)
{
    int n = 0;
    for (; n < ex->n_buffers; n++) {
        ranges[n] = ex->buffer[n];
        ex->source[n] = (ls_source){ex->gradients + n * ex->stride, 0};
    }
    const ls_job *job = ex->job;
    const int64_t base = ls__slice_first(ex, ls_job_rank(job)), end = ls__slice_first(ex, ls_job_rank(job) + 1);
    float *at = ex->net.receive;
    for (int node = 0; node < ls_job_n_nodes(job); node++) {
        if (node == ls_job_node(job)) continue;
        const int n_cover = ls__cover_of_node(ex, node, ranges + n);
        for (int c = 0; c < n_cover; c++, at += end - base) ex->source[n++] = (ls_source){at, base};
    }
    return n;
}

static void barrier(ls_exchange *ex)
{
    const double start = ls_clock_s();
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
    ex->times.wait += ls_clock_s() - start;
}

static void copy_records(ls_exchange *ex)
{
    memcpy(ex->all_records, ex->records, (size_t)ex->n_shards * LS_RECORD * sizeof(double));
    for (unsigned r = 0; r < ex->n_local; r++) ex->all_words[r] = ex->words[r * LS_WORD_STRIDE];
}

static void update_slice(ls_exchange *ex, ls_tile_fn update, void *context)
{
    const int64_t base = ex->replicated ? 0 : ls__slice_first(ex, ls_job_rank(ex->job));
    for (int64_t b = ex->first_block; b < ex->end_block; b++) {
        const ls_block *block = &ex->blocks[b];
        float *sum = ex->replicated ? ex->replica.sum + block->first
                                    : ls_sum_run(ex->sum, ex->source, block->first, block->n, ex->buffers);
        update(context, &(ls_tile){.first = block->first,
                                   .n = block->n,
                                   .slice_first = block->first - base,
                                   .block = b,
                                   .tensor = block->tensor,
                                   .sum = sum});
    }
}

void ls_exchange_run(ls_exchange *ex, ls_tile_fn update, void *context, bool share_block_values)
{
    const bool several = ls_job_n_nodes(ex->job) > 1;
    barrier(ex);
    const double start = ls_clock_s();
    if (ex->replicated) {
        ls__network_gather_records(ex);
        ls__replica_allreduce(ex);
    } else if (several) {
        ls__network_gather_records(ex);
        ls__network_reduce_scatter(ex);
    } else {
        copy_records(ex);
    }
    const double added = ls_clock_s();
    update_slice(ex, update, context);
    const double updated = ls_clock_s();
    if (several && !ex->replicated) {
        ls__network_all_gather(ex);
        if (share_block_values) ls__network_gather_blocks(ex);
    }
    ex->times.network += (added - start) + (ls_clock_s() - updated);
    ex->times.tiles += updated - added;
    barrier(ex);
}

void ls_exchange_publish(ls_exchange *ex)
{
    if (ex->replicated) return; /* every rank has written all of its own */
    barrier(ex);
    if (ls_job_n_nodes(ex->job) > 1) ls__network_all_gather(ex);
    barrier(ex);
}
