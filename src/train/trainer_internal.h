/** The trainer inside: its state, and the steps of an iteration, of a save and of an evaluation that its files hold. */
#ifndef LOCKSTEP_TRAIN_TRAINER_INTERNAL_H
#define LOCKSTEP_TRAIN_TRAINER_INTERNAL_H

#include "lockstep/exchange.h"
#include "lockstep/loss.h"
#include "lockstep/metrics.h"
#include "lockstep/network.h"
#include "lockstep/optimizer.h"
#include "lockstep/sampler.h"
#include "lockstep/schedule.h"
#include "lockstep/trainer.h"
#include "train/data.h"
#include "train/pace.h"
#include "train/reading.h"
#include "train/saver.h"
#include "train/scorer.h"
#include "train/statistics.h"
#include "train/watch.h"

/** Numbers of a shard's record behind its ls_loss_sums. */
enum { LS_RECORD_SQUARES = 3 };

typedef struct ls_progress {
    bool shown, terminal;
    double printed_s;
} ls_progress;

/** A save that may be under way. */
typedef struct ls_saving {
    ls_saver *saver;    /* rank 0, when there is a run directory */
    bool background;    /* the saver has a copy of its own: the same on all ranks */
    ls_save pending;    /* begun and not settled: on all ranks; of no file: none */
    bool told;          /* rank 0: its lines are written */
    bool failed;        /* rank 0's word of the last iteration said so */
    bool wanted, asked; /* this rank's next word asks for one; some rank's word of the last iteration did */
    double asked_s;     /* when that was last so; before: NaN */
    double stall_s;     /* that training stood still for it */
    double best_before; /* state.best_saved without the pending best */
} ls_saving;

struct ls_trainer {
    const ls_job *job;
    const ls_config *config;
    const ls_data *data;
    ls_trainer_options options;
    ls_plan plan;
    ls_network *network;
    ls_loss *loss;
    ls_optimizer *optimizer;
    ls_schedule *schedule;
    ls_exchange *exchange;
    ls_executor *executor;
    ls_scorer *scorer;
    ls_sampler sampler;
    int64_t seed_init, seed_dropout, seed_augment;

    int64_t group_rows;       /* rows that fit the executor */
    ls_run *runs;             /* [ls_plan_max_runs] */
    float **gradients;        /* [this rank's shards] where each is written; pairs share one */
    float *private_gradients; /* of leaves that are merged into others */
    ls_merge *merges;         /* [n_merges] that make this rank's subtrees, rising */
    int n_merges;
    int64_t *ids;                         /* [group_rows] */
    int32_t *labels;                      /* [group_rows] */
    float *targets;                       /* [group_rows, n_targets] */
    float *slots[LS_OPTIMIZER_MAX_SLOTS]; /* of this rank's slice */
    float *ema;                           /* of this rank's slice: the parameters' moving average; NULL: none */
    ls_stages stages;                     /* of an update */
    unsigned parts[LS_MAX_STAGES];        /* what each stage does */
    double *p_norm, *step_norm;           /* [tensors] when the optimizer prepares */
    double clip;                          /* factor of this iteration's gradient */
    int *tensor_of;                       /* [layers] first tensor of a layer or of the next one that has any */
    ls_pass_hooks hooks;
    ls_statistics statistics;
    ls_reading reading;

    bool came_from_elsewhere; /* resumed from a given path: not yet saved in the run directory */
    bool pairs; /* a right leaf, where its left one is here, is added to that one's gradient by its products */

    ls_run_state state;
    ls_watch watch;
    double lr, mean_loss, accuracy, gradient_norm; /* of the last iteration; the norm of the last line, or clipping */
    float divisor;                                 /* samples of the batch at hand */
    bool line_due, want_norm, time_is_up, signalled;
    double start_s, iteration_s;
    ls_phase_times times;
    ls_pace pace;
    int64_t samples;

    uint64_t *verify; /* memory of a comparison; NULL: not asked, or there is one copy alone */

    ls_saving save;
    ls_metrics *metrics; /* rank 0 */
    ls_progress progress;
    ls_status output_status; /* rank 0: a metrics line could not be written */
    ls_evaluation evaluation[LS_N_SETS];
    int64_t evaluated_at; /* iteration of the last evaluation; -1: none */
    int64_t saved_at;     /* iteration of the last checkpoint; -1: none */
};

/** The runs of this rank's shards in a batch of so many rows, into trainer->runs; returns their number. */
int ls__batch_runs(ls_trainer *trainer, int64_t batch_rows);

/** The shard is the right leaf of a pair whose left leaf is written by this rank too. */
bool ls__is_right(const ls_trainer *trainer, int shard);

/** Places for the gradients of this rank's shards, and the merges of the tree among them; after the exchange is made.
 *  Not collective.  LS_ENOMEM. */
ls_status ls__create_gradients(ls_trainer *trainer);

/** All merges, over whole vectors: for an iteration whose passes could not do them. */
void ls__merge_gradients(ls_trainer *trainer);

/** Of runs [i, n_runs): the end of the first group that fits the executor; makes its rows count from 0. */
int ls__next_group(ls_trainer *trainer, int i, int n_runs);

/** Shortcuts that give the bits of separate products on this machine: decides on pairs, before the exchange is made
 * (collective; errors are agreed), and on shared products, when the executor is there (not collective). */
ls_status ls__try_pairs(ls_trainer *trainer);
ls_status ls__try_sharing(ls_trainer *trainer);

/** Several nodes: lets the exchange's messages travel under forward and backward.  Not collective. */
ls_status ls__create_hooks(ls_trainer *trainer);

/** Computes, exchanges and updates; advances state.iteration.  Collective. */
ls_status ls__iterate(ls_trainer *trainer);

/** Plans the stages of an update for the trainer's optimizer.  LS_ENOMEM. */
ls_status ls__create_update(ls_trainer *trainer);

/** The exchange of an iteration: mean gradient, clipping, the optimizer's step, the moving average.  Collective. */
void ls__exchange_and_update(ls_trainer *trainer);

/** Exchanges the node's parameters with their moving average: forth, and back again.  Collective. */
void ls__swap_ema(ls_trainer *trainer);

/** Evaluates the held-out sets that are due (`all`: every one), and writes their lines.  *best: the state is to be
 *  saved as the best so far; NULL: not asked.  Collective. */
ls_status ls__evaluate(ls_trainer *trainer, bool all, bool *best);

/** What rank 0 writes checkpoints with; after the buffers.  Collective; errors are agreed. */
ls_status ls__create_saver(ls_trainer *trainer);

/** Begins to save the state as best.safetensors, or as the numbered checkpoint with `latest` and pruning, or both.  The
 *  save before is waited for.  Failures other than divergence are warnings, told now or when the save is settled: then
 *  state.best_saved is again save.best_before.  The same status everywhere.  Collective. */
ls_status ls__save_or_warn(ls_trainer *trainer, bool best, bool numbered);

/** The numbered checkpoint is there on return, or the failure is returned.  Collective. */
ls_status ls__save_now(ls_trainer *trainer);

/** Waits for a save under way and makes its failure a common warning.  Collective. */
ls_status ls__save_settle_or_warn(ls_trainer *trainer);

/** After an iteration: writes the line of a save that has ended, or settles one that has failed.  Collective. */
ls_status ls__save_look(ls_trainer *trainer);

/** At the end of a run, whatever ended it: rank 0 waits for a save under way and writes its line, or warns that it
 *  failed; elsewhere nothing.  Not collective. */
void ls__save_end(ls_trainer *trainer);

/** Prepares what runtime.verify_every asks; after the exchange is made.  Not collective.  LS_ENOMEM. */
ls_status ls__verify_create(ls_trainer *trainer);

/** Compares the copies of the parameters, if that was asked.  LS_EREPLICA: they differ; the same on all ranks.
 *  Collective. */
ls_status ls__verify(ls_trainer *trainer);

/** The same in an iteration that it is due in, before the update, which would share a wrong slice with all. */
ls_status ls__verify_when_due(ls_trainer *trainer);

/** Vectors that their owners keep: the optimizer's slots, and the moving average behind them. */
int ls__n_kept(const ls_trainer *trainer);
float *ls__kept(const ls_trainer *trainer, int i);
/** "optimizer.<slot>.<name>", or "ema.<name>" */
void ls__kept_name(const ls_trainer *trainer, int i, int tensor, char out[128]);

/** Metadata keys of the sets' hashes. */
extern const char *const ls__hash_keys[LS_N_SETS];

/** Start values, or those of the checkpoint that options.resume names.  Collective. */
ls_status ls__restore(ls_trainer *trainer);

/** Start values from the file that train.init_from names, read by rank 0.  Collective; errors are agreed. */
ls_status ls__init_from_file(ls_trainer *trainer);

/** Lines for people; rank 0 only. */
void ls__progress_start(ls_trainer *trainer);
void ls__progress_iteration(ls_trainer *trainer);
void ls__progress_evaluation(ls_trainer *trainer, int which);
void ls__progress_clear(ls_trainer *trainer);

/** The lines of metrics.jsonl: of the start, of an iteration, of an evaluation and of the end. */
void ls__metrics_start(ls_trainer *trainer);
void ls__metrics_train(ls_trainer *trainer);
void ls__metrics_evaluation(ls_trainer *trainer, int which, double seconds);
void ls__metrics_finish(ls_trainer *trainer, const ls_training_result *result, const char *reason);

#endif
