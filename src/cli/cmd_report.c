/* report: a page, or a CSV table, of run directories or of a study; no MPI. */
#include "cli/command.h"
#include "lockstep/report.h"

ls_status ls__cmd_report(const ls_args *args, const ls_job *world)
{
    (void)world;
    LS_REQUIRE(args->csv == NULL || args->out == NULL, LS_EUSAGE,
               "--csv writes a table in place of the page: leave out --out");
    if (args->csv != NULL) return ls_report_csv(args->positional, args->n_positional, args->csv);
    return ls_report_write(args->positional, args->n_positional, args->out);
}
