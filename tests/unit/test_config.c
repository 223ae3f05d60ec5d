#include "unit/data_files.h"

#include <jansson.h>
#include <math.h>

#include "base/file.h"
#include "base/option.h"
#include "lockstep/config.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))

/* The least that is a configuration. */
static const char least[] = "data: {train: {format: idx, images: i}}\nmodel: [{dense: 10}]\ntrain: {epochs: 10}\n";

static ls_status parse_with(const char *yaml, const ls_override *overrides, int n, ls_config **out)
{
    return ls_config_parse(yaml, strlen(yaml), "dir/run.yaml", NULL, overrides, n, out);
}

static ls_config *parse(const char *yaml)
{
    ls_config *config;
    if (parse_with(yaml, NULL, 0, &config) != LS_OK) fail_msg("%s: %s", yaml, ls_status_message());
    return config;
}

/* `least` with one key set. */
static ls_config *with(const char *key, const char *value)
{
    ls_config *config;
    const ls_override change = {key, value, "--set"};
    if (parse_with(least, &change, 1, &config) != LS_OK) fail_msg("%s: %s", key, ls_status_message());
    return config;
}

static void assert_config_refused(const char *yaml, const char *word)
{
    ls_config *config;
    if (parse_with(yaml, NULL, 0, &config) != LS_EUSAGE) fail_msg("accepted: %s", yaml);
    assert_null(config);
    assert_message(word);
}

static void assert_override_refused(const char *key, const char *value, const char *word)
{
    ls_config *config;
    const ls_override change = {key, value, "--set"};
    if (parse_with(least, &change, 1, &config) != LS_EUSAGE) fail_msg("accepted: %s=%s", key, value);
    assert_null(config);
    assert_message(word);
}

static void defaults(void **state)
{
    (void)state;
    ls_config *c = parse(least);
    assert_string_equal(c->directory, "dir");
    assert_string_equal(ls_node_child(c->data.train, "format")->text, "idx");
    assert_null(c->data.test);
    assert_null(c->data.validation);
    assert_true(c->data.shuffle);
    assert_int_equal(c->model->n, 1);
    assert_string_equal(c->loss->text, "softmax_cross_entropy");
    assert_int_equal(c->batch.shards, LS_AUTO);
    assert_int_equal(c->batch.micro_batch_size, LS_AUTO);
    assert_false(c->batch.drop_last);
    assert_int_equal(c->train.epochs, 10);
    assert_int_equal(c->train.max_iterations, LS_AUTO);
    assert_true(isnan(c->train.max_time_s));
    assert_int_equal(c->train.seeds.init, LS_AUTO);
    assert_int_equal(c->train.seeds.augment, LS_AUTO);
    assert_int_equal(c->data.augment->n, 0);
    assert_null(c->target.metric);
    assert_true(isnan(c->target.above) && isnan(c->target.below));
    assert_int_equal(c->eval.batch, 256); /* the default */
    assert_null(c->checkpoint.best);
    ls_config_destroy(&c);
    assert_null(c);
    ls_config_destroy(&c);
    ls_config_destroy(NULL);
}

/* A file as a user writes it, with comments, flow and block style. */
static void a_whole_file(void **state)
{
    (void)state;
    static const char text[] =
        "# 784-512-10\n"
        "data:\n"
        "  train: {format: idx, images: train-images.gz, labels: train-labels.gz}\n"
        "  test:\n"
        "    format: idx\n"
        "    images: t10k.gz   # relative\n"
        "  validation: {last: 5000}\n"
        "  normalize: {scale: 0.00392156862745098, mean: 0.2860, std: 0.3530}\n"
        "model:\n  - dense: 512\n  - relu\n  - dropout: 0.4\n  - dense: {units: 10}\n"
        "loss: softmax_cross_entropy\n"
        "batch: {global_batch_size: 100, shards: 4, micro_batch_size: 25, drop_last: true}\n"
        "optimizer: {name: momentum, lr: 0.05, momentum: 0.9}\n"
        "schedule: {name: cosine, warmup: 1, unit: epochs}\n"
        "train: {epochs: 50, max_iterations: 30000, max_time_s: 1.5, seed: 7, seeds: {order: 3}}\n"
        "target: {metric: test_accuracy, above: 0.9, patience: 4}\n"
        "eval: {every_epochs: 2, every_iterations: 100, batch: 64}\n"
        "checkpoint: {every_iterations: 500, keep: 0, best: validation_loss}\n";
    char path[128];
    ls_config *c;
    put_text("run.yaml", text);
    assert_int_equal(ls_config_read(test_path("run.yaml", path), NULL, 0, &c), LS_OK);
    assert_string_equal(c->directory, test_directory);
    assert_int_equal(c->model->n, 4);
    assert_int_equal(c->batch.global_batch_size, 100);
    assert_int_equal(c->batch.shards, 4);
    assert_int_equal(c->batch.micro_batch_size, 25);
    assert_true(c->batch.drop_last);
    assert_int_equal(c->train.epochs, 50);
    assert_int_equal(c->train.max_iterations, 30000);
    assert_true(c->train.max_time_s == 1.5);
    assert_int_equal(c->train.seed, 7);
    assert_int_equal(c->train.seeds.order, 3);
    assert_int_equal(c->train.seeds.dropout, LS_AUTO);
    assert_string_equal(c->target.metric, "test_accuracy");
    assert_true(c->target.above == 0.9);
    assert_int_equal(c->target.patience, 4);
    assert_int_equal(c->eval.every_epochs, 2);
    assert_int_equal(c->eval.every_iterations, 100);
    assert_int_equal(c->checkpoint.keep, 0);
    assert_string_equal(c->checkpoint.best, "validation_loss");
    ls_config_destroy(&c);
    assert_int_equal(ls_config_read(test_path("missing.yaml", path), NULL, 0, &c), LS_EUSAGE);
    assert_message("missing.yaml");
    assert_null(c);
}

/* The files that the README begins with. */
static void the_example_files(void **state)
{
    (void)state;
    static const char *const names[] = {"fashion_mlp", "synthetic_mlp", "fashion_mlp_bn"};
    char *directory = ls_path_directory(__FILE__), path[512];
    for (int i = 0; i < 3; i++) {
        ls_config *c;
        snprintf(path, sizeof path, "%s/../../configs/%s.yaml", directory, names[i]);
        if (ls_config_read(path, NULL, 0, &c) != LS_OK) fail_msg("%s", ls_status_message());
        assert_int_equal(c->train.epochs, 12);
        assert_int_equal(c->model->n, i == 2 ? 7 : 5);
        assert_int_equal(c->batch.global_batch_size, i == 1 ? 128 : 256);
        ls_config_destroy(&c);
    }
    ls_free(directory);
}

static void wrong_files(void **state)
{
    (void)state;
    assert_config_refused("data: {train: {format: idx}}\nmodel: []\nbatch:\n  global_batchsize: 3\n",
                          "dir/run.yaml:4:3: unknown key 'batch.global_batchsize' in the configuration; did you mean "
                          "'batch.global_batch_size'?");
    assert_config_refused("epochs: 3\n", "dir/run.yaml:1:1: unknown key 'epochs' in the configuration; did you mean "
                                         "'train.epochs'?");
    assert_config_refused("train: {epochs: 1}\nmodel: []\ntrain: {seed: 2}\n",
                          "dir/run.yaml:3:1: the key 'train' stands here twice");
    assert_config_refused("a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
                          "dir/run.yaml:1:36: nested deeper than 32");
    assert_config_refused("data: &d {train: 1}\n", "dir/run.yaml:1:7: anchors");
    assert_config_refused("data: *d\n", "dir/run.yaml:1:7: aliases");
    assert_config_refused("- a\n", "dir/run.yaml:1:1: the configuration must be keys and values");
    assert_config_refused("text", "must be keys and values");
    assert_config_refused("", "needs the key 'data.train'");
    assert_config_refused("data: {train: 1}\n", "needs the key 'model'");
    assert_config_refused("data: {train: ~}\nmodel: []\ntrain: {epochs: 1}\n", "dir/run.yaml: 'data.train' needs");
    assert_config_refused("data: {train: 1}\nmodel: ~\ntrain: {epochs: 1}\n", "dir/run.yaml: 'model' needs");
    assert_config_refused("data: {train: 1}\nmodel: []\n", "how long to train?");
    assert_config_refused("train: 5\n", "dir/run.yaml:1:1: 'train' holds keys of its own");
    assert_config_refused("train.epochs: 5\n", "dir/run.yaml:1:1: 'train.epochs'");
}

static void wrong_values(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *word;
    } cases[] = {{"batch.global_batch_size", "0", "--set: 'batch.global_batch_size' is 0; allowed: from 1"},
                 {"batch.global_batch_size", "many", "must be a whole number, not 'many'"},
                 {"batch.global_batch_size", "1.5", "must be a whole number"},
                 {"batch.global_batch_size", "1e10", "'batch.global_batch_size' is 1e10"},
                 {"batch.global_batch_size", "auto", "must be a whole number"},
                 {"batch.shards", "5000", "'batch.shards' is 5000"},
                 {"batch.drop_last", "maybe", "must be true or false"},
                 {"batch.schedule", "256", "'batch.schedule' must be a list of at most 16 entries"},
                 {"batch.schedule", "[256]", "an entry of 'batch.schedule' must be keys and values"},
                 {"batch.schedule", "[{epoch: 1, size: 2}]", "'batch.schedule' must begin with epoch 0"},
                 {"batch.schedule", "[{epoch: 0, size: 2}, {epoch: 0, size: 3}]", "must rise; 0 does not"},
                 {"batch.schedule", "[{epoch: 0}]", "needs the key 'size'"},
                 {"batch.schedule", "[{epoch: 0, size: 0}]", "'size' is 0; allowed: from 1"},
                 {"batch.schedule", "[{epoch: 0, batch: 2}]", "unknown key 'batch'"},
                 {"batch", "{global_batch_size: 64, schedule: [{epoch: 0, size: 32}]}",
                  "'batch.global_batch_size' is 64, but 'batch.schedule' begins with 32"},
                 {"train.epochs", "-1", "'train.epochs' is -1"},
                 {"train.seed", "-1", "'train.seed' is -1"},
                 {"train.seed", "9007199254740993000", "'train.seed' is"},
                 {"train.max_time_s", "-1", "'train.max_time_s' is -1"},
                 {"train.epochs", "~", "how long to train?"},
                 {"loss", "~", "not be null"},
                 {"optimizer", "adam", "'optimizer' and 'schedule' hold keys of their own"},
                 {"schedule", "[cosine]", "'optimizer' and 'schedule' hold keys of their own"},
                 {"target", "{above: 0.9}", "'target' needs the key 'metric'"},
                 {"target", "{patience: 3}", "'target' needs the key 'metric'"},
                 {"target", "{metric: test_loss, above: 0.9, below: 0.1}", "exclude each other"},
                 {"target.metric", "[test_loss]", "'target.metric' must be a text"},
                 {"eval.batch", "0", "'eval.batch' is 0"},
                 {"train.epoch", "5",
                  "--set: unknown key 'train.epoch' in the configuration; did you mean "
                  "'train.epochs'?"},
                 {"train..epochs", "5", "--set: 'train..epochs' is not a path of keys"},
                 {"model.x.y", "5", "--set: 'model.x.y' is not a path of keys"},
                 {"model", "[", "--set:2:1: not valid YAML"}};
    for (int i = 0; i < LENGTH(cases); i++) assert_override_refused(cases[i].key, cases[i].value, cases[i].word);
}

/* The first size is the batch size, also when the configuration comes back from a checkpoint. */
static void batch_schedules(void **state)
{
    (void)state;
    ls_config *c = with("batch.schedule", "[{epoch: 0, size: 48}, {epoch: 30, size: 1024}]"), *again;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(c->batch.global_batch_size, 48);
        assert_int_equal(c->batch.n_phases, 2);
        assert_int_equal(c->batch.phase[0].epoch, 0);
        assert_int_equal(c->batch.phase[0].size, 48);
        assert_int_equal(c->batch.phase[1].epoch, 30);
        assert_int_equal(c->batch.phase[1].size, 1024);
        ls_text text = {0};
        ls_config_text(c, &text);
        assert_int_equal(ls_config_parse(text.data, text.n, "again", ".", NULL, 0, &again), LS_OK);
        assert_int_equal(ls_config_check_resume(again, c, true), LS_OK);
        ls_config_destroy(&c);
        c = again;
        ls_text_free(&text);
    }
    ls_config_destroy(&c);
}

static void overrides_come_last(void **state)
{
    (void)state;
    const ls_override changes[] = {{"train.epochs", "20", "--epochs"},  {"train.epochs", "30", "--set"},
                                   {"optimizer.lr", "1e-3", "--lr"},    {"train.seeds", "{init: 4}", "--set"},
                                   {"train.seeds.order", "5", "--set"}, {"data.test", "{format: npy}", "--set"}};
    ls_config *c;
    assert_int_equal(parse_with(least, changes, LENGTH(changes), &c), LS_OK);
    assert_int_equal(c->train.epochs, 30);
    assert_string_equal(ls_node_child(c->optimizer, "lr")->text, "1e-3");
    assert_int_equal(c->train.seeds.init, 4);
    assert_int_equal(c->train.seeds.order, 5);
    assert_non_null(c->data.test);
    ls_config_destroy(&c);
}

/* What one rank sends, the others read; and what a checkpoint keeps. */
static void check_round_trip(const ls_config *config)
{
    ls_text first = {0}, second = {0};
    ls_config *again;
    ls_config_text(config, &first);
    assert_null(memchr(first.data, '\n', first.n));
    json_t *json = json_loadb(first.data, first.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_decref(json);
    assert_int_equal(ls_config_parse(first.data, first.n, "sent", "elsewhere", NULL, 0, &again), LS_OK);
    assert_string_equal(again->directory, "elsewhere");
    ls_config_text(again, &second);
    assert_string_equal(first.data, second.data);
    assert_true(ls_node_equal(config->root, again->root));
    assert_int_equal(ls_config_check_resume(again, config, true), LS_OK);
    ls_config_destroy(&again);
    ls_text_free(&first);
    ls_text_free(&second);
}

static void texts_read_back(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"train.seed", "9007199254740992"},
                                           {"optimizer", "{lr: 0.1, name: \"x'\\\"\\\\\\n\\x7f\\N\\u2028\"}"},
                                           {"data.normalize", "{mean: [0.1, 1e-30, -3.0e+5]}"},
                                           {"data.test", "{images: 'true', labels: '1.50', limit: '~'}"},
                                           {"target", "{metric: '007', below: -1.5}"},
                                           {"train.epochs", ""}};
    for (int i = 0; i < LENGTH(cases); i++) {
        ls_config *c;
        const ls_override changes[] = {{"train.max_iterations", "5", "--set"}, {cases[i][0], cases[i][1], "--set"}};
        if (parse_with(least, changes, 2, &c) != LS_OK) fail_msg("%s: %s", cases[i][0], ls_status_message());
        check_round_trip(c);
        ls_config_destroy(&c);
    }
}

/* Resuming a run of `stored` with `mine`, both `least` with one key set. */
static void check_resume(const char *key, const char *mine, const char *stored, bool fixed, const char *word)
{
    ls_config *a = with(key, mine), *b = with(key, stored);
    const ls_status status = ls_config_check_resume(a, b, fixed);
    if (status != (word ? LS_EUSAGE : LS_OK)) fail_msg("%s: %s after %s: status %d", key, mine, stored, status);
    if (word != NULL) assert_message(word);
    ls_config_destroy(&a);
    ls_config_destroy(&b);
}

static void resuming(void **state)
{
    (void)state;
    static const char *const identity[][3] = {
        {"batch.global_batch_size", "64", "'batch.global_batch_size' is 64 here and 32 in the checkpoint"},
        {"batch.drop_last", "true", "'batch.drop_last' is true"},
        {"batch.schedule", "[{epoch: 0, size: 8}, {epoch: 2, size: 9}]", "'batch.schedule.1.epoch' is 2 here and 3"},
        {"train.seed", "5", "'train.seed' is 5"},
        {"model", "[{dense: 11}]", "'model.0.dense' is"},
        {"optimizer", "{lr: 0.2}", "'optimizer.lr' is 0.2"},
        {"data.normalize", "{mean: 0.5}", "'data.normalize"},
        {"data.shuffle", "false", "'data.shuffle' is false"},
        {"eval.batch", "64", "'eval.batch' is 64"},
        {"loss", "mse", "'loss' is \"mse\""}};
    static const char *const other[] = {"32",          "false",         "[{epoch: 0, size: 8}, {epoch: 3, size: 9}]",
                                        "6",           "[{dense: 10}]", "{lr: 0.1}",
                                        "{mean: 0.6}", "true",          "32",
                                        "l1"};
    static const char *const free_keys[][3] = {{"checkpoint.keep", "1", "2"},
                                               {"batch.shards", "4", "2"}, /* compared when resolved, by the trainer */
                                               {"checkpoint.every_iterations", "5", "0"},
                                               {"metrics.every_iterations", "1", "2"},
                                               {"data.test", "{format: npy}", "~"},
                                               {"data.train.images", "/elsewhere", "i"},
                                               {"train.max_time_s", "1", "~"},
                                               {"runtime.memory_limit", "1", "2"}};
    for (int i = 0; i < LENGTH(identity); i++)
        for (int fixed = 0; fixed <= 1; fixed++) {
            check_resume(identity[i][0], identity[i][1], other[i], fixed, identity[i][2]);
            check_resume(identity[i][0], identity[i][1], identity[i][1], fixed, NULL);
        }
    for (int i = 0; i < LENGTH(free_keys); i++) {
        check_resume(free_keys[i][0], free_keys[i][1], free_keys[i][2], false, NULL);
        check_resume(free_keys[i][0], free_keys[i][2], free_keys[i][1], true, NULL);
    }
}

static void resuming_with_another_length(void **state)
{
    (void)state;
    check_resume("train.epochs", "11", "10", false, NULL);
    check_resume("train.epochs", "9", "10", false,
                 "'train.epochs' is 9 here and 10 in the checkpoint: a resumed run "
                 "may be longer, not shorter");
    check_resume("train.epochs", "11", "10", true, "the schedule's shape depends on the length");
    check_resume("train.epochs", "9", "10", true, "the schedule's shape depends on the length");
    check_resume("train.max_iterations", "100", "50", false, NULL);
    check_resume("train.max_iterations", "~", "50", false, NULL);
    check_resume("train.max_iterations", "", "50", false, NULL); /* null, written as nothing */
    check_resume("train.max_iterations", "50", "~", false, "not shorter");
    check_resume("train.max_iterations", "50", "", false, "not shorter");
    check_resume("train.max_iterations", "", "~", true, NULL);
}

/* The same values in other words are the same run. */
static void spellings_do_not_matter(void **state)
{
    (void)state;
    check_resume("optimizer", "{lr: 0.1, name: momentum}", "{name: 'momentum', lr: 1.0e-1}", true, NULL);
    check_resume("batch.global_batch_size", "1e2", "100", true, NULL);
    check_resume("train.seeds.init", "~", "", true, NULL);
}

static void keys_are_printed(void **state)
{
    (void)state;
    static const char *const words[] = {
        "train.epochs", "batch.global_batch_size", "; extend", "; free", "; identity", "required", "default auto"};
    ls_text text = {0};
    ls_config_keys_print(&text);
    for (int i = 0; i < LENGTH(words); i++) assert_non_null(strstr(text.data, words[i]));
    ls_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(the_example_files),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(batch_schedules),
        cmocka_unit_test(overrides_come_last),
        cmocka_unit_test(texts_read_back),
        cmocka_unit_test(resuming),
        cmocka_unit_test(resuming_with_another_length),
        cmocka_unit_test(spellings_do_not_matter),
        cmocka_unit_test(keys_are_printed),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
