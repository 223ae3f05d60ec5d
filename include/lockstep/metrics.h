/** metrics.jsonl: one JSON object a line and event, and the lines that people read.  Rank 0 only; not collective.
 *
 * Keys of every line: event, wall_s (seconds since this process began to train).  Events:
 *   start   version, commit, config, ranks, nodes, host_cores, blas_core, blas_threads, mpi, n_parameters, n_samples,
 *           iterations_per_epoch, total_iterations, shards, micro_batch_size, data_hash, iteration (resumed at),
 *           shared_forward_layers, shared_backward_layers, paired_leaves (shortcuts of equal bits that are in use)
 *   train   iteration, epoch, loss (mean over the batch), accuracy (classification), lr, gnorm, batch (samples),
 *           iteration_ms, samples_per_s
 *   eval    iteration, epoch, set, loss, accuracy and error (classification), n, seconds
 *   save    iteration, file, seconds
 *   warning iteration, text
 *   end     iteration, reason, seconds, samples_per_s, phase times in seconds
 * A number that is not finite is null. */
#ifndef LOCKSTEP_METRICS_H
#define LOCKSTEP_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

typedef struct ls_metrics ls_metrics;

/** Opens DIR/metrics.jsonl: new (replacing one), or with `resume` behind the lines of iterations <= keep_iteration, the
 *  rest being cut off.  LS_EOUTPUT. */
ls_status ls_metrics_open(const char *directory, bool resume, int64_t keep_iteration, ls_metrics **out);
void ls_metrics_close(ls_metrics **metrics);

/** Begins a line of an event; keys follow, then end.  NULL metrics are legal: nothing is written. */
void ls_metrics_begin(ls_metrics *metrics, const char *event);
void ls_metrics_int(ls_metrics *metrics, const char *key, int64_t value);
void ls_metrics_real(ls_metrics *metrics, const char *key, double value);
void ls_metrics_text(ls_metrics *metrics, const char *key, const char *value);
/** A value that is JSON already. */
void ls_metrics_json(ls_metrics *metrics, const char *key, const char *json);
void ls_metrics_end(ls_metrics *metrics);

/** LS_EOUTPUT when a line could not be written since the start. */
ls_status ls_metrics_status(const ls_metrics *metrics);

/** Hands all lines to the operating system.  LS_EOUTPUT. */
ls_status ls_metrics_flush(ls_metrics *metrics);

#endif
