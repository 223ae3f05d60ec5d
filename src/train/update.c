/* The update by the owner of each block, inside the exchange.  Where it needs norms over parameters it works in stages:
 * the mean gradient and its norm; the optimizer's preparation; the update.  Without them one stage does it all. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "math/vec.h"
#include "train/trainer_internal.h"

enum { MEAN = 1, CLIP = 2, PREPARE = 4, UPDATE = 8 };         /* parts of a stage, in this order */
enum { SQUARES_OF_MEAN, SQUARES_OF_PARAMS, SQUARES_OF_STEP }; /* values of a block */

static bool clips(const ls_trainer *t)
{
    return !isnan(t->optimizer->common.clip_norm);
}

/* P3: one division by the true sample count. */
static void make_mean(ls_trainer *t, const ls_tile *tile, double *values)
{
    ls_vec_divide(tile->n, t->divisor, tile->sum);
    if (t->want_norm || clips(t)) values[SQUARES_OF_MEAN] = ls_vec_sum_squares(tile->n, tile->sum);
}

static ls_update update_of(ls_trainer *t, const ls_tile *tile)
{
    const ls_tensor *tensor = ls_network_tensor(t->network, tile->tensor);
    ls_update update = {.n = tile->n,
                        .p = ls_exchange_params(t->exchange) + tile->first,
                        .g = tile->sum,
                        .iteration = t->state.iteration,
                        .lr = t->lr,
                        .kind = {.bias = tensor->is_bias, .norm = tensor->is_norm}};
    for (int s = 0; s < t->optimizer->n_slots; s++) update.slot[s] = t->slots[s] + tile->slice_first;
    return update;
}

static void prepare(ls_trainer *t, const ls_tile *tile, double *values)
{
    ls_update update = update_of(t, tile);
    ls_squares squares;
    ls_optimizer_prepare(t->optimizer, &update, &squares);
    values[SQUARES_OF_PARAMS] = squares.p;
    values[SQUARES_OF_STEP] = squares.step;
}

/* ema = p after the first update, then ema += (1 - decay) (p - ema), as PyTorch's AveragedModel. */
static void average(ls_trainer *t, const ls_tile *tile)
{
    const float *p = ls_exchange_params(t->exchange) + tile->first;
    float *ema = t->ema + tile->slice_first;
    if (t->state.iteration == 0)
        memcpy(ema, p, (size_t)tile->n * sizeof *ema);
    else
        ls_vec_approach(tile->n, (float)(1.0 - t->optimizer->common.ema), p, ema);
}

static void apply(ls_trainer *t, const ls_tile *tile)
{
    ls_update update = update_of(t, tile);
    if (t->p_norm != NULL) {
        update.p_norm = t->p_norm[tile->tensor];
        update.step_norm = t->step_norm[tile->tensor];
    }
    ls_optimizer_update(t->optimizer, &update);
    if (t->ema != NULL) average(t, tile);
}

static void visit(void *context, const ls_tile *tile)
{
    ls_trainer *t = context;
    const double start = t->options.time_updates ? ls_clock_s() : 0.0;
    const unsigned parts = t->parts[tile->stage];
    double *values = ls_exchange_block_values(t->exchange, tile->stage, tile->block);
    if (parts & MEAN) make_mean(t, tile, values);
    if (parts & CLIP && t->clip < 1.0) ls_vec_scale(tile->n, (float)t->clip, tile->sum);
    if (parts & PREPARE) prepare(t, tile, values);
    if (parts & UPDATE) apply(t, tile);
    if (t->options.time_updates) t->times.update += ls_clock_s() - start;
}

static void take_norms(ls_trainer *t, int stage, int value, double *norms)
{
    ls_exchange_tensor_totals(t->exchange, stage, value, norms);
    for (int i = 0; i < ls_network_n_tensors(t->network); i++) norms[i] = sqrt(norms[i]);
}

/* Every rank computes the norms from the same sums in the same order. */
static void between(void *context, int next)
{
    ls_trainer *t = context;
    if (t->parts[next] & CLIP) {
        t->gradient_norm = sqrt(ls_exchange_block_total(t->exchange, 0, SQUARES_OF_MEAN));
        t->clip = ls_optimizer_clip(t->optimizer, t->gradient_norm);
    }
    if (t->parts[next - 1] & PREPARE) {
        take_norms(t, next - 1, SQUARES_OF_PARAMS, t->p_norm);
        take_norms(t, next - 1, SQUARES_OF_STEP, t->step_norm);
    }
}

ls_status ls__create_update(ls_trainer *t)
{
    const bool prepares = ls_optimizer_prepares(t->optimizer);
    int last = 0;
    t->parts[0] = MEAN;
    if (clips(t)) t->parts[++last] = CLIP;
    if (prepares) t->parts[last++] |= PREPARE;
    t->parts[last] |= UPDATE;
    t->stages = (ls_stages){.n = last + 1, .visit = visit, .between = between, .context = t};
    if (!prepares) return LS_OK;
    const size_t n = (size_t)ls_network_n_tensors(t->network);
    t->p_norm = ls_calloc(2 * n, sizeof *t->p_norm);
    LS_REQUIRE(t->p_norm != NULL, LS_ENOMEM, "out of memory for norms");
    t->step_norm = t->p_norm + n;
    return LS_OK;
}

void ls__exchange_and_update(ls_trainer *t)
{
    t->stages.share_last = t->want_norm && t->stages.n == 1;
    ls_exchange_run(t->exchange, &t->stages);
    if (t->want_norm) t->gradient_norm = sqrt(ls_exchange_block_total(t->exchange, 0, SQUARES_OF_MEAN));
}

static void swap_tile(void *context, const ls_tile *tile)
{
    ls_trainer *t = context;
    ls_vec_swap(tile->n, ls_exchange_params(t->exchange) + tile->first, t->ema + tile->slice_first);
}

void ls__swap_ema(ls_trainer *t)
{
    ls_exchange_each(t->exchange, swap_tile, t);
    ls_exchange_publish(t->exchange);
}
