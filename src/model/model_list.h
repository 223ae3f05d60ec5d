/** Reading a model list: nested lists become one flat list of layers, in the order in which they run. */
#ifndef LOCKSTEP_MODEL_MODEL_LIST_H
#define LOCKSTEP_MODEL_MODEL_LIST_H

#include "lockstep/layer.h"

struct ls_node;

typedef struct ls_layer_list {
    ls_layer *layer; /* [n]; owned, as are their options */
    int n;
} ls_layer_list;

/** Appends the layers of `model`, with ops, options, entry, path, position, skip and depth, and completes the tree with
 *  every default.  The caller destroys *list also after a failure.  LS_EUSAGE names the place. */
ls_status ls__model_list_read(struct ls_node *model, ls_layer_list *list);
void ls__model_list_destroy(ls_layer_list *list);

#endif
