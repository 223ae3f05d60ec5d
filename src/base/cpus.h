/** Sets of processors: whom the kernel lets run where.  Not collective. */
#ifndef LOCKSTEP_BASE_CPUS_H
#define LOCKSTEP_BASE_CPUS_H

#include <sched.h>

enum { LS_CPUS_TEXT = 256 };

/** Processors that this process may run on. */
void ls_cpus_mine(cpu_set_t *out);

/** The set as "0-3,8", cut off where it is too long for `out`, which is returned. */
const char *ls_cpus_text(const cpu_set_t *cpus, char out[LS_CPUS_TEXT]);

/** For each processor of a set the first of its core; the processor itself where the system does not tell. */
void ls_cpus_cores(const cpu_set_t *cpus, cpu_set_t *cores);

#endif
