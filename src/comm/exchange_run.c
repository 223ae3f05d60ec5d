/* One iteration of the exchange. */
#include <string.h>

#include "base/clock.h"
#include "base/timeline.h"
#include "comm/exchange_internal.h"

static ls_tile tile_of(const ls_exchange *ex, const ls_bucket *bucket, int64_t b)
{
    const ls_block *block = &ex->blocks[b];
    return (ls_tile){.first = block->first,
                     .n = block->n,
                     .slice_first = bucket->slice_first + block->first - bucket->own_first,
                     .block = b,
                     .tensor = block->tensor};
}

/* Where a rank's sums lie between stages: its own part of the first source, which nobody else reads any more. */
static float *kept_sum(const ls_exchange *ex, const ls_bucket *bucket, const ls_tile *tile)
{
    if (ex->replicated) return ex->replica.sum + tile->first;
    return bucket->source[0].data + (tile->first - bucket->source[0].base);
}

static float *sum_of(ls_exchange *ex, const ls_bucket *bucket, const ls_tile *tile, bool keep)
{
    float *kept = kept_sum(ex, bucket, tile);
    if (ex->replicated) return kept;
    float *sum = ls_sum_run(ex->sum, bucket->source, tile->first, tile->n, ex->scratch);
    if (!keep || sum == kept) return sum;
    memcpy(kept, sum, (size_t)tile->n * sizeof *sum);
    return kept;
}

void ls__visit_bucket(ls_exchange *ex, const ls_bucket *bucket, const ls_stages *stages, int stage)
{
    const double start = ls_clock_s();
    for (int64_t b = bucket->own_first_block; b < bucket->own_end_block; b++) {
        ls_tile tile = tile_of(ex, bucket, b);
        tile.stage = stage;
        tile.sum = stage == 0 ? sum_of(ex, bucket, &tile, stages->n > 1) : kept_sum(ex, bucket, &tile);
        stages->visit(stages->context, &tile);
    }
    ex->times.tiles += ls_timeline_since(LS_EVENT_TILES, -1, start);
}

void ls_exchange_each(ls_exchange *ex, ls_tile_fn visit, void *context)
{
    for (const ls_bucket *bucket = ex->bucket; bucket < ex->bucket + ex->n_buckets; bucket++)
        for (int64_t b = bucket->own_first_block; b < bucket->own_end_block; b++) {
            const ls_tile tile = tile_of(ex, bucket, b);
            visit(context, &tile);
        }
}

static void barrier(ls_exchange *ex)
{
    const double start = ls_clock_s();
    ls_barrier_wait(ex->barrier, ex->n_local, ex->spins);
    ex->times.wait += ls_timeline_since(LS_EVENT_WAIT, -1, start);
}

static void visit_all(ls_exchange *ex, const ls_stages *stages)
{
    for (int s = 0; s < stages->n; s++) {
        if (s > 0 && !ex->replicated) barrier(ex);
        if (s > 0) stages->between(stages->context, s);
        ls__visit_bucket(ex, &ex->bucket[0], stages, s);
    }
}

static void run_on_node(ls_exchange *ex, const ls_stages *stages)
{
    barrier(ex);
    memcpy(ex->all_records, ex->records, (size_t)ex->n_shards * LS_RECORD * sizeof(double));
    for (unsigned r = 0; r < ex->n_local; r++) ex->all_words[r] = ex->words[r * LS_WORD_STRIDE];
    visit_all(ex, stages);
    barrier(ex);
}

static void run_replicated(ls_exchange *ex, const ls_stages *stages)
{
    const double start = ls_clock_s();
    ls__gather_records(ex);
    ls__replica_allreduce(ex);
    ex->times.network += ls_timeline_since(LS_EVENT_NETWORK, -1, start);
    visit_all(ex, stages);
}

void ls_exchange_run(ls_exchange *ex, const ls_stages *stages)
{
    if (ex->replicated)
        run_replicated(ex, stages);
    else if (ex->several)
        ls__network_run(ex, stages);
    else
        run_on_node(ex, stages);
}
