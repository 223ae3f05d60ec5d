/* Combine and update of one gradient a rank: the exchange against MPI_Allreduce with a replicated update. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/node.h"
#include "cli/bench.h"
#include "lockstep/exchange.h"
#include "lockstep/optimizer.h"
#include "math/vec.h"

static const int64_t sizes[] = {100000, 669706, 3300000, 11000000};

static const double trial_s = 0.2;

typedef struct contest {
    const ls_job *job;
    int64_t n;
    ls_optimizer *optimizer;
    ls_exchange *exchange;
    float *slot;                         /* of this rank's slice */
    float *params, *gradient, *momentum; /* the replica */
} contest;

static void update_tile(void *context, const ls_tile *tile)
{
    const contest *c = context;
    ls_vec_divide(tile->n, (float)ls_job_size(c->job), tile->sum);
    ls_optimizer_update(c->optimizer, &(ls_update){.n = tile->n,
                                                   .p = ls_exchange_params(c->exchange) + tile->first,
                                                   .g = tile->sum,
                                                   .slot = {c->slot + tile->slice_first},
                                                   .lr = 1e-3});
}

static void run_exchange(contest *c)
{
    ls_exchange_run(c->exchange, &(ls_stages){.n = 1, .visit = update_tile, .context = c});
}

static void run_allreduce(contest *c)
{
    ls_job_allreduce(c->job, c->gradient, c->n);
    ls_vec_divide(c->n, (float)ls_job_size(c->job), c->gradient);
    ls_optimizer_update(c->optimizer,
                        &(ls_update){.n = c->n, .p = c->params, .g = c->gradient, .slot = {c->momentum}, .lr = 1e-3});
}

static ls_status set_up(contest *c)
{
    ls_node *spec;
    const char text[] = "{name: momentum, lr: 0.001}";
    LS_TRY(ls_node_parse(text, sizeof text - 1, "bench", &spec));
    const ls_status status = ls_optimizer_create(spec, &c->optimizer);
    ls_node_destroy(&spec);
    LS_TRY(status);
    LS_TRY(ls_exchange_create(c->job, &(ls_span){.n = c->n}, 1, ls_pad_floats(c->n),
                              &(ls_exchange_options){.n_shards = ls_job_size(c->job)}, &c->exchange));
    c->slot = ls_calloc((size_t)ls_exchange_slice_size(c->exchange), sizeof(float));
    c->params = ls_calloc((size_t)c->n, sizeof(float));
    c->gradient = ls_calloc((size_t)c->n, sizeof(float));
    c->momentum = ls_calloc((size_t)c->n, sizeof(float));
    LS_REQUIRE(c->slot && c->params && c->gradient && c->momentum, LS_ENOMEM, "out of memory for a benchmark");
    float *own = ls_exchange_gradient(c->exchange, ls_exchange_first_shard(c->exchange));
    for (int64_t i = 0; i < c->n; i++) own[i] = c->gradient[i] = (float)(i % 13) * 1e-3f;
    return LS_OK;
}

static void clean_up(contest *c)
{
    ls_free(c->slot);
    ls_free(c->params);
    ls_free(c->gradient);
    ls_free(c->momentum);
    ls_exchange_destroy(&c->exchange);
    ls_optimizer_destroy(&c->optimizer);
}

/* Seconds of one round on the slowest rank. */
static double time_rounds(contest *c, void (*run)(contest *), int64_t rounds)
{
    ls_job_barrier(c->job);
    const double start = ls_clock_s();
    for (int64_t i = 0; i < rounds; i++) run(c);
    return ls_job_max(c->job, (ls_clock_s() - start) / (double)rounds);
}

/* Both sides alternate; medians. */
static void compete(contest *c, double *ours, double *theirs)
{
    double a[LS_BENCH_REPEATS], b[LS_BENCH_REPEATS];
    const double guess = time_rounds(c, run_allreduce, 3);
    const int64_t rounds = (int64_t)(trial_s / guess) + 1;
    time_rounds(c, run_exchange, 3);
    for (int r = 0; r < LS_BENCH_REPEATS; r++) {
        a[r] = time_rounds(c, run_exchange, rounds);
        b[r] = time_rounds(c, run_allreduce, rounds);
    }
    ls_bench_sort(a);
    ls_bench_sort(b);
    *ours = ls_bench_median(a);
    *theirs = ls_bench_median(b);
}

ls_status ls_bench_exchange(const ls_job *job, bool json)
{
    const bool talks = ls_job_rank(job) == 0;
    if (talks && !json)
        printf("ranks %d: ms of combine + momentum update\n  parameters   exchange  allreduce    ratio\n",
               ls_job_size(job));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        contest c = {.job = job, .n = sizes[i]};
        double ours = 0.0, theirs = 1.0;
        const ls_status status = ls_job_agree(job, set_up(&c));
        if (status == LS_OK) compete(&c, &ours, &theirs);
        clean_up(&c);
        LS_TRY(status);
        if (!talks) continue;
        if (json)
            printf("{\"ranks\": %d, \"parameters\": %" PRId64 ", \"exchange_ms\": %.6f, \"allreduce_ms\": %.6f}\n",
                   ls_job_size(job), sizes[i], 1e3 * ours, 1e3 * theirs);
        else
            printf("  %10" PRId64 " %10.4f %10.4f %8.3f\n", sizes[i], 1e3 * ours, 1e3 * theirs, ours / theirs);
    }
    return LS_OK;
}
