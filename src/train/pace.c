#include "train/pace.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

ls_status ls_pace_create(int size, ls_pace *out)
{
    *out =
        (ls_pace){.all = ls_calloc(3 * (size_t)size, sizeof(double)), .counts = ls_calloc((size_t)size, sizeof(int))};
    LS_REQUIRE(out->all && out->counts, LS_ENOMEM, "out of memory");
    for (int r = 0; r < size; r++) out->counts[r] = 2;
    return LS_OK;
}

void ls_pace_destroy(ls_pace *pace)
{
    ls_free(pace->all);
    ls_free(pace->counts);
}

ls_slow_rank ls_pace_gather(ls_pace *pace, const ls_job *job, double training_s)
{
    const double mine[2] = {pace->compute_s, pace->rows};
    ls_job_gather_all(job, mine, pace->counts, pace->all);
    return ls_pace_find(pace->all, ls_job_size(job), training_s, pace->all + 2 * ls_job_size(job));
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds a row; 0 for a rank without rows. */
static double pace_of(const double *all, int rank)
{
    return all[2 * rank + 1] > 0 ? all[2 * rank] / all[2 * rank + 1] : 0.0;
}

ls_slow_rank ls_pace_find(const double *all, int n, double training_s, double *scratch)
{
    static const double least_factor = 1.25, least_share = 0.1, least_s = 1.0;
    const ls_slow_rank none = {.rank = -1, .factor = NAN, .lost_s = NAN};
    int slowest = 0, k = 0;
    for (int r = 1; r < n; r++)
        if (pace_of(all, r) > pace_of(all, slowest)) slowest = r;
    for (int r = 0; r < n; r++)
        if (r != slowest && all[2 * r + 1] > 0) scratch[k++] = pace_of(all, r);
    if (k == 0) return none;
    qsort(scratch, (size_t)k, sizeof *scratch, compare);
    const double median = (scratch[(k - 1) / 2] + scratch[k / 2]) / 2;
    const ls_slow_rank found = {.rank = slowest,
                                .factor = pace_of(all, slowest) / median,
                                .lost_s = all[2 * slowest] - median * all[2 * slowest + 1]};
    const bool is_slow =
        training_s >= least_s && found.factor >= least_factor && found.lost_s >= least_share * training_s;
    return is_slow ? found : none;
}
