/* The time of an iteration at every batch size and rank count; kept in times.json, so that a study that is continued
 * tells the same. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "lockstep/trainer.h"
#include "study/directory.h"
#include "study/run.h"

enum { MAX_COUNTS = 32, MAX_REPEATS = 1000, WARM_UP = 2 };

/* 1, 2, 4, ... and all ranks. */
static int rank_counts(int size, int *counts)
{
    int n = 0;
    for (int p = 1; p < size && n < MAX_COUNTS - 1; p *= 2) counts[n++] = p;
    counts[n++] = size;
    return n;
}

static const ls_study_time *find(const ls_study_time *times, int n, int64_t size, int ranks)
{
    for (int i = 0; i < n; i++)
        if (times[i].size == size && times[i].ranks == ranks) return &times[i];
    return NULL;
}

/* What times.json knows; anything else in it is measured again. */
static void read_known(const ls_study *s, ls_study_time *times, int capacity, int *n)
{
    char *path = ls_path_join(s->directory, "times.json");
    json_t *list = path ? json_load_file(path, 0, NULL) : NULL, *one;
    size_t i;
    ls_free(path);
    json_array_foreach(list, i, one)
    {
        json_int_t size, ranks;
        double ms, spread;
        if (json_unpack(one, "{s:I, s:I, s:F, s:F}", "size", &size, "ranks", &ranks, "iteration_ms", &ms, "spread_ms",
                        &spread) != 0 ||
            ranks < 1 || ranks > INT32_MAX)
            continue;
        if (*n < capacity && find(times, *n, size, (int)ranks) == NULL)
            times[(*n)++] = (ls_study_time){size, (int)ranks, ms, spread};
    }
    json_decref(list);
}

static ls_status write_known(const ls_study *s, const ls_study_time *times, int n)
{
    ls_text text = {0};
    ls_text_printf(&text, "[");
    for (int i = 0; i < n; i++) {
        ls_text_printf(&text, "%s{\"size\": %lld, \"ranks\": %d, \"iteration_ms\": ", i > 0 ? ",\n " : "",
                       (long long)times[i].size, times[i].ranks);
        ls_text_json_real(&text, times[i].iteration_ms);
        ls_text_printf(&text, ", \"spread_ms\": ");
        ls_text_json_real(&text, times[i].spread_ms);
        ls_text_printf(&text, "}");
    }
    ls_text_printf(&text, "]\n");
    const ls_status status = ls_study_write_text(s->directory, "times.json", &text);
    ls_text_free(&text);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Milliseconds of n iterations, each. */
static ls_status time_block(ls_trainer *trainer, const ls_job *job, int n, double *ms)
{
    ls_job_barrier(job);
    const double start = ls_clock_s();
    for (int i = 0; i < n; i++) {
        const ls_status status = ls_trainer_step(trainer);
        if (status != LS_OK && status != LS_EDIVERGED) return status; /* a rate that diverges takes its time too */
    }
    *ms = 1e3 * ls_job_max(job, ls_clock_s() - start) / n;
    return LS_OK;
}

static ls_status time_trainer(const ls_study *s, const ls_job *job, ls_trainer *trainer, ls_study_time *out)
{
    double ms[MAX_REPEATS], warm;
    const int repeats = (int)s->file->keys.time_repeats;
    LS_TRY(time_block(trainer, job, WARM_UP, &warm));
    LS_TRY(time_block(trainer, job, 1, &warm));
    const double wanted = ceil(1e3 * s->file->keys.time_repeat_s / (warm > 1e-6 ? warm : 1e-6));
    const int n = wanted < 1 ? 1 : wanted > 1e6 ? 1000000 : (int)wanted;
    for (int r = 0; r < repeats; r++) LS_TRY(time_block(trainer, job, n, &ms[r]));
    qsort(ms, (size_t)repeats, sizeof *ms, ascending);
    out->iteration_ms = 0.5 * (ms[(repeats - 1) / 2] + ms[repeats / 2]);
    out->spread_ms = ms[repeats - 1] - ms[0];
    return LS_OK;
}

/* On the first `ranks` ranks, while the others sleep. */
static ls_status time_point(const ls_study *s, const ls_trial_key *key, ls_study_time *out)
{
    const ls_trainer_options quiet = {0};
    const bool works = ls_job_rank(s->world) < out->ranks;
    ls_job *job;
    ls_config *config = NULL;
    ls_trainer *trainer = NULL;
    LS_TRY(ls_job_split(s->world, works ? 0 : 1, (int)s->file->base->runtime.ranks_per_node, &job));
    ls_status status = LS_OK;
    if (works) status = ls_job_agree(job, ls_study_file_trial(s->file, key, &config));
    if (works && status == LS_OK) status = ls_trainer_create(job, config, s->data, &quiet, &trainer);
    if (works && status == LS_OK) status = time_trainer(s, job, trainer, out);
    ls_trainer_destroy(&trainer);
    ls_config_destroy(&config);
    ls_job_destroy(&job);
    ls_job_wait_all(s->world, INFINITY);
    return ls_job_agree(s->world, status);
}

/* Points that are still to be measured, by rank 0; a key has the chosen rate. */
static int list_points(const ls_study *s, const ls_study_state *state, const ls_study_time *known, int n_known,
                       ls_study_time *points, ls_trial_key *keys)
{
    int counts[MAX_COUNTS], n = 0;
    const int n_counts = rank_counts(ls_job_size(s->world), counts);
    for (int i = 0; i < state->n_sizes[LS_ARM_TUNED]; i++) {
        const ls_size_result *r = &state->size[LS_ARM_TUNED][i];
        if (ls_study_median(r, s->file->settings.n_targets - 1) < 0) continue;
        for (int c = 0; c < n_counts; c++) {
            if (find(known, n_known, r->size, counts[c]) != NULL) continue;
            points[n] = (ls_study_time){.size = r->size, .ranks = counts[c]};
            keys[n++] = (ls_trial_key){r->size, r->lr, r->momentum, 1, 1, 1};
        }
    }
    return n;
}

ls_status ls_study_measure(const ls_study *s, const ls_study_state *state, ls_study_time **times, int *n)
{
    enum { MOST = LS_STUDY_MAX_SIZES * MAX_COUNTS };
    const bool leads = ls_job_rank(s->world) == 0;
    ls_study_time *known = ls_calloc(2 * MOST, sizeof *known), *points = ls_calloc(MOST, sizeof *points);
    ls_trial_key *keys = ls_calloc(MOST, sizeof *keys);
    ls_status status = known && points && keys ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory");
    status = ls_job_agree(s->world, status);
    int n_points = 0;
    *n = 0;
    if (status == LS_OK && leads) {
        read_known(s, known, MOST, n);
        n_points = list_points(s, state, known, *n, points, keys);
    }
    ls_job_broadcast(s->world, 0, &n_points, sizeof n_points);
    for (int i = 0; i < n_points && status == LS_OK; i++) {
        ls_job_broadcast(s->world, 0, &points[i], sizeof points[i]);
        ls_job_broadcast(s->world, 0, &keys[i], sizeof keys[i]);
        status = time_point(s, &keys[i], &points[i]);
        if (status == LS_OK) known[(*n)++] = points[i];
    }
    if (status == LS_OK && leads && n_points > 0) status = write_known(s, known, *n);
    status = ls_job_agree(s->world, status);
    ls_free(points);
    ls_free(keys);
    if (status != LS_OK) ls_free(known);
    *times = status == LS_OK ? known : NULL;
    return status;
}
