#include "lockstep/course.h"

/* Samples that the batches of one epoch have in all; less than the set with drop_last. */
static int64_t epoch_samples(const ls_phase *phase)
{
    return (phase->iterations_per_epoch - 1) * phase->batch_size + phase->last_batch_size;
}

int64_t ls_course_iterations(const ls_course *course, int64_t epochs)
{
    int k = course->n_phases - 1;
    while (k > 0 && course->phase[k].first_epoch > epochs) k--;
    const ls_phase *p = &course->phase[k];
    return p->first_iteration + (epochs - p->first_epoch) * p->iterations_per_epoch;
}

int64_t ls_course_samples(const ls_course *course, int64_t iterations)
{
    int64_t samples = 0;
    for (int k = 0; k + 1 < course->n_phases && course->phase[k + 1].first_iteration <= iterations; k++)
        samples += (course->phase[k + 1].first_epoch - course->phase[k].first_epoch) * epoch_samples(&course->phase[k]);
    const ls_phase *p = ls_course_phase(course, iterations);
    const int64_t done = iterations - p->first_iteration;
    return samples + done / p->iterations_per_epoch * epoch_samples(p) + done % p->iterations_per_epoch * p->batch_size;
}
