/* Rates start * 2^k.  The grid grows, upwards first (too large a rate shows soon, too small a one takes its whole cap),
 * until the best point has two worse ones on each side or a bound is met; two points at sqrt(2) beside the best follow.
 */
#include <math.h>

#include "study/tune.h"

static bool within(const ls_study_settings *settings, double lr)
{
    const double slack = 1 + 1e-9; /* bounds that lie on the grid belong to it */
    return lr >= settings->lr_min / slack && lr <= settings->lr_max * slack;
}

/* The search is over when nothing reached the target; a missing best is refined on speculation. */
static ls_status refine(ls_tuning *tuning, double lowest, double highest)
{
    const ls_attempt centre = tuning->attempt[tuning->best];
    if (centre.probe.status != LS_TRIAL_COMPLETE && !centre.missing) return LS_OK;
    if (centre.probe.lr < highest) LS_TRY(ls__tuning_try(tuning, centre.probe.lr * sqrt(2), NAN));
    if (centre.probe.lr > lowest) LS_TRY(ls__tuning_try(tuning, centre.probe.lr / sqrt(2), NAN));
    return LS_OK;
}

ls_status ls__tune_grid(ls_tuning *tuning)
{
    const ls_study_settings *settings = tuning->policy->settings;
    int low = 0, high = 0, best = 0; /* exponents */
    LS_TRY(ls__tuning_try(tuning, tuning->start, NAN));
    for (;;) {
        const ls_attempt *incumbent = &tuning->attempt[tuning->best];
        const bool diverges = !incumbent->missing && incumbent->probe.status == LS_TRIAL_INFEASIBLE;
        int k;
        if (high < best + 2 && !diverges && within(settings, ldexp(tuning->start, high + 1)))
            k = ++high;
        else if (low > best - 2 && within(settings, ldexp(tuning->start, low - 1)))
            k = --low;
        else
            break;
        LS_TRY(ls__tuning_try(tuning, ldexp(tuning->start, k), NAN));
        if (tuning->best == tuning->n - 1) best = k;
    }
    return refine(tuning, ldexp(tuning->start, low), ldexp(tuning->start, high));
}
