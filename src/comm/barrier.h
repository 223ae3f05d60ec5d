/** The node barrier: C11 atomics in node memory.  Spins briefly, then yields the processor; with more ranks than cores
 *  it yields at once. */
#ifndef LOCKSTEP_COMM_BARRIER_H
#define LOCKSTEP_COMM_BARRIER_H

#include <stdatomic.h>

/** Lies in node memory, zeroed. */
typedef struct ls_barrier {
    _Alignas(64) _Atomic unsigned arrived;
    _Alignas(64) _Atomic unsigned generation;
} ls_barrier;

/** Returns when `size` ranks have called it; writes before it are seen by all after it. */
void ls_barrier_wait(ls_barrier *barrier, unsigned size, int spins);

/** Spins that suit a host with so many ranks and cores. */
int ls_barrier_spins(int ranks, int cores);

#endif
