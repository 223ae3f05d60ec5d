/** The commands.  Each gets its parsed arguments and returns a status that main turns into the exit code; a failure's
 *  sentence is printed by main, once. */
#ifndef LOCKSTEP_CLI_COMMAND_H
#define LOCKSTEP_CLI_COMMAND_H

#include "cli/args.h"
#include "lockstep/job.h"

typedef struct ls_command {
    const char *name, *usage, *summary, *example;
    int bit;
    bool needs_job; /* whatever its arguments are: see ls__needs_job */
    ls_status (*run)(const ls_args *args, const ls_job *world);
} ls_command;

extern const ls_command ls__commands[];

ls_status ls__cmd_plan(const ls_args *args, const ls_job *world);
ls_status ls__cmd_train(const ls_args *args, const ls_job *world);
ls_status ls__cmd_eval(const ls_args *args, const ls_job *world);
ls_status ls__cmd_predict(const ls_args *args, const ls_job *world);
ls_status ls__cmd_study(const ls_args *args, const ls_job *world);
ls_status ls__cmd_bench(const ls_args *args, const ls_job *world);
ls_status ls__cmd_inspect(const ls_args *args, const ls_job *world);
ls_status ls__cmd_fit(const ls_args *args, const ls_job *world);
ls_status ls__cmd_report(const ls_args *args, const ls_job *world);
ls_status ls__cmd_info(const ls_args *args, const ls_job *world);

/** Prints the layers of a configuration's model: `info model CONFIG`. */
ls_status ls__info_model(const ls_args *args);

/** Looks at the machine and the way the ranks were started: `info doctor`.  Collective.  LS_EUSAGE, LS_ENOMEM: training
 *  cannot run. */
ls_status ls__info_doctor(const ls_args *args, const ls_job *world);

/** The command runs under MPI with these arguments. */
bool ls__needs_job(const ls_command *command, const ls_args *args);

/** Reads the configuration on rank 0 with the overrides of the command line, and gives every rank the same. Collective;
 *  errors are agreed. */
ls_status ls__read_config(const ls_args *args, const ls_job *world, ls_config **out);

/** The first positional argument.  LS_EUSAGE naming what is expected. */
ls_status ls__need_argument(const ls_args *args, const char *what);

#endif
