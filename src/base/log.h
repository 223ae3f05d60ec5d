/** Notices and warnings for people, on standard error.  One rank speaks: the others are made silent at start-up. */
#ifndef LOCKSTEP_BASE_LOG_H
#define LOCKSTEP_BASE_LOG_H

#include <stdbool.h>

/** Silences notices, or notices and warnings, of this process. */
void ls_log_quiet(bool notices, bool warnings);

/** One line each: "lockstep: ..." and "lockstep: warning: ...". */
void ls_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ls_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
