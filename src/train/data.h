/** What ls_data_load of lockstep/trainer.h loads. */
#ifndef LOCKSTEP_TRAIN_DATA_H
#define LOCKSTEP_TRAIN_DATA_H

#include <stdbool.h>

#include "lockstep/augment.h"
#include "lockstep/dataset.h"
#include "lockstep/loss.h"
#include "lockstep/trainer.h"
#include "train/sets.h"

/** "train", "validation", "test". */
extern const char *const ls__set_names[LS_N_SETS];

struct ls_data {
    bool present[LS_N_SETS];
    ls_dataset set[LS_N_SETS];
    ls_set loaded[LS_N_SETS];  /* in the order of sets, without one that is cut from the training set */
    ls_normalizer *normalizer; /* for the shape of the training set */
    ls_augment *augment;       /* of training rows */
    uint64_t hash[LS_N_SETS];  /* of the samples used */
};

/** Shape of one sample of such a data set: the network's input. */
ls_shape ls_data_shape(const ls_dataset_info *info);

/** Opens one set without a job, for `plan`: its shape alone. */
ls_status ls_data_info(const ls_config *config, const char *data_directory, int which, ls_dataset_info *out);

/** Training samples left and validation samples (0: no such set) when the training file has n_samples.  LS_EUSAGE. */
ls_status ls_data_split(const ls_config *config, int64_t n_samples, int64_t *n_train, int64_t *n_validation);

/** A set fits the loss and an output of this shape: LS_EUSAGE (kinds, sizes) or LS_EDATA (label out of range), naming
 *  `what`.  Not collective. */
ls_status ls_data_check(const ls_loss *loss, const ls_shape *output, const ls_dataset *set, const char *what);

#endif
