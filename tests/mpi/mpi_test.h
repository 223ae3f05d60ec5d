/** What every MPI test program shares: one start and one end of MPI around a cmocka group, and assertions with the same
 *  verdict on every rank.  A cmocka assertion leaves its test by longjmp, and a rank that leaves alone strands the
 *  others: so between two collectives only LS_CHECK may judge. */
#ifndef LOCKSTEP_TESTS_MPI_TEST_H
#define LOCKSTEP_TESTS_MPI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/log.h"
#include "lockstep/job.h"

/** The job of all ranks. */
static ls_job *ls_world;

/** True on every rank when `ok` on every rank.  Collective. */
static inline bool ls_test_all(const ls_job *job, bool ok)
{
    return ls_job_max(job, ok ? 0.0 : 1.0) == 0.0;
}

/** The same verdict on every rank of the world; ranks that fail say so themselves.  Collective over the world. */
static inline void ls_test_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok)
        dprintf(STDERR_FILENO, "%s:%d: rank %d: %s; last message: %s\n", file, line, ls_job_rank(ls_world), what,
                ls_status_message());
    const bool all = ls_test_all(ls_world, ok);
    _assert_true(all, what, file, line);
}
#define LS_CHECK(condition) ls_test_check((condition), #condition, __FILE__, __LINE__)

/** Starts MPI; all ranks but the first keep silent (their failed checks go to the file descriptor). */
static inline void ls_test_start(int *argc, char ***argv)
{
    if (ls_job_start(argc, argv, &ls_world) != LS_OK) exit(1);
    ls_log_quiet(true, true);
    if (ls_job_rank(ls_world) == 0) return;
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL) ls_job_abort(ls_world, 1);
    stdout = stderr = nowhere;
}

/** Ends MPI.  Leaks are looked for before it: what its plug-ins keep has no name any more once they are unloaded. */
static inline int ls_test_finish(int n_failed)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_do_leak_check();
#endif
    ls_job_finish(&ls_world);
    return n_failed;
}

/** The body of main: `tests` is the array of a cmocka group. */
#define LS_TEST_MAIN(tests)                                                                                            \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        ls_test_start(&argc, &argv);                                                                                   \
        return ls_test_finish(cmocka_run_group_tests(tests, NULL, NULL));                                              \
    }

#endif
