/* P2 and P4 for everything that is registered: each layer, optimizer and schedule, with the options it needs, gives the
 * bits of one rank on all ranks and on nodes of two, and goes on from a checkpoint with the same bits.  The last batch
 * of an epoch has fewer samples than shards, so that some shards have no rows.  Options are filled in from the table of
 * each: a new row of a registry is tested without an edit here. */
#include "mpi_train.h"

#include <math.h>

#include "base/text.h"
#include "model/registry.h"
#include "optim/registry.h"

enum { IMAGES = 43, IMAGE_BYTES = 4 * 6 * 6, CLASSES = 3 };

/* Two epochs of batches of 20, 20 and 3, and one iteration more; a checkpoint in the midst of the second. */
static const char *const rest = "loss: softmax_cross_entropy\n"
                                "batch: {global_batch_size: 20, shards: 5, micro_batch_size: 4}\n"
                                "train: {max_iterations: 7, seed: 3}\n"
                                "checkpoint: {every_iterations: 4, keep: 0}\n";

static char directory[64];

static void put_file(const char *name, const uint8_t *head, size_t n_head, size_t n, int values)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(head, 1, n_head, file) != n_head) ls_job_abort(ls_world, 1);
    for (size_t i = 0; i < n; i++) fputc((int)((i * i * 7 + i / 5) % (size_t)values), file);
    if (fclose(file) != 0) ls_job_abort(ls_world, 1);
}

static int begin(void **state)
{
    (void)state;
    static const uint8_t images[] = {0, 0, 8, 4, 0, 0, 0, IMAGES, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 6},
                         labels[] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
    strcpy(directory, "/tmp/lockstep-test-XXXXXX");
    if (ls_job_rank(ls_world) == 0) {
        if (mkdtemp(directory) == NULL) ls_job_abort(ls_world, 1);
        put_file("i", images, sizeof images, (size_t)IMAGES * IMAGE_BYTES, 256);
        put_file("l", labels, sizeof labels, IMAGES, CLASSES);
    }
    ls_job_broadcast(ls_world, 0, directory, sizeof directory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ls_job_barrier(ls_world);
    return ls_job_rank(ls_world) == 0 ? system(command) : 0;
}

/* "{filters: 4, kernel: 2}": a value for each option without a default; keys of their own are given as `list`. */
static void add_options(const ls_option *table, const char *list, ls_text *out)
{
    for (const ls_option *o = table; o != NULL && o->key != NULL; o++) {
        if (o->fallback != NULL) continue;
        const double middle = isfinite(o->max) && o->max <= 1 ? (o->min + o->max) / 2 : fmax(o->min, 4);
        ls_text_printf(out, "%s: ", o->key);
        switch (o->kind) {
        case LS_OPTION_BOOL:
            ls_text_printf(out, "true");
            break;
        case LS_OPTION_INT:
        case LS_OPTION_REAL:
            ls_text_printf(out, "%g", middle);
            break;
        case LS_OPTION_TEXT:
            ls_text_printf(out, "text");
            break;
        case LS_OPTION_CHOICE:
            ls_text_printf(out, "%s", o->choices[0]);
            break;
        case LS_OPTION_NODE:
            ls_text_printf(out, "%s", o->choices != NULL ? "2" : list);
            break;
        }
        ls_text_printf(out, ", ");
    }
}

/* What a run ends with, for rank 0 to compare. */
typedef struct outcome {
    uint64_t start, hash;
    double loss, test_loss, test_accuracy;
} outcome;

static ls_status run_whole(ls_job *job, const char *text, const ls_trainer_options *options, outcome *out)
{
    ls_test_run run;
    ls_training_result result = {0};
    ls_status status = ls_test_open(job, text, NULL, options, &run);
    const uint64_t start = status == LS_OK ? ls_trainer_params_hash(run.trainer) : 0;
    if (status == LS_OK) status = ls_trainer_run(run.trainer, &result);
    ls_test_close(&run);
    memset(out, 0, sizeof *out);
    *out = (outcome){start, result.params_hash, result.loss, result.test.loss, result.test.accuracy};
    return status;
}

static bool is_same(const outcome *a, const outcome *b)
{
    return ls_job_rank(ls_world) != 0 || (a->hash == b->hash && a->loss == b->loss && a->test_loss == b->test_loss &&
                                          a->test_accuracy == b->test_accuracy);
}

/* Rank 0 by itself, while the others wait. */
static ls_status run_alone(const char *text, const ls_trainer_options *options, outcome *out)
{
    const bool mine = ls_job_rank(ls_world) == 0;
    ls_job *job = ls_test_split(mine ? 0 : 1, 0);
    const ls_status status = mine ? run_whole(job, text, options, out) : LS_OK;
    ls_job_destroy(&job);
    return status;
}

static void check_text(const char *text)
{
    static const ls_trainer_options nothing;
    char path[128];
    outcome alone, together, resumed;
    snprintf(path, sizeof path, "%s/ckpt-00000004.safetensors", directory);
    const ls_trainer_options writes = {.run_directory = directory, .overwrite = true}, resumes = {.resume = path};
    LS_CHECK(run_alone(text, &nothing, &alone) == LS_OK);
    LS_CHECK(ls_job_rank(ls_world) != 0 || (alone.hash != alone.start && isfinite(alone.test_loss)));
    for (int per_node = 2; per_node >= 0; per_node -= 2) {
        ls_job *job = ls_test_split(0, per_node);
        LS_CHECK(run_whole(job, text, per_node == 0 ? &writes : &nothing, &together) == LS_OK);
        LS_CHECK(is_same(&together, &alone));
        ls_job_destroy(&job);
    }
    LS_CHECK(run_alone(text, &resumes, &resumed) == LS_OK);
    LS_CHECK(is_same(&resumed, &alone));
}

/* A run of `model` with what `more` says. */
static void check_run(const char *name, const char *model, const char *more)
{
    ls_text text = {0};
    ls_text_printf(&text,
                   "data:\n  train: {format: idx, images: %s/i, labels: %s/l}\n"
                   "  test: {format: idx, images: %s/i, labels: %s/l, limit: 11}\n"
                   "  normalize: {scale: 0.01, mean: 1.2, std: 1.0}\n"
                   "model: %s\n%s\n%s",
                   directory, directory, directory, directory, model, more, rest);
    LS_CHECK(ls_text_status(&text) == LS_OK);
    if (ls_job_rank(ls_world) == 0) print_message("%s\n", name);
    check_text(text.data);
    ls_text_free(&text);
}

static void every_layer(void **state)
{
    (void)state;
    for (int i = 0; ls__layers[i] != NULL; i++) {
        ls_text model = {0};
        ls_text_printf(&model, "[{conv: {filters: 4, kernel: 3, padding: same}}, {%s: {", ls__layers[i]->name);
        add_options(ls__layers[i]->options, "[tanh]", &model);
        ls_text_printf(&model, "}}, {dense: %d}]", CLASSES);
        LS_CHECK(ls_text_status(&model) == LS_OK);
        check_run(ls__layers[i]->name, model.data, "optimizer: {name: momentum, lr: 0.02}");
        ls_text_free(&model);
    }
}

/* Weights, biases and the tensors of a normalisation. */
static const char *const small = "[{dense: 9}, layernorm, relu, {dense: 3}]";

static void every_optimizer(void **state)
{
    (void)state;
    for (int i = 0; ls__optimizers[i] != NULL; i++) {
        ls_text more = {0};
        ls_text_printf(&more, "optimizer: {name: %s, lr: 0.01, weight_decay: 0.01, decay_exclude: [norm], ema: 0.5, ",
                       ls__optimizers[i]->name);
        add_options(ls__optimizers[i]->options, "[]", &more);
        ls_text_printf(&more, "}");
        LS_CHECK(ls_text_status(&more) == LS_OK);
        check_run(ls__optimizers[i]->name, small, more.data);
        ls_text_free(&more);
    }
}

static void every_schedule(void **state)
{
    (void)state;
    for (int i = 0; ls__schedules[i] != NULL; i++) {
        ls_text more = {0};
        ls_text_printf(&more, "schedule: {name: %s, warmup: 2, ", ls__schedules[i]->name);
        add_options(ls__schedules[i]->options, "[2, 4]", &more);
        ls_text_printf(&more, "}");
        LS_CHECK(ls_text_status(&more) == LS_OK);
        check_run(ls__schedules[i]->name, small, more.data);
        ls_text_free(&more);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layer), cmocka_unit_test(every_optimizer),
                                       cmocka_unit_test(every_schedule)};
    ls_test_start(&argc, &argv);
    return ls_test_finish(cmocka_run_group_tests(tests, begin, end));
}
