#include "lockstep/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/option.h"

#define KEY(path, type, member, default_value, help_text, ...)                                                         \
    {                                                                                                                  \
        .key = path, .kind = type, .offset = offsetof(ls_config, member), .fallback = default_value,                   \
        .help = help_text, __VA_ARGS__                                                                                 \
    }
#define ANY .max = LS_OPTION_MAX
#define ON_SIGNAL(name, number, default_value, help_text)                                                              \
    KEY("runtime.on_signal." name, LS_OPTION_CHOICE, runtime.on_signal[number], default_value, help_text,              \
        .choices = actions, .resume = LS_FREE)

static const char *const methods[] = {"tree", "mpi_allreduce", NULL};  /* as ls_exchange_method */
static const char *const actions[] = {"stop", "save", "ignore", NULL}; /* as ls_signal_action */

static const ls_option keys[] = {
    KEY("data.train", LS_OPTION_NODE, data.train, NULL, "training set: {format: ..., ...}; see 'lockstep info formats'",
        .resume = LS_FREE),
    KEY("data.test", LS_OPTION_NODE, data.test, "~", "test set, as data.train", .resume = LS_FREE),
    KEY("data.validation", LS_OPTION_NODE, data.validation, "~",
        "held out of training: {last: N} takes the last N training samples; or a set of its own", .resume = LS_FREE),
    KEY("data.normalize", LS_OPTION_NODE, data.normalize, "{}",
        "(value * scale - mean) / std; each a number or a list, one per channel or feature"),
    KEY("data.augment", LS_OPTION_NODE, data.augment, "[]",
        "steps that change training images at random, as [{random_crop: 4}, random_flip]; see 'lockstep info "
        "augmentations'"),
    KEY("data.shuffle", LS_OPTION_BOOL, data.shuffle, "true", "a new order of samples each epoch"),
    KEY("model", LS_OPTION_NODE, model, NULL, "list of layers; see 'lockstep info layers'"),
    KEY("loss", LS_OPTION_NODE, loss, "softmax_cross_entropy", "see 'lockstep info losses'"),
    KEY("batch.global_batch_size", LS_OPTION_INT, batch.global_batch_size, "128",
        "samples of one update, all ranks together", .min = 1, .max = 1e9),
    KEY("batch.shards", LS_OPTION_INT, batch.shards, "auto",
        "parts of a batch, the unit that ranks compute; auto: up to 8; a resumed run must resolve the same", .min = 1,
        .max = 4096, .automatic = true, .resume = LS_FREE),
    KEY("batch.micro_batch_size", LS_OPTION_INT, batch.micro_batch_size, "auto",
        "rows of one matrix product; auto: the whole shard, up to 256; a resumed run must resolve the same", .min = 1,
        .max = 1e6, .automatic = true, .resume = LS_FREE),
    KEY("batch.drop_last", LS_OPTION_BOOL, batch.drop_last, "false", "leave out an epoch's last short batch"),
    KEY("batch.schedule", LS_OPTION_NODE, batch.schedule, "[]",
        "batch sizes by epoch, as [{epoch: 0, size: 256}, {epoch: 30, size: 1024}], in place of global_batch_size"),
    KEY("optimizer", LS_OPTION_NODE, optimizer, "{lr: 0.01}", "{name: ..., lr: ...}; see 'lockstep info optimizers'"),
    KEY("schedule", LS_OPTION_NODE, schedule, "{name: constant}", "{name: ...}; see 'lockstep info schedules'"),
    KEY("train.epochs", LS_OPTION_INT, train.epochs, "~", "passes over the training set; the first limit reached ends",
        .max = 1e9, .resume = LS_EXTEND),
    KEY("train.max_iterations", LS_OPTION_INT, train.max_iterations, "~", "updates; the first limit reached ends",
        .max = 1e15, .resume = LS_EXTEND),
    KEY("train.max_time_s", LS_OPTION_REAL, train.max_time_s, "~", "seconds of training in this run", ANY,
        .resume = LS_FREE),
    KEY("train.seed", LS_OPTION_INT, train.seed, "1", "seed of everything below", ANY),
    KEY("train.seeds.init", LS_OPTION_INT, train.seeds.init, "~", "of the start values; default train.seed", ANY),
    KEY("train.seeds.order", LS_OPTION_INT, train.seeds.order, "~", "of the sample order; default train.seed", ANY),
    KEY("train.seeds.dropout", LS_OPTION_INT, train.seeds.dropout, "~", "of dropout; default train.seed", ANY),
    KEY("train.seeds.augment", LS_OPTION_INT, train.seeds.augment, "~", "of augmentation; default train.seed", ANY),
    KEY("train.init_from", LS_OPTION_TEXT, train.init_from, "~",
        "safetensors file of start values, named as PyTorch's nn.Sequential or a checkpoint names them; looked up in "
        "the "
        "working directory, then beside the configuration; a resumed run does not read it",
        .resume = LS_FREE),
    KEY("exchange.method", LS_OPTION_CHOICE, exchange.method, "tree",
        "tree: the same bits at any rank count; mpi_allreduce: MPI_Allreduce and a replica of everything on every rank",
        .choices = methods),
    KEY("target.metric", LS_OPTION_TEXT, target.metric, "~",
        "{validation,test}_{loss,accuracy,error}, or {validation,test}_ema_{loss,accuracy,error} with optimizer.ema; "
        "training ends when it reaches the target"),
    KEY("target.above", LS_OPTION_REAL, target.above, "~", "reached when the metric is above this", .min = -1e300, ANY),
    KEY("target.below", LS_OPTION_REAL, target.below, "~", "reached when the metric is below this", .min = -1e300, ANY),
    KEY("target.patience", LS_OPTION_INT, target.patience, "0",
        "stop after so many evaluations without a better metric; 0: never", .max = 1e9),
    KEY("eval.every_epochs", LS_OPTION_INT, eval.every_epochs, "1", "evaluate after so many epochs; 0: not by epochs",
        .max = 1e9),
    KEY("eval.every_iterations", LS_OPTION_INT, eval.every_iterations, "0",
        "evaluate after so many iterations; 0: not by iterations", .max = 1e15),
    KEY("eval.batch", LS_OPTION_INT, eval.batch, "256", "rows of an evaluation chunk", .min = 1, .max = 1e6),
    KEY("checkpoint.every_iterations", LS_OPTION_INT, checkpoint.every_iterations, "0",
        "save after so many iterations; 0: only at the end", .max = 1e15, .resume = LS_FREE),
    KEY("checkpoint.keep", LS_OPTION_INT, checkpoint.keep, "3", "newest checkpoints that are kept; 0: all", .max = 1e9,
        .resume = LS_FREE),
    KEY("checkpoint.best", LS_OPTION_TEXT, checkpoint.best, "~",
        "metric, named as in target.metric; the best state so far is kept as best.safetensors"),
    KEY("checkpoint.initial", LS_OPTION_BOOL, checkpoint.initial, "false", "save the initial state as iteration 0",
        .resume = LS_FREE),
    KEY("checkpoint.background", LS_OPTION_BOOL, checkpoint.background, "true",
        "write checkpoints beside training, from a copy of the state in rank 0's memory; false: training waits",
        .resume = LS_FREE),
    KEY("metrics.every_iterations", LS_OPTION_INT, metrics.every_iterations, "10",
        "iterations between two training lines of metrics.jsonl", .min = 1, .max = 1e15, .resume = LS_FREE),
    KEY("metrics.tensorboard", LS_OPTION_BOOL, metrics.tensorboard, "false",
        "write the numbers of metrics.jsonl for TensorBoard too, as event files in the run directory",
        .resume = LS_FREE),
    KEY("noise.every", LS_OPTION_INT, noise.every, "auto",
        "iterations between two readings of the gradient noise scale; auto: about a hundredth of the time; 0: never",
        .max = 1e15, .automatic = true, .resume = LS_FREE),
    KEY("runtime.blas_threads", LS_OPTION_INT, runtime.blas_threads, "1", "OpenBLAS threads of each rank", .min = 1,
        .max = 1024),
    KEY("runtime.memory_limit", LS_OPTION_INT, runtime.memory_limit, "2048",
        "MB of activations per rank; above it a rank works through its rows in groups", .min = 1, .max = 1e9,
        .resume = LS_FREE),
    KEY("runtime.ranks_per_node", LS_OPTION_INT, runtime.ranks_per_node, "0",
        "ranks that share memory; 0: all ranks of a host; smaller values split a host, for tests and for sockets",
        .max = 1e6, .resume = LS_FREE),
    KEY("runtime.verify_every", LS_OPTION_INT, runtime.verify_every, "0",
        "iterations after which the nodes' copies of the parameters are compared; one that differs ends the run with "
        "6; "
        "0: never",
        .max = 1e15, .resume = LS_FREE),
    KEY("runtime.shortcuts", LS_OPTION_BOOL, runtime.shortcuts, "true",
        "share matrix products between shards where a trial at the start finds equal bits", .resume = LS_FREE),
    ON_SIGNAL("usr1", LS_SIGNAL_USR1, "stop",
              "what USR1 asks of a run: stop: save and end with 75; save: save and go on; ignore: nothing"),
    ON_SIGNAL("usr2", LS_SIGNAL_USR2, "save", "the same of USR2"),
    ON_SIGNAL("term", LS_SIGNAL_TERM, "stop", "the same of TERM"),
    ON_SIGNAL("int", LS_SIGNAL_INT, "stop", "the same of INT; while it is stop, a second INT ends the run at once"),
    KEY("runtime.stall_warn_s", LS_OPTION_REAL, runtime.stall_warn_s, "60",
        "tell which ranks the others wait for when nothing has moved on a node for so many seconds; 0: never",
        .max = 1e9, .resume = LS_FREE),
    KEY("runtime.stall_abort_s", LS_OPTION_REAL, runtime.stall_abort_s, "600",
        "end the job with exit code 7 then; starting, loading and saving may take any time; 0: never", .max = 1e9,
        .resume = LS_FREE),
    KEY("runtime.timeline", LS_OPTION_TEXT, runtime.timeline, "~",
        "file for a trace of what every rank did when, for ui.perfetto.dev or chrome://tracing", .resume = LS_FREE),
    {0}};

static ls_status read_phase(ls_config *c, ls_node *entry, int k)
{
    static const ls_option table[] = {{.key = "epoch", .kind = LS_OPTION_INT, .max = 1e9, .help = "first epoch"},
                                      {.key = "size",
                                       .kind = LS_OPTION_INT,
                                       .offset = sizeof(int64_t),
                                       .min = 1,
                                       .max = 1e9,
                                       .help = "samples of one update"},
                                      {0}};
    int64_t read[2];
    char place[256];
    LS_TRY(ls_options_read(table, entry, "an entry of 'batch.schedule'", read));
    LS_REQUIRE(k > 0 || read[0] == 0, LS_EUSAGE, "%s: 'batch.schedule' must begin with epoch 0",
               ls_node_place(entry, place, sizeof place));
    LS_REQUIRE(k == 0 || read[0] > c->batch.phase[k - 1].epoch, LS_EUSAGE,
               "%s: epochs of 'batch.schedule' must rise; %lld does not", ls_node_place(entry, place, sizeof place),
               (long long)read[0]);
    c->batch.phase[k].epoch = read[0];
    c->batch.phase[k].size = read[1];
    c->batch.n_phases = k + 1;
    return LS_OK;
}

/* The first size is the global batch size: one that was given beside it must be the same. */
static ls_status take_first_size(ls_config *c)
{
    char text[32], place[256];
    const ls_node *given = ls_node_at(c->root, "batch.global_batch_size");
    const int64_t size = c->batch.phase[0].size;
    LS_REQUIRE(strcmp(given->source, "default") == 0 || c->batch.global_batch_size == size, LS_EUSAGE,
               "%s: 'batch.global_batch_size' is %lld, but 'batch.schedule' begins with %lld; leave it out",
               ls_node_place(given, place, sizeof place), (long long)c->batch.global_batch_size, (long long)size);
    snprintf(text, sizeof text, "%lld", (long long)size);
    c->batch.global_batch_size = size;
    return ls_node_put(c->root, "batch.global_batch_size", text, "batch.schedule");
}

static ls_status read_batch_schedule(ls_config *c)
{
    const ls_node *list = c->batch.schedule;
    char place[256];
    if (list == NULL || (list->kind == LS_NODE_LIST && list->n == 0)) return LS_OK;
    LS_REQUIRE(list->kind == LS_NODE_LIST && list->n <= LS_MAX_PHASES, LS_EUSAGE,
               "%s: 'batch.schedule' must be a list of at most %d entries, as [{epoch: 0, size: 256}]",
               ls_node_place(list, place, sizeof place), LS_MAX_PHASES);
    for (int k = 0; k < list->n; k++) LS_TRY(read_phase(c, list->child[k], k));
    return take_first_size(c);
}

static ls_status check_target(const ls_config *c)
{
    const bool limit = !isnan(c->target.above) || !isnan(c->target.below);
    LS_REQUIRE(isnan(c->target.above) || isnan(c->target.below), LS_EUSAGE,
               "'target.above' and 'target.below' exclude each other; give the one that the metric is to reach");
    LS_REQUIRE(c->target.metric != NULL || (!limit && c->target.patience == 0), LS_EUSAGE,
               "'target' needs the key 'metric', as in {metric: test_accuracy, above: 0.9}");
    LS_REQUIRE(c->target.metric == NULL || limit || c->target.patience > 0, LS_EUSAGE,
               "'target.metric' alone does nothing: give 'target.above', 'target.below' or 'target.patience'");
    return LS_OK;
}

static ls_status check(const ls_config *c)
{
    LS_REQUIRE(c->data.train != NULL, LS_EUSAGE, "'data.train' needs a data set, as {format: idx, images: FILE, ...}");
    LS_REQUIRE(c->model != NULL, LS_EUSAGE,
               "'model' needs a list of layers, as [{dense: 128}, relu, {dense: 10}]; see 'lockstep info layers'");
    LS_REQUIRE(c->loss != NULL && c->optimizer != NULL && c->schedule != NULL && c->data.normalize != NULL, LS_EUSAGE,
               "'loss', 'optimizer', 'schedule' and 'data.normalize' may be left out, but not be null");
    LS_REQUIRE(c->train.epochs != LS_AUTO || c->train.max_iterations != LS_AUTO, LS_EUSAGE,
               "how long to train? give 'train.epochs' or 'train.max_iterations'");
    LS_REQUIRE(c->optimizer->kind == LS_NODE_MAP && c->schedule->kind == LS_NODE_MAP, LS_EUSAGE,
               "'optimizer' and 'schedule' hold keys of their own, as {name: momentum, lr: 0.1}");
    return check_target(c);
}

static ls_status fill(ls_config *c, const ls_override *overrides, int n_overrides, const char *name)
{
    char place[256];
    LS_REQUIRE(c->root->kind == LS_NODE_MAP, LS_EUSAGE, "%s: the configuration must be keys and values",
               ls_node_place(c->root, place, sizeof place));
    for (int i = 0; i < n_overrides; i++)
        LS_TRY(ls_node_put(c->root, overrides[i].key, overrides[i].value, overrides[i].source));
    LS_TRY(ls_options_read(keys, c->root, "the configuration", c));
    LS_TRY(read_batch_schedule(c));
    const ls_status status = check(c);
    return status == LS_OK ? LS_OK : ls_status_prefix(status, "%s", name);
}

ls_status ls_config_parse(const char *text, size_t n, const char *name, const char *directory,
                          const ls_override *overrides, int n_overrides, ls_config **out)
{
    *out = NULL;
    ls_config *c = ls_calloc(1, sizeof *c);
    LS_REQUIRE(c != NULL, LS_ENOMEM, "out of memory for a configuration");
    c->directory = directory ? ls_strdup(directory) : ls_path_directory(name);
    ls_status status = c->directory ? ls_node_parse(text, n, name, &c->root)
                                    : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    if (status == LS_OK) status = fill(c, overrides, n_overrides, name);
    if (status != LS_OK) ls_config_destroy(&c);
    *out = c;
    return status;
}

ls_status ls_config_read(const char *path, const ls_override *overrides, int n_overrides, ls_config **out)
{
    enum { MAX_BYTES = 16 << 20 };
    char *text;
    size_t n;
    *out = NULL;
    LS_TRY(ls_file_read(path, MAX_BYTES, &text, &n));
    char *file = realpath(path, NULL); /* checkpoints tell where relative data paths begin, wherever they are read */
    char *directory = ls_path_directory(file ? file : path);
    const ls_status status = ls_config_parse(text, n, path, directory, overrides, n_overrides, out);
    ls_free(directory);
    free(file);
    ls_free(text);
    return status;
}

void ls_config_destroy(ls_config **config)
{
    if (config == NULL || *config == NULL) return;
    ls_node_destroy(&(*config)->root);
    ls_free((*config)->directory);
    ls_free(*config);
    *config = NULL;
}

void ls_config_text(const ls_config *config, ls_text *out)
{
    ls_node_json(config->root, out);
}

/* Goes down to the first place where two trees differ; their path, which is extended in place, tells where that is. */
static void narrow(const ls_node **a, const ls_node **b, char *path, size_t n)
{
    const ls_node *x = *a, *y = *b;
    if (x == NULL || y == NULL || x->kind != y->kind || x->kind == LS_NODE_SCALAR || x->n != y->n) return;
    for (int i = 0; i < x->n; i++) {
        const size_t used = strlen(path);
        *a = x->child[i];
        *b = x->kind == LS_NODE_MAP ? ls_node_child(y, x->child[i]->key) : y->child[i];
        if (ls_node_equal(*a, *b)) continue;
        if (x->kind == LS_NODE_MAP)
            snprintf(path + used, n - used, ".%s", (*a)->key);
        else
            snprintf(path + used, n - used, ".%d", i);
        narrow(a, b, path, n);
        return;
    }
    *a = x; /* equal */
    *b = y;
}

static ls_status refuse(const ls_node *mine, const ls_node *theirs, const char *key, const char *why)
{
    char path[256];
    snprintf(path, sizeof path, "%s", key);
    narrow(&mine, &theirs, path, sizeof path);
    ls_text a = {0}, b = {0};
    if (mine != NULL) ls_node_json(mine, &a);
    if (theirs != NULL) ls_node_json(theirs, &b);
    const ls_status status =
        ls_status_fail(LS_EUSAGE, __FILE__, __LINE__, "'%s' is %s here and %s in the checkpoint: %s", path,
                       a.data ? a.data : "missing", b.data ? b.data : "missing", why);
    ls_text_free(&a);
    ls_text_free(&b);
    return status;
}

/* null means no limit: it never shrinks below anything, and a limit put where there was none does shrink. */
static bool has_shrunk(const ls_node *mine, const ls_node *theirs)
{
    double a = INFINITY, b = INFINITY;
    ls_node_real(mine, &a);
    ls_node_real(theirs, &b);
    return a < b;
}

ls_status ls_config_check_resume(const ls_config *config, const ls_config *stored, bool fixed_length)
{
    for (const ls_option *row = keys; row->key != NULL; row++) {
        const ls_node *mine = ls_node_at(config->root, row->key), *theirs = ls_node_at(stored->root, row->key);
        if (row->resume == LS_FREE || ls_node_equal(mine, theirs)) continue;
        if (row->resume == LS_IDENTITY)
            return refuse(mine, theirs, row->key, "a resumed run must keep it; use a new --run-dir for a new run");
        if (fixed_length)
            return refuse(mine, theirs, row->key,
                          "the schedule's shape depends on the length of the run; give it a "
                          "'duration' to be able to train longer");
        if (has_shrunk(mine, theirs)) return refuse(mine, theirs, row->key, "a resumed run may be longer, not shorter");
    }
    return LS_OK;
}

void ls_config_keys_print(ls_text *out)
{
    ls_text_printf(out, "key, type and range, default (~: none), and what a resumed run may do with it:\n"
                        "  identity: must be as it was; extend: may grow; free: may change\n\n");
    ls_options_print(keys, "", out);
}
