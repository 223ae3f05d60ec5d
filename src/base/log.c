#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static bool quiet_notices, quiet_warnings;

void ls_log_quiet(bool notices, bool warnings)
{
    quiet_notices = notices;
    quiet_warnings = warnings;
}

/* One write per line, so that lines of several processes do not mix. */
static void say(const char *tag, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "lockstep: %s%s\n", tag, text);
    fflush(stderr);
}

void ls_notice(const char *format, ...)
{
    if (quiet_notices) return;
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void ls_warn(const char *format, ...)
{
    if (quiet_warnings) return;
    va_list args;
    va_start(args, format);
    say("warning: ", format, args);
    va_end(args);
}
