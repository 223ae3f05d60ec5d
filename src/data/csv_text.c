#include "data/csv_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "data/input.h"

enum { FIRST_LINE = 1 << 10, MAX_LINE = 1 << 24 };

ls_status ls__csv_text_open(ls_csv_text *text, const ls_reader_paths *paths, const char *name, char delimiter)
{
    int fd;
    uint64_t bytes;
    text->delimiter = delimiter;
    LS_TRY(ls__file_open(paths, name, &text->path, &fd, &bytes));
    text->file = fdopen(fd, "r");
    if (text->file == NULL) close(fd);
    LS_REQUIRE(text->file != NULL, LS_ENOMEM, "%s: out of memory for a stream", text->path);
    return LS_OK;
}

void ls__csv_text_close(ls_csv_text *text)
{
    if (text->file != NULL) fclose(text->file);
    ls_free(text->line);
    ls_free(text->path);
    *text = (ls_csv_text){0};
}

ls_status ls__csv_text_rewind(ls_csv_text *text)
{
    LS_REQUIRE(fseek(text->file, 0, SEEK_SET) == 0, LS_EDATA, "%s: cannot be read again: %s", text->path,
               strerror(errno));
    text->line_number = 0;
    return LS_OK;
}

/* A byte order mark, as spreadsheets write it, is not part of the first field. */
static void drop_mark(ls_csv_text *text, size_t n)
{
    if (strncmp(text->line, "\xEF\xBB\xBF", 3) == 0) memmove(text->line, text->line + 3, n - 3 + 1);
}

static ls_status make_room(ls_csv_text *text)
{
    LS_REQUIRE(text->capacity < MAX_LINE, LS_EDATA, "%s:%" PRId64 ": a line of more than %d bytes", text->path,
               text->line_number, MAX_LINE);
    const size_t capacity = text->capacity > 0 ? 2 * text->capacity : FIRST_LINE;
    char *line = ls_realloc(text->line, text->capacity, capacity, 1);
    LS_REQUIRE(line != NULL, LS_ENOMEM, "%s: out of memory for a line", text->path);
    text->line = line;
    text->capacity = capacity;
    return LS_OK;
}

/* Byte for byte, so that a file of zeros (a hole of any size) is refused where it begins. */
static ls_status next_line(ls_csv_text *text, bool *found)
{
    size_t n = 0;
    int byte;
    text->line_number++;
    while ((byte = getc_unlocked(text->file)) != EOF && byte != '\n') {
        LS_REQUIRE(byte != 0, LS_EDATA, "%s:%" PRId64 ": expected text, found a zero byte", text->path,
                   text->line_number);
        if (n + 1 >= text->capacity) LS_TRY(make_room(text));
        text->line[n++] = (char)byte;
    }
    LS_REQUIRE(!ferror(text->file), LS_EDATA, "%s:%" PRId64 ": cannot be read: %s", text->path, text->line_number,
               strerror(errno));
    *found = n > 0 || byte == '\n';
    if (text->capacity == 0) LS_TRY(make_room(text));
    if (n > 0 && text->line[n - 1] == '\r') n--;
    text->line[n] = 0;
    if (text->line_number == 1) drop_mark(text, n);
    return LS_OK;
}

ls_status ls__csv_next_row(ls_csv_text *text, bool *found)
{
    LS_TRY(next_line(text, found));
    if (!*found || text->line[0] != 0) return LS_OK;
    const int64_t empty = text->line_number;
    while (*found) {
        LS_REQUIRE(text->line[0] == 0, LS_EDATA, "%s:%" PRId64 ": expected fields, found an empty line", text->path,
                   empty);
        LS_TRY(next_line(text, found));
    }
    return LS_OK;
}

/* `at` stands behind the opening quote; gives the place behind the closing one, or NULL when there is none. */
static char *unquote(char *at, char *out)
{
    for (; *at != 0; *out++ = *at++)
        if (*at == '"' && *++at != '"') {
            *out = 0;
            return at;
        }
    return NULL;
}

ls_status ls__csv_next_field(const ls_csv_text *text, char **at, char **field)
{
    char *end = *field = *at;
    if (*end == '"') {
        end = unquote(end + 1, *field);
        LS_REQUIRE(end != NULL, LS_EDATA, "%s:%" PRId64 ": expected a closing quote on the line", text->path,
                   text->line_number);
        LS_REQUIRE(*end == 0 || *end == text->delimiter, LS_EDATA,
                   "%s:%" PRId64 ": expected '%c' or the end of the line after a quoted field, found '%c'", text->path,
                   text->line_number, text->delimiter, *end);
    } else
        end = strchrnul(end, text->delimiter);
    *at = *end == 0 ? NULL : end + 1;
    *end = 0;
    return LS_OK;
}

bool ls__csv_number(const char *field, double *out)
{
    const char *at = field + strspn(field, " \t");
    if (*at == 0 || strpbrk(at, "xXpP(") != NULL) return false; /* strtod's hexadecimal and nan(...) */
    char *end;
    *out = strtod(at, &end);
    return end != at && end[strspn(end, " \t")] == 0;
}
