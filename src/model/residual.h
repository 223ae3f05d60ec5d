/** Residual blocks in a flat list of layers: begin, body, [branch, shortcut,] residual.
 *
 *  Forward: begin keeps x, which nobody overwrites; branch hands that x to the shortcut; residual, the registered layer
 *  itself, adds: without a shortcut the body's output and x, with one the shortcut's output and the body's.
 *  Backward: residual keeps dy in the block's store and hands it on; branch swaps the store and the shortcut's input
 *  gradient, so that the body gets dy; begin adds the store to the body's input gradient. */
#ifndef LOCKSTEP_MODEL_RESIDUAL_H
#define LOCKSTEP_MODEL_RESIDUAL_H

#include "model/registry.h"

/** Options of the registered layer. */
typedef struct ls_residual_options {
    struct ls_node *body, *shortcut; /* lists; no shortcut: NULL */
} ls_residual_options;

extern const ls_layer_ops ls__residual_begin, ls__residual_branch;

#endif
