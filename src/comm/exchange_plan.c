/* Planning the messages between nodes: counts and places, once. */
#include <limits.h>

#include "base/mem.h"
#include "comm/exchange_internal.h"
#include "comm/job_internal.h"

static int node_of(const ls_job *job, int rank)
{
    int node = 0;
    while (ls_job_node_first(job, node + 1) <= rank) node++;
    return node;
}

/* The rank of `node` that carries the parts of rank d. */
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

static int64_t part_floats(const ls_exchange *ex, const ls_bucket *bucket, int rank, int *first)
{
    int64_t from, end;
    ls__owned_floats(ex, bucket, rank, &from, &end);
    *first = (int)from;
    return end - from;
}

static void plan_bucket(const ls_exchange *ex, ls_bucket *b)
{
    const ls_job *job = ex->job;
    const int size = ls_job_size(job), rank = ls_job_rank(job), node = ls_job_node(job);
    ls_leaves ignored[LS_MAX_COVER];
    for (int r = 0; r < size; r++) {
        const int mine = (int)part_floats(ex, b, rank, &b->out.first[r]);
        b->out.first[r] -= 1; /* see start_gather */
        const int theirs = (int)part_floats(ex, b, r, &b->in.first[r]), other = node_of(job, r);
        if (other == node) continue;
        if (carrier(job, node, r) == rank) { /* I carry r's part for my node */
            b->to.count[r] = ex->net.n_cover * theirs;
            b->in.count[r] = theirs;
        }
        if (carrier(job, other, rank) == r) { /* r carries mine for its node */
            b->from.count[r] = ls__cover_of_node(ex, other, ignored) * mine;
            b->out.count[r] = mine;
        }
    }
}

static ls_status create_bucket(const ls_exchange *ex, ls_bucket *b)
{
    const int size = ls_job_size(ex->job);
    ls_counts *const all[] = {&b->to, &b->from, &b->out, &b->in};
    for (int i = 0; i < 4; i++) LS_TRY(create_counts(size, all[i]));
    int most = 0; /* subtrees of a node */
    for (int node = 0; node < ls_job_n_nodes(ex->job); node++) {
        ls_leaves ignored[LS_MAX_COVER];
        const int k = ls__cover_of_node(ex, node, ignored);
        if (k > most) most = k;
    }
    LS_REQUIRE((b->end - b->first + size) * most < INT_MAX, LS_EUSAGE,
               "a bucket of %lld elements is more than the exchange between nodes can address",
               (long long)(b->end - b->first));
    plan_bucket(ex, b);
    const int64_t n_send = lay_out(size, &b->to), n_receive = lay_out(size, &b->from);
    b->send = ls_calloc((size_t)n_send, sizeof(float));
    b->receive = ls_calloc((size_t)n_receive, sizeof(float));
    LS_REQUIRE(b->send && b->receive, LS_ENOMEM, "out of memory for the exchange");
    return LS_OK;
}

static ls_status create_subtrees(ls_exchange *ex)
{
    ls_links *net = &ex->net;
    net->n_cover = ls__cover_of_node(ex, ls_job_node(ex->job), net->cover);
    net->subtree = ls_calloc((size_t)net->n_cover, sizeof *net->subtree);
    LS_REQUIRE(net->subtree != NULL, LS_ENOMEM, "out of memory for the exchange");
    for (int c = 0; c < net->n_cover; c++)
        LS_TRY(ls_sum_create(net->cover[c], ex->buffer, ex->n_buffers, &net->subtree[c]));
    return LS_OK;
}

ls_status ls__records_create(ls_exchange *ex)
{
    ls_links *net = &ex->net;
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

void ls__network_connect(ls_exchange *ex)
{
    MPI_Comm_dup(ex->job->comm, &ex->net.reduce);
    MPI_Comm_dup(ex->job->comm, &ex->net.gather);
    for (int b = 0; b < ex->n_buckets; b++) ex->bucket[b].reduce = ex->bucket[b].gather = MPI_REQUEST_NULL;
    ex->net.connected = true;
}

ls_status ls__network_create(ls_exchange *ex)
{
    ls_links *net = &ex->net;
    net->next_ready = net->next_start = ex->n_buckets - 1;
    net->next_gather = ex->n_buckets;
    LS_REQUIRE(ex->n_floats < INT_MAX, LS_EUSAGE,
               "%lld parameters are more than the exchange between nodes can address", (long long)ex->n_floats);
    LS_TRY(create_subtrees(ex));
    for (int b = 0; b < ex->n_buckets; b++) LS_TRY(create_bucket(ex, &ex->bucket[b]));
    return ls__records_create(ex);
}

static void destroy_bucket(ls_bucket *b)
{
    ls_free(b->send);
    ls_free(b->receive);
    ls_free(b->to.count);
    ls_free(b->from.count);
    ls_free(b->out.count);
    ls_free(b->in.count);
}

/* Messages still under way are waited for: every rank destroys at the same point of its run. */
void ls__network_destroy(ls_exchange *ex)
{
    ls_links *net = &ex->net;
    if (net->connected)
        for (int b = 0; b < ex->n_buckets; b++) {
            MPI_Wait(&ex->bucket[b].reduce, MPI_STATUS_IGNORE);
            MPI_Wait(&ex->bucket[b].gather, MPI_STATUS_IGNORE);
        }
    if (net->connected) MPI_Comm_free(&net->reduce);
    if (net->connected) MPI_Comm_free(&net->gather);
    for (int b = 0; ex->bucket != NULL && b < ex->n_buckets; b++) destroy_bucket(&ex->bucket[b]);
    for (int c = 0; net->subtree != NULL && c < net->n_cover; c++) ls_sum_destroy(&net->subtree[c]);
    ls_free(net->subtree);
    ls_free(net->records.count);
    ls_free(net->packed);
    ls_free(net->unpacked);
}
