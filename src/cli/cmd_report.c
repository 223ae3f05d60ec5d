#include "cli/command.h"
#include "lockstep/report.h"

ls_status ls__cmd_report(const ls_args *args, const ls_job *world)
{
    (void)world;
    return ls_report_write(args->positional, args->n_positional, args->out);
}
