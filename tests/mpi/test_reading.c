/* The gradient noise scale of a run: the same bits for every rank count, placement and shortcut, and none other in the
 * parameters with readings than without. */
#include <math.h>

#include "mpi_train.h"

#include "base/mem.h"

enum { ITERATIONS = 12 };

/* 97 samples in batches of 47: two full ones, and a tail of 3 rows for 5 shards. */
#define DATA                                                                                                           \
    "data:\n"                                                                                                          \
    "  train: {format: synthetic, samples: 97, features: 70, classes: 7, hidden: 8}\n"                                 \
    "metrics: {every_iterations: 1000}\n"                                                                              \
    "train: {max_iterations: 1000}\n"

static const char *const texts[] = {
    /* several micro-batches a shard: no pairs */
    DATA "model: [{dense: 61}, relu, {dropout: 0.3}, {dense: 7}]\n"
         "batch: {global_batch_size: 47, shards: 5, micro_batch_size: 3}\n"
         "optimizer: {name: momentum, lr: 0.05, momentum: 0.9}\n",
    /* pairs; the tail leaves shards without rows; several blocks and stages */
    DATA "model: [{dense: 130}, relu, {dense: 7}]\n"
         "batch: {global_batch_size: 47, shards: 6}\n"
         "optimizer: {name: lamb, lr: 0.01, clip_norm: 0.3, ema: 0.5}\n",
    /* halves */
    DATA "model: [{dense: 61}, gelu, {dropout: 0.2}, {dense: 7}]\n"
         "batch: {global_batch_size: 19, shards: 1, micro_batch_size: 7}\n"
         "optimizer: {name: sgd, lr: 0.01}\n",
    /* statistics of a shard */
    DATA "model: [{dense: 61}, {batchnorm: {statistics: shard}}, tanh, {dense: 7}]\n"
         "batch: {global_batch_size: 48, shards: 8, drop_last: true}\n"
         "optimizer: {name: adam, lr: 0.01}\n",
    /* batches that grow */
    DATA "model: [{dense: 61}, relu, {dense: 7}]\n"
         "batch: {shards: 4, schedule: [{epoch: 0, size: 20}, {epoch: 1, size: 60}]}\n"
         "optimizer: {name: momentum, lr: 0.05}\n",
};
enum { N_TEXTS = sizeof texts / sizeof texts[0] };

typedef struct trace {
    double trace[ITERATIONS], g2[ITERATIONS], scale, scale_se;
    int64_t n;
    uint64_t hash;
    double loss;
} trace;

static ls_status record(ls_job *job, const char *text, const char *extra, trace *out)
{
    ls_test_run run;
    memset(out, 0, sizeof *out);
    ls_status status = ls_test_open(job, text, extra, NULL, &run);
    for (int i = 0; i < ITERATIONS && status == LS_OK; i++) {
        status = ls_trainer_step(run.trainer);
        const ls_noise noise = ls_trainer_noise(run.trainer);
        *out = (trace){.scale = noise.scale, .scale_se = noise.scale_se, .n = noise.n};
        out->loss = ls_trainer_loss(run.trainer);
        for (int k = 0; k < ITERATIONS; k++) {
            out->trace[k] = run.trainer->state.noise.reading[k].trace;
            out->g2[k] = run.trainer->state.noise.reading[k].g2;
        }
    }
    if (status == LS_OK) out->hash = ls_trainer_params_hash(run.trainer);
    ls_test_close(&run);
    return status;
}

/* Rank 0 by itself, while the others wait. */
static void record_alone(const char *text, const char *extra, trace *out)
{
    const bool mine = ls_job_rank(ls_world) == 0;
    ls_job *job = ls_test_split(mine ? 0 : 1, 0);
    LS_CHECK(!mine || record(job, text, extra, out) == LS_OK);
    ls_job_destroy(&job);
    ls_job_broadcast(ls_world, 0, out, sizeof *out);
}

static bool is_same(const trace *a, const trace *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void readings_have_the_same_bits_everywhere(void **state)
{
    (void)state;
    for (int i = 0; i < N_TEXTS; i++) {
        trace alone, together;
        record_alone(texts[i], "noise: {every: 1}", &alone);
        LS_CHECK(alone.n >= ITERATIONS - 1 && alone.trace[0] > 0 && alone.trace[9] > 0);
        for (int k = 0; k < 8; k++) {
            ls_job *job = ls_test_split(0, k / 2);
            const char *extra = k % 2 ? "noise: {every: 1}\nruntime: {shortcuts: false}" : "noise: {every: 1}";
            LS_CHECK(record(job, texts[i], extra, &together) == LS_OK);
            LS_CHECK(is_same(&alone, &together));
            ls_job_destroy(&job);
        }
    }
}

static void training_has_the_same_bits_without(void **state)
{
    (void)state;
    for (int i = 0; i < N_TEXTS; i++) {
        trace off, on;
        for (int per_node = 0; per_node <= 2; per_node += 2) {
            ls_job *job = ls_test_split(0, per_node);
            LS_CHECK(record(job, texts[i], "noise: {every: 0}", &off) == LS_OK);
            LS_CHECK(off.n == 0 && isnan(off.scale));
            for (int every = 1; every <= 5; every += 2) {
                char extra[32];
                snprintf(extra, sizeof extra, "noise: {every: %d}", every);
                LS_CHECK(record(job, texts[i], extra, &on) == LS_OK);
                LS_CHECK(on.n > 0 && on.n <= ITERATIONS / every);
                LS_CHECK(on.hash == off.hash && on.loss == off.loss);
            }
            ls_job_destroy(&job);
        }
    }
}

/* A memory limit makes a rank work in groups of micro-batches: no other bits. */
static void groups_of_micro_batches_give_the_same_bits(void **state)
{
    (void)state;
    static const char *const shards[] = {"batch: {global_batch_size: 768, shards: 8, micro_batch_size: 16}",
                                         "batch: {global_batch_size: 768, shards: 4, micro_batch_size: 192}",
                                         "batch: {global_batch_size: 500, shards: 1, micro_batch_size: 16}"};
    for (int i = 0; i < 3; i++) {
        char text[1024];
        trace large, small;
        snprintf(text, sizeof text,
                 "data: {train: {format: synthetic, samples: 800, features: 40, classes: 7, hidden: 8}}\n"
                 "model: [{dense: 1024}, relu, {dropout: 0.2}, {dense: 7}]\n"
                 "optimizer: {lr: 0.05}\ntrain: {epochs: 15}\nnoise: {every: 2}\n%s\n",
                 shards[i]);
        LS_CHECK(record(ls_world, text, NULL, &large) == LS_OK);
        LS_CHECK(record(ls_world, text, "runtime: {memory_limit: 1}", &small) == LS_OK);
        LS_CHECK(is_same(&large, &small) && large.n >= ITERATIONS / 2 - 1);
    }
}

static void iterations_allocate_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < N_TEXTS; i++) {
        ls_test_run run;
        LS_CHECK(ls_test_open(ls_world, texts[i], "noise: {every: 2}", NULL, &run) == LS_OK);
        ls_status status = ls_trainer_step(run.trainer);
        const uint64_t before = ls_mem_allocations();
        for (int j = 0; status == LS_OK && j < 20; j++) status = ls_trainer_step(run.trainer);
        LS_CHECK(status == LS_OK && ls_mem_allocations() == before);
        ls_test_close(&run);
    }
}

/* Where there are no groups that could be compared, a run goes on without readings, whatever it was told. */
static void runs_without_groups(void **state)
{
    (void)state;
    static const char *const without[] = {
        DATA "model: [{dense: 61}, batchnorm, {dense: 7}]\nbatch: {global_batch_size: 47, shards: 5}\n",
        DATA "model: [{dense: 61}, {batchnorm: {statistics: shard}}, {dense: 7}]\n"
             "batch: {global_batch_size: 47, shards: 1}\n",
        DATA "model: [{dense: 61}, relu, {dense: 7}]\nbatch: {global_batch_size: 1}\n",
    };
    for (int i = 0; i < 6; i++) {
        trace t;
        LS_CHECK(record(ls_world, without[i / 2], i % 2 ? "noise: {every: 1}" : NULL, &t) == LS_OK);
        LS_CHECK(t.n == 0 && isnan(t.scale) && isnan(t.scale_se));
    }
}

/* `auto` of a run that is looked at reads the iterations of its looks; a number, or none, stays what it is. */
static void in_step_with_looks(void **state)
{
    (void)state;
    static const char *const text =
        DATA "model: [{dense: 61}, gelu, {dense: 7}]\nbatch: {global_batch_size: 19, shards: 1}\n";
    const ls_trainer_options looked_at = {.look_every = 100}, not = {0};
    static const struct {
        const char *extra;
        bool looked_at;
        int64_t every; /* -1: as ls_noise_auto_every says */
    } runs[] = {{NULL, true, 100}, {"noise: {every: 3}", true, 3}, {"noise: {every: 0}", true, 0}, {NULL, false, -1}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        ls_test_run run;
        bool ok = ls_test_open(ls_world, text, runs[i].extra, runs[i].looked_at ? &looked_at : &not, &run) == LS_OK;
        int64_t every = runs[i].every;
        if (ok && every < 0) {
            const int64_t weights = 70 * 61 + 61 * 7;
            every = ls_noise_auto_every(19, 1, weights, ls_trainer_n_params(run.trainer));
        }
        LS_CHECK(ok && run.trainer->reading.every == every);
        ls_test_close(&run);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(readings_have_the_same_bits_everywhere),
    cmocka_unit_test(training_has_the_same_bits_without),
    cmocka_unit_test(groups_of_micro_batches_give_the_same_bits),
    cmocka_unit_test(iterations_allocate_nothing),
    cmocka_unit_test(runs_without_groups),
    cmocka_unit_test(in_step_with_looks),
};

LS_TEST_MAIN(tests)
