/* Which shortcuts give the bits of separate products on this machine, tried at the start for the shapes of this run;
 * and the hooks by which messages travel under the computing. */
#include "base/mem.h"
#include "train/trainer_internal.h"

int ls__batch_runs(ls_trainer *t, int64_t batch_rows)
{
    const int first = ls_exchange_first_shard(t->exchange), n_shards = ls_exchange_n_shards(t->exchange);
    const int n = ls_plan_runs(&t->plan, batch_rows, first, first + n_shards, t->runs);
    for (int i = 0; i < n; i++)
        if (ls__is_right(t, first + t->runs[i].leaf)) t->runs[i].fresh = false;
    return n;
}

int ls__next_group(ls_trainer *t, int i, int n_runs)
{
    const int64_t origin = t->runs[i].first;
    int64_t rows = 0;
    int j = i;
    for (; j < n_runs && (j == i || rows + t->runs[j].n <= t->group_rows); j++) {
        rows += t->runs[j].n;
        t->runs[j].first -= origin;
    }
    return j;
}

/* Sizes that a shard of this run may have: of every batch, rounded down and up. */
static int shard_sizes(const ls_plan *plan, int64_t sizes[4 * LS_MAX_PHASES])
{
    int64_t batches[2 * LS_MAX_PHASES];
    const int n = ls__batch_sizes(&plan->course, batches);
    for (int b = 0; b < n; b++) {
        sizes[2 * b] = batches[b] / plan->n_shards;
        sizes[2 * b + 1] = (batches[b] + plan->n_shards - 1) / plan->n_shards;
    }
    return 2 * n;
}

static bool have_pairs_a_place(const ls_trainer *t)
{
    return t->config->runtime.shortcuts && t->plan.n_shards > ls_job_size(t->job);
}

/* A pair needs a right leaf that is one run, and products that add up as the tree would. */
ls_status ls__try_pairs(ls_trainer *t)
{
    int64_t sizes[4 * LS_MAX_PHASES];
    bool equal = have_pairs_a_place(t);
    ls_status status = LS_OK;
    const int n_sizes = shard_sizes(&t->plan, sizes);
    for (int i = 0; i < n_sizes && equal && status == LS_OK; i++) {
        bool fresh = true;
        for (int j = 0; j < i; j++) fresh = fresh && sizes[j] != sizes[i];
        equal = sizes[i] <= t->plan.micro_batch_size;
        if (equal && fresh) status = ls_network_try_adding(t->network, sizes[i], &equal);
    }
    LS_TRY(ls_job_agree(t->job, status));
    t->pairs = ls_job_max(t->job, equal ? 0.0 : 1.0) == 0.0;
    return LS_OK;
}

ls_status ls__try_sharing(ls_trainer *t)
{
    if (!t->config->runtime.shortcuts) return LS_OK;
    int64_t batches[2 * LS_MAX_PHASES];
    const int n_batches = ls__batch_sizes(&t->plan.course, batches);
    for (int b = 0; b < n_batches; b++) {
        const int n_runs = ls__batch_runs(t, batches[b]);
        for (int i = 0, j; i < n_runs; i = j) {
            j = ls__next_group(t, i, n_runs);
            LS_TRY(ls_executor_try_sharing(t->executor, t->runs + i, j - i));
        }
    }
    return LS_OK;
}

void ls_trainer_shortcuts(ls_trainer *t, ls_shortcuts *out)
{
    const int n_runs = ls__batch_runs(t, ls_plan_batch(&t->plan, 0).rows);
    const int end = n_runs > 0 ? ls__next_group(t, 0, n_runs) : 0;
    *out = (ls_shortcuts){.pairs = t->pairs};
    ls_executor_shared(t->executor, t->runs, end, &out->forward, &out->backward, &out->n_layers);
}

static void await_layer(void *context, int position)
{
    ls_trainer *t = context;
    for (int i = 0; i < ls_network_layer(t->network, position)->n_tensors; i++)
        ls_exchange_await(t->exchange, t->tensor_of[position] + i); /* a weight and its bias may be in two buckets */
}

static void layer_is_ready(void *context, int position)
{
    ls_trainer *t = context;
    ls_exchange_ready(t->exchange, t->tensor_of[position]);
}

static void poll_exchange(void *context)
{
    ls_exchange_poll(((ls_trainer *)context)->exchange);
}

ls_status ls__create_hooks(ls_trainer *t)
{
    if (ls_job_n_nodes(t->job) == 1) return LS_OK;
    const int n = ls_network_n_layers(t->network);
    t->tensor_of = ls_calloc((size_t)n, sizeof *t->tensor_of);
    LS_REQUIRE(t->tensor_of != NULL, LS_ENOMEM, "out of memory");
    for (int i = 0, tensor = 0; i < n; i++) {
        t->tensor_of[i] = tensor;
        tensor += ls_network_layer(t->network, i)->n_tensors;
    }
    t->hooks = (ls_pass_hooks){t, await_layer, layer_is_ready, poll_exchange};
    return LS_OK;
}
