/** Tables of (B, steps) as CSV, for `lockstep fit`.  Not collective. */
#ifndef LOCKSTEP_STUDY_FIT_TABLE_H
#define LOCKSTEP_STUDY_FIT_TABLE_H

#include "lockstep/fit.h"

/** The points of one series of a table; `name` is "" in a table without a series column. */
typedef struct ls_fit_series {
    char *name;
    int64_t n, capacity;
    ls_fit_point *points; /* [n], in file order */
    int64_t *line;        /* [n]: where each was read */
} ls_fit_series;

typedef struct ls_fit_table {
    int n_series;
    ls_fit_series *series; /* [n_series], in order of first appearance, owned */
    bool has_seeds;
    char *ignored; /* names of columns that were not used, with commas; "" when none */
} ls_fit_table;

/** Reads a CSV file with a header line: B (batch, batch_size, global_batch_size), steps (steps_to_target), and optional
 *  seed, censored (0, 1, true, false, yes, no), series (label, model); case does not matter.  A censored run's steps
 * are its cap.  The caller destroys *out.  LS_EDATA begins with "file:line: ": a column missing or named twice, a value
 * out of range, a seed twice at one batch size of a series. */
ls_status ls__fit_table_read(const char *path, ls_fit_table **out);
void ls__fit_table_destroy(ls_fit_table **table);

#endif
