/* The exchange between nodes: messages planned once, moved by MPI's collectives, bucket by bucket.
 *
 * Every rank carries a stripe of its node: the part of rank d goes from, and its result comes back to, the rank of each
 * other node whose local rank is d's local rank modulo that node's ranks. */
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/timeline.h"
#include "comm/exchange_internal.h"
#include "comm/job_internal.h"

static void wait_network(ls_exchange *ex, MPI_Request *request)
{
    const double start = ls_clock_s();
    ls_board_wait(LS_WAIT_MESSAGES, start);
    MPI_Wait(request, MPI_STATUS_IGNORE);
    const double took = ls_timeline_since(LS_EVENT_NETWORK, -1, start);
    ls_board_go(start + took);
    ex->times.network += took;
}

/* The node's sum of subtree c over the part of rank d, into out. */
static void pack_part(ls_exchange *ex, const ls_bucket *bucket, int c, int d, float *out)
{
    int64_t first, end;
    ls__owned_floats(ex, bucket, d, &first, &end);
    for (int64_t at = first; at < end; at += LS_BLOCK) {
        const int64_t n = end - at < LS_BLOCK ? end - at : LS_BLOCK;
        const float *sum = ls_sum_run(ex->net.subtree[c], bucket->source, at, n, ex->scratch);
        memcpy(out + (at - first), sum, (size_t)n * sizeof *out);
    }
}

/* Packs only parts of other nodes, so owners here may overwrite their own part of the leaves meanwhile. */
static void start_reduce(ls_exchange *ex, ls_bucket *b)
{
    const double start = ls_clock_s();
    const int n_cover = ex->net.n_cover;
    for (int d = 0; d < ls_job_size(ex->job); d++)
        for (int c = 0; c < n_cover && b->to.count[d] > 0; c++)
            pack_part(ex, b, c, d, b->send + b->to.first[d] + c * (b->to.count[d] / n_cover));
    MPI_Ialltoallv(b->send, b->to.count, b->to.first, MPI_FLOAT, b->receive, b->from.count, b->from.first, MPI_FLOAT,
                   ex->net.reduce, &b->reduce);
    b->started = true;
    ex->times.network += ls_timeline_since(LS_EVENT_NETWORK, -1, start);
}

static void start_gather(ls_exchange *ex, ls_bucket *b)
{
    /* Disjoint parts of one vector: own part out, others' in.  Equal addresses would mean "in place" to Open MPI, so
     * the outgoing places count from one element further on. */
    MPI_Ialltoallv(ex->params + 1, b->out.count, b->out.first, MPI_FLOAT, ex->params, b->in.count, b->in.first,
                   MPI_FLOAT, ex->net.gather, &b->gather);
}

/* One after the other, in the order in which the next forward needs them: side by side they would share the link, and
 * the first would come as late as the last. */
static void start_next_gather(ls_exchange *ex)
{
    if (ex->net.next_gather < ex->n_buckets) start_gather(ex, &ex->bucket[ex->net.next_gather++]);
}

/* This rank's part of an all-gather is complete: tells the node. */
static void end_gather(ls_exchange *ex, const ls_bucket *b)
{
    atomic_fetch_add_explicit(&ex->state[b - ex->bucket].arrived, 1, memory_order_acq_rel);
    start_next_gather(ex);
}

/* Of all buckets up to this one: each begins when the one before has ended. */
static void finish_own_gathers(ls_exchange *ex, const ls_bucket *last)
{
    for (ls_bucket *b = ex->bucket; b <= last; b++) {
        if (b->gather == MPI_REQUEST_NULL) continue;
        wait_network(ex, &b->gather);
        end_gather(ex, b);
    }
}

/* Returns the number of messages under way. */
static int test_each(ls_exchange *ex)
{
    int n = 0;
    for (ls_bucket *b = ex->bucket; b < ex->bucket + ex->n_buckets; b++) {
        int done = 0;
        if (b->reduce != MPI_REQUEST_NULL) MPI_Test(&b->reduce, &done, MPI_STATUS_IGNORE);
        if (b->gather != MPI_REQUEST_NULL) {
            MPI_Test(&b->gather, &done, MPI_STATUS_IGNORE);
            if (done) end_gather(ex, b);
        }
        n += (b->reduce != MPI_REQUEST_NULL) + (b->gather != MPI_REQUEST_NULL);
    }
    return n;
}

/* MPI moves one fragment (128 KB by TCP) a call, and between two products megabytes may have come: goes on while calls
 * take the time of moving, not of looking. */
static void test_messages(ls_exchange *ex)
{
    enum { MAX_SWEEPS = 100 };
    const double moving_s = 8e-6;
    double now = ls_clock_s();
    for (int i = 0; i < MAX_SWEEPS; i++) {
        const double start = now;
        const int n = test_each(ex);
        now = ls_clock_s();
        if (n == 0 || now - start < moving_s) return;
    }
}

void ls_exchange_poll(ls_exchange *ex)
{
    if (!ex->several) return;
    ls_links *net = &ex->net;
    const uint64_t wanted = (net->round + 1) * ex->n_local;
    for (; net->next_start >= 0; net->next_start--) {
        if (atomic_load_explicit(&ex->state[net->next_start].ready, memory_order_acquire) < wanted) break;
        start_reduce(ex, &ex->bucket[net->next_start]);
    }
    test_messages(ex);
}

void ls_exchange_ready(ls_exchange *ex, int tensor)
{
    if (!ex->several) return;
    ls_links *net = &ex->net;
    for (; net->next_ready >= 0 && ex->bucket[net->next_ready].first_tensor >= tensor; net->next_ready--)
        atomic_fetch_add_explicit(&ex->state[net->next_ready].ready, 1, memory_order_acq_rel);
    ls_exchange_poll(ex);
}

static void end_wait(ls_exchange *ex, double start)
{
    const double took = ls_timeline_since(LS_EVENT_WAIT, -1, start);
    ls_board_go(start + took);
    ex->times.wait += took;
}

/* Waits until the whole node has a bucket's parameters. */
static void await_bucket(ls_exchange *ex, ls_bucket *b)
{
    finish_own_gathers(ex, b);
    const double start = ls_clock_s();
    const uint64_t wanted = ex->net.gathered * ex->n_local;
    ls_board_wait(LS_WAIT_NODE, start);
    while (atomic_load_explicit(&ex->state[b - ex->bucket].arrived, memory_order_acquire) < wanted) {
        ls_exchange_poll(ex);
        sched_yield();
    }
    end_wait(ex, start);
}

void ls_exchange_await(ls_exchange *ex, int tensor)
{
    if (!ex->several) return;
    int b = ex->n_buckets - 1;
    while (ex->bucket[b].first_tensor > tensor) b--;
    await_bucket(ex, &ex->bucket[b]);
}

void ls_exchange_settle(ls_exchange *ex)
{
    for (int b = 0; ex->several && b < ex->n_buckets; b++) await_bucket(ex, &ex->bucket[b]);
}

/* Blocks of others are 0 in the sum that shares the values. */
static void clear_block_values(ls_exchange *ex, int stage)
{
    memset(ls_exchange_block_values(ex, stage, 0), 0, (size_t)ex->n_blocks * LS_BLOCK_VALUES * sizeof(double));
}

static void await_sums(ls_exchange *ex, ls_bucket *b)
{
    const double start = ls_clock_s();
    ls_board_wait(LS_WAIT_NODE, start);
    for (; !b->started; sched_yield()) ls_exchange_poll(ex);
    end_wait(ex, start);
    wait_network(ex, &b->reduce);
    b->started = false;
}

/* The first stage awaits a bucket's sums. */
static void run_stage(ls_exchange *ex, const ls_stages *stages, int stage)
{
    clear_block_values(ex, stage);
    for (int k = ex->n_buckets - 1; k >= 0; k--) {
        ls_bucket *b = &ex->bucket[k];
        if (stage == 0) await_sums(ex, b);
        ls__visit_bucket(ex, b, stages, stage);
    }
}

/* Shares a stage's block values.  Those of others count as 0, and x + 0 = x: the sum is exact in any order. */
static void share(ls_exchange *ex, int stage)
{
    const double start = ls_clock_s();
    LS_WAITING(MPI_Allreduce(MPI_IN_PLACE, ls_exchange_block_values(ex, stage, 0),
                             (int)(ex->n_blocks * LS_BLOCK_VALUES), MPI_DOUBLE, MPI_SUM, ex->job->comm));
    ex->times.network += ls_timeline_since(LS_EVENT_NETWORK, -1, start);
}

/* Own all-gathers of the last round end first: the counts of a bucket then never run ahead by a round. */
void ls__network_run(ls_exchange *ex, const ls_stages *stages)
{
    ls_links *net = &ex->net;
    finish_own_gathers(ex, &ex->bucket[ex->n_buckets - 1]);
    ls_exchange_ready(ex, 0);
    for (int s = 0; s < stages->n; s++) {
        if (s > 0) share(ex, s - 1);
        if (s > 0) stages->between(stages->context, s);
        run_stage(ex, stages, s);
    }
    net->round++;
    net->gathered++;
    net->next_gather = 0;
    start_next_gather(ex);
    net->next_ready = net->next_start = ex->n_buckets - 1;
    const double start = ls_clock_s();
    ls__gather_records(ex);
    ex->times.network += ls_timeline_since(LS_EVENT_NETWORK, -1, start);
    if (stages->share_last) share(ex, stages->n - 1);
}

void ls__gather_records(ls_exchange *ex)
{
    ls_links *net = &ex->net;
    const int rank = ls_job_rank(ex->job), size = ls_job_size(ex->job);
    net->packed[0] = ex->words[ls_job_local_rank(ex->job) * LS_WORD_STRIDE];
    memcpy(net->packed + 1, ls_exchange_record(ex, ex->first_shard),
           (size_t)(net->records.count[rank] - 1) * sizeof(double));
    LS_WAITING(MPI_Allgatherv(net->packed, net->records.count[rank], MPI_DOUBLE, net->unpacked, net->records.count,
                              net->records.first, MPI_DOUBLE, ex->job->comm));
    double *record = ex->all_records;
    for (int r = 0; r < size; r++) {
        const double *from = net->unpacked + net->records.first[r];
        ex->all_words[r] = (uint32_t)from[0];
        memcpy(record, from + 1, (size_t)(net->records.count[r] - 1) * sizeof(double));
        record += net->records.count[r] - 1;
    }
}

void ls_exchange_publish(ls_exchange *ex)
{
    if (ex->replicated) return; /* every rank has written all of its own */
    for (int b = 0; ex->several && b < ex->n_buckets; b++) start_gather(ex, &ex->bucket[b]);
    ex->net.gathered++;
    ls_exchange_settle(ex);
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
}

void ls_exchange_publish_root(ls_exchange *ex)
{
    enum { PIECE = 1 << 28 };
    const ls_job *job = ex->job;
    if (ex->replicated) {
        ls_job_broadcast(job, 0, ex->params, (size_t)ex->n_floats * sizeof(float));
        return;
    }
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
    if (job->leaders != MPI_COMM_NULL)
        for (int64_t at = 0; at < ex->n_floats; at += PIECE)
            LS_WAITING(MPI_Bcast(ex->params + at, (int)(ex->n_floats - at < PIECE ? ex->n_floats - at : PIECE),
                                 MPI_FLOAT, 0, job->leaders));
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
}
