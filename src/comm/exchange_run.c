/* One iteration of the exchange. */
#include <string.h>

#include "base/clock.h"
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

void ls__update_bucket(ls_exchange *ex, const ls_bucket *bucket, ls_tile_fn update, void *context)
{
    const double start = ls_clock_s();
    for (int64_t b = bucket->own_first_block; b < bucket->own_end_block; b++) {
        ls_tile tile = tile_of(ex, bucket, b);
        tile.sum = ex->replicated ? ex->replica.sum + tile.first
                                  : ls_sum_run(ex->sum, bucket->source, tile.first, tile.n, ex->scratch);
        update(context, &tile);
    }
    ex->times.tiles += ls_clock_s() - start;
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
    ex->times.wait += ls_clock_s() - start;
}

static void run_on_node(ls_exchange *ex, ls_tile_fn update, void *context)
{
    barrier(ex);
    memcpy(ex->all_records, ex->records, (size_t)ex->n_shards * LS_RECORD * sizeof(double));
    for (unsigned r = 0; r < ex->n_local; r++) ex->all_words[r] = ex->words[r * LS_WORD_STRIDE];
    ls__update_bucket(ex, &ex->bucket[0], update, context);
    barrier(ex);
}

static void run_replicated(ls_exchange *ex, ls_tile_fn update, void *context)
{
    const double start = ls_clock_s();
    ls__gather_records(ex);
    ls__replica_allreduce(ex);
    ex->times.network += ls_clock_s() - start;
    ls__update_bucket(ex, &ex->bucket[0], update, context);
}

void ls_exchange_run(ls_exchange *ex, ls_tile_fn update, void *context, bool share_block_values)
{
    if (ex->replicated)
        run_replicated(ex, update, context);
    else if (ex->several)
        ls__network_run(ex, update, context, share_block_values);
    else
        run_on_node(ex, update, context);
}
