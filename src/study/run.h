/** A study on a job: directory, workers, and what is written at the end. */
#ifndef LOCKSTEP_STUDY_RUN_H
#define LOCKSTEP_STUDY_RUN_H

#include "lockstep/job.h"
#include "study/file.h"
#include "study/store.h"

struct ls_data;
struct ls_watchdog;

typedef struct ls_study_options {
    const char *path; /* of the study file; rank 0 alone reads it */
    const ls_override *overrides;
    int n_overrides;
    const char *directory;      /* NULL: studies/<name> */
    const char *data_directory; /* may be NULL */
    const char *budget;         /* NULL: the study file's */
    const char *check_np;       /* "1,2,4": checks bits at these rank counts, and runs no study; NULL */
    bool worker;                /* other jobs may work in the directory */
    bool quiet;
} ls_study_options;

/** Runs a study to its end, or continues it, and writes its results and report.  LS_ETARGET when no target is reached
 *  anywhere; LS_ESTOPPED by a signal; LS_EREPLICA from check_np.  Errors are the same on all ranks, unless *alone: then
 *  only this rank's group failed, the others are at work, and after its sentence is told the job must be aborted.
 *  Collective. */
ls_status ls_study_run(const ls_job *world, const ls_study_options *options, bool *alone);

/** What the parts of a running study share. */
typedef struct ls_study {
    const ls_job *world;
    ls_study_file *file;
    struct ls_data *data;
    struct ls_watchdog *watchdog;
    char *directory;
    bool worker, quiet;
    double start_s, deadline_s; /* of trials, by this process's clock */
} ls_study;

/** Works on trials until the study is done or the deadline is past.  The result is the same on all ranks of this rank's
 *  group only.  LS_ESTOPPED after a signal.  Collective. */
ls_status ls_study_work(const ls_study *study);

/** The time of an iteration of a batch size on so many ranks. */
typedef struct ls_study_time {
    int64_t size;
    int ranks;
    double iteration_ms, spread_ms; /* median, and the range of the repeats */
} ls_study_time;

/** Measures every tuned batch size of `state` (rank 0's) at 1, 2, 4, ... ranks and all, as far as times.json does not
 *  know them, and keeps them there.  Rank 0 gets them in *times, owned by the caller.  Collective; errors are agreed.
 */
ls_status ls_study_measure(const ls_study *study, const ls_study_state *state, ls_study_time **times, int *n);

/** Writes trials.jsonl, results.json, results.csv and export/.  Not collective: rank 0.  LS_EOUTPUT. */
ls_status ls_study_write(const ls_study *study, const ls_study_state *state, const ls_study_time *times, int n_times);

/** Runs the first iterations of one trial at each rank count of `list` and compares all bits.  LS_EREPLICA.
 *  Collective. */
ls_status ls_study_check_np(const ls_study *study, const char *list);

/** The tuned arm's median steps to target t at a size: of its scoring runs, one that did not get there counts as more
 *  than any; -1 when that is the median. */
int64_t ls_study_median(const ls_size_result *result, int t);

/** The name of an ls_trial_status value: "COMPLETE". */
const char *ls_trial_status_name(ls_trial_status status);

#endif
