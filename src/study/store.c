#include "study/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "study/trial.h"

/* A file as it was read: another time or size is another content. */
typedef struct entry {
    char name[LS_TRIAL_NAME];
    struct timespec modified;
    off_t size;
} entry;

/* Another's claim, and since when its time has stood still by this process's clock: clocks of hosts may differ. */
typedef struct observed {
    char name[LS_TRIAL_NAME];
    struct timespec modified;
    double since_s;
} observed;

enum { MAX_OBSERVED = 64 };

struct ls_store {
    char *trials, *claims; /* directories */
    double expiry_s, renewed_s;
    ls_trial *trial;
    entry *entry;
    int n, capacity;
    char held[LS_TRIAL_NAME]; /* the claim's name; "": none */
    int claim;                /* its file, open: nobody else's has its number meanwhile */
    bool kept_renewed;        /* by the thread */
    pthread_t thread;
    int stop[2]; /* a pipe: closing its second end ends the thread */
    observed observed[MAX_OBSERVED];
    int next_observed;
};

ls_status ls_store_create(const char *directory, double expiry_s, ls_store **out)
{
    *out = NULL;
    ls_store *s = ls_calloc(1, sizeof *s);
    LS_REQUIRE(s != NULL, LS_ENOMEM, "out of memory for a study");
    s->expiry_s = expiry_s;
    s->trials = ls_path_join(directory, "trials");
    s->claims = ls_path_join(directory, "claims");
    ls_status status =
        s->trials && s->claims ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory for a study");
    if (status == LS_OK) status = ls_make_directory(s->trials);
    if (status == LS_OK) status = ls_make_directory(s->claims);
    if (status != LS_OK) ls_store_destroy(&s);
    *out = s;
    return status;
}

void ls_store_destroy(ls_store **store)
{
    if (store == NULL || *store == NULL) return;
    ls_store *s = *store;
    ls_store_release(s);
    for (int i = 0; i < s->n; i++) ls_trial_destroy(&s->trial[i]);
    ls_free(s->trial);
    ls_free(s->entry);
    ls_free(s->trials);
    ls_free(s->claims);
    ls_free(s);
    *store = NULL;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int find(const ls_store *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->entry[i].name, name) == 0) return i;
    return -1;
}

static ls_status make_room(ls_store *s)
{
    if (s->n < s->capacity) return LS_OK;
    const size_t old = (size_t)s->capacity, more = old > 0 ? 2 * old : 64;
    ls_trial *trial = ls_realloc(s->trial, old, more, sizeof *trial);
    if (trial != NULL) s->trial = trial;
    entry *entries = ls_realloc(s->entry, old, more, sizeof *entries);
    if (entries != NULL) s->entry = entries;
    LS_REQUIRE(trial && entries, LS_ENOMEM, "out of memory for trials");
    s->capacity = (int)more;
    return LS_OK;
}

static ls_status read_file(ls_store *s, const char *name, bool *changed)
{
    struct stat info;
    char *path = ls_path_join(s->trials, name);
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory");
    int at = find(s, name);
    ls_status status = LS_OK;
    ls_trial trial;
    const bool gone = stat(path, &info) != 0;
    const bool known =
        !gone && at >= 0 && info.st_size == s->entry[at].size && same_time(info.st_mtim, s->entry[at].modified);
    if (!gone && !known) {
        status = ls_trial_read(path, &trial);
        if (status == LS_OK && at < 0) status = make_room(s);
        if (status == LS_OK && at < 0) s->trial[at = s->n++] = (ls_trial){0};
        if (status == LS_OK) {
            ls_trial_destroy(&s->trial[at]);
            s->trial[at] = trial;
            s->entry[at] = (entry){.modified = info.st_mtim, .size = info.st_size};
            memcpy(s->entry[at].name, name, strlen(name) + 1); /* is_record: it fits */
            if (changed != NULL) *changed = true;
        }
    }
    ls_free(path);
    return status;
}

static int is_record(const struct dirent *file)
{
    const size_t n = strlen(file->d_name);
    return file->d_name[0] != '.' && n > 5 && n < LS_TRIAL_NAME && strcmp(file->d_name + n - 5, ".json") == 0;
}

ls_status ls_store_refresh(ls_store *s, bool *changed)
{
    struct dirent **files;
    if (changed != NULL) *changed = false;
    const int n = scandir(s->trials, &files, is_record, alphasort);
    LS_REQUIRE(n >= 0, LS_EOUTPUT, "%s: cannot be read: %s", s->trials, strerror(errno));
    ls_status status = LS_OK;
    for (int i = 0; i < n; i++) {
        if (status == LS_OK) status = read_file(s, files[i]->d_name, changed);
        free(files[i]);
    }
    free(files);
    return status;
}

const ls_trial *ls_store_trials(const ls_store *s, int *n)
{
    *n = s->n;
    return s->trial;
}

const ls_trial *ls_store_find(const ls_store *s, const ls_trial_key *key)
{
    char name[LS_TRIAL_NAME], file[LS_TRIAL_NAME + 8];
    snprintf(file, sizeof file, "%s.json", ls_trial_name(key, name));
    const int at = find(s, file);
    return at >= 0 ? &s->trial[at] : NULL;
}

ls_status ls_store_put(ls_store *s, const ls_trial *trial)
{
    LS_TRY(ls_store_refresh(s, NULL));
    const ls_trial *known = ls_store_find(s, &trial->key);
    if (known != NULL && known->iterations >= trial->iterations) return LS_OK;
    return ls_trial_write(s->trials, trial);
}

static char *claim_path(const ls_store *s, const char *name)
{
    return ls_path_join(s->claims, name);
}

/* Whether another's claim has stood still for the expiry time while this store watched it. */
static bool has_expired(ls_store *s, const char *name, const struct stat *info)
{
    observed *o = NULL;
    for (int i = 0; i < MAX_OBSERVED && o == NULL; i++)
        if (strcmp(s->observed[i].name, name) == 0) o = &s->observed[i];
    if (o == NULL) {
        o = &s->observed[s->next_observed++ % MAX_OBSERVED];
        o->modified = (struct timespec){0};
        snprintf(o->name, sizeof o->name, "%s", name);
    }
    if (!same_time(o->modified, info->st_mtim)) {
        o->modified = info->st_mtim;
        o->since_s = ls_clock_s();
    }
    return ls_clock_s() - o->since_s > s->expiry_s;
}

/* Takes a claim that stood still out of the way.  Of several that try, one moves it; who moves a claim that was made
 * anew meanwhile puts it back. */
static void remove_stale(const ls_store *s, const char *path, const struct stat *seen)
{
    char host[64] = "", name[160];
    struct stat moved;
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, ".stale.%s.%d.%p", host, (int)getpid(), (const void *)s);
    char *apart = claim_path(s, name);
    if (apart != NULL && rename(path, apart) == 0) {
        const bool same =
            stat(apart, &moved) == 0 && moved.st_ino == seen->st_ino && same_time(moved.st_mtim, seen->st_mtim);
        if (!same) (void)!link(apart, path);
        unlink(apart);
    }
    ls_free(apart);
}

ls_status ls_store_claim(ls_store *s, const char *name, bool *mine)
{
    struct stat info;
    char *path = claim_path(s, name);
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory");
    *mine = false;
    if (stat(path, &info) == 0 && has_expired(s, name, &info)) remove_stale(s, path, &info);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    const int cause = errno;
    ls_status status = LS_OK;
    if (fd >= 0) {
        s->claim = fd;
        *mine = true;
        s->renewed_s = ls_clock_s();
        snprintf(s->held, sizeof s->held, "%s", name);
    } else if (cause != EEXIST) {
        status = ls_status_fail(LS_EOUTPUT, __FILE__, __LINE__, "%s: cannot be written: %s", path, strerror(cause));
    }
    ls_free(path);
    return status;
}

void ls_store_renew(ls_store *s)
{
    const double now = ls_clock_s();
    if (s->held[0] == 0 || now - s->renewed_s < s->expiry_s / 8) return;
    futimens(s->claim, NULL); /* the own file, also where another has taken the claim over */
    s->renewed_s = now;
}

static void *renew(void *context)
{
    const ls_store *s = context;
    struct pollfd end = {.fd = s->stop[0], .events = POLLIN};
    while (poll(&end, 1, (int)(s->expiry_s / 8 * 1e3)) == 0) futimens(s->claim, NULL);
    return NULL;
}

ls_status ls_store_keep_renewed(ls_store *s)
{
    LS_REQUIRE(s->held[0] != 0 && !s->kept_renewed, LS_EINTERNAL, "no claim to renew");
    const bool piped = pipe2(s->stop, O_CLOEXEC) == 0;
    s->kept_renewed = piped && ls_thread_start(&s->thread, renew, s);
    if (piped && !s->kept_renewed) {
        close(s->stop[0]);
        close(s->stop[1]);
    }
    LS_REQUIRE(s->kept_renewed, LS_ENOMEM, "no thread to be had that renews the claim '%s'", s->held);
    return LS_OK;
}

static void end_thread(ls_store *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    s->kept_renewed = false;
}

static bool is_own(const ls_store *s, const char *path)
{
    struct stat own, there;
    return fstat(s->claim, &own) == 0 && stat(path, &there) == 0 && own.st_dev == there.st_dev &&
           own.st_ino == there.st_ino;
}

void ls_store_release(ls_store *s)
{
    if (s->held[0] == 0) return;
    if (s->kept_renewed) end_thread(s);
    char *path = claim_path(s, s->held);
    if (path != NULL && is_own(s, path)) unlink(path);
    ls_free(path);
    close(s->claim);
    s->held[0] = 0;
}

/* Visits the claims: counts them, or removes them. */
static bool is_claim(const char *name)
{
    return name[0] != '.';
}

/* ".NAME.HOST.PID": a record that a killed worker had not finished */
static bool is_unfinished(const char *name)
{
    return name[0] == '.' && name[1] != 0 && name[1] != '.';
}

static int each_file(const char *path, bool (*takes)(const char *), bool removes)
{
    int n = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) return 0;
    for (struct dirent *file = readdir(directory); file != NULL; file = readdir(directory)) {
        if (!takes(file->d_name)) continue;
        n++;
        if (removes) unlinkat(dirfd(directory), file->d_name, 0);
    }
    closedir(directory);
    return n;
}

int ls_store_n_claims(const ls_store *s)
{
    return each_file(s->claims, is_claim, false);
}

void ls_store_clear_claims(const ls_store *s)
{
    each_file(s->claims, is_claim, true);
    each_file(s->trials, is_unfinished, true);
}
