/** What a watchdog thinks of its node's board: whether the ranks stand still, whom they wait for, and where each is.
 *  Only time in which the watcher ran itself counts: a job that is suspended as a whole has not stalled.  Not
 *  collective; allocates nothing. */
#ifndef LOCKSTEP_COMM_STALL_H
#define LOCKSTEP_COMM_STALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/board.h"

/** A rank at the last look. */
typedef struct ls_seen {
    uint64_t steps, beats;
    double silent_s; /* watched time without a beat */
    bool listed, told;
} ls_seen;

typedef struct ls_stall {
    ls_place *place; /* [n] the board */
    ls_seen *seen;   /* [n] zeroed at first */
    int n, first_rank, node, n_nodes;
    double period_s; /* from look to look */
    double still_s;  /* watched time without a step of any rank */
} ls_stall;

/** Looks, `elapsed_s` after the last look; of more than two periods only two count: the watcher did not run. */
void ls_stall_look(ls_stall *stall, double elapsed_s);

/** The lowest rank of the node (counted from 0) that runs: it speaks.  -1: none. */
int ls_stall_speaker(const ls_stall *stall);

/** Seconds of standing still, as they count.  0 while every rank runs and those at work are in phases that may take any
 *  time, and when a rank is ending the job.  A fifth less where every rank runs and waits: those that it waits for are
 * on another node, which speaks first.
 */
double ls_stall_seconds(const ls_stall *stall);

/** "nothing has moved ...; it waits for rank 3", and a line for each group of ranks at one place, into out [n]; cut
 *  where it is too long.  Returns its length. */
size_t ls_stall_text(ls_stall *stall, double now, char *out, size_t n);

#endif
