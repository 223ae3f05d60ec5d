#include "comm/barrier.h"

#include <sched.h>

#include "base/board.h"
#include "base/clock.h"

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

int ls_barrier_spins(int ranks, int cores)
{
    return ranks > cores ? 0 : 20000;
}

void ls_barrier_wait(ls_barrier *barrier, unsigned size, int spins)
{
    const unsigned generation = atomic_load_explicit(&barrier->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == size) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->generation, generation + 1, memory_order_release);
        return;
    }
    ls_board_wait(LS_WAIT_NODE, ls_clock_s());
    for (int i = 0; atomic_load_explicit(&barrier->generation, memory_order_acquire) == generation;) {
        if (i < spins) {
            relax();
            i++; /* not while yielding: a long wait would overflow it */
        } else {
            sched_yield();
        }
    }
    ls_board_go(ls_clock_s());
}
