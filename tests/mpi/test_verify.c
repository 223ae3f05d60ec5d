/* runtime.verify_every: one bit that differs in one node's copy is found, named, and ends the run everywhere. */
#include "mpi_train.h"

#include <math.h>
#include <sys/stat.h>

#include "base/mem.h"

/* Several blocks and several buckets. */
static const char *const large =
    "data:\n"
    "  train: {format: synthetic, samples: 40, features: 30, classes: 3, hidden: 4}\n"
    "model: [{dense: 400}, relu, {dense: 700}, relu, {dense: {units: 300, bias: false}}, relu, {dense: 3}]\n"
    "batch: {global_batch_size: 16, shards: 4}\n"
    "optimizer: {lr: 0.001}\n"
    "train: {max_iterations: 4}\n";

static const char *const small = "data:\n"
                                 "  train: {format: synthetic, samples: 40, features: 9, classes: 3, hidden: 4}\n"
                                 "  test: {format: synthetic, samples: 10, features: 9, classes: 3, hidden: 4}\n"
                                 "model: [{dense: 11}, relu, {dense: 3}]\n"
                                 "batch: {global_batch_size: 16, shards: 4}\n"
                                 "train: {max_iterations: 6}\n";

static bool replicated(const ls_test_run *run)
{
    return run->config->exchange.method == LS_MPI_ALLREDUCE;
}

/* Changes the lowest bit of one number in one copy, while nothing is under way. */
static void flip(const ls_test_run *run, int copy, int64_t element)
{
    const ls_exchange *ex = run->trainer->exchange;
    const bool mine = replicated(run) ? ls_job_rank(run->job) == copy
                                      : ls_job_node(run->job) == copy && ls_job_local_rank(run->job) == 0;
    ls_exchange_settle(run->trainer->exchange);
    ls_job_barrier(run->job);
    if (mine) {
        uint32_t bits;
        memcpy(&bits, ls_exchange_params(ex) + element, sizeof bits);
        bits ^= 1;
        memcpy(ls_exchange_params(ex) + element, &bits, sizeof bits);
    }
    ls_job_barrier(run->job);
}

/* The owner of an element, as its visits tell. */
typedef struct search {
    int64_t element;
    bool found;
} search;

static void look(void *context, const ls_tile *tile)
{
    search *s = context;
    s->found |= tile->first <= s->element && s->element < tile->first + tile->n;
}

static int owner_of(const ls_test_run *run, int64_t element)
{
    search s = {.element = element};
    ls_exchange_each(run->trainer->exchange, look, &s);
    return (int)ls_job_max(run->job, s.found ? ls_job_rank(run->job) : -1.0);
}

/* Every other tensor, at its ends and in its middle, in every copy. */
static bool finds(ls_test_run *run, int copy, int tensor, int64_t at, uint64_t *words)
{
    ls_exchange *ex = run->trainer->exchange;
    const int64_t element = ls_network_tensor(run->trainer->network, tensor)->first + at;
    ls_difference d, healed;
    flip(run, copy, element);
    ls_exchange_compare(ex, words, &d);
    bool ok = d.n_blocks == 1 && d.tensor == tensor && d.first <= element && element < d.first + d.n;
    ok = ok && d.owner == (replicated(run) ? -1 : owner_of(run, element));
    for (int i = 0; ok && i < ls_exchange_n_copies(ex); i++)
        ok = (d.hash[i] == d.hash[copy == 0 ? 1 : 0]) == (i != copy);
    flip(run, copy, element);
    ls_exchange_compare(ex, words, &healed);
    return ok && healed.n_blocks == 0;
}

static void check_compare(int per_node, const char *extra)
{
    ls_job *job = ls_test_split(0, per_node);
    ls_test_run run;
    LS_CHECK(ls_test_open(job, large, extra, NULL, &run) == LS_OK);
    const ls_exchange *ex = run.trainer->exchange;
    uint64_t *words = ls_calloc(ls_exchange_compare_words(ex), sizeof *words);
    const int n_copies = ls_exchange_n_copies(ex);
    bool ok = words != NULL && n_copies == (replicated(&run) ? ls_job_size(job) : ls_job_n_nodes(job));
    for (int t = 0; n_copies > 1 && t < ls_network_n_tensors(run.trainer->network); t++) {
        const int64_t n = ls_network_tensor(run.trainer->network, t)->n;
        ok = finds(&run, t % n_copies, t, 0, words) && ok;
        ok = finds(&run, 0, t, n / 2, words) && ok;
        ok = finds(&run, n_copies - 1, t, n - 1, words) && ok;
    }
    LS_CHECK(ok);
    ls_free(words);
    ls_test_close(&run);
    ls_job_destroy(&job);
}

static void every_place_is_found(void **state)
{
    (void)state;
    for (int per_node = 1; per_node <= 3; per_node++) check_compare(per_node, NULL);
    check_compare(0, "exchange: {method: mpi_allreduce}");
}

/* The last failure's sentence is the same on all ranks, and holds the parts. */
static bool same_sentence(const char *a, const char *b)
{
    char text[1024] = "";
    snprintf(text, sizeof text, "%s", ls_status_message());
    const bool same = ls_job_same(ls_world, text, sizeof text, LS_EINTERNAL, "sentences differ") == LS_OK;
    return same && strstr(text, a) != NULL && strstr(text, b) != NULL;
}

/* A bit differs after so many iterations; the next one compares, or not. */
static void check_step(int per_node, const char *extra, int after, bool found)
{
    ls_job *job = ls_test_split(0, per_node);
    ls_test_run run;
    char copy[64], place[128];
    LS_CHECK(ls_test_open(job, small, extra, NULL, &run) == LS_OK);
    const int n = ls_exchange_n_copies(run.trainer->exchange), victim = n - 1;
    const int64_t element = ls_network_tensor(run.trainer->network, 2)->first + 5;
    bool ok = true;
    for (int i = 0; i < after; i++) ok = ls_trainer_step(run.trainer) == LS_OK && ok;
    flip(&run, victim, element);
    snprintf(copy, sizeof copy, "after %d iterations: %s %d (host ", after, replicated(&run) ? "rank" : "node", victim);
    snprintf(place, sizeof place, "tensor '%s', elements 0 to 32", ls_network_tensor(run.trainer->network, 2)->name);
    const ls_status status = ls_trainer_step(run.trainer);
    ok = ok && status == (found && n > 1 ? LS_EREPLICA : LS_OK);
    LS_CHECK(ok);
    LS_CHECK(status == LS_OK || same_sentence(copy, place));
    LS_CHECK(status == LS_OK ||
             same_sentence(n > 2 ? "differs from the majority" : "which is right cannot be told", " 1 of 4 blocks"));
    ls_test_close(&run);
    ls_job_destroy(&job);
}

static void a_difference_ends_the_run(void **state)
{
    (void)state;
    for (int per_node = 0; per_node <= 2; per_node++) {
        check_step(per_node, "runtime: {verify_every: 1}", 0, true);
        check_step(per_node, "runtime: {verify_every: 1}", 4, true);
        check_step(per_node, "runtime: {verify_every: 3}", 3, true);
        check_step(per_node, "runtime: {verify_every: 3}", 2, false);
        check_step(per_node, NULL, 3, false);
    }
    check_step(0, "runtime: {verify_every: 2}\nexchange: {method: mpi_allreduce}", 2, true);
}

static void remove_directory(const char *directory)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ls_job_barrier(ls_world);
    if (ls_job_rank(ls_world) == 0 && system(command) != 0) ls_job_abort(ls_world, 1);
}

/* After the last update, too: then nothing is saved. */
static void the_last_state_is_compared(void **state)
{
    (void)state;
    char directory[64] = "/tmp/lockstep-test-XXXXXX", path[128];
    if (ls_job_rank(ls_world) == 0 && mkdtemp(directory) == NULL) ls_job_abort(ls_world, 1);
    ls_job_broadcast(ls_world, 0, directory, sizeof directory);
    snprintf(path, sizeof path, "%s/latest", directory);
    const ls_trainer_options options = {.run_directory = directory};
    ls_job *job = ls_test_split(0, 1);
    ls_training_result result;
    struct stat info;
    ls_test_run run;
    LS_CHECK(ls_test_open(job, small, "runtime: {verify_every: 1000}", &options, &run) == LS_OK);
    bool ok = true;
    for (int i = 0; i < 6; i++) ok = ls_trainer_step(run.trainer) == LS_OK && ok;
    LS_CHECK(ok);
    flip(&run, 0, 0);
    const bool alone = ls_job_n_nodes(job) == 1;
    LS_CHECK(ls_trainer_run(run.trainer, &result) == (alone ? LS_OK : LS_EREPLICA));
    LS_CHECK(alone || same_sentence("after 6 iterations", "elements 0 to 98"));
    LS_CHECK((lstat(path, &info) == 0) == alone);
    ls_test_close(&run);
    ls_job_destroy(&job);
    remove_directory(directory);
}

/* Bits and memory are as without it. */
static uint64_t hash_of_run(const char *extra)
{
    ls_job *job = ls_test_split(0, 2);
    ls_test_run run;
    bool ok = ls_test_open(job, small, extra, NULL, &run) == LS_OK;
    LS_CHECK(ok);
    const uint64_t before = ls_mem_allocations();
    for (int i = 0; i < 6; i++) ok = ls_trainer_step(run.trainer) == LS_OK && ok;
    LS_CHECK(ok && ls_mem_allocations() == before);
    const uint64_t hash = ls_trainer_params_hash(run.trainer);
    ls_test_close(&run);
    ls_job_destroy(&job);
    return hash;
}

static void it_changes_nothing(void **state)
{
    (void)state;
    const uint64_t plain = hash_of_run(NULL);
    LS_CHECK(hash_of_run("runtime: {verify_every: 1}") == plain);
    LS_CHECK(hash_of_run("runtime: {verify_every: 4}") == plain);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_place_is_found),
    cmocka_unit_test(a_difference_ends_the_run),
    cmocka_unit_test(the_last_state_is_compared),
    cmocka_unit_test(it_changes_nothing),
};

LS_TEST_MAIN(tests)
