/** metrics.jsonl: one JSON object a line and event; on request the same numbers as an event file of TensorBoard.  Rank
 * 0 only; not collective.
 *
 * Keys of every line: event, wall_s (seconds since the file was opened: data are loaded, training begins).  A number
 * that is not finite is null.  Events:
 *
 * start: version, commit, iteration (resumed at), ranks, nodes, binding (processors of rank 0), host_cores, mpi,
 * blas_core, blas_build, blas_threads, n_parameters, n_samples, global_batch_size, shards, micro_batch_size,
 * iterations_per_epoch, total_iterations, noise_every (resolved; 0: never), data_hash, shared_forward_layers,
 * shared_backward_layers, paired_leaves (shortcuts of equal bits that are in use), config.
 *
 * train: iteration, epoch, loss (mean over the batch), accuracy (classification), lr, gnorm (of the mean gradient,
 * before clipping), bnoise (gradient noise scale in samples, tr(Sigma) / |G|^2 over the last readings; null where it is
 * undetermined), bnoise_se (its standard error), noise_trace and noise_g2 (means of the estimates of tr(Sigma) and
 * |G|^2; null before the first), noise_readings (how many), batch (samples), iteration_ms, samples_per_s.
 *
 * eval: iteration, epoch, set, loss, accuracy and error (classification); with optimizer.ema also ema_loss,
 * ema_accuracy and ema_error; n, seconds (of all sets of this look).
 *
 * save: iteration (whose state it is), file, stall_s (that training stood still), write_s (of writing beside it; 0 when
 * training waited); written when the file is there.  warning: iteration, text.
 *
 * end: iteration, reason (length, target, patience, time, signal, or a status), params_hash, seconds, and of rank 0
 * data_s, forward_s, backward_s, wait_s, network_s, combine_update_s, evaluation_s, saving_s; slow_rank (one that took
 * longer for a sample than the rest, train/pace.h), slow_factor (so many times the others' median) and slow_s (so much
 * longer in all); null when there is none.
 *
 * TensorBoard: the numbers of train lines are scalars train/KEY, those of eval lines SET/KEY (test/accuracy), over the
 * iteration, as float; null is left out.  Every start makes a new file events.out.tfevents.TIME.HOST.lockstep in the
 * run directory. */
#ifndef LOCKSTEP_METRICS_H
#define LOCKSTEP_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

typedef struct ls_metrics ls_metrics;

typedef struct ls_metrics_options {
    bool resume;            /* keep what is there of iterations <= keep_iteration; else begin anew */
    int64_t keep_iteration; /* with resume */
    bool tensorboard;
} ls_metrics_options;

/** Opens DIR/metrics.jsonl: new (replacing one), or behind the lines that are kept, the rest being cut off; and an
 * event file.  LS_EOUTPUT. */
ls_status ls_metrics_open(const char *directory, const ls_metrics_options *options, ls_metrics **out);
void ls_metrics_close(ls_metrics **metrics);

/** Begins a line of an event; keys follow, then end.  Keys, and the value of "set", live until then.  NULL metrics are
 *  legal: nothing is written. */
void ls_metrics_begin(ls_metrics *metrics, const char *event);
void ls_metrics_int(ls_metrics *metrics, const char *key, int64_t value);
void ls_metrics_real(ls_metrics *metrics, const char *key, double value);
void ls_metrics_text(ls_metrics *metrics, const char *key, const char *value);
/** A value that is JSON already. */
void ls_metrics_json(ls_metrics *metrics, const char *key, const char *json);
void ls_metrics_end(ls_metrics *metrics);

/** LS_EOUTPUT when so many lines wait for a file that cannot be written (16 MB) that no more can; before that they
 *  wait for the next flush, and a warning has told. */
ls_status ls_metrics_status(const ls_metrics *metrics);

/** Hands all lines to the operating system.  LS_EOUTPUT: some wait. */
ls_status ls_metrics_flush(ls_metrics *metrics);

LS_END_DECLS

#endif
