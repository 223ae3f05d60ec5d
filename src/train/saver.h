/** Writes checkpoint files at rank 0, beside the training: the trainer puts the state into a copy that was allocated
 *  once, and a thread writes, syncs, renames, links and prunes while training goes on.  The thread calls no MPI.
 * Without a copy (it was not wanted, or there is no memory) every put writes to the file at once and training waits.
 *
 * One save at a time: begin, put ..., end, then wait, in this order.  Not collective; not to be shared by threads. */
#ifndef LOCKSTEP_TRAIN_SAVER_H
#define LOCKSTEP_TRAIN_SAVER_H

#include "train/safetensors.h"

typedef struct ls_saver ls_saver;

/** What one save writes: of the same bytes, first best.safetensors, then ckpt-N.safetensors with `latest` and pruning;
 *  one of the two at least, and without a copy only one.  The second is left out when the first fails. */
typedef struct ls_save {
    const char *directory; /* outlives the save */
    bool best, numbered;
    int64_t iteration, keep;
} ls_save;

/** How a save ended. */
typedef struct ls_saved {
    ls_status status;
    char message[1024]; /* of a failure */
    bool best_written;  /* whatever became of the numbered file */
    double end_s;       /* of putting, by ls_clock_s */
    double write_s;     /* from the end of putting to the end of writing; 0 without a copy */
} ls_saved;

/** With a copy of data_bytes and a thread; 0, or no memory for it (told by a notice): without.  LS_ENOMEM when there is
 *  not even memory for itself. */
ls_status ls_saver_create(size_t data_bytes, ls_saver **out);
/** Waits for a save under way. */
void ls_saver_destroy(ls_saver **saver);

/** Files are written beside training. */
bool ls_saver_copies(const ls_saver *saver);

/** Begins a save with a complete header, whose text it takes.  Failures are told by wait. */
void ls_saver_begin(ls_saver *saver, const ls_save *save, ls_safetensors_header *header);
/** The tensors' next n bytes: header->data_bytes in all. */
void ls_saver_put(ls_saver *saver, const void *bytes, size_t n);
/** All bytes are there. */
void ls_saver_end(ls_saver *saver);

/** The save under way has ended: with success or not. */
bool ls_saver_has_ended(ls_saver *saver);
bool ls_saver_has_failed(ls_saver *saver);

/** Waits until the save begun last has ended, and tells how; *out stays as it is until the next begin. */
const ls_saved *ls_saver_wait(ls_saver *saver);

#endif
