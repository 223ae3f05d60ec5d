/** Signals that ask something of a run: by default USR1, TERM and INT to save and stop, USR2 to save and go on.  The
 *  handlers only count; the trainer tells the other ranks with the iteration's own sums and acts between iterations. A
 *  second INT ends the process at once, while INT asks to stop.  Not collective. */
#ifndef LOCKSTEP_STOP_H
#define LOCKSTEP_STOP_H

#include <stdbool.h>

#include "lockstep/config.h"
#include "lockstep/linkage.h"

LS_BEGIN_DECLS

/** Installs the handlers; to be called before MPI starts, so that no early signal is lost. */
void ls_stop_install(void);

/** What each signal asks (configuration key runtime.on_signal), also where it came before this call. */
void ls_stop_choose(const int actions[LS_N_SIGNALS]);

/** A signal that asks to stop came since ls_stop_install. */
bool ls_stop_requested(void);

/** A signal that asks to save came since the last call. */
bool ls_stop_save_requested(void);

LS_END_DECLS

#endif
