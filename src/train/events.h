/** Event files of TensorBoard: the numbers of a run as scalars, tag by tag, over the iteration.  Rank 0 only; not
 *  collective.
 *
 * Source: TFRecord (length, masked CRC-32C of it, bytes, masked CRC-32C of them) of protobuf messages tensorflow.Event
 * (event.proto, summary.proto), of which only the fields needed are encoded. */
#ifndef LOCKSTEP_TRAIN_EVENTS_H
#define LOCKSTEP_TRAIN_EVENTS_H

#include <stdint.h>

#include "base/sink.h"

enum { LS_MAX_SCALARS = 24 };

typedef struct ls_events {
    ls_sink sink;
    double wall_offset_s; /* of the world's clock over ls_clock_s */
    int n;                /* scalars of the record at hand */
    const char *key[LS_MAX_SCALARS];
    float value[LS_MAX_SCALARS];
} ls_events;

/** Starts DIR/events.out.tfevents.TIME.HOST.lockstep, which sorts behind those that are there, as TensorBoard reads
 *  them in that order, and tells it to forget what they hold of iterations > keep_iteration.  LS_EOUTPUT. */
ls_status ls_events_open(ls_events *events, const char *directory, int64_t keep_iteration);

/** Removes the files that ls_events_open made in a directory. */
void ls_events_remove(const char *directory);

/** Keeps a scalar for the next record; `key` lives until then.  What no finite float can hold is left out. */
void ls_events_scalar(ls_events *events, const char *key, double value);

/** Ends a record of the scalars since the last, as tags PREFIX/key, at ls_clock_s() == now_s. */
void ls_events_end(ls_events *events, const char *prefix, int64_t iteration, double now_s);

#endif
