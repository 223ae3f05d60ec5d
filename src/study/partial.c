#include "study/partial.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "lockstep/checkpoint.h"
#include "study/record.h"

char *ls_partial_place(const char *directory, const ls_trial_key *key)
{
    char name[LS_TRIAL_NAME];
    char *all = ls_path_join(directory, "partial"), *place = all ? ls_path_join(all, ls_trial_name(key, name)) : NULL;
    ls_free(all);
    return place;
}

/* A state that cannot be used costs the work again, and nothing else: the checkpoint's reader has told of it. */
static ls_status find(const char *place, const ls_trial *record, ls_trial *out, char **state)
{
    ls_checkpoint *c = NULL;
    if (ls_checkpoint_find(place, "auto", &c) != LS_OK || c == NULL) return LS_OK;
    const int64_t iterations = c->state.iteration;
    int n = 0;
    while (n < record->n_looks && record->look[n].iteration <= iterations) n++;
    ls_status status = LS_OK;
    if (iterations <= record->iterations && !record->diverged && n > 0) {
        *state = ls_strdup(c->path);
        out->look = ls_calloc((size_t)n, sizeof *out->look);
        if (*state == NULL || out->look == NULL)
            status = ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a trial");
        else
            memcpy(out->look, record->look, (size_t)n * sizeof *out->look);
        out->n_looks = n;
        out->iterations = iterations;
        out->seconds = record->seconds;
    }
    ls_checkpoint_close(&c);
    return status;
}

ls_status ls_partial_find(const ls_job *job, const char *place, const ls_trial *record, ls_trial *out, char **state)
{
    bool found = false;
    *state = NULL;
    ls_status status = LS_OK;
    if (ls_job_rank(job) == 0 && record != NULL) status = find(place, record, out, state);
    LS_TRY(ls_job_agree(job, status));
    found = *state != NULL;
    ls_job_broadcast(job, 0, &found, sizeof found);
    if (!found) return LS_OK;
    size_t n = found && *state ? strlen(*state) : 0, n_bytes = (size_t)out->n_looks * sizeof *out->look;
    LS_TRY(ls_job_broadcast_block(job, state, &n));
    char *looks = (char *)out->look;
    status = ls_job_broadcast_block(job, &looks, &n_bytes);
    out->look = (ls_look *)looks;
    out->n_looks = (int)(n_bytes / sizeof *out->look);
    ls_job_broadcast(job, 0, &out->iterations, sizeof out->iterations);
    ls_job_broadcast(job, 0, &out->seconds, sizeof out->seconds);
    return status;
}

void ls_partial_remove(const char *place)
{
    ls_checkpoint_clear(place);
    rmdir(place);
}

void ls_partial_clear(const char *directory)
{
    char *all = ls_path_join(directory, "partial");
    DIR *places = all != NULL ? opendir(all) : NULL;
    for (struct dirent *one = places ? readdir(places) : NULL; one != NULL; one = readdir(places)) {
        char *place = one->d_name[0] != '.' ? ls_path_join(all, one->d_name) : NULL;
        if (place != NULL) ls_partial_remove(place);
        ls_free(place);
    }
    if (places != NULL) closedir(places);
    if (all != NULL) rmdir(all);
    ls_free(all);
}
