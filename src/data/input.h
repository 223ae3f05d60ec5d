/** Files of samples as streams of bytes, plain or gzip (told apart by their first bytes).
 *
 * Not collective.  Errors are LS_EDATA and name the file and the byte (of the unpacked data), what was expected there
 * and what was found. */
#ifndef LOCKSTEP_DATA_INPUT_H
#define LOCKSTEP_DATA_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/reader.h"

struct gzFile_s;

typedef struct ls_input {
    struct gzFile_s *stream;
    char *name;      /* for messages */
    uint64_t offset; /* bytes read so far, unpacked */
    uint64_t file_bytes;
    bool packed;
} ls_input;

/** Finds and opens a regular file; the caller owns *path and *fd.  Nothing is owned after a failure. */
ls_status ls__file_open(const ls_reader_paths *paths, const char *name, char **path, int *fd, uint64_t *bytes);

ls_status ls__input_open(const ls_reader_paths *paths, const char *name, ls_input **out);
void ls__input_close(ls_input **input);

/** Goes to a byte of the unpacked data. */
ls_status ls__input_seek(ls_input *input, uint64_t offset);

/** Reads exactly n bytes of `what`. */
ls_status ls__input_read(ls_input *input, void *out, size_t n, const char *what);

/** Reads n bytes of `what` and forgets them. */
ls_status ls__input_skip(ls_input *input, uint64_t n, const char *what);

/** Refuses, before anything of that size is allocated, when the rest of the file cannot be n bytes of `what`: a plain
 *  file by its size, a packed one by the largest ratio of deflate. */
ls_status ls__input_expect(const ls_input *input, uint64_t n, const char *what);

/** The data end here and the checksum of a packed file is right. */
ls_status ls__input_end(ls_input *input);

#endif
