/** The watchdog: a thread of every rank that sleeps, calls no MPI, and looks at its node's board (base/board.h) now and
 *  then.  When nothing has moved on the node for warn_s seconds, the lowest rank of the node that runs prints which
 * ranks the others wait for, and where each is; after abort_s it ends the process with the exit code of LS_ESTALL,
 * which makes the launcher end the job.  0 turns either off.
 *
 * Phases that may take any time (starting, loading, saving) are waited for as long as all processes run.  A node of
 * which every rank waits for another node speaks a quarter later, and not within a second or two: the other one, if it
 * still runs, knows more.  A job that is suspended as a whole has not stalled. */
#ifndef LOCKSTEP_WATCHDOG_H
#define LOCKSTEP_WATCHDOG_H

#include "lockstep/job.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

typedef struct ls_watchdog ls_watchdog;

/** Makes the board and starts the thread; one a process.  *out is NULL when both times are 0.  The times are the same
 *  on all ranks.  Collective.  LS_ENOMEM on every rank. */
ls_status ls_watchdog_start(const ls_job *job, double warn_s, double abort_s, ls_watchdog **out);

/** This rank is not waited for any more.  Not collective. */
void ls_watchdog_stop(ls_watchdog **watchdog);

LS_END_DECLS

#endif
