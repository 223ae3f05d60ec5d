/* The ranks of a job as workers: groups that take trials from the directory until nothing is left. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/stop.h"
#include "study/partial.h"
#include "study/progress.h"
#include "study/run.h"
#include "study/trial.h"

enum { MAX_WANTS = 256, NAP_US = 50000, ROWS_A_RANK = 128 };

static const double ask_interval_s = 1.0; /* between two readings of the directory during a trial */

typedef enum action { WAIT, RUN, END } action;

typedef struct order {
    action action;
    ls_trial_key key;
    int64_t cap;
} order;

/* A group of ranks; store and progress are its rank 0's. */
typedef struct worker {
    const ls_study *study;
    ls_job *group;
    int largest; /* ranks of the job's largest group */
    ls_store *store;
    ls_progress_line progress;
    double asked_s, kept_s; /* the directory was read, the state of the trial saved */
} worker;

/* Groups of 1, 1, 2, 4 ranks and again, or of a given size; the last takes what is left.  Returns the group of a rank
 * and the size of the largest. */
static int group_of(int64_t ranks_per_trial, int size, int rank, int *largest)
{
    static const int pattern[] = {1, 1, 2, 4};
    int mine = 0;
    *largest = 0;
    for (int g = 0, first = 0; first < size; g++) {
        int n = ranks_per_trial > 0 ? (int)ranks_per_trial : pattern[g % 4];
        if (n > size - first) n = size - first;
        if (rank >= first) mine = g;
        if (n > *largest) *largest = n;
        first += n;
    }
    return mine;
}

/* Ranks that a batch size keeps busy, a power of two. */
static int ranks_for(int64_t size, int largest)
{
    int n = 1;
    while (2 * n <= largest && 2 * n * ROWS_A_RANK <= size) n *= 2;
    return n;
}

static ls_status replay(worker *w, ls_study_state *state)
{
    int n;
    const ls_trial *trials = ls_store_trials(w->store, &n);
    LS_TRY(ls_study_replay(&w->study->file->settings, trials, n, MAX_WANTS, state));
    ls_progress_take(&w->progress, state, w->store);
    return LS_OK;
}

/* Claims a want, unless a record came meanwhile: then all is to be thought over. */
static ls_status try_claim(worker *w, const ls_want *want, bool *mine, bool *again)
{
    char name[LS_TRIAL_NAME];
    LS_TRY(ls_store_claim(w->store, ls_trial_name(&want->key, name), mine));
    if (!*mine) return LS_OK;
    LS_TRY(ls_store_refresh(w->store, again));
    if (*again) ls_store_release(w->store);
    *mine = !*again;
    return LS_OK;
}

/* The first want is needed for certain; of the others each group first takes those of its size. */
static ls_status choose(worker *w, const ls_study_state *state, order *out, bool *again)
{
    const int ranks = ls_job_size(w->group);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < state->n_wants; i++) {
            const ls_want *want = &state->want[i];
            bool mine = false;
            if (pass == 0 && i > 0 && ranks_for(want->key.global_batch_size, w->largest) != ranks) continue;
            LS_TRY(try_claim(w, want, &mine, again));
            if (*again) return LS_OK;
            if (!mine) continue;
            *out = (order){.action = RUN, .key = want->key, .cap = want->cap};
            return LS_OK;
        }
    *out = (order){.action = WAIT};
    return LS_OK;
}

static ls_status decide(worker *w, bool stopped, order *out)
{
    for (bool again = true; again;) {
        ls_study_state state;
        again = false;
        LS_TRY(ls_store_refresh(w->store, NULL));
        LS_TRY(replay(w, &state));
        *out = (order){.action = END};
        ls_status status = LS_OK;
        if (stopped)
            status = ls_status_fail(LS_ESTOPPED, __FILE__, __LINE__,
                                    "stopped by a signal; every finished trial is kept: the same command goes on");
        else if (!state.done && ls_clock_s() < w->study->deadline_s)
            status = choose(w, &state, out, &again);
        ls_study_state_destroy(&state);
        LS_TRY(status);
    }
    return LS_OK;
}

static bool same_key(const ls_trial_key *a, const ls_trial_key *b)
{
    char one[LS_TRIAL_NAME], other[LS_TRIAL_NAME];
    return strcmp(ls_trial_name(a, one), ls_trial_name(b, other)) == 0;
}

/* The cap that the records of today give a trial under way; what is no longer wanted ends. */
static ls_status new_cap(worker *w, const ls_trial *so_far, int64_t *cap)
{
    bool changed;
    ls_study_state state;
    LS_TRY(ls_store_refresh(w->store, &changed));
    if (!changed) return LS_OK;
    LS_TRY(replay(w, &state));
    int64_t wanted = so_far->iterations;
    for (int i = 0; i < state.n_wants; i++)
        if (same_key(&state.want[i].key, &so_far->key)) wanted = state.want[i].cap;
    if (state.n_wants < MAX_WANTS || wanted > so_far->iterations) *cap = wanted;
    ls_study_state_destroy(&state);
    return LS_OK;
}

/* Nothing under way may be lost to a kill that is older than the interval. */
static bool keep_is_due(const worker *w, double now)
{
    return now - w->kept_s >= w->study->file->keys.keep_every_s;
}

/* The record first: then the state. */
static bool put_before_state(worker *w, const ls_trial *so_far)
{
    w->kept_s = ls_clock_s();
    return ls_store_put(w->store, so_far) == LS_OK; /* a failure is told when the trial is put there at its end */
}

static void tick(void *context, const ls_trial *so_far, ls_trial_moment moment, ls_trial_turn *turn)
{
    worker *w = context;
    const double now = ls_clock_s();
    ls_store_renew(w->store);
    ls_progress_show(&w->progress, w->store);
    turn->keep = moment == LS_TRIAL_KEEP || keep_is_due(w, now);
    if (moment == LS_TRIAL_STEP) return;
    const bool ends = moment == LS_TRIAL_STOP || ls_stop_requested() || now > w->study->deadline_s;
    if (ends) {
        turn->cap = so_far->iterations;
    } else if (moment == LS_TRIAL_LOOK && (now - w->asked_s >= ask_interval_s || so_far->iterations >= turn->cap)) {
        w->asked_s = now;
        new_cap(w, so_far, &turn->cap); /* a directory that cannot be read now is told of when the trial is put there */
    }
    turn->keep = (ends || (turn->keep && turn->cap > so_far->iterations)) && put_before_state(w, so_far);
}

static void forget_states(const worker *w, const ls_trial_key *key)
{
    char *place = ls_partial_place(w->study->directory, key);
    if (place != NULL) ls_partial_remove(place);
    ls_free(place);
}

/* The record is stored before the states go: a full disk, or a kill in between, loses nothing. */
static ls_status run_trial(worker *w, const order *o)
{
    const bool leads = ls_job_rank(w->group) == 0;
    const ls_trial_place place = {.job = w->group,
                                  .file = w->study->file,
                                  .data = w->study->data,
                                  .directory = w->study->directory,
                                  .record = leads ? ls_store_find(w->store, &o->key) : NULL,
                                  .tick = tick,
                                  .context = w};
    ls_trial trial;
    bool cut;
    w->kept_s = ls_clock_s();
    LS_TRY(ls_trial_run(&place, &o->key, o->cap, &trial, &cut));
    const ls_status status = leads ? ls_store_put(w->store, &trial) : LS_OK;
    if (leads && status == LS_OK && !cut) forget_states(w, &o->key);
    if (leads) ls_store_release(w->store);
    ls_trial_destroy(&trial);
    return ls_job_agree(w->group, status);
}

static ls_status work(worker *w)
{
    const bool leads = ls_job_rank(w->group) == 0;
    for (;;) {
        order o = {0};
        const bool stopped = ls_job_max(w->group, ls_stop_requested() ? 1.0 : 0.0) > 0.0; /* a signal to any rank */
        LS_TRY(ls_job_agree(w->group, leads ? decide(w, stopped, &o) : LS_OK));
        ls_job_broadcast(w->group, 0, &o, sizeof o);
        if (o.action == END) return LS_OK;
        if (o.action == RUN) LS_TRY(run_trial(w, &o));
        if (leads) ls_progress_show(&w->progress, w->store);
        if (o.action == WAIT) usleep(NAP_US);
    }
}

ls_status ls_study_work(const ls_study *study)
{
    worker w = {.study = study};
    const int rank = ls_job_rank(study->world);
    const int group = group_of(study->file->keys.ranks_per_trial, ls_job_size(study->world), rank, &w.largest);
    LS_TRY(ls_job_split(study->world, group, (int)study->file->base->runtime.ranks_per_node, &w.group));
    ls_log_quiet(true, ls_job_rank(w.group) != 0); /* each group warns for itself */
    ls_progress_start(&w.progress, study, rank == 0 && !study->quiet);
    ls_status status = LS_OK;
    if (ls_job_rank(w.group) == 0)
        status = ls_store_create(study->directory, study->file->keys.claim_expiry_s, &w.store);
    status = ls_job_agree(w.group, status);
    if (status == LS_OK) status = work(&w);
    ls_store_destroy(&w.store);
    ls_job_destroy(&w.group);
    ls_log_quiet(true, rank != 0);
    return status;
}
