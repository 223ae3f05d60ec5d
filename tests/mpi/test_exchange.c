#include "mpi_test.h"

#include <math.h>

#include "base/mem.h"
#include "lockstep/exchange.h"
#include "lockstep/rng.h"

enum { MAX_TENSORS = 3, MAX_SHARDS = 32, ITERATIONS = 3 };

/* Sizes of tensors in elements; each begins at a 64-byte boundary, as in a network. */
typedef struct layout {
    int n_tensors;
    int64_t n[MAX_TENSORS];
} layout;

static const layout layouts[] = {{1, {1}},    {1, {17}},      {1, {4095}},          {1, {4096}},
                                 {1, {4097}}, {2, {1, 4096}}, {3, {4097, 17, 8200}}};
static const int shard_counts[] = {1, 2, 3, 4, 5, 7, 8, 13};

/* An exchange under test, and what the callback finds. */
typedef struct bench {
    ls_job *job;
    ls_exchange *exchange;
    ls_span tensor[MAX_TENSORS];
    int n_tensors, n_shards;
    int64_t n_floats;
    uint64_t iteration;
    int64_t *place;  /* [n_floats] where an element lies in this rank's arrays; -1: not here */
    float *expected; /* parameters of this rank after the updates so far */
    double *updates; /* [n_floats] how often this rank updated each element */
    int n_between;   /* calls between stages */
    int64_t n_wrong; /* sums with other bits, or tiles out of place */
} bench;

/* A wild number that is a pure function of what it stands for: every bit of the mantissa counts and magnitudes spread
 * over 2^20, so that the order of additions shows in the bits of a float and of a double. */
static double wild(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t bits = ls_mix64(a * 0x9E3779B97F4A7C15u + ls_mix64(b * 1000003u + c));
    return ldexp((double)(int64_t)bits, (int)(ls_mix64(bits) % 20) - 60);
}

static float leaf(const bench *b, int shard, int64_t element)
{
    return (float)wild(b->iteration + 1, (uint64_t)shard, (uint64_t)element);
}

static double record_value(const bench *b, int shard, int i)
{
    return wild(b->iteration + 77, (uint64_t)shard, (uint64_t)i);
}

static double block_value(const bench *b, int64_t block)
{
    return wild(b->iteration + 999, (uint64_t)block, (uint64_t)b->n_shards);
}

static uint32_t word_of(const bench *b, int rank)
{
    return rank == 0 ? UINT32_MAX : (uint32_t)ls_mix64(b->iteration * 64 + (uint64_t)rank);
}

static int half_of(int n)
{
    int half = 1 << 20;
    while (half >= n) half /= 2;
    return half;
}

static float naive_sum(const bench *b, int first, int n, int64_t element)
{
    if (n == 1) return leaf(b, first, element);
    const float left = naive_sum(b, first, half_of(n), element);
    const float right = naive_sum(b, first + half_of(n), n - half_of(n), element);
    return left + right;
}

static double naive_record(const bench *b, int first, int n, int i)
{
    if (n == 1) return record_value(b, first, i);
    return naive_record(b, first, half_of(n), i) + naive_record(b, first + half_of(n), n - half_of(n), i);
}

static void lay_out(bench *b, const layout *l)
{
    b->n_tensors = l->n_tensors;
    b->n_floats = 0;
    for (int t = 0; t < l->n_tensors; t++) {
        b->tensor[t] = (ls_span){b->n_floats, l->n[t], t % 3 == 1};
        b->n_floats += ls_pad_floats(l->n[t]);
    }
}

static int64_t count_blocks(const bench *b)
{
    int64_t n = 0;
    for (int t = 0; t < b->n_tensors; t++) n += (b->tensor[t].n + LS_BLOCK - 1) / LS_BLOCK;
    return n;
}

static void note_place(void *context, const ls_tile *tile)
{
    bench *b = context;
    for (int64_t i = 0; i < tile->n; i++) {
        b->n_wrong += b->place[tile->first + i] != -1 || tile->sum != NULL;
        b->place[tile->first + i] = tile->slice_first + i;
    }
}

static void set_up(bench *b, ls_job *job, const layout *l, const ls_exchange_options *options)
{
    *b = (bench){.job = job, .n_shards = options->n_shards};
    lay_out(b, l);
    LS_CHECK(ls_exchange_create(job, b->tensor, b->n_tensors, b->n_floats, options, &b->exchange) == LS_OK);
    b->place = ls_calloc((size_t)b->n_floats, sizeof *b->place);
    for (int64_t i = 0; i < b->n_floats; i++) b->place[i] = -1;
    ls_exchange_each(b->exchange, note_place, b);
    b->expected = ls_calloc((size_t)ls_exchange_slice_size(b->exchange), sizeof *b->expected);
    b->updates = ls_calloc((size_t)b->n_floats, sizeof *b->updates);
    LS_CHECK(ls_exchange_n_blocks(b->exchange) == count_blocks(b));
}

static void tear_down(bench *b)
{
    ls_exchange_destroy(&b->exchange);
    ls_free(b->place);
    ls_free(b->expected);
    ls_free(b->updates);
}

static bool tile_is_in_place(const bench *b, const ls_tile *tile)
{
    const ls_span *t = &b->tensor[tile->tensor];
    const bool in_tensor = tile->first >= t->first && tile->first + tile->n <= t->first + t->n;
    const bool whole =
        (tile->first - t->first) % LS_BLOCK == 0 && (tile->n == LS_BLOCK || tile->first + tile->n == t->first + t->n);
    const bool in_slice = tile->slice_first == b->place[tile->first] && tile->slice_first >= 0 &&
                          tile->slice_first + tile->n <= ls_exchange_slice_size(b->exchange);
    return in_tensor && whole && in_slice && tile->n <= LS_BLOCK;
}

/* p = p / 2 + sum; the tile may be overwritten, so it is. */
static void update(void *context, const ls_tile *tile)
{
    bench *b = context;
    if (!tile_is_in_place(b, tile)) {
        b->n_wrong += 1000000;
        return;
    }
    float *p = ls_exchange_params(b->exchange) + tile->first, *expected = b->expected + tile->slice_first;
    for (int64_t i = 0; i < tile->n; i++) {
        const float sum = naive_sum(b, 0, b->n_shards, tile->first + i);
        b->n_wrong += memcmp(&sum, &tile->sum[i], sizeof sum) != 0;
        expected[i] = expected[i] * 0.5f + sum;
        p[i] = p[i] * 0.5f + tile->sum[i];
        tile->sum[i] = NAN;
        b->updates[tile->first + i]++;
    }
    ls_exchange_block_values(b->exchange, tile->stage, tile->block)[0] = block_value(b, tile->block);
}

static void write_leaves(const bench *b)
{
    const int first = ls_exchange_first_shard(b->exchange), n = ls_exchange_n_shards(b->exchange);
    for (int s = first; s < first + n; s++) {
        float *gradient = ls_exchange_gradient(b->exchange, s);
        int end = s + 1;
        while (end < first + n && ls_exchange_gradient(b->exchange, end) == NULL) end++;
        for (int64_t e = 0; gradient != NULL && e < b->n_floats; e++) gradient[e] = naive_sum(b, s, end - s, e);
        for (int i = 0; i < LS_RECORD; i++) ls_exchange_record(b->exchange, s)[i] = record_value(b, s, i);
    }
    ls_exchange_set_word(b->exchange, word_of(b, ls_job_rank(b->job)));
}

static bool totals_are_right(const bench *b)
{
    double totals[LS_RECORD];
    ls_exchange_totals(b->exchange, totals);
    bool ok = true;
    for (int i = 0; i < LS_RECORD; i++) ok = ok && totals[i] == naive_record(b, 0, b->n_shards, i);
    for (int r = 0; r < ls_job_size(b->job); r++) ok = ok && ls_exchange_word(b->exchange, r) == word_of(b, r);
    return ok;
}

/* As backward would tell it, last tensor first; the others leave it to the run. */
static void tell_ready(const bench *b)
{
    for (int t = b->n_tensors - 1; t >= 0; t--) {
        if (b->iteration % 2 == 0) ls_exchange_ready(b->exchange, t);
        ls_exchange_poll(b->exchange);
    }
}

/* This node's parameters are those of the owners, and all nodes hold the same bytes. */
static bool params_are_right(const bench *b)
{
    const float *params = ls_exchange_params(b->exchange);
    for (int t = 0; t < b->n_tensors; t++) ls_exchange_await(b->exchange, t);
    ls_exchange_settle(b->exchange);
    bool own = true;
    for (int64_t e = 0; e < b->n_floats; e++)
        own = own && (b->place[e] < 0 || memcmp(&params[e], &b->expected[b->place[e]], sizeof(float)) == 0);
    const size_t bytes = (size_t)b->n_floats * sizeof(float);
    return ls_job_same(b->job, params, bytes, LS_EREPLICA, "parameters") == LS_OK && own;
}

/* P1: over the whole job, every element of a tensor was updated once an iteration, and padding never. */
static bool owners_are_single(const bench *b, double iterations)
{
    const int size = ls_job_size(b->job), n = (int)b->n_floats;
    int *counts = ls_calloc((size_t)size, sizeof *counts);
    double *all = ls_calloc((size_t)size * (size_t)n, sizeof *all), *sum = ls_calloc((size_t)n, sizeof *sum);
    for (int r = 0; r < size; r++) counts[r] = n;
    ls_job_gather_all(b->job, b->updates, counts, all);
    bool ok = true;
    for (int64_t i = 0; i < (int64_t)size * n; i++) {
        ok = ok && (all[i] == 0.0 || all[i] == iterations);
        sum[i % n] += all[i];
    }
    for (int t = 0; t < b->n_tensors; t++) {
        const int64_t end = t + 1 < b->n_tensors ? b->tensor[t + 1].first : b->n_floats;
        for (int64_t e = b->tensor[t].first; e < end; e++)
            ok = ok && sum[e] == (e < b->tensor[t].first + b->tensor[t].n ? iterations : 0.0);
    }
    ls_free(counts);
    ls_free(all);
    ls_free(sum);
    return ok;
}

/* An update in three stages: the first two leave the sum doubled each time, and numbers per block; before each further
 * stage every rank has the numbers of all blocks. */
static void visit_stage(void *context, const ls_tile *tile)
{
    bench *b = context;
    if (tile->stage == 2) {
        for (int64_t i = 0; i < tile->n; i++) tile->sum[i] *= 0.25f;
        update(context, tile);
        return;
    }
    for (int64_t i = 0; i < tile->n; i++) tile->sum[i] *= 2.0f;
    for (int v = 0; v < LS_BLOCK_VALUES; v++)
        ls_exchange_block_values(b->exchange, tile->stage, tile->block)[v] =
            block_value(b, tile->block * LS_BLOCK_VALUES + v + 5 * tile->stage);
}

static void check_values(void *context, int next)
{
    bench *b = context;
    double tensors[MAX_TENSORS];
    for (int v = 0; v < LS_BLOCK_VALUES; v++) {
        double total = 0.0, of_tensor[MAX_TENSORS] = {0};
        int64_t block = 0;
        for (int t = 0; t < b->n_tensors; t++)
            for (int64_t at = 0; at < b->tensor[t].n; at += LS_BLOCK, block++) {
                const double value = block_value(b, block * LS_BLOCK_VALUES + v + 5 * (next - 1));
                total += value;
                of_tensor[t] += value;
            }
        b->n_wrong += ls_exchange_block_total(b->exchange, next - 1, v) != total;
        ls_exchange_tensor_totals(b->exchange, next - 1, v, tensors);
        b->n_wrong += memcmp(tensors, of_tensor, (size_t)b->n_tensors * sizeof tensors[0]) != 0;
    }
    b->n_between++;
}

/* The second iteration of three works in stages. */
static void run(bench *b, bool share)
{
    const bool staged = b->iteration % 3 == 1;
    const ls_stages stages = {.n = staged ? 3 : 1,
                              .visit = staged ? visit_stage : update,
                              .between = check_values,
                              .context = b,
                              .share_last = share};
    const int before = b->n_between;
    ls_exchange_run(b->exchange, &stages);
    b->n_wrong += b->n_between - before != stages.n - 1;
}

/* Summed in block order, whoever owns the blocks: the same for every placement. */
static bool last_total_is_right(const bench *b)
{
    double total = 0.0;
    const int last = b->iteration % 3 == 1 ? 2 : 0;
    for (int64_t i = 0; i < ls_exchange_n_blocks(b->exchange); i++) total += block_value(b, i);
    return ls_exchange_block_total(b->exchange, last, 0) == total;
}

static void check_iterations(ls_job *job, const layout *l, const ls_exchange_options *options)
{
    bench b;
    set_up(&b, job, l, options);
    bool ok = true;
    for (b.iteration = 0; b.iteration < ITERATIONS; b.iteration++) {
        const bool share = b.iteration < 2;
        write_leaves(&b);
        tell_ready(&b);
        run(&b, share);
        ok = totals_are_right(&b) && ok;
        ok = (!share || last_total_is_right(&b)) && ok;
        ok = params_are_right(&b) && ok;
    }
    ok = owners_are_single(&b, ITERATIONS) && ok;
    if (!ok || b.n_wrong > 0)
        dprintf(STDERR_FILENO, "%d nodes, layout %d, %d shards, buckets of %lld: %lld wrong sums\n",
                ls_job_n_nodes(job), (int)(l - layouts), options->n_shards, (long long)options->bucket_floats,
                (long long)b.n_wrong);
    LS_CHECK(ok && b.n_wrong == 0);
    tear_down(&b);
}

static void check_placement(int per_node)
{
    ls_job *job;
    LS_CHECK(ls_job_split(ls_world, 0, per_node, &job) == LS_OK);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (size_t j = 0; j < sizeof shard_counts / sizeof *shard_counts; j++) {
            const ls_exchange_options options = {.n_shards = shard_counts[j], .bucket_floats = (int64_t)(j % 3) * 2048};
            check_iterations(job, &layouts[i], &options);
        }
    ls_job_destroy(&job);
}

static void one_node(void **state)
{
    (void)state;
    check_placement(0);
}

static void nodes_of_one_rank(void **state)
{
    (void)state;
    check_placement(1);
}

static void nodes_of_two_ranks(void **state)
{
    (void)state;
    check_placement(2);
}

static void nodes_of_three_ranks(void **state)
{
    (void)state;
    check_placement(3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_node),
    cmocka_unit_test(nodes_of_one_rank),
    cmocka_unit_test(nodes_of_two_ranks),
    cmocka_unit_test(nodes_of_three_ranks),
};

LS_TEST_MAIN(tests)
