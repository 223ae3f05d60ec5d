/** What `bench` measures, and how it tells it. */
#ifndef LOCKSTEP_CLI_BENCH_H
#define LOCKSTEP_CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/trainer.h"
#include "math/blas.h"

enum { LS_BENCH_REPEATS = 5 };

/** Iterations of a configuration.  Parts are rank 0's, in seconds an iteration. */
typedef struct ls_bench_run {
    int64_t iterations, batch, shards;
    double mean_batch; /* samples of a timed iteration: the last batch of an epoch may be smaller */
    int ranks;
    double seconds[LS_BENCH_REPEATS]; /* of `iterations` each, sorted */
    double evaluation_s, barrier_s;
    ls_phase_times part;
    ls_gemm_profile gemm;
    ls_shortcuts shortcuts;
    double limit_s; /* sum of the products' times, measured hot, slowest rank; 0: not asked for */
} ls_bench_run;

/** Median of ascending repeats. */
double ls_bench_median(const double sorted[LS_BENCH_REPEATS]);
void ls_bench_sort(double times[LS_BENCH_REPEATS]);

void ls_bench_print(const ls_bench_run *run, bool json);

/** Times every product of an iteration by itself, hot, on all ranks at once; prints a line per shape (rank 0, unless
 *  json).  The sum over the iteration's calls on the slowest rank into *seconds.  Collective. */
ls_status ls_bench_limit(const ls_job *job, const ls_gemm_profile *profile, int64_t iterations, bool json,
                         double *seconds);

/** Seconds of one product of a shape, on this rank alone, hot: the median of LS_BENCH_REPEATS, 0.15 s in all.  Not
 *  collective.  LS_ENOMEM. */
ls_status ls_bench_shape(const ls_gemm_shape *shape, double *seconds);

/** Seconds of one MPI_Barrier: it tells how far apart the ranks' cores are at the moment, which on a virtual machine
 *  may change from minute to minute.  Up to 2000 of them, or a quarter of a second.  Collective. */
double ls_bench_barrier(const ls_job *job);

/** Combine and momentum update of a vector against MPI_Allreduce and a replicated update, side by side.  Collective. */
ls_status ls_bench_exchange(const ls_job *job, bool json);

#endif
