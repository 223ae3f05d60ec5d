/** Files: whole reads, and writes that are complete or absent.  Not collective; errors name the path and the cause. */
#ifndef LOCKSTEP_BASE_FILE_H
#define LOCKSTEP_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/status.h"

/** Reads a whole file of at most max_bytes into an ls_calloc block with a zero byte behind it; the caller frees it.
 *  LS_EUSAGE when it cannot be opened or is larger. */
ls_status ls_file_read(const char *path, size_t max_bytes, char **out, size_t *n_bytes);

/** Makes a directory and its parents; an existing one is fine.  LS_EOUTPUT. */
ls_status ls_make_directory(const char *path);

/** Joins directory and name with one '/'; an absolute name stands alone.  Owned by the caller; NULL: out of memory. */
char *ls_path_join(const char *directory, const char *name);

/** Directory part of a path ("." when it has none); owned by the caller; NULL: out of memory. */
char *ls_path_directory(const char *path);

/** Makes `directory/name` a symbolic link to `target`, replacing an old one by rename.  LS_EOUTPUT. */
ls_status ls_link_replace(const char *directory, const char *name, const char *target);

/** A file that appears under its name only when it is complete: written as PATH.tmp, fsync, rename, fsync of the
 *  directory.  A killed writer leaves at most PATH.tmp, which the next writer of PATH replaces.  Errors: LS_EOUTPUT. */
typedef struct ls_file_writer ls_file_writer;
ls_status ls_file_writer_create(const char *path, ls_file_writer **out);
ls_status ls_file_writer_add(ls_file_writer *writer, const void *bytes, size_t n);
/** Overwrites n bytes at `offset`, all of them added before. */
ls_status ls_file_writer_patch(ls_file_writer *writer, uint64_t offset, const void *bytes, size_t n);
ls_status ls_file_writer_commit(ls_file_writer *writer);
/** Frees; a writer that was not committed removes its temporary file. */
void ls_file_writer_destroy(ls_file_writer **writer);

/** All of this for a file of n bytes. */
ls_status ls_file_write(const char *path, const void *bytes, size_t n);

#endif
