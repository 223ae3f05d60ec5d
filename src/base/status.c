#include "lockstep/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024, WHERE_BYTES = 96 };

static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local char where[WHERE_BYTES];

static const struct {
    const char *name, *meaning;
    int exit_code;
} rows[] = {
#define ROW(name, code, text) {#name, text, code},
    LS_STATUS_LIST(ROW)
#undef ROW
};

int ls_status_exit_code(ls_status status)
{
    return (unsigned)status < LS_STATUS_COUNT ? rows[status].exit_code : 1;
}

const char *ls_status_name(ls_status status)
{
    return (unsigned)status < LS_STATUS_COUNT ? rows[status].name : "?";
}

const char *ls_status_meaning(ls_status status)
{
    return (unsigned)status < LS_STATUS_COUNT ? rows[status].meaning : "unknown status";
}

const char *ls_status_message(void)
{
    return message;
}

const char *ls_status_where(void)
{
    return where;
}

ls_status ls_status_fail(ls_status status, const char *file, int line, const char *format, ...)
{
    const char *slash = strrchr(file, '/');
    snprintf(where, sizeof where, "%s:%d", slash ? slash + 1 : file, line);
    char text[MESSAGE_BYTES]; /* the arguments may point into `message` */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}

ls_status ls_status_prefix(ls_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t n = strlen(text), room = sizeof text - n - 1;
    snprintf(text + n, room + 1, "%.*s%.*s", (int)room, ": ", (int)room, message);
    memcpy(message, text, sizeof message);
    return status;
}
