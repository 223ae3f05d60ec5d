/** Naive twins of the layers in double, written from their formulas and not from their code, and derivatives of a twin
 *  by central differences.  Every registered layer needs its row in `twins`. */
#ifndef LOCKSTEP_TEST_MODEL_TWINS_H
#define LOCKSTEP_TEST_MODEL_TWINS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/node.h"
#include "image_twins.h"
#include "lockstep/network.h"
#include "lockstep/rng.h"

/** Rows that a twin works on, whatever runs the product cuts them to. */
typedef struct twin_rows {
    int64_t n;
    const int64_t *batch_row; /* [n] */
    bool training;
    uint64_t seed;
    int64_t iteration;
} twin_rows;

/** x [rows->n, n_in] to y [rows->n, n_out]; params is the flat vector; options is the layer's completed YAML. */
typedef void twin_forward(const ls_layer *l, const ls_node *options, const twin_rows *rows, const double *params,
                          const double *x, double *y);

typedef struct twin {
    const char *name;
    const char *sample; /* an entry of a model list, for networks made of every layer */
    twin_forward *forward;
} twin;

static inline void dense_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows, const double *params,
                              const double *x, double *y)
{
    const bool bias = strcmp(ls_node_child(options, "bias")->text, "true") == 0;
    const double *w = params + l->tensor[0].first;
    for (int64_t r = 0; r < rows->n; r++)
        for (int64_t o = 0; o < l->n_out; o++) {
            double sum = bias ? params[l->tensor[1].first + o] : 0.0;
            for (int64_t i = 0; i < l->n_in; i++) sum += w[o * l->n_in + i] * x[r * l->n_in + i];
            y[r * l->n_out + o] = sum;
        }
}

#define ELEMENTWISE(name, formula)                                                                                     \
    static inline void name##_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows,                   \
                                   const double *params, const double *x, double *y)                                   \
    {                                                                                                                  \
        (void)options;                                                                                                 \
        (void)params;                                                                                                  \
        for (int64_t i = 0; i < rows->n * l->n_in; i++) {                                                              \
            const double v = x[i];                                                                                     \
            y[i] = (formula);                                                                                          \
        }                                                                                                              \
    }

ELEMENTWISE(flatten, v)
#include "elementwise_list.h"

/** Word `column % 4` of the Philox block (column / 4, row in batch, iteration) under the key of (seed, position). */
static inline bool dropout_keeps(double p, const twin_rows *rows, int64_t position, int64_t batch_row, int64_t column)
{
    const uint64_t key = ls_rng_key(rows->seed, LS_STREAM_DROPOUT) ^ ls_mix64((uint64_t)position);
    const uint32_t counter[4] = {(uint32_t)(column / 4), (uint32_t)batch_row, (uint32_t)rows->iteration,
                                 (uint32_t)(rows->iteration >> 32)};
    uint32_t word[4];
    ls_philox(counter, key, word);
    return (double)word[column % 4] >= floor(p * 4294967296.0);
}

static inline void dropout_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows, const double *params,
                                const double *x, double *y)
{
    (void)params;
    const double p = strtod(ls_node_child(options, "p")->text, NULL);
    for (int64_t r = 0; r < rows->n; r++)
        for (int64_t c = 0; c < l->n_in; c++) {
            const int64_t at = r * l->n_in + c;
            const bool keeps = !rows->training || dropout_keeps(p, rows, l->position, rows->batch_row[r], c);
            y[at] = !keeps ? 0.0 : rows->training ? x[at] / (1.0 - p) : x[at];
        }
}

#include "norm_twins.h"
#define IMAGE_TWIN(name, call)                                                                                         \
    static inline void name##_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows,                   \
                                   const double *params, const double *x, double *y)                                   \
    {                                                                                                                  \
        (void)options;                                                                                                 \
        (void)params;                                                                                                  \
        for (int64_t r = 0; r < rows->n; r++, x += l->n_in, y += l->n_out) call;                                       \
    }

IMAGE_TWIN(conv, conv_image(l, options, params, x, y))
IMAGE_TWIN(maxpool, pool_image(l, options, x, y, false))
IMAGE_TWIN(avgpool, pool_image(l, options, x, y, true))
IMAGE_TWIN(global_avgpool, average_channels(l, x, y))

static inline void leaky_relu_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows,
                                   const double *params, const double *x, double *y)
{
    (void)params;
    const double slope = strtod(ls_node_child(options, "slope")->text, NULL);
    for (int64_t i = 0; i < rows->n * l->n_in; i++) y[i] = x[i] < 0.0 ? slope * x[i] : x[i];
}

#undef ELEMENTWISE
#define ELEMENTWISE(name, formula) {#name, #name, name##_twin},

static const twin twins[] = {
    {"dense", "dense: 5", dense_twin},
    {"flatten", "flatten", flatten_twin},
#include "elementwise_list.h"
    {"leaky_relu", "leaky_relu: 0.2", leaky_relu_twin},
    {"conv", "conv: {filters: 2, kernel: 2, padding: same}", conv_twin},
    {"maxpool", "maxpool: {kernel: 3, stride: 1, padding: 1}", maxpool_twin},
    {"avgpool", "avgpool: {kernel: 3, stride: 1, padding: 1}", avgpool_twin},
    {"global_avgpool", "global_avgpool", global_avgpool_twin},
    {"dropout", "dropout: 0.4", dropout_twin},
    /* the variance of few numbers may be small, and slopes by differences far off: a large eps keeps them smooth */
    {"layernorm", "layernorm: {eps: 0.5}", layernorm_twin},
    {"groupnorm", "groupnorm: {groups: 1, eps: 0.5}", groupnorm_twin},
};
#undef ELEMENTWISE
enum { N_TWINS = sizeof twins / sizeof twins[0] };

static inline const twin *find_twin(const char *name)
{
    for (int i = 0; i < N_TWINS; i++)
        if (strcmp(twins[i].name, name) == 0) return &twins[i];
    return NULL;
}

/** Layers [from, to) of a network as a function of x and params, weighed by dy: objective = sum dy y. */
typedef struct twin_problem {
    const ls_network *network;
    int from, to;
    twin_rows rows;
    double *params, *x, *dy;
} twin_problem;

/** y [rows, n_out of the last layer]; the caller frees. */
static inline double *twin_output(const twin_problem *p)
{
    double **out = ls_calloc((size_t)p->to, sizeof *out);
    for (int i = p->from; i < p->to; i++) {
        const ls_layer *l = ls_network_layer(p->network, i);
        const double *x = i == p->from ? p->x : out[i - 1];
        out[i] = ls_calloc((size_t)(p->rows.n * l->n_out), sizeof *out[i]);
        if (strcmp(l->ops->name, "residual") == 0)
            residual_twin(l, p->rows.n, x, l->skip >= 0 ? out[l->skip] : NULL, out[i]);
        else
            find_twin(l->ops->name)->forward(l, l->entry->child[0], &p->rows, p->params, x, out[i]);
    }
    double *y = out[p->to - 1];
    for (int i = p->from; i < p->to - 1; i++) ls_free(out[i]);
    ls_free(out);
    return y;
}

static inline double twin_objective(const twin_problem *p)
{
    const int64_t n = p->rows.n * ls_network_layer(p->network, p->to - 1)->n_out;
    double *y = twin_output(p), sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += p->dy[i] * y[i];
    ls_free(y);
    return sum;
}

/** Derivative of the objective by one of its numbers.  The step balances h^2 f''' / 6 with 2^-53 f / h: both stay below
 *  1e-9, far below the float32 error that is judged. */
static inline double twin_slope(const twin_problem *p, double *number)
{
    const double h = 1e-5, kept = *number;
    *number = kept + h;
    const double up = twin_objective(p);
    *number = kept - h;
    const double down = twin_objective(p);
    *number = kept;
    return (up - down) / (2.0 * h);
}

#endif
