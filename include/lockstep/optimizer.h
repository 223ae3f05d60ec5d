/** Optimizers: elementwise updates of a tile by the owner of its parameters.  Formulas and defaults are PyTorch's
 *  (torch.optim).  One optimizer is one file and one row in src/optim/optimizer_list.h.  Nothing here is collective. */
#ifndef LOCKSTEP_OPTIMIZER_H
#define LOCKSTEP_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/status.h"

struct ls_node;
struct ls_text;
struct ls_option;

enum { LS_OPTIMIZER_MAX_SLOTS = 2 };

/** What every optimizer has. */
typedef struct ls_optimizer_common {
    const char *name;
    double lr, weight_decay;
    struct ls_node *decay_exclude; /* list of kinds of tensors that weight decay spares, or NULL */
    bool spare_bias;               /* from that list */
} ls_optimizer_common;

/** One update: parameters p, mean gradient g (may be overwritten) and slots of the same n elements. */
typedef struct ls_update {
    int64_t n;
    float *p, *g, *slot[LS_OPTIMIZER_MAX_SLOTS];
    int64_t iteration; /* of this update, from 0 */
    double lr, weight_decay;
} ls_update;

typedef struct ls_optimizer ls_optimizer;

typedef struct ls_optimizer_ops {
    const char *name, *help;
    const struct ls_option *options; /* its own; NULL: none */
    size_t options_size;
    const char *weight_decay; /* its default, as YAML; NULL: 0 */
    int n_slots;
    const char *slot_name[LS_OPTIMIZER_MAX_SLOTS]; /* as PyTorch's state names them */
    void (*update)(const ls_optimizer *optimizer, const ls_update *update);
} ls_optimizer_ops;

struct ls_optimizer {
    const ls_optimizer_ops *ops;
    ls_optimizer_common common;
    void *options;
};

/** From the map {name: ..., lr: ..., ...}, completed with defaults; it must outlive the optimizer.  LS_EUSAGE. */
ls_status ls_optimizer_create(struct ls_node *spec, ls_optimizer **out);
void ls_optimizer_destroy(ls_optimizer **optimizer);

/** Applies one update to a tile; a bias tile is spared weight decay when decay_exclude says so. */
void ls_optimizer_update(const ls_optimizer *optimizer, bool is_bias, ls_update *update);

void ls_optimizers_print(struct ls_text *out);

#endif
