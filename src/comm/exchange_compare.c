/* Are the copies of the parameters, one a node, the same?  Block by block, by hashes. */
#include <string.h>

#include "base/hash.h"
#include "comm/exchange_internal.h"

int ls_exchange_n_copies(const ls_exchange *ex)
{
    return ex->replicated ? ls_job_size(ex->job) : ls_job_n_nodes(ex->job);
}

size_t ls_exchange_compare_words(const ls_exchange *ex)
{
    const size_t pairs = 2 * (size_t)ex->n_blocks, copies = (size_t)ls_exchange_n_copies(ex);
    return pairs > copies ? pairs : copies;
}

static uint64_t hash_of(const ls_exchange *ex, int64_t b)
{
    return ls_hash_bytes(ex->params + ex->blocks[b].first, (size_t)ex->blocks[b].n * sizeof(float));
}

/* The largest hash of each block, and the complement of the smallest: the ranks of a node share its blocks. */
static void find_extremes(const ls_exchange *ex, uint64_t *words)
{
    const int n = ex->replicated ? 1 : (int)ex->n_local, mine = ex->replicated ? 0 : ls_job_local_rank(ex->job);
    memset(words, 0, 2 * (size_t)ex->n_blocks * sizeof *words);
    for (int64_t b = ls_shard_first(ex->n_blocks, n, mine); b < ls_shard_first(ex->n_blocks, n, mine + 1); b++) {
        words[2 * b] = hash_of(ex, b);
        words[2 * b + 1] = ~words[2 * b];
    }
    ls_job_max_words(ex->job, words, 2 * ex->n_blocks);
}

static int owner_of(const ls_exchange *ex, int64_t b)
{
    const ls_bucket *bucket = ex->bucket;
    while (b >= bucket->end_block) bucket++;
    int64_t first, end = bucket->first_block;
    int rank = -1;
    while (b >= end) ls__owned_blocks(ex, bucket, ++rank, &first, &end);
    return rank;
}

static void describe(const ls_exchange *ex, int64_t b, uint64_t *words, ls_difference *out)
{
    const int n = ls_exchange_n_copies(ex), mine = ex->replicated ? ls_job_rank(ex->job) : ls_job_node(ex->job);
    memset(words, 0, (size_t)n * sizeof *words);
    words[mine] = hash_of(ex, b);
    ls_job_max_words(ex->job, words, n);
    out->first = ex->blocks[b].first;
    out->n = ex->blocks[b].n;
    out->tensor = ex->blocks[b].tensor;
    out->owner = ex->replicated ? -1 : owner_of(ex, b);
    out->hash = words;
}

void ls_exchange_compare(ls_exchange *ex, uint64_t *words, ls_difference *out)
{
    int64_t found = -1;
    *out = (ls_difference){0};
    ls_exchange_settle(ex);
    find_extremes(ex, words);
    for (int64_t b = ex->n_blocks - 1; b >= 0; b--)
        if (words[2 * b] != ~words[2 * b + 1]) {
            out->n_blocks++;
            found = b;
        }
    if (found >= 0) describe(ex, found, words, out);
}
