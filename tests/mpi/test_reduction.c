/* Reduction points: sums over all shards in tree order, the same on every rank, at every placement, again and again. */
#include <math.h>

#include "mpi_train.h"

#include "base/mem.h"
#include "comm/tree.h"
#include "lockstep/reduction.h"
#include "lockstep/rng.h"

enum { MAX_N = 300, ROUNDS = 40, MAX_SHARDS = 9 };

static double number(int round, int shard, int64_t i)
{
    return ls_rng_normal(3, (uint64_t)(round * MAX_SHARDS + shard), (uint64_t)i) * pow(10.0, shard);
}

/* Rounds of different lengths from different places; every rank compares with the tree. */
static bool sums_are_of_the_tree(const ls_job *job, int n_shards)
{
    ls_reduction *r;
    if (ls_reduction_create(job, n_shards, MAX_N, &r) != LS_OK) return false;
    const int size = ls_job_size(job), rank = ls_job_rank(job);
    const int begin = (int)ls_shard_first(n_shards, size, rank), end = (int)ls_shard_first(n_shards, size, rank + 1);
    static double vector[MAX_SHARDS][MAX_N], total[MAX_N];
    double *leaf[MAX_SHARDS];
    bool ok = true;
    uint64_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t n = 1 + round * 7 % MAX_N, first = round % 2 ? MAX_N - n : 0;
        for (int s = begin; s < end; s++) {
            leaf[s - begin] = vector[s];
            for (int64_t i = 0; i < MAX_N; i++) vector[s][i] = number(round, s, i);
        }
        if (round == 1) before = ls_mem_allocations();
        ls_reduction_run(r, leaf, first, n, total);
        for (int64_t i = 0; i < n; i++) {
            double all[MAX_SHARDS];
            for (int s = 0; s < n_shards; s++) all[s] = number(round, s, first + i);
            ok = ok && total[i] == ls_tree_sum(all, n_shards, 1);
        }
    }
    ok = ok && ls_mem_allocations() == before;
    ls_reduction_destroy(&r);
    return ok && r == NULL;
}

static void sums_at_every_placement(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 3; per_node++) {
        ls_job *job = ls_test_split(0, per_node);
        for (int n_shards = 1; n_shards <= MAX_SHARDS; n_shards += 2) LS_CHECK(sums_are_of_the_tree(job, n_shards));
        ls_job_destroy(&job);
    }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(sums_at_every_placement)};

LS_TEST_MAIN(tests)
