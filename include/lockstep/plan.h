/** The arithmetic of a run: epochs, batches, shards and micro-batches, fixed before it starts and asserted while it
 * runs.
 *
 * N samples, batches of B: an epoch has ceil(N/B) iterations, or floor(N/B) with drop_last; its last batch has
 * N - B (ceil(N/B) - 1) samples.  Each batch is cut into `n_shards` consecutive shards, these into micro-batches of at
 * most `micro_batch_size` rows.  With a batch-size schedule N / B is another from some epochs on; shards come from the
 * first B, automatic micro-batches from the largest.  None of it depends on ranks (P2).  Nothing here is collective. */
#ifndef LOCKSTEP_PLAN_H
#define LOCKSTEP_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/course.h"
#include "lockstep/layer.h"
#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_config;
struct ls_text;

typedef struct ls_plan {
    int64_t n_samples, global_batch_size, n_shards, micro_batch_size;
    bool drop_last;
    int64_t iterations_per_epoch, last_batch_size; /* of an epoch; equals B when it divides N or drop_last */
    int64_t total_iterations;
    ls_course course; /* the numbers above are those of its first phase */
} ls_plan;

/** One batch: the samples at positions [first, first + rows) of an epoch. */
typedef struct ls_batch {
    int64_t epoch, first, rows;
} ls_batch;

/** Resolves shards and micro-batches and counts iterations for n_samples training samples.  LS_EUSAGE when no batch
 *  fits (drop_last with B > N), or n_samples is 0. */
ls_status ls_plan_create(const struct ls_config *config, int64_t n_samples, ls_plan *out);

/** shards: auto = the largest power of two <= min(8, B / 16), at least 1. */
int64_t ls_plan_auto_shards(int64_t global_batch_size);

/** The batch that `iteration` (from 0) works on. */
ls_batch ls_plan_batch(const ls_plan *plan, int64_t iteration);

/** An epoch ends with the last of so many iterations. */
bool ls_plan_ends_epoch(const ls_plan *plan, int64_t iterations);

/** Epochs that the whole run begins. */
int64_t ls_plan_total_epochs(const ls_plan *plan);

/** Largest batch of a phase: what buffers must hold. */
int64_t ls_phase_largest(const ls_phase *phase);

/** Most rows that one rank of `size` may get, and most runs. */
int64_t ls_plan_max_rows(const ls_plan *plan, int size);
int64_t ls_plan_max_runs(const ls_plan *plan, int size);

/** Rows that such a rank works on at a time when a row takes so many bytes of activations and `limit_mb` is how many MB
 *  all may take: at least a micro-batch, at most all. */
int64_t ls_plan_group_rows(const ls_plan *plan, int size, int64_t row_bytes, int64_t limit_mb);

/** The micro-batches of shards [first_shard, end_shard) of a batch of `batch_rows` rows, as runs over consecutive rows
 *  from 0; leaf counts from first_shard.  Empty shards have no run.  Returns the number of runs. */
int ls_plan_runs(const ls_plan *plan, int64_t batch_rows, int64_t first_shard, int64_t end_shard, ls_run *runs);

/** Evaluation falls due after `iteration` completed ones: the grid of looks that target, patience and best go by.  (A
 * run evaluates at its end too, but that end is no part of the grid: the run may be made longer.) */
bool ls_plan_eval_due(const ls_plan *plan, const struct ls_config *config, int64_t iteration);

/** A checkpoint falls due after `iteration` completed ones; the last iteration always does. */
bool ls_plan_checkpoint_due(const ls_plan *plan, const struct ls_config *config, int64_t iteration);

LS_END_DECLS

#endif
