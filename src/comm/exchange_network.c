/* The exchange between nodes: messages planned once, moved by MPI's collectives.
 *
 * Every rank carries a stripe of its node: the slice of rank d goes from, and its result comes back to, the rank of
 * each other node whose local rank is d's local rank modulo that node's ranks. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "comm/exchange_internal.h"
#include "comm/job_internal.h"

static int node_of(const ls_job *job, int rank)
{
    int node = 0;
    while (ls_job_node_first(job, node + 1) <= rank) node++;
    return node;
}

/* The rank of `node` that carries the slice of rank d. */
static int carrier(const ls_job *job, int node, int d)
{
    const int local = d - ls_job_node_first(job, node_of(job, d));
    return ls_job_node_first(job, node) + local % ls_job_local_size(job, node);
}

static ls_status create_counts(int size, ls_counts *counts)
{
    counts->count = ls_calloc(2 * (size_t)size, sizeof(int));
    LS_REQUIRE(counts->count != NULL, LS_ENOMEM, "out of memory for the exchange");
    counts->first = counts->count + size;
    return LS_OK;
}

/* Lays messages one after the other; returns their total. */
static int64_t lay_out(int size, ls_counts *counts)
{
    int64_t total = 0;
    for (int r = 0; r < size; r++) {
        counts->first[r] = (int)total;
        total += counts->count[r];
    }
    return total;
}

static int64_t slice_floats(const ls_exchange *ex, int rank)
{
    return ls__slice_first(ex, rank + 1) - ls__slice_first(ex, rank);
}

static void plan_slices(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    ls_network *net = &ex->net;
    const int size = ls_job_size(job), rank = ls_job_rank(job), node = ls_job_node(job);
    const int64_t mine = slice_floats(ex, rank);
    ls_leaves ignored[LS_MAX_COVER];
    for (int r = 0; r < size; r++) {
        net->out.first[r] = (int)ls__slice_first(ex, rank);
        net->in.first[r] = (int)ls__slice_first(ex, r);
        net->blocks.first[r] = (int)ls_shard_first(ex->n_blocks, size, r);
        net->blocks.count[r] = (int)(ls_shard_first(ex->n_blocks, size, r + 1) - net->blocks.first[r]);
        net->records.count[r] =
            1 + LS_RECORD * (int)(ls_shard_first(ex->n_shards, size, r + 1) - ls_shard_first(ex->n_shards, size, r));
        const int other = node_of(job, r);
        if (other == node) continue;
        if (carrier(job, node, r) == rank) { /* I carry r's slice for my node */
            net->to.count[r] = (int)(net->n_cover * slice_floats(ex, r));
            net->in.count[r] = (int)slice_floats(ex, r);
        }
        if (carrier(job, other, rank) == r) { /* r carries mine for its node */
            net->from.count[r] = (int)(ls__cover_of_node(ex, other, ignored) * mine);
            net->out.count[r] = (int)mine;
        }
    }
}

static ls_status create_subtrees(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    net->subtree = ls_calloc((size_t)net->n_cover, sizeof *net->subtree);
    LS_REQUIRE(net->subtree != NULL, LS_ENOMEM, "out of memory for the exchange");
    for (int c = 0; c < net->n_cover; c++)
        LS_TRY(ls_sum_create(net->cover[c], ex->buffer, ex->n_buffers, &net->subtree[c]));
    return LS_OK;
}

ls_status ls__records_create(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    const int size = ls_job_size(ex->job);
    LS_TRY(create_counts(size, &net->records));
    for (int r = 0; r < size; r++)
        net->records.count[r] =
            1 + LS_RECORD * (int)(ls_shard_first(ex->n_shards, size, r + 1) - ls_shard_first(ex->n_shards, size, r));
    net->packed = ls_calloc((size_t)net->records.count[ls_job_rank(ex->job)], sizeof(double));
    net->unpacked = ls_calloc((size_t)lay_out(size, &net->records), sizeof(double));
    LS_REQUIRE(net->packed && net->unpacked, LS_ENOMEM, "out of memory for the exchange");
    return LS_OK;
}

ls_status ls__network_create(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    const int size = ls_job_size(ex->job);
    LS_REQUIRE(ex->n_floats < INT_MAX / LS_MAX_COVER, LS_EUSAGE,
               "%lld parameters are more than the exchange between nodes can address", (long long)ex->n_floats);
    ls_counts *const all[] = {&net->to, &net->from, &net->out, &net->in, &net->blocks};
    for (int i = 0; i < 5; i++) LS_TRY(create_counts(size, all[i]));
    net->n_cover = ls__cover_of_node(ex, ls_job_node(ex->job), net->cover);
    LS_TRY(create_subtrees(ex));
    plan_slices(ex);
    net->send = ls_calloc((size_t)lay_out(size, &net->to), sizeof(float));
    net->receive = ls_calloc((size_t)lay_out(size, &net->from), sizeof(float));
    LS_REQUIRE(net->send && net->receive, LS_ENOMEM, "out of memory for the exchange");
    return ls__records_create(ex);
}

void ls__network_destroy(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    for (int c = 0; net->subtree != NULL && c < net->n_cover; c++) ls_sum_destroy(&net->subtree[c]);
    ls_free(net->subtree);
    ls_free(net->send);
    ls_free(net->receive);
    ls_free(net->to.count);
    ls_free(net->from.count);
    ls_free(net->out.count);
    ls_free(net->in.count);
    ls_free(net->blocks.count);
    ls_free(net->records.count);
    ls_free(net->packed);
    ls_free(net->unpacked);
}

/* The node's sum of subtree c over the slice of rank d, into out. */
static void pack_slice(ls_exchange *ex, int c, int d, float *out)
{
    const int64_t first = ls__slice_first(ex, d), end = ls__slice_first(ex, d + 1);
    for (int64_t at = first; at < end; at += LS_BLOCK) {
        const int64_t n = end - at < LS_BLOCK ? end - at : LS_BLOCK;
        const float *sum = ls_sum_run(ex->net.subtree[c], ex->source, at, n, ex->buffers);
        memcpy(out + (at - first), sum, (size_t)n * sizeof *out);
    }
}

/* Packs only slices of other nodes, so owners here may overwrite their own part of the leaves meanwhile. */
void ls__network_reduce_scatter(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    for (int d = 0; d < ls_job_size(ex->job); d++)
        for (int c = 0; c < net->n_cover && net->to.count[d] > 0; c++)
            pack_slice(ex, c, d, net->send + net->to.first[d] + c * slice_floats(ex, d));
    MPI_Alltoallv(net->send, net->to.count, net->to.first, MPI_FLOAT, net->receive, net->from.count, net->from.first,
                  MPI_FLOAT, ex->job->comm);
}

void ls__network_all_gather(ls_exchange *ex)
{
    const ls_network *net = &ex->net;
    MPI_Alltoallv(ex->params, net->out.count, net->out.first, MPI_FLOAT, ex->params, net->in.count, net->in.first,
                  MPI_FLOAT, ex->job->comm); /* disjoint parts of one vector: own slice out, others' in */
}

void ls__network_gather_records(ls_exchange *ex)
{
    ls_network *net = &ex->net;
    const int rank = ls_job_rank(ex->job), size = ls_job_size(ex->job);
    net->packed[0] = ex->words[ls_job_local_rank(ex->job) * LS_WORD_STRIDE];
    memcpy(net->packed + 1, ls_exchange_record(ex, ex->first_shard),
           (size_t)(net->records.count[rank] - 1) * sizeof(double));
    MPI_Allgatherv(net->packed, net->records.count[rank], MPI_DOUBLE, net->unpacked, net->records.count,
                   net->records.first, MPI_DOUBLE, ex->job->comm);
    double *record = ex->all_records;
    for (int r = 0; r < size; r++) {
        const double *from = net->unpacked + net->records.first[r];
        ex->all_words[r] = (uint32_t)from[0];
        memcpy(record, from + 1, (size_t)(net->records.count[r] - 1) * sizeof(double));
        record += net->records.count[r] - 1;
    }
}

void ls__network_gather_blocks(ls_exchange *ex)
{
    const ls_counts *blocks = &ex->net.blocks;
    const int rank = ls_job_rank(ex->job);
    const void *mine = rank == 0 ? MPI_IN_PLACE : ex->block_values + blocks->first[rank];
    MPI_Gatherv(mine, blocks->count[rank], MPI_DOUBLE, ex->block_values, blocks->count, blocks->first, MPI_DOUBLE, 0,
                ex->job->comm);
}

void ls_exchange_publish_root(ls_exchange *ex)
{
    const ls_job *job = ex->job;
    if (ex->replicated) {
        ls_job_broadcast(job, 0, ex->params, (size_t)ex->n_floats * sizeof(float));
        return;
    }
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
    if (job->leaders != MPI_COMM_NULL)
        for (int64_t at = 0; at < ex->n_floats; at += 1 << 28)
            MPI_Bcast(ex->params + at, (int)(ex->n_floats - at < 1 << 28 ? ex->n_floats - at : 1 << 28), MPI_FLOAT, 0,
                      job->leaders);
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
}
