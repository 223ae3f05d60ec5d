#include "train/saver.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "lockstep/checkpoint.h"

typedef enum phase { IDLE, PUTTING, WRITING, LEAVING } phase;

struct ls_saver {
    char *copy; /* [capacity] of the tensors' bytes; NULL: none, and no thread */
    size_t capacity, n;
    ls_save save;
    ls_safetensors_header header;
    ls_file_writer *file; /* being written */
    ls_hash *hash;
    ls_saved saved;
    pthread_t thread;
    pthread_mutex_t lock; /* over phase, and what belongs to the thread while it is WRITING */
    pthread_cond_t changed;
    phase phase;
};

static ls_status put_bytes(ls_saver *s, const void *bytes, size_t n)
{
    ls_hash_add(s->hash, bytes, n);
    return ls_file_writer_add(s->file, bytes, n);
}

static ls_status open_file(ls_saver *s, const char *name)
{
    char *path = ls_path_join(s->save.directory, name);
    LS_REQUIRE(path != NULL, LS_ENOMEM, "out of memory for a checkpoint");
    ls_status status = ls_hash_create(&s->hash);
    if (status == LS_OK) status = ls_file_writer_create(path, &s->file);
    if (status == LS_OK) status = put_bytes(s, s->header.text.data, s->header.text.n);
    ls_free(path);
    return status;
}

static ls_status complete_file(ls_saver *s)
{
    char digits[LS_HASH_DIGITS + 1];
    ls_hash_text(ls_hash_value(s->hash), digits);
    LS_TRY(ls_file_writer_patch(s->file, s->header.hash_at, digits, LS_HASH_DIGITS));
    return ls_file_writer_commit(s->file);
}

static void close_file(ls_saver *s)
{
    ls_file_writer_destroy(&s->file);
    ls_hash_destroy(&s->hash);
}

static ls_status write_copy(ls_saver *s, const char *name)
{
    ls_status status = open_file(s, name);
    if (status == LS_OK) status = put_bytes(s, s->copy, s->n);
    if (status == LS_OK) status = complete_file(s);
    close_file(s);
    return status;
}

/* The numbered file is there: the newest. */
static ls_status publish(const ls_save *save, const char *name)
{
    LS_TRY(ls_link_replace(save->directory, "latest", name));
    ls_checkpoint_prune(save->directory, save->keep, save->iteration);
    return LS_OK;
}

/* The best first: a numbered checkpoint that knows of it must not be there before it. */
static ls_status write_all(ls_saver *s)
{
    char name[64];
    ls_checkpoint_name(s->save.iteration, name);
    if (s->save.best) LS_TRY(write_copy(s, LS_BEST_NAME));
    s->saved.best_written = s->save.best;
    if (!s->save.numbered) return LS_OK;
    LS_TRY(write_copy(s, name));
    return publish(&s->save, name);
}

static void note(ls_saver *s, ls_status status)
{
    if (s->saved.status != LS_OK || status == LS_OK) return;
    s->saved.status = status;
    snprintf(s->saved.message, sizeof s->saved.message, "%s", ls_status_message());
}

/* A rank that is bound to one core shares it with this thread, which must not take it the moment it is woken.  On Linux
 * both calls are of the thread alone; where they are refused it is only less polite. */
static void give_way(void)
{
    enum { NICE = 10 };
    const struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
}

static void *work(void *context)
{
    ls_saver *s = context;
    give_way();
    pthread_mutex_lock(&s->lock);
    while (s->phase != LEAVING) {
        if (s->phase != WRITING) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        note(s, write_all(s));
        s->saved.write_s = ls_clock_s() - s->saved.end_s;
        pthread_mutex_lock(&s->lock);
        s->phase = IDLE;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

ls_status ls_saver_create(size_t data_bytes, ls_saver **out)
{
    *out = NULL;
    ls_saver *s = ls_calloc(1, sizeof *s);
    LS_REQUIRE(s != NULL, LS_ENOMEM, "out of memory for checkpoints");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->capacity = data_bytes;
    if (data_bytes > 0) s->copy = ls_calloc(data_bytes, 1);
    if (s->copy != NULL && !ls_thread_start(&s->thread, work, s)) {
        ls_free(s->copy);
        s->copy = NULL;
    }
    if (data_bytes > 0 && s->copy == NULL)
        ls_notice("no memory for a copy of the state (%.1f MB): training waits while checkpoints are written",
                  (double)data_bytes / 1e6);
    *out = s;
    return LS_OK;
}

void ls_saver_destroy(ls_saver **saver)
{
    if (saver == NULL || *saver == NULL) return;
    ls_saver *s = *saver;
    ls_saver_wait(s);
    if (s->copy != NULL) {
        pthread_mutex_lock(&s->lock);
        s->phase = LEAVING;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    close_file(s);
    ls_text_free(&s->header.text);
    ls_free(s->copy);
    ls_free(s);
    *saver = NULL;
}

bool ls_saver_copies(const ls_saver *s)
{
    return s->copy != NULL;
}

void ls_saver_begin(ls_saver *s, const ls_save *save, ls_safetensors_header *header)
{
    char name[64];
    ls_saver_wait(s);
    ls_text_free(&s->header.text);
    s->header = *header;
    *header = (ls_safetensors_header){0};
    s->save = *save;
    s->saved = (ls_saved){.status = LS_OK};
    s->n = 0;
    pthread_mutex_lock(&s->lock);
    s->phase = PUTTING;
    pthread_mutex_unlock(&s->lock);
    ls_checkpoint_name(save->iteration, name);
    if (s->copy == NULL) note(s, open_file(s, save->best ? LS_BEST_NAME : name));
}

void ls_saver_put(ls_saver *s, const void *bytes, size_t n)
{
    if (s->saved.status != LS_OK) return;
    if (s->copy == NULL)
        note(s, put_bytes(s, bytes, n));
    else if (n <= s->capacity - s->n)
        memcpy(s->copy + s->n, bytes, n);
    else
        note(s, ls_status_fail(LS_EINTERNAL, __FILE__, __LINE__, "more bytes than the %zu that were planned",
                               s->capacity));
    s->n += n;
}

/* Without a copy: the file is there but for its hash. */
static ls_status finish_file(ls_saver *s)
{
    char name[64];
    ls_checkpoint_name(s->save.iteration, name);
    LS_TRY(complete_file(s));
    return s->save.numbered ? publish(&s->save, name) : LS_OK;
}

void ls_saver_end(ls_saver *s)
{
    if (s->copy == NULL && s->saved.status == LS_OK) note(s, finish_file(s));
    if (s->copy == NULL) close_file(s);
    s->saved.end_s = ls_clock_s();
    pthread_mutex_lock(&s->lock);
    s->phase = s->copy != NULL && s->saved.status == LS_OK ? WRITING : IDLE;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool ls_saver_has_ended(ls_saver *s)
{
    pthread_mutex_lock(&s->lock);
    const bool ended = s->phase == IDLE;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

bool ls_saver_has_failed(ls_saver *s)
{
    return ls_saver_has_ended(s) && s->saved.status != LS_OK;
}

const ls_saved *ls_saver_wait(ls_saver *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->phase == WRITING) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return &s->saved;
}
