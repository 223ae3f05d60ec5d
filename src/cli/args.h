/** The command line: one table of flags for all commands. */
#ifndef LOCKSTEP_CLI_ARGS_H
#define LOCKSTEP_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/config.h"

enum { LS_MAX_OVERRIDES = 64, LS_MAX_POSITIONAL = 32 };

/** Bits of the commands that take a flag. */
enum {
    LS_CMD_PLAN = 1,
    LS_CMD_TRAIN = 2,
    LS_CMD_EVAL = 4,
    LS_CMD_PREDICT = 8,
    LS_CMD_BENCH = 16,
    LS_CMD_INSPECT = 32,
    LS_CMD_INFO = 64,
    LS_CMD_FIT = 128,
    LS_CMD_STUDY = 256,
    LS_CMD_REPORT = 512
};

typedef struct ls_args {
    const char *positional[LS_MAX_POSITIONAL];
    int n_positional;
    ls_override overrides[LS_MAX_OVERRIDES]; /* in the order given */
    int n_overrides;
    const char *run_dir, *data_dir, *resume, *config, *split, *data, *out, *csv, *samples, *ranks, *iterations;
    const char *budget, *check_np;
    const char *measured, *ranks_per_node, *link_gbps, *link_us;
    bool json, quiet, overwrite, hash, limit, exchange, scale, ema, logits, worker, help;
} ls_args;

/** Reads argv behind the command's name.  `--flag value` and `--flag=value`; underscores may stand for dashes.
 *  LS_EUSAGE names the flag and the nearest known one. */
ls_status ls_args_read(int command, int argc, char **argv, ls_args *out);

/** A whole number >= min from the text of a flag; `fallback` when it was not given.  LS_EUSAGE. */
ls_status ls_args_int(const char *flag, const char *text, int64_t min, int64_t fallback, int64_t *out);

/** Prints the flags of a command. */
void ls_args_print(int command);

#endif
