/* The proof on the spot that the rank count changes no bit: one trial at several. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/run.h"
#include "study/trial.h"

enum { LOOKS = 8, MAX_COUNTS = 16 };

static ls_status read_counts(const char *list, int size, int *counts, int *n)
{
    long largest = 1;
    *n = 0;
    for (const char *at = list; *at != 0;) {
        char *end;
        const long p = strtol(at, &end, 10);
        LS_REQUIRE(end != at && (*end == 0 || *end == ',') && p >= 1 && *n < MAX_COUNTS, LS_EUSAGE,
                   "--check-np is '%s'; expected rank counts as 1,2,4", list);
        if (p > largest) largest = p;
        counts[(*n)++] = p <= size ? (int)p : size;
        at = *end == ',' ? end + 1 : end;
    }
    LS_REQUIRE(largest <= size, LS_EUSAGE, "--check-np has %ld, the job has %d rank%s; start it as mpirun -np %ld",
               largest, size, size == 1 ? "" : "s", largest);
    LS_REQUIRE(*n >= 2, LS_EUSAGE, "--check-np is '%s'; expected two rank counts at least, as 1,2,4", list);
    return LS_OK;
}

/* The middle batch size at its first learning rate, an epoch at most between looks. */
static ls_trial_key point_of(const ls_study_settings *s)
{
    const int64_t size = s->size[s->n_sizes / 2], epoch = s->n_samples / size;
    return (ls_trial_key){
        size, s->lr_start, s->momentum_min, s->scoring_seed, s->scoring_seed, epoch < LOOKS ? 1 : epoch / LOOKS};
}

/* On the first `ranks` ranks; the others wait.  Rank 0 keeps the trial. */
static ls_status run_at(const ls_study *s, int ranks, const ls_trial_key *key, ls_trial *out)
{
    ls_job *job;
    const bool works = ls_job_rank(s->world) < ranks;
    LS_TRY(ls_job_split(s->world, works ? 0 : 1, (int)s->file->base->runtime.ranks_per_node, &job));
    const ls_trial_place place = {.job = job, .file = s->file, .data = s->data};
    const ls_status status = works ? ls_trial_run(&place, key, LOOKS * key->look_every, out, NULL) : LS_OK;
    ls_job_destroy(&job);
    ls_job_wait_all(s->world, INFINITY);
    return ls_job_agree(s->world, status);
}

static bool same_bits(const ls_trial *a, const ls_trial *b)
{
    return a->iterations == b->iterations && a->diverged == b->diverged && a->n_looks == b->n_looks &&
           memcmp(a->look, b->look, (size_t)a->n_looks * sizeof *a->look) == 0;
}

static ls_status compare(const ls_study *s, const ls_trial *first, int n_first, const ls_trial *other, int n_other)
{
    if (ls_job_rank(s->world) != 0) return LS_OK;
    LS_REQUIRE(same_bits(first, other), LS_EREPLICA,
               "%d and %d ranks give different bits: validation loss %.17g and %.17g after %lld iterations", n_first,
               n_other, first->look[first->n_looks - 1].loss, other->look[other->n_looks - 1].loss,
               (long long)first->iterations);
    return LS_OK;
}

ls_status ls_study_check_np(const ls_study *s, const char *list)
{
    int counts[MAX_COUNTS], n = 0;
    const ls_trial_key key = point_of(&s->file->settings);
    ls_trial first = {0};
    LS_TRY(ls_job_agree(s->world, read_counts(list, ls_job_size(s->world), counts, &n)));
    ls_status status = run_at(s, counts[0], &key, &first);
    for (int i = 1; i < n && status == LS_OK; i++) {
        ls_trial other = {0};
        status = run_at(s, counts[i], &key, &other);
        if (status == LS_OK) status = ls_job_agree(s->world, compare(s, &first, counts[0], &other, counts[i]));
        ls_trial_destroy(&other);
    }
    if (status == LS_OK && ls_job_rank(s->world) == 0)
        printf("B = %lld: %lld iterations and %d looks have the same bits on %s ranks\n",
               (long long)key.global_batch_size, (long long)first.iterations, first.n_looks, list);
    ls_trial_destroy(&first);
    return status;
}
