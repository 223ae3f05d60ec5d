/** Errors: one list of status values, each with the exit code that the program documents.
 *
 * Everything fallible returns ls_status and leaves results by trailing pointers.  The sentence that explains a failure
 * is kept per thread until the next failure; `ls_status_message` reads it.  Nothing here is collective. */
#ifndef LOCKSTEP_STATUS_H
#define LOCKSTEP_STATUS_H

#include <stddef.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

/* X(name, exit code, meaning) */
#define LS_STATUS_LIST(X)                                                                                              \
    X(LS_OK, 0, "done, or the target was reached")                                                                     \
    X(LS_EINTERNAL, 1, "internal error")                                                                               \
    X(LS_ENOMEM, 1, "out of memory")                                                                                   \
    X(LS_EUSAGE, 2, "usage or configuration error")                                                                    \
    X(LS_EDATA, 3, "bad data")                                                                                         \
    X(LS_ECHECKPOINT, 3, "bad checkpoint")                                                                             \
    X(LS_ETARGET, 4, "target not reached")                                                                             \
    X(LS_EDIVERGED, 5, "diverged: the loss is not finite")                                                             \
    X(LS_EREPLICA, 6, "replicas disagree")                                                                             \
    X(LS_ESTALL, 7, "stalled")                                                                                         \
    X(LS_EOUTPUT, 8, "output could not be written")                                                                    \
    X(LS_ESTOPPED, 75, "stopped by a signal with a checkpoint saved: run again")

#define LS__ENUM(name, code, text) name,
typedef enum ls_status { LS_STATUS_LIST(LS__ENUM) LS_STATUS_COUNT } ls_status;
#undef LS__ENUM

/** Exit code of a status; values outside the list give 1. */
int ls_status_exit_code(ls_status status);

/** Name and meaning of a status as static text. */
const char *ls_status_name(ls_status status);
const char *ls_status_meaning(ls_status status);

/** The sentence recorded with this thread's last failure; "" before any.  Valid until the next failure. */
const char *ls_status_message(void);

/** Source position ("file.c:12") of this thread's last failure, for internal errors; "" before any. */
const char *ls_status_where(void);

/** Records a failure with its sentence and returns `status`; for use through LS_REQUIRE and LS_FAIL. */
ls_status ls_status_fail(ls_status status, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Puts `prefix` and ": " before the recorded sentence and returns `status`; used to add "where" on the way up. */
ls_status ls_status_prefix(ls_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define LS_FAIL(status, ...) return ls_status_fail(status, __FILE__, __LINE__, __VA_ARGS__)

/** Always on, in every build: returns `status` with a sentence unless `condition` holds. */
#define LS_REQUIRE(condition, status, ...)                                                                             \
    do {                                                                                                               \
        if (!(condition)) LS_FAIL(status, __VA_ARGS__);                                                                \
    } while (0)

/** Forwards a failure to the caller. */
#define LS_TRY(call)                                                                                                   \
    do {                                                                                                               \
        const ls_status ls__st = (call);                                                                               \
        if (ls__st != LS_OK) return ls__st;                                                                            \
    } while (0)

LS_END_DECLS

#endif
