#include "cli/command.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

const ls_command ls__commands[] = {
    {"plan", "CONFIG [flags]", "print what a run will do, without training",
     "lockstep plan configs/fashion_mlp.yaml --ranks 4", LS_CMD_PLAN, false, ls__cmd_plan},
    {"train", "CONFIG [flags]", "train a model",
     "mpirun -np 4 lockstep train configs/fashion_mlp.yaml --run-dir runs/a", LS_CMD_TRAIN, true, ls__cmd_train},
    {"eval", "CHECKPOINT [flags]", "evaluate a checkpoint on a held-out set", "lockstep eval runs/a/latest --json",
     LS_CMD_EVAL, true, ls__cmd_eval},
    {"predict", "CHECKPOINT --out FILE [flags]", "write a model's outputs for a data set",
     "lockstep predict runs/a/latest --data '{format: npy, features: x.npy}' --out y.csv", LS_CMD_PREDICT, true,
     ls__cmd_predict},
    {"study", "STUDY.yaml [flags]", "measure how the batch size changes the iterations to a target",
     "mpirun -np 4 lockstep study configs/study_fashion_mlp.yaml --budget 20m", LS_CMD_STUDY, true, ls__cmd_study},
    {"bench", "CONFIG [flags]", "time iterations and their parts",
     "mpirun -np 2 lockstep bench configs/fashion_mlp.yaml", LS_CMD_BENCH, true, ls__cmd_bench},
    {"inspect", "CHECKPOINT [flags]", "show what a checkpoint holds", "lockstep inspect runs/a/latest --hash",
     LS_CMD_INSPECT, false, ls__cmd_inspect},
    {"fit", "FILE.csv [flags]", "fit S_min, B_crit and E_min to a table of batch sizes and steps to target",
     "lockstep fit steps.csv --json", LS_CMD_FIT, false, ls__cmd_fit},
    {"report", "DIR [DIR...] [flags]", "write a page of figures and tables about a study, or about training runs",
     "lockstep report runs/a runs/b --out report.html", LS_CMD_REPORT, false, ls__cmd_report},
    {"info", "[keys|study|layers|losses|optimizers|schedules|formats|augmentations|model CONFIG|doctor]",
     "show the build, what a configuration may name, its model layer by layer, or what of this machine costs speed",
     "mpirun -np 2 lockstep info doctor", LS_CMD_INFO, false, ls__cmd_info},
    {0}};

bool ls__needs_job(const ls_command *c, const ls_args *args)
{
    const bool doctor = c->bit == LS_CMD_INFO && args->n_positional > 0 && strcmp(args->positional[0], "doctor") == 0;
    return c->needs_job || doctor;
}

ls_status ls__need_argument(const ls_args *args, const char *what)
{
    LS_REQUIRE(args->n_positional == 1, LS_EUSAGE, "expected one argument, %s; see --help", what);
    return LS_OK;
}

/* Rank 0 reads the file and applies the flags; its text goes to all. */
static ls_status read_on_root(const ls_args *args, const ls_job *world, ls_config **config, ls_text *text)
{
    if (ls_job_rank(world) != 0) return LS_OK;
    LS_TRY(ls__need_argument(args, "a configuration file"));
    LS_TRY(ls_config_read(args->positional[0], args->overrides, args->n_overrides, config));
    ls_config_text(*config, text);
    return ls_text_status(text);
}

/* The directory of the file, as rank 0 sees it, goes with the text: argv may differ between ranks. */
ls_status ls__read_config(const ls_args *args, const ls_job *world, ls_config **out)
{
    ls_text text = {0};
    *out = NULL;
    LS_TRY(ls_job_agree(world, read_on_root(args, world, out, &text)));
    char *directory = *out != NULL ? (*out)->directory : NULL;
    size_t n = directory != NULL ? strlen(directory) : 0;
    ls_status status = ls_job_broadcast_block(world, &text.data, &text.n);
    if (status == LS_OK) status = ls_job_broadcast_block(world, &directory, &n);
    if (status == LS_OK && *out == NULL) {
        status = ls_config_parse(text.data, text.n, "configuration", directory, NULL, 0, out);
        ls_free(directory);
    }
    ls_free(text.data);
    status = ls_job_agree(world, status);
    if (status != LS_OK) ls_config_destroy(out);
    return status;
}
