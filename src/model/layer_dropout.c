/* y = x / (1 - p) with probability 1 - p, else 0; identity outside training.  Source: Srivastava et al. 2014, scaled in
 * training as PyTorch does.  The mask is a pure function of (seed, iteration, layer position, row in batch, column), so
 * backward makes it again instead of keeping it. */
#include <string.h>

#include "lockstep/rng.h"
#include "model/registry.h"

typedef struct dropout_options {
    double p;
} dropout_options;

static const ls_option dropout_table[] = {{.key = "p",
                                           .kind = LS_OPTION_REAL,
                                           .offset = offsetof(dropout_options, p),
                                           .min = 0,
                                           .max = 0.999999,
                                           .help = "probability that a value becomes 0"},
                                          {0}};

static ls_status dropout_plan(ls_layer *layer)
{
    layer->out = layer->in;
    return LS_OK;
}

/* out[k] = in[k] * mask of one row; a word of the block decides one column, with 32-bit resolution */
static void mask_row(const ls_layer *l, const ls_pass *pass, int64_t row, const float *in, float *out)
{
    const double p = ((const dropout_options *)l->options)->p;
    const uint64_t key = ls_rng_key(pass->seed, LS_STREAM_DROPOUT) ^ ls_mix64((uint64_t)l->position);
    const uint64_t drop_below = (uint64_t)(p * 4294967296.0);
    const float scale = (float)(1.0 / (1.0 - p));
    for (int64_t i = 0; i < l->n_out; i += 4) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)row, (uint32_t)pass->iteration,
                                     (uint32_t)(pass->iteration >> 32)};
        uint32_t bits[4];
        ls_philox(counter, key, bits);
        for (int64_t j = 0; j < 4 && i + j < l->n_out; j++)
            out[i + j] = bits[j] >= drop_below ? in[i + j] * scale : 0.0f;
    }
}

static void mask_rows(const ls_layer *l, const ls_pass *pass, const float *in, float *out)
{
    if (!pass->training) {
        if (out != in) memcpy(out, in, (size_t)(pass->n_rows * l->n_out) * sizeof *out);
        return;
    }
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++)
        for (int64_t r = 0; r < run->n; r++) {
            const int64_t at = (run->first + r) * l->n_out;
            mask_row(l, pass, run->batch_row + r, in + at, out + at);
        }
}

static void dropout_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    mask_rows(l, pass, x, y);
}

static void dropout_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                             float *dx)
{
    (void)x;
    (void)y;
    if (dx != NULL) mask_rows(l, pass, dy, dx);
}

const ls_layer_ops ls__layer_dropout = {.name = "dropout",
                                        .help = "zeroes values at random in training",
                                        .options = dropout_table,
                                        .options_size = sizeof(dropout_options),
                                        .shorthand = "p",
                                        .in_place = true,
                                        .plan = dropout_plan,
                                        .forward = dropout_forward,
                                        .backward = dropout_backward};
