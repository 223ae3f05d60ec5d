#include "lockstep/plan.h"

#include <inttypes.h>

#include "base/mem.h"
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

static ls_phase phase_of(int64_t n_samples, int64_t batch_size, bool drop_last)
{
    const int64_t batches = (n_samples + batch_size - 1) / batch_size;
    return (ls_phase){.batch_size = batch_size,
                      .iterations_per_epoch = drop_last ? n_samples / batch_size : batches,
                      .last_batch_size = drop_last ? batch_size : n_samples - batch_size * (batches - 1)};
}

/* One phase, or those of batch.schedule, one after the other. */
static ls_status lay_out_course(const ls_config *config, int64_t n_samples, ls_course *course)
{
    const int n = config->batch.n_phases;
    course->n_phases = n > 0 ? n : 1;
    for (int k = 0; k < course->n_phases; k++) {
        const int64_t b = n > 0 ? config->batch.phase[k].size : config->batch.global_batch_size;
        LS_REQUIRE(!config->batch.drop_last || b <= n_samples, LS_EUSAGE,
                   "%s %" PRId64 ", the training set has %" PRId64
                   " samples: with batch.drop_last no batch would be left; make it smaller or set drop_last: false",
                   n > 0 ? "'batch.schedule' has the size" : "'batch.global_batch_size' is", b, n_samples);
        ls_phase *phase = &course->phase[k];
        *phase = phase_of(n_samples, b, config->batch.drop_last);
        if (k == 0) continue;
        const ls_phase *before = phase - 1;
        phase->first_epoch = config->batch.phase[k].epoch;
        phase->first_iteration =
            before->first_iteration + (phase->first_epoch - before->first_epoch) * before->iterations_per_epoch;
    }
    return LS_OK;
}

/* What any product of epochs, iterations and samples may come to (double counts them exactly). */
#define MAX_SAMPLES 9007199254740992

static ls_status check_length(const ls_config *config, int64_t n_samples)
{
    const ls_config *c = config;
    int64_t epochs = c->train.epochs != LS_AUTO ? c->train.epochs : 0, all;
    if (c->batch.n_phases > 0 && c->batch.phase[c->batch.n_phases - 1].epoch > epochs)
        epochs = c->batch.phase[c->batch.n_phases - 1].epoch;
    LS_REQUIRE(n_samples <= MAX_SAMPLES && ls_mul_i64(epochs, n_samples, &all) && all <= MAX_SAMPLES, LS_EUSAGE,
               "%" PRId64 " epochs of %" PRId64 " samples are more samples than 2^53; lower 'train.epochs'", epochs,
               n_samples);
    return LS_OK;
}

/* Whatever limit is reached first. */
static int64_t count_iterations(const ls_course *course, const ls_config *config)
{
    const int64_t max = config->train.max_iterations;
    if (config->train.epochs == LS_AUTO) return max;
    const int64_t by_epochs = ls_course_iterations(course, config->train.epochs);
    return max == LS_AUTO || by_epochs < max ? by_epochs : max;
}

int64_t ls_phase_largest(const ls_phase *phase)
{
    return phase->iterations_per_epoch == 1 ? phase->last_batch_size : phase->batch_size;
}

static int64_t largest_batch(const ls_plan *plan)
{
    int64_t largest = 0;
    for (const ls_phase *p = plan->course.phase; p < plan->course.phase + plan->course.n_phases; p++)
        if (ls_phase_largest(p) > largest) largest = ls_phase_largest(p);
    return largest;
}

/* The largest batch size that is named, so that a short training set makes no other micro-batches. */
static int64_t largest_size(const ls_course *course)
{
    int64_t largest = 0;
    for (int k = 0; k < course->n_phases; k++)
        if (course->phase[k].batch_size > largest) largest = course->phase[k].batch_size;
    return largest;
}

ls_status ls_plan_create(const ls_config *config, int64_t n_samples, ls_plan *out)
{
    ls_plan p = {.n_samples = n_samples, .drop_last = config->batch.drop_last};
    LS_REQUIRE(n_samples >= 1, LS_EUSAGE, "the training set is empty; look at the file of data.train and its 'limit'");
    LS_TRY(check_length(config, n_samples));
    LS_TRY(lay_out_course(config, n_samples, &p.course));
    const ls_phase *first = &p.course.phase[0];
    p.global_batch_size = first->batch_size;
    p.iterations_per_epoch = first->iterations_per_epoch;
    p.last_batch_size = first->last_batch_size;
    p.n_shards = config->batch.shards != LS_AUTO ? config->batch.shards : ls_plan_auto_shards(p.global_batch_size);
    p.micro_batch_size = config->batch.micro_batch_size != LS_AUTO
                             ? config->batch.micro_batch_size
                             : auto_micro_batch(largest_size(&p.course), p.n_shards);
    p.total_iterations = count_iterations(&p.course, config);
    int64_t all;
    LS_REQUIRE(ls_mul_i64(p.total_iterations, largest_batch(&p), &all) && all <= MAX_SAMPLES, LS_EUSAGE,
               "%" PRId64 " iterations of up to %" PRId64
               " samples are more samples than 2^53; lower 'train.max_iterations'",
               p.total_iterations, largest_batch(&p));
    *out = p;
    return LS_OK;
}

ls_batch ls_plan_batch(const ls_plan *plan, int64_t iteration)
{
    const ls_phase *phase = ls_course_phase(&plan->course, iteration);
    const int64_t in_epoch = ls_course_in_epoch(&plan->course, iteration);
    const bool last = in_epoch == phase->iterations_per_epoch - 1;
    return (ls_batch){.epoch = ls_course_epochs(&plan->course, iteration),
                      .first = in_epoch * phase->batch_size,
                      .rows = last ? phase->last_batch_size : phase->batch_size};
}

bool ls_plan_ends_epoch(const ls_plan *plan, int64_t iterations)
{
    return ls_course_in_epoch(&plan->course, iterations) == 0;
}

int64_t ls_plan_total_epochs(const ls_plan *plan)
{
    const int64_t n = plan->total_iterations;
    return ls_course_epochs(&plan->course, n) + !ls_plan_ends_epoch(plan, n);
}

int64_t ls_plan_max_rows(const ls_plan *plan, int size)
{
    const int64_t b = largest_batch(plan), shards = (plan->n_shards + size - 1) / size;
    const int64_t shard = (b + plan->n_shards - 1) / plan->n_shards, rows = shards * shard;
    return rows < b ? rows : b;
}

int64_t ls_plan_group_rows(const ls_plan *plan, int size, int64_t row_bytes, int64_t limit_mb)
{
    const int64_t all = ls_plan_max_rows(plan, size), fits = limit_mb * 1000000 / row_bytes;
    const int64_t batch = ls_plan_max_rows(plan, 1);
    const int64_t least = plan->micro_batch_size < batch ? plan->micro_batch_size : batch;
    const int64_t rows = all < fits ? all : fits;
    return rows > least ? rows : least;
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
    const int64_t epochs = config->eval.every_epochs, every = config->eval.every_iterations;
    const bool by_epochs =
        epochs > 0 && ls_plan_ends_epoch(plan, iteration) && ls_course_epochs(&plan->course, iteration) % epochs == 0;
    return by_epochs || (every > 0 && iteration % every == 0);
}

bool ls_plan_checkpoint_due(const ls_plan *plan, const ls_config *config, int64_t iteration)
{
    const int64_t every = config->checkpoint.every_iterations;
    return iteration == plan->total_iterations || (every > 0 && iteration % every == 0);
}
