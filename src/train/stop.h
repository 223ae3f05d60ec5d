/** Signals that ask a run to save and stop: USR1, TERM, INT.  The handler only sets a flag; the trainer tells the other
 *  ranks with the iteration's own sums and acts between iterations.  A second INT ends the process at once. */
#ifndef LOCKSTEP_TRAIN_STOP_H
#define LOCKSTEP_TRAIN_STOP_H

#include <stdbool.h>

/** Installs the handlers; to be called before MPI starts, so that no early signal is lost.  Not collective. */
void ls_stop_install(void);

/** A signal came since ls_stop_install. */
bool ls_stop_requested(void);

#endif
