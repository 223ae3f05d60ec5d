/* study: trials over batch sizes, by all ranks in groups. */
#include <stdio.h>

#include "cli/command.h"
#include "study/run.h"

/* A group of ranks failed while others are at work: it tells and ends all of them (P7). */
static ls_status end_all(const ls_job *world, ls_status status)
{
    fprintf(stderr, "lockstep: error: %s\n", ls_status_message());
    fflush(NULL);
    ls_job_abort(world, ls_status_exit_code(status));
}

ls_status ls__cmd_study(const ls_args *args, const ls_job *world)
{
    LS_TRY(ls__need_argument(args, "a study file"));
    const ls_study_options options = {.path = args->positional[0],
                                      .overrides = args->overrides,
                                      .n_overrides = args->n_overrides,
                                      .directory = args->run_dir,
                                      .data_directory = args->data_dir,
                                      .budget = args->budget,
                                      .check_np = args->check_np,
                                      .worker = args->worker,
                                      .quiet = args->quiet};
    bool alone;
    const ls_status status = ls_study_run(world, &options, &alone);
    return alone ? end_all(world, status) : status;
}
