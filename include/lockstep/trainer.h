/** The trainer: runs a configuration on a job, one synchronized update an iteration.
 *
 * P1 every parameter has one owner that updates it; P2 the bits do not depend on the rank count; P3 gradients are
 * summed and divided once, by the batch's true sample count; P4 a killed and resumed run is the same run; P6 an
 * iteration allocates nothing; P7 a failure on one rank is returned on all. */
#ifndef LOCKSTEP_TRAINER_H
#define LOCKSTEP_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/checkpoint.h"
#include "lockstep/config.h"
#include "lockstep/job.h"
#include "lockstep/linkage.h"
#include "lockstep/plan.h"

LS_BEGIN_DECLS

enum { LS_TRAIN, LS_VALIDATION, LS_TEST, LS_N_SETS };

/** The data sets of a run: in node memory, once per node, the same everywhere. */
typedef struct ls_data ls_data;

typedef enum ls_stop_reason {
    LS_STOP_LENGTH,
    LS_STOP_TARGET,
    LS_STOP_PATIENCE,
    LS_STOP_TIME,
    LS_STOP_SIGNAL
} ls_stop_reason;

/** A held-out set's means over all its samples. */
typedef struct ls_evaluation {
    bool present;
    int64_t n;
    double loss, accuracy;         /* accuracy NaN for regression */
    double ema_loss, ema_accuracy; /* of the parameters' moving average; NaN when there is none */
} ls_evaluation;

/** The share of n samples that is wrong where `accuracy` is right, as a quotient of whole numbers: 1 - 0.9 would lie
 *  strictly below 0.1.  NaN stays NaN. */
double ls_error_of(double accuracy, int64_t n);

/** Seconds of this rank, by phase. */
typedef struct ls_phase_times {
    double data, forward, backward, wait, network, tiles, update, evaluation, saving, total;
} ls_phase_times;

/** A rank that was slower than the rest, by its time a sample; rank -1: none. */
typedef struct ls_slow_rank {
    int rank;
    double factor; /* over the median of the others */
    double lost_s; /* that it took longer than that */
} ls_slow_rank;

typedef struct ls_training_result {
    ls_stop_reason reason;
    int64_t iteration, first_iteration; /* completed; where this process began */
    int64_t samples;                    /* trained on by this process */
    double loss;                        /* of the last batch */
    ls_evaluation validation, test;
    ls_phase_times times;
    ls_slow_rank slow;
    uint64_t params_hash; /* rank 0 */
} ls_training_result;

/** How a run touches the world; all of it may be zero: then nothing is read, written or printed. */
typedef struct ls_trainer_options {
    const char *run_directory;  /* for checkpoints and metrics; NULL: none */
    const char *data_directory; /* for relative data paths, told in checkpoints; may be NULL */
    const char *resume;         /* NULL, "auto" or a path */
    bool overwrite;             /* the directory's former run goes, once this one is ready */
    bool show_progress;
    int64_t look_every; /* > 0: iterations between looks at the run, which noise.every of `auto` keeps in step with */
    bool time_updates;  /* measure the optimizer inside the exchange, tile by tile; costs a few per cent */
} ls_trainer_options;

/** Makes this process ready to train: BLAS threads, what signals ask (where ls_stop_install was called), and what
 *  ls_trainer_check_ranks asks of the ranks.  Once, before data are loaded.  Collective. */
ls_status ls_trainer_prepare(const ls_job *job, const ls_config *config);

/** Loads all sets of the configuration.  Relative paths are looked up where the configuration lies, then in
 *  data_directory, which may be NULL.  Collective; errors are agreed. */
ls_status ls_data_load(const ls_job *job, const ls_config *config, const char *data_directory, ls_data **out);
void ls_data_destroy(ls_data **data);

typedef struct ls_trainer ls_trainer;

/** Builds everything for a run and restores or initialises its state.  Borrows job, config and data.  Collective;
 *  errors are the same on all ranks. */
ls_status ls_trainer_create(const ls_job *job, const ls_config *config, const ls_data *data,
                            const ls_trainer_options *options, ls_trainer **out);
/** Collective. */
void ls_trainer_destroy(ls_trainer **trainer);

/** Trains to the end.  LS_ESTOPPED when a signal (lockstep/stop.h) ended it and the state is saved, LS_ETARGET when a
 * target was set and not reached, LS_EDIVERGED when the loss is not finite, LS_EREPLICA when runtime.verify_every
 * found copies that differ (nothing more is saved), LS_EOUTPUT when the final state could not be written; *result is
 * filled in all of these cases.  Collective. */
ls_status ls_trainer_run(ls_trainer *trainer, ls_training_result *result);

/** One iteration, for studies, benchmarks and tests.  LS_EDIVERGED and LS_EREPLICA as ls_trainer_run.  Collective. */
ls_status ls_trainer_step(ls_trainer *trainer);

/** A signal (lockstep/stop.h) had come to some rank when the last iteration ended; the same on all. */
bool ls_trainer_signalled(const ls_trainer *trainer);

/** Asks for a save, on any rank: not collective.  ls_trainer_save_asked tells it to all once the next iteration has
 *  ended, as it tells of a signal that asks for one; the same on all ranks. */
void ls_trainer_ask_save(ls_trainer *trainer);
bool ls_trainer_save_asked(const ls_trainer *trainer);

/** Writes the state as DIRECTORY/ckpt-N.safetensors, N being completed iterations, for options.resume; of a trainer
 * that was made without a run directory.  Makes the directory, whose text it borrows from now on.  LS_EDIVERGED when
 *  parameters are not finite; LS_EOUTPUT.  Collective; the same status everywhere. */
ls_status ls_trainer_save(ls_trainer *trainer, const char *directory);

/** Means of the parameters as they are over one set (LS_VALIDATION, LS_TEST), which must be there; the
 *  run's state, lines and clock of training know nothing of it.  What is not finite is told as it is.  Collective. */
ls_status ls_trainer_evaluate_set(ls_trainer *trainer, int which, ls_evaluation *out);

/** Evaluates every held-out set into *result; for benchmarks and tests.  Collective. */
ls_status ls_trainer_evaluate(ls_trainer *trainer, ls_training_result *result);

/** Shortcuts in use (configuration key runtime.shortcuts): layers with parameters whose products are shared by all rows
 *  of this rank in a full batch, of n_layers; and whether right leaves are added to their left neighbours. */
typedef struct ls_shortcuts {
    int n_layers, forward, backward;
    bool pairs;
} ls_shortcuts;
void ls_trainer_shortcuts(ls_trainer *trainer, ls_shortcuts *out);

/** The arithmetic of the run, borrowed from the trainer; and its parameters' number. */
const ls_plan *ls_trainer_plan(const ls_trainer *trainer);
int64_t ls_trainer_n_params(const ls_trainer *trainer);
/** Seconds by phase so far. */
ls_phase_times ls_trainer_times(const ls_trainer *trainer);
/** Hash of the parameters of this node and of the buffers, as ls_checkpoint_params_hash gives it.  Waits for messages
 *  that still bring parameters: on several nodes all ranks call it. */
uint64_t ls_trainer_params_hash(const ls_trainer *trainer);
/** The gradient noise scale by the last readings (configuration key noise.every). */
ls_noise ls_trainer_noise(const ls_trainer *trainer);
/** Mean loss of the last iteration's batch. */
double ls_trainer_loss(const ls_trainer *trainer);

/** Version, commit and hash of the program that runs: "0.1.0 1a2b3c4 0123456789abcdef". */
void ls_trainer_build(char out[256]);

/** All ranks run the same build, BLAS kernel type, thread count and libm (P2), and have room for matrix products.
 *  Collective.  LS_EUSAGE, LS_ENOMEM. */
ls_status ls_trainer_check_ranks(const ls_job *job);

LS_END_DECLS

#endif
