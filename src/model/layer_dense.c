/* Fully connected layer.  Start from this file when you add a layer: static functions, one table, one row in
 * layer_list.h; the conformance suite then asks for a double-precision twin in its own table. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "math/blas.h"
#include "math/vec.h"
#include "model/init.h"
#include "model/registry.h"

/* Of the gradient of runs of at most FEW_ROWS rows, SLOT_FLOATS at a time, of up to N_SLOTS leaves. */
enum { FEW_ROWS = 32, LEAST_ROWS = 16, SLOT_FLOATS = 62512, N_SLOTS = 16 };

typedef struct dense_options {
    int64_t units;
    bool bias;
    const char *init;
} dense_options;

static const ls_option dense_table[] = {{.key = "units",
                                         .kind = LS_OPTION_INT,
                                         .offset = offsetof(dense_options, units),
                                         .min = 1,
                                         .max = INT_MAX,
                                         .help = "outputs"},
                                        {.key = "bias",
                                         .kind = LS_OPTION_BOOL,
                                         .offset = offsetof(dense_options, bias),
                                         .fallback = "true",
                                         .help = "add a bias"},
                                        LS_INIT_OPTION(dense_options),
                                        {0}};

static ls_status dense_plan(ls_layer *layer)
{
    const dense_options *o = layer->options;
    LS_REQUIRE(layer->n_in <= INT_MAX, LS_EUSAGE, "more than 2^31 inputs");
    layer->out = (ls_shape){.n_dim = 1, .dim = {o->units}};
    layer->tensor[0] = (ls_tensor){.name = "weight", .n_dim = 2, .dim = {o->units, layer->n_in}};
    LS_TRY(ls__init_resolve(o->init, layer->feeds_relu, layer->n_in, o->units, &layer->tensor[0].init));
    layer->tensor[1] = (ls_tensor){.name = "bias", .n_dim = 1, .dim = {o->units}, .is_bias = true};
    layer->n_tensors = o->bias ? 2 : 1;
    layer->scratch_floats = N_SLOTS * SLOT_FLOATS;
    LS_REQUIRE(ls_mul_i64(o->units, layer->n_in, &layer->multiply_adds), LS_EUSAGE, "too many parameters");
    return LS_OK;
}

/* The first run behind `run` of another length. */
static const ls_run *end_of_alike(const ls_run *run, const ls_run *end)
{
    const int64_t n = run->n;
    while (run < end && run->n == n) run++;
    return run;
}

/* Y[n, n_out] = X[n, n_in] W + beta Y, run by run, or for all runs at once where that gives the same bits */
static void rows_product(const ls_pass *pass, int64_t n_out, int64_t n_in, const float *x, ls_matrix w, float beta,
                         float *y)
{
    const ls_run *const end = pass->runs + pass->n_runs;
    if (pass->share_rows && !ls_gemm_cuts_runs(n_in, w.transposed)) {
        ls_gemm_runs(1, pass->n_rows, n_out, n_in, x, w, beta, y);
        ls_pass_between(pass);
        return;
    }
    for (const ls_run *run = pass->runs, *next; run < end; run = next) {
        next = end_of_alike(run, end);
        ls_gemm_runs(next - run, run->n, n_out, n_in, x + run->first * n_in, w, beta, y + run->first * n_out);
        ls_pass_between(pass);
    }
}

/* Y[n, out] = b + X[n, in] W[out, in]^T */
static void dense_forward(const ls_layer *l, const ls_pass *pass, const float *x, float *y)
{
    const ls_matrix wt = {pass->params + l->tensor[0].first, l->n_in, true};
    const bool has_bias = l->n_tensors == 2;
    for (int64_t r = 0; has_bias && r < pass->n_rows; r++)
        memcpy(y + r * l->n_out, pass->params + l->tensor[1].first, (size_t)l->n_out * sizeof *y);
    rows_product(pass, l->n_out, l->n_in, x, wt, has_bias ? 1.0f : 0.0f, y);
}

/* Outputs whose weights one product of a run's gradient makes.  Runs of few rows move more of dW than they compute: cut
 * so that nothing is packed, and that the leaves meet in the cache. */
static int64_t piece_of(const ls_layer *l, int64_t n)
{
    return n <= FEW_ROWS ? ls_gemm_piece(l->n_out, (n < LEAST_ROWS ? LEAST_ROWS : n) * l->n_in) : l->n_out;
}

static bool ends_leaf(const ls_pass *pass, const ls_run *run)
{
    return run + 1 == pass->runs + pass->n_runs || run[1].leaf != run->leaf;
}

/* Of outputs [o, o + piece): dW[piece, in] += dY[n, piece]^T X[n, in], at at[leaf], or in its place when at is NULL */
static void add_piece(const ls_layer *l, const ls_pass *pass, const ls_run *run, int64_t o, const float *x,
                      const float *dy, float *const *at)
{
    const int64_t piece = piece_of(l, run->n), rest = l->n_out - o, n = rest < piece ? rest : piece;
    const int64_t first = l->tensor[0].first + o * l->n_in;
    ls_gemm(n, l->n_in, run->n, (ls_matrix){dy + run->first * l->n_out + o, l->n_out, true},
            (ls_matrix){x + run->first * l->n_in, l->n_in, false}, run->fresh ? 0.0f : 1.0f,
            at != NULL ? at[run->leaf] : pass->grad[run->leaf] + first, l->n_in);
    if (ends_leaf(pass, run) && at != NULL) ls_pass_merge_at(pass, run->leaf, at, n * l->n_in);
    if (ends_leaf(pass, run) && at == NULL) ls_pass_merge(pass, run->leaf, first, n * l->n_in);
    ls_pass_between(pass);
}

/* Leaves that are merged into others need no more than a piece, which stays in the cache, where every run takes its
 * turn at it: all have one length. */
static bool has_slots(const ls_layer *l, const ls_pass *pass)
{
    const int64_t n = pass->runs[0].n;
    bool fits = pass->n_merges > 0 && piece_of(l, n) * l->n_in <= SLOT_FLOATS;
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++)
        fits = fits && run->n == n && run->leaf < N_SLOTS;
    return fits;
}

/* Where the leaves make the elements from `first` on: in their places, or, if merged into others, in slots. */
static void find_slots(const ls_pass *pass, int64_t first, float **at)
{
    for (const ls_run *run = pass->runs; run < pass->runs + pass->n_runs; run++)
        at[run->leaf] = pass->grad[run->leaf] + first;
    for (const ls_merge *m = pass->merges; m < pass->merges + pass->n_merges; m++)
        for (int leaf = m->from; leaf <= m->after; leaf++)
            if (pass->grad[leaf] == pass->grad[m->from]) at[leaf] = pass->scratch + m->from * SLOT_FLOATS;
}

/* Runs [run, end) of one length take turns piece by piece. */
static void add_alike(const ls_layer *l, const ls_pass *pass, const ls_run *run, const ls_run *end, bool slots,
                      const float *x, const float *dy)
{
    float *at[N_SLOTS];
    for (int64_t o = 0; o < l->n_out; o += piece_of(l, run->n)) {
        if (slots) find_slots(pass, l->tensor[0].first + o * l->n_in, at);
        for (const ls_run *r = run; r < end; r++) add_piece(l, pass, r, o, x, dy, slots ? at : NULL);
    }
}

/* dW[out, in] += dY[n, out]^T X[n, in];  db[out] += column sums of dY */
static void add_gradients(const ls_layer *l, const ls_pass *pass, const float *x, const float *dy)
{
    const ls_run *const end = pass->runs + pass->n_runs;
    const bool slots = pass->n_runs > 0 && has_slots(l, pass);
    for (const ls_run *run = pass->runs, *next; run < end; run = next) {
        next = end_of_alike(run, end);
        add_alike(l, pass, run, next, slots, x, dy);
    }
    for (const ls_run *run = pass->runs; run < end && l->n_tensors == 2; run++) {
        ls_vec_column_sums(run->n, l->n_out, dy + run->first * l->n_out, run->fresh ? 0.0f : 1.0f,
                           pass->grad[run->leaf] + l->tensor[1].first);
        if (ends_leaf(pass, run)) ls_pass_merge(pass, run->leaf, l->tensor[1].first, l->n_out);
    }
}

/* dX[n, in] = dY[n, out] W[out, in] */
static void dense_backward(const ls_layer *l, const ls_pass *pass, const float *x, const float *y, const float *dy,
                           float *dx)
{
    (void)y;
    const ls_matrix w = {pass->params + l->tensor[0].first, l->n_in, false};
    if (pass->grad != NULL) add_gradients(l, pass, x, dy);
    if (dx != NULL) rows_product(pass, l->n_in, l->n_out, dy, w, 0.0f, dx);
}

const ls_layer_ops ls__layer_dense = {.name = "dense",
                                      .help = "fully connected: y = x W^T + b; flattens its input",
                                      .options = dense_table,
                                      .options_size = sizeof(dense_options),
                                      .shorthand = "units",
                                      .merges = true,
                                      .plan = dense_plan,
                                      .forward = dense_forward,
                                      .backward = dense_backward};
