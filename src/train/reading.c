#include "train/reading.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/option.h"
#include "math/vec.h"
#include "train/trainer_internal.h"

static int64_t multiply_adds(const ls_network *network)
{
    int64_t n = 0;
    for (int i = 0; i < ls_network_n_layers(network); i++) n += ls_network_layer(network, i)->multiply_adds;
    return n;
}

static int64_t smallest_batch(const ls_course *course)
{
    int64_t smallest = ls_phase_largest(&course->phase[0]);
    for (int k = 1; k < course->n_phases; k++)
        if (ls_phase_largest(&course->phase[k]) < smallest) smallest = ls_phase_largest(&course->phase[k]);
    return smallest;
}

/* Why the gradients of this run have no groups that could be compared; NULL: they have. */
static const char *hindrance(const ls_trainer *t)
{
    const int64_t n_sums = ls_network_n_sums(t->network);
    if (n_sums > ls_network_n_shard_sums(t->network))
        return "with 'statistics: batch' the gradient of a shard depends on the other shards";
    if (t->plan.n_shards == 1 && n_sums > 0) return "with 'statistics: shard' it takes two shards or more";
    if (smallest_batch(&t->plan.course) < 2) return "it takes two samples in a batch";
    return NULL;
}

static int64_t how_often(const ls_trainer *t)
{
    const int64_t every = t->config->noise.every;
    const char *why_not = hindrance(t);
    if (why_not != NULL && every > 0) ls_notice("the gradient noise scale is not read: %s", why_not);
    if (why_not != NULL) return 0;
    if (every != LS_AUTO) return every;
    const int64_t rows = smallest_batch(&t->plan.course), look_every = t->options.look_every;
    const int64_t n_adds = multiply_adds(t->network), n_params = ls_network_n_params(t->network);
    return look_every > 0 ? ls_noise_look_every(look_every, rows, t->plan.n_shards, n_adds, n_params)
                          : ls_noise_auto_every(rows, t->plan.n_shards, n_adds, n_params);
}

static bool needs_scratch(const ls_trainer *t)
{
    const int first = ls_exchange_first_shard(t->exchange), n = ls_exchange_n_shards(t->exchange);
    bool needs = t->plan.n_shards == 1 && n == 1;
    for (int s = first; s < first + n; s++) needs = needs || ls__is_right(t, s);
    return needs;
}

ls_status ls__reading_create(ls_trainer *t)
{
    t->reading.every = how_often(t);
    if (t->reading.every == 0 || !needs_scratch(t)) return LS_OK;
    t->reading.scratch = ls_calloc((size_t)ls_network_n_floats(t->network), sizeof(float));
    LS_REQUIRE(t->reading.scratch != NULL, LS_ENOMEM, "out of memory for the gradient noise scale");
    return LS_OK;
}

void ls__reading_destroy(ls_trainer *t)
{
    ls_free(t->reading.scratch);
}

static int64_t rows_of(const ls_trainer *t, const ls_batch *batch, int shard)
{
    const int n_shards = (int)t->plan.n_shards;
    return ls_shard_first(batch->rows, n_shards, shard + 1) - ls_shard_first(batch->rows, n_shards, shard);
}

/* Groups of a batch: shards with rows, or halves; fewer than two tell nothing.  And the mean of their c(b). */
static int64_t groups_of(const ls_trainer *t, const ls_batch *batch, double *mean_c)
{
    const int64_t n = t->plan.n_samples, half = batch->rows / 2;
    double sum = 0.0;
    int64_t n_groups = 0;
    for (int s = 0; s < (int)t->plan.n_shards; s++) {
        const int64_t rows = rows_of(t, batch, s);
        if (rows == 0) continue;
        sum += ls_noise_variance(n, rows);
        n_groups++;
    }
    *mean_c = sum / (double)n_groups;
    if (t->plan.n_shards > 1 || half == 0) return n_groups;
    *mean_c = (ls_noise_variance(n, half) + ls_noise_variance(n, batch->rows - half)) / 2.0;
    return 2;
}

void ls__reading_begin(ls_trainer *t, const ls_batch *batch, int64_t completed)
{
    double ignored;
    const bool due = t->reading.every > 0 && completed % t->reading.every == 0;
    t->reading.now = due && groups_of(t, batch, &ignored) > 1;
}

/* Of the mean over `rows` samples, where g is their sum; by blocks in block order, without padding. */
static double mean_squares(const ls_trainer *t, const float *g, int64_t rows)
{
    double sum = 0.0;
    for (int i = 0; i < ls_network_n_tensors(t->network); i++) {
        const ls_tensor *tensor = ls_network_tensor(t->network, i);
        for (int64_t at = 0; at < tensor->n; at += LS_BLOCK)
            sum += ls_vec_sum_squares(tensor->n - at < LS_BLOCK ? tensor->n - at : LS_BLOCK, g + tensor->first + at);
    }
    return sum / ((double)rows * (double)rows);
}

static double *squares_of(ls_trainer *t, int leaf)
{
    return &ls_exchange_record(t->exchange, ls_exchange_first_shard(t->exchange) + leaf)[LS_RECORD_SQUARES];
}

bool ls__reads_by_leaf(const ls_trainer *t)
{
    return t->reading.now && t->pairs;
}

static bool is_right(const ls_trainer *t, int leaf)
{
    return ls__is_right(t, ls_exchange_first_shard(t->exchange) + leaf);
}

void ls__reading_leaf_begin(ls_trainer *t, ls_run *run)
{
    if (!is_right(t, run->leaf)) return;
    run->fresh = true;
    t->gradients[run->leaf] = t->reading.scratch;
}

/* left + right, as the tree adds: start-up has found these bits equal to those of adding in place. */
void ls__reading_leaf_end(ls_trainer *t, const ls_run *run)
{
    float *gradient = t->gradients[run->leaf];
    *squares_of(t, run->leaf) = mean_squares(t, gradient, run->n);
    if (!is_right(t, run->leaf)) return;
    float *sum = t->gradients[run->leaf - 1];
    ls_vec_add(ls_network_n_floats(t->network), sum, gradient, sum);
    t->gradients[run->leaf] = sum;
}

void ls__reading_shards(ls_trainer *t, const ls_batch *batch)
{
    const int first = ls_exchange_first_shard(t->exchange), n = ls_exchange_n_shards(t->exchange);
    for (int leaf = 0; leaf < n; leaf++) {
        const int64_t rows = rows_of(t, batch, first + leaf);
        if (rows > 0) *squares_of(t, leaf) = mean_squares(t, t->gradients[leaf], rows);
    }
}

int64_t ls__reading_half(const ls_trainer *t, const ls_batch *batch)
{
    const bool here = t->plan.n_shards == 1 && ls_exchange_n_shards(t->exchange) == 1;
    return t->reading.now && here ? batch->rows / 2 : 0;
}

/* The second half is what the batch has more than the first. */
void ls__reading_halves(ls_trainer *t, const ls_batch *batch)
{
    const int64_t n = ls_network_n_floats(t->network), half = batch->rows / 2;
    float *part = t->reading.scratch;
    const double first = mean_squares(t, part, half);
    ls_vec_scale(n, -1.0f, part);
    ls_vec_add(n, t->gradients[0], part, part);
    *squares_of(t, 0) = first + mean_squares(t, part, batch->rows - half);
}

void ls__reading_take(ls_trainer *t, const ls_batch *batch, double squares_total)
{
    if (!t->reading.now) return;
    double groups_c;
    const double n_groups = (double)groups_of(t, batch, &groups_c);
    const double batch_c = ls_noise_variance(t->plan.n_samples, batch->rows);
    ls_noise_add(&t->state.noise,
                 ls_noise_read(squares_total / n_groups, groups_c, t->gradient_norm * t->gradient_norm, batch_c));
}
