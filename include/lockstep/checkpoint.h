/** Checkpoints: safetensors files that hold the parameters, the optimizer's slots, and the state and configuration of
 *  the run (P4).  DIR/ckpt-%08d.safetensors, the number being completed iterations; DIR/latest is a link to the newest;
 *  DIR/best.safetensors.  Their bytes do not depend on the rank count.
 *
 * Names: "<position>.weight", "optimizer.<slot>.<name>", "ema.<name>".  Metadata, all texts: xxh3, format_version,
 * lockstep_version, commit, blas_core, iteration, epoch, shards, micro_batch_size, config (JSON), config_directory,
 * data_directory, data_hash, validation_hash, test_hash, best_value, best_saved, stale_evaluations, target_reached,
 * noise_readings, input_shape.  Nothing in this header is collective. */
#ifndef LOCKSTEP_CHECKPOINT_H
#define LOCKSTEP_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/layer.h"
#include "lockstep/linkage.h"
#include "lockstep/noise.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_safetensors;
struct ls_stored_tensor;
struct ls_network;

#define LS_CHECKPOINT_FORMAT "1"
#define LS_EMA_PREFIX        "ema."
#define LS_BEST_NAME         "best.safetensors"

/** What a run needs besides parameters and slots to go on as if never interrupted; plain bytes. */
typedef struct ls_run_state {
    int64_t iteration;         /* completed updates */
    double best_value;         /* of the watched metric; NaN: none yet */
    double best_saved;         /* of checkpoint.best; NaN: none yet */
    int64_t stale_evaluations; /* since best_value improved */
    int64_t target_reached;    /* the target was reached at this iteration: nothing is left to do; -1: not yet */
    ls_noise_window noise;     /* readings of the gradient noise scale */
} ls_run_state;

typedef struct ls_checkpoint {
    struct ls_safetensors *file;
    char *path;
    ls_run_state state;
    ls_shape input;
} ls_checkpoint;

/** Opens a checkpoint and verifies its structure and hash.  LS_ECHECKPOINT, LS_ENOMEM. */
ls_status ls_checkpoint_open(const char *path, ls_checkpoint **out);
void ls_checkpoint_close(ls_checkpoint **checkpoint);

/** Opens what `which` names in a run directory: "auto" is the newest whole checkpoint (a damaged one is warned about
 * and the one before is tried; *out is NULL when there is none at all), anything else a path. */
ls_status ls_checkpoint_find(const char *run_directory, const char *which, ls_checkpoint **out);

/** The stored tensor `name`, which must have the shape of `tensor`.  LS_ECHECKPOINT names it. */
ls_status ls_checkpoint_tensor(const ls_checkpoint *checkpoint, const char *name, const ls_tensor *tensor,
                               const struct ls_stored_tensor **out);

/** Copies the parameters into a flat vector [n_floats] of a network, and the buffers into the network.  LS_ECHECKPOINT
 *  names a tensor that is missing or has another shape. */
ls_status ls_checkpoint_load_params(const ls_checkpoint *checkpoint, const struct ls_network *network, float *params);

/** The same with their moving average for the parameters.  LS_EUSAGE when there is none. */
ls_status ls_checkpoint_load_ema(const ls_checkpoint *checkpoint, const struct ls_network *network, float *params);

/** Fills a flat vector [n_floats] of a network from any safetensors file with the names and shapes of PyTorch's
 *  nn.Sequential: F32, or F64, F16 and BF16, which are converted.  The optimizer.* and ema.* tensors of a checkpoint
 * and the *.num_batches_tracked of PyTorch are passed over.  LS_ECHECKPOINT names every tensor that is missing,
 * unexpected or of another shape, or that holds a value that is not finite. */
ls_status ls_checkpoint_read_weights(const char *path, const struct ls_network *network, float *params);

/** XXH3 of all parameters' and then all buffers' bytes in order, without optimizer slots and moving average. */
uint64_t ls_checkpoint_params_hash(const ls_checkpoint *checkpoint);

/** Bytes of the tensors of a checkpoint with so many vectors (slots, moving average) beside the parameters. */
size_t ls_checkpoint_data_bytes(const struct ls_network *network, int n_kept);

/** The file of so many completed iterations: "ckpt-00000400.safetensors". */
void ls_checkpoint_name(int64_t iteration, char out[64]);

/** True for the name of an optimizer slot, or of a moving average, rather than of a parameter. */
bool ls_checkpoint_is_slot(const char *name);
bool ls_checkpoint_is_ema(const char *name);

/** Of a directory's checkpoints up to iteration `newest`, removes all but the last `keep`; 0 keeps all, -1 none.  Later
 *  ones, left by a run that was resumed from an older one, stay. */
void ls_checkpoint_prune(const char *run_directory, int64_t keep, int64_t newest);

/** Removes a directory's checkpoints, also best and half-written ones, and `latest`. */
void ls_checkpoint_clear(const char *run_directory);

LS_END_DECLS

#endif
