/** What this process did when: spans of time in a ring that is allocated once, the newest kept.  Off, an event costs
 * one test of a flag.  For the thread that trains only; not collective. */
#ifndef LOCKSTEP_BASE_TIMELINE_H
#define LOCKSTEP_BASE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "lockstep/status.h"

/* X(identifier, name in the trace) */
#define LS_EVENT_LIST(X)                                                                                               \
    X(ITERATION, "iteration")                                                                                          \
    X(DATA, "data")                                                                                                    \
    X(FORWARD, "forward")                                                                                              \
    X(BACKWARD, "backward")                                                                                            \
    X(LAYER_FORWARD, "forward of layer")                                                                               \
    X(LAYER_BACKWARD, "backward of layer")                                                                             \
    X(EXCHANGE, "exchange and update")                                                                                 \
    X(WAIT, "wait")                                                                                                    \
    X(NETWORK, "network")                                                                                              \
    X(TILES, "add and update")                                                                                         \
    X(EVALUATION, "evaluation")                                                                                        \
    X(SAVE, "save")                                                                                                    \
    X(WRITE, "write checkpoint")

#define LS__EVENT(identifier, name) LS_EVENT_##identifier,
typedef enum ls_event_kind { LS_EVENT_LIST(LS__EVENT) } ls_event_kind;
#undef LS__EVENT

/** Plain bytes; seconds of ls_clock_s. */
typedef struct ls_event {
    double start, end;
    int32_t kind, index; /* of a layer, or the iteration */
} ls_event;

extern bool ls_timeline_on;

/** Begins to record, at most `capacity` events; stop frees them.  LS_ENOMEM. */
ls_status ls_timeline_start(size_t capacity);
void ls_timeline_stop(void);

/** The events kept, and their number; borrowed. */
ls_event *ls_timeline_events(size_t *n);

void ls_timeline_record(ls_event_kind kind, int64_t index, double start, double end);

/** Seconds since `start`, recorded as an event when the timeline is on. */
static inline double ls_timeline_since(ls_event_kind kind, int64_t index, double start)
{
    const double end = ls_clock_s();
    if (ls_timeline_on) ls_timeline_record(kind, index, start, end);
    return end - start;
}

/** For places that need no time otherwise: 0 when off. */
static inline double ls_timeline_begin(void)
{
    return ls_timeline_on ? ls_clock_s() : 0.0;
}
static inline void ls_timeline_end(ls_event_kind kind, int64_t index, double start)
{
    if (ls_timeline_on) ls_timeline_record(kind, index, start, ls_clock_s());
}

#endif
