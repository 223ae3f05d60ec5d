#include "cli/args.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

#define TAKES_CONFIG     (LS_CMD_PLAN | LS_CMD_TRAIN | LS_CMD_BENCH)
#define TAKES_CHECKPOINT (LS_CMD_EVAL | LS_CMD_PREDICT)
#define NO_OFFSET        SIZE_MAX

typedef struct flag {
    const char *name, *value; /* value NULL: a switch */
    int commands;
    const char *key;  /* a configuration key */
    const char *yaml; /* of a switch with a key */
    size_t offset;    /* in ls_args, when there is no key */
    const char *help;
} flag;

#define KEY_FLAG(flag_name, flag_key, text)                                                                            \
    {                                                                                                                  \
        .name = flag_name, .value = "N", .commands = TAKES_CONFIG, .key = flag_key, .offset = NO_OFFSET, .help = text  \
    }
#define FIELD(flag_name, flag_value, flag_commands, field, text)                                                       \
    {                                                                                                                  \
        .name = flag_name, .value = flag_value, .commands = flag_commands, .offset = offsetof(ls_args, field),         \
        .help = text                                                                                                   \
    }

static const flag flags[] = {
    FIELD("--run-dir", "DIR", LS_CMD_TRAIN, run_dir, "where checkpoints and metrics.jsonl go (default runs/<config>)"),
    FIELD("--run-dir", "DIR", LS_CMD_STUDY, run_dir, "where all of the study goes (default studies/<name>)"),
    FIELD("--data-dir", "DIR", TAKES_CONFIG | TAKES_CHECKPOINT | LS_CMD_INFO | LS_CMD_STUDY, data_dir,
          "where relative data paths are looked up, after the config's own directory"),
    FIELD("--resume", "auto|PATH", LS_CMD_TRAIN, resume,
          "go on from a checkpoint; auto: the newest of the run directory, or start"),
    FIELD("--overwrite", NULL, LS_CMD_TRAIN, overwrite, "start anew in a directory that holds a run, which is lost"),
    FIELD("--budget", "TIME", LS_CMD_STUDY, budget, "time for all trials, as 90s, 20m, 1.5h; in place of the file's"),
    FIELD("--worker", NULL, LS_CMD_STUDY, worker, "share the directory with other jobs that are started so"),
    FIELD("--check-np", "LIST", LS_CMD_STUDY, check_np,
          "run no study: repeat one point at these rank counts, as 1,2,4, and demand equal bits"),
    FIELD("--quiet", NULL, LS_CMD_TRAIN | LS_CMD_STUDY, quiet, "no progress lines and no summary"),
    KEY_FLAG("--global-batch-size", "batch.global_batch_size", "samples of one update, all ranks together"),
    KEY_FLAG("--batch-size", "batch.global_batch_size", "the same: never per rank"),
    KEY_FLAG("--shards", "batch.shards", "parts that a batch is cut into"),
    KEY_FLAG("--micro-batch-size", "batch.micro_batch_size", "rows of one matrix product"),
    KEY_FLAG("--epochs", "train.epochs", "passes over the training set"),
    KEY_FLAG("--max-iterations", "train.max_iterations", "updates; the first limit reached ends the run"),
    KEY_FLAG("--lr", "optimizer.lr", "learning rate"),
    KEY_FLAG("--seed", "train.seed", "seed of start values, order, dropout and augmentation"),
    {.name = "--init-from",
     .value = "FILE",
     .commands = LS_CMD_TRAIN | LS_CMD_PLAN,
     .key = "train.init_from",
     .offset = NO_OFFSET,
     .help = "start from the weights in a safetensors file, of PyTorch or of a checkpoint"},
    {.name = "--timeline",
     .value = "FILE",
     .commands = LS_CMD_TRAIN,
     .key = "runtime.timeline",
     .offset = NO_OFFSET,
     .help = "write a trace of what every rank did when, for ui.perfetto.dev"},
    {.name = "--verify-every",
     .value = "K",
     .commands = LS_CMD_TRAIN,
     .key = "runtime.verify_every",
     .offset = NO_OFFSET,
     .help = "compare the nodes' copies of the parameters every K iterations; exit 6 when they differ"},
    {.name = "--save-interval",
     .value = "N",
     .commands = LS_CMD_TRAIN | LS_CMD_PLAN,
     .key = "checkpoint.every_iterations",
     .offset = NO_OFFSET,
     .help = "iterations between two checkpoints"},
    {.name = "--save-initial",
     .commands = LS_CMD_TRAIN | LS_CMD_PLAN,
     .key = "checkpoint.initial",
     .yaml = "true",
     .offset = NO_OFFSET,
     .help = "save the initial state too, as iteration 0"},
    {.name = "--set",
     .value = "KEY=VALUE",
     .commands = TAKES_CONFIG | LS_CMD_INFO,
     .offset = NO_OFFSET,
     .help = "set any key of the configuration; see 'lockstep info keys'"},
    {.name = "--set",
     .value = "KEY=VALUE",
     .commands = LS_CMD_STUDY,
     .offset = NO_OFFSET,
     .help = "set any key of the study file; see 'lockstep info study'"},
    FIELD("--config", "FILE", TAKES_CHECKPOINT, config, "use this configuration instead of the checkpoint's"),
    FIELD("--split", "NAME", TAKES_CHECKPOINT, split, "train, validation or test (default: test, else validation)"),
    FIELD("--ema", NULL, TAKES_CHECKPOINT, ema, "use the moving average of the parameters (optimizer.ema)"),
    FIELD("--data", "SPEC", LS_CMD_PREDICT, data, "data set as YAML, such as '{format: npy, features: x.npy}'"),
    FIELD("--out", "FILE", LS_CMD_PREDICT, out, "FILE.npy or FILE.csv"),
    FIELD("--out", "PATH", LS_CMD_REPORT, out,
          "the page (default report.html in the first DIR); figures/ is beside it"),
    FIELD("--csv", "FILE", LS_CMD_REPORT, csv,
          "in place of the page, a table of the runs: a row for each line of metrics.jsonl"),
    FIELD("--logits", NULL, LS_CMD_PREDICT, logits, "write what the last layer gives, not class probabilities"),
    FIELD("--ranks", "P", LS_CMD_PLAN, ranks, "show what each of P ranks computes (default 1)"),
    FIELD("--samples", "A:B", LS_CMD_PLAN, samples, "print the sample ids of iterations A to B-1, a JSON line each"),
    FIELD("--scale", NULL, LS_CMD_PLAN, scale, "predict iteration times for --ranks 1,2,4,... from a measurement"),
    FIELD("--measured", "FILE", LS_CMD_PLAN, measured, "the output of 'lockstep bench CONFIG --json', for --scale"),
    FIELD("--ranks-per-node", "R", LS_CMD_PLAN, ranks_per_node, "of the machine to predict (default 64)"),
    FIELD("--link-gbps", "G", LS_CMD_PLAN, link_gbps, "bandwidth of a node's link, each way (default 100)"),
    FIELD("--link-us", "L", LS_CMD_PLAN, link_us, "latency of a message (default 2)"),
    FIELD("--iterations", "N", LS_CMD_BENCH, iterations, "iterations to time (default 200)"),
    FIELD("--limit", NULL, LS_CMD_BENCH, limit,
          "compare with the sum of the matrix products' times, each measured hot"),
    FIELD("--exchange", NULL, LS_CMD_BENCH, exchange,
          "compare combine + update with MPI_Allreduce + replicated update; needs no CONFIG"),
    FIELD("--hash", NULL, LS_CMD_INSPECT, hash, "print the hash of the parameters alone"),
    FIELD("--json", NULL, LS_CMD_PLAN | TAKES_CHECKPOINT | LS_CMD_BENCH | LS_CMD_INSPECT | LS_CMD_FIT, json,
          "print JSON"),
    FIELD("--help", NULL, -1, help, "print this")};

enum { N_FLAGS = sizeof flags / sizeof flags[0], NAME = 64 };

/* The name of an argument with dashes for underscores; *value behind an equals sign, else NULL. */
static void split_argument(const char *argument, char name[NAME], const char **value)
{
    const char *equals = strchr(argument, '=');
    size_t n = equals ? (size_t)(equals - argument) : strlen(argument);
    if (n >= NAME) n = NAME - 1;
    for (size_t i = 0; i < n; i++) name[i] = (char)(argument[i] == '_' ? '-' : argument[i]);
    name[n] = 0;
    *value = equals ? equals + 1 : NULL;
}

static ls_status find_flag(int command, const char *name, const flag **out)
{
    const char *names[N_FLAGS];
    int n = 0;
    for (int i = 0; i < N_FLAGS; i++) {
        if ((flags[i].commands & command) == 0) continue;
        names[n++] = flags[i].name;
        if (strcmp(flags[i].name, name) != 0) continue;
        *out = &flags[i];
        return LS_OK;
    }
    const int near = ls_nearest_name(name, names, n);
    LS_FAIL(LS_EUSAGE, "unknown flag %s%s%s%s; --help lists all", name, near >= 0 ? "; did you mean " : "",
            near >= 0 ? names[near] : "", near >= 0 ? "?" : "");
}

static ls_status add_override(ls_args *args, const flag *f, const char *value)
{
    LS_REQUIRE(args->n_overrides < LS_MAX_OVERRIDES, LS_EUSAGE,
               "more than %d settings; put them into the configuration file", LS_MAX_OVERRIDES);
    ls_override *o = &args->overrides[args->n_overrides++];
    *o = (ls_override){.key = f->key, .value = value, .source = f->name};
    if (f->key != NULL) return LS_OK;
    char *equals = strchr(value, '='); /* --set: argv is ours to cut */
    LS_REQUIRE(equals != NULL && equals != value, LS_EUSAGE, "--set %s: expected KEY=VALUE, as in --set train.seed=2",
               value);
    *equals = 0;
    o->key = value;
    o->value = equals + 1;
    return LS_OK;
}

static ls_status take(ls_args *args, const flag *f, const char *value)
{
    if (f->offset == NO_OFFSET) return add_override(args, f, f->value != NULL ? value : f->yaml);
    if (f->value == NULL)
        *(bool *)((char *)args + f->offset) = true;
    else
        *(const char **)((char *)args + f->offset) = value;
    return LS_OK;
}

ls_status ls_args_read(int command, int argc, char **argv, ls_args *out)
{
    *out = (ls_args){0};
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            LS_REQUIRE(out->n_positional < LS_MAX_POSITIONAL, LS_EUSAGE, "unexpected argument '%s'; see --help",
                       argv[i]);
            out->positional[out->n_positional++] = argv[i];
            continue;
        }
        char name[NAME];
        const char *value;
        const flag *f = NULL;
        split_argument(argv[i], name, &value);
        LS_TRY(find_flag(command, name, &f));
        LS_REQUIRE(f->value != NULL || value == NULL, LS_EUSAGE, "%s takes no value", name);
        if (f->value != NULL && value == NULL) {
            LS_REQUIRE(i + 1 < argc, LS_EUSAGE, "%s needs a value: %s %s", name, name, f->value);
            value = argv[++i];
        }
        LS_TRY(take(out, f, value));
    }
    return LS_OK;
}

ls_status ls_args_int(const char *name, const char *text, int64_t min, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (text == NULL) return LS_OK;
    char *end;
    *out = strtoll(text, &end, 10);
    LS_REQUIRE(end != text && *end == 0 && *out >= min, LS_EUSAGE, "%s is '%s'; expected a whole number >= %lld", name,
               text, (long long)min);
    return LS_OK;
}

bool ls_args_flag(int command, int i, ls_flag_text *out)
{
    for (int f = 0; f < N_FLAGS; f++) {
        if ((flags[f].commands & command) == 0 || i-- > 0) continue;
        *out = (ls_flag_text){.name = flags[f].name, .value = flags[f].value, .help = flags[f].help};
        return true;
    }
    return false;
}

void ls_args_print(int command)
{
    ls_flag_text text;
    for (int i = 0; ls_args_flag(command, i, &text); i++) {
        char name[NAME];
        snprintf(name, sizeof name, "%s %s", text.name, text.value ? text.value : "");
        printf("  %-26s %s\n", name, text.help);
    }
}
