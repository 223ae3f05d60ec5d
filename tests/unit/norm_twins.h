/** Twins of the normalising layers and of residual blocks; a part of model_twins.h. */
#ifndef LOCKSTEP_TEST_NORM_TWINS_H
#define LOCKSTEP_TEST_NORM_TWINS_H

static inline double option_of(const ls_node *options, const char *key)
{
    return strtod(ls_node_child(options, key)->text, NULL);
}

/* Numbers [first, first + n) of a row by the mean and variance of themselves; w and b count every `span` numbers. */
static inline void normalise_twin(const ls_layer *l, double eps, const double *params, int64_t first, int64_t n,
                                  int64_t span, const double *x, double *y)
{
    double mean = 0.0, var = 0.0;
    for (int64_t i = first; i < first + n; i++) mean += x[i] / (double)n;
    for (int64_t i = first; i < first + n; i++) var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (int64_t i = first; i < first + n; i++) {
        const double w = l->n_tensors > 0 ? params[l->tensor[0].first + i / span] : 1.0;
        const double b = l->n_tensors > 0 ? params[l->tensor[1].first + i / span] : 0.0;
        y[i] = (x[i] - mean) / sqrt(var + eps) * w + b;
    }
}

static inline void layernorm_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows,
                                  const double *params, const double *x, double *y)
{
    for (int64_t r = 0; r < rows->n * l->n_in; r += l->n_in)
        normalise_twin(l, option_of(options, "eps"), params, 0, l->n_in, 1, x + r, y + r);
}

static inline void groupnorm_twin(const ls_layer *l, const ls_node *options, const twin_rows *rows,
                                  const double *params, const double *x, double *y)
{
    const int64_t in_group = l->n_in / (int64_t)option_of(options, "groups"), span = l->n_in / l->in.dim[0];
    for (int64_t r = 0; r < rows->n * l->n_in; r += l->n_in)
        for (int64_t first = 0; first < l->n_in; first += in_group)
            normalise_twin(l, option_of(options, "eps"), params, first, in_group, span, x + r, y + r);
}

/* The layers of a residual block in the flat list: x is kept, handed to the shortcut, or added. */
static inline void residual_twin(const ls_layer *l, int64_t n_rows, const double *x, const double *skip, double *y)
{
    const bool adds = l->options != NULL;
    for (int64_t i = 0; i < n_rows * l->n_out; i++) y[i] = adds ? x[i] + skip[i] : skip != NULL ? skip[i] : x[i];
}

#endif
