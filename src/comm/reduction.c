#include "lockstep/reduction.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "comm/barrier.h"
#include "comm/job_internal.h"
#include "comm/tree.h"

struct ls_reduction {
    const ls_job *job;
    int n_shards, first_shard, end_shard;
    int64_t max_n;
    double *all;        /* [n_shards, n] added in place */
    int *count, *first; /* several nodes: doubles of every rank */
    double *mine;       /* several nodes: [own shards, n] */
    ls_window *window;  /* one node: the barrier, then two tables [n_shards, n] that take turns */
    ls_barrier *barrier;
    double *table[2];
    int spins, turn;
};

static ls_status create_local(ls_reduction *r)
{
    int64_t n = 0;
    LS_REQUIRE(ls_mul_i64(r->n_shards, r->max_n, &n) && n < INT_MAX, LS_ENOMEM,
               "statistics of %lld numbers over %d shards do not fit a message", (long long)r->max_n, r->n_shards);
    r->all = ls_calloc((size_t)n, sizeof *r->all);
    r->mine = ls_calloc((size_t)((r->end_shard - r->first_shard) * r->max_n), sizeof *r->mine);
    r->count = ls_calloc(2 * (size_t)ls_job_size(r->job), sizeof *r->count);
    LS_REQUIRE(r->all && r->mine && r->count, LS_ENOMEM, "out of memory for statistics over a batch");
    r->first = r->count + ls_job_size(r->job);
    return LS_OK;
}

static ls_status create_node_memory(ls_reduction *r)
{
    const size_t table = (size_t)(r->n_shards * r->max_n) * sizeof(double);
    LS_TRY(ls_window_create(r->job, sizeof(ls_barrier) + 2 * table, "statistics over a batch", &r->window));
    r->barrier = ls_window_memory(r->window);
    r->table[0] = (double *)(r->barrier + 1);
    r->table[1] = r->table[0] + r->n_shards * r->max_n;
    r->spins = ls_barrier_spins(ls_job_host_ranks(r->job), ls_job_host_cores(r->job));
    return LS_OK;
}

ls_status ls_reduction_create(const ls_job *job, int n_shards, int64_t max_n, ls_reduction **out)
{
    const int rank = ls_job_rank(job), size = ls_job_size(job);
    *out = NULL;
    ls_reduction *r = ls_calloc(1, sizeof *r);
    LS_TRY(ls_job_agree(job, r ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    r->job = job;
    r->n_shards = n_shards;
    r->max_n = max_n;
    r->first_shard = (int)ls_shard_first(n_shards, size, rank);
    r->end_shard = (int)ls_shard_first(n_shards, size, rank + 1);
    ls_status status = ls_job_agree(job, create_local(r));
    if (status == LS_OK && ls_job_n_nodes(job) == 1) status = create_node_memory(r);
    if (status != LS_OK) ls_reduction_destroy(&r);
    *out = r;
    return status;
}

void ls_reduction_destroy(ls_reduction **reduction)
{
    if (reduction == NULL || *reduction == NULL) return;
    ls_reduction *r = *reduction;
    ls_window_destroy(&r->window);
    ls_free(r->all);
    ls_free(r->mine);
    ls_free(r->count);
    ls_free(r);
    *reduction = NULL;
}

static void pack(const ls_reduction *r, double *const *leaf, int64_t first, int64_t n, double *out)
{
    for (int s = 0; s < r->end_shard - r->first_shard; s++)
        memcpy(out + s * n, leaf[s] + first, (size_t)n * sizeof *out);
}

/* A rank that writes a table again has passed the barrier behind it, and so has everyone who read it. */
static void share_on_node(ls_reduction *r, double *const *leaf, int64_t first, int64_t n)
{
    double *table = r->table[r->turn];
    r->turn ^= 1;
    pack(r, leaf, first, n, table + r->first_shard * n);
    ls_barrier_wait(r->barrier, (unsigned)ls_job_size(r->job), r->spins);
    memcpy(r->all, table, (size_t)(r->n_shards * n) * sizeof *table);
}

static void share_between_nodes(ls_reduction *r, double *const *leaf, int64_t first, int64_t n)
{
    const int size = ls_job_size(r->job), rank = ls_job_rank(r->job);
    for (int i = 0; i < size; i++) {
        r->first[i] = (int)(ls_shard_first(r->n_shards, size, i) * n);
        r->count[i] = (int)(ls_shard_first(r->n_shards, size, i + 1) * n) - r->first[i];
    }
    pack(r, leaf, first, n, r->mine);
    LS_WAITING(
        MPI_Allgatherv(r->mine, r->count[rank], MPI_DOUBLE, r->all, r->count, r->first, MPI_DOUBLE, r->job->comm));
}

/* The first of n_leaves vectors becomes their sum. */
static void add_leaves(double *leaf, int n_leaves, int64_t n)
{
    if (n_leaves < 2) return;
    const int half = ls_tree_split(n_leaves);
    double *right = leaf + half * n;
    add_leaves(leaf, half, n);
    add_leaves(right, n_leaves - half, n);
    for (int64_t i = 0; i < n; i++) leaf[i] += right[i];
}

void ls_reduction_run(ls_reduction *r, double *const *leaf, int64_t first, int64_t n, double *total)
{
    if (r->window != NULL)
        share_on_node(r, leaf, first, n);
    else
        share_between_nodes(r, leaf, first, n);
    add_leaves(r->all, r->n_shards, n);
    memcpy(total, r->all, (size_t)n * sizeof *total);
}
