/** Entries that name an implementation: `relu`, `dense: 10` or `dense: {units: 10}`, in a list or behind a key.
 *  Not collective; errors are LS_EUSAGE with the place. */
#ifndef LOCKSTEP_BASE_ENTRY_H
#define LOCKSTEP_BASE_ENTRY_H

#include "base/option.h"

/** Brings an entry into the form {name: value} in place and returns its name, owned by the tree.  `what` names the
 *  kind of thing ("layer") in messages. */
ls_status ls_entry_name(ls_node *entry, const char *what, const char **name);

/** Reads the options of a named entry by `table` (NULL: none) into a new zeroed block of `size` bytes, owned by the
 *  caller; a single value stands for the option `shorthand` (NULL: no such form).  Completes the entry. */
ls_status ls_entry_read(ls_node *entry, const ls_option *table, size_t size, const char *shorthand, void **out);

/** LS_EUSAGE for a name that is not among the n registered ones, naming the nearest and listing them. */
ls_status ls_entry_unknown(const ls_node *entry, const char *what, const char *name, const char *const *names, int n);

#endif
