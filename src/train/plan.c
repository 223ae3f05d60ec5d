#include "lockstep/plan.h"

#include <inttypes.h>

#include "base/option.h"
#include "lockstep/config.h"
#include "lockstep/job.h"

enum { MAX_AUTO_SHARDS = 8, ROWS_PER_AUTO_SHARD = 16, MAX_AUTO_MICRO_BATCH = 256 };

int64_t ls_plan_auto_shards(int64_t global_batch_size)
{
    int64_t shards = 1;
    while (2 * shards <= MAX_AUTO_SHARDS && 2 * shards * ROWS_PER_AUTO_SHARD <= global_batch_size) shards *= 2;
    return shards;
}

static int64_t auto_micro_batch(int64_t global_batch_size, int64_t n_shards)
{
    const int64_t shard = (global_batch_size + n_shards - 1) / n_shards;
    return shard < MAX_AUTO_MICRO_BATCH ? shard : MAX_AUTO_MICRO_BATCH;
}

static void count_iterations(ls_plan *p, const ls_config *config)
{
    const int64_t n = p->n_samples, b = p->global_batch_size, batches = (n + b - 1) / b;
    p->iterations_per_epoch = p->drop_last ? n / b : batches;
    p->last_batch_size = p->drop_last ? b : n - b * (batches - 1);
    const int64_t epochs = config->train.epochs, max = config->train.max_iterations;
    p->total_iterations = max;
    if (epochs != LS_AUTO && (max == LS_AUTO || epochs < max / p->iterations_per_epoch + 1)) {
        const int64_t by_epochs = epochs * p->iterations_per_epoch;
        if (max == LS_AUTO || by_epochs < max) p->total_iterations = by_epochs;
    }
}

ls_status ls_plan_create(const ls_config *config, int64_t n_samples, ls_plan *out)
{
    const int64_t b = config->batch.global_batch_size;
    ls_plan p = {.n_samples = n_samples, .global_batch_size = b, .drop_last = config->batch.drop_last};
    LS_REQUIRE(n_samples >= 1, LS_EUSAGE, "the training set is empty");
    LS_REQUIRE(!p.drop_last || b <= n_samples, LS_EUSAGE,
               "'batch.global_batch_size' is %" PRId64 ", the training set has %" PRId64
               " samples: with batch.drop_last no batch would be left; make it smaller or set drop_last: false",
               b, n_samples);
    p.n_shards = config->batch.shards != LS_AUTO ? config->batch.shards : ls_plan_auto_shards(b);
    p.micro_batch_size =
        config->batch.micro_batch_size != LS_AUTO ? config->batch.micro_batch_size : auto_micro_batch(b, p.n_shards);
    count_iterations(&p, config);
    *out = p;
    return LS_OK;
}

ls_batch ls_plan_batch(const ls_plan *plan, int64_t iteration)
{
    const int64_t in_epoch = iteration % plan->iterations_per_epoch;
    const bool last = in_epoch == plan->iterations_per_epoch - 1;
    return (ls_batch){.epoch = iteration / plan->iterations_per_epoch,
                      .first = in_epoch * plan->global_batch_size,
                      .rows = last ? plan->last_batch_size : plan->global_batch_size};
}

static int64_t largest_batch(const ls_plan *plan)
{
    return plan->iterations_per_epoch == 1 ? plan->last_batch_size : plan->global_batch_size;
}

int64_t ls_plan_max_rows(const ls_plan *plan, int size)
{
    const int64_t b = largest_batch(plan), shards = (plan->n_shards + size - 1) / size;
    const int64_t shard = (b + plan->n_shards - 1) / plan->n_shards, rows = shards * shard;
    return rows < b ? rows : b;
}

int64_t ls_plan_max_runs(const ls_plan *plan, int size)
{
    const int64_t shards = (plan->n_shards + size - 1) / size;
    const int64_t shard = (largest_batch(plan) + plan->n_shards - 1) / plan->n_shards;
    return shards * ((shard + plan->micro_batch_size - 1) / plan->micro_batch_size);
}

int ls_plan_runs(const ls_plan *plan, int64_t batch_rows, int64_t first_shard, int64_t end_shard, ls_run *runs)
{
    const int n_shards = (int)plan->n_shards;
    const int64_t origin = ls_shard_first(batch_rows, n_shards, (int)first_shard);
    int n = 0;
    for (int64_t s = first_shard; s < end_shard; s++) {
        const int64_t first = ls_shard_first(batch_rows, n_shards, (int)s);
        const int64_t end = ls_shard_first(batch_rows, n_shards, (int)s + 1);
        for (int64_t at = first; at < end; at += plan->micro_batch_size) {
            const int64_t rest = end - at;
            runs[n++] = (ls_run){.first = at - origin,
                                 .n = rest < plan->micro_batch_size ? rest : plan->micro_batch_size,
                                 .batch_row = at,
                                 .leaf = (int)(s - first_shard),
                                 .fresh = at == first};
        }
    }
    return n;
}

bool ls_plan_eval_due(const ls_plan *plan, const ls_config *config, int64_t iteration)
{
    const int64_t epochs = config->eval.every_epochs * plan->iterations_per_epoch,
                  every = config->eval.every_iterations;
    return (epochs > 0 && iteration % epochs == 0) || (every > 0 && iteration % every == 0);
}

bool ls_plan_checkpoint_due(const ls_plan *plan, const ls_config *config, int64_t iteration)
{
    const int64_t every = config->checkpoint.every_iterations;
    return iteration == plan->total_iterations || (every > 0 && iteration % every == 0);
}
