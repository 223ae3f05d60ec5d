/* P2, P6: the same bits for every rank count and placement, and memory that stays as it is. */
#include <math.h>

#include "mpi_train.h"

#include "base/mem.h"

enum { MAX_ITERATIONS = 16 };

/* 97 samples in batches of 47: two full ones, and a tail of 3 rows for 5 shards. */
static const char *const ragged = "data:\n"
                                  "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"
                                  "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
                                  "  validation: {format: synthetic, samples: 1, features: 70, classes: 7, hidden: 8}\n"
                                  "model: [{dense: 61}, relu, {dropout: 0.3}, {dense: 7}]\n"
                                  "batch: {global_batch_size: 47, shards: 5, micro_batch_size: 3}\n"
                                  "optimizer: {name: momentum, lr: 0.05, momentum: 0.9}\n"
                                  "train: {max_iterations: 100}\n"
                                  "eval: {batch: 10}\n";

static const char *const automatic = "data:\n"
                                     "  train: {format: synthetic, samples: 300, features: 70, classes: 7, hidden: 8}\n"
                                     "  validation: {last: 41}\n"
                                     "model: [{dense: 61}, tanh, {dense: 7}]\n"
                                     "optimizer: {lr: 0.05}\n"
                                     "train: {epochs: 50}\n";

static const char *const one_shard = "data:\n"
                                     "  train: {format: synthetic, kind: regression, samples: 50, features: 70, "
                                     "targets: 3, hidden: 8}\n"
                                     "  test: {format: synthetic, kind: regression, samples: 9, features: 70, "
                                     "targets: 3, hidden: 8}\n"
                                     "model: [{dense: 61}, gelu, {dense: 3}]\n"
                                     "loss: mse\n"
                                     "batch: {global_batch_size: 20, shards: 1, micro_batch_size: 7}\n"
                                     "optimizer: {name: sgd, lr: 0.01}\n"
                                     "train: {epochs: 50}\n"
                                     "eval: {batch: 2}\n";

static const char *const adam = "data:\n"
                                "  train: {format: synthetic, samples: 200, features: 70, classes: 7, hidden: 8}\n"
                                "  test: {format: synthetic, samples: 30, features: 70, classes: 7, hidden: 8}\n"
                                "model: [{dense: 130}, sigmoid, {dropout: 0.1}, {dense: {units: 7, bias: false}}]\n"
                                "batch: {global_batch_size: 64, shards: 8, drop_last: true}\n"
                                "optimizer: {name: adam, lr: 0.01, weight_decay: 0.001, decay_exclude: [bias]}\n"
                                "schedule: {name: cosine, warmup: 5}\n"
                                "train: {max_iterations: 16, seed: 3, seeds: {dropout: 9}}\n"
                                "metrics: {every_iterations: 1}\n";

/* Norms over parameters of several blocks, in every combination of stages; moving averages. */
static const char *const plain = "data:\n"
                                 "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"
                                 "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
                                 "model: [{dense: 130}, relu, {dense: 7}]\n"
                                 "batch: {global_batch_size: 47, shards: 5, micro_batch_size: 3}\n"
                                 "train: {epochs: 50}\n";
static const char *const with_norms[] = {
    "optimizer: {name: momentum, lr: 0.05, clip_norm: 0.3, weight_decay: 0.01}",
    "optimizer: {name: lars, lr: 1, trust: 0.01, weight_decay: 0.001, decay_exclude: [bias]}",
    "optimizer: {name: lars, lr: 1, trust: 0.01, clip_norm: 0.3, ema: 0.9}",
    "optimizer: {name: lamb, lr: 0.01, ratio_exclude: [bias]}",
    "optimizer: {name: lamb, lr: 0.01, clip_norm: 0.3, ema: 0.5}",
    "optimizer: {name: rmsprop, lr: 0.001, centered: true, momentum: 0.9, eps: 0.001, ema: 0.9}",
};
enum { N_WITH_NORMS = sizeof with_norms / sizeof with_norms[0] };
static const char *const blocks = "data:\n"
                                  "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"
                                  "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
                                  "model: [{residual: {body: [{dense: 60}, {groupnorm: 6}, relu, {dense: 48}], "
                                  "shortcut: [{dense: 48}]}}, {layernorm: {}}, relu, "
                                  "{residual: [{dense: 48}, relu, {dropout: 0.2}]}, {dense: 7}]\n"
                                  "batch: {global_batch_size: 47, shards: 5, micro_batch_size: 3}\n"
                                  "optimizer: {name: momentum, lr: 0.05, momentum: 0.9}\n"
                                  "train: {max_iterations: 100}\n"
                                  "eval: {batch: 10}\n";

/* The tail of 3 rows leaves shards, and ranks, without rows: they come to the meetings of the layers all the same. */
static const char *const batch_norm = "data:\n"
                                      "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"
                                      "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
                                      "model: [{batchnorm: {}}, {dense: 61}, {batchnorm: {momentum: 0.3}}, relu, "
                                      "{residual: [{dense: 61}, {batchnorm: {affine: false}}, relu]}, {dense: 7}]\n"
                                      "batch: {global_batch_size: 47, shards: 5, micro_batch_size: 3}\n"
                                      "optimizer: {name: momentum, lr: 0.05, momentum: 0.9}\n"
                                      "train: {max_iterations: 100}\n"
                                      "eval: {batch: 10}\n";

static const char *const ghost_norm =
    "data:\n"
    "  train: {format: synthetic, samples: 107, features: 70, classes: 7, hidden: 8}\n"
    "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
    "model: [{dense: 61}, {batchnorm: {statistics: shard}}, relu, {dense: 30}, "
    "{batchnorm: {statistics: batch}}, tanh, {batchnorm: {statistics: shard}}, "
    "{dense: 7}]\n"
    "batch: {global_batch_size: 48, shards: 5, micro_batch_size: 10}\n"
    "optimizer: {name: adam, lr: 0.01}\n"
    "train: {max_iterations: 100}\n"
    "eval: {batch: 10}\n";

/* What a run computes, iteration by iteration. */
typedef struct trace {
    int n;
    double loss[MAX_ITERATIONS], norm[MAX_ITERATIONS];
    uint64_t hash[MAX_ITERATIONS];
    double test_loss, test_accuracy, validation_loss, validation_accuracy, ema_loss, ema_accuracy;
} trace;

static ls_status record_steps(ls_test_run *run, trace *out)
{
    for (int i = 0; i < out->n; i++) {
        LS_TRY(ls_trainer_step(run->trainer));
        out->loss[i] = ls_trainer_loss(run->trainer);
        out->hash[i] = ls_trainer_params_hash(run->trainer);
        out->norm[i] = run->trainer->gradient_norm;
    }
    ls_training_result result = {0};
    LS_TRY(ls_trainer_evaluate(run->trainer, &result));
    out->test_loss = result.test.loss;
    out->test_accuracy = result.test.accuracy;
    out->ema_loss = result.test.ema_loss;
    out->ema_accuracy = result.test.ema_accuracy;
    out->validation_loss = result.validation.loss;
    out->validation_accuracy = result.validation.accuracy;
    return LS_OK;
}

static ls_status record(ls_job *job, const char *text, const char *extra, int n, trace *out)
{
    ls_test_run run;
    memset(out, 0, sizeof *out);
    out->n = n;
    ls_status status = ls_test_open(job, text, extra, NULL, &run);
    if (status == LS_OK) status = record_steps(&run, out);
    ls_test_close(&run);
    return status;
}

/* Rank 0 by itself, while the others wait. */
static void record_alone(const char *text, const char *extra, int n, trace *out)
{
    const bool mine = ls_job_rank(ls_world) == 0;
    ls_job *job = ls_test_split(mine ? 0 : 1, 0);
    LS_CHECK(!mine || record(job, text, extra, n, out) == LS_OK);
    ls_job_destroy(&job);
    ls_job_broadcast(ls_world, 0, out, sizeof *out);
}

/* Bytes, so that NaN equals itself. */
static bool is_same(const trace *a, const trace *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The run does something: parameters move with every iteration. */
static bool moves(const trace *t)
{
    for (int i = 1; i < t->n; i++)
        if (t->hash[i] == t->hash[i - 1]) return false;
    return t->hash[0] != 0;
}

static void check_bits(const char *text, const char *extra, int n)
{
    trace alone;
    record_alone(text, extra, n, &alone);
    LS_CHECK(moves(&alone));
    for (int per_node = 0; per_node <= 3; per_node++) {
        ls_job *job = ls_test_split(0, per_node);
        trace together;
        LS_CHECK(record(job, text, extra, n, &together) == LS_OK);
        LS_CHECK(is_same(&together, &alone));
        ls_job_destroy(&job);
    }
}

static void ragged_shards_with_dropout(void **state)
{
    (void)state;
    check_bits(ragged, NULL, 10);
}

static void everything_automatic(void **state)
{
    (void)state;
    check_bits(automatic, NULL, 7);
}

static void a_single_shard(void **state)
{
    (void)state;
    check_bits(one_shard, NULL, 8);
}

static void adam_with_decay_and_schedule(void **state)
{
    (void)state;
    check_bits(adam, NULL, 14);
}

static void norms_over_parameters(void **state)
{
    (void)state;
    for (int i = 0; i < N_WITH_NORMS; i++) check_bits(plain, with_norms[i], 6);
}

static void residual_blocks_and_norms(void **state)
{
    (void)state;
    check_bits(blocks, NULL, 8);
}

static void batch_norm_of_both_kinds(void **state)
{
    (void)state;
    check_bits(batch_norm, NULL, 7);
    check_bits(ghost_norm, NULL, 7);
}

/* Batches of 20 for an epoch of 97 samples, then of 60: 5 iterations, then 2 each. */
static const char *const growing = "data:\n"
                                   "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"
                                   "  test: {format: synthetic, samples: 33, features: 70, classes: 7, hidden: 8}\n"
                                   "model: [{dense: 61}, relu, {dense: 7}]\n"
                                   "batch: {shards: 4, schedule: [{epoch: 0, size: 20}, {epoch: 1, size: 60}]}\n"
                                   "optimizer: {name: momentum, lr: 0.05}\n"
                                   "schedule: {name: linear, unit: epochs, warmup: 1, duration: 50}\n"
                                   "train: {epochs: 50}\n";

static void batches_that_grow(void **state)
{
    (void)state;
    check_bits(growing, NULL, 10);
    check_bits(growing, "runtime: {shortcuts: false}", 10);
}

static void iterations_allocate_nothing(void **state)
{
    (void)state;
    const char *const texts[] = {ragged, adam, plain, blocks, batch_norm, ghost_norm, growing};
    const char *const extra[] = {NULL, NULL, with_norms[4], NULL, NULL, NULL, NULL};
    for (int i = 0; i < 21; i++) {
        ls_job *job = ls_test_split(0, i / 7);
        ls_test_run run;
        LS_CHECK(ls_test_open(job, texts[i % 7], extra[i % 7], NULL, &run) == LS_OK);
        ls_status status = ls_trainer_step(run.trainer);
        const uint64_t before = ls_mem_allocations();
        for (int j = 0; status == LS_OK && j < 50; j++) status = ls_trainer_step(run.trainer);
        const uint64_t after = ls_mem_allocations();
        LS_CHECK(status == LS_OK && after == before);
        ls_test_close(&run);
        ls_job_destroy(&job);
    }
}

/* 768 rows of 13 KB of activations: 1 MB forces groups of micro-batches even on 8 ranks. */
static const char *const wide = "data:\n"
                                "  train: {format: synthetic, samples: 768, features: 40, classes: 7, hidden: 8}\n"
                                "model: [{dense: 1024}, relu, {dropout: 0.2}, {dense: 7}]\n"
                                "batch: {global_batch_size: 768, shards: 8, micro_batch_size: 16}\n"
                                "optimizer: {lr: 0.05}\n"
                                "train: {epochs: 5}\n";

static void groups_of_micro_batches_give_the_same_bits(void **state)
{
    (void)state;
    ls_job *job = ls_test_split(0, 0);
    ls_test_run run;
    LS_CHECK(ls_test_open(job, wide, "runtime: {memory_limit: 1}", NULL, &run) == LS_OK);
    LS_CHECK(run.trainer->group_rows < ls_plan_max_rows(&run.trainer->plan, ls_job_size(job)));
    ls_test_close(&run);
    trace large, small;
    LS_CHECK(record(job, wide, NULL, 3, &large) == LS_OK);
    LS_CHECK(record(job, wide, "runtime: {memory_limit: 1}", 3, &small) == LS_OK);
    LS_CHECK(is_same(&large, &small) && moves(&small));
    ls_job_destroy(&job);
}

/* Weights of more than a bucket: each layer travels by itself. */
static const char *const heavy = "data:\n"
                                 "  train: {format: synthetic, samples: 64, features: 520, classes: 7, hidden: 8}\n"
                                 "model: [{dense: 520}, relu, {dense: 520}, relu, {dense: 7}]\n"
                                 "batch: {global_batch_size: 32, shards: 4}\n"
                                 "optimizer: {lr: 0.05}\n"
                                 "train: {epochs: 50}\n";

static void several_buckets_give_the_same_bits(void **state)
{
    (void)state;
    trace alone, together;
    ls_job *job = ls_test_split(ls_job_rank(ls_world), 0);
    LS_CHECK(record(job, heavy, NULL, 6, &alone) == LS_OK);
    ls_job_destroy(&job);
    for (int per_node = 0; per_node <= 2; per_node++) {
        job = ls_test_split(0, per_node);
        LS_CHECK(record(job, heavy, NULL, 6, &together) == LS_OK);
        LS_CHECK(is_same(&alone, &together) && moves(&alone));
        ls_job_destroy(&job);
    }
}

/* Shared products and paired leaves, where the trial at the start allows them, against separate ones. */
static void shortcuts_give_the_same_bits(void **state)
{
    (void)state;
    static const char *const texts[] = {ragged, automatic, adam, wide, blocks, batch_norm, ghost_norm};
    for (int i = 0; i < 14; i++) {
        ls_job *job = ls_test_split(0, i / 7);
        trace with, without;
        LS_CHECK(record(job, texts[i % 7], NULL, 8, &with) == LS_OK);
        LS_CHECK(record(job, texts[i % 7], "runtime: {shortcuts: false}", 8, &without) == LS_OK);
        LS_CHECK(is_same(&with, &without) && moves(&with));
        ls_job_destroy(&job);
    }
}

/* The literal allreduce computes the same mean, but for rounding; its replicas agree. */
static void the_literal_allreduce_is_close(void **state)
{
    (void)state;
    static const char *const literal_method = "exchange: {method: mpi_allreduce}";
    const char *const texts[] = {ragged, one_shard, batch_norm, ghost_norm, plain, plain, plain};
    const char *const extra[] = {"", "", "", "", with_norms[0], with_norms[2], with_norms[4]};
    for (int i = 0; i < 7; i++) {
        char both[256];
        snprintf(both, sizeof both, "%s\n%s", extra[i], literal_method);
        ls_job *job = ls_test_split(0, 0);
        trace tree, literal;
        LS_CHECK(record(job, texts[i], extra[i], 8, &tree) == LS_OK);
        LS_CHECK(record(job, texts[i], both, 8, &literal) == LS_OK);
        bool close = true;
        for (int j = 0; j < 8; j++) close = close && fabs(tree.loss[j] - literal.loss[j]) < 1e-4 * tree.loss[j];
        if (i >= 5) close = close && fabs(tree.ema_loss - literal.ema_loss) < 1e-4 * tree.ema_loss;
        LS_CHECK(close);
        LS_CHECK(ls_job_same(job, literal.hash, sizeof literal.hash[0] * 8, LS_EREPLICA, "replicas") == LS_OK);
        ls_job_destroy(&job);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ragged_shards_with_dropout),
    cmocka_unit_test(everything_automatic),
    cmocka_unit_test(a_single_shard),
    cmocka_unit_test(adam_with_decay_and_schedule),
    cmocka_unit_test(norms_over_parameters),
    cmocka_unit_test(residual_blocks_and_norms),
    cmocka_unit_test(batch_norm_of_both_kinds),
    cmocka_unit_test(batches_that_grow),
    cmocka_unit_test(iterations_allocate_nothing),
    cmocka_unit_test(groups_of_micro_batches_give_the_same_bits),
    cmocka_unit_test(several_buckets_give_the_same_bits),
    cmocka_unit_test(shortcuts_give_the_same_bits),
    cmocka_unit_test(the_literal_allreduce_is_close),
};

LS_TEST_MAIN(tests)
