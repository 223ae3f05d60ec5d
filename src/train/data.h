/** The data sets of a run: loaded once per node into node memory, the same everywhere. */
#ifndef LOCKSTEP_TRAIN_DATA_H
#define LOCKSTEP_TRAIN_DATA_H

#include <stdbool.h>

#include "lockstep/augment.h"
#include "lockstep/config.h"
#include "lockstep/dataset.h"
#include "lockstep/job.h"
#include "lockstep/layer.h"
#include "lockstep/loss.h"
#include "train/sets.h"

enum { LS_TRAIN, LS_VALIDATION, LS_TEST, LS_N_SETS };

/** "train", "validation", "test". */
extern const char *const ls__set_names[LS_N_SETS];

typedef struct ls_data {
    bool present[LS_N_SETS];
    ls_dataset set[LS_N_SETS];
    ls_set loaded[LS_N_SETS];  /* in the order of sets, without one that is cut from the training set */
    ls_normalizer *normalizer; /* for the shape of the training set */
    ls_augment *augment;       /* of training rows */
    uint64_t hash[LS_N_SETS];  /* of the samples used */
} ls_data;

/** Shape of one sample of such a data set: the network's input. */
ls_shape ls_data_shape(const ls_dataset_info *info);

/** Opens one set without a job, for `plan`: its shape alone. */
ls_status ls_data_info(const ls_config *config, const char *data_directory, int which, ls_dataset_info *out);

/** Training samples left and validation samples (0: no such set) when the training file has n_samples.  LS_EUSAGE. */
ls_status ls_data_split(const ls_config *config, int64_t n_samples, int64_t *n_train, int64_t *n_validation);

/** Loads all sets of the configuration.  Collective; errors are agreed. */
ls_status ls_data_load(const ls_job *job, const ls_config *config, const char *data_directory, ls_data **out);

/** A set fits the loss and an output of this shape: LS_EUSAGE (kinds, sizes) or LS_EDATA (label out of range), naming
 *  `what`.  Not collective. */
ls_status ls_data_check(const ls_loss *loss, const ls_shape *output, const ls_dataset *set, const char *what);

void ls_data_destroy(ls_data **data);

#endif
