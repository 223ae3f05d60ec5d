/** What `plan` computes its lines from: the configuration and what is built of it, without data or MPI. */
#ifndef LOCKSTEP_CLI_PLAN_VIEW_H
#define LOCKSTEP_CLI_PLAN_VIEW_H

#include "cli/args.h"
#include "lockstep/dataset.h"
#include "lockstep/network.h"
#include "lockstep/optimizer.h"
#include "lockstep/plan.h"
#include "lockstep/schedule.h"

typedef struct ls_plan_view {
    ls_config *config;
    ls_plan plan;
    ls_dataset_info info;
    int64_t n_validation, n_test, n_ranks;
    size_t data_bytes;
    ls_network *network;
    ls_optimizer *optimizer;
    ls_schedule *schedule;
} ls_plan_view;

/** plan --scale.  LS_EUSAGE. */
ls_status ls_plan_print_scale(const ls_args *args, const ls_plan_view *view);

#endif
