/** What the MPI tests of train share: a configuration from text, its data and a trainer on any job. */
#ifndef LOCKSTEP_TESTS_MPI_TRAIN_H
#define LOCKSTEP_TESTS_MPI_TRAIN_H

#include "mpi_test.h"

#include "train/trainer_internal.h"

typedef struct ls_test_run {
    ls_job *job; /* borrowed */
    ls_config *config;
    ls_data *data;
    ls_trainer *trainer;
} ls_test_run;

/** Reads the text, with `extra` (NULL: nothing) as one more line, and loads the data.  Collective over the job. */
static inline ls_status ls_test_open_data(ls_job *job, const char *text, const char *extra, ls_test_run *run)
{
    char all[4096];
    *run = (ls_test_run){.job = job};
    snprintf(all, sizeof all, "%s\n%s\n", text, extra ? extra : "");
    LS_TRY(ls_config_parse(all, strlen(all), "test.yaml", ".", NULL, 0, &run->config));
    return ls_data_load(job, run->config, NULL, &run->data);
}

/** The same, and creates the trainer.  Collective over the job; close in any case. */
static inline ls_status ls_test_open(ls_job *job, const char *text, const char *extra,
                                     const ls_trainer_options *options, ls_test_run *run)
{
    static const ls_trainer_options nothing;
    LS_TRY(ls_test_open_data(job, text, extra, run));
    return ls_trainer_create(job, run->config, run->data, options ? options : &nothing, &run->trainer);
}

static inline void ls_test_close(ls_test_run *run)
{
    ls_trainer_destroy(&run->trainer);
    ls_data_destroy(&run->data);
    ls_config_destroy(&run->config);
}

/** The ranks of the world with the same group, as a job with so many ranks a node. */
static inline ls_job *ls_test_split(int group, int per_node)
{
    ls_job *job;
    if (ls_job_split(ls_world, group, per_node, &job) != LS_OK) ls_job_abort(ls_world, 1);
    return job;
}

#endif
