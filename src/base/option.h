/** Options as tables: one row per key gives parsing, range check, help, the copy in the checkpoint and its class.
 *
 * Used by the configuration file and by every layer, loss, optimizer, schedule and data reader.  A table ends with a
 * row whose key is NULL.  Reading also completes the tree: a key that is absent is added with its default, so that the
 * tree is the resolved configuration afterwards.  Not collective; errors are LS_EUSAGE and begin with the place. */
#ifndef LOCKSTEP_BASE_OPTION_H
#define LOCKSTEP_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/node.h"

typedef enum ls_option_kind {
    LS_OPTION_BOOL,   /* bool */
    LS_OPTION_INT,    /* int64_t; with `automatic` the word auto, and null where it is the default, give LS_AUTO */
    LS_OPTION_REAL,   /* double; null where it is the default gives NaN */
    LS_OPTION_TEXT,   /* const char *, owned by the tree; NULL for null */
    LS_OPTION_CHOICE, /* int, index into choices */
    LS_OPTION_NODE    /* ls_node *, owned by the tree; NULL for null */
} ls_option_kind;

/** How a key may differ between a checkpoint and the run that resumes it. */
typedef enum ls_option_class { LS_IDENTITY, LS_EXTEND, LS_FREE } ls_option_class;

enum { LS_AUTO = -1 };

/** Largest integer option: every value is exact as a double. */
#define LS_OPTION_MAX 9007199254740992.0

typedef struct ls_option {
    const char *key; /* dotted path */
    ls_option_kind kind;
    size_t offset;              /* in the structure that is filled */
    const char *fallback;       /* default as YAML; NULL: must be given */
    double min, max;            /* INT and REAL: allowed range */
    bool automatic;             /* INT: auto is allowed */
    bool above_min;             /* REAL: min itself is not allowed */
    const char *const *choices; /* CHOICE: NULL-terminated; NODE: how it is written, for info; NULL: keys of its own */
    ls_option_class class;
    const char *help;
} ls_option;

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
