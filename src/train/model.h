/** A trained model ready for forward passes: what a checkpoint, and a configuration, make.  Used by eval and predict.
 */
#ifndef LOCKSTEP_TRAIN_MODEL_H
#define LOCKSTEP_TRAIN_MODEL_H

#include "lockstep/exchange.h"
#include "train/scorer.h"
#include "train/sets.h"

typedef struct ls_model {
    ls_config *config;
    int64_t iteration;
    char *data_directory; /* where relative paths are looked up too; NULL: none */
    ls_shape input;
    ls_network *network;
    ls_loss *loss;
    ls_exchange *exchange; /* holds the parameters, once per node */
    ls_executor *executor;
    ls_normalizer *normalizer;
    ls_scorer *scorer;
    ls_set loaded;
    ls_dataset set; /* the data to work on, all or a part of what was loaded */
} ls_model;

/** Where the data come from: a YAML description, or a set of the configuration by name; both NULL: test, or else
 *  validation. */
typedef struct ls_model_source {
    const char *checkpoint, *config, *data_directory, *split, *data;
    bool ema; /* the moving average of the parameters in their place */
} ls_model_source;

/** Loads checkpoint and data.  With `labelled` the data must fit the loss.  Collective; errors are agreed. */
ls_status ls_model_create(const ls_job *job, const ls_model_source *source, bool labelled, ls_model **out);
/** Collective. */
void ls_model_destroy(ls_model **model);

/** "test", "validation", "train" or "--data": what ls_model_create took. */
const char *ls_model_set_name(const ls_model *model, const ls_model_source *source);

#endif
