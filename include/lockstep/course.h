/** The course of a run: epochs and batches in phases of one batch size each (Smith et al. 2018 let it grow in steps).
 *  Arithmetic only; nothing here is collective. */
#ifndef LOCKSTEP_COURSE_H
#define LOCKSTEP_COURSE_H

#include <stdint.h>

#include "lockstep/linkage.h"

LS_BEGIN_DECLS

enum { LS_MAX_PHASES = 16 };

/** Epochs [first_epoch, first_epoch of the next phase) of equal batches, but for the last of an epoch. */
typedef struct ls_phase {
    int64_t first_epoch, first_iteration;
    int64_t batch_size, iterations_per_epoch, last_batch_size;
} ls_phase;

/** At least one phase; the first begins at epoch 0, the last never ends. */
typedef struct ls_course {
    int n_phases;
    ls_phase phase[LS_MAX_PHASES];
} ls_course;

/** The phase of an iteration. */
static inline const ls_phase *ls_course_phase(const ls_course *course, int64_t iteration)
{
    int k = course->n_phases - 1;
    while (k > 0 && course->phase[k].first_iteration > iteration) k--;
    return &course->phase[k];
}

/** Epochs that are complete after so many iterations. */
static inline int64_t ls_course_epochs(const ls_course *course, int64_t iterations)
{
    const ls_phase *p = ls_course_phase(course, iterations);
    return p->first_epoch + (iterations - p->first_iteration) / p->iterations_per_epoch;
}

/** Iterations of the epoch at hand that are complete after so many of the run. */
static inline int64_t ls_course_in_epoch(const ls_course *course, int64_t iterations)
{
    const ls_phase *p = ls_course_phase(course, iterations);
    return (iterations - p->first_iteration) % p->iterations_per_epoch;
}

/** Iterations until `epochs` are complete. */
int64_t ls_course_iterations(const ls_course *course, int64_t epochs);

/** Samples that the first `iterations` batches have in all. */
int64_t ls_course_samples(const ls_course *course, int64_t iterations);

LS_END_DECLS

#endif
