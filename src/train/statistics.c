#include "train/statistics.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "train/trainer_internal.h"

int ls__batch_sizes(const ls_course *course, int64_t sizes[2 * LS_MAX_PHASES])
{
    for (int k = 0; k < course->n_phases; k++) {
        sizes[2 * k] = ls_phase_largest(&course->phase[k]);
        sizes[2 * k + 1] = course->phase[k].last_batch_size;
    }
    return 2 * course->n_phases;
}

static ls_status check_shards(const ls_plan *plan, int64_t batch_rows)
{
    const int64_t s = plan->n_shards, largest = (batch_rows + s - 1) / s, smallest = batch_rows / s;
    LS_REQUIRE(largest <= plan->micro_batch_size, LS_EUSAGE,
               "'statistics: shard' takes all rows of a shard at once, but shards have %" PRId64
               " rows and 'batch.micro_batch_size' is %" PRId64 "; set it to %" PRId64
               ", or take more shards or 'statistics: batch'",
               largest, plan->micro_batch_size, largest);
    LS_REQUIRE(largest != 1 && smallest != 1, LS_EUSAGE,
               "'statistics: shard' needs two rows in a shard, but %s of %" PRId64 " samples in %" PRId64
               " shards leaves one in some; %s",
               batch_rows < plan->global_batch_size ? "the last batch of an epoch," : "a batch", batch_rows, s,
               batch_rows < plan->global_batch_size ? "set batch.drop_last: true, or change batch.shards"
                                                    : "lower batch.shards");
    return LS_OK;
}

/* PyTorch takes one image by itself, for its many pixels; a last batch of one sample is nobody's wish. */
static ls_status check_batch(const ls_plan *plan, const ls_layer *layer, int64_t batch_rows)
{
    LS_REQUIRE(batch_rows > 1 || plan->global_batch_size == 1, LS_EUSAGE,
               "the last batch of an epoch has one sample, from which no 'statistics: batch' are taken; set "
               "batch.drop_last: true or another batch.global_batch_size");
    LS_REQUIRE(batch_rows * (layer->n_in / layer->in.dim[0]) > 1, LS_EUSAGE,
               "'statistics: batch' needs two numbers in a channel, but a batch has one sample; raise "
               "batch.global_batch_size");
    return LS_OK;
}

ls_status ls_statistics_check(const ls_plan *plan, const ls_network *network)
{
    int64_t sizes[2 * LS_MAX_PHASES];
    const int n = ls__batch_sizes(&plan->course, sizes);
    for (int i = 0; i < ls_network_n_layers(network); i++) {
        const ls_layer *layer = ls_network_layer(network, i);
        ls_status status = LS_OK;
        for (int b = 0; b < n && status == LS_OK && layer->n_sums > 0; b++)
            status = layer->meets ? check_batch(plan, layer, sizes[b]) : check_shards(plan, sizes[b]);
        if (status != LS_OK) return ls_status_prefix(status, "layer %s (%s)", layer->path, layer->ops->name);
    }
    return LS_OK;
}

ls_status ls_statistics_check_memory(const ls_plan *plan, const ls_network *network, int64_t limit_mb, int size)
{
    const bool meets = ls_network_n_sums(network) > ls_network_n_shard_sums(network); /* some layer waits for all */
    const int64_t rows = ls_plan_max_rows(plan, size), row_bytes = ls_network_row_floats(network) * 4;
    LS_REQUIRE(!meets || ls_plan_group_rows(plan, size, row_bytes, limit_mb) >= rows, LS_EUSAGE,
               "'statistics: batch' needs the activations of all %" PRId64 " rows of a rank at once, %" PRId64
               " MB on %d rank%s; 'runtime.memory_limit' is %" PRId64 " MB: raise it, or use more ranks",
               rows, rows * row_bytes / 1000000 + 1, size, size == 1 ? "" : "s", limit_mb);
    return LS_OK;
}

static void meet(void *context, int64_t first, int64_t n, double *total)
{
    const ls_statistics *s = context;
    ls_reduction_run(s->reduction, s->leaf, first, n, total);
}

static ls_status allocate(ls_trainer *t)
{
    ls_statistics *s = &t->statistics;
    const int n_shards = ls_exchange_n_shards(t->exchange);
    const int64_t n = ls_network_n_sums(t->network);
    s->leaf = ls_calloc((size_t)n_shards, sizeof *s->leaf);
    s->block = ls_calloc((size_t)(n_shards * n), sizeof *s->block);
    s->total = ls_calloc((size_t)n, sizeof *s->total);
    LS_REQUIRE(s->leaf && s->block && s->total, LS_ENOMEM, "out of memory for statistics over a batch");
    for (int i = 0; i < n_shards; i++) s->leaf[i] = s->block + i * n;
    s->pass = (ls_pass_sums){.leaf = s->leaf, .total = s->total, .meet = meet, .context = s};
    return LS_OK;
}

ls_status ls__statistics_create(ls_trainer *t)
{
    const int64_t n = ls_network_n_sums(t->network);
    if (n == 0) return LS_OK;
    LS_TRY(ls_job_agree(t->job, allocate(t)));
    return ls_reduction_create(t->job, (int)t->plan.n_shards, n, &t->statistics.reduction);
}

void ls__statistics_destroy(ls_trainer *t)
{
    ls_reduction_destroy(&t->statistics.reduction);
    ls_free(t->statistics.leaf);
    ls_free(t->statistics.block);
    ls_free(t->statistics.total);
}

void ls__statistics_begin(ls_trainer *t, int64_t batch_rows)
{
    const size_t n = (size_t)ls_network_n_sums(t->network) * (size_t)ls_exchange_n_shards(t->exchange);
    t->statistics.pass.batch_rows = batch_rows;
    if (n > 0) memset(t->statistics.block, 0, n * sizeof(double));
}

void ls__statistics_end(ls_trainer *t, int64_t batch_rows)
{
    ls_statistics *s = &t->statistics;
    if (ls_network_n_sums(t->network) == 0) return;
    const int64_t n = ls_network_n_shard_sums(t->network); /* the others are there, since their layers met */
    if (n > 0) ls_reduction_run(s->reduction, s->leaf, 0, n, s->total);
    ls_network_finish(t->network, s->total, batch_rows);
}
