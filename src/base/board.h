/** Where this process is: phase, iteration, and what it waits for, at a place of a board in node memory that the
 *  watchdogs of the node read (lockstep/watchdog.h).  Relaxed stores of the thread that trains, and no system call; a
 *  process without a watchdog writes to a place that nobody reads.  Times are of ls_clock_s.  Not collective. */
#ifndef LOCKSTEP_BASE_BOARD_H
#define LOCKSTEP_BASE_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

/* X(identifier, text, may take any time) */
#define LS_PHASE_LIST(X)                                                                                               \
    X(START, "start-up", 1)                                                                                            \
    X(LOAD, "loading data", 1)                                                                                         \
    X(DATA, "gathering rows", 0)                                                                                       \
    X(FORWARD, "forward", 0)                                                                                           \
    X(BACKWARD, "backward", 0)                                                                                         \
    X(EXCHANGE, "exchange and update", 0)                                                                              \
    X(EVALUATION, "evaluation", 0)                                                                                     \
    X(SAVE, "saving", 1)                                                                                               \
    X(IDLE, "between runs", 1)                                                                                         \
    X(END, "at the end", 1)                                                                                            \
    X(ABORT, "ending the job", 1)

#define LS__PHASE(identifier, text, patient) LS_PHASE_##identifier,
typedef enum ls_board_phase { LS_PHASE_LIST(LS__PHASE) } ls_board_phase;
#undef LS__PHASE

typedef enum ls_wait { LS_WAIT_NONE, LS_WAIT_NODE, LS_WAIT_MESSAGES } ls_wait;

/** Lies in node memory, zeroed. */
typedef struct ls_place {
    _Alignas(64) _Atomic uint64_t where; /* iteration << 16 | ls_wait << 8 | ls_board_phase */
    _Atomic uint64_t since_ns;           /* since when it is there */
    _Atomic uint64_t steps;              /* grows with everything that is done */
    _Atomic uint64_t beats;              /* grows while the process runs: by its watchdog */
} ls_place;

/** This process's place. */
extern ls_place *ls_board_place;

/** Takes a place of a board; NULL: one that nobody reads, as at the start of the process. */
void ls_board_use(ls_place *place);

/** Seconds that this process has waited for others since its start. */
extern double ls_board_waited_s;

static inline uint64_t ls__board_read(_Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void ls__board_write(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/** Something was done in the phase at hand: a layer, a chunk, a piece of a file. */
static inline void ls_board_step(void)
{
    ls__board_write(&ls_board_place->steps, ls__board_read(&ls_board_place->steps) + 1);
}

static inline void ls__board_put(uint64_t where, double now)
{
    ls__board_write(&ls_board_place->where, where);
    ls__board_write(&ls_board_place->since_ns, (uint64_t)(now * 1e9));
    ls_board_step();
}

/** A phase begins, of the iteration that will be completed by it (0: of none). */
static inline void ls_board_mark(ls_board_phase phase, int64_t iteration, double now)
{
    ls__board_put((uint64_t)iteration << 16 | (uint64_t)phase, now);
}

/** A wait for others begins and ends, inside a phase; waits do not nest. */
static inline void ls_board_wait(ls_wait wait, double now)
{
    ls__board_put(ls__board_read(&ls_board_place->where) | (uint64_t)wait << 8, now);
}

static inline void ls_board_go(double now)
{
    ls_board_waited_s += now - 1e-9 * (double)ls__board_read(&ls_board_place->since_ns);
    ls__board_put(ls__board_read(&ls_board_place->where) & ~(uint64_t)0xff00, now);
}

static inline ls_board_phase ls_place_phase(uint64_t where)
{
    return (ls_board_phase)(where & 0xff);
}

static inline ls_wait ls_place_wait(uint64_t where)
{
    return (ls_wait)(where >> 8 & 0xff);
}

static inline int64_t ls_place_iteration(uint64_t where)
{
    return (int64_t)(where >> 16);
}

#endif
