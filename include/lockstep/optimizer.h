/** Optimizers: elementwise updates of a tile by the owner of its parameters.  Formulas and defaults are PyTorch's
 *  (torch.optim), or those of the paper that the file names.  One optimizer is one file and one row in
 *  src/optim/optimizer_list.h.  Nothing here is collective.
 *
 * An optimizer whose step is scaled by the norms of whole tensors (LARS, LAMB) works in two passes: `prepare` for all
 * tiles, then `update` with the norms. */
#ifndef LOCKSTEP_OPTIMIZER_H
#define LOCKSTEP_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/option.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

enum { LS_OPTIMIZER_MAX_SLOTS = 3 };

/** Kinds of tensors: what one is, or what a list names.  The shift of a normalisation layer is both. */
typedef struct ls_kinds {
    bool bias, norm;
} ls_kinds;

/** What every optimizer has. */
typedef struct ls_optimizer_common {
    const char *name;
    double lr, weight_decay;
    bool decoupled;                /* the decay shrinks the parameters and is no part of the gradient */
    struct ls_node *decay_exclude; /* list of kinds of tensors that weight decay spares, or NULL */
    ls_kinds spared;               /* from that list */
    double clip_norm;              /* the global gradient norm is clipped to this; NaN: never */
    double ema;                    /* decay of the moving average of the parameters; NaN: none is kept */
} ls_optimizer_common;

/** One update: parameters p, mean gradient g (may be overwritten) and slots of the same n elements. */
typedef struct ls_update {
    int64_t n;
    float *p, *g, *slot[LS_OPTIMIZER_MAX_SLOTS];
    int64_t iteration; /* of this update, from 0 */
    double lr;
    ls_kinds kind;
    double p_norm, step_norm; /* of the whole tensor, from prepare's sums; for optimizers that prepare */
    /* set by ls_optimizer_update and ls_optimizer_prepare from the weight decay, one of the two being 0 */
    double coupled, decoupled;
} ls_update;

/** Sums over a tile: of the squares of the parameters, and of what the optimizer compares them with. */
typedef struct ls_squares {
    double p, step;
} ls_squares;

typedef struct ls_optimizer ls_optimizer;

typedef struct ls_optimizer_ops {
    const char *name, *help;
    const ls_option *options; /* its own; NULL: none */
    size_t options_size;
    const char *weight_decay, *decoupled; /* their defaults, as YAML; NULL: 0 and false */
    int n_slots;
    const char *slot_name[LS_OPTIMIZER_MAX_SLOTS]; /* as PyTorch's state names them */
    /** Completes options and slots from what was read; NULL: nothing to do.  LS_EUSAGE. */
    ls_status (*finish)(ls_optimizer *optimizer);
    /** The first of two passes; NULL: there is one.  g is handed on to update as it is left here. */
    void (*prepare)(const ls_optimizer *optimizer, const ls_update *update, ls_squares *squares);
    void (*update)(const ls_optimizer *optimizer, const ls_update *update);
} ls_optimizer_ops;

struct ls_optimizer {
    const ls_optimizer_ops *ops;
    ls_optimizer_common common;
    void *options;
    int n_slots; /* that these options need */
    const char *slot_name[LS_OPTIMIZER_MAX_SLOTS];
};

/** From the map {name: ..., lr: ..., ...}, completed with defaults; it must outlive the optimizer.  LS_EUSAGE. */
ls_status ls_optimizer_create(struct ls_node *spec, ls_optimizer **out);
void ls_optimizer_destroy(ls_optimizer **optimizer);

/** The optimizer works in two passes. */
bool ls_optimizer_prepares(const ls_optimizer *optimizer);

/** The first pass over a tile: its sums of squares into *squares. */
void ls_optimizer_prepare(const ls_optimizer *optimizer, ls_update *update, ls_squares *squares);

/** Applies one update to a tile; a tensor that decay_exclude names is spared weight decay. */
void ls_optimizer_update(const ls_optimizer *optimizer, ls_update *update);

/** What a gradient of this norm is multiplied by: min(1, clip_norm / (norm + 1e-6)).  Source: PyTorch's
 *  clip_grad_norm_. */
double ls_optimizer_clip(const ls_optimizer *optimizer, double norm);

/** Prints the registered optimizers with their options, those that all share before them. */
void ls_optimizers_print(struct ls_text *out);

LS_END_DECLS

#endif
