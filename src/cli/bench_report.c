/* The figures of a benchmark: one list, as text or as JSON. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench.h"

typedef struct figure {
    const char *key, *unit;
    double value;
} figure;

enum { MAX_FIGURES = 24 };

static int list_figures(const ls_bench_run *r, figure out[MAX_FIGURES])
{
    const double n = (double)r->iterations, median = ls_bench_median(r->seconds) / n;
    const ls_phase_times *p = &r->part;
    const figure all[] = {{"samples_per_s", "", r->mean_batch / median},
                          {"iteration_ms", "ms", 1e3 * median},
                          {"iteration_ms_min", "ms", 1e3 * r->seconds[0] / n},
                          {"iteration_ms_max", "ms", 1e3 * r->seconds[LS_BENCH_REPEATS - 1] / n},
                          {"data_ms", "ms", 1e3 * p->data},
                          {"forward_ms", "ms", 1e3 * p->forward},
                          {"backward_ms", "ms", 1e3 * p->backward},
                          {"wait_ms", "ms", 1e3 * p->wait},
                          {"network_ms", "ms", 1e3 * p->network},
                          {"add_ms", "ms", 1e3 * (p->tiles - p->update)},
                          {"update_ms", "ms", 1e3 * p->update},
                          {"evaluation_s", "s", r->evaluation_s},
                          {"barrier_us", "us", 1e6 * r->barrier_s},
                          {"gemm_gflops", "GFLOP/s", r->gemm.operations / r->gemm.seconds * 1e-9},
                          {"gemm_ms", "ms", 1e3 * r->gemm.seconds / n},
                          {"gemm_calls", "", (double)r->gemm.n_calls / n},
                          {"shared_forward_layers", "", r->shortcuts.forward},
                          {"shared_backward_layers", "", r->shortcuts.backward},
                          {"paired_leaves", "", r->shortcuts.pairs},
                          {"shards", "", (double)r->shards},
                          {"limit_ms", "ms", 1e3 * r->limit_s},
                          {"iteration_over_limit", "", r->limit_s > 0 ? median / r->limit_s : 0}};
    const int n_all = (int)(sizeof all / sizeof all[0]), shown = r->limit_s > 0 ? n_all : n_all - 2;
    for (int i = 0; i < shown; i++) out[i] = all[i];
    return shown;
}

void ls_bench_print(const ls_bench_run *r, bool json)
{
    figure figures[MAX_FIGURES];
    const int n = list_figures(r, figures);
    if (json)
        printf("{\"ranks\": %d, \"global_batch_size\": %" PRId64 ", \"blas_core\": \"%s\", \"blas_threads\": %d, "
               "\"iterations\": %" PRId64,
               r->ranks, r->batch, ls_blas_core(), ls_blas_threads(), r->iterations);
    else
        printf("ranks %d, global batch %" PRId64 ", kernel type %s, BLAS threads %d a rank; medians of %d x %" PRId64
               " iterations, parts of rank 0\n",
               r->ranks, r->batch, ls_blas_core(), ls_blas_threads(), LS_BENCH_REPEATS, r->iterations);
    for (int i = 0; i < n; i++) {
        if (json)
            printf(", \"%s\": %.6g", figures[i].key, figures[i].value);
        else
            printf("  %-24s %12.6g %s\n", figures[i].key, figures[i].value, figures[i].unit);
    }
    if (json) printf("}\n");
    fflush(stdout);
}
