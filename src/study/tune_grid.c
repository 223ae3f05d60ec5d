/* Rates of one lattice, lr_start * 2^(k/2), of which the grid takes every second from `start`.  It grows, upwards first
 * (too large a rate shows soon, too small a one takes its whole cap), until the best point has two worse ones on each
 * side or a bound is met; two points at sqrt(2) beside the best follow.
 */
#include <math.h>

#include "study/tune.h"

static bool within(const ls_study_settings *settings, double lr)
{
    const double slack = 1 + 1e-9; /* bounds that lie on the grid belong to it */
    return lr >= settings->lr_min / slack && lr <= settings->lr_max * slack;
}

/* lr_start * 2^(k/2): the same number by whatever path a search comes to it. */
static double lattice(const ls_tuning *tuning, int k)
{
    const int half = k & 1;
    return ldexp(tuning->policy->settings->lr_start, (k - half) / 2) * (half ? sqrt(2) : 1);
}

/* The search is over when nothing reached the target; a missing best is refined on speculation. */
static ls_status refine(ls_tuning *tuning, int best, int low, int high)
{
    const ls_attempt centre = tuning->attempt[tuning->best];
    if (centre.probe.status != LS_TRIAL_COMPLETE && !centre.missing) return LS_OK;
    if (best < high) LS_TRY(ls__tuning_try(tuning, lattice(tuning, best + 1), NAN));
    if (best > low) LS_TRY(ls__tuning_try(tuning, lattice(tuning, best - 1), NAN));
    return LS_OK;
}

ls_status ls__tune_grid(ls_tuning *tuning)
{
    const ls_study_settings *settings = tuning->policy->settings;
    const int start = (int)lround(2 * log2(tuning->start / settings->lr_start));
    int low = start, high = start, best = start; /* places on the lattice */
    LS_TRY(ls__tuning_try(tuning, lattice(tuning, start), NAN));
    for (;;) {
        const ls_attempt *incumbent = &tuning->attempt[tuning->best];
        const bool diverges = !incumbent->missing && incumbent->probe.status == LS_TRIAL_INFEASIBLE;
        int k;
        if (high < best + 4 && !diverges && within(settings, lattice(tuning, high + 2)))
            k = high += 2;
        else if (low > best - 4 && within(settings, lattice(tuning, low - 2)))
            k = low -= 2;
        else
            break;
        LS_TRY(ls__tuning_try(tuning, lattice(tuning, k), NAN));
        if (tuning->best == tuning->n - 1) best = k;
    }
    return refine(tuning, best, low, high);
}
