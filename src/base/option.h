/** Reading options by their tables (lockstep/option.h).  It also completes the tree: a key that is absent is added with
 *  its default, so that the tree is the resolved configuration afterwards.  Not collective; errors are LS_EUSAGE and
 *  begin with the place. */
#ifndef LOCKSTEP_BASE_OPTION_H
#define LOCKSTEP_BASE_OPTION_H

#include "base/node.h"
#include "lockstep/option.h"

/** Reads all keys of `table` from the map `node` into `out`; refuses unknown keys, naming the nearest known one.
 *  `what` names the thing in messages ("the configuration", "layer dense"). */
ls_status ls_options_read(const ls_option *table, ls_node *node, const char *what, void *out);

/** The same for a map whose keys come from two tables, each filling its own structure. */
ls_status ls_options_read_two(const ls_option *table, void *out, const ls_option *more, void *more_out, ls_node *node,
                              const char *what);

/** The row of a key; NULL when unknown. */
const ls_option *ls_option_find(const ls_option *table, const char *key);

/** Index of the name nearest to `text` by edit distance among n names; -1 when none is near. */
int ls_nearest_name(const char *text, const char *const *names, int n);

/** Reads null, a number or a list of numbers into values[*n], at most `capacity` of them; null gives *n = 0. */
ls_status ls_reals_read(const ls_node *node, const char *what, int64_t capacity, double *values, int64_t *n);

/** The type and range of a row, as "integer >= 1, auto". */
void ls_option_type(const ls_option *row, ls_text *out);

/** Prints one line per row: key, type and range, default, help. */
void ls_options_print(const ls_option *table, const char *indent, ls_text *out);

#endif
