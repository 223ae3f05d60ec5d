/** Losses: per-row values and gradients, summed (never averaged) over rows.  One loss is one file and one row in
 *  src/model/loss_list.h.  Nothing here is collective. */
#ifndef LOCKSTEP_LOSS_H
#define LOCKSTEP_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/linkage.h"
#include "lockstep/option.h"
#include "lockstep/status.h"

LS_BEGIN_DECLS

struct ls_node;
struct ls_text;

/** Sums over rows, in double.  `correct` is 0 for regression. */
typedef struct ls_loss_sums {
    double loss, correct, rows;
} ls_loss_sums;

typedef struct ls_loss ls_loss;

/** Rows of a loss: out [n, k]; labels [n] or targets [n, k]. */
typedef struct ls_loss_rows {
    int64_t n, k;
    const float *out;
    const int32_t *labels;
    const float *targets;
} ls_loss_rows;

typedef struct ls_loss_ops {
    const char *name, *help;
    const ls_option *options; /* NULL: none */
    size_t options_size;
    bool classifies;        /* compares with class labels; else with k target values */
    const char *prediction; /* what predict gives, in words */
    /** Adds the rows to *sums one after the other; writes the gradient of the summed loss to dout [n, k] unless NULL.
     */
    void (*rows)(const ls_loss *loss, const ls_loss_rows *rows, float *dout, ls_loss_sums *sums);
    /** Turns outputs [n, k] into predictions in place; NULL: they are. */
    void (*predict)(const ls_loss *loss, int64_t n, int64_t k, float *out);
} ls_loss_ops;

struct ls_loss {
    const ls_loss_ops *ops;
    void *options;
};

/** From `name` or the map {name: {options}}, completed with defaults in its parent.  LS_EUSAGE. */
ls_status ls_loss_create(struct ls_node *spec, ls_loss **out);
void ls_loss_destroy(ls_loss **loss);

/** Prints the registered losses with their options. */
void ls_losses_print(struct ls_text *out);

LS_END_DECLS

#endif
