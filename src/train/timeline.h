/** The timeline of all ranks as one trace file, which chrome://tracing and ui.perfetto.dev open. */
#ifndef LOCKSTEP_TRAIN_TIMELINE_H
#define LOCKSTEP_TRAIN_TIMELINE_H

#include "lockstep/job.h"

/** Begins to record on every rank.  Collective.  LS_ENOMEM. */
ls_status ls_trace_start(const ls_job *job);

/** Ends recording; rank 0 gathers all events and writes them.  Clocks are aligned to rank 0's: of 32 messages to a rank
 *  and back, the quickest tells its offset, to half the time it took (Cristian, Distributed Computing 3, 1989).
 *  Collective.  LS_EOUTPUT, LS_ENOMEM. */
ls_status ls_trace_write(const ls_job *job, const char *path);

#endif
