#include "study/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lockstep/report.h"
#include "lockstep/stop.h"
#include "lockstep/trainer.h"
#include "lockstep/watchdog.h"
#include "study/directory.h"
#include "study/partial.h"
#include "train/data.h"

const char *ls_trial_status_name(ls_trial_status status)
{
    static const char *const names[] = {"COMPLETE", "CENSORED", "INCOMPLETE", "INFEASIBLE"};
    return names[status];
}

/* Rank 0's texts go to all: argv and files may differ between ranks. */
static ls_status read_file(const ls_job *world, const ls_study_options *o, ls_study_file **out)
{
    ls_study_file *mine = NULL;
    ls_text study = {0}, base = {0};
    char *directory = NULL;
    size_t n = 0;
    ls_status status = LS_OK;
    if (ls_job_rank(world) == 0) status = ls_study_file_read(o->path, o->overrides, o->n_overrides, &mine);
    if (status == LS_OK && mine != NULL) {
        ls_node_json(mine->root, &study);
        ls_config_text(mine->base, &base);
        status = ls_text_status(&study);
        if (status == LS_OK) status = ls_text_status(&base);
        directory = mine->base->directory;
        n = strlen(directory);
    }
    status = ls_job_agree(world, status);
    if (status == LS_OK) status = ls_job_broadcast_block(world, &study.data, &study.n);
    if (status == LS_OK) status = ls_job_broadcast_block(world, &base.data, &base.n);
    if (status == LS_OK) status = ls_job_broadcast_block(world, &directory, &n);
    if (status == LS_OK) status = ls_job_agree(world, ls_study_file_parse(study.data, base.data, directory, out));
    if (mine == NULL) ls_free(directory);
    ls_text_free(&study);
    ls_text_free(&base);
    ls_study_file_destroy(&mine);
    return status;
}

/* A first trial made and thrown away: what is wrong with the model or the data is told once, by all. */
static ls_status try_trainer(const ls_study *s)
{
    const ls_trial_key key = {
        s->file->settings.size[0], s->file->settings.lr_start, s->file->settings.momentum_min, 1, 1, 1};
    const ls_trainer_options quiet = {0};
    ls_config *config = NULL;
    ls_trainer *trainer = NULL;
    LS_TRY(ls_job_agree(s->world, ls_study_file_trial(s->file, &key, &config)));
    const ls_status status = ls_trainer_create(s->world, config, s->data, &quiet, &trainer);
    ls_trainer_destroy(&trainer);
    ls_config_destroy(&config);
    return status;
}

static ls_status load(ls_study *s, const ls_study_options *o)
{
    LS_TRY(read_file(s->world, o, &s->file));
    double budget_s = s->file->budget_s;
    if (o->budget != NULL) LS_TRY(ls_job_agree(s->world, ls_study_budget(o->budget, &budget_s)));
    s->deadline_s = s->start_s + budget_s;
    char fallback[300];
    snprintf(fallback, sizeof fallback, "studies/%s", s->file->keys.name);
    s->directory = ls_strdup(o->directory ? o->directory : fallback);
    LS_TRY(
        ls_job_agree(s->world, s->directory ? LS_OK : ls_status_fail(LS_ENOMEM, __FILE__, __LINE__, "out of memory")));
    LS_TRY(ls_watchdog_start(s->world, s->file->base->runtime.stall_warn_s, s->file->base->runtime.stall_abort_s,
                             &s->watchdog));
    LS_TRY(ls_trainer_prepare(s->world, s->file->base));
    LS_TRY(ls_data_load(s->world, s->file->base, o->data_directory, &s->data));
    LS_TRY(ls_job_agree(s->world, ls_study_file_fit_data(s->file, s->data->set[LS_TRAIN].info.n_samples)));
    return try_trainer(s);
}

/* Another worker that writes results will be done, or dead: then its claim expires. */
static ls_status wait_for_results(ls_store *store)
{
    enum { NAP_US = 50000 };
    for (bool mine = false; !mine;) {
        LS_TRY(ls_store_claim(store, "results", &mine));
        LS_REQUIRE(mine || !ls_stop_requested(), LS_ESTOPPED,
                   "stopped by a signal before results were written; the same command goes on");
        if (!mine) usleep(NAP_US);
    }
    return LS_OK;
}

/* Claims the results, and then reads what they rest on: nothing older can replace them later. */
static ls_status final_state(const ls_study *s, ls_store **store, ls_study_state *state)
{
    int n;
    LS_TRY(ls_store_create(s->directory, s->file->keys.claim_expiry_s, store));
    LS_TRY(wait_for_results(*store));
    LS_TRY(ls_store_keep_renewed(*store)); /* fits and figures may take longer than a claim lives */
    LS_TRY(ls_store_refresh(*store, NULL));
    const ls_trial *trials = ls_store_trials(*store, &n);
    return ls_study_replay(&s->file->settings, trials, n, 1, state);
}

/* A result, but one with a code of its own: no run came below the strictest target. */
static ls_status judge(const ls_study *s, const ls_study_state *state)
{
    const ls_study_settings *settings = &s->file->settings;
    double best = NAN;
    for (int a = 0; a < LS_N_ARMS; a++)
        for (int i = 0; i < state->n_sizes[a]; i++) {
            const ls_size_result *r = &state->size[a][i];
            if (isnan(best) || r->best_error < best) best = r->best_error;
        }
    const double strictest = settings->target[settings->n_targets - 1];
    LS_REQUIRE(!isnan(best), LS_ETARGET,
               "the budget ended the study before a first evaluation; the same command with a larger one goes on");
    LS_REQUIRE(best < strictest, LS_ETARGET,
               "%sthe target %g was reached at no batch size: the best validation error is %g",
               !state->done ? "the budget ended the study early (the same command with a larger one goes on); " : "",
               strictest, best);
    return LS_OK;
}

/* A line for each batch size of the tuned arm, and where all the rest is. */
static void print_summary(const ls_study *s, const ls_study_state *state)
{
    const int strictest = s->file->settings.n_targets - 1;
    if (s->quiet) return;
    for (int i = 0; i < state->n_sizes[LS_ARM_TUNED]; i++) {
        const ls_size_result *r = &state->size[LS_ARM_TUNED][i];
        const long long steps = ls_study_median(r, strictest);
        if (isnan(r->lr)) continue; /* not begun, or without a trial that has ended */
        printf("B = %-8lld lr %-10.4g ", (long long)r->size, r->lr);
        if (steps >= 0)
            printf("%lld iterations to %g", steps, s->file->settings.target[strictest]);
        else
            printf("best error %g", r->best_error);
        printf("%s%s\n", r->tuned ? "" : " UNTUNED", r->done ? "" : " (not finished)");
    }
    if (!isnan(state->b_crit))
        printf("S_min about %.0f, B_crit about %.0f; the report has intervals, and whether B_crit is identified\n",
               state->s_min, state->b_crit);
    printf("done: %s/results.json, %s/report.html\n", s->directory, s->directory);
    fflush(stdout);
}

static ls_status write_results(const ls_study *s, const ls_study_state *state, const ls_study_time *times, int n_times)
{
    LS_TRY(ls_study_write(s, state, times, n_times));
    const char *directory = s->directory;
    LS_TRY(ls_report_write(&directory, 1, NULL));
    if (state->done) ls_partial_clear(directory);
    return judge(s, state);
}

/* One worker after the other writes, each from the records of that moment. */
static ls_status finish(const ls_study *s)
{
    const bool leads = ls_job_rank(s->world) == 0;
    ls_store *store = NULL;
    ls_study_state state = {0};
    ls_study_time *times = NULL;
    int n_times = 0;
    ls_status status = leads ? final_state(s, &store, &state) : LS_OK;
    ls_job_wait_all(s->world, INFINITY); /* the others sleep meanwhile */
    status = ls_job_agree(s->world, status);
    if (status == LS_OK) status = ls_study_measure(s, &state, &times, &n_times);
    if (status == LS_OK && leads) status = write_results(s, &state, times, n_times);
    if (leads && (status == LS_OK || status == LS_ETARGET)) print_summary(s, &state);
    ls_free(times);
    ls_study_state_destroy(&state);
    ls_store_destroy(&store);
    return ls_job_agree(s->world, status);
}

static ls_status run(ls_study *s, const ls_study_options *o, bool *alone, int *lock)
{
    static const double others_s = 20.0; /* that a signalled rank waits for the others to hear it too */
    LS_TRY(load(s, o));
    if (o->check_np != NULL) return ls_study_check_np(s, o->check_np);
    LS_REQUIRE(s->file->base->exchange.method == LS_TREE, LS_EUSAGE,
               "a study needs results that do not depend on ranks: 'exchange.method' of the base must be tree");
    LS_TRY(ls_job_agree(s->world, ls_job_rank(s->world) == 0 ? ls_study_open_directory(s, lock) : LS_OK));
    const ls_status status = ls_study_work(s);
    *alone = status != LS_OK && status != LS_ESTOPPED;
    if (*alone) return status;
    if (!ls_job_wait_all(s->world, status == LS_OK ? INFINITY : others_s)) {
        *alone = true;
        return status;
    }
    LS_TRY(ls_job_agree(s->world, status));
    return finish(s);
}

ls_status ls_study_run(const ls_job *world, const ls_study_options *options, bool *alone)
{
    ls_study s = {.world = world, .worker = options->worker, .quiet = options->quiet, .start_s = ls_clock_s()};
    int lock = -1;
    *alone = false;
    ls_log_quiet(true, ls_job_rank(world) != 0);
    const ls_status status = run(&s, options, alone, &lock);
    ls_watchdog_stop(&s.watchdog);
    ls_free(s.directory);
    if (!*alone) ls_data_destroy(&s.data); /* else its memory may be in use */
    ls_study_file_destroy(&s.file);
    if (lock >= 0) close(lock);
    return status;
}
