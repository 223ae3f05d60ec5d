/** The data formats of the library: each one file with static functions and one const table, listed in reader_list.h.
 */
#ifndef LOCKSTEP_DATA_READER_H
#define LOCKSTEP_DATA_READER_H

#include "base/option.h"
#include "lockstep/reader.h"

#define LS_READER(name) extern const ls_reader_ops ls__reader_##name;
#include "data/reader_list.h"
#undef LS_READER

/** All formats, in list order, then those of ls_reader_register, and their names; NULL-terminated. */
extern const ls_reader_ops *ls__readers[];
extern const char *ls__reader_names[];

#endif
