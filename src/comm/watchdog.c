#include "lockstep/watchdog.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "comm/stall.h"

struct ls_watchdog {
    ls_window *window; /* the board: a place for each rank of the node */
    ls_stall stall;    /* of the thread */
    int me;            /* place of this rank */
    double warn_s, abort_s;
    bool warned;
    pthread_t thread;
    bool started, stopping; /* the second under the lock */
    pthread_mutex_t lock;
    pthread_cond_t stop;
};

/* In one write, so that lines of several processes do not mix; past the stream's lock, which the rank may hold. */
static void say(ls_watchdog *w, const char *before, const char *after)
{
    char text[4096];
    const size_t room = sizeof text - strlen(after) - 1;
    size_t n = strlen(before);
    memcpy(text, before, n);
    n += ls_stall_text(&w->stall, ls_clock_s(), text + n, room - n);
    memcpy(text + n, after, strlen(after));
    n += strlen(after);
    for (ssize_t done = 0, k; done < (ssize_t)n; done += k)
        if ((k = write(STDERR_FILENO, text + done, n - (size_t)done)) <= 0) return;
}

static void judge(ls_watchdog *w)
{
    const double seconds = ls_stall_seconds(&w->stall);
    if (w->stall.still_s == 0.0) w->warned = false;
    if (ls_stall_speaker(&w->stall) != w->me) return;
    if (w->abort_s > 0 && seconds >= w->abort_s) {
        say(w, "lockstep: error: stalled: ", "\nlockstep:   the job ends (runtime.stall_abort_s)\n");
        ls_board_mark(LS_PHASE_ABORT, 0, ls_clock_s()); /* the others need not complain that this rank is gone */
        usleep(100000);                                 /* launchers forward what has been written */
        _exit(ls_status_exit_code(LS_ESTALL));
    }
    if (w->warn_s == 0 || seconds < w->warn_s || w->warned) return;
    say(w, "lockstep: warning: ", "\n");
    w->warned = true;
}

/* With the lock held: sleeps for a period, or until it is to stop. */
static void sleep_a_period(ls_watchdog *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const double end = (double)until.tv_nsec * 1e-9 + w->stall.period_s;
    until.tv_sec += (time_t)end;
    until.tv_nsec = (long)(fmod(end, 1.0) * 1e9);
    pthread_cond_timedwait(&w->stop, &w->lock, &until);
}

static void *watch(void *context)
{
    ls_watchdog *w = context;
    double last = ls_clock_s();
    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        _Atomic uint64_t *beats = &w->stall.place[w->me].beats;
        ls__board_write(beats, ls__board_read(beats) + 1);
        sleep_a_period(w);
        const double now = ls_clock_s();
        ls_stall_look(&w->stall, now - last);
        last = now;
        judge(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* A twentieth of the shorter time, at most 3 s. */
static double choose_period(double warn_s, double abort_s)
{
    const double shorter = warn_s > 0 && (warn_s < abort_s || abort_s == 0) ? warn_s : abort_s;
    return fmin(fmax(shorter / 20, 0.05), 3.0);
}

static void start_thread(ls_watchdog *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    w->started = ls_thread_start(&w->thread, watch, w);
}

static ls_status start(const ls_job *job, ls_watchdog *w)
{
    const int node = ls_job_node(job), n = ls_job_local_size(job, node);
    LS_TRY(ls_window_create(job, (size_t)n * sizeof(ls_place), "the watchdog", &w->window));
    w->me = ls_job_local_rank(job);
    w->stall = (ls_stall){.place = ls_window_memory(w->window),
                          .seen = ls_calloc((size_t)n, sizeof(ls_seen)),
                          .n = n,
                          .first_rank = ls_job_node_first(job, node),
                          .node = node,
                          .n_nodes = ls_job_n_nodes(job),
                          .period_s = choose_period(w->warn_s, w->abort_s)};
    ls_board_use(&w->stall.place[w->me]);
    ls_board_mark(LS_PHASE_START, 0, ls_clock_s());
    if (w->stall.seen != NULL) start_thread(w);
    return ls_job_agree(job, w->started
                                 ? LS_OK
                                 : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__,
                                                  "the watchdog's thread cannot be started; runtime.stall_warn_s and "
                                                  "runtime.stall_abort_s of 0 do without"));
}

ls_status ls_watchdog_start(const ls_job *job, double warn_s, double abort_s, ls_watchdog **out)
{
    *out = NULL;
    if (warn_s == 0 && abort_s == 0) return LS_OK;
    ls_watchdog *w = ls_calloc(1, sizeof *w);
    LS_TRY(ls_job_agree(job, w ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    w->warn_s = warn_s;
    w->abort_s = abort_s;
    const ls_status status = start(job, w);
    if (status != LS_OK) ls_watchdog_stop(&w);
    *out = w;
    return status;
}

void ls_watchdog_stop(ls_watchdog **watchdog)
{
    if (watchdog == NULL || *watchdog == NULL) return;
    ls_watchdog *w = *watchdog;
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->stopping = true;
        pthread_cond_signal(&w->stop);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->stop);
        pthread_mutex_destroy(&w->lock);
    }
    if (w->window != NULL) ls_board_mark(LS_PHASE_END, 0, ls_clock_s());
    ls_board_use(NULL);
    ls_window_destroy(&w->window);
    ls_free(w->stall.seen);
    ls_free(w);
    *watchdog = NULL;
}
