/** The text of a CSV file: lines, fields, numbers.  Source of the quoting rules: RFC 4180 (a field ends on its line).
 *
 * Not collective.  Errors are LS_EDATA and begin with "file:line: ". */
#ifndef LOCKSTEP_DATA_CSV_TEXT_H
#define LOCKSTEP_DATA_CSV_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "data/reader.h"

typedef struct ls_csv_text {
    FILE *file;
    char *path;
    char *line; /* the current line without its end */
    size_t capacity;
    int64_t line_number; /* from 1 */
    char delimiter;
} ls_csv_text;

ls_status ls__csv_text_open(ls_csv_text *text, const ls_reader_paths *paths, const char *name, char delimiter);
void ls__csv_text_close(ls_csv_text *text);
ls_status ls__csv_text_rewind(ls_csv_text *text);

/** Reads the next line with data; *found is false at the end.  Empty lines are accepted at the end only. */
ls_status ls__csv_next_row(ls_csv_text *text, bool *found);

/** Takes the next field off the current line, in place and without its quotes; *at is NULL after the last one. */
ls_status ls__csv_next_field(const ls_csv_text *text, char **at, char **field);

/** The field as a number, which may be infinite or not a number; false when it is something else. */
bool ls__csv_number(const char *field, double *out);

#endif
