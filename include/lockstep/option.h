/** Options as tables: one row per key gives parsing, range check, help, the copy in the checkpoint and its class.
 *
 * Used by the configuration file and by every layer, loss, optimizer, schedule and data reader.  A table ends with a
 * row whose key is NULL. */
#ifndef LOCKSTEP_OPTION_H
#define LOCKSTEP_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

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
    ls_option_class resume;
    const char *help;
} ls_option;

LS_END_DECLS

#endif
