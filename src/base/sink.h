/** A file that is added to piece by piece, whose bytes wait in memory while it takes none (full disk): nothing is lost
 *  or torn when it takes some again.  Not collective. */
#ifndef LOCKSTEP_BASE_SINK_H
#define LOCKSTEP_BASE_SINK_H

#include <stdbool.h>

#include "base/text.h"

typedef struct ls_sink {
    int fd;
    char *path;
    double flushed_s;
    bool failed; /* the last write: what it was to write waits for the next */
    int cause;
    ls_text buffer; /* bytes that wait; reserved once: small additions do not allocate */
} ls_sink;

/** Opens `path`, whose text the sink owns from now on also when it fails, by open(2) with `flags` besides writing and
 *  creating.  LS_EOUTPUT. */
ls_status ls_sink_open(ls_sink *sink, char *path, int flags);

/** After a whole line or record went into `buffer`: writes when much waits, or when a second has passed. */
void ls_sink_tick(ls_sink *sink, double now_s);

/** Writes all that waits.  LS_EOUTPUT: some waits still; the first failure of a row is also told as a warning. */
ls_status ls_sink_flush(ls_sink *sink);

/** LS_EOUTPUT when so much waits (16 MB) that no more can; before that a warning has told. */
ls_status ls_sink_status(const ls_sink *sink);

/** Writes what waits, if it can, and closes. */
void ls_sink_close(ls_sink *sink);

#endif
